"""cases.csv: what was written comes back, and damage is named."""

import pytest

from hierattn.errors import TableError
from hierattn.evaluation.cases import Case, read_cases, write_cases


def test_cases_come_back_and_damage_is_named(tmp_path):
    path = tmp_path / "cases.csv"
    cases = (Case("a/b, c.jpg", "12", "isic2019", "45", "male", "head/neck", "2", 600, 450), Case("d.jpg"))
    write_cases(path, cases)
    assert read_cases(path) == cases
    assert cases[0].key == ("b, c.jpg", "12")
    path.write_text(path.read_text().replace("600", "wide"))
    with pytest.raises(TableError, match=r"cases\.csv:2: width is 'wide', wanted a whole number"):
        read_cases(path)
    path.write_text("image\na\n")
    with pytest.raises(TableError, match="other columns"):
        read_cases(path)
    with pytest.raises(TableError, match="no cases"):
        read_cases(tmp_path / "none.csv")
