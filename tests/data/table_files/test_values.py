"""Values of Excel and Parquet become the texts that a spreadsheet shows."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from hierattn.data.table_files.values import text_of_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (7, "7"),
        (7.0, "7"),
        (7.25, "7.25"),
        (float("nan"), ""),
        (float("inf"), "inf"),
        (1e300, "1e+300"),
        (Decimal("12.00"), "12"),
        (True, "true"),
        (" MEL ", "MEL"),
        (datetime.datetime(2024, 3, 1), "2024-03-01"),
        (datetime.datetime(2024, 3, 1, 12, 30), "2024-03-01 12:30:00"),
        (datetime.date(2024, 3, 1), "2024-03-01"),
        (datetime.timedelta(hours=1), "1:00:00"),
    ],
)
def test_a_value_is_the_text_that_a_spreadsheet_shows(value, text):
    assert text_of_value(value) == text
