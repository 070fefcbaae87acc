"""``hierattn predict``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal
from hierattn.cli.which_model import DomainOption, ModelOption, RuntimeOption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hierattn.deploy.archive.archive import ArchiveOptions
    from hierattn.deploy.predict.photo_file import PhotoFile
    from hierattn.deploy.predict.predictor import Diagnosis, Predictor
    from hierattn.image_spec import CropRule

BAR = 24
"""Characters of a probability's bar."""

OUTCOMES = ("see_soon", "have_checked", "watch", "retake", "refused")
NO_ADVICE = "no_advice"
"""Of a photograph that is fit, by a model whose classes do not say which need a doctor."""
_SHOWN = 20
"""What the summary of a batch counts, the most urgent first."""

_COLOURS = {"see_soon": "bold red", "have_checked": "bold yellow", "watch": "bold cyan", "retake": "bold magenta"}


def run(
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="Photographs or DICOM files, or folders of them.")
    ] = None,
    model: ModelOption = None,
    domain: DomainOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object an image.")] = False,
    rule: Annotated[
        str,
        typer.Option(
            help="risk: summed calibrated risk against a threshold. paper: one class above 50 %, §5.",
            autocompletion=completing("risk", "paper"),
        ),
    ] = "risk",
    language: Annotated[
        str, typer.Option(help="Of the advice: en, pt or zh.", autocompletion=completing("en", "pt", "zh"))
    ] = "en",
    heatmap: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Save a heat map for the top class; one image only.")
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An answer to a question of the model's, e.g. grew=yes; repeatable."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Answers: a JSON object for every image; with --batch a CSV with a row a photograph."
        ),
    ] = None,
    answers_from_header: Annotated[
        bool, typer.Option("--answers-from-header", help="Take age and sex from DICOM headers, where the model asks.")
    ] = False,
    threads: Annotated[int, typer.Option(help="CPU threads; 0: one per core, up to 4.")] = 0,
    runtime: RuntimeOption = "onnxruntime",
    batch: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Predict for a whole archive: every file in and under it.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="TABLE.csv", help="The table of --batch.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes of --batch; 0: one per core.")] = 0,
    dicom_sr: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a DICOM-SR there for each DICOM file with an answer.")
    ] = None,
) -> None:
    """Classify photographs of skin lesions: calibrated probabilities, and what to do next.

    Needs no torch and no network: photographs stay on this machine. A photograph that is unfit gets advice and no
    percentages. An image that cannot be read gets one line, and the others still get their answer.

    Without --model a released model answers: for photographs taken through a dermatoscope, or with a phone by
    --domain phone. dermoscopy-large is three times the size of the first and sees more. Released models are for
    non-commercial use only.

        hierattn predict photo.jpg

        hierattn predict photo.jpg --model dermoscopy-large

        hierattn predict photo.jpg --domain phone

        hierattn predict photos/ --model model.onnx --json > answers.json

        hierattn predict --batch archive/ --out answers.csv

        hierattn predict photo.jpg --model asking.onnx --answer grew=yes --answer age=54

    A model that asks takes answers beside the photograph; 'unknown' is one of them, and what stands where nothing is
    said. Both results are shown. Answers never lower the advice that the photograph alone gives. Age and sex of a
    DICOM file are read with --answers-from-header, and never else; --answer goes before the header.

    A batch writes a row for every file, with the reason where it has no answer. The same command resumes a stopped one.
    Its --answers is a CSV: a column 'file', and one for each question that was asked.

        hierattn predict --batch archive/ --out table.csv --model asking.onnx --answers answers.csv

    Exit code: 0 where every file has its answer, 1 where one has none, with a batch and without; 2 where there is no
    file at all, or for another bad use.

    Not a medical device.
    """
    from hierattn.cli.which_model import choose_model, say_which
    from hierattn.deploy.predict.advice_texts import language_texts
    from hierattn.deploy.predict.dicom_photo import check_header_is_asked
    from hierattn.deploy.predict.predictor import Predictor, find_bundle
    from hierattn.errors import UsageError, require
    from hierattn.files import check_file_replaceable, cores
    from hierattn.taxonomy.questions import read_answers

    language_texts(language)  # an unknown language is refused before anything is loaded
    if dicom_sr is not None:
        require("highdicom", "dicom")
        if dicom_sr.exists() and not dicom_sr.is_dir():
            raise UsageError(f"--dicom-sr {dicom_sr} is a file: wanted a folder for the reports; choose another name")
    name = choose_model(model, domain)
    if batch is not None or out is not None:
        from hierattn.deploy.archive.archive import ArchiveOptions

        if batch is None or out is None or images or heatmap is not None:
            raise UsageError("--batch FOLDER and --out TABLE.csv go together, without IMAGE or --heatmap")
        if answer:
            raise UsageError("--answer with --batch: wanted --answers ANSWERS.csv, with a row a photograph")
        say_which(name)
        options = ArchiveOptions(jobs or cores(), rule, language, dicom_sr, answers, answers_from_header, runtime)
        _predict_archive(batch, out, name, options, as_json)
        return
    if not images:
        raise UsageError("no image: wanted photographs (hierattn predict photo.jpg), or --batch FOLDER --out TABLE.csv")
    paths = list(_expand(images))
    if heatmap is not None:
        from hierattn.deploy.predict.heatmap_picture import KIND, is_overlay

        if len(paths) != 1:
            raise UsageError(f"--heatmap with {len(paths)} images: wanted one; call it once for each")
        check_file_replaceable(heatmap, KIND, is_overlay, inputs=[*paths, find_bundle(name)])
    told = _given_answers(answer or [], answers)
    predictor = Predictor.load(name, threads=threads, runtime=runtime)
    told = read_answers(predictor.bundle.questions, told)
    if answers_from_header:
        check_header_is_asked(predictor.bundle.questions)
    say_which(name)
    report = None if dicom_sr is None else _reporter(dicom_sr, predictor, name)
    diagnoses = _answer(predictor, paths, name, heatmap, rule, language, report, told, answers_from_header)
    failed = _print_json(diagnoses) if as_json else _print_tables(diagnoses, len(paths))
    if failed:
        raise typer.Exit(1)


def _given_answers(words: Sequence[str], file: Path | None) -> dict[str, Any]:
    """The answers of ``--answers`` and ``--answer``, as they were given; the second goes before the first."""
    import json

    from hierattn.errors import UsageError

    given: dict[str, Any] = {}
    if file is not None:
        try:
            read = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or "it is no JSON"
            raise UsageError(f"--answers {file}: {reason}; wanted an object such as {{'grew': 'yes'}}") from None
        if not isinstance(read, dict):
            raise UsageError(f"--answers {file}: wanted one JSON object such as {{'grew': 'yes', 'age': 54}}")
        given = read
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--answer {word}: wanted NAME=VALUE, such as grew=yes")
        given[name.strip()] = value.strip()
    return given


def _predict_archive(folder: Path, out: Path, model: str, options: ArchiveOptions, as_json: bool) -> None:
    """Predict for an archive, with a bar on standard error and a summary on standard output; neither names a file."""
    from hierattn.cli.console import step_bars
    from hierattn.deploy.archive.archive import predict_archive
    from hierattn.deploy.archive.table import count_refused
    from hierattn.deploy.predict.triage import RULES
    from hierattn.errors import StoppedError, UsageError
    from hierattn.files import part_of

    if options.rule not in RULES:
        raise UsageError(f"triage rule {options.rule!r}: wanted one of {', '.join(RULES)}")
    try:
        with step_bars(terminal(stderr=True), as_json) as progress:
            counts = predict_archive(folder, out, model, options, progress=progress)
    except KeyboardInterrupt:
        raise StoppedError(f"the rows so far are in {part_of(out)}; the same command resumes") from None
    refused = count_refused(out)
    if as_json:
        outcomes = {name: counts[name] for name in _outcomes(counts)}
        print_json({"table": str(out), "files": counts.total(), **outcomes}, indent=None)
    else:
        summary = ", ".join(f"{name} {counts[name]}" for name in _outcomes(counts))
        without = f", {refused} of them without an answer" if refused else ""
        print(f"{counts.total()} new rows: {summary}\n{out} has a row for every file{without}. Not a medical device.")
    if refused:
        raise typer.Exit(1)


def _outcomes(counts: Counter[str]) -> list[str]:
    """The kinds of answers that are counted; without advice only where there are some."""
    return [*OUTCOMES, *([NO_ADVICE] if counts[NO_ADVICE] else [])]


def _expand(paths: list[Path]) -> Iterator[Path]:
    """Folders as the photographs in and under them, in the order of their names; everything else as it is.

    What cannot be read (a link that leads nowhere, a pipe) stays among them, and is refused with a line of its own.
    """
    from hierattn.data.source_table import first_few
    from hierattn.errors import UsageError
    from hierattn.preprocessing.photo_files import find_files, is_photograph, other_files

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        there = [found for found in find_files(path) if not found.read_as]
        inside = [found.name for found in there if found.problem or is_photograph(path / found.name)]
        if not inside:
            raise UsageError(f"no image in {path}: wanted photographs (.jpg, .png, .tif, .heic, .dcm); check the path")
        if others := other_files(sorted({found.name for found in there}.difference(inside))):
            print(f"hierattn: left out, for they are no photographs: {first_few(others)} in {path}", file=sys.stderr)
        yield from (path / name for name in inside)


WriteReport = Callable[[Path, "PhotoFile", "Diagnosis"], None]


def _answer(
    predictor: Predictor,
    paths: list[Path],
    name: str,
    heatmap: Path | None,
    rule: str,
    language: str,
    report: WriteReport | None,
    told: Mapping[str, str],
    from_header: bool,
) -> Iterator[tuple[Path, Diagnosis | str]]:
    """Each path with its diagnosis, or with the one line that says why there is none."""
    from hierattn.cli.which_model import other_domain_hint
    from hierattn.deploy.predict.dicom_photo import header_answers
    from hierattn.deploy.predict.photo_file import read_photo_file
    from hierattn.errors import ImageError

    for path in paths:
        try:
            photo = read_photo_file(path)
            drawn = heatmap is not None
            given = told
            if from_header and photo.header is not None:
                given = {**header_answers(photo.header, predictor.bundle.questions), **told}
            diagnosis = predictor(photo.pixels, heatmap=drawn, rule=rule, language=language, answers=given)
            if report is not None:
                report(path, photo, diagnosis)
        except ImageError as error:
            yield path, str(error)
            continue
        if heatmap is not None:
            if diagnosis.unfit:
                print(f"hierattn: {path} is unfit for an answer: its heat map means nothing", file=sys.stderr)
            _draw(photo, diagnosis, heatmap, predictor.bundle.image_spec.crop)
        if hint := other_domain_hint(name, photo.pixels, diagnosis):
            print(f"hierattn: {hint}", file=sys.stderr)
        yield path, diagnosis


def _reporter(folder: Path, predictor: Predictor, model: str) -> WriteReport:
    """What writes a DICOM-SR for a DICOM file; an image of another kind is refused, because it names no study."""
    from hierattn.deploy.archive.dicom_report import write_report
    from hierattn.deploy.predict.photo_file import digest_of
    from hierattn.deploy.predict.predictor import find_bundle
    from hierattn.errors import ImageError

    digest = digest_of(find_bundle(model).read_bytes())

    def report(path: Path, photo: PhotoFile, diagnosis: Diagnosis) -> None:
        if photo.header is None:
            raise ImageError(f"{path} is no DICOM file, so that --dicom-sr has no study to report in: leave it out")
        write_report(folder, photo.header, diagnosis, predictor.bundle, digest, name=str(path))

    return report


def _draw(photo: PhotoFile, diagnosis: Diagnosis, out: Path, rule: CropRule) -> None:
    from hierattn.bundle.bundle import FEWEST_CELLS
    from hierattn.deploy.predict.heatmap_picture import write_overlay
    from hierattn.deploy.predict.photo_input import crop_as_trained

    heatmap = diagnosis.heatmap_of(diagnosis.label)
    write_overlay(out, crop_as_trained(photo.pixels, rule)[0], heatmap)
    if min(heatmap.shape) < FEWEST_CELLS:
        cells = " x ".join(map(str, heatmap.shape))
        print(f"hierattn: the heat map has {cells} cells: too small to tell where the model looked", file=sys.stderr)


def _print_json(answers: Iterator[tuple[Path, Diagnosis | str]]) -> bool:
    """One JSON list; returns whether an image failed."""
    rows: list[dict[str, Any]] = []
    for path, answer in answers:
        rows.append({"image": str(path), **({"error": answer} if isinstance(answer, str) else answer.to_dict())})
    print_json(rows)
    return any("error" in row for row in rows)


def _print_tables(answers: Iterator[tuple[Path, Diagnosis | str]], count: int) -> bool:
    """In full for one image, a line each for several; returns whether an image failed."""
    console = terminal()
    failed = False
    last: Diagnosis | None = None
    for path, answer in answers:
        if isinstance(answer, str):
            failed = True
            print(f"hierattn: {' '.join(answer.split())}", file=sys.stderr)  # a name may hold a line's end
        elif count == 1:
            _print_one(console, path, answer)
        else:
            last = answer
            _print_line(console, path, answer)
    if last is not None:
        console.print()
        _print_limits(console, last, several=True)
    return failed


def _print_one(console: Console, path: Path, answer: Diagnosis) -> None:
    from rich.padding import Padding

    from hierattn.deploy.predict.advice_texts import language_texts

    texts = language_texts(answer.language)
    console.print(str(path), style="bold", soft_wrap=True)
    if not answer.unfit:
        print_table(console, _percentages(answer, texts, console.width))
    console.print()
    if answer.advice is None:
        console.print(answer.note)
    else:
        console.print(answer.advice.title, style=_COLOURS[answer.advice.level])
        console.print(answer.advice.why)
        for step in answer.advice.next_steps:
            console.print(Padding(f"• {step}", (0, 0, 0, 1)))
    for number, line in enumerate(answer.both_results):
        console.print(line if number else f"\n{line}")
    if answer.quality.values.get("cropped"):
        console.print(texts["note.cropped"], style="dim")
    console.print()
    _print_limits(console, answer)


def _percentages(answer: Diagnosis, texts: Mapping[str, str], width: int) -> Table:
    """Classes, bars and percentages; bars take what the other two leave, and go where that is little."""
    from rich.cells import cell_len
    from rich.table import Table

    from hierattn.deploy.predict.advice_texts import class_name
    from hierattn.shares import percent

    names = [class_name(each, answer.language) for each in answer.taxonomy.classes]
    values = answer.probabilities.items()
    rows = [
        (name if name == code else f"{name} ({code})", value) for name, (code, value) in zip(names, values, strict=True)
    ]
    rows.sort(key=lambda row: -row[1])
    if len(rows) > _SHOWN:
        rest = rows[_SHOWN - 1 :]
        rows = [*rows[: _SHOWN - 1], (texts["heading.rest"].format(count=len(rest)), sum(value for _, value in rest))]
    last = len(rows) + 1
    if answer.risk is not None:
        rows.append((texts["heading.risk"], answer.risk))
    bar = min(BAR, width - max(cell_len(name) for name, _ in rows) - len("  > 99 %"))
    table = Table(box=None, pad_edge=False)
    table.add_column(texts["heading.class"])
    if bar >= cell_len(texts["heading.probability"]):
        table.add_column(texts["heading.probability"], no_wrap=True)
    table.add_column("", justify="right")
    for number, (name, value) in enumerate(rows, start=1):
        drawn = [_bar(value, bar)] if len(table.columns) > 2 else []
        table.add_row(name, *drawn, percent(value), style="bold" if number == last else "")
    return table


def _print_line(console: Console, path: Path, answer: Diagnosis) -> None:
    from rich.text import Text

    from hierattn.shares import percent

    first = f"{answer.label} {percent(answer.probabilities[answer.label])}  "
    first += "" if answer.risk is None else f"risk {percent(answer.risk, int(answer.risk < 0.1))}  "
    level = ("", "") if answer.advice is None else (answer.advice.title, _COLOURS[answer.advice.level])
    console.print(Text.assemble(f"{path.name}  ", "" if answer.unfit else first, level), soft_wrap=True)


def _print_limits(console: Console, answer: Diagnosis, *, several: bool = False) -> None:
    from hierattn.deploy.predict.advice_texts import language_texts

    texts = language_texts(answer.language)
    general = texts["limits.answered" if answer.answers else "limits.general"]
    without = (*([answer.note] if several else []), general, texts["limits.device"])
    for line in without if answer.advice is None else answer.advice.limits:
        console.print(line, style="dim")
    console.print(f"{answer.model}; {answer.seconds * 1000:.0f} ms", style="dim")


def _bar(share: float, length: int = BAR) -> str:
    """A bar of eighths of a character.

    >>> _bar(0.5).strip() == "█" * 12
    True
    """
    eighths = round(share * length * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")).ljust(length)
