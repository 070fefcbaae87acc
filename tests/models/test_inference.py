import numpy as np
import torch
from torch import nn

from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, predict_logits, to_unit


class MeanColour(nn.Module):
    """(batch, 3, h, w) -> the mean of each channel."""

    def forward(self, x):
        return x.mean((2, 3))


IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
SPEC = ImageSpec(size=32, mean=(0.5, 0.5, 0.5), std=(0.1, 0.2, 0.4))


def test_scaling_on_the_device_equals_the_specs_own():
    ours = normalise(to_unit(torch.from_numpy(IMAGES), 32), SPEC).numpy()
    assert np.allclose(ours, SPEC.scale(IMAGES), atol=1e-6)


def test_logits_come_in_the_order_asked_for_whatever_the_batch():
    order = [7, 0, 3, 9, 2]
    expected = SPEC.scale(IMAGES[order]).mean((2, 3))
    for batch_size in (1, 2, 64):
        assert np.allclose(
            predict_logits(MeanColour(), IMAGES, order, SPEC, batch_size=batch_size), expected, atol=1e-5
        )


def test_the_models_mode_is_put_back_and_progress_adds_up():
    model, done = MeanColour().train(), []
    predict_logits(
        model, IMAGES, range(10), SPEC, batch_size=4, progress=lambda step, images, total: done.append((images, total))
    )
    assert model.training
    assert done == [(4, 10), (8, 10), (10, 10)]
