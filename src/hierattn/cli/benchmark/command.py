"""``hierattn benchmark``: both sides measured in one run, reported as ratios; each subcommand is its own file."""

from __future__ import annotations

import typer

from hierattn.cli.benchmark import inference as benchmark_inference
from hierattn.cli.benchmark import models as benchmark_models
from hierattn.cli.benchmark import preparation as benchmark_preparation
from hierattn.cli.benchmark import training as benchmark_training

app = typer.Typer(
    no_args_is_help=True,
    help="Measure speed: each benchmark runs both sides in turns, in one process, and reports ratios.",
)
app.command("inference")(benchmark_inference.run)
app.command("models")(benchmark_models.run)
app.command("preparation")(benchmark_preparation.run)
app.command("training")(benchmark_training.run)
