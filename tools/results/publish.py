"""Publish finished runs under results/, and make results/README.md from what is published; no figure is typed in.

    python -m tools.results.publish add runs/ham results/isic2019-ham/hierattn_xs_128px
    python -m tools.results.publish compare out/table1 results/isic2019-ham/comparison-table1 xs=runs/xs v2=runs/v2
    python -m tools.results.publish splits out/ham128 results/isic2019-ham/splits.csv
    python -m tools.results.publish table            # write all tables and pictures again
    python -m tools.results.publish check            # compute every figure from the predictions; fail where one differs
    python -m tools.results.publish draw results/isic2019-ham/hierattn_xs_128px out/drawn   # its figures and tables

``add`` takes an evaluated run. ``compare`` takes the folder of 'hierattn compare' or 'hierattn ablate' and the runs
that it was made of, by the names that it gave them: NAME=RUN, NAME=FOLDER_OF_FOLDS, a name twice where both protocols
were compared; or --runs FOLDER for all folders in it by their own names.

What is published holds no photograph and no path: images go by their file's stem.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

from hierattn.errors import HierAttnError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.pages.clinical_use import net_benefit_figures
from hierattn.evaluation.pages.figures import draw_figures, save_figures
from hierattn.evaluation.predictions import Predictions, read_predictions
from hierattn.files import write_json, write_table, write_text
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.built_in import EIGHT
from tools.machine_paths import plain_values, without_machine_paths
from tools.results.accuracy_size import write_pictures
from tools.results.beside_each_other import write_beside_each_other
from tools.results.comparisons import draw_published, publish_comparison, recomputed
from tools.results.headline import write_headline
from tools.results.page import write_page
from tools.results.prediction_tables import PREDICTIONS, rounded, write_tables
from tools.results.published import (
    COMPARISON,
    ENTRANTS,
    ENVIRONMENT,
    INNER,
    OUTER,
    RECIPE,
    REPORT,
    RESULTS,
    PublishedRun,
    equal,
    new_folder,
    published_comparisons,
    published_runs,
)


def add(run: Path, folder: Path) -> None:
    """Publish the evaluated ``run`` as ``folder``, which must not exist yet.

    Raises
    ------
    SystemExit
        Where the folder exists, or its predictions do not give the figures of its report.
    """
    trained = RunFolder(run)
    evaluation = EvaluationFolder(trained.evaluation)
    with new_folder(folder):
        write_text(folder / RECIPE, without_machine_paths(trained.recipe.read_text(encoding="utf-8")))
        write_json(folder / ENVIRONMENT, plain_values(trained.read_environment()))
        tables = {OUTER: evaluation.predictions, INNER: evaluation.validation}
        write_tables(folder / PREDICTIONS, {name: public_predictions(path) for name, path in tables.items()})
        report = plain_values(json.loads(evaluation.report.read_text(encoding="utf-8")))
        write_json(folder / REPORT, report, indent=0)  # last: what has it is whole
        if wrong := PublishedRun(folder).differences():
            raise SystemExit(f"{run}: its predictions do not give {', '.join(wrong)}: evaluate it again")


def public_predictions(table: Path) -> Predictions:
    """A table of predictions with each image's stem for its path, and probabilities as they are published."""
    predictions = read_predictions(table, EIGHT)
    stems = tuple(Path(image).stem for image in predictions.images)
    if len(set(stems)) < len(stems):
        raise SystemExit(f"{table}: two images share a file name; wanted every name once")
    return rounded(replace(predictions, images=stems))


def add_splits(prepared: Path, file: Path) -> None:
    """Publish the folds of a prepared set, ``image,group,fold`` by the image's stem: for 'prepare --splits'."""
    if file.exists():
        raise SystemExit(f"{file} exists: published folds stay as they are; choose another name")
    with (prepared / "splits.csv").open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    if not rows or any(Path(row["image"]).stem != row["image"] for row in rows):
        raise SystemExit(f"{prepared / 'splits.csv'} is empty or has paths in it: wanted an id an image")
    columns = ("image", "group", "fold")
    write_table(file, columns, ([row[column] for column in columns] for row in rows))


def write_all() -> None:
    """results/README.md, the tables of README.md and docs/released-models.md between their marks, and the pictures."""
    write_pictures(RESULTS)
    write_page(RESULTS)
    write_headline(RESULTS, RESULTS.parent / "README.md")
    write_beside_each_other(RESULTS, RESULTS.parent / "docs" / "released-models.md")


def draw(folder: Path, out: Path) -> None:
    """Draw what is published in ``folder`` to the folder ``out``: a run's figures, or a comparison's and its tables."""
    if (folder / ENTRANTS).is_file():
        draw_published(folder, out)
        return
    run = PublishedRun(folder)
    report = run.report
    figures = draw_figures(run.tables[OUTER], run.calibration(), report.learning_curve, report.provenance.epoch)
    save_figures(out, figures | net_benefit_figures(report), pixels=False)


def differences() -> dict[str, list[str]]:
    """Folder -> the published figures that its predictions do not give; empty where all is well."""
    runs = (*published_runs(), *published_runs(left_out=True))
    wrong = {run.name: run.differences() for run in runs}
    for folder in published_comparisons():
        wrong[f"{folder.parent.name}/{folder.name}"] = comparison_differences(folder)
    return {name: figures for name, figures in wrong.items() if figures}


def comparison_differences(folder: Path) -> list[str]:
    """``comparison.json`` where the predictions of a published comparison do not give it."""
    published = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    again = json.loads(json.dumps(recomputed(folder)))
    return [] if equal(published, again) else [COMPARISON]


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
    runs: dict[str, list[Path]] = {}
    for name, path in named:
        runs.setdefault(name, []).append(path)
    return runs


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
        case ["draw", folder, out]:
            draw(Path(folder), Path(out))
        case ["check"]:
            if wrong := differences():
                raise SystemExit(f"figures that the predictions do not give: {wrong}")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HierAttnError as error:
        raise SystemExit(f"publish: {error}") from None
