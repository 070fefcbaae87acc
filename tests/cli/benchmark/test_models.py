"""``hierattn benchmark models``: what it prints, for people and for programs, and what it refuses."""

import json

import pytest
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import UsageError
from hierattn.models.complexity import measure_complexity


def _run(*arguments: str, columns: str = "80") -> str:
    result = CliRunner().invoke(app, ["benchmark", "models", *arguments], env={"COLUMNS": columns})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_json_has_every_model_in_every_way_with_its_multiply_adds() -> None:
    names = ("hierattn_xs", "mobilenet_v2")
    facts = json.loads(_run(*names, "--size", "64", "--batch", "2", "--rounds", "2", "--train", "--no-onnx", "--json"))
    rows = {(row["kind"], row["way"], row["model"]): row for row in facts["timings"]}
    kinds, ways = ("inference", "training"), ("eager", "channels-last")
    assert set(rows) == {(kind, way, name) for kind in kinds for way in ways for name in names}
    forward = 2 * measure_complexity("hierattn_xs", size=64).multiply_adds
    assert rows["inference", "eager", "hierattn_xs"]["multiply_adds"] == forward
    assert rows["training", "eager", "hierattn_xs"]["multiply_adds"] == 3 * forward
    assert all(rows[kind, way, "mobilenet_v2"]["ratio"] == 1 for kind in kinds for way in ways)
    assert (facts["size"], facts["batch"], facts["device"]) == (64, 2, "cpu")


def test_tables_fit_80_columns_and_hold_the_exported_graph() -> None:
    text = _run("mobilenet_v2", "--size", "32", "--rounds", "1")
    assert "inference, ONNX Runtime, one image" in text
    assert "one large product in ONNX Runtime reached" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_profile_names_blocks() -> None:
    text = _run("hierattn_xs", "--profile", "--size", "64", "--rounds", "1", "--no-onnx")
    assert "stages.0.cth" in text
    assert "stages.0.cth.transformer" in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hieratn_xs",), "did you mean hierattn_xs"),
        (("mobilenet_v2", "--profile", "--no-onnx"), "wanted hierattn_xs"),
        (("--device", "tpu"), "wanted cpu, or cuda"),
    ],
)
def test_bad_use_is_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _run(*arguments)
