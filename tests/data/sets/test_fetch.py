"""Fetch, against a real local server that supports ranges, cuts connections, serves wrong bytes and loses files."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner

from hierattn.data.sets.catalog import PUBLIC_SETS, PublicSet, RemoteFile
from hierattn.data.sets.download import DeadLinkError, Patience, download
from hierattn.data.sets.fetch import by_hand, fetch, from_mirror, public_set, unpack
from hierattn.errors import DataError, UsageError

QUICK = Patience(tries=3, wait_s=0.0)
BODY = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Shop:
    """What the server has, how it misbehaves, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cut_after: int = 0  # bytes of each answer, then the line is cut
    wrong: int = 0  # answers with one byte changed
    status: int = 0  # an error for every request
    versions: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: Shop

    def do_GET(self) -> None:
        shop, name = self.shop, self.path.split("?")[0].lstrip("/")
        wanted = self.headers.get("Range")
        shop.asked.append((name, wanted))
        if shop.status or name not in shop.files:
            self.send_error(shop.status or 404)
            return
        body, version = shop.files[name], f'"{shop.versions.get(name, "1")}"'
        start = 0
        if wanted and shop.ranges and self.headers.get("If-Range", version) == version:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        sent = body[start:]
        if shop.wrong:
            shop.wrong -= 1
            sent = bytes([sent[0] ^ 1]) + sent[1:]
        if shop.cut_after:
            sent = sent[: shop.cut_after]
            self.close_connection = True
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("no_proxy", "*")
    opened = Shop(files={"a.bin": BODY})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"shop": opened}))
    opened.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield opened
    server.shutdown()
    server.server_close()
    thread.join()


def remote(shop: Shop, name: str = "a.bin", **values: object) -> RemoteFile:
    body = shop.files.get(name, b"")
    known = {"bytes": len(body), "checksum": "sha256:" + hashlib.sha256(body).hexdigest()}
    return RemoteFile(name, f"{shop.address}/{name}", **{**known, **values})  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- one file ---------------------------------------------------------------------------------------------------


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
    (tmp_path / "a.bin").write_bytes(b"x" + BODY[1:])
    download(remote(shop), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


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


def test_a_full_disk_is_told_before(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(DataError, match=r"no space for a\.bin"):
        download(remote(shop), tmp_path / "a.bin", patience=QUICK)


# --- a set ------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


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


def test_a_damaged_archive_is_removed_so_that_it_is_fetched_again(tmp_path: Path) -> None:
    whole = bytearray(zipped({"1.jpg": b"photograph" * 100}))
    whole[60] ^= 1
    (tmp_path / "x.zip").write_bytes(whole)
    with pytest.raises(DataError, match="damaged archive"):
        unpack(tmp_path / "x.zip", tmp_path / "in")
    assert not (tmp_path / "x.zip").exists()


# --- the catalogue ----------------------------------------------------------------------------------------------


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


def test_the_command_lists_licences_and_wants_them_accepted(shop: Shop, tmp_path: Path) -> None:
    import typer

    from hierattn.cli.fetch import run

    app = typer.Typer()
    app.command()(run)
    listed = CliRunner().invoke(app, ["--list"])
    assert listed.exit_code == 0
    for words in ("CC BY-NC 4.0", "CC BY 4.0", "no checksum published", "1,366,522,108 bytes", "Pacheco"):
        assert words in listed.output
    rows = json.loads(CliRunner().invoke(app, ["--list", "--json"]).stdout)
    assert [row["name"] for row in rows] == list(PUBLIC_SETS)
    refused = CliRunner().invoke(app, ["ham10000", str(tmp_path / "ham"), "--mirror", shop.address])
    assert isinstance(refused.exception, UsageError)
    assert "CC BY-NC 4.0: accept it with --yes" in str(refused.exception)
    assert shop.asked == []
    assert not (tmp_path / "ham").exists()


def test_the_command_fetches_from_a_mirror_and_checks_all_the_same(shop: Shop, tmp_path: Path) -> None:
    import typer

    from hierattn.cli.fetch import run

    app = typer.Typer()
    app.command()(run)
    shop.files |= {
        "ISIC_2019_Training_GroundTruth.csv": b"image,MEL\n",
        "ISIC_2019_Training_Metadata.csv": b"image,lesion_id\n",
        "ISIC_2019_Training_Input.zip": zipped({"ISIC_2019_Training_Input/ISIC_0.jpg": b"x"}),
    }
    done = CliRunner().invoke(app, ["isic2019", str(tmp_path / "isic"), "--mirror", shop.address, "--yes", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["unpacked"] == 1
    assert (tmp_path / "isic" / "ISIC_2019_Training_Input" / "ISIC_0.jpg").is_file()
    shop.files["HAM10000_metadata.csv"] = b"not the table"
    wrong = CliRunner().invoke(app, ["ham10000", str(tmp_path / "ham"), "--mirror", shop.address, "--yes"])
    assert isinstance(wrong.exception, DataError)


def test_unknown_names_and_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="isic2019, ham10000, pad-ufes-20"):
        public_set("isic")
    with pytest.raises(UsageError, match="begins with https"):
        from_mirror(PUBLIC_SETS["ham10000"], "ftp://x")
    (tmp_path / "file").write_text("x")
    for folder, jobs in ((tmp_path / "file", 1), (tmp_path / "new", 0)):
        with pytest.raises(UsageError):
            fetch(replace(PUBLIC_SETS["ham10000"], files=()), folder, jobs=jobs)
