"""``hierattn predict``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.deploy.predictor import Diagnosis, Predictor
    from hierattn.image_spec import CropRule

BAR = 24
_COLOURS = {"see_soon": "bold red", "have_checked": "bold yellow", "watch": "bold cyan", "retake": "bold magenta"}


def run(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs, or folders of them.")],
    model: Annotated[
        str, typer.Option("--model", "-m", envvar="HIERATTN_MODEL", help="A bundle's path, or dermoscopy or phone.")
    ] = "dermoscopy",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object an image.")] = False,
    rule: Annotated[str, typer.Option(help="risk: summed, calibrated. paper: one class above 50 %, §5.")] = "risk",
    language: Annotated[str, typer.Option(help="Of the advice: en, pt or zh.")] = "en",
    heatmap: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw what spoke for the first class; one image only.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes the processor's, at most 4.")] = 0,
) -> None:
    """Say what a photograph of a skin lesion shows, how sure the model is, and what to do next.

    Needs no torch and no network: the photograph stays on this machine. An image that cannot be read gets one line,
    the others still get their answer, and the exit code is 1.

        hierattn predict photo.jpg --model model.onnx

        hierattn predict photos/ --model model.onnx --json > answers.json

    Not a medical device.
    """
    from hierattn.deploy.advice_texts import language_texts
    from hierattn.deploy.predictor import Predictor
    from hierattn.errors import UsageError

    language_texts(language)  # a wrong language is said before anything is loaded
    found = list(_expand(images))
    if heatmap is not None and len(found) != 1:
        raise UsageError(f"--heatmap with {len(found)} images: wanted one; call it once for each")
    predictor = Predictor.load(model, threads=threads)
    answers = _answer(predictor, found, heatmap, rule, language)
    failed = _print_json(answers) if as_json else _print_tables(answers, len(found))
    if failed:
        raise typer.Exit(1)


def _expand(paths: list[Path]) -> Iterator[Path]:
    """Folders as the images in them, in the order of their names; everything else as it is."""
    from hierattn.errors import UsageError
    from hierattn.photograph import SUFFIXES

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        if not inside:
            raise UsageError(f"no image in {path}: wanted files ending in {', '.join(sorted(SUFFIXES))}")
        yield from inside


def _answer(
    predictor: Predictor, paths: list[Path], heatmap: Path | None, rule: str, language: str
) -> Iterator[tuple[Path, Diagnosis | str]]:
    """Each path with its diagnosis, or with the one line that says why there is none."""
    from hierattn.errors import ImageError

    for path in paths:
        try:
            diagnosis = predictor(path, heatmap=heatmap is not None, rule=rule, language=language)
        except ImageError as error:
            yield path, str(error)
            continue
        if heatmap is not None:
            _draw(path, diagnosis, heatmap, predictor.bundle.image_spec.crop)
        yield path, diagnosis


def _draw(path: Path, diagnosis: Diagnosis, out: Path, rule: CropRule) -> None:
    from hierattn.deploy.heatmap_picture import write_overlay
    from hierattn.deploy.photo_input import crop_as_trained, to_photograph

    photo = to_photograph(path)
    write_overlay(out, crop_as_trained(photo, rule)[0], diagnosis.heatmap_of(diagnosis.label))


def _print_json(answers: Iterator[tuple[Path, Diagnosis | str]]) -> bool:
    """One JSON list; returns whether an image failed."""
    rows: list[dict[str, Any]] = []
    for path, answer in answers:
        rows.append({"image": str(path), **({"error": answer} if isinstance(answer, str) else answer.to_dict())})
    sys.stdout.write(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return any("error" in row for row in rows)


def _print_tables(answers: Iterator[tuple[Path, Diagnosis | str]], count: int) -> bool:
    """In full for one image, a line each for several; returns whether an image failed."""
    from rich.console import Console

    console = Console(highlight=False)
    failed = False
    last: Diagnosis | None = None
    for path, answer in answers:
        if isinstance(answer, str):
            failed = True
            print(f"hierattn: {answer}", file=sys.stderr)
        elif count == 1:
            _print_one(console, path, answer)
        else:
            last = answer
            _print_line(console, path, answer)
    if last is not None:
        console.print()
        _print_limits(console, last)
    return failed


def _print_one(console: Console, path: Path, answer: Diagnosis) -> None:
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    from hierattn.deploy.advice_texts import language_texts
    from hierattn.deploy.triage import percent

    texts = language_texts(answer.advice.language)
    table = Table(box=None, pad_edge=False, title=escape(str(path)), title_justify="left", title_style="bold")
    table.add_column(texts["heading.class"], no_wrap=True)
    table.add_column(texts["heading.probability"], no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    for code, value in sorted(answer.probabilities.items(), key=lambda item: -item[1]):
        table.add_row(f"{texts[f'class.{code}']} ({code})", _bar(value), percent(value))
    table.add_row(texts["heading.risk"], _bar(answer.risk), percent(answer.risk), style="bold", end_section=True)
    unfit = answer.advice.level == "retake"
    console.print(table, style="dim" if unfit else "")
    console.print()
    console.print(answer.advice.title, style=_COLOURS[answer.advice.level])
    console.print(answer.advice.why)
    for step in answer.advice.next_steps:
        console.print(Padding(f"• {step}", (0, 0, 0, 1)))
    if answer.quality.values.get("cropped"):
        console.print(texts["note.cropped"], style="dim")
    console.print()
    _print_limits(console, answer)


def _print_line(console: Console, path: Path, answer: Diagnosis) -> None:
    from rich.markup import escape

    from hierattn.deploy.triage import percent

    first = f"{answer.label} {percent(answer.probabilities[answer.label])}"
    level = f"[{_COLOURS[answer.advice.level]}]{answer.advice.title}[/]"
    console.print(f"{escape(path.name)}  {first}  risk {percent(answer.risk)}  {level}", soft_wrap=True)


def _print_limits(console: Console, answer: Diagnosis) -> None:
    for line in answer.advice.limits:
        console.print(line, style="dim")
    console.print(f"{answer.model}; {answer.seconds * 1000:.0f} ms", style="dim", markup=False)


def _bar(share: float) -> str:
    """A bar of eighths of a character.

    >>> _bar(0.5).strip() == "█" * 12
    True
    """
    eighths = round(share * BAR * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")).ljust(BAR)
