"""``hierattn fetch``: licences first, then files, from a mirror too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from download_shop import Shop, open_shop, zipped
from typer.testing import CliRunner

from hierattn.data.sets.catalog import PUBLIC_SETS
from hierattn.errors import DataError, UsageError


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("no_proxy", "*")
    with open_shop() as opened:
        yield opened


def test_the_command_lists_licences_and_wants_them_accepted(shop: Shop, tmp_path: Path) -> None:
    import typer

    from hierattn.cli.fetch import run

    app = typer.Typer()
    app.command()(run)
    listed = CliRunner().invoke(app, ["--list"])
    assert listed.exit_code == 0
    for words in ("CC BY-NC 4.0", "CC BY 4.0", "no checksum published", "1,366,522,108 bytes", "Pacheco"):
        assert words in listed.output
    rows = json.loads(CliRunner().invoke(app, ["--list", "--json"]).stdout)
    assert [row["name"] for row in rows] == list(PUBLIC_SETS)
    refused = CliRunner().invoke(app, ["ham10000", str(tmp_path / "ham"), "--mirror", shop.address])
    assert isinstance(refused.exception, UsageError)
    assert "CC BY-NC 4.0: accept it with --yes" in str(refused.exception)
    assert shop.asked == []
    assert not (tmp_path / "ham").exists()


def test_the_command_fetches_from_a_mirror_and_checks_all_the_same(shop: Shop, tmp_path: Path) -> None:
    import typer

    from hierattn.cli.fetch import run

    app = typer.Typer()
    app.command()(run)
    shop.files |= {
        "ISIC_2019_Training_GroundTruth.csv": b"image,MEL\n",
        "ISIC_2019_Training_Metadata.csv": b"image,lesion_id\n",
        "ISIC_2019_Training_Input.zip": zipped({"ISIC_2019_Training_Input/ISIC_0.jpg": b"x"}),
    }
    done = CliRunner().invoke(app, ["isic2019", str(tmp_path / "isic"), "--mirror", shop.address, "--yes", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["unpacked"] == 1
    assert (tmp_path / "isic" / "ISIC_2019_Training_Input" / "ISIC_0.jpg").is_file()
    shop.files["HAM10000_metadata.csv"] = b"not the table"
    wrong = CliRunner().invoke(app, ["ham10000", str(tmp_path / "ham"), "--mirror", shop.address, "--yes"])
    assert isinstance(wrong.exception, DataError)
