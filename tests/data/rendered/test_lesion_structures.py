"""Structures change the tissue where they lie, and leave no value that is no colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hierattn.data.rendered.lesion_appearance import LesionAppearance, draw_appearance
from hierattn.data.rendered.lesion_structures import STRUCTURES, paint
from hierattn.data.rendered.rendering import Plane
from hierattn.data.rendered.tissue import skin
from hierattn.taxonomy.built_in import EIGHT

PLANE = Plane.of_pose(64)


def with_structure(name: str) -> LesionAppearance:
    """The first drawn lesion that has the structure."""
    for seed in range(60):
        for code in EIGHT.codes:
            lesion = draw_appearance(code, np.random.default_rng([seed, EIGHT.codes.index(code)]))
            if lesion.traits[name] > 0:
                return lesion
    raise AssertionError(name)


@pytest.mark.parametrize(("name", "structure"), STRUCTURES, ids=[name for name, _ in STRUCTURES])
def test_each_structure_is_seen_and_its_colours_are_colours(name: str, structure: object) -> None:
    lesion = with_structure(name)
    tissue = skin(PLANE, lesion)
    before = tissue.colour(), tissue.height.copy()
    structure(tissue, lesion.traits[name])  # type: ignore[operator]
    colour = tissue.colour()
    assert np.isfinite(colour).all()
    assert colour.min() >= 0
    assert colour.max() <= 1.05
    assert np.abs(colour - before[0]).max() > 0.02 or np.abs(tissue.height - before[1]).max() > 0.001


def test_only_the_structures_that_a_lesion_has_are_painted() -> None:
    lesion = draw_appearance("NV", np.random.default_rng(3))
    none = {name: 0.0 for name, _ in STRUCTURES if name != "radius"}
    plain = paint(PLANE, replace(lesion, traits={**lesion.traits, **none}))
    only_base = skin(PLANE, lesion)
    STRUCTURES[0][1](only_base, 1.0)
    np.testing.assert_array_equal(plain.colour(), only_base.colour())
