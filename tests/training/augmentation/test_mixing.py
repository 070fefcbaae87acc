import numpy as np
import pytest
import torch

from hierattn.training.augmentation.mixing import Mix, apply_mix, draw_mix
from hierattn.training.augmentation.ranges import MixingRanges


def photographs(batch=6, size=16):
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(3))


def test_mixup_is_the_weighted_mean_of_the_two_images():
    images, partner = photographs(), torch.tensor([1, 2, 3, 4, 5, 0])
    mixed = apply_mix(images, Mix(partner, 0.7))
    for i in range(6):
        torch.testing.assert_close(mixed[i], 0.7 * images[i] + 0.3 * images[(i + 1) % 6])


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_pastes_a_rectangle_whose_area_is_the_partners_share(seed):
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 200, 200)
    mix = draw_mix(4, MixingRanges(cutmix=1), np.random.default_rng(seed))
    mixed = apply_mix(images, mix)
    for i in range(4):
        own = mixed[i, 0] == i
        assert ((mixed[i, 0] == mix.partner[i]) | own).all()
        if mix.partner[i] != i:
            assert own.float().mean() == pytest.approx(mix.share, abs=0.02)
            other = torch.nonzero(~own)
            if len(other):
                low, high = other.min(0).values, other.max(0).values
                assert len(other) == (high - low + 1).prod()  # a rectangle, whole


def test_the_share_follows_the_beta_distribution_and_the_probability():
    shares = np.array(
        [
            draw_mix(2, MixingRanges(mixup=0.4, probability=0.5), np.random.default_rng(seed)).share
            for seed in range(4000)
        ]
    )
    mixes = shares[shares < 1]
    assert len(mixes) / 4000 == pytest.approx(0.5, abs=0.03)
    assert mixes.mean() == pytest.approx(0.5, abs=0.02)
    assert mixes.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.01)  # Beta(a, a): 1 / (4 (2a + 1))


def test_where_both_are_set_each_is_drawn_and_the_same_generator_draws_the_same():
    kinds = [
        draw_mix(2, MixingRanges(mixup=1, cutmix=1), np.random.default_rng(seed)).box is None for seed in range(400)
    ]
    assert 0.4 < np.mean(kinds) < 0.6
    one, other = (draw_mix(8, MixingRanges(mixup=1, cutmix=1), np.random.default_rng(3)) for _ in range(2))
    assert (one.share, one.box) == (other.share, other.box)
    assert torch.equal(one.partner, other.partner)


def test_a_step_that_does_not_mix_leaves_the_bits():
    images = photographs()
    mix = draw_mix(6, MixingRanges(mixup=1, cutmix=1, probability=0), np.random.default_rng(0))
    assert apply_mix(images, mix) is images
