"""``hierattn prepare``: what it shows, what it prints for programs, and that it needs no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sets import isic_set, write_image
from typer.testing import CliRunner

from hierattn.data.prepared_set.packed import PackedSet


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two images each: three lesions of melanoma, nine naevi."""
    return isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 18, [f"L{number // 2}" for number in range(24)])


def command() -> object:
    import typer

    from hierattn.cli.prepare import run

    app = typer.Typer()
    app.command()(run)
    return app


def test_the_command_shows_what_matters(source: Path, tmp_path: Path) -> None:
    (source / "ISIC_2019_Training_Input" / "ISIC_0000010.jpg").write_text("not an image")
    write_image(source / "ISIC_2019_Training_Input" / "stray.jpg", 50)
    done = CliRunner().invoke(command(), [str(source), str(tmp_path / "out"), "--size", "32", "--folds", "3"])  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    said = (
        "melanoma",
        "2 left out",
        "ISIC_0000010.jpg is not an image",
        "imbalance 2.8",
        "leaks 0",
        "3 folds",
        "quicktest",
    )
    for words in said:
        assert words in done.output


def test_json_is_the_report_and_nothing_else(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(command(), [str(source), str(out), "--size", "32", "--folds", "3", "--json"])  # type: ignore[arg-type]
    report = json.loads(done.stdout)
    assert (report["images"], report["leaks"], report["image_spec"]["size"]) == (24, 0, 32)
    assert report["manifest_sha256"] == PackedSet.open(out).manifest_sha256
    assert report["classes"]["NV"]["lesions"] == 9


# What the light install lacks: finding it would be an error, as where it is not installed.
LIGHT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from hierattn.cli.main import main
sys.argv = ["hierattn", *sys.argv[1:]]
main()
"""
ABSENT = {
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "lightning_fabric",
    "sklearn",
    "joblib",
    "matplotlib",
    "safetensors",
}


def light(*words: object) -> subprocess.CompletedProcess[str]:
    """``hierattn`` in a process of its own, without the packages of ``hierattn[train]``."""
    return subprocess.run(
        [sys.executable, "-c", LIGHT.replace("{absent}", repr(ABSENT)), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )


def test_it_works_in_the_light_install(source: Path, tmp_path: Path) -> None:
    done = light("prepare", source, tmp_path / "out", "--size", 32, "--folds", 3, "--audit-pictures")
    assert done.returncode == 0, done.stderr
    PackedSet.open(tmp_path / "out").verify()


def test_an_embedding_needs_torch_and_says_so(source: Path, tmp_path: Path) -> None:
    done = light("prepare", source, tmp_path / "out", "--embedding", tmp_path / "best.safetensors")
    assert done.returncode == 1
    assert "hierattn[train]" in done.stderr
