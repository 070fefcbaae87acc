"""The page: every kind, little of each, nothing from outside, nothing that a name could break."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from noise_runs import make_set

from hierattn.audit.findings import COPIES, LABEL, OFF_TOPIC, Found
from hierattn.audit.page import by_class, render_audit, shown
from hierattn.data.prepare.decisions import Finding
from hierattn.data.prepared_set.packed import PackedSet


@pytest.fixture
def packed(tmp_path: Path) -> PackedSet:
    return PackedSet.open(make_set(tmp_path / "set"))


def make_found(packed: PackedSet, kind: str, number: int, name: str = "1.jpg") -> Found:
    row = number % 72
    given = packed.records[row].label
    finding = Finding(f"{kind}-{number}", kind, name, f"{given} (x)", "NV (y)", 0.1, "because", "2.jpg", 1, "")
    return Found(finding, row, given, "NV")


def findings(packed: PackedSet, each: int, name: str = "1.jpg") -> list[Found]:
    return [make_found(packed, kind, number, name) for kind in (LABEL, OFF_TOPIC, COPIES) for number in range(each)]


def test_the_page_shows_the_first_of_each_kind_and_says_how_many_there_are(packed):
    page = render_audit(packed, findings(packed, 40), range(72), ["one note"], {"Set": "noise"}, 5)
    assert len(re.findall(r"<article", page)) == 15
    for heading in ("Likely label errors (40)", "Pictures of something else (40)", "Copies with two labels (20)"):
        assert page.count(heading) == 2  # in the filter and above its cards
    assert "The first 5 are shown; decisions.csv lists all." in page
    assert "one note" in page
    assert len(page) < 400_000


def test_a_pair_is_one_card_with_both_of_its_findings(packed):
    cards = shown(findings(packed, 6), 2)[COPIES]
    assert [[one.finding.finding for one in card] for card in cards] == [
        ["copies-0", "copies-1"],
        ["copies-2", "copies-3"],
    ]


def test_the_page_loads_and_runs_nothing_and_takes_names_as_text(packed):
    page = render_audit(packed, findings(packed, 2, "<script>x</script>&.jpg"), [], [], {}, 5)
    assert "<script" not in page
    assert "&lt;script&gt;x&lt;/script&gt;&amp;.jpg" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page


def test_the_page_of_nothing_says_so(packed):
    page = render_audit(packed, [], [], [], {}, 5)
    assert page.count("None found.") == 3
    assert "No label was judged" in page


def test_the_share_of_each_class_is_of_the_labels_that_were_judged(packed):
    found = [make_found(packed, LABEL, number) for number in (0, 0, 1)]
    rows = {row["code"]: row for row in by_class(packed, range(36), found)}
    first = packed.records[0].label
    judged = sum(record.label == first for record in packed.records[:36])
    wrong = sum(one.given == first for one in found)
    assert (rows[first]["images"], rows[first]["wrong"]) == (judged, wrong)
    assert rows[first]["instead"] == f"NV ({wrong})"
