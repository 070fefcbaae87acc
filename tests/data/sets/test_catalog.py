"""The table of public sets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hierattn.data.sets.catalog import PUBLIC_SETS
from hierattn.data.sets.layouts import LAYOUTS, Layout

PAGE = (Path(__file__).parents[3] / "docs" / "public-sets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(PUBLIC_SETS))
def test_every_set_has_official_addresses_and_well_formed_checksums(name: str) -> None:
    one = PUBLIC_SETS[name]
    assert one.files or one.by_hand
    assert bool(one.files) == bool(one.download)
    assert all((one.title, one.licence, one.citation, one.holds))
    assert {"image", "label"} <= set(one.columns)
    assert one.homepage.startswith("https://")
    assert len({file.name for file in one.files}) == len({file.url for file in one.files}) == len(one.files)
    for file in one.files:
        assert re.match(
            r"https://(isic-(challenge-data|archive)\.s3\.amazonaws\.com|dataverse\.harvard\.edu|data\.mendeley\.com"
            r"|raw\.githubusercontent\.com/mattgroh/fitzpatrick17k)/",
            file.url,
        )
        assert re.fullmatch(r"|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", file.checksum)


@pytest.mark.parametrize("name", list(PUBLIC_SETS))
def test_the_page_says_of_every_set_what_the_catalogue_says(name: str) -> None:
    one = PUBLIC_SETS[name]
    _, here, rest = PAGE.partition(f"\n## {name}\n")
    assert here
    section = " ".join(rest.partition("\n## ")[0].replace("`", "'").split())
    facts = [one.title, one.licence, one.citation, one.homepage, one.download, *one.columns.values()]
    facts += [f"{code} {count:,}" for code, count in one.classes.items()]
    assert [fact for fact in (*facts, one.by_hand) if " ".join(fact.split()) not in section] == []
    assert ("hierattn fetch" in section) == bool(one.files)
    if one.images is not None:
        assert f"(#{name}) | {one.images:,} |" in PAGE


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_page_says_how_every_layout_is_recognised_and_which_labels_it_has(layout: Layout) -> None:
    assert f"| `{layout.name}` | {layout.looks_for} |" in PAGE
    columns = ", ".join(f"`{column}`" for column in layout.labels)
    assert (f"| `{layout.name}` | {columns} |" in PAGE) == bool(layout.labels)


def test_the_papers_imbalance_ratios_follow_from_the_counts() -> None:
    """§3.2.2: 53.9 for ISIC 2019 and 16.3 for PAD-UFES-20."""
    for name, wanted in (("isic2019", 53.9), ("pad-ufes-20", 16.3)):
        counts = PUBLIC_SETS[name].classes.values()
        assert abs(max(counts) / min(counts) - wanted) <= 0.0501
        assert sum(counts) == PUBLIC_SETS[name].images
