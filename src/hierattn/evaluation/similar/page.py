"""The page of ``hierattn similar``: a photograph and its neighbours. One file; it loads nothing and runs no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hierattn
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.pages.gallery import data_uri
from hierattn.evaluation.pages.html_report import fill_page
from hierattn.evaluation.similar.search import Similar
from hierattn.files import write_text

TEMPLATE = "similar.html.jinja"
KIND = "a page of photographs"
NO_SECOND_OPINION = (
    "Alike to the network is not the same diagnosis. Neighbours come from the same features as its answer and are no "
    "second opinion: for the released dermoscopy model they add next to nothing to its answer and confidence, and "
    "nothing where the lesion is a cancer."
)


def facts_of(packed: PackedSet, similar: Similar) -> dict[str, Any]:
    """Everything but the pictures as plain values: the neighbours, their labels counted, and the photograph itself."""
    records, names = packed.records, packed.taxonomy.by_code
    neighbours = [
        {
            "image": Path(records[row].image).name,
            "label": records[row].label,
            "name": names[records[row].label].name,
            "lesion": records[row].lesion or records[row].patient,
            "source": records[row].source,
            "fold": records[row].fold,
            "distance": round(distance, 4),
        }
        for row, distance in similar.neighbours
    ]
    return {
        "neighbours": neighbours,
        "labels": dict(Counter(str(each["label"]) for each in neighbours).most_common()),
        "itself": [{"image": Path(records[row].image).name, "known_by": why} for row, why in similar.itself.items()],
    }


def itself_sentence(facts: Mapping[str, Any]) -> str:
    """That the photograph is in the set, and as what; empty where it is not."""
    if not facts["itself"]:
        return ""
    named = ", ".join(f"{each['image']} ({each['known_by']})" for each in facts["itself"])
    return f"The set holds this photograph: {named}. It and its lesion or patient are not counted as neighbours."


def labels_sentence(facts: Mapping[str, Any]) -> str:
    """How the neighbours are labelled, the most frequent first."""
    counted = ", ".join(f"{count} {label}" for label, count in facts["labels"].items())
    return f"Of {len(facts['neighbours'])} neighbours: {counted}." if counted else "No neighbour was found."


def write_similar(out: Path, packed: PackedSet, similar: Similar, searched: str, weights: str) -> None:
    """Write the page.

    Parameters
    ----------
    out
        Where nothing is yet (:func:`~hierattn.files.check_new`).
    packed, similar
        As ``find_similar`` gives them.
    searched
        Which photographs were searched, in a few words.
    weights
        The name of the weights.
    """
    facts = facts_of(packed, similar)
    pictures = [data_uri(packed.images[row], quality=80) for row, _ in similar.neighbours]
    page = fill_page(
        TEMPLATE,
        facts=facts,
        photograph=data_uri(similar.pixels),
        neighbours=list(zip(facts["neighbours"], pictures, strict=True)),
        sentences=[each for each in (labels_sentence(facts), itself_sentence(facts)) if each],
        no_second_opinion=NO_SECOND_OPINION,
        provenance=[
            ("Set", packed.folder.resolve().name),
            ("Manifest", packed.manifest_sha256),
            ("Weights", weights),
            ("Searched", searched),
            ("Made with", f"hierattn {hierattn.__version__}"),
        ],
    )
    write_text(out, page)
