"""Variants are the paper's, and a set balanced for one fold trains for no other."""

from __future__ import annotations

import pytest

from hierattn.data.balance.protocol import VARIANTS, check_fold_of_balanced_set, is_paper_protocol, target_of
from hierattn.data.sets.catalog import ISIC2019, PAD_UFES_20
from hierattn.errors import DataError, UsageError


def test_variants_make_the_totals_in_the_papers_names() -> None:
    """IHISIC20000 and IHPAD3000 (§3.2.2)."""
    assert VARIANTS["IHISIC"].target * len(ISIC2019.classes) == VARIANTS["RandISIC"].target * 8 == 20_000
    assert VARIANTS["IHPAD"].target * len(PAD_UFES_20.classes) == VARIANTS["RandPAD"].target * 6 == 3_000
    assert {name: variant.under_sampling for name, variant in VARIANTS.items()} == {
        "IHISIC": "hardness",
        "RandISIC": "random",
        "IHPAD": "hardness",
        "RandPAD": "random",
    }


@pytest.mark.parametrize("text", ["", "0", "-3", "2.5", "ISIC"])
def test_a_target_is_a_number_or_a_name(text: str) -> None:
    assert (target_of("isic2019"), target_of("pad"), target_of("7")) == (2500, 500, 7)
    with pytest.raises(UsageError, match="isic2019 or pad"):
        target_of(text)


def test_a_set_balanced_for_one_fold_is_refused_for_another() -> None:
    honest = {"balance": {"protocol": "honest", "fold": 2}}
    check_fold_of_balanced_set(honest, 2)
    with pytest.raises(DataError, match=r"balanced for fold 2 .* --fold 3"):
        check_fold_of_balanced_set(honest, 3)
    for anything in ({}, {"balance": {"protocol": "paper", "fold": None}}):
        check_fold_of_balanced_set(anything, 3)
    for balanced in (honest, {"balance": {"protocol": "paper", "fold": None}}):
        with pytest.raises(DataError, match="balanced, and source clinic is to be left out"):
            check_fold_of_balanced_set(balanced, 2, "clinic")
    assert not is_paper_protocol(honest)
    assert is_paper_protocol({"balance": {"protocol": "paper"}})
