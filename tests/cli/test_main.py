"""``hierattn`` itself: each command explains itself, and everything that goes wrong is one line and an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import click
import numpy as np
import pytest
import typer
from PIL import Image

import hierattn as package
from hierattn.benchmarks.runtimes import RUNTIMES
from hierattn.cli import main as main_module
from hierattn.cli.experiments.ablate import ABLATIONS
from hierattn.cli.main import app, main
from hierattn.cli.recipes import built_in_recipes
from hierattn.data.balance.protocol import VARIANTS
from hierattn.data.sets.catalog import PUBLIC_SETS
from hierattn.data.sets.layouts import LAYOUTS
from hierattn.deploy.export.int8 import PRECISIONS
from hierattn.deploy.predict.advice_texts import LANGUAGES
from hierattn.deploy.predict.released import NAMES
from hierattn.deploy.predict.triage import RULES
from hierattn.errors import HierAttnError, LeakError, RecipeError
from hierattn.models.registry import list_models


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


@pytest.mark.parametrize("columns", [30, 40, 60, 79, 80, 120])
def test_no_name_of_an_option_or_command_is_cut_in_any_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    for name, command in {**COMMANDS, "hierattn": typer.main.get_command(app)}.items():
        monkeypatch.setattr(sys, "argv", [*name.split(), "--help"])
        with pytest.raises(SystemExit):
            main()
        words = capsys.readouterr().out.replace(",", " ").replace("/", " ").split()
        for option in (option for each in command.params for option in (*each.opts, *each.secondary_opts)):
            if option.startswith("-"):
                assert option in words, f"{name}: {option} in {columns} columns"
        for inner in getattr(command, "commands", {}):
            assert inner in words, f"{name}: {inner} in {columns} columns"


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
        (["card", "none"], "no folder none: wanted a run folder"),
        (["card", "none", "--json"], "no folder none: wanted a run folder"),
        (["compare", "none"], "no run folder at none"),
        (["compare", "=none"], "'=none': wanted NAME=PATH"),
        (["compare", "xs="], "'xs=': wanted NAME=PATH"),
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
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main_module, "app", fail)
    assert refused(code).startswith(f"hierattn: {line}")


@pytest.mark.parametrize("words", [["models"], ["predict", "--help"]])
def test_stopped_while_its_words_are_read_it_says_so(refused, monkeypatch, words):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module.typer.core.TyperGroup, "parse_args", stop)
    assert refused(1, *words).startswith("hierattn: stopped; run the same command again")


@pytest.mark.parametrize("error", [ValueError("our own mistake"), ModuleNotFoundError("No module", name="no_such")])
def test_what_we_cannot_explain_keeps_its_traceback(monkeypatch, error):
    def fail(**_: object) -> None:
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


COMPLETED = {
    "predict --domain": {"dermoscopy", "phone"},
    "predict --language": set(LANGUAGES),
    "predict --rule": set(RULES),
    "serve --model": set(NAMES),
    "prepare --layout": {"auto", *(layout.name for layout in LAYOUTS)},
    "train": set(built_in_recipes()),
    "crossval": set(built_in_recipes()),
    "recipes": set(built_in_recipes()),
    "compare --recipe": set(built_in_recipes()),
    "ablate": set(ABLATIONS),
    "ablate skip --recipe": set(built_in_recipes()),
    "balance --variant": set(VARIANTS),
    "fetch": {*PUBLIC_SETS, "imagenet"},
    "export --precision": set(PRECISIONS),
    "evaluate": {f"released:{name}" for name in NAMES},
    "benchmark inference": set(list_models()),
    "benchmark inference --runtimes": set(RUNTIMES),
    "benchmark models": set(list_models()),
}
"""What stands before the value -> the values, from their owners."""


def completed(*words: str) -> set[str]:
    """What bash is told when the user asks for completion after ``hierattn WORDS``; the last word is unfinished."""
    code = "import sys; sys.argv = ['hierattn']; from hierattn.cli.main import main; main()"
    asked = {"_HIERATTN_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["hierattn", *words])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked | {"COMP_CWORD": str(len(words))},
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize("words", COMPLETED)
def test_a_value_completes_to_what_its_owner_takes(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hierattn"])
    monkeypatch.setenv("_HIERATTN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"hierattn {words} ")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) + 1))
    with pytest.raises(SystemExit):
        main()
    assert set(capsys.readouterr().out.split()) == COMPLETED[words]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["predict", "--domain", "ph"], {"phone"}),
        (["train", "quickt"], {"quicktest"}),
        (["compare", "--recipe", "mine=quickt"], {"mine=quicktest"}),
        (["benchmark", "inference", "--runtimes", "onnx,bu"], {"onnx,bundle"}),
        (["predict", "--domain", "x"], set()),
    ],
)
def test_a_begun_value_is_finished(words, values):
    assert completed(*words) == values


def test_completion_needs_no_torch(tmp_path):
    for module in ("torch", "numpy", "rich"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").write_text("raise RuntimeError('completion imports this')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", path)
        assert "hierattn_xs" in completed("benchmark", "models", "hier")
        assert "isic2019/hierattn_s" in completed("train", "isic2019/")


STOPPED = {
    "render": (["out", "--images", "20000"], "nothing of it was written"),
    "prepare": (["photos", "out", "--size", "512"], "the same command resumes"),
    "predict": (["--batch", "photos", "--out", "t.csv", "--jobs", "1"], "the same command resumes"),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", STOPPED)
def test_a_stopped_command_says_what_is_kept(command, number, tmp_path):
    words, said = STOPPED[command]
    for code in ("MEL", "NV"):
        (tmp_path / "photos" / code).mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), dtype=np.uint8)
    for image in range(200):
        code = "MEL" if image % 2 else "NV"
        Image.fromarray(np.roll(noise, image, axis=0)).save(tmp_path / "photos" / code / f"{image}.bmp")
    process = subprocess.Popen(
        [sys.executable, "-m", "hierattn", command, *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    made = lambda: [path for path in tmp_path.iterdir() if path.name != "photos"]  # noqa: E731
    while process.poll() is None and not made():
        time.sleep(0.02)
    process.send_signal(number)
    error = process.communicate()[1]
    last = error.splitlines()[-1]
    assert (process.returncode, "Traceback" in error) == (1, False), error
    assert last.startswith("hierattn: stopped; ")
    assert said in last
    assert not (tmp_path / "out").exists()


def test_a_dry_run_that_is_stopped_promises_nothing_that_it_kept(refused, monkeypatch, tmp_path):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hierattn.data.prepare.dry_run.dry_run", stop)
    monkeypatch.setattr("hierattn.data.prepare.prepare.prepare", stop)
    words = ("prepare", str(tmp_path), str(tmp_path / "out"))
    assert "the same command resumes" in refused(1, *words)
    assert "nothing of it was written" in refused(1, *words, "--dry-run")
