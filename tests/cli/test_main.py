"""``hierattn`` itself: each command explains itself, and everything that goes wrong is one line and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
import typer

import hierattn as package
from hierattn.cli import main as main_module
from hierattn.cli.main import app, main
from hierattn.errors import HierAttnError, LeakError, RecipeError


def commands(command: click.Command, name: str = "hierattn") -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield name, command
    for word, each in inner.items():
        yield from commands(each, f"{name} {word}")


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_argument_and_option_has_a_sentence_and_the_command_an_example(name):
    command = COMMANDS[name]
    for parameter in command.params:
        text = getattr(parameter, "help", None) or ""
        assert text.endswith((".", "]")), f"{name} {parameter.name}: {text!r}"
    first = (command.help or "").split("\n")[0]
    assert first.endswith((".", ":"))
    assert f"\n{name}" in "\n".join(map(str.lstrip, (command.help or "").splitlines())), "no example"


def test_help_lists_every_command_and_says_what_it_is_not(hierattn):
    shown = hierattn("--help")
    assert shown.code == 0
    for name in COMMANDS:
        assert f" {name.split()[1]} " in shown.out
    assert "Not a medical device" in shown.out


def test_version_is_the_packages(hierattn):
    assert hierattn("--version").out == f"hierattn {package.__version__}\n"


def test_without_a_word_it_shows_the_help_and_with_a_wrong_one_it_says_which(hierattn):
    assert "Usage" in hierattn().out
    for words, wrong in ((["trian"], "trian"), (["models", "--sise", "64"], "--sise"), (["train"], "recipe")):
        result = hierattn(*words)
        assert (result.code, result.out) == (2, "")
        assert wrong in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["card", "none"], "no evaluation in none"),
        (["card", "none", "--json"], "no evaluation in none"),
        (["compare", "none"], "no run folder at none"),
        (["compare", "--folds", "x"], "--folds 'x': wanted all, a range"),
        (["compare", "--recipe", "a=quicktest", "--protocol", "both"], "wanted --paper-data"),
        (["evaluate", "none"], "no run folder at none"),
        (["evaluate", "none", "--json"], "no run folder at none"),
        (["shift", "none"], "no run folder at none"),
        (["shift", "none", "--json"], "no run folder at none"),
    ],
)
def test_bad_use_is_one_line_and_touches_nothing(refused, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(2, *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RecipeError("unknown key\n  optimizer"), 2, "unknown key optimizer"),
        (LeakError("a lesion in two folds"), 1, "a lesion in two folds"),
        (KeyboardInterrupt(), 1, "stopped"),
        (OSError(28, "No space left on device", "a.csv"), 1, "a.csv: No space left on device; check the path"),
        (OSError("nobody knows why"), 1, "nobody knows why; check the path"),
    ],
)
def test_each_kind_of_failure_is_one_line_with_its_exit_code(refused, monkeypatch, error, code, line):
    def fail() -> None:
        raise error

    monkeypatch.setattr(main_module, "app", fail)
    assert refused(code).startswith(f"hierattn: {line}")


@pytest.mark.parametrize("error", [ValueError("our own mistake"), ModuleNotFoundError("No module", name="no_such")])
def test_what_we_cannot_explain_keeps_its_traceback(monkeypatch, error):
    def fail() -> None:
        raise error

    monkeypatch.setattr(main_module, "app", fail)
    assert not isinstance(error, HierAttnError)
    with pytest.raises(type(error)):
        main()


def test_a_missing_package_in_any_command_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)  # as Python marks a module that cannot be imported
    monkeypatch.setattr(sys, "argv", ["hierattn", "train", "quicktest"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("hierattn: torch is not installed")
    assert said.count("\n") == 1


def test_a_reader_who_leaves_gets_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        told = subprocess.run(
            [sys.executable, "-m", "hierattn", "recipes"], stdout=closed, stderr=subprocess.PIPE, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    assert (told.returncode, told.stderr) == (1, b"")
