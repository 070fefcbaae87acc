"""``hierattn prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json, print_table, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.data.prepare.options import Embedding
    from hierattn.data.prepare.report import PreparationReport
    from hierattn.progress import Progress


def layout_names() -> list[str]:
    """Names of the layouts that are read."""
    from hierattn.data.sets.layouts import LAYOUTS

    return [layout.name for layout in LAYOUTS]


def run(
    source: Annotated[Path, typer.Argument(help="The data set's folder, as its authors publish it.")],
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    layout: Annotated[
        str,
        typer.Option(
            help="auto, isic2019, ham10000, pad-ufes-20 or folder (one folder of images a class).",
            autocompletion=completing("auto", layout_names),
        ),
    ] = "auto",
    images: Annotated[Path | None, typer.Option(help="Where the images are, if not in SOURCE.")] = None,
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
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
    splits: Annotated[
        Path | None, typer.Option(help="A split file that gives the folds: image, and fold or train/validation/test.")
    ] = None,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Assign images that --splits does not name to its folds; its own images stay."),
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

    Reads ISIC 2019, HAM10000 and PAD-UFES-20 in their own layouts, and your own images in one folder a class. Every
    image is turned upright, cropped where it has a dark surround, and resized once. Folds keep a lesion's, a patient's
    and identical images together, so that no test image was seen in training.

    OUT holds manifest.csv (one row an image), images.npy, prepared.json, splits.csv (for others to reuse),
    near_duplicates.csv, and audit.csv, which lists every image of the source, what was cropped, and what was left out
    and why. SOURCE is only read. OUT appears once it is complete; if interrupted, the same command resumes.
    Called again on an OUT that is up to date, it says so and does nothing.

        hierattn prepare ISIC_2019 out/isic --size 256

        hierattn prepare HAM10000 out/ham --images HAM10000_images

        hierattn prepare my_photos out/mine --folds 5 --strict --audit-pictures

        hierattn prepare ISIC_2019 out/official --splits their_split.csv

        hierattn prepare my_photos out/grown --splits out/mine/splits.csv --extend
    """
    from typing import cast

    from hierattn.cli.console import step_bars
    from hierattn.data.prepare.options import PrepareOptions
    from hierattn.data.prepare.prepare import prepare
    from hierattn.image_spec import ColourConstancy, CropRule

    console = terminal()
    with step_bars(console, quiet=json) as progress:
        options = PrepareOptions(
            layout=layout,
            images=images,
            size=size,
            crop=cast(CropRule, crop),  # the options refuse an unknown one
            colour_constancy=cast(ColourConstancy, colour_constancy),
            hair_removal=hair_removal,
            near_duplicates=near_duplicates,
            embedding=None if embedding is None else _embedding(embedding, progress),
            folds=folds,
            seed=seed,
            splits=splits,
            extend=extend,
            pictures=pictures,
            strict=strict,
            overwrite=overwrite,
            jobs=jobs or None,
        )
        report = prepare(source, out, options, progress=progress)
    if json:
        print_json(report.to_dict(), indent=2)
    else:
        _show(console, report)


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


def _show(console: Console, report: PreparationReport) -> None:
    """The summary: classes, what was left out, and what the folds promise."""
    from collections import Counter

    from rich.table import Table

    from hierattn.data.prepared_set.packed import AUDIT
    from hierattn.taxonomy import BY_CODE

    title = f"{report.source}, {report.images} images" + (f", {report.licence}" if report.licence else "")
    table = Table(title=title, title_justify="left")
    table.add_column("class")
    table.add_column("name")
    for heading in ("images", "lesions", "patients", "a fold"):
        table.add_column(heading, justify="right")
    for code, count in report.classes.items():
        fewest, most = min(count.per_fold), max(count.per_fold)
        table.add_row(
            code,
            BY_CODE[code].name,
            str(count.images),
            str(count.lesions),
            str(count.patients or "unknown"),
            f"{fewest}" if fewest == most else f"{fewest} to {most}",
        )
    print_table(console, table)
    if report.dropped:
        console.print(f"{len(report.dropped)} left out (all are listed in {AUDIT}):", style="yellow")
        for example in report.dropped[:5]:
            console.print(f"  {example.image}: {example.reason}", soft_wrap=True)
        rest = Counter(row.reason for row in report.dropped[5:])
        for reason, images in rest.most_common(3):
            console.print(f"  {images} more: {reason}", soft_wrap=True)
    for note in report.notes:
        console.print(f"Note: {note}", style="yellow", soft_wrap=True)
    console.print(f"{_cleaning(report)} · imbalance {report.imbalance:.1f} · {_folds(report)}", soft_wrap=True)
    console.print(f"Ready: {report.out}  Next: hierattn train RECIPE --data {report.out}", soft_wrap=True)


def _cleaning(report: PreparationReport) -> str:
    spec = report.image_spec
    steps = [f"cropped {report.cropped} ({spec.crop})"]
    if spec.hair_removal:
        steps.append("hairs removed")
    if spec.colour_constancy != "none":
        steps.append(f"colours by {spec.colour_constancy}")
    return ", ".join(steps).capitalize()


def _folds(report: PreparationReport) -> str:
    made = "from the split file" if report.splits_sha256 else f"seed {report.seed}"
    return f"{report.folds} folds, {made} · leaks 0 · {report.seconds:.1f} s"
