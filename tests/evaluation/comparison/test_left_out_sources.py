"""A left-out source is judged by what never saw it, beside the same photographs by folds, and nothing is silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from noise_runs import make_run, make_set
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from tiny_sets import of_several

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError
from hierattn.evaluation.comparison.left_out_sources import (
    FIGURES,
    Measures,
    judge,
    judge_left_out_sources,
    sentences,
)
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.report import LEFT_OUT_SOURCE, Report
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.built_in import EIGHT

QUICK = EvaluateOptions(device="cpu", bootstrap=100)
MEASURES = Measures(100)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedSet:
    folder = tmp_path_factory.mktemp("sources")
    return PackedSet.open(of_several(make_set(folder / "one"), folder / "set", ["a", "b"]))


@pytest.fixture(scope="module")
def runs(packed: PackedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run without each source, and one by each fold, evaluated."""
    folder = tmp_path_factory.mktemp("runs")
    made = {name: make_run(folder / name, packed.folder, left_out_source=name) for name in "ab"}
    made |= {str(fold): make_run(folder / f"fold-{fold}", packed.folder, fold=fold) for fold in range(3)}
    for run in made.values():
        evaluate(run, QUICK)
    return made


def test_a_run_without_a_source_is_evaluated_on_that_source_alone(packed: PackedSet, runs: dict[str, Path]) -> None:
    evaluation = EvaluationFolder(RunFolder(runs["a"]).evaluation)
    images = {record.image for record in packed.records if record.source == "a" and record.role == "original"}
    assert set(read_predictions(evaluation.predictions, EIGHT).images) == images
    assert {packed.records[row].source for row in range(len(packed)) if packed.records[row].image in images} == {"a"}
    inner = set(read_predictions(evaluation.validation, EIGHT).images)
    assert inner == {record.image for record in packed.records if (record.source, record.fold) == ("b", 2)}
    report = Report.load(evaluation.report)
    assert (report.protocol.name, report.protocol.source, report.protocol.fold) == (LEFT_OUT_SOURCE, "a", 1)
    assert "source a, left out of training" in evaluation.page.read_text()


def test_the_figures_are_those_of_scikit_learn_and_stand_beside_folds_and_own_sources(
    packed: PackedSet, runs: dict[str, Path]
) -> None:
    folds = {fold: runs[str(fold)] for fold in range(3)}
    (judged,) = judge_left_out_sources([runs["a"]], folds, packed, MEASURES)
    table = read_predictions(EvaluationFolder(RunFolder(runs["a"]).evaluation).predictions, EIGHT)
    figures = judged.judged.figures
    assert list(figures) == list(FIGURES)
    value = balanced_accuracy_score(table.labels, table.probabilities.argmax(axis=1))
    assert figures["balanced_accuracy"].value == pytest.approx(value)
    melanoma = table.classes.index("MEL")
    area = roc_auc_score(table.labels == melanoma, table.probabilities[:, melanoma])
    assert figures["melanoma_auc"].value == pytest.approx(area)
    assert figures["macro_auc"].interval is not None
    assert (judged.source, judged.trained_on, judged.photographs) == ("a", ("b",), judged.judged.images)
    # The noise runs have the same weights: by folds, the same photographs get the same answers.
    assert judged.by_folds == judged.judged
    assert judged.own_sources is not None
    own = [record for record in packed.records if (record.source, record.fold, record.role) == ("b", 1, "original")]
    assert (judged.own_sources.images, judged.own_sources.groups) == (len(own), len({record.group for record in own}))
    (line,) = sentences([judged])
    assert line.startswith(f"On a, never seen, balanced accuracy is {value:.3f}")
    assert "by folds it would be" in line
    assert "on its own sources it is" in line


@pytest.mark.parametrize("missing", [(0, 1, 2), (1,)])
def test_without_every_fold_there_is_nothing_beside(
    packed: PackedSet, runs: dict[str, Path], missing: tuple[int, ...]
) -> None:
    folds = {fold: runs[str(fold)] for fold in range(3) if fold not in missing}
    (judged,) = judge_left_out_sources([runs["b"]], folds, packed, MEASURES)
    assert judged.by_folds is None
    assert "by folds" not in sentences([judged])[0]


def test_classes_that_the_training_sources_lack_are_counted_and_in_no_figure(tmp_path: Path) -> None:
    folder = of_several(make_set(tmp_path / "one"), tmp_path / "set", ["a", "b"], lacking="MEL")
    classes = tuple(code for code in EIGHT.codes if code != "MEL")
    run = make_run(tmp_path / "run", folder, classes, left_out_source="b")
    evaluate(run, QUICK)
    packed = PackedSet.open(folder)
    (judged,) = judge_left_out_sources([run], {}, packed, MEASURES)
    melanomas = sum(record.label == "MEL" and record.role == "original" for record in packed.records)
    assert judged.judged.images == judged.photographs - melanomas
    assert "MEL" not in judged.judged.classes
    assert f"{melanomas} images of MEL left out: the training sources have no such class." in judged.notes
    assert judged.judged.figures["melanoma_auc"].value is None


def test_a_run_that_left_out_no_source_or_is_of_another_set_is_refused(
    packed: PackedSet, runs: dict[str, Path], tmp_path: Path
) -> None:
    other = PackedSet.open(make_set(tmp_path / "other", seed=9))
    for run, of in ((runs["0"], packed), (runs["a"], other)):
        with pytest.raises(DataError, match="did not leave out a source of"):
            judge_left_out_sources([run], {}, of, MEASURES)


def test_photographs_for_testing_only_are_in_every_folds_test_and_count_once_together(tmp_path: Path) -> None:
    from hierattn.evaluation.comparison.entrant import read_entrant

    folder = of_several(make_set(tmp_path / "one"), tmp_path / "set", ["a", "b"], uses={"b": "test"})
    packed = PackedSet.open(folder)
    runs = [make_run(tmp_path / f"fold-{fold}", folder, fold=fold) for fold in range(3)]
    tested = {record.image for record in packed.records if record.source == "b" and record.role == "original"}
    for run in runs:
        evaluate(run, QUICK)
        assert tested <= set(read_predictions(EvaluationFolder(RunFolder(run).evaluation).predictions, EIGHT).images)
    together = read_entrant("all", runs).predictions
    assert len(together) == 72
    assert len(judge(together, MEASURES).classes) == len(np.unique(together.labels))
