"""Everything in a source is accounted for: kept, dropped with its reason, or the source is refused with one line.

Random folders are drawn: class folders, links, loops, copies, masks, damaged files, pipes, names of every kind, and a
``groups.csv`` that fits, fits in part or is damaged. What must be in ``audit.csv`` is found by a plain walk here.
``ACCOUNT_EXAMPLES=2000`` draws more of them.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.folds import check_leaks
from hierattn.data.prepared_set.packed import AUDIT, PackedSet
from hierattn.errors import HierAttnError

EXAMPLES = int(os.environ.get("ACCOUNT_EXAMPLES", "25"))
CLASSES = ("MEL", "nevus", "clinic/BCC", "clinic/MEL")
NAMES = st.sampled_from(
    [
        "a",
        "A",
        "b",
        "1",
        "x.y",
        "\u00e9",
        "e\u0301",
        "a b",
        " c",
        "n\udce6vus",
        "l\nf",
        "c\rr",
        "back\\slash",
        '"q"',
        "a,b",
        "[red]",
    ]
)
ENDINGS = st.sampled_from([".png", ".PNG", ".jpg", ".jfif", ".heic", "", ".bak", ".txt", "_mask.png"])
KINDS = st.sampled_from(["photo"] * 6 + ["copy", "empty", "text", "link", "gone", "pipe"])
FILES = st.lists(st.tuples(st.sampled_from(CLASSES), NAMES, ENDINGS, KINDS), min_size=1, max_size=10)
LINKS = st.lists(st.sampled_from(["loop", "up", "again", "elsewhere", "nowhere"]), max_size=2, unique=True)
NO_IMAGE = "{}.jpg"
SPELLINGS = st.sampled_from(["{}", "./{}", "{} ", "photos//{}", "C:\\me\\{}", NO_IMAGE, "gone/{}"])
ROWS = st.lists(
    st.tuples(st.integers(0, 30), SPELLINGS, st.sampled_from(["P1", "p1", "-", "7", "007", ""])), max_size=6
)


def photograph(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 12, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def build(source: Path, files: list[tuple[str, str, str, str]], links: list[str]) -> None:
    for seed, place in enumerate(("MEL/k0", "MEL/k1", "MEL/k2", "nevus/k0", "nevus/k1", "nevus/k2", "clinic/BCC/k0",
                                  "clinic/BCC/k1", "clinic/BCC/k2")):  # fmt: skip
        (source / place).parent.mkdir(parents=True, exist_ok=True)
        (source / f"{place}.png").write_bytes(photograph(seed))
    (source.parent / "elsewhere" / "BCC").mkdir(parents=True)
    (source.parent / "elsewhere" / "BCC" / "far.png").write_bytes(photograph(99))
    for number, (place, name, ending, kind) in enumerate(files):
        path = source / place / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.exists():
            continue
        if kind == "pipe":
            os.mkfifo(path)
        elif kind in ("link", "gone"):
            path.symlink_to(source / "MEL" / ("k0.png" if kind == "link" else "nowhere"))
        else:
            content = {"empty": b"", "text": b"no picture", "copy": photograph(0)}
            path.write_bytes(content.get(kind, photograph(100 + number)))
    targets = {"loop": source, "up": source.parent, "again": source / "nevus", "elsewhere": source.parent / "elsewhere"}
    for name in links:
        (source / "MEL" / name).symlink_to(targets.get(name, "nowhere"))


def all_files(folder: Path, seen: set[str]) -> set[Path]:
    """Every file in a folder, links followed, by the true place of its folder; what is above is not entered."""
    seen.add(os.path.realpath(folder))
    found = set()
    for path in folder.iterdir():
        if path.is_dir():
            if os.path.realpath(path) not in seen:
                found |= all_files(path, seen)
        else:
            found.add(Path(os.path.realpath(folder), path.name))
    return found


def printable(path: str) -> str:
    plain = os.fsencode(path).decode("utf-8", "backslashreplace")
    return plain.replace("\n", "\\x0a").replace("\r", "\\x0d")


def write_groups(source: Path, rows: list[tuple[int, str, str]]) -> dict[str, str]:
    """``groups.csv``; returns the patient of each image that it names."""
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))
    names = [name for name in names if name.isprintable()]
    with (source / "groups.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Image", "Patient_ID"])
        writer.writerows((spelling.format(names[k % len(names)]), patient) for k, spelling, patient in rows)
    return {names[k % len(names)]: patient for k, spelling, patient in rows if spelling != NO_IMAGE}


def one_spelling(patient: str) -> str:
    """What is kept together: ``P1`` with ``p1``, ``7`` with ``007``; ``-`` is nobody."""
    return patient.lower().lstrip("0").replace("-", "")


def one_path(name: str) -> str:
    """Without its ending, and however it is written."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return "/".join(part.strip() for part in parts).casefold().rpartition(".")[0].rstrip()


def check_patients(told: dict[str, str], found: dict[str, str]) -> None:
    """Each image has the patient of its own row, else of a row that differs in its spelling alone, else none."""
    alike = defaultdict(set)
    for name, patient in told.items():
        alike[one_path(name)].add(one_spelling(patient))
    for name, patient in found.items():
        allowed = {one_spelling(told[name])} if name in told else {"", *alike[one_path(name)]}
        assert one_spelling(patient) in allowed, (name, patient)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 100)
@given(FILES, LINKS, ROWS)
def test_every_file_is_kept_or_dropped_with_its_reason_or_the_source_is_refused(files, links, rows) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        account(folder, files, links, rows)
    finally:
        shutil.rmtree(folder)


def account(folder: Path, files: list, links: list, rows: list) -> None:
    source, out = folder / "photos", folder / "out"
    build(source, files, links)
    told = write_groups(source, rows) if rows else {}
    before, refused = sorted(source.rglob("*")), ""
    try:
        report = prepare(source, out, PrepareOptions(size=32, folds=3, near_duplicates=False, jobs=1))
    except HierAttnError as error:
        refused = str(error)
    event(" ".join(refused.replace(str(folder), "").split()[-8:]) or "accounted for")
    if refused:
        assert "\n" not in refused.replace("l\nf", "")
        assert not out.exists()
        assert {path.name for path in folder.iterdir()} == {"photos", "elsewhere"}
        return
    above = {os.path.realpath(parent) for parent in source.parents}
    expected = all_files(source, set(above))
    with (out / AUDIT).open(newline="", encoding="utf-8") as file:
        audit = list(csv.DictReader(file))
    files = [row for row in audit if "named by groups.csv" not in row["reason"]]
    names = Counter(os.path.normpath(out.resolve() / row["image"]) for row in files)
    assert max(names.values()) == 1
    assert all(row["reason"] for row in audit if row["status"] == "dropped")
    for path in expected:
        looks_like_none = path.suffix in (".txt", ".bak", ".csv", "") and path.is_file()
        readable = looks_like_none and path.read_bytes()[:4] == b"\x89PNG"
        if not looks_like_none or readable:
            assert printable(str(path)) in names, path
        elif path.suffix not in (".txt", ".csv"):
            assert any("no photograph and not read" in note for note in report.notes), path
    packed = PackedSet.open(out)
    kept = [row["image"] for row in audit if row["status"] == "kept"]
    assert kept == [record.image for record in packed.records]
    assert packed.images.shape[0] == len(kept)
    assert all((out / image).is_file() for image in kept)
    check_leaks(packed.records)
    check_patients(
        told,
        {os.path.relpath(out.resolve() / record.image, source.resolve()): record.patient for record in packed.records},
    )
    assert before == sorted(source.rglob("*"))
