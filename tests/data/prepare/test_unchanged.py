"""A prepared folder is left alone where it is up to date, and otherwise the first difference is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import isic_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.errors import UsageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two images each: three lesions of melanoma, nine naevi."""
    return isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 18, [f"L{number // 2}" for number in range(24)])


def test_an_up_to_date_folder_is_left_as_it_is_and_says_so(source: Path, tmp_path: Path) -> None:
    first = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times
    assert again.notes == [*first.notes, "prepared before from the same files and settings: nothing was done"]
    assert {**again.to_dict(), "notes": 0, "seconds": 0} == {**first.to_dict(), "notes": 0, "seconds": 0}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"size": 40}, "size 32, now 40"),
        ({"crop": "none"}, "crop surround, now none"),
        ({"folds": 4}, "folds 3, now 4"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"near_duplicates": False}, "near-duplicates True, now False"),
        ({"colour_constancy": "max_rgb"}, "colour_constancy none, now max_rgb"),
        ({"hair_removal": True}, "hair_removal False, now True"),
    ],
)
def test_another_setting_is_noticed(source: Path, tmp_path: Path, change: dict[str, object], named: str) -> None:
    source = isic_set(tmp_path / "more", ["MEL"] * 8 + ["NV"] * 8)
    prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    with pytest.raises(UsageError, match=named):
        prepare(source, tmp_path / "out", PrepareOptions(**{"size": 32, "folds": 3, **change}))  # type: ignore[arg-type]


def test_another_source_is_noticed_pixel_row_or_file(source: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", source / "ISIC_2019_Training_Input"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    image = folder / "ISIC_0000003.jpg"
    content = image.read_bytes()
    image.touch()  # a later time alone is no change
    assert "nothing was done" in prepare(source, out, PrepareOptions(size=32, folds=3)).notes[-1]
    image.write_bytes(content[:-2] + b"\x00\xff\xd9")
    with pytest.raises(UsageError, match=r"ISIC_0000003\.jpg was changed.*--overwrite"):
        prepare(source, out, PrepareOptions(size=32, folds=3))
    image.unlink()
    with pytest.raises(UsageError, match="0 images more and 1 fewer"):
        prepare(source, out, PrepareOptions(size=32, folds=3))
    image.write_bytes(content)
    table = source / "ISIC_2019_Training_Metadata.csv"
    table.write_text(table.read_text().replace("45.0", "50.0", 1))
    with pytest.raises(UsageError, match="another row of the table"):
        prepare(source, out, PrepareOptions(size=32, folds=3))


def test_another_file_that_is_only_left_out_is_noticed(source: Path, tmp_path: Path) -> None:
    out, stray = tmp_path / "out", source / "ISIC_2019_Training_Input" / "stray\n.jpg"
    prepare(source, out, PrepareOptions(size=32, folds=3))
    stray.write_bytes(b"no row names it")
    with pytest.raises(UsageError, match=r"other files that are left out, for example \S*stray\\x0a.jpg"):
        prepare(source, out, PrepareOptions(size=32, folds=3))
    prepare(source, out, PrepareOptions(size=32, folds=3, overwrite=True))
    assert "nothing was done" in prepare(source, out, PrepareOptions(size=32, folds=3)).notes[-1]
    stray.unlink()
    with pytest.raises(UsageError, match="other files that are left out"):
        prepare(source, out, PrepareOptions(size=32, folds=3))
