"""The drawing primitives: checked against closed forms and naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierattn.data.rendered import rendering
from hierattn.data.rendered.rendering import (
    Dots,
    Plane,
    Seat,
    Strokes,
    blur,
    reflectance,
    sample,
    smoothstep,
    stamp,
    tile,
)


def _dots(*rows: tuple[float, float, float]) -> Dots:
    x, y, radius = np.array(rows, np.float32).T
    return Dots(x, y, radius, np.ones(len(rows), np.float32))


def test_plane_without_pose_runs_from_minus_one_to_one() -> None:
    plane = Plane.of_pose(4)
    assert_allclose(plane.x[0], [-0.75, -0.25, 0.25, 0.75])
    assert_allclose(plane.y[:, 0], [-0.75, -0.25, 0.25, 0.75])


@pytest.mark.parametrize("flip", [False, True])
def test_plane_to_pixels_undoes_the_pose(flip: bool) -> None:
    plane = Plane.of_pose(32, angle=0.7, scale=1.3, shift=(0.1, -0.2), flip=flip)
    points = plane.to_pixels @ np.stack([plane.x.ravel(), plane.y.ravel(), np.ones(32 * 32)])
    rows, columns = np.mgrid[:32, :32]
    assert_allclose(points, [columns.ravel(), rows.ravel()], atol=1e-4)


def test_sample_at_texels_is_the_texel_and_the_tile_is_endless() -> None:
    texture = np.random.default_rng(0).random((8, 8), dtype=np.float32)
    u, v = np.meshgrid(np.arange(8, dtype=np.float32) / 8, np.arange(8, dtype=np.float32) / 8)
    assert_allclose(sample(texture, u, v), texture, atol=1e-6)
    assert_allclose(sample(texture, u + 3, v - 2), texture, atol=1e-5)


def test_sample_between_texels_is_their_mean() -> None:
    texture = np.arange(16, dtype=np.float32).reshape(4, 4)
    middle = np.full((1, 1), 0.5 / 4, np.float32)
    assert_allclose(sample(texture, middle, middle), [[texture[:2, :2].mean()]])


def test_cellular_tile_is_a_distance_that_has_no_seam() -> None:
    """As a distance to the nearest of many points: it changes no faster than the place, and is near 0 somewhere."""
    cell, membrane = tile("cell"), tile("membrane")
    step = rendering.CELLS / cell.shape[0]
    for axis in (0, 1):
        assert np.abs(np.diff(cell, axis=axis, append=np.take(cell, [0], axis))).max() <= step * 1.0001
    assert cell.max() < 1.2
    assert cell.min() < step
    assert membrane.min() >= 0


def test_membrane_is_zero_where_the_nearest_cell_changes() -> None:
    membrane, shade = tile("membrane"), tile("shade")
    border = shade != np.roll(shade, 1, axis=1)
    step = rendering.CELLS / shade.shape[0]
    assert membrane[border].max() <= step
    assert len(np.unique(shade)) == rendering.CELLS**2
    assert membrane[~border].mean() > 3 * membrane[border].mean()


def test_clouds_have_unit_variance_and_no_seam() -> None:
    for kind in ("cloud", "grain"):
        values = tile(kind)
        assert values.std() == pytest.approx(1, abs=1e-3)
        inner = np.abs(np.diff(values, axis=0)).mean()
        assert np.abs(values[0] - values[-1]).mean() < 1.5 * inner


def test_coarsely_sampled_cloud_is_close_to_the_full_one() -> None:
    seat = Seat(0.3, 0.6, 0.4)
    plane = Plane.of_pose(256)
    still = (np.zeros_like(plane.x), np.zeros_like(plane.x))
    full, coarse = plane.texture("cloud", 0.5, seat, still), plane.texture("cloud", 0.5, seat)
    assert np.corrcoef(full.ravel(), coarse.ravel())[0, 1] > 0.99
    assert not np.array_equal(full, coarse)


def test_texture_stays_with_the_lesion_when_the_photograph_turns() -> None:
    seat = Seat(0.1, 0.2, 0.3)
    upright, turned = Plane.of_pose(96), Plane.of_pose(96, angle=np.pi / 2)
    assert_allclose(
        np.rot90(upright.texture("membrane", 0.2, seat), -1), turned.texture("membrane", 0.2, seat), atol=2e-3
    )


def test_stamp_agrees_with_a_naive_loop() -> None:
    generator = np.random.default_rng(4)
    x, y = generator.uniform(-4, 36, (2, 12)).astype(np.float32)
    radius = generator.uniform(0.5, 9, 12).astype(np.float32)
    soft, strength = generator.uniform(1, 5, (2, 12)).astype(np.float32)
    rows, columns = np.mgrid[:32, :32]
    wanted = np.zeros((32, 32))
    for k in range(12):
        distance = np.hypot(columns - x[k], rows - y[k])
        wanted = np.maximum(wanted, strength[k] * np.clip((radius[k] - distance) / soft[k] + 0.5, 0, 1))
    assert_allclose(stamp(32, x, y, radius, soft, strength), wanted, atol=1e-5)


def test_disc_covers_its_area_at_every_size() -> None:
    for size in (64, 128, 256):
        coverage = Plane.of_pose(size).dots(_dots((0.1, -0.2, 0.3)))
        assert coverage.mean() == pytest.approx(np.pi * 0.3**2 / 4, rel=0.06)


def test_stroke_covers_length_times_width_without_gaps() -> None:
    ends = np.array([-0.5, 0.5], np.float32)
    stroke = Strokes.join([(ends, ends * 0, np.full(2, 0.1, np.float32), 1.0)])
    for size in (64, 256):
        coverage = Plane.of_pose(size).strokes(stroke)
        assert coverage.mean() == pytest.approx((0.1 * 1.0 + np.pi * 0.05**2) / 4, rel=0.1)
        middle = coverage[size // 2 - 1 : size // 2 + 1, size // 3 : 2 * size // 3]
        assert middle.min() == 1


def test_two_curves_are_not_joined_to_one() -> None:
    left, right = np.array([-0.8, -0.4], np.float32), np.array([0.4, 0.8], np.float32)
    width = np.full(2, 0.1, np.float32)
    coverage = Plane.of_pose(64).strokes(Strokes.join([(left, left * 0, width, 1.0), (right, right * 0, width, 1.0)]))
    assert coverage[:, 30:34].max() == 0


def test_no_curves_cover_nothing() -> None:
    assert Plane.of_pose(32).strokes(Strokes.join([])).max() == 0


def test_blur_of_a_point_is_the_gaussian_and_keeps_the_sum() -> None:
    point = np.zeros((33, 33), np.float32)
    point[16, 16] = 1
    blurred = blur(point, 2.0)
    offsets = np.arange(33) - 16
    kernel = np.exp(-0.5 * (offsets / 2.0) ** 2)
    kernel /= kernel.sum()
    assert_allclose(blurred, np.outer(kernel, kernel), atol=1e-5)


def test_blur_keeps_an_even_image_up_to_its_edge() -> None:
    assert_allclose(blur(np.full((3, 24, 24), 0.4, np.float32), 3.0), 0.4, rtol=1e-5)


def test_smoothstep_is_flat_outside_and_half_in_the_middle() -> None:
    assert_allclose(smoothstep(1, 3, np.array([0, 1, 2, 3, 9], np.float32)), [0, 0, 0.5, 1, 1])


def test_melanin_browns_blood_reddens_and_deep_pigment_turns_blue() -> None:
    one, none = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    pale = reflectance(none, none, none).ravel()
    brown, red, blue = (
        reflectance(*amounts).ravel() / pale for amounts in ((one, none, none), (none, one, none), (none, none, one))
    )
    assert brown[0] > brown[1] > brown[2]
    assert red[0] > 2 * red[1]
    assert blue[2] > blue[1] > blue[0]
