"""What ``hierattn shift`` writes: a page, a table as CSV, Markdown and JSON, a figure, and every prediction."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

import hierattn
from hierattn.evaluation.clinical_use.artefacts import Artefacts
from hierattn.evaluation.measures.shift import KINDS, EvaluatedSet
from hierattn.evaluation.measures.shift_measures import COUNTS, MEASURES, SHARES
from hierattn.evaluation.pages.clinical_use import artefact_lines
from hierattn.evaluation.pages.drawn_names import drawn_names
from hierattn.evaluation.pages.figures import ACCENT, INK, LINE, SECOND, legend, plain_axes, save_figures, svg
from hierattn.evaluation.pages.html_report import area, area_span, decimal, fill_page, percent, span
from hierattn.evaluation.predictions import write_predictions
from hierattn.evaluation.records import to_plain
from hierattn.files import FolderKind, whole_folder, write_json, write_table, write_text
from hierattn.run_folder import epoch_number

JSON = "shift.json"
KIND = FolderKind(
    "a table of shifts", mark=JSON, older=("shift.html", "shift.md", "shift.csv", "figures/*", "predictions/*.csv")
)
MEASURED: Mapping[str, str] = {
    "melanoma_auc": "melanoma AUC",
    "melanoma_nevus_auc": "against nevi",
    "malignant_auc": "cancer AUC",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "advice, sensitivity",
    "specificity": "advice, specificity",
    "calibration_error": "calibration error",
}
"""Of :data:`MEASURES` by their order on the page -> heading. A column without any value is left out."""
LEADS = ("melanoma_auc", "malignant_auc", "balanced_accuracy")
"""What the sentence and the figure speak of: the first that the classes of a set define."""
_COUNTED = {"melanoma_auc": "melanomas", "malignant_auc": "cancers"}


def measured(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Those of :data:`MEASURED` that some row has a value of."""
    return {name: said for name, said in MEASURED.items() if any(row[name]["value"] is not None for row in rows)}


def lead(rows: Sequence[Mapping[str, Any]]) -> str:
    """The one of :data:`LEADS` that these rows are compared by: melanoma's AUC where a class is melanoma."""
    return next((name for name in LEADS if name in measured(rows)), LEADS[-1])


def counted(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the number beside a set counts: ``melanomas``, ``cancers``; empty where no class is either."""
    return _COUNTED.get(lead(rows), "")


def count(row: Mapping[str, Any], what: str) -> int:
    """How many images of a row are ``what`` :func:`counted` says; its images where that is nothing."""
    if not what:
        return int(row["images"])
    return int(row.get(what) or (row["classes"].get("MEL", 0) if what == "melanomas" else 0))


def headings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of the table for people: what every row's :func:`cells` mean."""
    what = counted(rows)
    shown = [said for name, said in measured(rows).items() if name not in SHARES]
    return ["photographs", "images", *([what] if what else []), *shown, "rejected", f"{_said(rows)} of the accepted"]


def _said(rows: Sequence[Mapping[str, Any]]) -> str:
    return MEASURED[lead(rows)]


def cells(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row of :func:`headings` in words, intervals in brackets."""
    accepted, what = row.get("accepted"), counted(rows)
    return [
        row["title"],
        str(row["images"]),
        *([str(count(row, what))] if what else []),
        *(_cell(name, row[name]) for name in measured(rows) if name not in SHARES),
        percent(row["rejected"]["value"]) if "rejected" in row else "–",
        "–" if accepted is None else _cell(lead(rows), accepted[lead(rows)]),
    ]


def words(name: str, figure: Mapping[str, Any]) -> tuple[str, str]:
    """A measure in words, and its interval: areas as numbers, shares in per cent."""
    value, known = figure["value"], None if name == "calibration_error" else figure["interval"]
    if name.endswith("_auc"):
        return area(value), area_span(known, 2) if known else ""
    return percent(value, 0 if name in SHARES else 1), span(known, 0) if known else ""


def _cell(name: str, figure: Mapping[str, Any]) -> str:
    text, note = words(name, figure)
    return f"{text} ({note})" if note and name.endswith("_auc") else text


def sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the table says: the fall from its own fold to the worst set, and whether that was noticed."""
    name, said = lead(rows), _said(rows)
    own = rows[0][name]["value"]
    fallen = [row for row in rows[1:] if row[name]["value"] is not None and row["kind"] != "part"]
    if own is None or not fallen:
        return [f"No other photographs of which {said} can be measured, so no drop can be named."]
    worst = min(fallen, key=lambda row: row[name]["value"])
    change = "drops to" if worst[name]["value"] < own else "does not drop: its lowest elsewhere is"
    said = (
        f"{said[0].upper()}{said[1:]} is {words(name, rows[0][name])[0]} on {rows[0]['title']} and {change} "
        f"{words(name, worst[name])[0]} on {worst['title']} ({KINDS[worst['kind']]})"
    )
    if "rejected" not in worst:
        return [f"{said}; whether a photograph is unlike the training photographs cannot be told here."]
    said = f"{said}, where {percent(worst['rejected']['value'], 0)} of the photographs are rejected"
    accepted = worst["accepted"][name]
    if accepted["value"] is None:
        return [f"{said}."]
    return [f"{said}; among the accepted it is {words(name, accepted)[0]}."]


def markdown_table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for people; 95 % intervals over lesions or patients in brackets."""
    lines = [f"# {title}", "", *sentences(rows), ""]
    named = headings(rows)
    lines += ["| " + " | ".join(named) + " |", "|---|" + "---:|" * (len(named) - 1)]
    lines += ["| " + " | ".join(cells(row, rows)) + " |" for row in rows]
    notes = [f"- {row['title']}: {note}" for row in rows for note in row["notes"]]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row a set; a measure has its value, ``_low`` and ``_high``; ``accepted_`` is before those of the accepted."""
    text = io.StringIO()
    columns = [*MEASURES, "rejected", *(f"accepted_{name}" for name in MEASURES)]
    ends = [f"{name}{mark}" for name in columns for mark in ("", "_low", "_high")]
    reasons = sorted({f"rejected_{reason}" for row in rows for reason in row["reasons"]})
    writer = csv.DictWriter(
        text, ["name", "kind", "images", "groups", *COUNTS, *ends, *reasons], lineterminator="\n", restval=""
    )
    writer.writeheader()
    for row in rows:
        known: dict[str, Any] = {name: row[name] for name in ("name", "kind", "images", "groups")}
        known |= {name: row[name] for name in COUNTS if name in row}
        known |= {f"rejected_{reason}": share for reason, share in row["reasons"].items()}
        for name in columns:
            figure = (
                row["accepted"][name.removeprefix("accepted_")]
                if name.startswith("accepted_") and "accepted" in row
                else row.get(name)
            )
            if figure is not None:
                low, high = figure["interval"] or (None, None)
                known |= {name: figure["value"], f"{name}_low": low, f"{name}_high": high}
        writer.writerow({name: "" if value is None else value for name, value in known.items()})
    return text.getvalue()


def shift_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The :func:`lead` of every set with its interval; hollow: of those accepted; bars: the share rejected."""
    measure, what = lead(rows), counted(rows)
    shown = [row for row in rows if row[measure]["value"] is not None]
    figure, (axis,) = plain_axes(5.8, 1.0 + 0.31 * max(len(shown), 1))
    for place, row in enumerate(shown):
        value, known = row[measure]["value"], row[measure]["interval"]
        colour = ACCENT if row["kind"] in ("own", "part") else SECOND
        if "rejected" in row:
            axis.barh(place, row["rejected"]["value"], height=0.7, color=LINE, alpha=0.6, linewidth=0)
        if known is not None:
            axis.plot(known, [place - 0.12] * 2, color=colour, linewidth=1.6)
        axis.plot(value, place - 0.12, "o", color=colour, markersize=6)
        accepted = row["accepted"][measure]["value"] if "accepted" in row else None
        if accepted is not None:
            axis.plot(accepted, place + 0.18, "o", markerfacecolor="none", color=colour, markersize=5)
    if measure != "balanced_accuracy":
        axis.axvline(0.5, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="chance")
    axis.plot([], [], "o", color=INK, markersize=6, label="all photographs")
    axis.plot([], [], "o", color=INK, markerfacecolor="none", markersize=5, label="accepted photographs")
    axis.barh([0], [0], color=LINE, alpha=0.6, label="share rejected")
    names = drawn_names([row["title"] for row in shown], "set", 28)
    ticks = [f"{name}  ({count(row, what)})" for name, row in zip(names, shown, strict=True)]
    axis.set_yticks(range(len(shown)), ticks)
    axis.set(xlim=(0, 1.02), ylim=(len(shown) - 0.4, -0.6), xlabel=f"{_said(rows)} (number of {what or 'images'})")
    axis.grid(visible=False, axis="y")
    legend(axis)
    return figure


PARTS: Mapping[str, str] = {
    "own": "Its own outer fold",
    "part": "Parts of that fold",
    "changed": "The same photographs, changed",
    "other": "Photographs from other sources",
}
"""Kind of row -> its heading on the page."""


def render_shift(
    title: str, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], artefacts: Artefacts | None = None
) -> str:
    """The page as text; the arguments are those of :func:`write_shift`."""
    told = (
        ("Run", facts.get("run")),
        ("Model", facts.get("model")),
        ("Epoch kept", None if facts.get("epoch") is None else epoch_number(facts["epoch"])),
        ("Image", f"{facts['image_size']} × {facts['image_size']} pixels" if "image_size" in facts else None),
        ("Temperature", decimal(facts["temperature"]) if "temperature" in facts else None),
        ("Severity", f"{facts['severity']} of 5" if "severity" in facts else None),
        ("Intervals", f"95 %, {facts['resamples']} resamples, seed {facts['seed']}" if "resamples" in facts else None),
        ("Manifest", facts.get("manifest_sha256")),
        ("Made with", f"hierattn {hierattn.__version__}"),
    )
    parts = [(said, [row for row in rows if row["kind"] == kind]) for kind, said in PARTS.items()]
    return fill_page(
        "shift.html.jinja",
        title=title,
        sentences=sentences(rows),
        artefacts=artefacts,
        # Our own drawing, with its label escaped: the only markup that is trusted.
        figure=Markup(svg(shift_figure(rows), f"{_said(rows)} of every set, and the share rejected")),
        measured=measured(rows),
        lead=lead(rows),
        counted=counted(rows),
        count=count,
        words=words,
        parts=[(said, found) for said, found in parts if found],
        notes=[f"{row['title']}: {note}" for row in rows for note in row["notes"]],
        facts={"resamples": 0, **facts},
        provenance=[(name, str(value)) for name, value in told if value not in (None, "")],
    )


def write_shift(
    folder: Path,
    title: str,
    sets: Sequence[EvaluatedSet],
    rows: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    artefacts: Artefacts | None = None,
) -> None:
    """Write everything, whole or not at all: ``shift.html``, ``.md``, ``.csv``, ``.json``, figures and predictions.

    Parameters
    ----------
    folder
        New, empty, or an earlier result's, which is replaced.
    title
        Of the table.
    sets, rows
        The sets, and what was measured of each.
    facts
        What it was measured with: seed, severity, what was tried.
    artefacts
        What flips the advice on the outer fold; None without a threshold.
    """
    with whole_folder(folder, KIND) as workspace:
        parts = workspace.folder
        for each in sets:
            if each.kind != "part":
                write_predictions(parts / "predictions" / f"{each.name}.csv", each.predictions)
                _write_rejected(parts / "predictions" / f"{each.name}-rejected.csv", each)
        write_text(parts / "shift.md", markdown_table(title, rows) + "".join(artefact_lines(artefacts)))
        write_text(parts / "shift.html", render_shift(title, rows, facts, artefacts))
        write_text(parts / "shift.csv", csv_table(rows))
        save_figures(parts / "figures", {"shift": shift_figure(rows)})
        drawn = {} if artefacts is None else {"artefacts": to_plain(artefacts)}
        write_json(parts / JSON, {**facts, "made_by": f"hierattn {hierattn.__version__}", "sets": list(rows), **drawn})


def _write_rejected(path: Path, evaluated: EvaluatedSet) -> None:
    """Which photographs were rejected, and why: ``image`` and a column a reason, 0 or 1."""
    if not evaluated.rejected:
        return
    rows = (
        (image, *(int(flags[row]) for flags in evaluated.rejected.values()))
        for row, image in enumerate(evaluated.predictions.images)
    )
    write_table(path, ("image", *evaluated.rejected), rows)
