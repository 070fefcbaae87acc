"""``hierattn shift``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.run_options import Bootstrap

if TYPE_CHECKING:
    from rich.table import Table

    from hierattn.evaluation.measures.calibration import Calibration
    from hierattn.evaluation.measures.shift import Shown
    from hierattn.evaluation.predict import TrainedRun
    from hierattn.progress import Progress


def run(
    run_folder: Annotated[Path, typer.Argument(help="A run folder that 'hierattn evaluate' has judged.")],
    data: Annotated[
        list[Path] | None, typer.Option("--data", "-d", help="Another prepared set, of another source; more than once.")
    ] = None,
    own: Annotated[Path | None, typer.Option(help="Where the run's own prepared set is now, if it has moved.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="The source's own table (CSV with image_id): parts of the untouched fold.")
    ] = None,
    by: Annotated[str, typer.Option(help="Columns of --table, with commas.")] = "dx_type",
    severity: Annotated[int, typer.Option(min=1, max=5, help="Of the rendered changes.")] = 5,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="[default: RUN/shift]")] = None,
    bootstrap: Bootstrap = 1000,
    seed: Annotated[int, typer.Option(help="Of the changes and of the resamples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print shift.json, and nothing else.")] = False,
) -> None:
    """Ask how a run does on photographs from elsewhere: other sets, other cameras, parts of its own set.

    Judged with the run's own calibration, and nothing is fitted: the untouched fold as it is; the same changed
    strongly, way by way and several at once; its parts by a column of the source's table; and every --data, without the
    images that the run learnt from and without classes that only one side knows. Each row has melanoma AUC (against
    everything, and against nevi), cancer AUC, balanced accuracy and calibration error with intervals over lesions or
    patients, the share of photographs that the software would turn away, and melanoma AUC among those it keeps.

    RUN/shift then holds shift.md, shift.csv, shift.json, figures/ and the predictions.

        hierattn shift runs/isic --data out/pad --table HAM10000_metadata.csv --by dx_type,localization
    """
    from rich.console import Console

    from hierattn.cli.progress_bars import step_bars
    from hierattn.evaluation.measures.calibration import read_calibration
    from hierattn.evaluation.measures.shift import measure_all
    from hierattn.evaluation.pages.shift_page import JSON, check_free, sentences, write_shift
    from hierattn.evaluation.predict import TrainedRun

    trained = TrainedRun.open(run_folder)
    calibration = read_calibration(run_folder / "evaluation" / "calibration.json")
    folder = out or run_folder / "shift"
    check_free(folder)
    console = Console(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        shown = _judged(trained, own, data or [], table, by, severity - 1, seed, progress)
    with console.status("measuring"):
        rows = measure_all(shown, calibration, resamples=bootstrap, seed=seed)
        title = f"{run_folder.resolve().name} under a change of source"
        write_shift(folder, title, shown, rows, _facts(trained, calibration, severity, bootstrap, seed))
    if as_json:
        typer.echo((folder / JSON).read_text(encoding="utf-8"), nl=False)
        return
    console.print(_table(title, rows))
    for line in (*sentences(rows), *(f"{row['title']}: {note}" for row in rows for note in row["notes"])):
        console.print(line, soft_wrap=True)
    console.print(f"Tables: [bold]{folder}[/]\nNot a medical device.", soft_wrap=True, highlight=False)


def _judged(
    trained: TrainedRun,
    own: Path | None,
    others: Sequence[Path],
    table: Path | None,
    by: str,
    severity: int,
    seed: int,
    progress: Progress | None,
) -> list[Shown]:
    """Every set: the untouched fold, its parts, the changes, the other sources."""
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.deploy.export.own_images import open_own_images
    from hierattn.deploy.export.screening import open_eyes
    from hierattn.evaluation.measures.shift import changed_folds, other_set, own_fold, parts_by_table

    packed = trained.open_own_set(own)
    model, spec = trained.checkpoint.build(), trained.checkpoint.image_spec
    look = open_eyes(model, open_own_images(trained.folder, own), spec, trained.checkpoint.classes)
    shown = [own_fold(trained, packed, look, progress)]
    if table is not None:
        shown += parts_by_table(shown[0], table, [name.strip() for name in by.split(",") if name.strip()])
    shown += changed_folds(trained, packed, look, severity=severity, seed=seed, progress=progress)
    return shown + [other_set(trained, PackedSet.open(folder), look, progress) for folder in others]


def _facts(trained: TrainedRun, calibration: Calibration, severity: int, bootstrap: int, seed: int) -> dict[str, Any]:
    checkpoint = trained.checkpoint
    return {
        "run": trained.folder.resolve().name,
        "model": checkpoint.model,
        "epoch": checkpoint.provenance.get("epoch"),
        "image_size": checkpoint.image_spec.size,
        "manifest_sha256": trained.manifest_sha256,
        "temperature": calibration.temperature,
        "severity": severity,
        "resamples": bootstrap,
        "seed": seed,
    }


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    aucs = ("AUC\nmel.", "v\nnevi", "\ncancer")
    headings = ("photographs", "images", "mel.", *aucs, "bal.\nacc.", "ECE", "away", "AUC\nkept")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "photographs" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*_short(row))
    return table


def _short(row: dict[str, Any]) -> list[str]:
    """A row without intervals, which the files have: a terminal has 80 columns."""
    from hierattn.evaluation.pages.html_report import decimal, percent

    names = ("melanoma_auc", "melanoma_nevus_auc", "malignant_auc")
    return [
        row["name"].replace("_", " "),
        str(row["images"]),
        str(row["classes"].get("MEL", 0)),
        *(decimal(row[name]["value"], 2) for name in names),
        percent(row["balanced_accuracy"]["value"], 0),
        decimal(row["calibration_error"]["value"], 2),
        percent(row["turned_away"]["value"], 0) if "turned_away" in row else "–",
        decimal(row["kept"]["melanoma_auc"]["value"], 2) if "kept" in row else "–",
    ]
