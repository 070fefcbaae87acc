"""Publish finished runs under results/, and make results/README.md from what is published; no figure is typed in.

    python results/publish.py add runs/ham results/isic2019-ham/hierattn_xs_128px
    python results/publish.py table            # write the table again
    python results/publish.py check            # compute every figure again from the predictions; fail where one differs

What is published holds no photograph and no path: images go by their file's stem, figures are drawings.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hierattn.evaluation.calibration import read_calibration
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.report import report_from_predictions

RESULTS = Path(__file__).resolve().parent
TABLES = ("predictions.csv", "predictions_validation.csv")
HEADLINE = {
    "balanced accuracy": "balanced_accuracy",
    "top-1": "top1",
    "macro AUC": "macro_auc",
    "melanoma AUC": "melanoma_auc",
}
BEGIN, END = "<!-- made by results/publish.py: begin -->", "<!-- made by results/publish.py: end -->"


def add(run: Path, folder: Path) -> None:
    """Copy what a reader needs of the evaluated ``run`` into ``folder``, which must not exist yet."""
    if folder.exists():
        raise SystemExit(f"{folder} exists: wanted a new folder; remove it, or choose another name")
    evaluated = run / "evaluation"
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "figures").mkdir(parents=True)
    for name in ("recipe.toml", "environment.json", "log.csv"):
        shutil.copy(run / name, temporary / name)
    for name in ("report.json", "calibration.json"):
        shutil.copy(evaluated / name, temporary / name)
    for name in TABLES:
        _copy_by_stem(evaluated / name, temporary / name)
    for figure in sorted((evaluated / "figures").glob("*.svg")):
        shutil.copy(figure, temporary / "figures" / figure.name)
    temporary.rename(folder)


def _copy_by_stem(source: Path, target: Path) -> None:
    """A table of predictions with each image's stem for its path, and its probabilities to seven digits."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    stems = [Path(row["image"]).stem for row in rows]
    if len(set(stems)) < len(stems):
        raise SystemExit(f"{source}: two images share a file name; wanted every name once")
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "image": stem} for row, stem in zip(rows, stems, strict=True))


def published() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every published result with its report, by path."""
    for path in sorted(RESULTS.rglob("report.json")):
        yield path.parent, json.loads(path.read_text(encoding="utf-8"))


def table() -> str:
    """The table of all published results, in Markdown."""
    lines = [
        f"| result | images (groups) | {' | '.join(HEADLINE)} | sensitivity at the threshold | commit |",
        "|---|---|" + "---|" * (len(HEADLINE) + 2),
    ]
    commands = []
    for folder, report in published():
        name = folder.relative_to(RESULTS).as_posix()
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        figures = [_with_interval(report[key]["value"], report[key]["interval"]) for key in HEADLINE.values()]
        tested = report["triage"]["test"]
        cells = [
            f"[{name}]({name})",
            f"{report['images']} ({report['groups']})",
            *figures,
            _with_interval(tested["sensitivity"], tested["interval"]),
            f"`{environment['commit']}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
        _, _, words = environment["command"].partition(" ")  # the first names the program's file
        commands.append(f"hierattn {words}\n")
    return "\n".join(lines) + "\n\n```sh\n" + "".join(commands) + "```\n"


def _with_interval(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})")


def write_table() -> None:
    """Put the table between its marks in results/README.md."""
    readme = RESULTS / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    temporary = readme.with_suffix(".part")
    temporary.write_text(f"{before}{BEGIN}\n\n{table()}\n{END}{after}", encoding="utf-8")
    temporary.replace(readme)


def differences(folder: Path, report: dict[str, Any]) -> list[str]:
    """The figures of ``report`` that its predictions do not give again, by name."""
    resampled = report["bootstrap"]
    again = report_from_predictions(
        read_predictions(folder / TABLES[0]),
        read_calibration(folder / "calibration.json"),
        resamples=resampled["resamples"],
        seed=resampled["seed"],
    )
    return [name for name in again if name in report and not _equal(report[name], again[name])]


def _equal(one: Any, other: Any) -> bool:
    """Equal plain values, numbers to one part in 10^9: another machine's sums may end in other bits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_equal(one[key], other[key]) for key in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9 * max(1.0, abs(one))
    return bool(one == other)


def main(words: list[str]) -> None:
    """The command line, as this file's first lines show it."""
    match words:
        case ["add", run, folder]:
            add(Path(run), Path(folder))
            write_table()
        case ["table"]:
            write_table()
        case ["check"]:
            wrong = {str(folder): names for folder, report in published() if (names := differences(folder, report))}
            if wrong:
                raise SystemExit(f"figures that the predictions do not give: {wrong}")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
