"""``hierattn benchmark``: measurements of both sides in one run, reported as ratios; each subcommand is its own file."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Measure speed: every benchmark runs both sides interleaved in one process and reports ratios.",
)
