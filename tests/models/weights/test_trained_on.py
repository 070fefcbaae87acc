"""The record of the photographs that weights have seen: exact both ways, bounded, and damaged ones are refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest

from hierattn.models.weights import trained_on as trained_on
from hierattn.models.weights.trained_on import TrainedOn, are_among, digests_of, from_text, marks_of


def digests(*names: str) -> trained_on.Digests:
    return digests_of(hashlib.sha256(name.encode()).hexdigest() for name in names)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_record_reads_back_as_it_was(count: int, whole: bool) -> None:
    seen = TrainedOn(digests(*map(str, range(count))), digests("chosen"), whole)
    back = from_text(seen.to_text())
    np.testing.assert_array_equal(back.trained, seen.trained)
    np.testing.assert_array_equal(back.chosen, seen.chosen)
    assert back.whole == whole
    assert len(back.trained) == count
    assert (np.diff(back.trained) > 0).all()


def test_a_photograph_twice_is_one_and_one_without_a_checksum_none() -> None:
    assert len(digests_of(["ab" * 32, "ab" * 32, "", "cd" * 32])) == 2


def test_what_two_have_seen_is_all_of_it_and_whole_only_if_both_are() -> None:
    both = TrainedOn(digests("a", "b"), digests("c")).joined(TrainedOn(digests("b", "d"), whole=False))
    np.testing.assert_array_equal(both.trained, digests("a", "b", "d"))
    np.testing.assert_array_equal(both.chosen, digests("c"))
    assert not both.whole


@pytest.mark.parametrize(
    "text", ["", "whole", "whole AAAA AAAA", "perhaps  ", "whole ??? ", "whole AAAAAAAAAAA=", "a b c d"]
)
def test_a_damaged_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"record|digests|buffer"):
        from_text(text)


def test_a_record_of_too_many_photographs_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_on, "MOST", 10)
    assert len(from_text(TrainedOn(digests("a", "b")).to_text()).trained) == 2
    with pytest.raises(ValueError, match="at most 10 digests"):
        from_text(TrainedOn(digests(*map(str, range(20)))).to_text())


@dataclass(frozen=True)
class File:
    image: str
    lesion: str = ""
    sha256: str = ""


def seen(*files: File) -> trained_on.Digests:
    return marks_of(files)


@pytest.mark.parametrize(
    ("trained", "asked"),
    [
        (File("a/ISIC_0024306.jpg"), File("nevus/ISIC_0024306.png", sha256="ab" * 32)),  # at another size, elsewhere
        (File("ISIC_0000002_downsampled.jpg"), File("ISIC_0000002.jpg")),
        (File("ISIC_0024306.jpg", "HAM_0000550"), File("ISIC_0030000.jpg", "HAM_0000550")),  # the lesion once more
        (File("images/PAT_1516_1765_530.png"), File("PAT_1516_1765_931.png")),  # PAD-UFES-20's names hold the lesion
        (File("one.jpg", sha256="ab" * 32), File("other.jpg", sha256="ab" * 32)),
    ],
)
def test_a_public_photograph_is_known_by_its_id_and_its_lesion_another_by_its_bytes(trained: File, asked: File) -> None:
    assert are_among([asked, File("ISIC_9999999.jpg", "HAM_9999999", "cd" * 32)], seen(trained)).tolist() == [
        True,
        False,
    ]


def test_names_of_ones_own_leave_no_digest_that_could_be_guessed() -> None:
    own = [
        File("clinic/Smith_1970.jpg", "patient 7"),
        File("IMG_0001.jpg", "L_12"),
        File("PAT_12.jpg"),
        File("SYN_1.jpg"),
    ]
    assert len(seen(*own)) == 0
    assert not are_among(own, digests("anything")).any()


def test_what_a_public_photograph_leaves_is_the_digest_of_its_ids() -> None:
    left = seen(File("x/ISIC_0024306.jpg", "HAM_0000550", hashlib.sha256(b"bytes").hexdigest()))
    np.testing.assert_array_equal(left, digests("ISIC_0024306", "HAM_0000550", "bytes"))
