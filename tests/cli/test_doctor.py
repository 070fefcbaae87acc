"""``hierattn doctor`` tells the truth about what is installed; the light install is asked in test_package.py."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.version import Version
from typer.testing import CliRunner

from hierattn.cli import doctor
from hierattn.cli.main import app

# As it stands in the source: an editable install knows the extras of the day on which it was made.
PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


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
    assert set(doctor.EXTRA_OF_COMMAND) | set(doctor.OPTIONS_OF_COMMAND) <= set(found["commands"])
    named = {extra for options in doctor.OPTIONS_OF_COMMAND.values() for _, extra in options}
    assert named | set(doctor.EXTRA_OF_COMMAND.values()) <= {"base", *PROJECT["optional-dependencies"]}


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


SOURCE = Path(doctor.__file__).resolve().parents[2]
# Reached through code that is shared, by an option that this command does not offer.
SHARED = {
    "ablate": {"cluster", "heic", "mobile", "hdf5", "tables", "mlflow", "wandb"},
    "audit": {"heic", "tables", "mlflow", "wandb"},
    "balance": {"heic", "hdf5", "tables", "mlflow", "wandb"},
    "benchmark": {"cluster", "heic", "hdf5", "tables", "mlflow", "wandb"},
    "card": {"heic"},
    "compare": {"cluster", "heic", "mobile", "mlflow", "wandb"},
    "crossval": {"heic", "mobile"},
    "demo": {"openvino", "litert", "heic", "mobile", "dicom", "hdf5", "tables", "mlflow", "wandb"},
    "evaluate": {"heic"},
    "export": {"heic"},
    "push": {"openvino", "litert", "heic", "mobile"},
    "render": {"heic"},
    "serve": {"heic"},  # the service refuses HEIC before it is read
    "train": {"mobile"},
    "shift": {"heic", "mobile", "mlflow", "wandb"},
    "models": {"mlflow", "wandb"},
    "prepare": {"mlflow", "wandb"},
    "recalibrate": {"openvino", "mlflow", "wandb"},
    "recipes": {"mlflow", "wandb"},
    "similar": {"openvino", "heic", "mlflow", "wandb"},
    "submit": {"openvino"},
}


def file_of(module: str) -> Path | None:
    place = SOURCE / Path(*module.split("."))
    return next((file for file in (place.with_name(f"{place.name}.py"), place / "__init__.py") if file.is_file()), None)


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports_in(node: ast.AST) -> Iterator[str]:
    """Every module that is imported when the code runs: at the top, inside functions, by name in a string."""
    for child in ast.iter_child_nodes(node):
        if is_for_types_only(child):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.Call) and ast.unparse(child.func) == "require":
            yield from (value.value for value in child.args[:1] if isinstance(value, ast.Constant))
        elif isinstance(child, ast.Constant) and re.fullmatch(r"hierattn(\.\w+)+:\w+", str(child.value)):
            yield str(child.value).partition(":")[0]
        yield from imports_in(child)


@cache
def imports_of(module: str) -> frozenset[str]:
    file = file_of(module)
    return frozenset(imports_in(ast.parse(file.read_text(encoding="utf-8")))) if file else frozenset()


def third_parties_of(module: str) -> set[str]:
    """What is imported, however late, by a module of ours and by all of ours that it imports; by top name."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [imported for imported in imports_of(name) if imported.startswith("hierattn.")]
    tops = {name.partition(".")[0] for one in seen for name in imports_of(one)}
    return tops - set(sys.stdlib_module_names) - {"hierattn"}


def brought_by(extra: str) -> set[str]:
    """The modules of the distributions that an extra installs, and of those that these require."""
    lines = PROJECT["dependencies"] if extra == "base" else PROJECT["optional-dependencies"][extra]
    waiting = [Requirement(line).name for line in lines]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        waiting += [one.name for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate()]
    installed = {top for top, names in distributions().items() if {n.lower().replace("_", "-") for n in names} & seen}
    return installed | {doctor._module_of(name) for name in seen}  # some have no wheel for every platform


distributions = cache(metadata.packages_distributions)


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))
def test_a_command_imports_what_its_extra_brings_and_its_extra_brings_what_it_imports(command):
    callback = {c.name: c.callback for c in app.registered_commands}.get(command)
    modules = [callback.__module__] if callback else ["hierattn.cli.benchmark.command"]
    if command == "doctor":  # it imports every command to list them, and torch to name the device
        return
    imported = set().union(*map(third_parties_of, modules))
    needs = doctor.EXTRA_OF_COMMAND.get(command, "train")
    optional = {extra for _, extra in doctor.OPTIONS_OF_COMMAND.get(command, ())}
    brought = brought_by("base") | brought_by(needs)
    lent = set().union(*map(brought_by, optional | SHARED.get(command, set())))
    assert imported <= brought | lent, f"{command} imports {sorted(imported - brought - lent)}"
    for extra in ({needs} - {"base"}) | optional:
        assert imported & (brought_by(extra) - brought_by("base")), f"{command} needs nothing of [{extra}]"


def test_what_an_option_needs_is_said_beside_the_command(monkeypatch):
    truth = metadata.version

    def pretended(name: str) -> str:
        if name in ("executorch", "ai-edge-litert", "litert-torch"):
            raise metadata.PackageNotFoundError(name)
        return truth(name)

    monkeypatch.setattr(metadata, "version", pretended)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    export = json.loads(ask("--json"))["commands"]["export"]
    assert export["ready"]
    assert [option["ready"] for option in export["options"]] == [False, False]
    shown = " ".join(ask().split())
    assert "Optional, for" in shown
    assert "hierattn[EXTRA]" in shown
    assert "OUT.pte (export)" in shown


def test_a_narrow_terminal_still_shows_every_name_and_version_whole():
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "40"})
    assert "…" not in result.output
    for name, package in json.loads(ask("--json"))["extras"]["base"]["packages"].items():
        assert re.search(rf"{name} +{re.escape(package['version'])}", result.output)
