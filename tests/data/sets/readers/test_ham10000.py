"""HAM10000's own layout."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import SHARED
from tiny_sets import write_image, write_table

from hierattn.data.sets.readers.ham10000 import read_ham10000
from hierattn.errors import DataError, TableError

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
SEVEN = {"akiec": "ACK", "bcc": "BCC", "bkl": "BKL", "df": "DF", "mel": "MEL", "nv": "NV", "vasc": "VASC"}


def ham_set(folder: Path, table: str = "HAM10000_metadata.csv") -> Path:
    rows = []
    for number, dx in enumerate(SEVEN):
        write_image(folder / f"HAM10000_images_part_{1 + number % 2}" / f"ISIC_{number}.jpg", number)
        rows.append((f"HAM_{number // 2}", f"ISIC_{number}", dx, "histo", "80.0", "unknown", "Unknown"))
    write_table(folder / table, COLUMNS, rows)
    return folder


@pytest.mark.parametrize("table", ["HAM10000_metadata.csv", "HAM10000_metadata"])
def test_the_table_reads_with_and_without_an_ending_and_from_both_parts(tmp_path: Path, table: str) -> None:
    listing = read_ham10000(ham_set(tmp_path, table))
    assert [record.label for record in listing.records] == list(SEVEN.values())
    assert [record.lesion for record in listing.records] == [f"HAM_{number // 2}" for number in range(7)]
    record = listing.records[0]
    assert (record.age, record.sex, record.site, record.source) == ("80", "", "", "ham10000")


def test_dataverses_tab_separated_table_reads_the_same(tmp_path: Path) -> None:
    plain = read_ham10000(ham_set(tmp_path)).records
    table = tmp_path / "HAM10000_metadata.csv"
    (tmp_path / "HAM10000_metadata.tab").write_text(table.read_text().replace(",", "\t"))
    table.unlink()
    assert read_ham10000(tmp_path).records == plain


def test_images_may_lie_elsewhere_and_masks_are_not_mistaken_for_them(tmp_path: Path) -> None:
    source = ham_set(tmp_path / "ham")
    for part in (1, 2):
        (source / f"HAM10000_images_part_{part}").rename(tmp_path / f"part_{part}")
    write_image(tmp_path / "part_1" / "ISIC_0_segmentation.png", 9)
    listing = read_ham10000(source, images=tmp_path)
    assert len(listing.records) == 7
    assert [path.name for path in listing.unnamed] == ["ISIC_0_segmentation.png"]
    write_image(tmp_path / "masks" / "ISIC_0.png", 9)
    with pytest.raises(DataError, match=r"ISIC_0.*ISIC_0.*--images"):
        read_ham10000(source, images=tmp_path)


@pytest.mark.parametrize("ending", [".jpg", ".JPG", ".png"])
def test_ids_with_endings_and_blank_rows_change_nothing(tmp_path: Path, ending: str) -> None:
    plain = read_ham10000(ham_set(tmp_path)).records
    table = tmp_path / "HAM10000_metadata.csv"
    rows = re.sub(r"(ISIC_\d+)", rf"\1{ending}", table.read_text())
    table.write_text(f"{rows},,,,,,\n\n ,,,,,,\n")
    assert read_ham10000(tmp_path).records == plain


def test_an_unknown_diagnosis_is_an_error_naming_the_image(tmp_path: Path) -> None:
    write_table(tmp_path / "HAM10000_metadata.csv", COLUMNS, [("L", "ISIC_1", "scc", "", "", "", "")])
    with pytest.raises(TableError, match=r"ISIC_1: unknown label 'scc'"):
        read_ham10000(tmp_path)


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
def test_the_real_table_finds_its_images_in_the_other_set() -> None:
    images = SHARED / "data" / "isic2019-ham" / "ISIC_2019_Training_Input"
    listing = read_ham10000(SHARED / "data" / "ham10000", images=images)
    assert (listing.dropped, listing.unnamed) == ([], [])
    # The challenge's 114 AK and 168 SCC are one diagnosis, akiec, in this table.
    assert Counter(record.label for record in listing.records) == {
        "MEL": 939, "NV": 5694, "BCC": 435, "ACK": 114 + 168, "BKL": 938, "DF": 92, "VASC": 123,
    }  # fmt: skip
