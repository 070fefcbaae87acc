"""Columns are found by the names that tables give them."""

from __future__ import annotations

import pytest

from hierattn.data.column_names import NAMES, named, spelled


@pytest.mark.parametrize(
    ("role", "columns", "found"),
    [
        ("image", ["dx", "Image ID", "age"], ["Image ID"]),
        ("image", ["image_path", "FileName", "lesion_id"], ["FileName", "image_path"]),
        ("label", ["Diagnosis", "DX", "patient"], ["DX", "Diagnosis"]),
        ("patient", ["Patient.ID", "x"], ["Patient.ID"]),
        ("skin-type", ["Fitzpatrick Skin Type"], ["Fitzpatrick Skin Type"]),
        ("lesion", ["patient", "image"], []),
    ],
)
def test_a_column_is_found_however_it_is_spelled_and_the_usual_name_comes_first(role, columns, found):
    assert named(role, columns) == found


def test_no_name_says_two_things():
    roles = {role: {spelled(name) for name in names} for role, names in NAMES.items()}
    assert len(set().union(*roles.values())) == sum(map(len, roles.values()))
