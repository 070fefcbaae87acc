"""``hierattn predict --batch``: every file a row, none twice, whatever stops it."""

from __future__ import annotations

import contextlib
import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundles import UNCALIBRATED, write_small_bundle

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.archive import archive
from hierattn.deploy.archive import worker as archive_worker
from hierattn.deploy.archive.archive import AHEAD, STEP, ArchiveOptions, predict_archive
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import TableError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, one of them grey, in folders; with a text file, a cut one, an empty one and a hidden one."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "b").mkdir()
    for number, code in enumerate(("MEL", "NV", "BCC", "SCC")):
        image = render_lesion(code, np.random.default_rng(number), 128).image
        Image.fromarray(image).save(folder / ("b" if number % 2 else ".") / f"{number}.png")
    Image.fromarray(np.full((128, 128, 3), 128, np.uint8)).save(folder / "grey.png")
    (folder / "Doe^Jane.txt").write_text("no image", encoding="utf-8")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:2000])
    (folder / "empty.jpg").touch()
    (folder / ".hidden").touch()
    return folder


def read_rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_has_one_row_with_the_predictors_answer_or_the_reason(bundle, photos, tmp_path):
    seen: list[tuple[str, int, int | None]] = []
    counts = predict_archive(photos, tmp_path / "t.csv", bundle, progress=lambda *done: seen.append(done))
    rows = read_rows(tmp_path / "t.csv")
    assert [row["file"] for row in rows] == [
        "0.png", "2.png", "Doe^Jane.txt", "b/1.png", "b/3.png", "cut.png", "empty.jpg", "grey.png",
    ]  # fmt: skip
    assert seen == [(STEP, number, 8) for number in range(1, 9)]
    predictor, retake = Predictor.load(bundle), set()
    for row in rows:
        if row["status"] == "refused":
            assert row["file"] in ("Doe^Jane.txt", "cut.png", "empty.jpg")
            assert row["reason"]
            assert not row["advice"] + row["risk"]
            continue
        mine = predictor(photos / row["file"])
        assert row["advice"] == mine.advice.level
        if mine.advice.level == "retake":
            retake.add(row["file"])
            assert row["quality"].split() == list(mine.quality.problems)
            assert not row["risk"] + row["label"] + row["p_MEL"]
        else:
            shown = {code: float(row[f"p_{code}"]) for code in mine.probabilities}
            assert shown == pytest.approx(mine.probabilities, abs=1e-6)
            assert (row["label"], row["quality"]) == (mine.label, "ok")
            assert float(row["risk"]) == pytest.approx(mine.risk, abs=1e-6)
    assert "grey.png" in retake
    assert counts["refused"] == 3
    assert counts["retake"] == len(retake) < 5
    assert counts.total() == 8


def many(folder: Path, count: int) -> Path:
    """Small photographs, each with its own file name."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(generator.integers(60, 200, (110, 110, 3)).astype(np.uint8)).save(folder / f"{number:04}.png")
    return folder


def in_session(session: int) -> list[str]:
    """Processes of a session, from Linux's /proc; none elsewhere."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, owner = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:4]
            if int(owner) == session and state != "Z":
                found.append(stat.parent.name)
    return found


def test_a_killed_run_goes_on_and_ends_with_the_table_of_an_unbroken_one(bundle, tmp_path):
    folder, table = many(tmp_path / "many", 400), tmp_path / "t.csv"
    predict_archive(folder, tmp_path / "unbroken.csv", bundle, ArchiveOptions(jobs=2))
    command = [sys.executable, "-m", "hierattn", "predict", "--batch", folder, "--out", table, "-m", bundle]
    process = subprocess.Popen([*command, "--jobs", "1", "--json"], stdout=subprocess.DEVNULL, start_new_session=True)
    part = tmp_path / "t.csv.part"
    while process.poll() is None and (not part.exists() or part.read_bytes().count(b"\n") < 10):
        time.sleep(0.01)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while in_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not in_session(process.pid)  # its processes did not outlive it
    assert not table.exists()
    written = part.read_bytes()
    part.write_bytes(written[:-20])  # and the disk lost the end of the last row
    judged = predict_archive(folder, table, bundle).total()
    assert judged == 400 - (written.count(b"\n") - 2)
    assert table.read_bytes() == (tmp_path / "unbroken.csv").read_bytes()
    assert not part.exists()


def test_new_files_get_their_rows_and_old_ones_are_not_judged_again(bundle, tmp_path):
    folder, table = many(tmp_path / "many", 3), tmp_path / "t.csv"
    assert predict_archive(folder, table, bundle).total() == 3
    before = table.read_bytes()
    Image.fromarray(np.full((120, 120, 3), 90, np.uint8)).save(folder / "0001b.png")
    assert predict_archive(folder, table, bundle).total() == 1
    assert table.read_bytes().startswith(before)
    assert [row["file"] for row in read_rows(table)][3:] == ["0001b.png"]


def test_rows_of_two_bundles_or_rules_do_not_mix(bundle, photos, tmp_path):
    predict_archive(photos, tmp_path / "t.csv", bundle)
    before = (tmp_path / "t.csv").read_bytes()
    other = write_small_bundle(tmp_path / "other.onnx", UNCALIBRATED)
    with pytest.raises(TableError, match="made with bundle"):
        predict_archive(photos, tmp_path / "t.csv", other)
    with pytest.raises(TableError, match="made with rule"):
        predict_archive(photos, tmp_path / "t.csv", bundle, ArchiveOptions(rule="paper"))
    assert (tmp_path / "t.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.onnx", "t.csv"]


def deadly_predict_file(file: str, told: dict[str, str]) -> dict[str, str]:
    """What a decoder's crash does: the process is gone."""
    if file == "b/1.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return archive_worker.predict_file(file, told)


def test_file_that_kills_its_process_gets_a_row_and_the_others_their_answer(bundle, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "predict_file", deadly_predict_file)
    predict_archive(photos, tmp_path / "t.csv", bundle)
    reasons = {row["file"]: row["reason"] for row in read_rows(tmp_path / "t.csv")}
    assert len(reasons) == 8
    assert "died" in reasons["b/1.png"]
    assert sum("died" in reason for reason in reasons.values()) == 1
    assert multiprocessing.active_children() == []


def test_only_a_few_files_are_on_their_way_at_a_time(bundle, photos):
    pulled = 0

    def files():
        nonlocal pulled
        for _ in range(60):
            pulled += 1
            yield "Doe^Jane.txt", {}

    digest = archive.digest_of(bundle.read_bytes())
    rows = archive._rows(files(), archive.ArchiveQuestion(photos, bundle, digest), 1)
    ahead = [pulled - number for number, _ in enumerate(rows)]
    assert len(ahead) == 60
    assert max(ahead) <= AHEAD + 1


def test_no_file_is_named_on_the_screen(bundle, photos, tmp_path):
    command = [
        sys.executable,
        "-m",
        "hierattn",
        "predict",
        "--batch",
        photos,
        "--out",
        tmp_path / "t.csv",
        "-m",
        bundle,
    ]
    result = subprocess.run([*command, "--jobs", "1"], capture_output=True, text=True, check=False)
    assert (result.returncode, "refused 3" in result.stdout) == (1, True)
    assert "Doe" not in result.stdout + result.stderr


def test_names_that_are_no_text_get_one_row_each_in_a_table_that_is_utf8(bundle, tmp_path):
    folder, table = tmp_path / "names", tmp_path / "t.csv"
    folder.mkdir()
    for name in (b"n\xe6vus.txt", b"n\\xe6vus.txt", "nævus.txt".encode()):
        (folder / os.fsdecode(name)).write_text("no image")
    assert predict_archive(folder, table, bundle).total() == 3
    assert predict_archive(folder, table, bundle).total() == 0
    with table.open(encoding="utf-8", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    assert sorted(names) == sorted([r"n\xe6vus.txt", r"n\\xe6vus.txt", "nævus.txt"])
