"""Released models of one domain beside each other, a column a source: for docs/released-models.md. See publish.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hierattn.deploy.predict.released import DOMAIN_OF, RELEASE, released_folder
from hierattn.errors import UsageError
from hierattn.evaluation.records import to_plain
from hierattn.shares import fraction
from tools.figure_text import figure
from tools.marked_text import write_between_marks
from tools.results.published import published_runs

COMMAND = "python -m tools.results.publish table"


def _calibration_error(source: Mapping[str, Any]) -> str:
    return f"{fraction(source['calibration_error'])} ({fraction(source['by_chance']['value'])})"


def _figure(field: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda source: figure(source[field])


def _known_accuracy(source: Mapping[str, Any]) -> str:
    return f"{figure(source['known_balanced_accuracy'])}, {source['known_classes']} classes"


ROWS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "melanoma AUC": _figure("melanoma_auc"),
    "macro AUC, classes of five lesions or more": _figure("macro_auc"),
    "balanced accuracy, classes of five lesions or more": _known_accuracy,
    "balanced accuracy, all classes": _figure("balanced_accuracy"),
    "calibration error (by chance alone)": _calibration_error,
    "advice: dangerous ones sent": _figure("sensitivity"),
    "advice: others not sent": _figure("specificity"),
}
"""Row -> a source of a report, in plain values -> its cell."""


def write_beside_each_other(results: Path, page: Path) -> None:
    """Put the table of the dermoscopy models between its marks in ``page``."""
    write_between_marks(page, COMMAND, beside_each_other(results, "dermoscopy"))


def beside_each_other(results: Path, domain: str, released: Path | None = None) -> str:
    """The table of all released models of ``domain``.

    Parameters
    ----------
    results
        ``results/``.
    domain
        Of :data:`DOMAIN_OF <hierattn.deploy.predict.released.DOMAIN_OF>`.
    released
        The folder of the released bundles; the package's own where it is None.

    Raises
    ------
    UsageError
        Where the run behind a bundle is not published.
    """
    models = json.loads(((released or released_folder()) / RELEASE).read_text(encoding="utf-8"))["models"]
    reports = {run.report.run: to_plain(run.report) for run in published_runs(results)}
    columns: dict[tuple[str, str], Mapping[str, Any]] = {}
    for name in (name for name in models if DOMAIN_OF[name] == domain):
        run = models[name]["run"]
        if run not in reports:
            raise UsageError(f"{run}, the run behind {name}, is not in {results}: publish it first")
        columns |= {(source["source"], name): source for source in reports[run]["by_source"]}
    order = sorted(columns)  # a source's models stand together
    lines = [
        f"| outer fold | {' | '.join(f'{source}, `{name}`' for source, name in order)} |",
        "|---|" + "---|" * len(order),
        *(f"| {row} | {' | '.join(cell(columns[column]) for column in order)} |" for row, cell in ROWS.items()),
    ]
    return "\n".join(lines) + "\n"
