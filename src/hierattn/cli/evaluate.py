"""``hierattn evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.run_options import Bootstrap, Device, ResampleSeed

if TYPE_CHECKING:
    from rich.table import Table


def run(
    run_folder: Annotated[Path, typer.Argument(help="The run folder that 'hierattn train' left.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", help="A prepared set other than the recipe's: moved, or foreign (all of it)."),
    ] = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(help="Images in one forward pass.")] = 64,
    bootstrap: Bootstrap = 1000,
    seed: ResampleSeed = 0,
    sensitivity: Annotated[float, typer.Option(help="What the triage threshold is set for, on the inner fold.")] = 0.95,
    sure: Annotated[
        float, typer.Option(help="How sure the threshold is to be that new lesions keep it; 0 is an even bet.")
    ] = 0.8,
    class_bias: Annotated[
        bool,
        typer.Option(
            "--class-bias",
            help="Calibrate with a bias a class as well: likelier answers, and this fold's class frequencies in them.",
        ),
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also change the photographs in eleven ways at five severities and count how often the advice flips.",
        ),
    ] = False,
    gallery: Annotated[
        bool,
        typer.Option(
            "--gallery",
            help="Show real photographs in the report. It then holds pictures of people: keep it to yourself.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json, and nothing else.")] = False,
) -> None:
    """Judge a trained run on the fold that it never saw, and write a report to read.

    First the inner fold: it fits the temperature, which makes 80 % mean 80 %, and the threshold from which the advice
    is to see a clinic. Only then the outer fold, once: accuracy, balanced accuracy, AUC, sensitivity and specificity
    of every class, each with a 95 % interval over whole lesions or patients. A class that has no image has no figure.
    The same by sex, age, site, skin type, source and image size, as far as the data say; what abstaining would gain;
    prediction sets; where masks are known, how much the network looks beside the lesion.

    RUN/evaluation then holds report.html (open it), report.json, predictions.csv, cases.csv, calibration.json, figures.
    Rendered lesions are shown in the report; photographs of people only with --gallery.

    With --data OTHER, all images of another prepared set are judged with the calibration of the run's own
    evaluation, and the results lie in RUN/evaluation-OTHER. Images that the run learnt from are left out.

        hierattn evaluate runs/quicktest

        hierattn evaluate runs/isic --data prepared/clinic --json
    """
    from rich.console import Console

    from hierattn.cli.progress_bars import step_bars
    from hierattn.evaluation.evaluate import evaluate

    console = Console(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        result = evaluate(
            run_folder,
            prepared=data,
            device=device,
            batch_size=batch_size,
            bootstrap=bootstrap,
            seed=seed,
            wished_sensitivity=sensitivity,
            sure=sure,
            per_class=class_bias,
            robustness=robustness,
            gallery=gallery,
            progress=progress,
        )
    if as_json:
        typer.echo((result.folder / "report.json").read_text(encoding="utf-8"), nl=False)
        return
    console.print(_headline(result.report))
    console.print(_classes(result.report))
    for line in _sentences(result.report):
        console.print(line, soft_wrap=True)
    console.print(f"Report: [bold]{result.folder / 'report.html'}[/]", soft_wrap=True, highlight=False)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _headline(report: Mapping[str, Any]) -> Table:
    from rich.table import Table

    where = report["protocol"]["set"]
    fold = report["protocol"]["fold"]
    title = f"{report['run']} on {report['images']} images of {where}" + ("" if fold is None else f", fold {fold}")
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, key in (
        ("balanced accuracy", "balanced_accuracy"),
        ("top-1 accuracy", "top1"),
        ("macro AUC", "macro_auc"),
        ("cancer AUC", "malignant_auc"),
        ("melanoma sensitivity", "melanoma_sensitivity"),
    ):
        table.add_row(name, _share(report[key]["value"]), _interval(report[key]["interval"]))
    return table


def _classes(report: Mapping[str, Any]) -> Table:
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
    for code in report["class_order"]:
        row = report["classes"][code]
        figures = [_share(row[name]["value"]) for name in ("specificity", "precision", "auc")]
        sensitivity = row["sensitivity"]
        low, high = sensitivity["interval"] or (None, None)
        shown = _share(sensitivity["value"]) + ("" if low is None else f" ({low:.2f}–{high:.2f})")
        table.add_row(f"{code} [dim]{row['name']}[/]", str(row["images"]), shown, *figures)
    return table


def _sentences(report: Mapping[str, Any]) -> list[str]:
    error, triage = report["calibration"]["expected_calibration_error"], report["triage"]
    lines = [f"[yellow]{note}[/]" for note in report["notes"]]
    lines.append(
        f"Calibration: temperature {triage['temperature']:.3f}; expected calibration error "
        f"{_share(error['before'])} before, {_share(error['after'])} after."
    )
    tested = triage["test"]
    if triage["risk_threshold"] is None:
        lines.append("Triage: no threshold, because the inner fold has no lesion that should be seen.")
    else:
        lines.append(
            f"Triage: see a clinic from a risk of {triage['risk_threshold']:.4f} on; sensitivity "
            f"{_share(tested['sensitivity'])} ({_interval(tested['interval'])}), specificity "
            f"{_share(tested['specificity'])} ({_interval(tested['specificity_interval'])})."
        )
    return [*lines, *_whom(report), "Not a medical device."]


def _whom(report: Mapping[str, Any]) -> list[str]:
    """The largest gap between subgroups, and the change of the photograph that flips most."""
    from hierattn.evaluation.pages.html_report import gap_sentence, percent

    lines = [gap_sentence(report["subgroups"])] if report["subgroups"]["attributes"] else []
    if "robustness" in report:
        middle = report["robustness"]["middle"]
        flips = {kind["title"]: kind["severities"][middle] for kind in report["robustness"]["changes"].values()}
        worst = max(flips, key=lambda title: flips[title]["advice_flips"]["value"] or flips[title]["answer_flips"])
        advice, answer = flips[worst]["advice_flips"]["value"], flips[worst]["answer_flips"]
        lines.append(
            f"Another photograph of the same lesion: {worst.lower()} flips most, the advice in {percent(advice)} and "
            f"the answer in {percent(answer)}."
        )
    return lines
