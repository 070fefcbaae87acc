"""What is the lesion itself stays the same under every photograph."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.photo_conditions import draw_photo
from hierattn.data.rendered.rendered_set import render


def test_photographs_of_one_lesion_share_its_appearance() -> None:
    """With the pose held still, its mask stays and its colours are nearer than those of another lesion."""
    within, between, overlaps = [], [], []
    for seed in range(6):
        one, other = (draw_appearance("MEL", np.random.default_rng([seed, k])) for k in (0, 1))
        photos = [
            replace(
                draw_photo(np.random.default_rng([seed, 9, k]), surround=False),
                angle=0.0, scale=1.0, shift=(0.0, 0.0), hairs=None, ruler=None, bubbles=None,
            )
            for k in (0, 1)
        ]  # fmt: skip
        first, second = (render(one, photo, 64) for photo in photos)
        third = render(other, photos[1], 64)
        overlaps.append((first.mask & second.mask).sum() / (first.mask | second.mask).sum())
        grey = [picture.image.mean(2) for picture in (first, second, third)]
        within.append(np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1])
        between.append(np.corrcoef(grey[0].ravel(), grey[2].ravel())[0, 1])
    assert min(overlaps) == 1
    assert min(within) > 0.85
    assert np.mean(within) > np.mean(between) + 0.15


def test_skin_covers_all_six_types() -> None:
    generator = np.random.default_rng(0)
    kinds = Counter(draw_appearance("NV", generator).skin.fitzpatrick for _ in range(200))
    assert set(kinds) == {1, 2, 3, 4, 5, 6}
