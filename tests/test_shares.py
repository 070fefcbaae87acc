"""Shares in words: never all of what is not all, never none of what is some, and towards the bad news."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierattn.shares import fraction, hundredths, of_hundred, percent, setting, told_apart

NEITHER = st.floats(0, 1, exclude_min=True, exclude_max=True)


@given(NEITHER, st.integers(0, 3))
def test_what_is_not_all_never_reads_as_all_nor_some_as_none(share, digits):
    for text, whole in ((hundredths(share, digits), 100), (fraction(share, digits + 1), 1)):
        number = float(text.lstrip("<> "))
        assert 0 < number < whole
        assert abs(number - whole * share) <= 10.0 ** -(digits + (whole == 1)) * (1 + 1e-9)
        if text[0] in "<>":  # and what is said is true
            assert whole * share < number if text[0] == "<" else whole * share > number


@given(NEITHER)
def test_what_was_chosen_is_told_with_three_digits_that_count(share):
    number = float(setting(share).removesuffix(" %"))
    assert 0 < number < 100 or share < 1e-9 or share > 1 - 1e-9
    assert number == pytest.approx(100 * share, rel=5e-3)


@given(st.integers(1, 5000), st.data())
def test_of_a_hundred_bad_news_is_never_less_than_it_is(images, data):
    found = data.draw(st.integers(0, images))
    told, exact = of_hundred(found / images), Fraction(100 * found, images)
    assert told <= exact or told == 1 > exact > 0
    assert (told == 100) == (found == images)
    assert (told == 0) == (found == 0)
    assert exact - told < 1


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.996, "> 99 %"), (0.004, "< 1 %"), (0.99, "99 %")],
)
def test_the_ends_of_whole_percents(share, text):
    assert percent(share) == text


def test_one_missed_of_240_is_not_none():
    assert of_hundred(239 / 240) == 99
    assert percent(239 / 240) == "> 99 %"
    assert percent(1999 / 2000, 1) == "> 99.9 %"
    assert fraction(0.99991) == "> 0.999"


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_shares_that_are_compared_do_not_read_the_same(first, second):
    texts = told_apart(first, second)
    assert texts[0] != texts[1] or abs(first - second) < 2e-5


def test_a_risk_under_its_limit_does_not_read_as_equal_to_it():
    assert told_apart(0.0438, 0.0442) == ("4.38 %", "4.42 %")
    assert told_apart(0.04, 0.62) == ("4 %", "62 %")
    assert told_apart(0.3, 0.3) == ("30 %", "30 %")


def test_no_other_module_rounds_a_share_to_per_cent():
    root = Path(__file__).resolve().parents[1]
    own = re.compile(r":\.\d+%\}|\{100 \*[^}]*:\.\df\}\s?%|toFixed\(|Math\.round\(100 ")
    sources = [
        *(root / "src" / "hierattn").rglob("*.py"), *(root / "tools").rglob("*.py"),
        *(root / "apps" / "web" / "src").rglob("*.ts"),
    ]  # fmt: skip
    found = [path.name for path in sources if own.search(path.read_text(encoding="utf-8"))]
    assert sorted(found) == ["shares.ts"]
    assert len(sources) > 200
