"""``hierattn models``: the table for people, the JSON for programs."""

import json

import pytest
import timm
import typer
from typer.testing import CliRunner

from hierattn.cli import models
from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import list_models
from hierattn.models.timm_networks import published_at


@pytest.fixture(scope="module")
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(models.run)
    return app


def test_the_command_prints_json_for_programs(command: typer.Typer) -> None:
    result = CliRunner().invoke(command, ["--json", "--size", "64", "--classes", "6"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == list_models()
    assert rows[0]["size"] == 64
    assert rows[0]["parameters"] == 1_079_928 - 2 * 769  # two classes fewer: 768 weights and a bias each


def test_the_table_for_people_fits_80_columns_and_cuts_nothing(
    command: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("hierattn.models.registry.list_models", lambda: ["hierattn_xs", "mobilenet_v3_large"])
    result = CliRunner().invoke(command, ["--size", "64"])
    assert result.exit_code == 0, result.output
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    xs, v3 = (line.split() for line in result.stdout.splitlines() if "_" in line)
    cost = measure_complexity("hierattn_xs", size=64)
    assert xs[:5] == ["hierattn_xs", "64", "1,079,928", "1.08", f"{cost.multiply_adds / 1e6:.0f}"]
    assert v3[:4] == ["mobilenet_v3_large", "64", "4,212,280", "4.21"]


SMALL = "timm:mobilenetv4_conv_small"


def test_a_network_of_timm_is_described_as_timm_does(hierattn) -> None:
    network = timm.create_model(SMALL.removeprefix("timm:"), pretrained=False, num_classes=5)
    config = timm.data.resolve_model_data_config(network)
    (known,) = json.loads(hierattn("models", SMALL, "--classes", 5, "--json").out)
    assert known["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert (known["native_size"], known["size"]) == (config["input_size"][-1],) * 2
    assert (tuple(known["mean"]), tuple(known["std"])) == (config["mean"], config["std"])
    url, licence = published_at(SMALL)
    assert (known["weights"]["url"], known["weights"]["licence"]) == (url, licence)
    shown = hierattn("models", SMALL, "--classes", 5)
    assert shown.code == 0, shown.err
    for said in (f"{known['parameters']:,}", "0.485, 0.456, 0.406", f"hierattn fetch {SMALL} weights", url, licence):
        assert said in shown.out


def test_a_network_of_fixed_size_says_so_and_is_measured_at_another_side(hierattn) -> None:
    (known,) = json.loads(hierattn("models", "timm:vit_tiny_patch16_224", "--size", 64, "--json").out)
    assert (known["fixed_size"], known["native_size"], known["size"]) == (True, 224, 64)


def test_our_own_networks_are_described_too_with_where_they_start_from(hierattn) -> None:
    shown = hierattn("models", "hierattn_xs", "hierattn_m")
    assert shown.code == 0, shown.err
    for said in ("1,079,928", "as they are", "those of mobilevit_xxs", "those of mobilevit_s", "model.options."):
        assert said in shown.out


@pytest.mark.parametrize(
    ("name", "near"), [("timm:mobilenetv4_conv_smal", SMALL), ("hieratn_xs", "hierattn_xs"), ("timm:", "timm.list")]
)
def test_an_unknown_name_is_one_line_with_near_names(refused, name: str, near: str) -> None:
    assert near in refused(2, "models", name)
