"""The files of an archive: each once, in a fixed order."""

from __future__ import annotations

import pytest

from hierattn.deploy.archive.files import find_files
from hierattn.errors import UsageError


def test_files_are_found_in_order_once_and_links_to_folders_are_not_followed(tmp_path):
    for name in ("b/2", "b/10", "a", "c/d/e", ".git/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(find_files(tmp_path, [tmp_path / "a"])) == ["b/10", "b/2", "c/d/e"]
    with pytest.raises(UsageError, match="no folder"):
        list(find_files(tmp_path / "a"))
