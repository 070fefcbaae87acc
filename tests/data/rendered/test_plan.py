"""What a rendered set will hold: mild imbalance, several photographs of a lesion, hidden near-duplicates."""

from __future__ import annotations

from collections import Counter

import pytest

from hierattn.data.rendered.plan import SHARES, plan_set
from hierattn.errors import UsageError
from hierattn.taxonomy.built_in import EIGHT


def test_default_plan_has_mild_imbalance_and_ten_lesions_a_class() -> None:
    planned = plan_set(600, 0)
    images = Counter(one.code for one in planned)
    lesions = Counter(code for _, code in {(one.lesion, one.code) for one in planned})
    assert sum(images.values()) == 600
    assert max(images, key=lambda code: images[code]) == "NV"
    assert min(images, key=lambda code: images[code]) in ("DF", "VASC")
    assert 4.5 < max(images.values()) / min(images.values()) < 7.5
    assert min(lesions[code] for code in EIGHT.codes) >= 10
    assert sum(SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("images", [16, 17, 60, 333])
def test_plan_has_the_wanted_number_of_images_under_unique_ids(images: int) -> None:
    planned = plan_set(images, 3)
    assert len({one.image for one in planned}) == len(planned) == images
    assert {one.code for one in planned} == set(EIGHT.codes)


def test_a_lesion_has_one_to_four_photographs_and_one_class() -> None:
    originals = [one for one in plan_set(600, 1) if not one.copy_of]
    photos = Counter(one.lesion for one in originals)
    assert set(photos.values()) == {1, 2, 3, 4}
    assert all(len({one.code for one in originals if one.lesion == lesion}) == 1 for lesion in photos)
    assert all(len({one.lesion_id for one in originals if one.lesion == lesion}) == 1 for lesion in photos)


def test_near_duplicates_hide_under_another_id_and_lesion() -> None:
    planned = plan_set(600, 2)
    by_id = {one.image: one for one in planned}
    copies = [one for one in planned if one.copy_of]
    assert len(copies) == 12
    for one in copies:
        source = by_id[one.copy_of]
        assert not source.copy_of
        assert (one.lesion, one.photo, one.code) == (source.lesion, source.photo, source.code)
        assert one.lesion_id == "" or one.lesion_id not in {other.lesion_id for other in planned if other is not one}


def test_too_few_images_and_a_negative_seed_are_refused() -> None:
    with pytest.raises(UsageError, match="5 rendered images: wanted 16 or more"):
        plan_set(5, 0)
    with pytest.raises(UsageError, match="seed -1: wanted 0 or more"):
        plan_set(60, -1)
