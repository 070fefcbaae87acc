"""README's headline: a table of the runs published alone, and Fig. 7's picture of all. See publish.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from hierattn.deploy.predict.released import RELEASE, released_folder
from hierattn.evaluation.comparison.paper_numbers import TABLE_1
from hierattn.evaluation.pages.figure_labels import Mark, side_by_side, write_labels
from hierattn.evaluation.pages.figures import ACCENT, INK, LINE, SECOND, legend, plain_axes
from hierattn.models.registry import SPECS

BEGIN = "<!-- made by tools/results/publish.py headline: begin -->"
END = "<!-- made by tools/results/publish.py headline: end -->"
FIGURES = "figures"
SETS = {
    "isic2019-ham": "Dermoscopy: the HAM10000 part of ISIC 2019, 8 classes",
    "pad-ufes-20": "Phone photographs: PAD-UFES-20, 6 classes",
}
"""Folder under results/ -> what it is; another folder is called by its name."""

PICTURE = "Balanced accuracy with its interval against the number of parameters; hollow: the paper's own points"
COLUMNS = {
    "balanced accuracy": "balanced_accuracy",
    "macro AUC": "macro_auc",
    "melanoma AUC": "melanoma_auc",
}


@dataclass(frozen=True)
class Point:
    """One mark of the picture.

    Attributes
    ----------
    name
        Of the model, and of the recipe where that is another.
    parameters
        Of the network.
    value, interval
        Balanced accuracy; for the paper's marks its top-1 accuracy, without an interval.
    kind
        ``alone`` (a run published by itself), ``compared`` (a row of a comparison) or ``paper``.
    """

    name: str
    parameters: float
    value: float
    interval: tuple[float, float] | None
    kind: str


def sets_of(results: Path) -> list[str]:
    """The sets that have results, the known ones first."""
    found = {path.parent.parent.relative_to(results).as_posix() for path in runs_of(results)}
    return [*(name for name in SETS if name in found), *sorted(found - set(SETS))]


def runs_of(results: Path) -> Iterator[Path]:
    """``report.json`` of every run that is published alone: results/<set>/<name>/report.json."""
    return iter(sorted(results.glob("*/*/report.json")))


def headline(results: Path, released: Path | None = None) -> str:
    """The table for README: every run published alone, by set; the released ones are named and bold."""
    names = _released_runs(released or released_folder())
    lines: list[str] = []
    pictured = False  # the first set's picture is enough for a first screen; results/README.md shows all
    for name in sets_of(results):
        rows = [
            (path.parent, json.loads(path.read_text(encoding="utf-8")))
            for path in runs_of(results)
            if path.parent.parent.name == name
        ]
        rows.sort(key=lambda row: -row[1]["balanced_accuracy"]["value"])
        first = rows[0][1]
        lines += [
            f"**{SETS.get(name, name)}**: {first['images']:,} photographs of {first['groups']:,} lesions or patients "
            "that training never saw.",
            "",
            f"| model | parameters | {' | '.join(COLUMNS)} | dangerous ones caught at the threshold |",
            "|---|---:|" + "---:|" * (len(COLUMNS) + 1),
            *(_row(folder, report, report["run"] in names) for folder, report in rows),
            "",
        ]
        picture = f"{FIGURES}/accuracy-size-{name}.svg"
        if not pictured and (results / picture).is_file():
            lines += [f"![{PICTURE}](results/{picture})", "", f"*{PICTURE}.*", ""]
            pictured = True
    lines.append(
        "In brackets: 95 % intervals over lesions or patients, on one fold. [results/](results/README.md) has every "
        "class, the comparisons, the predictions behind each figure, and the commands."
    )
    return "\n".join(lines) + "\n"


def _row(folder: Path, report: Mapping[str, Any], is_released: bool) -> str:
    made = report["provenance"]
    title = SPECS[made["model"]].title if made["model"] in SPECS else made["model"]
    shown = f"[{title}, {folder.name}](results/{folder.parent.name}/{folder.name})"
    tested = report["triage"]["test"]
    cells = [
        f"**{shown}, released**" if is_released else shown,
        f"{made['parameters'] / 1e6:.2f} M",
        *(_figure(report[key]) for key in COLUMNS.values()),
        _figure({"value": tested["sensitivity"], "interval": tested["interval"]}),
    ]
    return f"| {' | '.join(cells)} |"


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "–"
    known = figure["interval"]
    return f"{figure['value']:.3f}" + ("" if known is None else f" ({known[0]:.3f} to {known[1]:.3f})")


def _released_runs(folder: Path) -> set[str]:
    """Names of the runs behind the released bundles; none where nothing is released."""
    path = folder / RELEASE
    if not path.is_file():
        return set()
    return {str(model["run"]) for model in json.loads(path.read_text(encoding="utf-8"))["models"].values()}


def points(results: Path, name: str) -> list[Point]:
    """Every mark of the picture of one set: runs alone, rows of honest comparisons of models, and the paper's."""
    found = []
    for path in runs_of(results):
        if path.parent.parent.name == name:
            report = json.loads(path.read_text(encoding="utf-8"))
            known = report["balanced_accuracy"]
            made = report["provenance"]
            found.append(_point(path.parent.name, made["parameters"], known, "alone"))
    alone = {(mark.parameters, mark.value) for mark in found}  # a comparison of these says nothing new of each
    for path in sorted((results / name).glob("comparison-*/comparison.json")):
        for comparison in json.loads(path.read_text(encoding="utf-8"))["comparisons"]:
            models = {row["model"] for row in comparison["rows"]}
            if comparison["protocol"] != "honest" or len(models) < 2:
                continue  # the paper's protocol, or an ablation of one model
            rows = [_point(row["name"], row["parameters"], row["balanced_accuracy"], "compared")
                    for row in comparison["rows"]]  # fmt: skip
            found += [row for row in rows if (row.parameters, row.value) not in alone]
    pad = name.startswith("pad")
    for row in TABLE_1.values():
        accuracy = row.pad if pad else row.isic
        if accuracy is not None and row.parameters is not None:
            found.append(Point(row.title, row.parameters * 1e6, accuracy / 100, None, "paper"))
    return found


def _point(name: str, parameters: float, known: Mapping[str, Any], kind: str) -> Point:
    interval = known["interval"]
    return Point(name, float(parameters), known["value"], None if interval is None else tuple(interval), kind)


LOOKS = {
    "alone": ("D", ACCENT, "runs published alone, each by the recipe of its name"),
    "compared": ("o", SECOND, "models of one comparison, all trained alike"),
}
"""Kind of mark -> its shape, its colour, and what the legend says."""

BESIDE = 0.022
"""How far apart marks of one size stand, as a share of their size, so that each interval is seen."""


def accuracy_size_figure(marks: list[Point], title: str) -> Figure:
    """Fig. 7's shape: balanced accuracy with its interval against parameters (logarithmic); hollow: the paper's."""
    figure, (axis,) = plain_axes(8.2, 5.4)
    placed: list[Mark] = []
    ours = sorted((mark for mark in marks if mark.kind in LOOKS), key=lambda mark: (mark.kind, mark.value, mark.name))
    for point, x in zip(ours, side_by_side([mark.parameters for mark in ours], BESIDE), strict=True):
        marker, colour, said = LOOKS[point.kind]
        low, high = point.interval or (point.value, point.value)
        axis.errorbar(
            [x], [point.value], yerr=[[point.value - low], [high - point.value]], fmt=marker,
            color=colour, markersize=6, capsize=2, elinewidth=1.2,
            label=None if any(one.colour == colour for one in placed) else said,
        )  # fmt: skip
        placed.append(Mark(x, point.value, low, high, f"{point.name}  {100 * point.value:.1f}", colour))
    paper = [mark for mark in marks if mark.kind == "paper"]
    axis.plot(
        [mark.parameters for mark in paper], [mark.value for mark in paper], "s", markerfacecolor="none",
        markeredgecolor=INK, markersize=6, linestyle="",
        label="the paper's top-1, by another protocol: does not compare",
    )  # fmt: skip
    placed += [Mark(mark.parameters, mark.value, mark.value, mark.value, "", INK) for mark in paper]
    axis.set_xscale("log")
    axis.set(xlabel="parameters", ylabel="balanced accuracy, 95 % interval", title=title, ylim=(None, 1.0))
    axis.title.set(fontsize=10, color=INK)
    shown = (1e6, 2e6, 3e6, 5e6)
    axis.set_xticks(shown, [f"{value / 1e6:g} M" for value in shown])
    axis.set_xticks([], minor=True)
    axis.set_xlim(0.9e6, max([7.5e6, *(mark.parameters * 1.3 for mark in marks)]))
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axis.spines["bottom"].set_color(LINE)
    legend(axis, loc="upper left", bbox_to_anchor=(-0.02, -0.12))
    write_labels(axis, placed)
    return figure


def pictures(results: Path) -> dict[str, Figure]:
    """The picture of each set by its file's name without ending; a set with one run alone has none."""
    drawn = {}
    for name in sets_of(results):
        marks = points(results, name)
        if sum(mark.kind != "paper" for mark in marks) > 0:
            drawn[f"accuracy-size-{name}"] = accuracy_size_figure(marks, SETS.get(name, name))
    return drawn


def write_pictures(results: Path) -> None:
    """Write them under results/figures, as drawings on white whose text stays text."""
    folder = results / FIGURES
    folder.mkdir(exist_ok=True)
    for name, figure in pictures(results).items():
        temporary = folder / f"{name}.part"
        with rc_context({"svg.hashsalt": "hierattn", "svg.fonttype": "none"}):
            figure.savefig(temporary, format="svg", facecolor="#ffffff", metadata={"Date": None, "Creator": None})
        temporary.replace(folder / f"{name}.svg")


def write_headline(results: Path, readme: Path) -> bool:
    """Put the table between its marks in ``readme``; False where it has none."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    temporary = readme.with_name(readme.name + ".part")
    temporary.write_text(f"{before}{BEGIN}\n\n{headline(results)}\n{END}{after}", encoding="utf-8")
    temporary.replace(readme)
    return True
