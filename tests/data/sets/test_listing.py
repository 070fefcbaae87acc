"""Which files are images, and which of them a table names."""

from __future__ import annotations

from pathlib import Path

from tiny_sets import folder_set, write_image

from hierattn.data.sets.image_folder import read_image_folder
from hierattn.data.sets.listing import ImageFolder


def test_hidden_files_and_other_files_are_no_images(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_image(tmp_path / "MEL" / "._a.png", 1)
    write_image(tmp_path / ".thumbnails" / "b.png", 1)
    (tmp_path / "MEL" / "Thumbs.db").touch()
    assert len(read_image_folder(tmp_path).records) == 1


def test_files_are_found_by_stem_and_repeated_stems_are_noted(tmp_path: Path) -> None:
    for path in ("part_1/a.jpg", "part_2/b.png", "part_2/a.png"):
        write_image(tmp_path / path, 1)
    folder = ImageFolder(tmp_path)
    assert folder.find("missing", "a") == tmp_path / "part_1" / "a.jpg"
    assert folder.find("missing") is None
    assert folder.unnamed() == [tmp_path / "part_2" / "b.png"]
    assert folder.notes() == ["1 more file has the name of another (a); the first was taken"]
