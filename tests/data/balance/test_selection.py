"""What balancing decided."""

from __future__ import annotations

import numpy as np

from hierattn.data.balance.selection import Selection


def test_kept_and_dropped_rows_are_all_rows_that_were_balanced() -> None:
    rows = np.array([2, 3, 5, 8])
    selection = Selection(rows, np.array([True, False, True, False]), np.array([], np.int64), [])
    assert selection.dropped_rows.tolist() == [3, 8]
    assert sorted([*selection.dropped_rows, *rows[selection.kept]]) == rows.tolist()
