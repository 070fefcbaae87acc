import numpy as np
import pytest
import torch

from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec


def photograph(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(150, 200), (40, 50), (64, 64), (301, 97)])
def test_resize_is_torchs_antialiased_bilinear_to_within_one_grey_level(shape):
    image = photograph(*shape)
    ours = ImageSpec(size=64).resize(image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    theirs = torch.nn.functional.interpolate(tensor, (64, 64), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    assert np.abs(ours.astype(float) - theirs.numpy()).max() <= 1.0


def test_an_image_of_the_right_size_is_returned_as_it_is():
    image = photograph(64, 64)
    assert np.array_equal(ImageSpec(size=64).resize(image), image)


def test_scale_is_the_papers_division_by_255_unless_a_mean_is_given():
    images = photograph(32, 32)[None]
    plain = ImageSpec(size=32).scale(images)
    assert plain.shape == (1, 3, 32, 32)
    assert np.allclose(plain, images.transpose(0, 3, 1, 2) / 255)
    other = ImageSpec(size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1)).scale(images)
    assert np.allclose(other[0, 2], (images[0, :, :, 2] / 255 - 0.3) / 0.1, atol=1e-6)


def test_a_record_survives_the_round_trip_and_an_unknown_key_is_refused():
    spec = ImageSpec(size=128, mean=(0.1, 0.2, 0.3), crop="none")
    assert ImageSpec.from_dict(spec.to_dict()) == spec
    assert ImageSpec.from_dict({"size": 128, "mean": [0.1, 0.2, 0.3], "crop": "none"}) == spec
    with pytest.raises(UsageError, match="zoom"):
        ImageSpec.from_dict({"zoom": 2})


@pytest.mark.parametrize(
    "wrong", [{"size": 8}, {"crop": "round"}, {"size": 5000}, {"mean": (0.0,)}, {"std": (1.0, 0.0, 1.0)}]
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        ImageSpec(**wrong)


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_resize_refuses_what_is_not_uint8_rgb(array):
    with pytest.raises(UsageError, match="uint8"):
        ImageSpec(size=32).resize(array)
