"""What ``crossval --leave-one-source-out`` writes: a page, and its table as CSV, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

import hierattn
from hierattn.evaluation.comparison.left_out_sources import FIGURES, Judged, LeftOutSource, sentences
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.pages.drawn_names import drawn_names
from hierattn.evaluation.pages.figures import ACCENT, INK, SECOND, legend, plain_axes, save_figures, svg
from hierattn.evaluation.pages.html_report import area, fill_page
from hierattn.evaluation.records import to_plain
from hierattn.files import FolderKind, whole_folder, write_json, write_table, write_text
from hierattn.shares import fraction

JSON, PAGE = "left_out_sources.json", "left_out_sources.html"
KIND = FolderKind("figures of left-out sources", mark=JSON)
SIDES: Mapping[str, str] = {
    "judged": "never seen",
    "by_folds": "by folds, same photographs",
    "own_sources": "its own sources, unseen fold",
}
"""Attribute of a :class:`LeftOutSource` -> what its figures are called."""


def sides(source: LeftOutSource) -> dict[str, Judged]:
    """The figures that there are, by :data:`SIDES`."""
    return {name: side for name in SIDES if (side := getattr(source, name)) is not None}


def _span(estimate: Estimate) -> str:
    if estimate.interval is None:
        return area(estimate.value)
    low, high = (fraction(end, 2) for end in estimate.interval)
    return f"{area(estimate.value)} ({low} to {high})"


def table_rows(sources: Sequence[LeftOutSource]) -> list[list[str]]:
    """A row a source and side in words, intervals in brackets."""
    return [
        [source.source, SIDES[name], str(side.images), str(side.groups)]
        + [_span(side.figures[figure]) for figure in FIGURES]
        for source in sources
        for name, side in sides(source).items()
    ]


HEADINGS = ("source", "photographs", "images", "groups", *FIGURES.values())


def markdown_table(title: str, sources: Sequence[LeftOutSource]) -> str:
    """The table for people; 95 % intervals over lesions or patients in brackets."""
    lines = [f"# {title}", "", *(f"- {line}" for line in sentences(sources)), ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|---|---|" + "---:|" * (len(HEADINGS) - 2)]
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(sources)]
    notes = [f"- {source.source}: {note}" for source in sources for note in source.notes]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"


def csv_rows(sources: Sequence[LeftOutSource]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows; a figure has its value, ``_low`` and ``_high``, empty where it is not known."""
    columns = ["source", "photographs", "images", "groups"]
    columns += [f"{figure}{end}" for figure in FIGURES for end in ("", "_low", "_high")]
    rows: list[list[object]] = []
    for source in sources:
        for name, side in sides(source).items():
            row: list[object] = [source.source, name, side.images, side.groups]
            for figure in FIGURES:
                known = side.figures[figure]
                row += ["" if value is None else value for value in (known.value, *(known.interval or (None, None)))]
            rows.append(row)
    return columns, rows


def sources_figure(sources: Sequence[LeftOutSource], figure: str = "balanced_accuracy") -> Figure:
    """One figure of every source with its interval: never seen, by folds, and the network on its own sources."""
    drawing, (axis,) = plain_axes(5.8, 0.8 + 0.62 * max(len(sources), 1))
    styles = {"judged": (ACCENT, "o", ACCENT), "by_folds": (SECOND, "o", SECOND), "own_sources": (SECOND, "o", "none")}
    for place, source in enumerate(sources):
        for number, (name, side) in enumerate(sides(source).items()):
            known = side.figures[figure]
            if known.value is None:
                continue
            colour, mark, filled = styles[name]
            height = place + 0.2 * (number - 1)
            if known.interval is not None:
                axis.plot(known.interval, [height] * 2, color=colour, linewidth=1.6)
            axis.plot(known.value, height, mark, color=colour, markerfacecolor=filled, markersize=6)
    for name, (colour, mark, filled) in styles.items():
        if any(name in sides(source) for source in sources):
            axis.plot([], [], mark, color=colour, markerfacecolor=filled, markersize=6, label=SIDES[name])
    axis.set_yticks(range(len(sources)), drawn_names([source.source for source in sources], "source", 24))
    axis.set(xlim=(0, 1.02), ylim=(len(sources) - 0.5, -0.6), xlabel=FIGURES[figure])
    axis.tick_params(axis="y", colors=INK)
    axis.grid(visible=False, axis="y")
    legend(axis)
    return drawing


def render_sources(title: str, sources: Sequence[LeftOutSource], facts: Mapping[str, Any]) -> str:
    """The page as text; ``facts`` as :func:`write_sources` takes them."""
    told = [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
    return fill_page(
        "sources.html.jinja",
        title=title,
        sentences=sentences(sources),
        # Our own drawing, with its label escaped: the only markup that is trusted.
        figure=Markup(svg(sources_figure(sources), "Balanced accuracy of every source, never seen and by folds")),
        sources=[(source, [(SIDES[name], name, side) for name, side in sides(source).items()]) for source in sources],
        figures=list(FIGURES.items()),
        has_folds=any(source.by_folds is not None for source in sources),
        notes=[f"{source.source}: {note}" for source in sources for note in source.notes],
        provenance=[*told, ("Made with", f"hierattn {hierattn.__version__}")],
    )


def write_sources(folder: Path, title: str, sources: Sequence[LeftOutSource], facts: Mapping[str, Any]) -> None:
    """Write everything, whole or not at all.

    Parameters
    ----------
    folder
        New, empty, or an earlier result's, which is replaced.
    title
        Of the page.
    sources
        What was judged.
    facts
        What it was made with: name -> value, as the page shows them.
    """
    with whole_folder(folder, KIND) as workspace:
        parts = workspace.folder
        save_figures(parts / "figures", {"sources": sources_figure(sources)})
        write_text(parts / "left_out_sources.md", markdown_table(title, sources))
        write_table(parts / "left_out_sources.csv", *csv_rows(sources))
        write_text(parts / PAGE, render_sources(title, sources, facts))
        made_by = f"hierattn {hierattn.__version__}"
        write_json(
            parts / JSON, {"title": title, "sources": to_plain(list(sources)), "facts": facts, "made_by": made_by}
        )
