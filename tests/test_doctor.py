"""``hierattn doctor`` tells the truth about what is installed; the light install is asked in test_package.py."""

from __future__ import annotations

import json
import sys
from importlib import metadata

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from hierattn.cli import doctor
from hierattn.cli.main import app, main


def ask(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["doctor", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_versions_are_those_of_the_installed_distributions():
    found = json.loads(ask("--json"))
    for extra in ("base", "train"):
        for name, package in found["extras"][extra]["packages"].items():
            assert package["version"] == metadata.version(name)
            assert package["usable"]


def test_device_is_torch_s():
    import torch

    device = json.loads(ask("--json"))["device"]
    assert device["torch"]["threads"] == torch.get_num_threads()
    assert (device["torch"]["device"] == "cuda") == torch.cuda.is_available()
    assert device["cores"] >= 1


def test_every_command_is_named_and_the_table_names_no_unknown_extra():
    found = json.loads(ask("--json"))
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert commands <= set(found["commands"])
    assert set(doctor.EXTRA_OF_COMMAND.values()) <= {"base", "train", "serve", "mobile", "cluster"}


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("2.11.0", ">=2.11"), ("2.9.1", ">=2.11"), ("0.4.5", ">=0.4.5"), ("10.3", ">=9.99"), ("1.0", ">=1.0.1")],
)
def test_comparison_of_versions_is_that_of_packaging(version, wanted):
    assert doctor.is_enough(version, wanted) == (Version(version) >= Version(wanted.removeprefix(">=")))


def test_missing_and_old_packages_make_a_command_unready(monkeypatch):
    truth = metadata.version

    def pretended(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "typer" else truth(name)

    monkeypatch.setattr(metadata, "version", pretended)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    found = json.loads(ask("--json", code=1))
    assert found["extras"]["train"]["packages"]["torch"] == {"version": None, "wanted": ">=2.11", "usable": False}
    assert not found["extras"]["base"]["packages"]["typer"]["usable"]
    assert found["commands"]["predict"]["install"].startswith("pip install --upgrade 'hierattn")
    assert found["commands"]["train"]["install"].startswith("pip install 'hierattn[train]")
    shown = ask(code=1)
    assert found["commands"]["train"]["install"] in shown
    assert "missing" in shown


def test_a_missing_package_in_any_command_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)  # as Python marks a module that cannot be imported
    monkeypatch.setattr(sys, "argv", ["hierattn", "train", "quicktest"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("hierattn: torch is not installed")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "pip install 'hierattn[train]'"),
        ('{"url": "file:///clone", "dir_info": {}}', "pip install 'hierattn[train] @ file:///clone'"),
    ],
)
def test_what_is_missing_is_installed_from_where_hierattn_came(monkeypatch, origin, wanted):
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return origin

    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution())
    assert doctor._install("train") == wanted


def test_missing_line_leaves_foreign_modules_alone():
    assert doctor.missing_line("no_such_module") is None
    assert "hierattn[train]" in (doctor.missing_line("timm.models") or "")
    assert doctor.missing_line(None) is None


def test_requirements_are_read_as_the_metadata_writes_them():
    lines = ["numpy>=1.26", "ray>=2.40; extra == 'cluster'", 'mkdocstrings[python]>=0.29; extra == "docs"']
    assert doctor.requirements_by_extra(lines) == {
        "base": {"numpy": ">=1.26"},
        "cluster": {"ray": ">=2.40"},
        "docs": {"mkdocstrings": ">=0.29"},
    }
