"""The page of neighbours: one offline file that warns of what it holds, and replaces nothing."""

import re

import pytest

from hierattn.errors import UsageError
from hierattn.evaluation.similar.page import KIND, facts_of, itself_sentence, labels_sentence, write_similar
from hierattn.evaluation.similar.search import Neighbour, Similar
from hierattn.files import check_new


@pytest.fixture
def similar(packed):
    return Similar(packed.images[0], [Neighbour(5, 0.0123), Neighbour(9, 0.25)], {0: "the same file"})


def test_it_holds_every_picture_and_the_warning_and_loads_nothing(packed, similar, tmp_path):
    out = tmp_path / "page.html"
    write_similar(out, packed, similar, "what the weights were trained on", "run")
    page = out.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 3
    assert "holds photographs of patients" in page
    assert "no second opinion" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    for row in (5, 9):
        assert packed.records[row].label in page
        assert packed.records[row].lesion.replace("_", "_<wbr>") in page
    with pytest.raises(UsageError, match="replaces nothing"):
        check_new(out, KIND)
    check_new(tmp_path / "another.html", KIND)


def test_its_facts_are_those_of_the_manifest(packed, similar):
    facts = facts_of(packed, similar)
    first, second = packed.records[5], packed.records[9]
    assert [one["label"] for one in facts["neighbours"]] == [first.label, second.label]
    assert [one["distance"] for one in facts["neighbours"]] == [0.0123, 0.25]
    assert sum(facts["labels"].values()) == 2
    assert packed.records[0].image.rsplit("/")[-1] in itself_sentence(facts)
    assert labels_sentence(facts).startswith("Of 2 neighbours: ")
    none = facts_of(packed, Similar(similar.pixels, [], {}))
    assert (itself_sentence(none), labels_sentence(none)) == ("", "No neighbour was found.")
