"""The ``hierattn`` command: collects the commands and turns our errors into one line and an exit code.

Only the command that is called is imported: the others would take as long as a prediction. ``app`` has all of them.

Exit codes: 0 done, 1 failure (also where a command was stopped, by Ctrl-C or SIGTERM), 2 bad use.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core

import hierattn
from hierattn.cli.console import use_any_console
from hierattn.data.prepared_set.looker import looking_by
from hierattn.errors import HierAttnError, StoppedError

NARROW = 80
"""Terminals of fewer columns get help without panels, which would cut the options' names."""

KEPT = {
    "prepare": "what was done is kept beside OUT; the same command resumes",
    "balance": "features and hardness so far are kept; the same command resumes",
    "train": "the last saved state is kept; the same command with --resume goes on from it",
    "crossval": "finished folds and saved states are kept; the same command resumes",
    "compare": "finished folds and evaluations are kept; the same command resumes",
    "ablate": "finished folds and evaluations are kept; the same command resumes",
    "fetch": "what was downloaded is kept; the same command resumes",
    "similar": "the features so far are kept; the same command resumes",
    "demo": "the same command with --overwrite begins again",
}
"""What is said of a command that was stopped; of any other, that nothing was written."""

_WRITES_NOTHING = "hierattn.cli.writes_nothing"


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class _Commands(typer.core.TyperGroup):
    """The commands; Ctrl-C and SIGTERM end one with a line that says what is kept."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        try:
            return super().make_context(*args, **options)
        except KeyboardInterrupt:  # Typer would leave without a word, by another exit code
            raise StoppedError("run the same command again") from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Of each command, whose looks at an outer fold bear its name."""
        ctx.meta[_WRITES_NOTHING] = "--dry-run" in args
        found = super().resolve_command(ctx, args)
        ctx.with_resource(looking_by(found[0] or ""))
        return found

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            command = "" if ctx.meta.get(_WRITES_NOTHING) else ctx.invoked_subcommand or ""
            raise StoppedError(KEPT.get(command, "nothing of it was written; run the same command again")) from None


def _version(show: bool) -> None:
    if show:
        typer.echo(f"hierattn {hierattn.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train, honestly evaluate and ship a small skin-lesion classifier (HierAttn).

    Each step reads files and writes files: prepare → train → evaluate → export → predict. To start: hierattn demo

    Not a medical device.
    """


_START, _DATA, _TRAINING = "Start here", "Data", "Training"
_EVALUATION, _USE = "Evaluation", "Use a trained model"

COMMANDS = {
    "demo": ("demo", _START),
    "doctor": ("doctor", _START),
    "fetch": ("fetch", _DATA),
    "prepare": ("prepare", _DATA),
    "balance": ("balance", _DATA),
    "audit": ("audit", _DATA),
    "render": ("render", _DATA),
    "models": ("models", _TRAINING),
    "recipes": ("recipes", _TRAINING),
    "freeze": ("freeze", _EVALUATION),
    "train": ("train", _TRAINING),
    "crossval": ("crossval", _TRAINING),
    "evaluate": ("evaluate", _EVALUATION),
    "shift": ("shift", _EVALUATION),
    "compare": ("experiments.compare", _EVALUATION),
    "ablate": ("experiments.ablate", _EVALUATION),
    "paper": ("experiments.paper", _EVALUATION),
    "submit": ("evidence.submit", _EVALUATION),
    "card": ("card", _EVALUATION),
    "export": ("export", _USE),
    "recalibrate": ("evidence.recalibrate", _USE),
    "push": ("hub.push", _USE),
    "predict": ("predict", _USE),
    "similar": ("evidence.similar", _USE),
    "serve": ("serve", _USE),
    "benchmark": ("benchmark.command", _USE),
}
"""Name -> the module below ``hierattn.cli`` that has its ``run`` or ``app``, and its heading; in the help's order."""


def command_line(only: str | None = None) -> typer.Typer:
    """All commands, or one of them alone; what is left out is not imported."""
    made = typer.Typer(
        name="hierattn",
        cls=_Commands,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
    )
    made.callback()(_root)
    for name, (place, heading) in COMMANDS.items():
        if only in (None, name):
            module = import_module(f"hierattn.cli.{place}")
            if hasattr(module, "app"):
                made.add_typer(module.app, name=name, rich_help_panel=heading)
            else:
                made.command(name, rich_help_panel=heading)(module.run)
    return made


_all = cache(command_line)


def __getattr__(name: str) -> Any:
    if name == "app":
        return _all()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run the command line; what the console script calls."""
    use_any_console()
    _stop_on_sigterm()
    try:
        try:
            asked = sys.argv[1] if len(sys.argv) > 1 else ""
            alone = asked in (*COMMANDS, "--version") and asked != "doctor"  # which lists all commands
            app = command_line(asked) if alone else sys.modules[__name__].app
            _fit_help_to(app, shutil.get_terminal_size().columns)
            app(prog_name="hierattn")
        finally:
            sys.stdout.flush()
    except HierAttnError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        from hierattn.cli.doctor import missing_line

        line = missing_line(error.name)
        if line is None:
            raise
        _fail(line, 1)
    except KeyboardInterrupt:
        _fail(str(StoppedError("run the same command again")), 1)
    except BrokenPipeError:  # the reader, head for instance, has left
        _drop_output()
        raise SystemExit(1) from None
    except OSError as error:
        if not error.filename:
            _drop_output()  # it may be standard output that cannot be written, and Python would try again at the end
        where = f" {error.filename}:" if error.filename else ""
        _fail(f"{where} {error.strerror or error}; check the path, its permissions and the free space".strip(), 1)
    except Exception as error:
        from hierattn.files import is_no_space

        if not is_no_space(error):  # a library may have covered it, in a temporary folder for instance
            raise
        _fail("a disk is full, or a quota is used up; free some space, and run the same command again", 1)


def _fit_help_to(app: typer.Typer, columns: int) -> None:
    """In a narrow terminal: plain help, in which no name of an option is cut."""
    narrow = columns < NARROW
    app.rich_markup_mode = None if narrow else "markdown"
    _SETTINGS["terminal_width"] = columns if narrow else None


def _stop_on_sigterm() -> None:
    """Let SIGTERM end a command as Ctrl-C does, unless the system or a caller has other plans."""
    here = os.getpid()

    def stop(number: int, _frame: object) -> None:
        if os.getpid() == here:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a forked process of ours
        os.kill(os.getpid(), number)

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)


def _drop_output() -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(line: str, code: int) -> None:
    print(f"hierattn: {' '.join(line.split())}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
