"""One account of a folder: what is in it is a photograph, something else, or said to be out of reach."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest
from PIL import Image

from hierattn.errors import UsageError
from hierattn.preprocessing.photo_files import find_files, is_photograph, other_files


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(folder: Path) -> list[str]:
    return [found.name for found in find_files(folder) if not found.problem]


def problems(folder: Path) -> dict[str, str]:
    return {found.name: found.problem for found in find_files(folder) if found.problem}


def test_files_come_once_in_the_order_of_their_names_without_hidden_ones(tmp_path: Path) -> None:
    made(tmp_path, "b/2", "b/10", "a", "c/d/e", ".git/x", "c/._e", "__MACOSX/c/e", "c/Thumbs.db", "Desktop.ini")
    assert names(tmp_path) == ["a", "b/10", "b/2", "c/d/e"]
    assert [found.name for found in find_files(tmp_path, [tmp_path / "a", tmp_path / "c"])] == ["b/10", "b/2"]


def test_links_to_folders_are_followed_and_a_folder_with_two_names_is_read_by_its_own(tmp_path: Path) -> None:
    source = made(tmp_path / "source", "MEL/1", "NV/2")
    made(tmp_path / "elsewhere", "3", "deeper/4")
    (source / "BCC").symlink_to(tmp_path / "elsewhere")
    (source / "A").symlink_to(source / "NV")
    (tmp_path / "elsewhere" / "deeper" / "5").symlink_to(source / "MEL" / "1")
    assert names(source) == ["MEL/1", "NV/2", "BCC/3", "BCC/deeper/4", "BCC/deeper/5"]
    assert problems(source) == {"A": "a link to a folder that is read as NV"}


@pytest.mark.parametrize("target", [".", "..", "../source/a", "b"])
def test_a_link_that_leads_back_or_up_ends(tmp_path: Path, target: str) -> None:
    source = made(tmp_path / "source", "a/1", "b/2")
    (source / "a" / "loop").symlink_to(Path("..", target) if target != ".." else Path("../.."))
    assert names(source) == ["a/1", "b/2"]
    assert list(problems(source)) == ["a/loop"]


def test_links_that_follow_each_other_and_chains_of_folders_end(tmp_path: Path) -> None:
    made(tmp_path / "x", "1")
    made(tmp_path / "y", "2")
    (tmp_path / "x" / "y").symlink_to(tmp_path / "y")
    (tmp_path / "y" / "x").symlink_to(tmp_path / "x")
    assert names(tmp_path / "x") == ["1", "y/2"]
    assert problems(tmp_path / "x") == {"y/x": "a link to a folder that is read as the folder itself"}


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket.jpg"))
        found = problems(tmp_path)
    assert all("leads nowhere" in found[f"{name}.jpg"] for name in ("gone", "itself"))
    assert all("pipe, socket or device" in found[f"{name}.jpg"] for name in ("pipe", "null", "socket"))


def test_a_folder_that_cannot_be_listed_is_an_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "MEL/1", "NV/2")
    (tmp_path / "NV").chmod(0)
    scandir = os.scandir

    def as_a_plain_user(folder: Path) -> object:  # the root user may list everything
        if not Path(folder).stat().st_mode & 0o400:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("os.scandir", as_a_plain_user)
    with pytest.raises(UsageError, match=r"NV cannot be listed \(Permission denied\)"):
        list(find_files(tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        find_files(tmp_path / "MEL" / "1")


@pytest.mark.parametrize("ending", ["jpg", "JPE", "jfif", "Mpo", "png", "TIFF", "heic", "HEIF", "avif", "dcm", "jp2"])
def test_a_photograph_is_known_by_its_ending(tmp_path: Path, ending: str) -> None:
    assert is_photograph(tmp_path / f"x.{ending}")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("name", ["IMG_0001", "x.jpg.bak", "x.0001", "x.txt"])
def test_or_by_its_first_bytes(tmp_path: Path, form: str, name: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (16, 16), "brown").save(content, form)
    (tmp_path / name).write_bytes(content.getvalue())
    assert is_photograph(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x1cftypavif", b"\0" * 128 + b"DICM\2\0", b"II*\0\x10\0\0\0CR\2"],
)
def test_so_is_a_kind_that_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert is_photograph(tmp_path / "x")


@pytest.mark.parametrize(
    "content", [b"", b"image,label\n", b"BM is no bitmap", b"PK\3\4", b"\0\0\0\x18ftypqt  ", b"II"]
)
def test_other_files_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.dat").write_bytes(content)
    assert not is_photograph(tmp_path / "x.dat")


def test_archives_and_films_are_to_be_mentioned_and_documents_not() -> None:
    assert other_files(["a.zip", "MEL/b.MOV", "c.csv", "d.TXT", "e"]) == ["a.zip", "MEL/b.MOV", "e"]
