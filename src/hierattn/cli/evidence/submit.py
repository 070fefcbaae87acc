"""``hierattn submit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import completing, print_json, step_bars, terminal
from hierattn.cli.which_model import DomainOption, ModelOption
from hierattn.shares import fraction

if TYPE_CHECKING:
    from hierattn.deploy.predict.predictor import Predictor
    from hierattn.progress import Progress

NAMES = ("isic2018", "isic2019", "isic2020", "isic2024", "milk10k")


def run(
    folder: Annotated[
        Path, typer.Argument(metavar="TEST_FOLDER", help="The challenge's test photographs, in and under a folder.")
    ],
    challenge: Annotated[
        str, typer.Option("--challenge", "-c", help=f"{', '.join(NAMES)}.", autocompletion=completing(*NAMES))
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.csv", help="[default: CHALLENGE.csv]")
    ] = None,
    model: ModelOption = None,
    domain: DomainOption = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="TABLE.csv", help="The published truth of isic2018 or isic2019: score on it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON, and nothing else.")] = False,
) -> None:
    """Write exactly the file that a challenge takes, checked against its published rules.

    Every photograph gets the model's calibrated answer, also one that is unfit: a challenge wants all of them.
    isic2018 and isic2019 take a probability a class, isic2020 one of melanoma, isic2024 one of a malignant lesion,
    milk10k eleven a lesion, averaged over the photographs in its folder. Nothing is sent anywhere, no file is replaced.

        hierattn submit ISIC_2019_Test_Input --challenge isic2019

        hierattn submit ISIC2018_Task3_Test_Input -c isic2018 --truth ISIC2018_Task3_Test_GroundTruth.csv

    A folder that is not the whole test set gets its file, and a line that says so. Not a medical device.
    """
    from hierattn.cli.which_model import choose_model, say_which
    from hierattn.deploy.predict.predictor import Predictor
    from hierattn.errors import UsageError
    from hierattn.evaluation.challenges import find_challenge, ids_of, score_submission, sums_of, write_submission
    from hierattn.preprocessing.photo_files import find_files, is_photograph

    asked = find_challenge(challenge)
    path = out or Path(f"{asked.name}.csv")
    if path.exists():
        raise UsageError(f"{path} exists: a submission replaces nothing; name another with --out")
    if truth is not None and not asked.public_truth:
        raise UsageError(f"--truth with {challenge}: its test set's truth is not public; submit the file there")
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}: wanted the challenge's test photographs; check the path")
    files = [found.name for found in find_files(folder) if not found.read_as and is_photograph(folder / found.name)]
    if not files:
        raise UsageError(f"no photograph in {folder}: wanted the challenge's test photographs; check the path")
    ids_of(asked, files)
    name = choose_model(model, domain)
    predictor = Predictor.load(name)
    say_which(name)
    sums_of(asked, predictor.bundle.taxonomy)
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        answers = _answers(predictor, folder, files, progress)
    rows = write_submission(path, asked, files, answers, predictor.bundle.taxonomy)
    told: dict[str, Any] = {"file": str(path), "challenge": asked.name, "rows": rows, "wanted": asked.rows or None}
    lines = [f"{path}: {rows} rows in the form of {asked.name}, read again and checked."]
    if asked.rows and rows != asked.rows:
        lines.append(f"Not whole: the challenge wants {asked.rows:,} rows, and takes no other file.")
    if truth is not None:
        told["balanced_accuracy"], told["scored"] = score_submission(path, truth, asked)
        lines.append(f"Balanced accuracy {fraction(told['balanced_accuracy'])} on {told['scored']} rows of {truth}.")
    if as_json:
        print_json(told)
        return
    for line in (*lines, "Not a medical device."):
        console.print(line, soft_wrap=True)


def _answers(predictor: Predictor, folder: Path, files: list[str], progress: Progress | None) -> Any:
    """Calibrated probabilities of every photograph, (N, C).

    Raises
    ------
    ImageError
        Where one cannot be read: a submission without it is worth nothing.
    """
    import numpy as np

    from hierattn.deploy.predict.photo_file import read_photo_file
    from hierattn.progress import silent

    tell, rows = progress or silent, []
    for done, file in enumerate(files, start=1):
        rows.append(list(predictor(read_photo_file(folder / file).pixels).probabilities.values()))
        tell("answers", done, len(files))
    return np.array(rows)
