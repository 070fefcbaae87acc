"""Fetching a set: downloaded, checked, unpacked; interrupted anywhere, it resumes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from download_shop import QUICK, Shop, open_shop, remote, zipped

from hierattn.data.sets.catalog import PUBLIC_SETS, PublicSet
from hierattn.data.sets.download import note_of
from hierattn.data.sets.fetch import by_hand, fetch, from_mirror, public_set, unpack
from hierattn.errors import DataError, UsageError
from hierattn.files import lock


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("no_proxy", "*")
    with open_shop() as opened:
        yield opened


@pytest.fixture
def small_set(shop: Shop) -> PublicSet:
    shop.files |= {
        "table.csv": b"image\n1\n",
        "one.zip": zipped(
            {"in/1.jpg": b"one" * 1000, "in/2.jpg": b"two", "__MACOSX/in/._1.jpg": b"", "in/.DS_Store": b"x"}
        ),
        "two.zip": zipped({"3.jpg": b"three"}),
    }
    files = (
        remote(shop, "table.csv"),
        remote(shop, "one.zip", unpack_to="."),
        remote(shop, "two.zip", unpack_to="images"),
    )
    return PublicSet("small", "Small", "CC0", "nobody", "https://example.org/small", 3, MappingProxyType({}), files)


def test_a_set_is_fetched_unpacked_and_its_archives_removed(shop: Shop, small_set: PublicSet, tmp_path: Path) -> None:
    done = fetch(small_set, tmp_path / "set", patience=QUICK)
    found = {path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").rglob("*") if path.is_file()}
    assert found == {"table.csv", "in/1.jpg", "in/2.jpg", "images/3.jpg", "fetched.json"}
    assert (done.unpacked, set(done.files.values())) == (3, {"fetched"})
    shop.asked.clear()
    again = fetch(small_set, tmp_path / "set", patience=QUICK)
    assert (shop.asked, again.unpacked, set(again.files.values())) == ([], 0, {"there"})


def test_a_set_interrupted_goes_on(shop: Shop, small_set: PublicSet, tmp_path: Path) -> None:
    two = shop.files.pop("two.zip")
    with pytest.raises(DataError, match=r"https://example\.org/small"):
        fetch(small_set, tmp_path / "set", patience=QUICK, jobs=1)
    shop.files["two.zip"] = two
    shop.asked.clear()
    fetch(small_set, tmp_path / "set", patience=QUICK)
    assert [name for name, _ in shop.asked] == ["two.zip"]
    assert (tmp_path / "set" / "images" / "3.jpg").read_bytes() == b"three"


def test_files_put_there_by_hand_are_taken(shop: Shop, small_set: PublicSet, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("table.csv", "one.zip", "two.zip"):
        (tmp_path / "set" / name).write_bytes(shop.files[name])
    shop.status = 404
    assert fetch(small_set, tmp_path / "set", patience=QUICK).unpacked == 3
    assert shop.asked == []


def test_a_dead_link_gives_the_page_and_how_to_go_on_by_hand(shop: Shop, small_set: PublicSet, tmp_path: Path) -> None:
    shop.status = 404
    with pytest.raises(DataError) as caught:
        fetch(small_set, tmp_path / "set", patience=QUICK)
    assert by_hand(small_set, tmp_path / "set") in str(caught.value)
    assert "table.csv, one.zip, two.zip" in str(caught.value)


def test_a_set_without_an_address_says_its_page_and_how_to_lay_it(tmp_path: Path) -> None:
    without = [public for public in PUBLIC_SETS.values() if not public.files]
    assert {public.name for public in without} >= {"bcn20000", "ddi", "derm7pt", "isic-archive", "ph2", "scin"}
    for public in without:
        with pytest.raises(DataError) as caught:
            fetch(public, tmp_path / "set")
        assert public.homepage in str(caught.value)
        assert f"hierattn prepare {tmp_path / 'set'} OUT" in str(caught.value)
        assert "FOLDER" not in str(caught.value)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("name", ["../out.jpg", "/etc/out.jpg", "a/../../out.jpg", "C:out.jpg", "..\\out.jpg"])
def test_an_archive_that_leads_out_of_the_folder_writes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.zip").write_bytes(zipped({"good.jpg": b"x", name: b"y"}))
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(tmp_path / "bad.zip", tmp_path / "in")
    assert list((tmp_path / "in").rglob("*")) == []


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bomb.zip").write_bytes(zipped({"zeros.jpg": bytes(20_000_000)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(DataError, match="would unpack to 1 files and 20,000,000 bytes"):
        unpack(tmp_path / "bomb.zip", tmp_path / "in")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("fetched", [True, False])
def test_a_damaged_archive_is_removed_where_we_fetched_it(tmp_path: Path, fetched: bool) -> None:
    whole = bytearray(zipped({"1.jpg": b"photograph" * 100}))
    whole[60] ^= 1
    (tmp_path / "x.zip").write_bytes(whole)
    if fetched:
        note_of(tmp_path / "x.zip").touch()
    with pytest.raises(DataError, match="damaged archive"):
        unpack(tmp_path / "x.zip", tmp_path / "in")
    assert (tmp_path / "x.zip").exists() != fetched


def test_an_archive_whose_packed_bytes_are_damaged_is_said_to_be(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 8, 4000, np.uint8).tobytes()
    whole = zipped({"1.jpg": photograph}, zipfile.ZIP_DEFLATED)
    for place in range(60, 260, 20):
        (tmp_path / "x.zip").write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
        with pytest.raises(DataError, match="damaged archive"):
            unpack(tmp_path / "x.zip", tmp_path / "in")


def test_archives_that_were_put_there_by_hand_stay(shop: Shop, small_set: PublicSet, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.zip").write_bytes(shop.files["one.zip"])
    fetch(small_set, tmp_path / "set", patience=QUICK)
    assert (tmp_path / "set" / "one.zip").read_bytes() == shop.files["one.zip"]
    assert not (tmp_path / "set" / "two.zip").exists()


def test_an_archive_that_a_kill_left_once_it_was_unpacked_is_removed(
    shop: Shop, small_set: PublicSet, tmp_path: Path
) -> None:
    fetch(small_set, tmp_path / "set", patience=QUICK)
    (tmp_path / "set" / "two.zip").write_bytes(shop.files["two.zip"])
    note_of(tmp_path / "set" / "two.zip").touch()
    fetch(small_set, tmp_path / "set", patience=QUICK)
    assert not [path for path in (tmp_path / "set").rglob("*") if ".zip" in path.name]


def test_a_table_whose_note_a_kill_left_stays_and_its_note_goes(
    shop: Shop, small_set: PublicSet, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "table.csv").write_bytes(shop.files["table.csv"])
    note_of(tmp_path / "set" / "table.csv").touch()
    fetch(small_set, tmp_path / "set", patience=QUICK)
    assert (tmp_path / "set" / "table.csv").read_bytes() == shop.files["table.csv"]
    assert not note_of(tmp_path / "set" / "table.csv").exists()


@pytest.mark.parametrize("content", [b"mine", b"ONE" * 1000, b""])  # the second has the member's length
def test_a_file_that_a_member_would_replace_is_kept_and_nothing_is_unpacked(
    shop: Shop, small_set: PublicSet, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "set" / "in").mkdir(parents=True)
    (tmp_path / "set" / "in" / "1.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"in/1\.jpg is there and is not that of one\.zip"):
        fetch(small_set, tmp_path / "set", patience=QUICK)
    assert (tmp_path / "set" / "in" / "1.jpg").read_bytes() == content
    assert not (tmp_path / "set" / "in" / "2.jpg").exists()


@pytest.mark.parametrize("content", ["mine", "[1]", '{"a": "b"}'])
def test_a_list_that_is_not_ours_is_not_replaced(small_set: PublicSet, tmp_path: Path, content: str) -> None:
    (tmp_path / "fetched.json").write_text(content)
    with pytest.raises(UsageError, match="not the list that fetch writes"):
        fetch(small_set, tmp_path, patience=QUICK)
    assert [path.read_text() for path in tmp_path.iterdir()] == [content]


def test_of_two_that_fetch_into_one_folder_the_second_says_so(small_set: PublicSet, tmp_path: Path) -> None:
    with lock(tmp_path / ".fetch.lock", "x"), pytest.raises(UsageError, match="is being filled by process"):
        fetch(small_set, tmp_path, patience=QUICK)


# --- the catalogue ----------------------------------------------------------------------------------------------


def test_unknown_names_and_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="isic2019, ham10000, pad-ufes-20"):
        public_set("isic")
    with pytest.raises(UsageError, match="begins with https"):
        from_mirror(PUBLIC_SETS["ham10000"], "ftp://x")
    (tmp_path / "file").write_text("x")
    for folder, jobs in ((tmp_path / "file", 1), (tmp_path / "new", 0)):
        with pytest.raises(UsageError):
            fetch(replace(PUBLIC_SETS["ham10000"], files=()), folder, jobs=jobs)
