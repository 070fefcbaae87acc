"""The tables of results/README.md: every run that is published alone, the pictures, and every comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hierattn.evaluation.comparison.tables import footnotes, markdown_table
from hierattn.evaluation.measures.classification import FEWEST_OF_CLASS, Classification
from hierattn.evaluation.predictions import rows_of
from hierattn.evaluation.records import to_plain
from tools.figure_text import figure, sensitivity
from tools.marked_text import write_between_marks
from tools.results.accuracy_size import FIGURES, PICTURE, sets_of
from tools.results.published import COMPARISON, OUTER, RESULTS, PublishedRun, published_comparisons, published_runs

COMMAND = "python -m tools.results.publish table"
HEADLINE = {
    "balanced accuracy": "balanced_accuracy",
    "top-1": "top1",
    "macro AUC": "macro_auc",
    "melanoma AUC": "melanoma_auc",
}
"""Column -> field of the report."""


def write_page(results: Path = RESULTS) -> None:
    """Put the tables between their marks in results/README.md."""
    write_between_marks(results / "README.md", COMMAND, tables(results))


def tables(results: Path = RESULTS) -> str:
    """The tables of all published results, in Markdown."""
    pictures = [f"![{PICTURE}: {name}]({FIGURES}/accuracy-size-{name}.svg)\n" for name in sets_of(results)]
    parts = [_never_seen(results), _table(list(published_runs(results))), *pictures]
    return "\n".join(parts) + comparison_tables(results)


def _never_seen(results: Path) -> str:
    """The runs that left a source out, which come first: the figures for another clinic; empty without any."""
    runs = list(published_runs(results, left_out=True))
    if not runs:
        return ""
    judged = ", ".join(f"`{run.path.name}` on {run.report.protocol.source}" for run in runs)
    return (
        "**A clinic never seen**: each of these runs left a source out and is judged on all of it but what shares a "
        f"lesion, a patient or a picture with the others: {judged}. These are the figures to expect elsewhere.\n\n"
        f"{_table(runs)}\n**On an outer fold**, whose sources the training knew:\n"
    )


def _table(runs: Sequence[PublishedRun]) -> str:
    """A row a run, and the commands."""
    lines = [
        f"| result | images (groups) | {' | '.join(HEADLINE)} | sensitivity at the threshold | commit |",
        "|---|---|" + "---|" * (len(HEADLINE) + 2),
        *(row for run in runs for row in _rows(run)),
    ]
    # The first word of a command names the program's file.
    commands = dict.fromkeys("hierattn " + run.environment["command"].partition(" ")[2] for run in runs)
    return "\n".join(lines) + "\n\n" + "```sh\n" + "\n".join(commands) + "\n```\n"


def _rows(run: PublishedRun) -> list[str]:
    """The run's row, and one of each source below it where it was judged on several."""
    report, plain = run.report, to_plain(run.report)
    rows = [
        (f"[{run.name}]({run.name})", plain, sensitivity(plain["triage"]["test"]), f"`{run.environment['commit']}`")
    ]
    for source in report.by_source:
        referred = figure(to_plain(source.sensitivity))
        rows.append((f"– of it, {source.source}", to_plain(source), referred, ""))
        rows += _frequent_classes(run, source.source)
    return [
        f"| {name} | {figures['images']} ({figures['groups']}) | "
        f"{' | '.join(figure(figures.get(field)) for field in HEADLINE.values())} | "
        f"{referred} | {commit} |"
        for name, figures, referred, commit in rows
    ]


def _frequent_classes(run: PublishedRun, source: str) -> list[tuple[str, dict[str, Any], str, str]]:
    """A row of the source's classes of :data:`FEWEST_OF_CLASS` groups or more alone, where it has others, too.

    One lesion more or less of a class of two moves balanced accuracy by points; answers may still be any class.
    """
    table, bootstrap = run.tables[OUTER], run.report.bootstrap
    own = rows_of(table, np.flatnonzero(np.array(table.sources) == source))
    numbers = own.group_numbers
    groups = {label: len(set(numbers[own.labels == label])) for label in np.unique(own.labels)}
    kept = [label for label, count in groups.items() if count >= FEWEST_OF_CLASS]
    if len(kept) == len(groups):
        return []
    frequent = np.isin(own.labels, kept)
    figures = Classification(rows_of(own, np.flatnonzero(frequent)), bootstrap.resamples, bootstrap.seed)
    plain = {
        "images": int(frequent.sum()),
        "groups": len(set(numbers[frequent])),
        "balanced_accuracy": to_plain(figures.balanced_accuracy()),
    }
    return [(f"– of it, {source}: {', '.join(table.classes[label] for label in kept)} alone", plain, "–", "")]


def comparison_tables(results: Path = RESULTS) -> str:
    """The tables of all published comparisons, each under its title; what is true of all of them is said once."""
    named = [
        (folder.relative_to(results).as_posix(), comparison)
        for folder in published_comparisons(results)
        for comparison in json.loads((folder / COMPARISON).read_text(encoding="utf-8"))["comparisons"]
    ]
    if not named:
        return ""
    notes = [footnotes(comparison) for _, comparison in named]
    shared = [note for note in notes[0] if all(note in others for others in notes)]
    texts = ["\n## Side by side\n", *(f"\n- {note}" for note in shared), "\n"]
    for name, comparison in named:
        _, _, body = markdown_table(comparison).partition("\n")
        for note in shared:
            body = body.replace(f"{note}\n", "")
        protocol = "" if comparison["protocol"] == "honest" else ", by the paper's protocol"
        texts.append(f"\n### {comparison['title']}{protocol}: [{name}]({name})\n{body}")
    return "".join(texts)
