"""From a checkpoint to what every exporter takes: the calibration of the evaluation beside it, and the novelty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_runs import TINY
from small_checkpoints import SIZE, make_checkpoint

from hierattn.deploy.export.own_images import OtherKind, OwnImages
from hierattn.deploy.export.rejection.novelty import MIN_IMAGES
from hierattn.deploy.export.wrapped import wrap, wrap_run
from hierattn.errors import CheckpointError, UsageError
from hierattn.evaluation.measures.calibration import Calibration, ThresholdFigures, write_calibration
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT

PHOTOS = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def logits_of(checkpoint: Checkpoint) -> np.ndarray:
    with torch.inference_mode():
        values: np.ndarray = checkpoint.build()(torch.from_numpy(PHOTOS).permute(0, 3, 1, 2) / 255).double().numpy()
        return values


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def own_images(count: int) -> OwnImages:
    """``count`` images for training and as many for the inner and the outer fold."""
    images = np.random.default_rng(1).integers(0, 256, (3 * count, 32, 32, 3), dtype=np.uint8)
    rows = np.arange(3 * count)
    return OwnImages(images, rows % 8, rows, rows[:count], rows[count : 2 * count], rows[2 * count :])


def tiny_checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    state = create_model("hierattn_xs", num_classes=8, **TINY).state_dict()
    return Checkpoint("hierattn_xs", EIGHT, ImageSpec(size=32), state, TINY, {}, {})


def test_without_an_evaluation_the_answer_is_the_networks_own_and_says_so():
    checkpoint = make_checkpoint()
    wrapped = wrap(checkpoint, heatmap=False)
    with torch.inference_mode():
        probabilities, risk = wrapped.network(torch.from_numpy(PHOTOS))
    expected = softmax(logits_of(checkpoint))
    np.testing.assert_allclose(probabilities.numpy(), expected, atol=1e-5)
    group = [EIGHT.codes.index(code) for code in EIGHT.triage_group]
    np.testing.assert_allclose(risk.numpy(), expected[:, group].sum(axis=1), atol=1e-5)
    assert not wrapped.network.training
    assert (wrapped.bundle.temperature, wrapped.bundle.triage.threshold, wrapped.bundle.metrics) == (1, None, {})
    assert wrapped.bundle.parameters == sum(value.numel() for value in checkpoint.build().parameters())


def test_the_evaluation_beside_the_weights_calibrates_the_answer(tmp_path):
    (tmp_path / "evaluation").mkdir()
    checkpoint = make_checkpoint()
    save_checkpoint(tmp_path / "best.safetensors", checkpoint)
    bias = (0.5, -1.0, 0.0, 0.25, 1.5, -0.75, 0.0, -0.5)
    figures = ThresholdFigures(0.92, (0.85, 0.97), 0.5, (0.4, 0.6), 120, 100, 50)
    write_calibration(
        tmp_path / "evaluation" / "calibration.json",
        Calibration(1.7, 0.25, 0.95, figures, figures, "the inner fold", class_bias=bias),
    )
    expected = softmax(logits_of(checkpoint) / 1.7 + bias)
    for source in (tmp_path, tmp_path / "best.safetensors"):
        wrapped = wrap_run(source, heatmap=False)
        with torch.inference_mode():
            probabilities = wrapped.network(torch.from_numpy(PHOTOS))[0].numpy()
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)
        assert (wrapped.bundle.temperature, wrapped.bundle.triage.threshold) == (1.7, 0.25)


def test_the_novelty_is_there_with_enough_own_images_and_only_then():
    few, enough = (wrap(tiny_checkpoint(), own=own_images(count)) for count in (MIN_IMAGES - 1, MIN_IMAGES))
    assert "novelty" not in few.network.output_names
    assert few.bundle.novelty == {}
    assert "novelty" in enough.network.output_names
    assert enough.bundle.novelty_threshold == enough.bundle.novelty["threshold"] > 0


@pytest.mark.parametrize("count", [MIN_IMAGES - 1, MIN_IMAGES])
def test_photographs_to_reject_are_never_silently_ignored(count):
    own = own_images(count)
    other = OtherKind(own.images, "phone", (own.training,), own.test)
    checkpoint = tiny_checkpoint()
    if count == MIN_IMAGES:
        torch.manual_seed(0)
        name = "timm:mobilenetv4_conv_small"  # has a convolution between the mean of its last map and the classifier
        state = create_model(name, num_classes=8).state_dict()
        checkpoint = Checkpoint(name, EIGHT, ImageSpec(size=32), state, {}, {}, {})
    with pytest.raises(UsageError, match=r"can reject no photographs of another kind.*leave --reject out"):
        wrap(checkpoint, own=replace(own, others=(other,)))


def test_a_heat_map_is_left_out_where_it_is_not_wanted():
    assert "heatmap" in wrap(tiny_checkpoint()).network.output_names
    plain = wrap(tiny_checkpoint(), heatmap=False)
    assert "heatmap" not in plain.network.output_names
    assert plain.bundle.heatmap == ""


def test_weights_that_diverged_are_refused():
    checkpoint = make_checkpoint()
    next(iter(checkpoint.state_dict.values()))[0] = float("nan")
    with pytest.raises(CheckpointError, match="not all finite"):
        wrap(checkpoint)


def test_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        wrap_run(tmp_path)
