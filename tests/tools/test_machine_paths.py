"""What is published names no folder of a machine."""

import pytest
from tools.machine_paths import plain_values, without_machine_paths


@pytest.mark.parametrize(
    "text", ["1/255", "and/or", "https://doi.org/10.1/a/b", "out/ham128", "runs/a/best.safetensors", "a / b", "50 %/h"]
)
def test_what_is_no_absolute_path_stays(text):
    assert without_machine_paths(text) == text


def test_nested_values_lose_their_machine_paths():
    values = plain_values({"a": ["/home/somebody/weights/x.npz", 3, None], "b": {"c": "/home/somebody/out/ham"}})
    assert values == {"a": ["weights/x.npz", 3, None], "b": {"c": "out/ham"}}
