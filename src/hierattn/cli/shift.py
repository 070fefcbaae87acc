"""``hierattn shift``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import print_json_file, print_table, terminal, waiting
from hierattn.cli.run_options import Bootstrap

if TYPE_CHECKING:
    from rich.table import Table

    from hierattn.evaluation.clinical_use.artefacts import Artefacts
    from hierattn.evaluation.measures.calibration import Calibration
    from hierattn.evaluation.measures.shift import EvaluatedSet
    from hierattn.evaluation.trained_run import TrainedRun
    from hierattn.progress import Progress


def run(
    run_folder: Annotated[Path, typer.Argument(help="A run folder that 'hierattn evaluate' has evaluated.")],
    data: Annotated[
        list[Path] | None, typer.Option("--data", "-d", help="An external set, of another source; may be repeated.")
    ] = None,
    own: Annotated[Path | None, typer.Option(help="Where the run's own prepared set is now, if it has moved.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="The source's own table (CSV with image_id), to divide the outer fold.")
    ] = None,
    by: Annotated[str, typer.Option(help="Columns of --table, comma-separated.")] = "dx_type",
    severity: Annotated[int, typer.Option(min=1, max=5, help="Of the rendered changes.")] = 5,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="[default: RUN/shift]")] = None,
    bootstrap: Bootstrap = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the changes and of the resamples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print shift.json, and nothing else.")] = False,
) -> None:
    """Measure a run on photographs from other sources: external sets, other cameras, parts of its own set.

    Nothing is fitted; the run's own calibration is used on: the outer fold as it is; the same photographs strongly
    changed, one way at a time and several at once; its parts by a column of the source's table; and every --data,
    without images that the run was trained on and without classes that only one side knows. Each row has melanoma AUC
    (against everything, and against nevi), cancer AUC and balanced accuracy with intervals over lesions or patients,
    the calibration error, the share of photographs that the software would reject, and melanoma AUC among the rest;
    what the classes do not define is left out.

    What flips the advice: ink, rulers, stickers, hairs, bubbles, dark corners and frames are drawn on the outer fold,
    each beside a control of the same size without a shape; the share of lesions whose advice changes, and of cancers
    that are lost.

    RUN/shift then holds shift.html (open it), shift.md, shift.csv, shift.json, figures/ and the predictions.

        hierattn shift runs/isic --data out/pad --table HAM10000_metadata.csv --by dx_type,localization
    """
    from hierattn.cli.console import step_bars
    from hierattn.evaluation.measures.shift import measure_all
    from hierattn.evaluation.pages.shift_page import JSON, KIND, sentences, write_shift
    from hierattn.evaluation.trained_run import TrainedRun
    from hierattn.files import check_replaceable
    from hierattn.processes import keep_freed_memory

    keep_freed_memory()
    trained = TrainedRun.open(run_folder)
    calibration = trained.calibration()
    folder = out or trained.run.shift
    check_replaceable(folder, KIND, inputs=[run_folder, *(data or ())])
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        columns = [name.strip() for name in by.split(",") if name.strip()] if table is not None else []
        settings = _Settings(own, tuple(data or ()), table, tuple(columns), severity - 1, seed)
        sets, artefacts = _predict(trained, settings, calibration, bootstrap, progress)
    with waiting(console, "measuring"):
        rows = measure_all(sets, calibration, resamples=bootstrap, seed=seed)
        looks = _record(trained, settings, rows)
        title = f"{run_folder.resolve().name} under a change of source"
        write_shift(folder, title, sets, rows, _facts(trained, calibration, severity, bootstrap, seed), artefacts)
    if as_json:
        print_json_file(folder / JSON)
        return
    print_table(console, _table(title, rows))
    for line in (*looks, *sentences(rows), *(f"{row['title']}: {note}" for row in rows for note in row["notes"])):
        console.print(line, soft_wrap=True)
    console.print(f"Tables: {folder}\nNot a medical device.", soft_wrap=True)


@dataclass(frozen=True)
class _Settings:
    """Where the sets are, and how photographs are changed."""

    own: Path | None
    external: tuple[Path, ...]
    table: Path | None
    columns: tuple[str, ...]
    severity: int
    seed: int


def _predict(
    trained: TrainedRun, settings: _Settings, calibration: Calibration, bootstrap: int, progress: Progress | None
) -> tuple[list[EvaluatedSet], Artefacts | None]:
    """Every set: the outer fold, its parts, the changes, the external sets; and what flips the advice on the fold."""
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.deploy.export.own_images import open_own_images
    from hierattn.deploy.export.rejection.screening import make_screening
    from hierattn.evaluation.clinical_use.artefacts import measure_artefacts
    from hierattn.evaluation.measures.shift import changed_folds, external_set, own_fold, parts_by_table
    from hierattn.evaluation.selection import outer_fold
    from hierattn.preprocessing.cleaning import clean_changed

    packed = trained.open_own_set(settings.own, option="--own")
    model, spec = trained.checkpoint.build(), trained.checkpoint.image_spec
    answer = make_screening(model, open_own_images(trained.folder, settings.own), spec, trained.checkpoint.classes)
    sets = [own_fold(trained, packed, answer, progress)]
    if settings.table is not None:
        sets += parts_by_table(sets[0], settings.table, settings.columns)
    sets += changed_folds(trained, packed, answer, severity=settings.severity, seed=settings.seed, progress=progress)
    artefacts = measure_artefacts(
        lambda images: answer(clean_changed(images, spec)).probabilities,
        packed.images[outer_fold(packed, trained).rows],
        sets[0].predictions,
        calibration,
        resamples=bootstrap,
        seed=settings.seed,
        progress=progress,
    )
    return sets + [
        external_set(trained, PackedSet.open(folder), answer, progress) for folder in settings.external
    ], artefacts


def _record(trained: TrainedRun, settings: _Settings, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Record the looks at the outer fold, whose parts and changes are the same look, and at the external sets."""
    from hierattn.data.prepared_set.looks import FIGURES
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.evaluation.measures.shift import OTHER, OWN

    judged: list[tuple[PackedSet, dict[str, Any]]] = [
        (trained.open_own_set(settings.own, option="--own"), trained.judged)
    ]
    judged += [(PackedSet.open(folder), {}) for folder in settings.external]
    lines = []
    for (packed, which), row in zip(judged, (row for row in rows if row["kind"] in (OWN, OTHER)), strict=True):
        figures = {name: row[name]["value"] for name in FIGURES if name in row}
        looked = trained.record_look(packed, row["images"], figures, **which)
        lines += [f"{row['title']}: {line}" for line in (*looked.warnings(), *looked.sentences())]
    return lines


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
    """A row a set, without intervals, which the files have: a terminal has 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from hierattn.evaluation.pages.shift_page import count, counted, lead, measured

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    what, best = counted(rows), lead(rows)
    shown = [name for name in measured(rows) if name in _SHORT]
    headings = ["photographs", "images", *([_SHORT[what]] if what else []), *(_SHORT[name] for name in shown)]
    for heading in (*headings, "reject", f"{_SHORT[best].splitlines()[0]}\naccept"):
        table.add_column(heading, justify="left" if heading == "photographs" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"].replace("_", " "),
            str(row["images"]),
            *([str(count(row, what))] if what else []),
            *(_short(name, row[name]["value"]) for name in shown),
            _short("rejected", row["rejected"]["value"]) if "rejected" in row else "–",
            _short(best, row["accepted"][best]["value"]) if "accepted" in row else "–",
        )
    return table


_SHORT = {
    "melanomas": "mel.",
    "cancers": "cancer",
    "melanoma_auc": "AUC\nmel.",
    "melanoma_nevus_auc": "v\nnevi",
    "malignant_auc": "AUC\ncancer",
    "balanced_accuracy": "bal.\nacc.",
    "calibration_error": "ECE",
}


def _short(name: str, value: float | None) -> str:
    from hierattn.evaluation.pages.html_report import area, percent

    return percent(value, 0) if name in ("balanced_accuracy", "rejected") else area(value, 2)
