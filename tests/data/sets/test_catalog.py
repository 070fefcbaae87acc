"""The table of public sets."""

from __future__ import annotations

import re

import pytest

from hierattn.data.sets.catalog import PUBLIC_SETS


@pytest.mark.parametrize("name", list(PUBLIC_SETS))
def test_every_set_has_official_addresses_and_well_formed_checksums(name: str) -> None:
    one = PUBLIC_SETS[name]
    assert one.files
    assert one.download
    assert len({file.name for file in one.files}) == len({file.url for file in one.files}) == len(one.files)
    for file in one.files:
        assert re.match(
            r"https://(isic-challenge-data\.s3\.amazonaws|dataverse\.harvard|data\.mendeley)\.(com|edu)/", file.url
        )
        assert re.fullmatch(r"|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", file.checksum)


def test_the_papers_imbalance_ratios_follow_from_the_counts() -> None:
    """§3.2.2: 53.9 for ISIC 2019 and 16.3 for PAD-UFES-20."""
    for name, wanted in (("isic2019", 53.9), ("pad-ufes-20", 16.3)):
        counts = PUBLIC_SETS[name].classes.values()
        assert abs(max(counts) / min(counts) - wanted) <= 0.0501
        assert sum(counts) == PUBLIC_SETS[name].images
