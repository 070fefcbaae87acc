"""Data sets of a few drawn blobs, in each of the layouts, for the tests of prepare and of the readers."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.data.prepared_set.manifest import Record, manifest_sha256, read_manifest, write_manifest
from hierattn.data.prepared_set.packed import INFO, MANIFEST
from hierattn.taxonomy.built_in import EIGHT

ISIC_COLUMNS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def blob(seed: int, height: int = 30, width: int = 40) -> np.ndarray:
    """A brown spot on mottled skin, another for every seed; plain spots of one size would be near-duplicates."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    centre = generator.uniform(0.4, 0.6, 2) * (height, width)
    inside = np.hypot(rows - centre[0], columns - centre[1]) < generator.uniform(0.15, 0.3) * height
    image = np.where(inside[:, :, None], generator.integers(60, 110, 3), generator.integers(170, 220, 3))
    mottles = np.kron(generator.integers(0, 25, (-(-height // 3), -(-width // 3), 1)), np.ones((3, 3, 1), int))
    return (image + mottles[:height, :width] + generator.integers(0, 12, image.shape)).clip(0, 255).astype(np.uint8)


def write_image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blob(seed)).save(path)
    return path


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.writer(file, lineterminator=options.get("lineterminator", "\n"))
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def one_hot(code: str) -> list[str]:
    return ["1.0" if column == code else "0.0" for column in ISIC_COLUMNS]


def isic_set(folder: Path, labels: Sequence[str], lesions: Sequence[str] | None = None) -> Path:
    """ISIC 2019's layout; image ``i`` is ``ISIC_000000i`` of class ``labels[i]`` (ISIC's codes)."""
    names = [f"ISIC_{number:07d}" for number in range(len(labels))]
    lesions = lesions or [f"L{number}" for number in range(len(labels))]
    for seed, name in enumerate(names):
        write_image(folder / "ISIC_2019_Training_Input" / f"{name}.jpg", seed)
    write_table(
        folder / "ISIC_2019_Training_GroundTruth.csv",
        ("image", *ISIC_COLUMNS),
        [(name, *one_hot(label)) for name, label in zip(names, labels, strict=True)],
    )
    write_table(
        folder / "ISIC_2019_Training_Metadata.csv",
        ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"),
        [(name, "45.0", "head/neck", lesion, "male") for name, lesion in zip(names, lesions, strict=True)],
    )
    return folder


def pad_set(folder: Path, labels: Sequence[str]) -> Path:
    """PAD-UFES-20's layout; image ``i`` is a lesion and a patient of its own, of class ``labels[i]`` (PAD's codes)."""
    names = [f"PAT_{number}_{number}_{number}.png" for number in range(len(labels))]
    for seed, name in enumerate(names):
        write_image(folder / "images" / name, 5000 + seed)
    write_table(
        folder / "metadata.csv",
        ("img_id", "patient_id", "lesion_id", "diagnostic"),
        [
            (name, f"PAT_{number}", number, label)
            for number, (name, label) in enumerate(zip(names, labels, strict=True))
        ],
    )
    return folder


def folder_set(folder: Path, classes: dict[str, int]) -> Path:
    """One folder of images a class."""
    seed = 0
    for name, count in classes.items():
        for number in range(count):
            write_image(folder / name / f"{name}_{number}.png", seed)
            seed += 1
    return folder


def of_several(
    prepared: Path, out: Path, names: Sequence[str], *, uses: Mapping[str, str] | None = None, lacking: str = ""
) -> Path:
    """A copy of ``prepared`` whose groups belong to ``names`` in turn.

    ``uses`` says what a source is for; the last source alone has the class ``lacking``.
    """
    shutil.copytree(prepared, out)
    records = read_manifest(out / MANIFEST)
    groups = sorted({record.group for record in records})
    source_of = {group: names[number % len(names)] for number, group in enumerate(groups)}
    source_of |= {record.group: names[-1] for record in records if record.label == lacking}

    def changed(record: Record) -> Record:
        source = source_of[record.group]
        return replace(
            record, source=source, domain="unknown", use=(uses or {}).get(source, ""), own_label=record.label
        )

    write_manifest(out / MANIFEST, [changed(record) for record in records])
    info = json.loads((out / INFO).read_text())
    (out / INFO).write_text(json.dumps({**info, "manifest_sha256": manifest_sha256(out / MANIFEST)}))
    return out


def with_answers(prepared: Path, out: Path, *, unknown_of: str = "") -> Path:
    """A copy of ``prepared`` whose answers tell the class: it grew, and is old, where the class is referred.

    ``grew`` is unknown for half of the photographs of class ``unknown_of``; every second lesion was biopsied.
    """
    shutil.copytree(prepared, out)
    records = []
    for number, record in enumerate(read_manifest(out / MANIFEST)):
        dangerous = record.label in EIGHT.triage_group
        hidden = record.label == unknown_of and number % 2
        records.append(
            replace(
                record,
                age=str(70 + number % 7 if dangerous else 30 + number % 7),
                grew="" if hidden else "yes" if dangerous else "no",
                biopsied="yes" if number % 2 else "no",
            )
        )
    write_manifest(out / MANIFEST, records)
    info = json.loads((out / INFO).read_text())
    (out / INFO).write_text(json.dumps({**info, "manifest_sha256": manifest_sha256(out / MANIFEST)}))
    return out
