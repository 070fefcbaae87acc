"""The folder of a comparison: ``comparison.csv``, ``.md``, ``.json``, ``pairs.csv``, figures and one page to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

import hierattn
from hierattn.evaluation.comparison.entrant import Entrant
from hierattn.evaluation.comparison.figures import accuracy_parameters_figure, bars_figure, models_roc_figure
from hierattn.evaluation.comparison.tables import (
    cells,
    csv_table,
    footnotes,
    markdown_table,
    measured_on,
    pair_sentences,
    pairs_table,
    signed_difference,
)
from hierattn.evaluation.pages.figures import save_figures, svg
from hierattn.evaluation.pages.html_report import fill_page
from hierattn.files import FolderKind, whole_folder, write_json, write_text

JSON, PAGE = "comparison.json", "comparison.html"
KIND = FolderKind(
    "a comparison",
    mark=JSON,
    older=("comparison*.csv", "pairs*.csv", "comparison.md", PAGE, "figures/*"),
)
FIGURE_TEXTS = {
    "accuracy_parameters": (
        "Accuracy against parameters (Fig. 7)",
        "Upwards is more accurate, leftwards is smaller. Lines are 95 % intervals over lesions.",
    ),
    "roc": (
        "ROC curves (Fig. 8)",
        "One curve per model: the mean over classes of each class against the rest. A curve through the upper left "
        "corner is perfect; the diagonal is guessing.",
    ),
    "variants": ("The variants", "Balanced accuracy on the same images; a dot is a fold, the line the 95 % interval."),
}


def draw_comparison(
    comparison: Mapping[str, Any], entrants: Sequence[Entrant], ablation: bool = False
) -> dict[str, Figure]:
    """The figures by name; an ablation's variants in place of accuracy against parameters."""
    first = {"variants": bars_figure(comparison)} if ablation else {
        "accuracy_parameters": accuracy_parameters_figure(comparison)
    }  # fmt: skip
    return {**first, "roc": models_roc_figure(entrants)}


def write_comparison(
    folder: Path,
    comparisons: Sequence[Mapping[str, Any]],
    entrants: Sequence[Sequence[Entrant]],
    gaps: Sequence[Mapping[str, Any]] = (),
    *,
    ablation: str = "",
) -> None:
    """Write everything, whole or not at all.

    Parameters
    ----------
    folder
        New, empty, or an earlier comparison's, which is replaced.
    comparisons, entrants
        One of each a protocol, the honest one first; or one a source that was left out.
    gaps
        Of :func:`~hierattn.evaluation.comparison.comparison.protocol_gaps`.
    ablation
        Its name, where the entrants are variants of one network: they are then drawn instead of models.
    """
    drawn = [
        draw_comparison(comparison, side, bool(ablation))
        for comparison, side in zip(comparisons, entrants, strict=True)
    ]
    with whole_folder(folder, KIND) as workspace:
        parts = workspace.folder
        for number, comparison in enumerate(comparisons):
            source = comparison.get("left_out_source")
            mark = f"-{source}" if source else "" if number == 0 else f"-{comparison['protocol']}"
            write_text(parts / f"comparison{mark}.csv", csv_table(comparison))
            write_text(parts / f"pairs{mark}.csv", pairs_table(comparison))
            save_figures(parts / "figures", {f"{name}{mark}": figure for name, figure in drawn[number].items()})
        text = "\n".join(markdown_table(comparison) for comparison in comparisons)
        if gaps:
            text += "\n" + "\n".join(f"- {gap['sentence']}" for gap in gaps) + "\n"
        write_text(parts / "comparison.md", text)
        write_text(parts / PAGE, render_comparison(comparisons, drawn, gaps))
        made_by = f"hierattn {hierattn.__version__}"
        values = {"comparisons": list(comparisons), "gaps": list(gaps), "made_by": made_by, "ablation": ablation}
        write_json(parts / JSON, values | {"budgets": [[budget_of(entrant) for entrant in side] for side in entrants]})


def budget_of(entrant: Entrant) -> dict[str, Any]:
    """What an entrant was trained with; None where its report does not say. ``epoch_images`` is 0 for all."""
    recipe = entrant.provenance.recipe
    optimiser, data, transfer = (recipe.get(table, {}) for table in ("optimiser", "data", "transfer"))
    return {
        "epochs": optimiser.get("epochs"),
        "batch_size": optimiser.get("batch_size"),
        "epoch_images": data.get("epoch_images"),
        "frozen_epochs": transfer.get("frozen_epochs"),
        "start": transfer.get("checkpoint"),
    }


def render_comparison(
    comparisons: Sequence[Mapping[str, Any]],
    drawn: Sequence[Mapping[str, Figure]],
    gaps: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole page as text."""
    parts = [
        {
            "protocol": comparison["protocol"],
            "left_out": comparison.get("left_out_source", ""),
            "measured_on": measured_on(comparison),
            "sentences": pair_sentences(comparison),
            "rows": [
                {"row": row, "cells": cells(row), "difference": signed_difference(row["difference"])}
                for row in comparison["rows"]
            ],
            "footnotes": footnotes(comparison),
            # Our own drawing, with its label escaped: the only markup that is trusted.
            "figures": [
                {"title": FIGURE_TEXTS[name][0], "text": FIGURE_TEXTS[name][1], "svg": Markup(svg(figure, name))}
                for name, figure in figures.items()
            ],
        }
        for comparison, figures in zip(comparisons, drawn, strict=True)
    ]
    return fill_page(
        "comparison.html.jinja",
        title=comparisons[0]["title"],
        parts=parts,
        gaps=gaps,
        provenance=_provenance(comparisons[0]),
    )


def _provenance(comparison: Mapping[str, Any]) -> list[tuple[str, str]]:
    commits = sorted({row["commit"] for row in comparison["rows"] if row["commit"]})
    recipes = sorted({row["recipe"] for row in comparison["rows"] if row["recipe"]})
    rows = [
        ("Data", comparison["source"]),
        ("Licence", comparison["licence"]),
        ("Cite", comparison["citation"]),
        ("Recipes", ", ".join(recipes)),
        ("Commits", ", ".join(commits)),
        ("Made with", f"hierattn {hierattn.__version__}"),
    ]
    return [(name, value) for name, value in rows if value]
