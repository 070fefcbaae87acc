"""The folder of a comparison: ``comparison.csv``, ``.md``, ``.json``, ``pairs.csv``, figures and one page to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

import hierattn
from hierattn.evaluation.comparison.entrant import Contestant
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
from hierattn.evaluation.whole_folder import check_replaceable, whole_folder

JSON = "comparison.json"
FIGURE_TEXTS = {
    "accuracy_parameters": (
        "Accuracy against parameters (Fig. 7)",
        "Upwards is more accurate, leftwards is smaller. Lines are 95 % intervals over lesions.",
    ),
    "roc": (
        "ROC curves (Fig. 8)",
        "A curve a model: the mean over classes of each class against the rest. A curve through the upper left corner "
        "is perfect; the diagonal is guessing.",
    ),
    "variants": ("The variants", "Balanced accuracy on the same images; a dot is a fold, the line the 95 % interval."),
}


def draw_comparison(
    comparison: Mapping[str, Any], contestants: Sequence[Contestant], ablation: bool = False
) -> dict[str, Figure]:
    """The figures by name; an ablation's variants in place of accuracy against parameters."""
    first = {"variants": bars_figure(comparison)} if ablation else {
        "accuracy_parameters": accuracy_parameters_figure(comparison)
    }  # fmt: skip
    return {**first, "roc": models_roc_figure(contestants)}


def check_free(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than an earlier comparison.

    Raises
    ------
    UsageError
        Where it does.
    """
    check_replaceable(folder, JSON, "a comparison")


def write_comparison(
    folder: Path,
    comparisons: Sequence[Mapping[str, Any]],
    contestants: Sequence[Sequence[Contestant]],
    gaps: Sequence[Mapping[str, Any]] = (),
    *,
    ablation: bool = False,
) -> None:
    """Write everything, whole or not at all.

    Parameters
    ----------
    folder
        New, empty, or an earlier comparison's, which is replaced.
    comparisons, contestants
        One of each a protocol, the honest one first.
    gaps
        Of :func:`~hierattn.evaluation.comparison.comparison.protocol_gaps`.
    ablation
        Draw variants instead of models.
    """
    check_free(folder)
    drawn = [
        draw_comparison(comparison, known, ablation) for comparison, known in zip(comparisons, contestants, strict=True)
    ]
    with whole_folder(folder) as parts:
        for number, comparison in enumerate(comparisons):
            mark = "" if number == 0 else f"-{comparison['protocol']}"
            (parts / f"comparison{mark}.csv").write_text(csv_table(comparison), encoding="utf-8")
            (parts / f"pairs{mark}.csv").write_text(pairs_table(comparison), encoding="utf-8")
            save_figures(parts / "figures", {f"{name}{mark}": figure for name, figure in drawn[number].items()})
        text = "\n".join(markdown_table(comparison) for comparison in comparisons)
        if gaps:
            text += "\n" + "\n".join(f"- {gap['sentence']}" for gap in gaps) + "\n"
        (parts / "comparison.md").write_text(text, encoding="utf-8")
        kept = {"comparisons": list(comparisons), "gaps": list(gaps), "made_by": f"hierattn {hierattn.__version__}"}
        (parts / JSON).write_text(json.dumps(kept, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        (parts / "comparison.html").write_text(render_comparison(comparisons, drawn, gaps), encoding="utf-8")


def render_comparison(
    comparisons: Sequence[Mapping[str, Any]],
    drawn: Sequence[Mapping[str, Figure]],
    gaps: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole page as text."""
    parts = [
        {
            "protocol": comparison["protocol"],
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
