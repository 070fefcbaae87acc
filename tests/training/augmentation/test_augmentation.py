import math

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from hierattn.training.augmentation.augmentation import Draw, apply, draw
from hierattn.training.augmentation.ranges import AugmentationRanges

NOTHING = AugmentationRanges(rotation=0, horizontal_flip=0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photographs(batch=4, size=32):
    return torch.rand(batch, 3, size, size, generator=generator(9))


def smooth(batch=2, size=64):
    low = torch.rand(batch, 3, 6, 6, generator=generator(8))
    return torch.nn.functional.interpolate(low, (size, size), mode="bicubic", align_corners=False).clamp(0, 1)


def test_ranges_of_zero_are_the_identity():
    images = photographs()
    assert torch.equal(apply(images, draw(4, NOTHING, generator())), images)


def test_a_certain_horizontal_flip_is_torchs_flip():
    images = photographs()
    flipped = apply(images, draw(4, AugmentationRanges(rotation=0, horizontal_flip=1), generator()))
    torch.testing.assert_close(flipped, images.flip(3), atol=1e-5, rtol=0)


def test_a_certain_vertical_flip_is_torchs_flip():
    images = photographs()
    ranges = AugmentationRanges(rotation=0, horizontal_flip=0, vertical_flip=1)
    torch.testing.assert_close(apply(images, draw(4, ranges, generator())), images.flip(2), atol=1e-5, rtol=0)


def test_rotation_equals_torchvisions_away_from_the_border():
    images = smooth()
    changes = draw(2, AugmentationRanges(rotation=10, horizontal_flip=0), generator(3))
    turned = apply(images, changes)
    for i in range(2):
        degrees = math.degrees(math.atan2(changes.affine[i, 1, 0], changes.affine[i, 0, 0]))
        assert abs(degrees) <= 10
        theirs = tv.rotate(images[i], degrees, interpolation=tv.InterpolationMode.BILINEAR)
        torch.testing.assert_close(turned[i, :, 12:-12, 12:-12], theirs[:, 12:-12, 12:-12], atol=2e-3, rtol=0)


def test_colour_changes_equal_torchvisions():
    images = smooth()
    plain = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(2, 2, 3)
    one = torch.ones(2)
    brighter = apply(images, Draw(plain, torch.full((2, 3), 1.2), one, one))
    torch.testing.assert_close(brighter, tv.adjust_brightness(images, 1.2))
    flatter = apply(images, Draw(plain, torch.ones(2, 3), one * 0.7, one))
    torch.testing.assert_close(flatter, tv.adjust_contrast(images, 0.7), atol=1e-3, rtol=0)
    duller = apply(images, Draw(plain, torch.ones(2, 3), one, one * 0.5))
    torch.testing.assert_close(duller, tv.adjust_saturation(images, 0.5), atol=1e-3, rtol=0)


def test_every_range_is_kept_over_many_draws():
    ranges = AugmentationRanges(
        rotation=30, horizontal_flip=0.5, scale=0.25, translation=0.1, brightness=0.2, contrast=0.3, saturation=0.4,
        colour_cast=0.1,
    )  # fmt: skip
    changes = draw(5000, ranges, generator(1))
    assert (changes.affine[:, :, 2].abs() <= 0.2).all()
    determinant = torch.linalg.det(changes.affine[:, :, :2]).abs().rsqrt()
    assert (determinant >= 1 / 1.25 - 1e-5).all()
    assert (determinant <= 1.25 + 1e-5).all()
    assert ((changes.contrast - 1).abs() <= 0.3 + 1e-6).all()
    assert ((changes.saturation - 1).abs() <= 0.4 + 1e-6).all()
    assert (changes.gain >= 0.8 * 0.9 - 1e-6).all()
    assert (changes.gain <= 1.2 * 1.1 + 1e-6).all()
    mirrored = (torch.linalg.det(changes.affine[:, :, :2]) < 0).float().mean()
    assert mirrored == pytest.approx(0.5, abs=0.03)


def test_a_stretch_changes_width_over_height_keeps_the_area_and_every_other_draw():
    images = torch.zeros(64, 3, 65, 65)
    images[:, :, 22:43, 22:43] = 1
    changes = draw(64, AugmentationRanges(rotation=0, horizontal_flip=0, stretch=1.0), generator())
    views = apply(images, changes)
    across, down = views[:, 0, 32].sum(1), views[:, 0, :, 32].sum(1)
    assert 1.7 < (across / down).max() < 2.1  # by 2 at most
    assert 0.48 < (across / down).min() < 0.6
    torch.testing.assert_close(across * down, torch.full((64,), 441.0), rtol=0.05, atol=0)
    assert (views[:, 0, 32, 32] == 1).all()
    turned = draw(64, AugmentationRanges(rotation=30, brightness=0.2, stretch=1.0), generator())
    plain = draw(64, AugmentationRanges(rotation=30, brightness=0.2), generator())
    assert torch.equal(turned.gain, plain.gain)


def test_the_same_generator_draws_the_same_and_application_is_repeatable():
    ranges = AugmentationRanges(rotation=20, brightness=0.3)
    one, other = draw(4, ranges, generator(7)), draw(4, ranges, generator(7))
    images = photographs()
    assert torch.equal(apply(images, one), apply(images, other))


def test_results_stay_within_zero_and_one():
    ranges = AugmentationRanges(rotation=90, brightness=1, contrast=1, saturation=1, colour_cast=1, translation=0.5)
    out = apply(photographs(64), draw(64, ranges, generator(2)))
    assert out.min() >= 0
    assert out.max() <= 1
