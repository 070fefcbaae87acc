"""Several runs calibrate together: each answers for the inner fold that it has not seen, and for no other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_runs import SPEC, TINY, make_run, make_set

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.measures.calibration import fit_temperature, softmax
from hierattn.evaluation.predictions import read_predictions
from hierattn.models.inference import predict_logits
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT

QUICK = EvaluateOptions(device="cpu", bootstrap=0)


def crossed_run(folder, prepared, inner, seed, name="tiny", **recipe):
    """A run with weights of its own seed, whose outer fold is 1."""
    run = make_run(folder, prepared, inner_fold=inner)
    checkpoint = load_checkpoint(run / "best.safetensors")
    torch.manual_seed(seed)
    weights = create_model("hierattn_xs", num_classes=8, **TINY).state_dict()
    changed = {**checkpoint.recipe, "name": name, **recipe}
    save_checkpoint(run / "best.safetensors", replace(checkpoint, state_dict=weights, recipe=changed))
    return run


@pytest.fixture
def prepared(tmp_path):
    return make_set(tmp_path / "prepared")


def answers(prepared, fold, seed):
    """(true labels, the softmax of the network of ``seed``) of the originals of a fold, worked out anew."""
    packed = PackedSet.open(prepared)
    rows = [row for row, record in enumerate(packed.records) if record.fold == fold and record.role == "original"]
    torch.manual_seed(seed)
    logits = predict_logits(create_model("hierattn_xs", num_classes=8, **TINY), packed.images, rows, SPEC)
    return np.array([EIGHT.codes.index(packed.records[row].label) for row in rows]), softmax(logits)


def test_each_inner_fold_is_answered_by_the_run_that_has_not_seen_it(prepared, tmp_path):
    runs = [
        crossed_run(tmp_path / f"inner-{inner}", prepared, inner, seed=inner + 7, name=f"{inner}") for inner in (2, 0)
    ]
    result = evaluate(runs[0], QUICK, calibrate_with=runs[1:])
    parts = answers(prepared, 2, 9), answers(prepared, 0, 7)
    labels, probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
    table = read_predictions(runs[0] / "evaluation" / "predictions_validation.csv", EIGHT)
    assert table.folds.tolist() == [2] * len(parts[0][0]) + [0] * len(parts[1][0])
    np.testing.assert_array_equal(table.labels, labels)
    np.testing.assert_allclose(table.probabilities, probabilities, atol=1e-6)
    assert result.calibration.temperature == pytest.approx(fit_temperature(labels, probabilities), rel=1e-4)
    assert "inner validation folds (0, 2), each answered by the run" in result.calibration.fitted_on
    # The outer fold is the run's own, by its own network.
    np.testing.assert_allclose(result.predictions.probabilities, answers(prepared, 1, 9)[1], atol=1e-6)


def test_runs_that_do_not_belong_together_are_refused(prepared, tmp_path):
    run = crossed_run(tmp_path / "run", prepared, 2, seed=1)
    same = crossed_run(tmp_path / "same", prepared, 2, seed=2)
    longer = crossed_run(tmp_path / "longer", prepared, 0, seed=2, optimiser={"epochs": 9})
    elsewhere = crossed_run(tmp_path / "elsewhere", make_set(tmp_path / "other", seed=3), 0, seed=2)
    with pytest.raises(UsageError, match=r"same has inner fold 2, as .*run has: wanted a run for another inner fold"):
        evaluate(run, QUICK, calibrate_with=[same])
    with pytest.raises(
        UsageError, match=r"longer differs from .*run in optimiser: wanted runs that differ in data.inner_"
    ):
        evaluate(run, QUICK, calibrate_with=[longer])
    with pytest.raises(UsageError, match=r"elsewhere was trained on another set than .*run"):
        evaluate(run, QUICK, calibrate_with=[elsewhere])
    assert not (run / "evaluation").exists()
