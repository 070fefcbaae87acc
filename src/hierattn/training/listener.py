"""What a person sees while training: images per second, time left, and one line an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hierattn.run_folder import epoch_number


class Listener(Protocol):
    """Is told of every step and epoch. Must not change anything."""

    def start(self, steps: int, done: int) -> None:
        """The run has ``steps`` optimiser steps, of which ``done`` are done."""

    def step(self, epoch: int, loss: float | None, images_per_second: float) -> None:
        """One step is done; the loss is given only where it was read anyway."""

    def epoch(self, row: Mapping[str, float], best: bool) -> None:
        """An epoch is done; ``row`` goes into the log."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def stop(self) -> None:
        """The run ends, for whatever reason."""


class Silent:
    """Does nothing."""

    def start(self, steps: int, done: int) -> None:
        """Nothing."""

    def step(self, epoch: int, loss: float | None, images_per_second: float) -> None:
        """Nothing."""

    def epoch(self, row: Mapping[str, float], best: bool) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Bar:
    """A Rich progress bar over all steps, and a line for every epoch above it."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self.progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self.task = self.progress.add_task("training", total=None, speed="")
        self.header = False

    def start(self, steps: int, done: int) -> None:
        """Show the bar."""
        self.progress.update(self.task, total=steps, completed=done)
        self.progress.start()

    def step(self, epoch: int, loss: float | None, images_per_second: float) -> None:
        """Move the bar."""
        shown = "" if loss is None else f"loss {loss:.3f}  "
        self.progress.update(
            self.task,
            advance=1,
            description=f"epoch {epoch_number(epoch)}/{self.epochs}",
            speed=f"{shown}{images_per_second:.0f} images/s",
        )

    def epoch(self, row: Mapping[str, float], best: bool) -> None:
        """Print the epoch's figures; a star marks the best so far."""
        if not self.header:
            heading = "epoch   train loss  top-1   validation loss  top-1  balanced    AUC   seconds"
            self.console.print(heading, style="dim", soft_wrap=True)
            self.header = True
        self.console.print(
            f"{int(row['epoch']) + 1:5d}   {row['train_loss']:10.3f}  {row['train_top1']:5.3f}   "
            f"{row['validation_loss']:15.3f}  {row['validation_top1']:5.3f}  {row['validation_balanced_accuracy']:8.3f}"
            f"  {row['validation_macro_auc']:5.3f}   {row['seconds']:7.1f} {'★' if best else ''}",
            soft_wrap=True,
        )

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, soft_wrap=True)

    def stop(self) -> None:
        """Take the bar down."""
        self.progress.stop()
