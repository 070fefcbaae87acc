"""Tables of the full sets' size and shape, generated: labels, groups and counts come out right, quirks and all."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from tiny_sets import ISIC_COLUMNS, one_hot, write_table

from hierattn.data.prepared_set.folds import check_leaks, join_groups, make_folds
from hierattn.data.sets.catalog import ISIC2019, PAD_UFES_20
from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError
from hierattn.taxonomy.built_in import codes_of

UNKNOWN = 40


@pytest.fixture(scope="module")
def isic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25,331 labelled rows and 40 of UNK, a tenth without lesion id, Windows line ends, byte-order marks."""
    folder = tmp_path_factory.mktemp("isic")
    own = {code: name for name, code in codes_of("isic").items()}
    labels = [own[code] for code, count in ISIC2019.classes.items() for _ in range(count)] + ["UNK"] * UNKNOWN
    names = [f"ISIC_{number:07d}{'_downsampled' if number % 12 == 0 else ''}" for number in range(len(labels))]
    np.random.default_rng(0).shuffle(labels)
    lesions, previous = [], ""
    for number, label in enumerate(labels):
        same = number % 3 == 1 and labels[number - 1] == label and previous
        previous = previous if same else ("" if number % 10 == 0 else f"HAM_{number:07d}")
        lesions.append(previous)
    windows = {"encoding": "utf-8-sig", "lineterminator": "\r\n"}
    write_table(
        folder / "ISIC_2019_Training_GroundTruth.csv",
        ("image", *ISIC_COLUMNS),
        [(name, *one_hot(label)) for name, label in zip(names, labels, strict=True)],
        **windows,
    )
    write_table(
        folder / "ISIC_2019_Training_Metadata.csv",
        ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"),
        [
            (name, "" if k % 50 == 0 else "55.0", "", lesion, "")
            for k, (name, lesion) in enumerate(zip(names, lesions, strict=True))
        ],
        **windows,
    )
    images = folder / "ISIC_2019_Training_Input"
    images.mkdir()
    for name in names:
        (images / f"{name}.jpg").touch()
    return folder


def test_isic_2019_at_full_size(isic: Path) -> None:
    found, listing = read_source(isic)
    assert found.name == "isic2019"
    assert Counter(record.label for record in listing.records) == dict(ISIC2019.classes)
    assert len(listing.records) == 25_331
    assert [row.reason for row in listing.dropped] == ["label UNK, none of the eight classes"] * UNKNOWN
    without = sum(not record.lesion for record in listing.records)
    records = make_folds(join_groups(listing.records), 10, seed=0)
    check_leaks(records)
    named = {record.lesion for record in records if record.lesion}
    assert len({record.group for record in records}) == len(named) + without
    per_fold = Counter((record.label, record.fold) for record in records)
    for code, count in ISIC2019.classes.items():
        assert {per_fold[code, fold] for fold in range(10)} <= {count // 10 + k for k in (-1, 0, 1, 2)}


def test_a_row_that_is_there_twice_is_named(isic: Path, tmp_path: Path) -> None:
    for name in ("GroundTruth", "Metadata"):
        text = (isic / f"ISIC_2019_Training_{name}.csv").read_bytes()
        (tmp_path / f"ISIC_2019_Training_{name}.csv").write_bytes(text)
    with (tmp_path / "ISIC_2019_Training_GroundTruth.csv").open("ab") as file:
        file.write(("ISIC_0000001," + ",".join(one_hot("MEL")) + "\r\n").encode())
    with pytest.raises(TableError, match="ISIC_0000001 more than once"):
        read_source(tmp_path, images=isic / "ISIC_2019_Training_Input")


def pad_rows() -> list[dict[str, object]]:
    """2,298 rows of 1,641 lesions of 1,373 patients, in the published set's columns, half of them without a history."""
    own = {code: name for name, code in codes_of("pad").items()}
    labels = [own[code] for code, count in PAD_UFES_20.classes.items() for _ in range(count)]
    extra = 2298 - 1641
    lesion_of_row = [min(k // 2, extra - 1) if k < 2 * extra else extra + (k - 2 * extra) for k in range(2298)]
    lesions = sorted(set(lesion_of_row))
    assert len(lesions) == 1641
    patient_of = {lesion: min(k // 2, 267) if k < 536 else 268 + (k - 536) for k, lesion in enumerate(lesions)}
    generator = np.random.default_rng(1)
    rows: list[dict[str, object]] = []
    for number, (label, lesion) in enumerate(zip(labels, lesion_of_row, strict=True)):
        history = number % 2
        rows.append(
            {
                "patient_id": f"PAT_{patient_of[lesion]}",
                "lesion_id": lesion,
                "smoke": "False" if history else "",
                "background_father": "POMERANIA" if history else "",
                "age": 60,
                "gender": "FEMALE" if history else "",
                "fitspatrick": "2.0" if history else "",
                "region": "ARM",
                "diameter_1": "6.0" if history else "",
                "diagnostic": label,
                "itch": generator.choice(["True", "False", "UNK"]),
                "img_id": f"PAT_{patient_of[lesion]}_{lesion}_{number}.png",
                "biopsed": "True",
            }
        )
    return rows


def test_pad_ufes_20_at_full_size_with_its_empty_fields(tmp_path: Path) -> None:
    rows = pad_rows()
    with (tmp_path / "metadata.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    for number, row in enumerate(rows):
        part = tmp_path / "images" / f"imgs_part_{1 + number % 3}"
        part.mkdir(parents=True, exist_ok=True)
        (part / str(row["img_id"])).touch()
    found, listing = read_source(tmp_path)
    records = listing.records
    assert (found.name, len(records), listing.dropped, listing.unnamed) == ("pad-ufes-20", 2298, [], [])
    assert Counter(record.label for record in records) == dict(PAD_UFES_20.classes)
    assert len({record.lesion for record in records}) == 1641
    assert len({record.patient for record in records}) == 1373
    assert Counter((record.sex, record.skin_type) for record in records) == {("female", "2"): 1149, ("", ""): 1149}
    joined = make_folds(join_groups(records), 10, seed=0)
    check_leaks(joined)
    assert len({record.group for record in joined}) == 1373
    folds = defaultdict(set)
    for record in joined:
        folds[record.patient].add(record.fold)
    assert all(len(found_in) == 1 for found_in in folds.values())
