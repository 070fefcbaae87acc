"""README's headline: for each set the released model, MobileNetV2, and the paper's figure. See publish.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hierattn.deploy.predict.released import RELEASE, released_folder
from hierattn.evaluation.comparison.paper_numbers import TABLE_1
from hierattn.evaluation.records import to_plain
from hierattn.models.registry import SPECS
from tools.figure_text import figure, sensitivity
from tools.marked_text import write_between_marks
from tools.results.accuracy_size import FIGURES, PICTURE, SETS, is_phone, sets_of
from tools.results.published import PublishedRun, published_runs

COMMAND = "python -m tools.results.publish table"
BASELINE = "mobilenet_v2"
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
    """A table a set, the first set's picture, and where all other figures are.

    Parameters
    ----------
    results
        ``results/``.
    released
        The folder of the released bundles; the package's own where it is None.
    """
    names = _released_runs(released or released_folder())
    runs = list(published_runs(results))
    lines: list[str] = []
    pictured = False  # the first set's picture is enough for a first screen; results/README.md shows all
    for name in sets_of(results):
        lines += _table(name, [run for run in runs if run.path.parent.name == name], names)
        picture = f"{FIGURES}/accuracy-size-{name}.svg"
        if not pictured and (results / picture).is_file():
            lines += [f"![{PICTURE}](results/{picture})", "", f"*{PICTURE}.*", ""]
            pictured = True
    lines.append(
        "In brackets: 95 % intervals over lesions or patients, on one fold. MobileNetV2 is the best of its runs at "
        f"the same image size. [All {len(runs)} runs](results/README.md), with every class, the comparisons, the "
        "predictions behind each figure, and the commands."
    )
    return "\n".join(lines) + "\n"


def shown_runs(runs: Sequence[PublishedRun], released: set[str]) -> list[PublishedRun]:
    """Of one set's runs, the released ones and the best MobileNetV2 at their image size.

    Where none is released, the best run of any other network stands for it.
    """
    by_accuracy = sorted(runs, key=lambda run: -(run.report.balanced_accuracy.value or 0))
    ours = [run for run in by_accuracy if run.report.run in released]
    ours = ours or [run for run in by_accuracy if _model(run) != BASELINE][:1]
    sizes = {_size(run) for run in ours}
    return ours + [run for run in by_accuracy if _model(run) == BASELINE and _size(run) in sizes][:1]


def _table(name: str, runs: Sequence[PublishedRun], released: set[str]) -> list[str]:
    shown = shown_runs(runs, released)
    first = shown[0].report
    return [
        f"**{SETS.get(name, name)}**: {first.images:,} photographs of {first.groups:,} lesions or patients "
        "that training never saw.",
        "",
        f"| model | parameters | {' | '.join(COLUMNS)} | referral sensitivity at the threshold |",
        "|---|---:|" + "---:|" * (len(COLUMNS) + 1),
        *(_row(run, run.report.run in released) for run in shown),
        *_paper_row(shown[0], is_phone(name)),
        "",
    ]


def _row(run: PublishedRun, is_released: bool) -> str:
    report, plain = run.report, to_plain(run.report)
    model = _model(run)
    title = SPECS[model].title if model in SPECS else model
    link = f"[{title}, {run.path.name}](results/{run.name})"
    cells = [
        f"**{link}, released**" if is_released else link,
        f"{report.provenance.parameters / 1e6:.2f} M",
        *(figure(plain[name]) for name in COLUMNS.values()),
        sensitivity(plain["triage"]["test"]),
    ]
    return f"| {' | '.join(cells)} |"


def _paper_row(run: PublishedRun, phone: bool) -> list[str]:
    """The paper's own figure for the network of ``run``, marked as incomparable; no row where it has none."""
    row = TABLE_1.get(_model(run))
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
