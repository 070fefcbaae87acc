"""``hierattn demo``: the whole main job on rendered lesions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import terminal
from hierattn.cli.recipes import SMALL_SET
from hierattn.files import FolderKind, check_replaceable, write_contents
from hierattn.shares import percent

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.bundle.bundle import Bundle

PARTS = ("rendered", "prepared", "run", "lesions.onnx")
DEMO = FolderKind(
    "a demo",
    mark=".hierattn-demo",
    older=("rendered/*", "prepared/*", "run/*", "lesions.onnx*", ".*.part/*", ".*.lock"),  # of one that was stopped
)


def run(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything that the demo makes.")] = Path(
        "hierattn-demo"
    ),
    images: Annotated[int, typer.Option(help="How many photographs to render.")] = SMALL_SET,
    size: Annotated[int, typer.Option(help="Image size of the network in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="Another seed gives another set and another run.")] = 0,
    epochs: Annotated[int, typer.Option(help="Training epochs; 0: the recipe's.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo in --out.")] = False,
) -> None:
    """Run the whole pipeline once: render, prepare, train, evaluate, export, predict.

    Renders a set of dermoscopy-like lesions (no photograph of a person is needed), prepares it with folds that keep a
    lesion's photographs together, trains HierAttn_xs for a few minutes, evaluates it on the held-out outer fold,
    exports one ONNX file, predicts one lesion with it and with the released model where one is installed, and says
    where the report is. Each step prints the command that does the same on its own.

        hierattn demo --out demo
    """
    from hierattn.cli import evaluate, export, predict, prepare, render, train
    from hierattn.data.rendered.rendered_set import render_set

    console = terminal()
    _make_room(out, overwrite=overwrite)
    began = time.perf_counter()
    rendered, prepared, trained, bundle = (out / name for name in PARTS)

    with _step(console, f"hierattn render {rendered} --images {images} --size {2 * size} --seed {seed}"):
        render_set(rendered, images=images, size=2 * size, seed=seed, jobs=render.processes(images))
    with _step(console, f"hierattn prepare {rendered} {prepared} --size {size} --folds 5"):
        prepare.run([rendered], prepared, size=size, folds=5, seed=seed)
    overrides = [f"seed={seed}"] + ([f"optimiser.epochs={epochs}"] if epochs else [])
    with _step(console, f"hierattn train quicktest {' '.join(overrides)} --data {prepared} --out {trained}"):
        train.run("quicktest", overrides, data=prepared, out=trained)
    with _step(console, f"hierattn evaluate {trained}"):
        evaluate.run(str(trained))
    with _step(console, f"hierattn export {trained} {bundle}"):
        export.run(trained, bundle)
    photograph = _outer_photograph(prepared)
    with _step(console, f"hierattn predict {photograph} --model {bundle}"):
        predict.run([photograph], model=str(bundle))
    _ask_released(console, photograph)
    write_contents(out, DEMO)
    console.print(
        f"\nDone in {time.perf_counter() - began:.0f} s. Report: {trained / 'evaluation' / 'report.html'}",
        soft_wrap=True,
    )


def _make_room(out: Path, *, overwrite: bool) -> None:
    """Make the demo's folder; an earlier demo is removed with ``overwrite``, unless somebody added to it."""
    import shutil

    from hierattn.errors import UsageError

    check_replaceable(out, DEMO)
    if (out / DEMO.mark).exists():
        if not overwrite:
            raise UsageError(f"{out} holds an earlier demo: choose another --out, or replace it with --overwrite")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / DEMO.mark).touch()


def _ask_released(console: Console, photograph: Path) -> None:
    """Predict the rendered lesion with the released dermoscopy model, and say what that can and cannot show."""
    from hierattn.cli import predict
    from hierattn.deploy.predict.predictor import Predictor
    from hierattn.deploy.predict.released import is_released
    from hierattn.preprocessing.photo_quality import UNLIKE

    domain = "dermoscopy"
    if not is_released(domain):
        console.print(f"\nNo model for {domain} came with this hierattn: the demo ends with the one it has just made.")
        return
    with _step(console, f"hierattn predict {photograph} --domain {domain}"):
        predict.run([photograph], domain=domain)
    predictor = Predictor.released(domain, threads=1)
    unlike = UNLIKE in predictor(photograph).quality.problems
    console.print(f"\n{_limits(predictor.bundle, noticed=unlike)}", soft_wrap=True)


def _limits(bundle: Bundle, *, noticed: bool) -> str:
    """What the released model's answer for a drawing means, and what the model is known to miss."""
    source = bundle.training_data.get("source", "its own photographs")
    limits = f"The released model was trained on photographs ({source}), and this lesion is drawn. " + (
        "It noticed: a picture unlike all its training photographs is rejected, and its percentages mean nothing."
        if noticed
        else "It did not notice, and answered: a picture that is not rejected may still get a wrong answer."
    )
    triage = bundle.triage
    if triage.sensitivity is None:
        return limits
    share = percent(triage.sensitivity, 1)
    missed = ", and so missed some" if triage.sensitivity < 1 else ""
    return (
        f"{limits} On {triage.images:,} photographs like its own that it had never seen, it sent {share} of the "
        f"dangerous lesions to a doctor{missed}. On photographs from other sources it does worse: "
        "docs/released-models.md."
    )


@contextmanager
def _step(console: Console, command: str) -> Iterator[None]:
    console.print(f"\n$ {command}", style="bold cyan", soft_wrap=True)
    began = time.perf_counter()
    yield
    console.print(f"({time.perf_counter() - began:.1f} s)", style="dim")


def _outer_photograph(prepared: Path) -> Path:
    """A melanoma of the fold that training did not see."""
    from hierattn.data.prepared_set.packed import PackedSet

    records = PackedSet.open(prepared).records
    melanoma = next(record for record in records if record.fold == 0 and record.label == "MEL")
    path = (prepared / melanoma.image).resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
