"""``hierattn predict``: a table, JSON, several images with a bad one among them, heat maps, in three languages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from small_bundles import UNCALIBRATED, write_small_bundle
from typer.testing import CliRunner

from hierattn.cli.predict import run
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.errors import BundleError, UsageError
from hierattn.files import shown

app = typer.Typer()
app.command()(run)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs, a bundle and a text file."""
    out = tmp_path_factory.mktemp("predict")
    write_small_bundle(out / "model.onnx")
    write_small_bundle(out / "bare.onnx", UNCALIBRATED)
    (out / "photos").mkdir()
    for index, code in enumerate(("MEL", "NV", "BCC")):
        image = render_lesion(code, np.random.default_rng(index), 128).image
        Image.fromarray(image).save(out / "photos" / f"{index}.png")
    (out / "photos" / "notes.txt").write_text("no image")
    (out / "bad.jpg").write_bytes(b"\xff\xd8 half a photograph")
    return out


def call(*arguments: str | Path, code: int = 0, columns: str = "100"):
    result = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": columns})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def test_one_photo_gets_classes_bars_advice_and_limits(folder):
    out = call(folder / "photos" / "0.png", "--model", folder / "model.onnx").stdout
    assert "melanoma (MEL)" in out
    assert "█" in out
    assert "Not a medical device." in out
    assert any(TEXTS["en"][f"level.{level}.title"] in out for level in ("see_soon", "have_checked", "watch", "retake"))
    shown = [int(value) for value in re.findall(r"\)\s+[█▏▎▍▌▋▊▉ ]*?(\d+) %", out)]
    assert shown == sorted(shown, reverse=True)


@pytest.mark.parametrize("photos", [["1.png"], ["1.png", "0.png"]])
def test_an_unfit_photograph_gets_no_percentage(folder, photos):
    result = call(*(folder / "photos" / name for name in photos), "--model", folder / "model.onnx")
    line = next(line for line in result.stdout.splitlines() if "1.png" in line)
    assert "%" not in line
    if len(photos) == 1:
        assert not re.search(r"(NV|MEL|BCC|risk).*%", result.stdout)


@pytest.mark.parametrize("columns", ["20", "30", "40", "60", "100"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_percentages_are_whole_in_any_terminal(folder, columns, language):
    out = call(folder / "photos" / "0.png", "-m", folder / "model.onnx", "--language", language, columns=columns).stdout
    assert "…" not in out
    table = out.split(TEXTS[language]["level.see_soon.title"])[0]
    assert len(re.findall(r"(?:[<>] )?\d+ %", table)) == 9
    assert "█" in table or int(columns) < 60


@pytest.mark.parametrize("name", [b"n\xe6vus.png", b"[bold]x[red].png", b"[0].png", b":x:.png", "→ 痣.png".encode()])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_any_name_of_a_file_is_told(folder, tmp_path, name, options):
    path = tmp_path / os.fsdecode(name)
    shutil.copy(folder / "photos" / "0.png", path)
    done = subprocess.run(
        [sys.executable, "-m", "hierattn", "predict", path, "-m", folder / "model.onnx", *options],
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"}, capture_output=True, check=True,
    )  # fmt: skip
    out = done.stdout.decode("utf-8")
    assert shown(path.name) in (json.loads(out)[0]["image"] if options else out)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_batch_ends_as_a_call_without_one_does(folder, tmp_path, as_json):
    photos, empty, table = tmp_path / "photos", tmp_path / "empty", tmp_path / "t.csv"
    shutil.copytree(folder / "photos", photos)
    empty.mkdir()
    batch = ["-m", folder / "model.onnx", "--out", table, "--jobs", "1", *(["--json"] if as_json else [])]
    with pytest.raises(UsageError, match="no file in"):
        call("--batch", empty, *batch)
    assert not table.exists()
    for _ in range(2):  # and so does the same command again, with nothing left to do
        said = call("--batch", photos, *batch, code=1).stdout
    assert as_json or "1 of them without an answer" in said
    table.unlink()
    (photos / "notes.txt").unlink()
    call("--batch", photos, *batch)


def test_json_is_a_list_with_everything(folder):
    rows = json.loads(call(folder / "photos", "--model", folder / "model.onnx", "--json").stdout)
    assert [Path(row["image"]).name for row in rows] == ["0.png", "1.png", "2.png"]
    assert {row["advice"]["level"] for row in rows} == {"see_soon", "retake"}
    for row in rows:
        if row["advice"]["level"] == "retake":
            assert [row[key] for key in ("label", "probabilities", "risk")] == [None] * 3
        else:
            assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert {"risk", "advice", "quality", "label", "model"} <= set(row)


def test_a_bad_image_gets_its_line_and_the_others_their_answer(folder):
    result = call(folder / "bad.jpg", folder / "photos", "--model", folder / "model.onnx", code=1)
    assert result.stderr.count("hierattn: ") == 1
    assert "bad.jpg" in result.stderr
    for name in ("0.png", "1.png", "2.png"):
        assert name in result.stdout


def test_a_bad_image_in_json_carries_its_line(folder):
    rows = json.loads(
        call(folder / "bad.jpg", folder / "photos" / "1.png", "-m", folder / "model.onnx", "--json", code=1).stdout
    )
    assert "bad.jpg" in rows[0]["error"]
    assert "label" in rows[1]


def test_heatmap_is_a_picture_of_the_photo_and_says_where_it_is_too_small(folder, tmp_path):
    out = tmp_path / "why.png"
    done = call(folder / "photos" / "0.png", "--model", folder / "model.onnx", "--heatmap", out)
    with Image.open(out) as picture:
        assert picture.size == (128, 128)
    assert list(tmp_path.iterdir()) == [out]
    assert "2 x 2 cells: too small to tell" in done.stderr


def test_heatmap_of_several_images_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="wanted one"):
        call(folder / "photos", "--model", folder / "model.onnx", "--heatmap", tmp_path / "x.png")


@pytest.mark.parametrize("language", ["en", "pt", "zh"])
def test_advice_comes_in_the_language_asked_for(folder, language):
    out = call(folder / "photos" / "0.png", "-m", folder / "bare.onnx", "--language", language).stdout
    assert TEXTS[language]["limits.device"] in out
    assert TEXTS[language]["class.MEL"] in out


def test_paper_rule_by_name(folder):
    rows = json.loads(
        call(folder / "photos" / "1.png", "-m", folder / "model.onnx", "--rule", "paper", "--json").stdout
    )
    assert rows[0]["advice"]["rule"] == "paper"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (["--language", "tlh"], UsageError, "en, pt, zh"),
        (["--rule", "coin"], UsageError, "risk, paper"),
        (["--model", "nowhere.onnx"], BundleError, "no bundle at"),
        (
            ["--model", "dermoscopy_large"],
            UsageError,
            "no bundle dermoscopy_large: wanted dermoscopy, ",
        ),
        (["--threads", "-2"], UsageError, "threads"),
    ],
)
def test_bad_use_says_what_was_wanted(folder, options, error, said):
    with pytest.raises(error, match=re.escape(said)):
        call(folder / "photos" / "1.png", "--model", folder / "model.onnx", *options)


def test_a_folder_is_predicted_with_all_that_it_holds(folder, tmp_path):
    photo = (folder / "photos" / "0.png").read_bytes()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("elsewhere/a.png", "photos/b.JPE", "photos/c.jfif", "photos/sub/d.png", "photos/no_ending"):
        (tmp_path / name).write_bytes(photo)
    (tmp_path / "photos" / "e.zip").write_bytes(b"PK")
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "photos" / "pipe.jpg")
    result = call(tmp_path / "photos", "--model", folder / "model.onnx", "--json", code=1)
    rows = {Path(row["image"]).name: row.get("error", "") for row in json.loads(result.stdout)}
    assert [name for name, error in rows.items() if not error] == ["b.JPE", "c.jfif", "no_ending", "d.png", "a.png"]
    assert "gone.jpg" in rows["gone.jpg"]
    assert "pipe, socket or device" in rows["pipe.jpg"]
    assert "e.zip" in result.stderr


def test_folder_without_images_is_named(folder, tmp_path):
    with pytest.raises(UsageError, match="no image in"):
        call(tmp_path, "--model", folder / "model.onnx")


@pytest.mark.parametrize(
    "out", ["photos/0.png", "link.png", "hard.png", "notes.txt", "model.onnx", "photos", "bad.jpg/x.png"]
)
def test_a_heat_map_replaces_nothing_but_a_heat_map(folder, tmp_path, out):
    place = tmp_path / "copy"
    shutil.copytree(folder, place)
    (place / "link.png").symlink_to("photos/0.png")
    (place / "hard.png").hardlink_to(place / "photos" / "0.png")
    (place / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=r"choose another name|wanted the name of a file"):
        call(place / "photos" / "0.png", "-m", place / "model.onnx", "--heatmap", place / out)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_heat_map_replaces_an_earlier_one(folder, tmp_path):
    for photo in ("0.png", "1.png"):
        call(folder / "photos" / photo, "-m", folder / "model.onnx", "--heatmap", tmp_path / "x.png")
