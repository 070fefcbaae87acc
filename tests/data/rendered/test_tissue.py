"""The skin and the outline of the lesion in it."""

from __future__ import annotations

import numpy as np
import pytest

from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.rendering import Plane
from hierattn.data.rendered.tissue import skin


@pytest.mark.parametrize("seed", range(4))
def test_the_outline_is_where_the_depth_changes_its_sign_and_covers_about_its_area(seed: int) -> None:
    lesion = draw_appearance("NV", np.random.default_rng(seed))
    tissue = skin(Plane.of_pose(128, scale=0.6), lesion)
    assert ((tissue.inside > 0.5) == (tissue.depth > 0)).mean() > 0.999
    wanted = 0.5 * np.mean(np.square(lesion.outline)) * 2 * np.pi * 0.6**2 / 4  # of the photograph, 2 by 2
    assert tissue.inside.mean() == pytest.approx(wanted, rel=0.06)


def test_a_cover_hides_what_lies_below_it() -> None:
    tissue = skin(Plane.of_pose(32), draw_appearance("SCC", np.random.default_rng(1)))
    cover = np.zeros_like(tissue.inside)
    cover[:8] = 1
    bare = tissue.colour()
    tissue.covers.append((cover, (0.2, 0.4, 0.6)))
    covered = tissue.colour()
    np.testing.assert_allclose(
        covered[:, :8], np.broadcast_to(np.array([0.2, 0.4, 0.6])[:, None, None], (3, 8, 32)), 1e-5
    )
    np.testing.assert_array_equal(covered[:, 8:], bare[:, 8:])
