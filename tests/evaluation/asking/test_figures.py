"""The photograph alone, the answers alone, both: measured on a run whose answers tell more than its noise."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from noise_runs import make_run, make_set
from tiny_sets import with_answers

from hierattn.data.prepared_set.asked import answerable
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation import predict
from hierattn.evaluation.asking.figures import AnswersAlone
from hierattn.evaluation.asking.records import MISSING
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.measures.calibration import read_calibration
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.report import Report
from hierattn.models import inference
from hierattn.models.asking import asking
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import AGE, GREW

OPTIONS = EvaluateOptions(device="cpu", bootstrap=100)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    base = tmp_path_factory.mktemp("asking")
    prepared = with_answers(make_set(base / "noise"), base / "prepared", unknown_of="MEL")
    run = make_run(base / "run", prepared)
    plain = evaluate(run, OPTIONS)
    checkpoint = load_checkpoint(run / "best.safetensors")
    torch.manual_seed(0)
    model = asking(checkpoint.build(), (AGE, GREW), 8)
    _train(model.head, checkpoint.taxonomy, prepared)
    asked = {
        **vars(checkpoint),
        "taxonomy": checkpoint.taxonomy.asking((AGE, GREW)),
        "state_dict": model.state_dict(),
        "answers": {"kind": "concatenation", "width": 32, "dropout": 0.2},
    }
    for cached in ("classes", "network_weights"):
        asked.pop(cached, None)
    save_checkpoint(run / "best.safetensors", type(checkpoint)(**asked))
    return run, plain, evaluate(run, OPTIONS)


def _train(head, taxonomy, prepared):
    """A few steps on the training fold, from logits that say nothing."""
    packed = PackedSet.open(prepared)
    records = [record for record in packed.records if record.fold == 0]
    from hierattn.data.prepared_set.asked import codes_of

    codes = torch.from_numpy(codes_of(records, (AGE, GREW)))
    labels = torch.tensor([taxonomy.codes.index(record.label) for record in records])
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.03)
    for _ in range(100):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(torch.zeros(len(codes), 8), codes), labels).backward()
        optimiser.step()


def test_every_figure_but_those_of_answers_is_of_the_photograph_alone(judged):
    run, plain, asked = judged
    table = read_predictions(run / "evaluation" / "predictions.csv", EIGHT)
    np.testing.assert_array_equal(table.probabilities, plain.predictions.probabilities)
    assert asked.report.balanced_accuracy == plain.report.balanced_accuracy
    assert asked.calibration.temperature == plain.calibration.temperature
    assert (plain.report.answers, plain.calibration.answers_temperature) == (None, None)


def test_the_three_stand_together_at_every_share_of_missing_answers(judged):
    answers = judged[2].report.answers
    assert [row.missing for row in answers.missing] == list(MISSING)
    first, last = answers.missing[0], answers.missing[-1]
    assert first.both.value > first.photograph.value
    assert first.gain.value == pytest.approx(first.both.value - first.photograph.value)
    assert {row.photograph.value for row in answers.missing} == {first.photograph.value}
    assert (last.both, last.gain.value, last.ece_both) == (last.photograph, 0, last.ece_photograph)


def test_figures_are_split_by_whether_a_lesion_was_biopsied(judged):
    rows = judged[2].report.answers.by_biopsy
    assert {row.biopsied: row.images for row in rows} == {"yes": 12, "no": 12}


def test_each_question_says_what_it_adds_and_of_whom_it_is_known(judged):
    age, grew = judged[2].report.answers.asked
    assert (age.name, age.known, grew.name) == ("age", 1.0, "grew")
    assert grew.known < 1
    assert grew.known_not_biopsied > grew.known_biopsied  # only every second melanoma's is unknown, all biopsied
    assert age.raised is not None


def test_under_the_rule_no_photograph_is_referred_less_than_by_the_photograph_alone(judged):
    photograph, both, rule = judged[2].report.answers.advice
    assert (photograph.by, both.by, rule.by) == ("photograph", "both", "rule")
    assert rule.sensitivity.value >= max(photograph.sensitivity.value, both.sensitivity.value)
    assert rule.specificity.value <= min(photograph.specificity.value, both.specificity.value)


def test_subgroups_are_shown_with_and_without_answers(judged):
    report = judged[2].report
    figures = report.answers.subgroups
    assert set(figures) == set(report.subgroups.attributes)
    for attribute, rows in figures.items():
        for row, own in zip(rows, report.subgroups.attributes[attribute], strict=True):
            assert (row.name, row.images, row.too_few) == (own.name, own.images, own.too_few)
            assert row.photograph.value == own.balanced_accuracy.value
            assert row.advice[0].sensitivity.value == own.referred.value
            assert row.gain.value == pytest.approx(row.both.value - row.photograph.value)


def test_card_shows_the_three_the_flips_and_the_subgroups(judged):
    plain, asked = (model_card(evaluation.report) for evaluation in judged[1:])
    assert "Questions beside the photograph" not in plain
    for said in ("### Questions beside the photograph", "| answers hidden |", "| grew |", "never below the photograph"):
        assert said in asked
    assert "Age: " in asked


def test_each_fold_passes_the_network_once(judged, monkeypatch):
    passes = []
    real = inference.predict_logits

    def counted(model, images, indices, *arguments, **options):
        passes.append(len(indices))
        return real(model, images, indices, *arguments, **options)

    monkeypatch.setattr(predict, "predict_logits", counted)
    evaluation = evaluate(judged[0], OPTIONS)
    assert passes == [len(evaluation.validation), len(evaluation.predictions)]


def test_report_and_calibration_are_read_back(judged):
    run, _, asked = judged
    again = Report.load(run / "evaluation" / "report.json")
    assert again.answers == asked.report.answers
    temperature = read_calibration(run / "evaluation" / "calibration.json").answers_temperature
    assert temperature == asked.report.answers.temperature
    assert "answers" in json.loads((run / "evaluation" / "report.json").read_text())


def test_answers_alone_recognise_what_they_tell():
    codes = np.array([[1, 2], [4, 1]] * 20, np.float32)
    alone = AnswersAlone((AGE, GREW), codes, np.array([0, 2] * 20), 3)
    probabilities = alone.probabilities(codes[:2])
    assert probabilities.argmax(1).tolist() == [0, 2]
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert answerable([]) == ()
