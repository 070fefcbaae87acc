"""Publish finished runs under results/, and make results/README.md from what is published; no figure is typed in.

    python -m tools.results.publish add runs/ham results/isic2019-ham/hierattn_xs_128px
    python -m tools.results.publish compare out/table1 results/isic2019-ham/comparison-table1 xs=runs/xs v2=runs/v2
    python -m tools.results.publish splits out/ham128 results/isic2019-ham/splits.csv
    python -m tools.results.publish table            # write the tables and README's headline and picture again
    python -m tools.results.publish redraw           # draw every figure and write every table again
    python -m tools.results.publish check            # compute every figure from the predictions; fail where one differs

``add`` takes a judged run. ``compare`` takes the folder of 'hierattn compare' or 'hierattn ablate' and the runs that it
was made of, by the names that it gave them: NAME=RUN, NAME=FOLDER_OF_FOLDS, a name twice where both protocols were
compared; or --runs FOLDER for all folders in it by their own names.

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

from hierattn.evaluation.comparison.tables import footnotes, markdown_table
from hierattn.evaluation.measures.calibration import read_calibration
from hierattn.evaluation.pages.figures import draw_figures, save_figures
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.report import report_from_predictions
from tools.release.lineage import plain_values, without_machine_paths
from tools.results.comparisons import publish_comparison, published_comparisons, recomputed, redraw, texts_of
from tools.results.headline import FIGURES, PICTURE, sets_of, write_headline, write_pictures

RESULTS = Path(__file__).resolve().parents[2] / "results"
TABLES = ("predictions.csv", "predictions_validation.csv")
HEADLINE = {
    "balanced accuracy": "balanced_accuracy",
    "top-1": "top1",
    "macro AUC": "macro_auc",
    "melanoma AUC": "melanoma_auc",
}
BEGIN, END = "<!-- made by tools/results/publish.py: begin -->", "<!-- made by tools/results/publish.py: end -->"


def add(run: Path, folder: Path) -> None:
    """Copy what a reader needs of the evaluated ``run`` into ``folder``, which must not exist yet."""
    if folder.exists():
        raise SystemExit(f"{folder} exists: wanted a new folder; remove it, or choose another name")
    evaluated = run / "evaluation"
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "figures").mkdir(parents=True)
    shutil.copy(run / "log.csv", temporary / "log.csv")
    recipe = without_machine_paths((run / "recipe.toml").read_text(encoding="utf-8"))
    (temporary / "recipe.toml").write_text(recipe, encoding="utf-8")
    for path in (run / "environment.json", evaluated / "report.json", evaluated / "calibration.json"):
        values = plain_values(json.loads(path.read_text(encoding="utf-8")))
        (temporary / path.name).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
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


def add_splits(prepared: Path, file: Path) -> None:
    """Publish the folds of a prepared set, ``image,group,fold`` by the image's stem: for 'prepare --splits'."""
    if file.exists():
        raise SystemExit(f"{file} exists: published folds stay as they are; choose another name")
    with (prepared / "splits.csv").open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    if not rows or any(Path(row["image"]).stem != row["image"] for row in rows):
        raise SystemExit(f"{prepared / 'splits.csv'} is empty or has paths in it: wanted an id an image")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, ("image", "group", "fold"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def published() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every run published alone with its report, by path."""
    for path in sorted(RESULTS.glob("*/*/report.json")):
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
    return "\n".join(lines) + "\n\n```sh\n" + "".join(commands) + "```\n" + _pictures() + comparison_tables()


def _pictures() -> str:
    """The pictures of accuracy against size, each under its set's name."""
    return "".join(f"\n![{PICTURE}: {name}]({FIGURES}/accuracy-size-{name}.svg)\n" for name in sets_of(RESULTS))


def comparison_tables() -> str:
    """The tables of all published comparisons, each under its title; what is true of all of them is said once."""
    found = [
        (folder.relative_to(RESULTS).as_posix(), comparison)
        for folder in published_comparisons(RESULTS)
        for comparison in json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["comparisons"]
    ]
    if not found:
        return ""
    notes = [footnotes(comparison) for _, comparison in found]
    shared = [note for note in notes[0] if all(note in others for others in notes)]
    texts = ["\n## Side by side\n", *(f"\n- {note}" for note in shared), "\n"]
    for name, comparison in found:
        _, _, body = markdown_table(comparison).partition("\n")
        for note in shared:
            body = body.replace(f"{note}\n", "")
        protocol = "" if comparison["protocol"] == "honest" else ", by the paper's protocol"
        texts.append(f"\n### {comparison['title']}{protocol}: [{name}]({name})\n{body}")
    return "".join(texts)


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


def write_all() -> None:
    """The tables of results/README.md, README.md's headline between its marks, and the pictures."""
    write_table()
    write_pictures(RESULTS)
    if not write_headline(RESULTS, RESULTS.parent / "README.md"):
        print("README.md has no marks for the headline: nothing written there")


def redraw_run(folder: Path, report: dict[str, Any]) -> None:
    """Draw the figures of a run published alone again, from its predictions, calibration and learning curve."""
    epoch = report["provenance"].get("epoch")
    figures = draw_figures(
        read_predictions(folder / TABLES[0]),
        read_calibration(folder / "calibration.json"),
        report["learning_curve"],
        epoch if isinstance(epoch, int) else None,
    )
    save_figures(folder / "figures", figures, pixels=False)


def comparison_differences(folder: Path) -> list[str]:
    """The files of a published comparison that its predictions do not give again."""
    again = recomputed(folder)
    kept = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    wrong = [] if _equal(kept, json.loads(json.dumps(again))) else ["comparison.json"]
    texts = texts_of(kept)
    return wrong + [name for name in texts if (folder / name).read_text(encoding="utf-8") != texts[name]]


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


def runs_by_name(words: list[str]) -> dict[str, list[Path]]:
    """NAME=RUN words, or --runs FOLDER, as runs by name; of a folder NAME-paper is NAME's by the paper's protocol."""
    match words:
        case ["--runs", folder]:
            named = [
                (path.name.removesuffix("-paper"), path) for path in sorted(Path(folder).iterdir()) if path.is_dir()
            ]
        case _:
            parts = [word.partition("=") for word in words]
            if not parts or any(not between for _, between, _ in parts):
                raise SystemExit(__doc__)
            named = [(name, Path(path)) for name, _, path in parts]
    found: dict[str, list[Path]] = {}
    for name, path in named:
        found.setdefault(name, []).append(path)
    return found


def main(words: list[str]) -> None:
    """The command line, as this file's first lines show it."""
    match words:
        case ["add", run, folder]:
            add(Path(run), Path(folder))
            write_all()
        case ["compare", source, folder, *runs]:
            publish_comparison(Path(source), Path(folder), runs_by_name(runs))
            write_all()
        case ["splits", prepared, file]:
            add_splits(Path(prepared), Path(file))
        case ["table"]:
            write_all()
        case ["redraw"]:
            for comparison in published_comparisons(RESULTS):
                redraw(comparison)
            for published_run, report in published():
                redraw_run(published_run, report)
            write_all()
        case ["check"]:
            wrong = {str(place): names for place, report in published() if (names := differences(place, report))}
            for comparison in published_comparisons(RESULTS):
                if names := comparison_differences(comparison):
                    wrong[str(comparison)] = names
            if wrong:
                raise SystemExit(f"figures that the predictions do not give: {wrong}")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
