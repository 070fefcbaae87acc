"""``hierattn evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json_file, print_table, terminal
from hierattn.cli.run_options import RELEASED, Bootstrap, Device, ResampleSeed, released_names
from hierattn.shares import fraction, setting

if TYPE_CHECKING:
    from rich.table import Table

    from hierattn.evaluation.report import Report


def run(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_BUNDLE",
            help="The run folder that 'hierattn train' left; or a bundle: a .onnx file, or a released one, such as "
            "released:dermoscopy.",
            autocompletion=completing(released_names),
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help="A prepared set other than the recipe's: the same one, moved, or an external set. A bundle wants one.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Of a bundle: the folder of the results. [default: evaluation-BUNDLE-on-SET]"),
    ] = None,
    calibrate_with: Annotated[
        list[Path] | None,
        typer.Option(
            "--calibrate-with",
            metavar="RUN",
            help="A run of the same recipe with another data.inner_fold; once for each. Temperature and threshold are "
            "fitted on the inner folds of all.",
        ),
    ] = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(help="Images in one forward pass.")] = 64,
    bootstrap: Bootstrap = 1000,
    seed: ResampleSeed = 0,
    target_sensitivity: Annotated[
        float, typer.Option(help="What the triage threshold is set for, on the inner fold.")
    ] = 0.95,
    confidence: Annotated[
        float,
        typer.Option(
            help="That new lesions reach the target sensitivity; 0: it holds for new lesions only half the time."
        ),
    ] = 0.8,
    class_bias: Annotated[
        bool,
        typer.Option(
            "--class-bias",
            help="Also calibrate with a bias per class: it brings the inner fold's class frequencies into the answers.",
        ),
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also change the photographs in 11 ways at 5 severities, and count how often the advice changes.",
        ),
    ] = False,
    gallery: Annotated[
        bool,
        typer.Option(
            "--gallery",
            help="Show real photographs in the report. It then holds pictures of people: do not share it.",
        ),
    ] = False,
    similar: Annotated[
        bool,
        typer.Option(
            "--similar", help="Also show the nearest training photographs beside each mistake that the report shows."
        ),
    ] = False,
    isic_form: Annotated[
        str,
        typer.Option(
            "--isic-form",
            metavar="YEAR",
            help="Also write the answers as the ISIC challenge of 2019, or of 2018 (task 3), takes them.",
        ),
    ] = "",
    taxonomy: Annotated[
        str,
        typer.Option(
            help="Judge in this taxonomy, to which the model's classes and the set's are counted: a taxonomy.toml, "
            "eight, isic2018, pad, melanoma or malignant."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json, and nothing else.")] = False,
) -> None:
    """Evaluate a trained run on the fold that it never saw, or a bundle on your own set, and write a report to read.

    First the inner fold: on it are fitted the temperature, which makes 80 % mean 80 %, and the threshold from which the
    advice is to see a clinic. Only then the outer fold, once: accuracy, balanced accuracy, AUC, and sensitivity and
    specificity of every class, each with a 95 % interval over whole lesions or patients. The same by sex, age, site,
    skin type, source and image size, as far as the data say; what abstaining would gain; prediction sets; and, where
    masks are known, how much of the network's attention lies outside the lesion.

    RUN/evaluation then holds report.html (open it), report.json, predictions.csv, cases.csv, calibration.json, figures,
    and with --isic-form 2019 the challenge's own form of answers, isic_2019.csv.
    Rendered lesions are shown in the report; photographs of people only with --gallery. --similar computes what the
    network sees of its training photographs once, and keeps it beside the set.

    Where one inner fold is too small to calibrate on, train the recipe again with other ones (data.inner_fold=2, ...)
    and name those runs by --calibrate-with: each then answers for the fold that it has not seen.

        hierattn evaluate runs/inner-1 --calibrate-with runs/inner-2 --calibrate-with runs/inner-3

    With --data OTHER, the run is evaluated on all images of an external set, with the calibration of its own
    evaluation; the results lie in RUN/evaluation-OTHER. Images that the run was trained on are left out.

        hierattn evaluate runs/quicktest

    With --taxonomy, a set of other classes can be judged: calibrated probabilities are added up, for example those of
    the eight classes to ISIC 2018's seven; the results lie in a folder of their own, evaluation-OTHER-in-TAXONOMY.

        hierattn evaluate runs/isic --data prepared/clinic --json

        hierattn evaluate runs/isic --data prepared/benign_or_malignant --taxonomy malignant

    A bundle, without its run, is judged by its own answers, calibration and threshold, on a set that is prepared for
    it: another is refused, with the options to prepare it by. Photographs that its weights have seen are left out where
    the file lists them; else it is said that this could not be checked. The results lie in --out, with report.html and
    the same tables.

        hierattn prepare photos out/mine --size 192 --colour-constancy shades_of_grey

        hierattn evaluate released:dermoscopy --data out/mine
    """
    from hierattn.cli.console import step_bars
    from hierattn.errors import UsageError
    from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
    from hierattn.evaluation.folder import EvaluationFolder
    from hierattn.processes import keep_freed_memory
    from hierattn.run_folder import RunFolder
    from hierattn.taxonomy.toml_file import find_taxonomy

    keep_freed_memory()
    options = EvaluateOptions(
        device=device,
        batch_size=batch_size,
        bootstrap=bootstrap,
        seed=seed,
        target_sensitivity=target_sensitivity,
        confidence=confidence,
        per_class=class_bias,
        robustness=robustness,
        gallery=gallery,
        similar=similar,
        isic_form=isic_form,
        taxonomy=find_taxonomy(taxonomy) if taxonomy else None,
    )
    bundle = _find_bundle(model)
    if bundle is None and out is not None:
        raise UsageError(f"--out with a run folder: the results lie in {model}; leave it out")
    if bundle is not None and calibrate_with:
        raise UsageError(f"--calibrate-with: {model} is a bundle, whose calibration stays; leave it out")
    if bundle is not None and data is None:
        raise UsageError(f"{model} is a bundle: wanted the prepared set to judge it on; add --data FOLDER")
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        if bundle is not None and data is not None:
            from hierattn.deploy.evaluate_bundle import evaluate_bundle

            result = evaluate_bundle(bundle, data, options, out=out, progress=progress)
        else:
            result = evaluate(
                Path(model), options, prepared=data, calibrate_with=calibrate_with or (), progress=progress
            )
    files = EvaluationFolder(result.folder)
    if as_json:
        print_json_file(files.report)
        return
    print_table(console, _headline(result.report))
    print_table(console, _classes(result.report))
    for line in _sentences(result.report):
        console.print(line, soft_wrap=True)
    if isic_form:
        console.print(f"ISIC {isic_form}: {files.isic_form(isic_form)}", soft_wrap=True)
    for line in result.attached:
        console.print(line, soft_wrap=True)
    if bundle is None and not RunFolder(Path(model)).finished.is_file():
        console.print(
            "Note: this run was not trained to its end; if it is resumed, evaluate it again",
            style="yellow",
            soft_wrap=True,
        )
    console.print(f"Report: {files.page}", soft_wrap=True)
    if bundle is not None:
        console.print(f"Next: hierattn card {quote(str(result.folder))}", soft_wrap=True)
    elif data is None:
        console.print(f"Next: hierattn export {quote(model)} {quote(Path(model).resolve().name)}.onnx", soft_wrap=True)


def _find_bundle(model: str) -> Path | None:
    """The bundle that was named, by path or as released; None for a run folder."""
    if model.startswith(RELEASED):
        from hierattn.deploy.predict.released import released_bundle

        return released_bundle(model.removeprefix(RELEASED))
    path = Path(model)
    return path if path.is_file() or (path.suffix == ".onnx" and not path.is_dir()) else None


def _share(value: float | None) -> str:
    return "–" if value is None else fraction(value)


def _interval(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else " to ".join(fraction(end) for end in interval)


def _headline(report: Report) -> Table:
    from rich.table import Table

    protocol = report.protocol
    title = f"{report.run} on {report.images} images of {protocol.set}"
    if protocol.source:
        title += f", source {protocol.source}, left out"
    elif protocol.fold is not None:
        title += f", fold {protocol.fold}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, estimate in report.headline.items():
        table.add_row(name, _share(estimate.value), _interval(estimate.interval))
    return table


def _classes(report: Report) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    # Six columns and the class names have to fit into 80 characters: no lines between them, no wrapping.
    table = Table(
        title="class by class", title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=0
    )
    table.add_column("class", no_wrap=True)
    table.add_column("images", justify="right", no_wrap=True)
    for name in ("sensitivity (95 %)", "specific.", "precis.", "AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for code in report.class_order:
        row = report.classes[code]
        ends = "–".join(fraction(end, 2) for end in row.sensitivity.interval or ())
        shown = _share(row.sensitivity.value) + (f" ({ends})" if ends else "")
        others = (_share(estimate.value) for estimate in (row.specificity, row.precision, row.auc))
        named = code if row.name == code else f"{code} {row.name}"
        table.add_row(named if len(named) <= 40 else f"{named[:39]}…", str(row.images), shown, *others)
    return table


def _sentences(report: Report) -> list[str]:
    from hierattn.evaluation.coarser import OTHER_REFERRAL
    from hierattn.evaluation.measures.thresholds import NO_THRESHOLD
    from hierattn.evaluation.pages.html_report import calibration_sentence
    from hierattn.evaluation.records import defined
    from hierattn.evaluation.subject import NEVER_CALIBRATED
    from hierattn.taxonomy.records import NO_REFERRAL

    lines = list(report.notes)
    if report.looks is not None:
        lines += [*report.looks.warnings(), *report.looks.sentences()]
    triage = report.triage
    if report.calibration is not None:
        lines.append(calibration_sentence(report))
    if not report.taxonomy.has_referral:
        lines.append(NO_REFERRAL)
    elif triage is None or not triage.has_threshold:
        lines += [] if {OTHER_REFERRAL, NEVER_CALIBRATED} & set(lines) else [NO_THRESHOLD]
    elif triage.test is not None:
        test = triage.test
        lines.append(
            f"Triage: see a clinic from a risk of {setting(triage.risk_threshold)} on; sensitivity "
            f"{_share(defined(test.sensitivity))} ({_interval(test.interval)}), {test.missed} of {test.positives} "
            f"missed; specificity {_share(defined(test.specificity))} ({_interval(test.specificity_interval)})."
        )
    return [*lines, *_weaknesses(report), "Not a medical device."]


def _weaknesses(report: Report) -> list[str]:
    """The largest gap between subgroups, and the change of the photograph that changes most advice."""
    from hierattn.evaluation.pages.html_report import gap_sentence, percent

    lines = [gap_sentence(report.subgroups)] if report.subgroups and report.subgroups.largest_gap else []
    if report.robustness is not None:
        middle = report.robustness.middle
        flips = {kind.title: kind.severities[middle] for kind in report.robustness.changes.values()}
        worst = max(flips, key=lambda title: flips[title].advice_flips.value or flips[title].answer_flips)
        most, lesions = flips[worst], flips[worst].lesions
        of_lesions = "" if lesions is None else f"{percent(lesions.advice_flips.value)} of the lesions, "
        lines.append(
            f"Another photograph of the same lesion: {worst.lower()} matters most; the advice changes in {of_lesions}"
            f"{percent(most.advice_flips.value)} of the photographs, and the answer in "
            f"{percent(most.answer_flips)}."
        )
    return lines
