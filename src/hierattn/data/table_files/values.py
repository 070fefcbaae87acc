"""How the values of Excel and Parquet are written as text: as a spreadsheet shows them."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal


def text_of_value(value: object) -> str:
    """A cell's value as text, stripped; empty for nothing.

    A whole number has no decimals: libraries make ``7.0`` of an id where another row has none.

    >>> text_of_value(7.0), text_of_value(True), text_of_value(datetime.datetime(2024, 1, 3))
    ('7', 'true', '2024-01-03')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if math.isnan(number):
            return ""
        return str(int(number)) if abs(number) < 1e15 and number.is_integer() else str(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).strip()
