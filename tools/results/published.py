"""What lies under results/: ``<set>/<name>/`` of a run published alone, ``<set>/comparison-<name>/`` of a comparison.

====================== ==========================================================================================
``report.json``        of a run: every figure of its evaluation, with intervals
``environment.json``   of a run: versions, commit and command
``recipe.toml``        of a run: the resolved recipe
``comparison.json``    of a comparison: every figure of it
``entrants.json``      of a comparison: what its figures need beside predictions; see ``comparisons.py``
``predictions.csv.gz`` of either: the predictions that the figures are computed from; see ``prediction_tables.py``
====================== ==========================================================================================

Figures and tables for people are drawn from these: ``publish draw``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import Calibration, evaluate_calibration, fit_calibration
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.report import Measurements, Report, measure_predictions
from hierattn.run_folder import RunFolder
from tools.results.prediction_tables import PREDICTIONS, read_tables

RESULTS = Path(__file__).resolve().parents[2] / "results"
REPORT = EvaluationFolder(Path()).report.name
ENVIRONMENT, RECIPE = RunFolder(Path()).environment.name, RunFolder(Path()).recipe.name
COMPARISON, ENTRANTS = "comparison.json", "entrants.json"
OUTER, INNER = "outer", "inner"
"""The tables of a run: predictions of its held-out outer fold, and of the inner fold that it was calibrated on."""


@dataclass(frozen=True)
class PublishedRun:
    """A run that is published alone, at ``path``."""

    path: Path

    @property
    def name(self) -> str:
        """``<set>/<name>``, as the tables call it."""
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def report(self) -> Report:
        """Its ``report.json``."""
        return Report.load(self.path / REPORT)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Its ``environment.json``."""
        values: dict[str, Any] = json.loads((self.path / ENVIRONMENT).read_text(encoding="utf-8"))
        return values

    @cached_property
    def tables(self) -> dict[str, Predictions]:
        """Its predictions of the photographs alone, :data:`OUTER` and :data:`INNER`, in the report's own classes."""
        taxonomy = self.report.taxonomy
        tables = read_tables(self.path / PREDICTIONS)
        if wrong := [name for name, table in tables.items() if table.taxonomy.codes != taxonomy.codes]:
            raise SystemExit(f"{self.path}: {' and '.join(wrong)} of other classes than its report's: publish it again")
        return {name: replace(table, taxonomy=taxonomy) for name, table in tables.items()}

    def calibration(self) -> Calibration:
        """Fitted on the inner fold once more, as the report says that it was, and measured on the outer one."""
        triage = self.report.triage
        if triage is None:
            raise SystemExit(f"{self.path} has no calibration: wanted one; evaluate the run again")
        fitted = fit_calibration(
            self.tables[INNER],
            target_sensitivity=triage.target_sensitivity,
            confidence=triage.confidence,
            per_class=bool(triage.class_bias),
            resamples=self._resamples,
            seed=self._seed,
        )
        return evaluate_calibration(fitted, self.tables[OUTER], resamples=self._resamples, seed=self._seed)

    def recomputed(self) -> Measurements:
        """The figures of ``report.json`` but those of answers, computed from the predictions alone."""
        return measure_predictions(
            self.tables[OUTER],
            self.calibration(),
            validation=self.tables[INNER],
            resamples=self._resamples,
            seed=self._seed,
        )

    def differences(self) -> list[str]:
        """The figures of the report that its predictions do not give, by name."""
        published, again = to_plain(self.report), to_plain(self.recomputed())
        return [name for name in again if name not in published or not equal(published[name], again[name])]

    @property
    def _resamples(self) -> int:
        return self.report.bootstrap.resamples

    @property
    def _seed(self) -> int:
        return self.report.bootstrap.seed


def published_runs(results: Path = RESULTS, *, left_out: bool = False) -> Iterator[PublishedRun]:
    """Every run that is published alone, by path: judged on a fold, or, ``left_out``, on a source it never saw."""
    for path in sorted(results.glob(f"*/*/{REPORT}")):
        if bool((run := PublishedRun(path.parent)).report.protocol.source) == left_out:
            yield run


def published_comparisons(results: Path = RESULTS) -> Iterator[Path]:
    """The folder of every published comparison, by path."""
    for path in sorted(results.glob(f"*/*/{ENTRANTS}")):
        yield path.parent


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to publish in, which must not exist yet; removed where the block fails."""
    if folder.exists():
        raise SystemExit(f"{folder} exists: wanted a new folder; remove it, or choose another name")
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder)
        raise


def equal(value: Any, other: Any) -> bool:
    """Equal plain values, numbers to one part in 10^9: another machine's sums may end in other bits."""
    if isinstance(value, dict) and isinstance(other, dict):
        return all(equal(value[key], other[key]) for key in (value.keys() & other.keys()) - {"fitted_on"})  # a sentence
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(equal, value, other))
    if isinstance(value, float) and isinstance(other, float):
        return abs(value - other) <= 1e-9 * max(1.0, abs(value))
    return bool(value == other)
