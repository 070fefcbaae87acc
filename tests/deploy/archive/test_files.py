"""The files of an archive: each once, in a fixed order."""

from __future__ import annotations

import os

import pytest

from hierattn.deploy.archive.files import find_files
from hierattn.errors import UsageError


def test_files_are_found_in_order_once_and_links_to_folders_are_followed(tmp_path):
    archive = tmp_path / "archive"
    for name in ("archive/b/2", "archive/b/10", "archive/a", "archive/c/d/e", "archive/.git/x", "year/f"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (archive / "loop").symlink_to(archive)
    (archive / "2019").symlink_to(tmp_path / "year")
    assert list(find_files(archive, [archive / "a"])) == ["b/10", "b/2", "c/d/e", "2019/f"]
    with pytest.raises(UsageError, match="no folder"):
        list(find_files(archive / "a"))


def test_what_cannot_be_read_has_its_row_too(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    assert list(find_files(tmp_path)) == ["gone.jpg", "pipe.jpg"]
