"""What answers are worth beside the photograph, over the outer folds of several runs together.

``python -m tools.results.questions RUN... --out results/pad-ufes-20/questions --command COMMAND`` reads evaluated runs
of one recipe that ask, one a fold, and writes ``questions.json`` and ``questions.md``: every photograph judged once, by
the run that has not seen it, with that run's own calibration and threshold.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from hierattn.errors import HierAttnError, UsageError
from hierattn.evaluation.asking.answered import Answered
from hierattn.evaluation.asking.figures import Part, answers_alone, measure_answers
from hierattn.evaluation.asking.records import ADVICE_BY, AnswersFigures, OfQuestion
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import read_calibration
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predict import Network
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.selection import outer_fold
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import write_json, write_text
from hierattn.shares import percent


def measure_runs(runs: Sequence[Path]) -> tuple[AnswersFigures, int, int]:
    """The figures of the runs' outer folds together, and of how many photographs and patients they are.

    Raises
    ------
    UsageError
        For a run that asks nothing, was not evaluated, or judges a fold that another judges.
    """
    parts: list[Part] = []
    questions, packed, folds = None, None, set()
    for folder in runs:
        trained = TrainedRun.open(folder)
        checkpoint = trained.checkpoint
        network = Network(checkpoint.build(), checkpoint.taxonomy, checkpoint.image_spec)
        calibration = read_calibration(EvaluationFolder(trained.run.evaluation).calibration)
        if calibration.answers_temperature is None or not network.asks:
            raise UsageError(f"{folder} asks nothing, or was evaluated before it could: evaluate it again")
        if trained.fold in folds:
            raise UsageError(f"{folder} judges fold {trained.fold}, as another does: wanted one run a fold")
        folds.add(trained.fold)
        packed = packed or trained.open_own_set()
        part = Part(
            Answered.of(network, packed, outer_fold(packed, trained).rows),
            answers_alone(network, packed, trained),
            calibration,
            calibration.answers_temperature,
        )
        parts.append(part)
        questions = questions or network.taxonomy.questions
    assert questions is not None
    tables = [part.test.photograph for part in parts]
    groups = {group for table in tables for group in table.groups}
    return measure_answers(parts, questions), sum(map(len, tables)), len(groups)


def page(figures: AnswersFigures, images: int, patients: int, command: str) -> str:
    """``questions.md``."""
    lines = [
        "# What answers are worth beside the photograph",
        "",
        f"{images} photographs of {patients} lesions or patients, each judged by a run that has not seen it. Balanced "
        "accuracy and the expected calibration error (15 bins) after each run's own calibration; 95 % intervals over "
        "lesions and patients. *Answers alone* is a logistic regression. Gain: both less the photograph alone, paired.",
        "",
        f"Asked: {', '.join(figures.questions)}.",
        "",
        *_table(
            ("answers hidden", "photograph alone", "answers alone", "both", "gain", "ECE, photograph", "ECE, both"),
            (
                (
                    percent(row.missing), _share(row.photograph), _share(row.answers),
                    _share(row.both),
                    f"{row.gain.value:+.3f}" + _between(row.gain.interval), _number(row.ece_photograph),
                    _number(row.ece_both),
                )
                for row in figures.missing
            ),
        ),
        "",
        *_by_biopsy(figures),
        "Each question: of how many it is answered, what balanced accuracy loses without it, and how often it turns "
        "the advice, without the rule:",
        "",
        *_table(
            ("question", *_known_heads(figures), "gain", "raises the advice", "lowers it"),
            (
                (
                    row.name, *_known(figures, row),
                    f"{row.gain.value:+.3f}" + _between(row.gain.interval), _percent(row.raised), _percent(row.lowered),
                )
                for row in figures.asked
            ),
        ),
        "",
        "The advice at each run's own threshold:",
        "",
        *_table(
            ("by", "dangerous ones sent to a doctor", "others not sent"),
            ((ADVICE_BY[row.by], _share(row.sensitivity), _share(row.specificity)) for row in figures.advice),
        ),
        "",
        "Made by:",
        "",
        *(f"    {line}" for line in command.splitlines()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _by_biopsy(figures: AnswersFigures) -> list[str]:
    if not figures.by_biopsy:
        return []
    return [
        "Split by whether tissue was taken, which follows the doctor's suspicion (answers as they are):",
        "",
        *_table(
            ("biopsied", "photographs", "classes", "photograph alone", "answers alone", "both"),
            (
                (row.biopsied, row.images, row.classes, *map(_share, (row.photograph, row.answers, row.both)))
                for row in figures.by_biopsy
            ),
        ),
        "",
    ]


def _known_heads(figures: AnswersFigures) -> tuple[str, ...]:
    return ("known, biopsied", "known, not") if figures.by_biopsy else ("known",)


def _known(figures: AnswersFigures, row: OfQuestion) -> tuple[str, ...]:
    shares = (row.known_biopsied, row.known_not_biopsied) if figures.by_biopsy else (row.known,)
    return tuple(map(_percent, shares))


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def _share(estimate: Estimate) -> str:
    return _number(estimate.value) + _between(estimate.interval)


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else percent(value, 1)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--command", default="", help="how the runs were made, for the page")
    asked = parser.parse_args()
    try:
        figures, images, patients = measure_runs(asked.runs)
    except HierAttnError as error:
        raise SystemExit(str(error)) from None
    asked.out.mkdir(parents=True, exist_ok=True)
    write_json(asked.out / "questions.json", {"images": images, **to_plain(figures)})
    text = page(figures, images, patients, asked.command)
    write_text(asked.out / "questions.md", text)


if __name__ == "__main__":
    main()
