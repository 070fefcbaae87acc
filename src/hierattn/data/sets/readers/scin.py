"""SCIN (Skin Condition Image Network) -> records: photographs that people sent of their own skin.

::

    scin_cases.csv      case_id, age_group, sex_at_birth, fitzpatrick_skin_type, body_parts_..., image_1_path ... 3
    scin_labels.csv     case_id, weighted_skin_condition_label, dermatologist_fitzpatrick_skin_type_label_1 ... 3, ...
    images/             called as in image_1_path ... image_3_path

also below ``dataset/``, as in the authors' bucket, or with ``dataset_`` before each name, as a browser saves them.

One to three dermatologists named up to three conditions each, and the set gives the sum, with weights that add up to 1.
An image has one class here, so the condition with the largest weight is taken, where there is one: it is the one that
most, or the surest, named. Cases where two weigh alike, and those without a condition, are left out. A label is a
dermatologist's opinion of a photograph, not a diagnosis by pathology, and says nothing of malignancy.

A case is one lesion, of one to three photographs. Who sent it is not given, so several cases of one person are known
only where they share a photograph: these are kept together. The skin type is the middle one of the dermatologists' (the
lower of two), or else the person's own. The age is the group's lower bound.

Sources: the authors' repository (github.com/google-research-datasets/scin: README, ``dataset_schema.md`` and the demo
notebook) for files, columns, weights, licence and the 15 photographs that are there several times.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hierattn.data.sets.catalog import SCIN
from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import Photo, empty_listing, list_photos, taken_for_one
from hierattn.data.source_table import Row, by_id, read_rows, refuse_rounded, sex_of, skin_type_of, table_path, text_of
from hierattn.errors import TableError

CASES = ("scin_cases.csv", "dataset/scin_cases.csv", "dataset_scin_cases.csv")
LABELS = ("scin_labels.csv", "dataset/scin_labels.csv", "dataset_scin_labels.csv")
_IMAGES = ("image_1_path", "image_2_path", "image_3_path")
_SKIN_TYPES = tuple(f"dermatologist_fitzpatrick_skin_type_label_{number}" for number in (1, 2, 3))
_PARTS = ("head_or_neck", "arm", "palm", "back_of_hand", "torso_front", "torso_back", "genitalia_or_groin", "buttocks",
          "leg", "foot_top_or_side", "foot_sole")  # fmt: skip
_LONGEST = 10_000
"""Characters of a cell with weights."""


def read_scin(source: Path, images: Path | None = None, label_column: str = "") -> Listing:
    """List a folder in SCIN's layout.

    Parameters
    ----------
    source
        The folder of the tables.
    images
        The folder of the images where it is not ``source``; searched with all its subfolders.
    label_column
        There is none to choose.

    Raises
    ------
    TableError
        For a missing table or column, weights that are none, case ids that a spreadsheet has rounded, or tables that do
        not belong together.
    """
    del label_column
    tables = {names[0]: table_path(source, names) for names in (CASES, LABELS)}
    path, labels_path = tables.values()
    more = ["age_group", "sex_at_birth", "fitzpatrick_skin_type", *(f"body_parts_{part}" for part in _PARTS)]
    cases = _by_case(path, ["case_id", *_IMAGES], more)
    labels = _by_case(labels_path, ["case_id", "weighted_skin_condition_label"], _SKIN_TYPES)
    if not cases.keys() & labels.keys():
        raise TableError(f"{path} and {labels_path} have no case in common: wanted two tables of one release")
    listing = empty_listing(SCIN, domain="clinical")
    folder = ImageFolder.of(source, images)
    cases_of: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []

    def photos() -> Iterator[Photo]:
        for case, row in cases.items():
            own = labels.get(case, {})
            label, reason = _condition(own.get("weighted_skin_condition_label", ""), f"{labels_path}: case {case}")
            for column in _IMAGES:
                if image := text_of(row[column]):
                    pairs.append((cases_of.setdefault(image, case), case))
                    yield Photo(
                        (image,),
                        label,
                        left_out=reason,
                        lesion=case,
                        age=_age(row.get("age_group", "")),
                        sex=sex_of(row.get("sex_at_birth", "")),
                        site=", ".join(
                            part.replace("_", " ") for part in _PARTS if text_of(row.get(f"body_parts_{part}", ""))
                        ),
                        skin_type=_skin_type(row, own),
                    )

    list_photos(listing, path, photos(), folder)
    if count := taken_for_one(listing, "lesion", pairs):
        listing.notes.append(f"{count} cases have a photograph of another case: taken for one")
    return listing


def _by_case(path: Path, required: list[str], known: list[str] | tuple[str, ...]) -> dict[str, Row]:
    rows = read_rows(path, required, known)
    refuse_rounded(path, "case_id", (row["case_id"] for row in rows))
    return by_id(path, rows, "case_id")


def _condition(value: str, where: str) -> tuple[str, str]:
    """The condition with the largest weight, or why there is none."""
    try:
        weights = ast.literal_eval(text_of(value)[:_LONGEST] or "{}")
        ranked = sorted(((float(weight), str(name)) for name, weight in weights.items()), reverse=True)
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError):
        raise TableError(
            f"{where}: weighted_skin_condition_label is {value[:40]!r}, wanted names and weights such as "
            "{'Eczema': 0.7, 'Psoriasis': 0.3}; download the table again"
        ) from None
    if not ranked:
        return "", "no condition named by a dermatologist"
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        return "", "several conditions weigh alike"
    return ranked[0][1], ""


def _age(group: str) -> str:
    """``18`` for ``AGE_18_TO_29``."""
    match = re.match(r"AGE_(\d+)", group)
    return match[1] if match else ""


def _skin_type(case: Row, labels: Mapping[str, str]) -> str:
    told = sorted(filter(None, (skin_type_of(labels.get(column, "")) for column in _SKIN_TYPES)))
    return told[(len(told) - 1) // 2] if told else skin_type_of(case.get("fitzpatrick_skin_type", ""))
