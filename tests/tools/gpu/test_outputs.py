from __future__ import annotations

import pytest

from hierattn.errors import DataError
from tools.gpu import outputs


def test_what_the_calls_leave_are_at_most_eight_files():
    assert len(outputs.names_of(["bench", "student"], teachers=2)) == 8
    assert len(outputs.names_of(["paper"], teachers=0)) == 6
    assert outputs.names_of(["bench"], teachers=0) == ["status.json", "log.jsonl"]


def test_a_file_that_would_not_come_back_is_an_error(tmp_path):
    made = tmp_path / "made"
    made.write_bytes(bytes(100))
    with pytest.raises(DataError, match="come back"):
        outputs.publish(made, tmp_path / "out", 50)
    outputs.publish(made, tmp_path / "out", 100)
    assert (tmp_path / "out").read_bytes() == bytes(100)
    assert not made.exists()
