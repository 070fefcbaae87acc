"""One file, against a real local server that supports ranges, cuts connections, serves wrong bytes and loses files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from download_shop import BODY, QUICK, Shop, names, open_shop, remote

from hierattn.data.sets.catalog import RemoteFile
from hierattn.data.sets.download import DeadLinkError, download
from hierattn.errors import DataError


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("no_proxy", "*")
    with open_shop() as opened:
        yield opened


def test_a_file_arrives_whole_and_alone(shop: Shop, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    download(remote(shop), tmp_path / "a.bin", progress=lambda *done: seen.append(done))
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert names(tmp_path) == {"a.bin"}
    assert seen[-1] == ("a.bin", len(BODY), len(BODY))


def test_a_file_that_is_there_is_checked_and_not_asked_for_again(shop: Shop, tmp_path: Path) -> None:
    download(remote(shop), tmp_path / "a.bin")
    shop.asked.clear()
    download(remote(shop), tmp_path / "a.bin")
    assert shop.asked == []


@pytest.mark.parametrize("content", [b"x" + BODY[1:], BODY[:1000], b"", b"my own notes"])
def test_another_file_of_that_name_is_not_replaced(shop: Shop, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.bin is there and is not the file published .* move it away"):
        download(remote(shop), tmp_path / "a.bin")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.bin": content}


def test_a_line_that_is_cut_again_and_again_is_resumed_where_it_broke(shop: Shop, tmp_path: Path) -> None:
    shop.cut_after = 150_000
    download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [wanted for _, wanted in shop.asked] == [None] + [f"bytes={150_000 * k}-" for k in range(1, 7)]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(shop: Shop, tmp_path: Path) -> None:
    shop.cut_after = 300_000
    download(remote(shop), tmp_path / "b.bin", patience=QUICK)  # for comparison
    shop.asked.clear()
    part, state = tmp_path / "a.bin.part", tmp_path / "a.bin.part.json"
    part.write_bytes(BODY[:700_000])
    state.write_text(json.dumps({"version": '"1"', "total": len(BODY)}))
    download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert shop.asked[0] == ("a.bin", "bytes=700000-")
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_server_without_ranges_gives_the_whole_file_anew(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"\0" * 1000)
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"version": '"1"', "total": len(BODY)}))
    shop.ranges = False
    download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_part_of_another_version_is_not_mixed_in(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"\0" * 1000)
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"version": '"0"', "total": len(BODY)}))
    download(remote(shop, checksum="", bytes=None), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_part_without_its_note_is_not_trusted(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"\0" * 1000)
    download(remote(shop, checksum="", bytes=None), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_wrong_bytes_are_fetched_once_more_and_then_refused(shop: Shop, tmp_path: Path) -> None:
    shop.wrong = 1
    download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    (tmp_path / "a.bin").unlink()
    shop.wrong = 2
    with pytest.raises(DataError, match=r"not the file published \(sha256 .*twice"):
        download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert names(tmp_path) == set()


def test_another_size_than_published_is_refused_before_a_byte_is_written(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="offers 1,048,576 bytes, 5 are published"):
        download(remote(shop, bytes=5), tmp_path / "a.bin", patience=QUICK)
    assert names(tmp_path) == set()


def test_a_line_that_stays_broken_says_so_and_keeps_what_came(shop: Shop, tmp_path: Path) -> None:
    shop.cut_after = 400_000
    download(remote(shop), tmp_path / "whole.bin", patience=QUICK)
    shop.status = 503
    (tmp_path / "a.bin.part").write_bytes(BODY[:400_000])
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"version": '"1"', "total": len(BODY)}))
    with pytest.raises(DataError, match=r"HTTP 503 .* 3 times: what has come is kept"):
        download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin.part").stat().st_size == 400_000


def test_nobody_there_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match="cannot be reached") as caught:
        download(RemoteFile("a", "http://127.0.0.1:9/a"), tmp_path / "a", patience=QUICK)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_dead_link_is_told_apart_and_not_tried_again(shop: Shop, tmp_path: Path, status: int) -> None:
    shop.status = status
    with pytest.raises(DeadLinkError, match=f"HTTP {status}"):
        download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert len(shop.asked) == 1


def test_a_disk_that_fills_up_is_no_broken_line_and_keeps_what_came(shop: Shop, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, before[1]))
    try:
        with pytest.raises(DataError, match=r"no space for .*a\.bin.* what has come is kept"):
            download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(shop.asked) == 1
    download(remote(shop), tmp_path / "a.bin", patience=QUICK)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_full_disk_is_told_before(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(DataError, match=r"no space for a\.bin"):
        download(remote(shop), tmp_path / "a.bin", patience=QUICK)
