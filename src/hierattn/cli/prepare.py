"""``hierattn prepare``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hierattn.data.any_table.understanding import Understanding
    from hierattn.data.prepare.options import Embedding
    from hierattn.data.prepare.report import PreparationReport
    from hierattn.progress import Progress


_SEVERAL, _TABLE, _DECISIONS = "Several sources", "Labels from a table", "Decisions on labels"


def layout_names() -> list[str]:
    """Names of the layouts that are read."""
    from hierattn.data.sets.layouts import LAYOUTS

    return [layout.name for layout in LAYOUTS]


def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="The data set's folder, as its authors publish it; or several, as FOLDER or NAME=FOLDER.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    layout: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="auto, folder (one folder of images a class), or a public set's, such as isic2019; LAYOUT:COLUMN "
            "for another of its columns of labels; of one of several sources as NAME=LAYOUT. [default: auto]",
            autocompletion=completing("auto", layout_names),
        ),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Where the images are, if not in SOURCE; of one of several: NAME=FOLDER."),
    ] = None,
    train_only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A source that trains and is never judged; may be repeated.", rich_help_panel=_SEVERAL
        ),
    ] = None,
    test_only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A source that every run is judged on and none trains on; may be repeated.",
            rich_help_panel=_SEVERAL,
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="NAME=dermoscopic, clinical or unknown, where a layout does not say.",
            rich_help_panel=_SEVERAL,
        ),
    ] = None,
    shared_ids: Annotated[
        bool,
        typer.Option(
            "--shared-ids",
            help="Your own sources share ids: one name, one lesion or patient.",
            rich_help_panel=_SEVERAL,
        ),
    ] = False,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A table that names the images of SOURCE and their labels: CSV, TSV, Excel or Parquet; of one of "
            "several sources: NAME=FILE.",
            rich_help_panel=_TABLE,
        ),
    ] = None,
    image_column: Annotated[
        str, typer.Option(metavar="NAME", help="Its column of images.", rich_help_panel=_TABLE)
    ] = "",
    label_column: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Its column of labels; A,B,C where each class has a column of 0 and 1.",
            rich_help_panel=_TABLE,
        ),
    ] = "",
    lesion_column: Annotated[
        str, typer.Option(metavar="NAME", help="Its column of lesions; or none.", rich_help_panel=_TABLE)
    ] = "",
    patient_column: Annotated[
        str, typer.Option(metavar="NAME", help="Its column of patients; or none.", rich_help_panel=_TABLE)
    ] = "",
    fold_column: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Its column of folds: numbers, or train, validation and test. Not guessed.",
            rich_help_panel=_TABLE,
        ),
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="ROLE=NAME of another: age, sex, site, skin-type, itch, grew, hurt, changed, bleed, elevation, "
            "diameter-mm, biopsied, source or domain.",
            rich_help_panel=_TABLE,
        ),
    ] = None,
    sheet: Annotated[str, typer.Option(metavar="NAME", help="The sheet of a workbook.", rich_help_panel=_TABLE)] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what is understood of the sources, and write nothing."),
    ] = False,
    taxonomy: Annotated[
        str,
        typer.Option(
            help="The classes: a taxonomy.toml, eight, isic2018, pad, melanoma or malignant; own: a class a folder, or "
            "a label of a table. Default: the set's own.",
            autocompletion=completing("eight", "isic2018", "pad", "melanoma", "malignant", "own"),
        ),
    ] = "",
    size: Annotated[int, typer.Option(help="Pixels a side. The paper: 256.")] = 256,
    crop: Annotated[
        str,
        typer.Option(
            help="surround: where there is a dark surround; paper: by its literal rule; none.",
            autocompletion=completing("surround", "paper", "none"),
        ),
    ] = "surround",
    colour_constancy: Annotated[
        str,
        typer.Option(
            help="none, shades_of_grey (p = 6), grey_world or max_rgb. Travels with the weights.",
            autocompletion=completing("none", "shades_of_grey", "grey_world", "max_rgb"),
        ),
    ] = "none",
    hair_removal: Annotated[
        bool, typer.Option("--hair-removal", help="Fill hairs in. Travels with the weights.")
    ] = False,
    near_duplicates: Annotated[
        bool, typer.Option(help="Find photographs stored twice (resized, turned, cropped) and keep them in one fold.")
    ] = True,
    embedding: Annotated[
        Path | None,
        typer.Option(
            help="Also compare photographs with similar embeddings: a run folder, a checkpoint, or MobileNetV2's .npz."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(help="Grouped, stratified folds; 3 or more. The paper: 10.")] = 10,
    judge_only: Annotated[
        bool,
        typer.Option(
            "--judge-only",
            help="A set that nothing is trained on: no folds, and one lesion of a class is enough. All of it is judged "
            "by 'hierattn evaluate BUNDLE --data OUT'.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
    splits: Annotated[
        Path | None,
        typer.Option(
            help="A split file that gives the folds: image, and fold: a number, or train, validation or test."
        ),
    ] = None,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Assign images that --splits does not name to its folds; its own images stay."),
    ] = False,
    decisions: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A table of 'hierattn audit' with its column 'decision' filled in. Wants --splits; repeatable.",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    outer_fold: Annotated[
        int | None,
        typer.Option(help="Leave the labels of this fold, the one that tests, as given.", rich_help_panel=_DECISIONS),
    ] = None,
    decide_outer_fold: Annotated[
        bool,
        typer.Option(
            "--decide-outer-fold", help="Decide on test labels, too. It is recorded.", rich_help_panel=_DECISIONS
        ),
    ] = False,
    pictures: Annotated[
        bool, typer.Option("--audit-pictures", help="Write OUT/pictures: cleaning step by step, and near-duplicates.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at an image that cannot be used.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it is a prepared folder.")] = False,
    jobs: Annotated[int, typer.Option(help="Images decoded at once; 0: one a core.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")] = False,
) -> None:
    """Turn a data set into a folder that training and evaluation read.

    Reads the public sets that 'hierattn fetch --list' shows in their own layouts, and your own images in one folder a
    class. Every image is turned upright, cropped where it has a dark surround, and resized once. Folds keep a lesion's,
    a patient's and identical images together, so that no test image was seen in training.

    --dry-run shows all that is understood, and what is to be put right, and ends: layout, photographs, classes, what is
    kept together, how labels are mapped.

    With --table the labels come from a table of any form. Columns that are not named are guessed, by their names and
    by what they hold, and shown before anything is done.

    Several sources become one set: each keeps its name, layout and use, and what several hold of one lesion, patient or
    photograph stays in one fold. A printed table shows how each source's own labels were mapped.

    OUT holds manifest.csv (one row an image), images.npy, prepared.json, splits.csv (for others to reuse),
    near_duplicates.csv, and audit.csv, which lists every image of the source, what was cropped, and what was left out
    and why. SOURCE is only read. OUT appears once it is complete; if interrupted, the same command resumes.
    Called again on an OUT that is up to date, it says so and does nothing.

        hierattn prepare ISIC_2019 out/isic --size 256

        hierattn prepare my_photos out/mine --dry-run

        hierattn prepare HAM10000 out/ham --images HAM10000_images

        hierattn prepare my_photos out/mine --folds 5 --strict --audit-pictures

        hierattn prepare ISIC_2019 out/official --splits their_split.csv

        hierattn prepare my_photos out/clinic --table labels.xlsx --label-column diagnosis --dry-run

        hierattn prepare my_photos out/own --taxonomy taxonomy.toml

        hierattn prepare my_photos out/grown --splits out/mine/splits.csv --extend

        hierattn prepare my_photos out/decided --splits out/mine/splits.csv --decisions decisions.csv --outer-fold 0

        hierattn prepare new_clinic out/new --judge-only

        hierattn prepare ISIC_2019 clinic=my_photos phone=PAD-UFES-20 out/all --test-only phone --domain clinic=clinical
    """
    from typing import cast

    from hierattn.cli.console import step_bars
    from hierattn.cli.set_account import show_dry_run
    from hierattn.cli.table_account import columns_asked
    from hierattn.data.prepare.dry_run import DryRun
    from hierattn.data.prepare.dry_run import dry_run as understand
    from hierattn.data.prepare.options import PrepareOptions
    from hierattn.data.prepare.prepare import prepare
    from hierattn.data.prepare.sources import parse_sources
    from hierattn.data.prepared_set.folds import JUDGED_ONLY
    from hierattn.errors import UsageError
    from hierattn.image_spec import ColourConstancy, CropRule
    from hierattn.taxonomy.toml_file import classes_asked

    if judge_only and splits is not None:
        raise UsageError("--judge-only and --splits: a set that is only judged has no folds; leave out one of them")
    roles = {"image": image_column, "label": label_column, "lesion": lesion_column, "patient": patient_column}
    console = terminal()
    told: list[str] = []
    named = parse_sources(
        sources,
        layouts=layout or (),
        images=images or (),
        domains=domain or (),
        train_only=train_only or (),
        test_only=test_only or (),
        tables=table or (),
        columns=columns_asked({**roles, "fold": fold_column}, column or ()),
        sheet=sheet,
        tell=None if json or dry_run else lambda account: _tell(console, account, told),
    )
    with step_bars(console, quiet=json) as progress:
        options = PrepareOptions(
            taxonomy=classes_asked(taxonomy),
            size=size,
            crop=cast(CropRule, crop),  # the options refuse an unknown one
            colour_constancy=cast(ColourConstancy, colour_constancy),
            hair_removal=hair_removal,
            near_duplicates=near_duplicates,
            embedding=None if embedding is None else _embedding(embedding, progress),
            folds=JUDGED_ONLY if judge_only else folds,
            seed=seed,
            splits=splits,
            extend=extend,
            decisions=tuple(decisions or ()),
            outer_fold=outer_fold,
            decide_outer_fold=decide_outer_fold,
            pictures=pictures,
            strict=strict,
            overwrite=overwrite,
            jobs=jobs or None,
            shared_ids=shared_ids,
        )
        result = understand(named, out, options) if dry_run else prepare(named, out, options, progress=progress)
    if isinstance(result, DryRun):
        if json:
            print_json(result.to_dict(), indent=2)
        else:
            show_dry_run(console, result)
        if result.all_problems:
            raise typer.Exit(1)
    elif json:
        print_json(result.to_dict(), indent=2)
    else:
        _show(console, result, told)


def _tell(console: Console, account: Understanding, told: list[str]) -> None:
    """Which columns are used, before they are."""
    told.append(account.in_short())
    console.print(told[-1], soft_wrap=True)


def _embedding(weights: Path, progress: Progress | None) -> Embedding:
    """The network of --embedding. The only part of this command that needs torch."""
    from functools import partial
    from hashlib import sha256

    from hierattn.data.prepare.options import Embedding
    from hierattn.errors import UsageError, require
    from hierattn.run_folder import RunFolder

    require("torch", "train")
    file = RunFolder(weights).best if weights.is_dir() else weights
    if not file.is_file():
        raise UsageError(f"no weights at {file}: wanted a run folder, a checkpoint, or MobileNetV2's .npz")
    from hierattn.evaluation.embedding import embed_pictures

    return Embedding(sha256(file.read_bytes()).hexdigest(), partial(embed_pictures, weights, progress=progress))


def _show(console: Console, report: PreparationReport, told: Sequence[str]) -> None:
    """The summary: classes, what was left out, and what the folds promise."""
    from hierattn.cli.recipes import next_training
    from hierattn.cli.set_account import show_classes, show_left_out, show_sources
    from hierattn.data.prepared_set.folds import JUDGED_ONLY
    from hierattn.data.prepared_set.packed import AUDIT

    title = f"{report.source}, {report.images} images" + (f", {report.licence}" if report.licence else "")
    show_classes(console, title, report.taxonomy, report.classes)
    if report.sources:
        show_sources(console, report.sources)
    show_left_out(console, report.dropped, f"all are listed in {AUDIT}")
    for note in report.notes:
        if note not in told:
            console.print(f"Note: {note}", style="yellow", soft_wrap=True)
    console.print(f"{_cleaning(report)} · imbalance {report.imbalance:.1f} · {_folds(report)}", soft_wrap=True)
    if report.folds == JUDGED_ONLY:
        going_on = f"Ready: {report.out}  Next: hierattn evaluate BUNDLE --data {quote(str(report.out))}"
    else:
        training = report.images - sum(sum(counts.per_fold[:2]) for counts in report.classes.values())
        going_on = next_training(report.out, report.images, report.image_spec.size, training=training)
    console.print(going_on, soft_wrap=True)


def _cleaning(report: PreparationReport) -> str:
    spec = report.image_spec
    steps = [f"cropped {report.cropped} ({spec.crop})"]
    if spec.hair_removal:
        steps.append("hairs removed")
    if spec.colour_constancy != "none":
        steps.append(f"colours by {spec.colour_constancy}")
    return ", ".join(steps).capitalize()


def _folds(report: PreparationReport) -> str:
    from hierattn.data.prepared_set.folds import JUDGED_ONLY

    if report.folds == JUDGED_ONLY:
        return f"no folds, all of it is judged · {report.seconds:.1f} s"
    made = "from the split file" if report.splits_sha256 else f"seed {report.seed}"
    return f"{report.folds} folds, {made} · leaks 0 · {report.seconds:.1f} s"
