"""``hierattn fetch``: licences first, then files, from a mirror too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from download_shop import Shop, open_shop, zipped
from typer.testing import CliRunner

from hierattn.data.sets.catalog import PUBLIC_SETS
from hierattn.errors import CheckpointError, DataError, UsageError


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


def test_a_set_that_is_got_by_hand_says_how_and_fails(tmp_path: Path) -> None:
    from hierattn.cli.main import app

    done = CliRunner().invoke(app, ["fetch", "ddi", str(tmp_path / "ddi")])
    assert isinstance(done.exception, DataError)
    assert "https://ddi-dataset.github.io" in str(done.exception)
    assert "Stanford" in done.output
    assert not (tmp_path / "ddi").exists()


def test_what_is_left_to_do_by_hand_is_said_after_a_download(shop: Shop, tmp_path: Path) -> None:
    from hierattn.cli.main import app

    shop.files["fitzpatrick17k.csv"] = b"md5hash,label\n"
    words = ["fetch", "fitzpatrick17k", str(tmp_path / "fitz"), "--mirror", shop.address, "--yes"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "md5hash or url_alphanum" in done.output
    assert f"{tmp_path / 'fitz'}" in done.output
    again = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert again["files"] == {"fitzpatrick17k.csv": "there"}
    assert again["by_hand"] == PUBLIC_SETS["fitzpatrick17k"].by_hand


def test_weights_of_networks_are_listed_where_they_are_missing_and_fetched_from_a_mirror(
    shop: Shop, tmp_path: Path
) -> None:
    from hierattn.cli.main import app

    folder = tmp_path / "weights"
    words = ["fetch", "hierattn_s,mobilevit_xs,hierattn_xs", str(folder)]  # _s starts from MobileViT_xs: two files
    checked = CliRunner().invoke(app, [*words, "--check"])
    assert isinstance(checked.exception, CheckpointError)
    assert "2 of 2 files" in str(checked.exception)
    for name in ("mobilevit_xs", "mobilevit_xxs"):
        assert f"{folder / name}.safetensors: hierattn fetch {name} {folder}, or put there https://" in checked.output
    assert not folder.exists()
    shop.files |= {"mobilevit_xs.safetensors": b"one", "mobilevit_xxs.safetensors": b"two"}
    done = CliRunner().invoke(app, [*words, "--mirror", shop.address, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["files"] == ["mobilevit_xs.safetensors", "mobilevit_xxs.safetensors"]
    assert (folder / "mobilevit_xxs.safetensors").read_bytes() == b"two"
    assert CliRunner().invoke(app, [*words, "--check"]).exit_code == 0
    shop.files.clear()
    assert CliRunner().invoke(app, [*words, "--mirror", shop.address]).exit_code == 0  # what is there is kept


@pytest.mark.parametrize("name", ["mobilenet_v9,hierattn_s", "mobilenet_v9"])
def test_an_unknown_network_is_refused(name: str, tmp_path: Path) -> None:
    from hierattn.cli.main import app

    done = CliRunner().invoke(app, ["fetch", name, str(tmp_path / "weights")])
    assert isinstance(done.exception, UsageError)
    assert "wanted" in str(done.exception)
