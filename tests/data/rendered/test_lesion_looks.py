"""The table of looks: one a class, every range in order, every structure with a painter."""

from __future__ import annotations

from dataclasses import fields

from hierattn.data.rendered.lesion_looks import LOOKS, Chance
from hierattn.data.rendered.lesion_structures import STRUCTURES
from hierattn.taxonomy.built_in import EIGHT


def test_there_is_one_look_a_class() -> None:
    assert set(LOOKS) == set(EIGHT.codes)


def test_every_range_is_in_order_and_every_chance_a_probability() -> None:
    for look in LOOKS.values():
        for field in fields(look):
            value = getattr(look, field.name)
            low, high = (value.low, value.high) if isinstance(value, Chance) else value
            assert low <= high, field.name
            assert not isinstance(value, Chance) or 0 <= value.often <= 1, field.name


def test_every_structure_is_a_trait_that_some_class_has() -> None:
    painted = {name for name, _ in STRUCTURES} - {"radius"}
    assert painted <= {
        name for look in LOOKS.values() for name, value in vars(look).items() if value != Chance(0, 0, 0)
    }
