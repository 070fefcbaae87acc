"""README's headline: each released model on its set, its best rival, and the paper's figure. See publish.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hierattn.deploy.predict.released import RELEASE, released_folder
from hierattn.evaluation.comparison.paper_numbers import TABLE_1
from hierattn.evaluation.measures.subgroups import FEWEST_GROUPS
from hierattn.evaluation.records import to_plain
from hierattn.models.registry import SPECS
from tools.figure_text import figure, sensitivity
from tools.marked_text import write_between_marks
from tools.results.accuracy_size import FIGURES, PICTURE, SETS, is_phone, sets_of
from tools.results.published import PublishedRun, published_runs

COMMAND = "python -m tools.results.publish table"
COLUMNS = {
    "balanced accuracy": "balanced_accuracy",
    "macro AUC": "macro_auc",
    "melanoma AUC": "melanoma_auc",
}
"""Column -> field of the report."""


def write_headline(results: Path, readme: Path) -> None:
    """Put the headline between its marks in ``readme``."""
    write_between_marks(readme, COMMAND, headline(results))


def headline(results: Path, released: Path | None = None) -> str:
    """A table a set that a model was released from, the first set's picture, and where all other figures are.

    Parameters
    ----------
    results
        ``results/``.
    released
        The folder of the released bundles; the package's own where it is None.
    """
    names = _released_runs(released or released_folder())
    runs, left_out = list(published_runs(results)), list(published_runs(results, left_out=True))
    lines: list[str] = []
    pictured = False  # the first set's picture is enough for a first screen; results/README.md shows all
    of_released = [run.path.parent.name for run in runs if run.report.run in names]
    for name in [name for name in sets_of(results) if name in of_released] or sets_of(results):
        of_set, elsewhere = ([run for run in each if run.path.parent.name == name] for each in (runs, left_out))
        lines += _table(name, of_set, elsewhere, names)
        picture = f"{FIGURES}/accuracy-size-{name}.svg"
        if not pictured and (results / picture).is_file():
            lines += [f"![{PICTURE}](results/{picture})", "", f"*{PICTURE}.*", ""]
            pictured = True
    lines.append(
        "In brackets: 95 % intervals over lesions or patients, on one fold. The other network is the best run of any "
        f"other at the same image size. [All {len(runs) + len(left_out)} runs](results/README.md), with every class, "
        "the comparisons, the predictions behind each figure, and the commands."
    )
    return "\n".join(lines) + "\n"


def shown_runs(runs: Sequence[PublishedRun], released: set[str]) -> list[PublishedRun]:
    """Of one set's runs, the released ones and the best of any other network at their image size.

    Where none is released, the best run of our networks stands for it.
    """
    by_accuracy = sorted(runs, key=lambda run: -(run.report.balanced_accuracy.value or 0))
    ours = [run for run in by_accuracy if run.report.run in released]
    ours = ours or [run for run in by_accuracy if _model(run).startswith("hierattn")][:1] or by_accuracy[:1]
    models, sizes = {_model(run) for run in ours}, {_size(run) for run in ours}
    return ours + [run for run in by_accuracy if _model(run) not in models and _size(run) in sizes][:1]


def _table(name: str, runs: Sequence[PublishedRun], left_out: Sequence[PublishedRun], released: set[str]) -> list[str]:
    shown = shown_runs(runs, released)
    first = shown[0].report
    return [
        f"**{SETS.get(name, name)}**: {first.images:,} photographs of {first.groups:,} lesions or patients "
        "that training never saw.",
        "",
        f"| model | parameters | {' | '.join(COLUMNS)} | referral sensitivity at the threshold |",
        "|---|---:|" + "---:|" * (len(COLUMNS) + 1),
        *(row for run in shown for row in _rows(run, run.report.run in released, first.images)),
        *(row for run in left_out for row in _rows(run, is_released=False, usual=first.images)),
        *_paper_row(shown, is_phone(name)),
        "",
    ]


def _rows(run: PublishedRun, is_released: bool, usual: int) -> list[str]:
    """A row of the run's figures, with the number of photographs where it is not the ``usual`` one.

    Of a set of several sources a row each, and none of all together, unless one is of too few lesions to say anything.
    Of a network that asks, a row with the answers, too.
    """
    report = run.report
    model = _model(run)
    title = SPECS[model].title if model in SPECS else model
    link = f"[{title}, {run.path.name}](results/{run.name})"
    name = f"**{link}, released**" if is_released else link
    parameters = f"{report.provenance.parameters / 1e6:.2f} M"
    if not report.by_source or min(source.groups for source in report.by_source) < FEWEST_GROUPS:
        plain = to_plain(report)
        if source := report.protocol.source:
            name += f": {source}, {report.images:,} photographs, **a clinic that it never saw**"
        elif report.images != usual:
            name += f": {report.images:,} photographs"
        row = _line(name, parameters, plain, sensitivity(plain["triage"]["test"]))
        return [row, *_answered_row(plain, parameters)]
    return [
        _line(
            f"{name}: {source.source}, {source.images} photographs",
            parameters,
            to_plain(source),
            figure(to_plain(source.sensitivity)),
        )
        for source in report.by_source
    ]


def _answered_row(report: Mapping[str, Any], parameters: str) -> list[str]:
    """The figures with all answers as they are, and the advice that answers may raise and never lower."""
    if (answers := report.get("answers")) is None:
        return []
    (whole,) = (row for row in answers["missing"] if row["missing"] == 0)
    figures = {"balanced_accuracy": whole["both"], "macro_auc": whole["macro_auc_both"], "melanoma_auc": None}
    referred = [figure(row["sensitivity"]) for row in answers["advice"] if row["by"] == "rule"]
    name = f"– the same, with {len(answers['questions'])} questions answered"
    return [_line(name, parameters, figures, *(referred or ["–"]))]


def _line(name: str, parameters: str, figures: Mapping[str, Any], referred: str) -> str:
    cells = [
        name,
        parameters,
        *(figure(figures[field]) if figures[field] else "–" for field in COLUMNS.values()),
        referred,
    ]
    return f"| {' | '.join(cells)} |"


def _paper_row(runs: Sequence[PublishedRun], phone: bool) -> list[str]:
    """The paper's own figure for the first network of ``runs`` that has one, marked as incomparable."""
    row = next((row for run in runs if (row := TABLE_1.get(_model(run))) is not None), None)
    if row is None or row.parameters is None:
        return []
    top1 = row.pad if phone else row.isic
    if top1 is None:
        return []
    name = f"*{row.title} in the paper: top-1 accuracy on a set balanced before it was folded; not comparable*"
    return [f"| {name} | *{row.parameters:.2f} M* | *top-1 {top1 / 100:.3f}* |" + " – |" * len(COLUMNS)]


def _model(run: PublishedRun) -> str:
    return run.report.provenance.model


def _size(run: PublishedRun) -> object:
    return run.report.provenance.image_spec["size"]


def _released_runs(folder: Path) -> set[str]:
    """Names of the runs behind the released bundles; none where nothing is released."""
    path = folder / RELEASE
    if not path.is_file():
        return set()
    return {str(model["run"]) for model in json.loads(path.read_text(encoding="utf-8"))["models"].values()}
