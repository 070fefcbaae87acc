"""The ``hierattn`` command: collects the commands and turns our errors into one line and an exit code.

Exit codes: 0 done, 1 failure, 2 bad use.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import hierattn
from hierattn.cli import (
    ablate,
    balance,
    card,
    compare,
    crossval,
    demo,
    doctor,
    evaluate,
    export,
    fetch,
    models,
    paper,
    predict,
    prepare,
    recipes,
    render,
    serve,
    shift,
    train,
)
from hierattn.cli.benchmark import command as benchmark
from hierattn.errors import HierAttnError

app = typer.Typer(
    name="hierattn",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"hierattn {hierattn.__version__}")
        raise typer.Exit


@app.callback()
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

app.command("demo", rich_help_panel=_START)(demo.run)
app.command("doctor", rich_help_panel=_START)(doctor.run)
app.command("fetch", rich_help_panel=_DATA)(fetch.run)
app.command("prepare", rich_help_panel=_DATA)(prepare.run)
app.command("balance", rich_help_panel=_DATA)(balance.run)
app.command("render", rich_help_panel=_DATA)(render.run)
app.command("models", rich_help_panel=_TRAINING)(models.run)
app.command("recipes", rich_help_panel=_TRAINING)(recipes.run)
app.command("train", rich_help_panel=_TRAINING)(train.run)
app.command("crossval", rich_help_panel=_TRAINING)(crossval.run)
app.command("evaluate", rich_help_panel=_EVALUATION)(evaluate.run)
app.command("shift", rich_help_panel=_EVALUATION)(shift.run)
app.command("compare", rich_help_panel=_EVALUATION)(compare.run)
app.command("ablate", rich_help_panel=_EVALUATION)(ablate.run)
app.command("paper", rich_help_panel=_EVALUATION)(paper.run)
app.command("card", rich_help_panel=_EVALUATION)(card.run)
app.command("export", rich_help_panel=_USE)(export.run)
app.command("predict", rich_help_panel=_USE)(predict.run)
app.command("serve", rich_help_panel=_USE)(serve.run)
app.add_typer(benchmark.app, name="benchmark", rich_help_panel=_USE)


def main() -> None:
    """Run the command line; what the console script calls."""
    try:
        app()
    except HierAttnError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        line = doctor.missing_line(error.name)
        if line is None:
            raise
        _fail(line, 1)
    except KeyboardInterrupt:
        _fail("stopped", 1)
    except BrokenPipeError:  # the reader, head for instance, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        where = f" {error.filename}:" if error.filename else ""
        _fail(f"{where} {error.strerror or error}; check the path, its permissions and the free space".strip(), 1)


def _fail(line: str, code: int) -> None:
    print(f"hierattn: {' '.join(line.split())}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
