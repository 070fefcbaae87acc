"""Leave one source out: how a network does in a clinic that it has never seen, beside what folds say of that clinic.

Each run left one source out and is judged on it. Beside it stand two figures that only look like it: the same network
on the unseen fold of its own sources, and, where the same recipe was cross-validated by folds, networks that saw the
source's other photographs, on the very photographs that are judged here. The gap to these is what a new clinic costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import known_rows, unseen_fold
from hierattn.errors import DataError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.classification import Classification
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predict import Network, predict_rows
from hierattn.evaluation.predictions import Predictions, joined, read_predictions, rows_of
from hierattn.evaluation.report import report_of
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.progress import Progress
from hierattn.run_folder import RunFolder

FIGURES: Mapping[str, str] = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro AUC",
    "malignant_auc": "cancer AUC",
    "melanoma_auc": "melanoma AUC",
}


@dataclass(frozen=True)
class Judged:
    """Figures of some photographs, each with its interval over whole groups.

    Attributes
    ----------
    images, groups
        Counts.
    classes
        Class -> images, of those that the network knows.
    figures
        Of :data:`FIGURES`. Balanced accuracy and macro AUC are means over the classes that are there.
    """

    images: int
    groups: int
    classes: Mapping[str, int]
    figures: Mapping[str, Estimate]


@dataclass(frozen=True)
class LeftOutSource:
    """One source, judged by a network that never saw it.

    Attributes
    ----------
    source, domains
        Its name, and how its photographs were taken.
    trained_on
        The sources that the network was trained on.
    photographs
        All that the source has; ``judged.images`` of them are judged.
    judged
        The honest figure for another clinic.
    own_sources
        The same network on the unseen fold of the sources that it was trained on; None where nothing is left of it.
    by_folds
        Networks that did see the source, each on the fold that it did not see: of the photographs that are judged. None
        where the recipe was not cross-validated by folds as well.
    notes
        What was left out, and why.
    """

    source: str
    domains: tuple[str, ...]
    trained_on: tuple[str, ...]
    photographs: int
    judged: Judged
    own_sources: Judged | None
    by_folds: Judged | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measures:
    """How figures are measured.

    Attributes
    ----------
    resamples, seed
        Of whole groups.
    device, batch_size
        Of the network.
    """

    resamples: int = 1000
    seed: int = 0
    device: str = "cpu"
    batch_size: int = 64
    progress: Progress | None = field(default=None, compare=False)


def judge(predictions: Predictions, measures: Measures) -> Judged:
    """The figures of a table of predictions."""
    table = Classification(predictions, measures.resamples, measures.seed)
    counts = Counter(predictions.classes[label] for label in predictions.labels.tolist())
    figures: dict[str, Callable[[], Estimate]] = {
        "balanced_accuracy": table.balanced_accuracy,
        "macro_auc": lambda: table.area("macro_auc"),
        "malignant_auc": lambda: table.area("malignant_auc"),
        "melanoma_auc": lambda: table.of_melanoma("auc"),
    }
    return Judged(
        len(predictions),
        len(np.unique(predictions.group_numbers)),
        {code: counts[code] for code in predictions.classes if counts[code]},
        {name: figures[name]() for name in FIGURES},
    )


def judge_left_out_sources(
    runs: Sequence[Path], folds: Mapping[int, Path], packed: PackedSet, measures: Measures
) -> list[LeftOutSource]:
    """Judge each run on the source that it left out.

    Parameters
    ----------
    runs
        Run folders, evaluated, each without one source of ``packed``.
    folds
        Fold -> an evaluated run of the same recipe that held it out; may be empty, and runs of other sets are not read.
    packed
        The set that all were trained on.
    measures
        How.

    Raises
    ------
    DataError, TableError, CheckpointError
        Where a run, its evaluation or its set is missing or another.
    """
    by_folds = _pooled(folds, packed)
    return [_judge_run(run, by_folds, packed, measures) for run in runs]


def _judge_run(run: Path, by_folds: Predictions | None, packed: PackedSet, measures: Measures) -> LeftOutSource:
    trained = TrainedRun.open(run)
    source = trained.left_out_source
    if not source or trained.manifest_sha256 != packed.manifest_sha256:
        raise DataError(f"{run} did not leave out a source of {packed.folder}: wanted a run of this set")
    evaluation = EvaluationFolder(RunFolder(run).evaluation)
    predictions = read_predictions(evaluation.predictions, packed.taxonomy)
    parts = trained.parts(packed)
    own = [record for record in packed.records if record.source == source and record.role == "original"]
    return LeftOutSource(
        source,
        tuple(sorted({record.domain for record in own} - {""})),
        tuple(sorted({packed.records[row].source for row in parts.train})),
        len(own),
        judge(predictions, measures),
        _own_sources(trained, packed, measures),
        _same_photographs(by_folds, predictions, measures),
        report_of(evaluation).notes,
    )


def _own_sources(trained: TrainedRun, packed: PackedSet, measures: Measures) -> Judged | None:
    checkpoint = trained.checkpoint
    rows = unseen_fold(packed.records, trained.fold, trained.left_out_source)
    rows, _ = known_rows(packed.records, rows, checkpoint.classes)
    if not len(rows):
        return None
    model = checkpoint.build().to(measures.device)
    network = Network(model, checkpoint.taxonomy, checkpoint.image_spec, measures.device, measures.batch_size)
    found = judge(predict_rows(network, packed, rows, progress=measures.progress, step="its own sources"), measures)
    figures = {name: figure.value for name, figure in found.figures.items()}
    trained.record_look(packed, len(rows), figures, fold=trained.fold)
    return found


def _pooled(folds: Mapping[int, Path], packed: PackedSet) -> Predictions | None:
    """What runs by folds answered, each image once; None where not every fold of this set is there."""
    tables = []
    for fold, run in folds.items():
        evaluation = EvaluationFolder(RunFolder(run).evaluation)
        if evaluation.is_complete() and RunFolder(run).manifest_sha256() == packed.manifest_sha256:
            table = read_predictions(evaluation.predictions, packed.taxonomy)
            tables.append(rows_of(table, np.flatnonzero(table.folds == fold)))
    if len(tables) <= max(record.fold for record in packed.records) or len({each.classes for each in tables}) > 1:
        return None
    return joined(tables)


def _same_photographs(by_folds: Predictions | None, judged: Predictions, measures: Measures) -> Judged | None:
    if by_folds is None:
        return None
    place = {image: row for row, image in enumerate(by_folds.images)}
    rows = np.array([place[image] for image in judged.images if image in place], np.int64)
    return judge(rows_of(by_folds, rows), measures) if len(rows) == len(judged) else None


def sentences(sources: Sequence[LeftOutSource]) -> list[str]:
    """What the figures say, a line a source."""
    lines = []
    for each in sources:
        name = "balanced_accuracy" if each.judged.figures["balanced_accuracy"].value is not None else "macro_auc"
        value = each.judged.figures[name].value
        if value is None:
            lines.append(f"{each.source}: nothing can be said, for its photographs are of too few classes.")
            continue
        interval = each.judged.figures[name].interval
        span = "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
        line = f"On {each.source}, never seen, {FIGURES[name]} is {value:.3f}{span}"
        for other, said in ((each.by_folds, "by folds it would be"), (each.own_sources, "on its own sources it is")):
            if other is not None and (beside := other.figures[name].value) is not None:
                line += f"; {said} {beside:.3f}"
        lines.append(line + ".")
    return lines
