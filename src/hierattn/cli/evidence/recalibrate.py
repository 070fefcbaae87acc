"""``hierattn recalibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import completing, print_json, step_bars, terminal
from hierattn.cli.which_model import OTHER
from hierattn.shares import fraction, setting

if TYPE_CHECKING:
    from hierattn.bundle.bundle import Bundle
    from hierattn.deploy.recalibrate import AtHome
    from hierattn.evaluation.clinical_use.recalibration import Recalibration


def run(
    model: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE",
            help="A .onnx file of 'hierattn export', or a released name.",
            autocompletion=completing(*OTHER),
        ),
    ],
    cases: Annotated[
        Path, typer.Argument(metavar="CASES", help="A table of your own cases: answers or photographs, with the truth.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="NEW.onnx", help="The new bundle. Without it: what is certain."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The folder of the photographs, where it is not the table's.")
    ] = None,
    truth: Annotated[str, typer.Option(metavar="COLUMN", help="The column of the truth. [default: by its name]")] = "",
    confidence: Annotated[float, typer.Option(help="That new lesions reach the target sensitivity.")] = 0.8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Fit a bundle's calibration and threshold anew, on about 100 or more of your own cases with truth.

    The cases must be like those that will come: all of a period, in their natural mix, not picked by diagnosis. A row a
    photograph, with the truth in a column 'truth' (or diagnosis, dx, label) and, where there are several of a lesion or
    patient, lesion_id or patient_id:

        image,truth,patient_id

    Or take the table of 'hierattn predict --batch', add a column 'truth', and nothing is computed again.

    First it says how certain so few cases can be, and without --out nothing more. Then a temperature and a shift of
    each class are fitted, and kept only if they help on cases that they were not fitted on. The threshold goes up only
    on proof (59 lesions or more that should be seen in a clinic, by default) and down on less (20).

    The new file names its parent and the cases by their SHA-256 and count. Nothing is ever overwritten.

        hierattn recalibrate dermoscopy cases.csv

        hierattn recalibrate dermoscopy cases.csv --out ours.onnx

    Not a medical device.
    """
    from hierattn.deploy.predict.predictor import find_bundle
    from hierattn.deploy.recalibrate import at_home, check_new, write_recalibrated
    from hierattn.evaluation.records import to_plain

    if out is not None:
        check_new(out)
    console = terminal(stderr=as_json)
    with step_bars(console, quiet=as_json) as progress:
        home = at_home(find_bundle(model), cases, images=images, truth=truth, confidence=confidence, progress=progress)
    for line in _certainty(home):
        console.print(line, soft_wrap=True)
    told: dict[str, Any] = {"cases": to_plain(home.known), "left_out": dict(home.table.left_out)}
    if out is not None:
        fitted, bundle = write_recalibrated(home, out)
        told |= {"recalibration": to_plain(fitted), "out": str(out)}
        for line in _fitted(home, fitted, bundle, out):
            console.print(line, soft_wrap=True)
    if as_json:
        print_json(told)


def _certainty(home: AtHome) -> list[str]:
    known, parent = home.known, home.parent
    lines = [
        f"{known.images} photographs of {known.lesions} lesions or patients; {known.positives} of these should be seen "
        "in a clinic."
    ]
    lines += [f"Left out: {count} {why}." for why, count in sorted(home.table.left_out.items())]
    for name, estimate in zip(("sensitivity", "specificity"), known.advice.estimates, strict=True):
        span = estimate.interval
        ends = "unknown" if span is None else f"{fraction(span[0])} to {fraction(span[1])}"
        value = "–" if estimate.value is None else fraction(estimate.value)
        lines.append(f"The present advice on them: {name} {value} (95 % interval {ends}).")
    target = fraction(parent.target_sensitivity, 2)
    if known.confidence:
        lines.append(
            f"Enough to set a threshold: new lesions reach {target} with a confidence of {known.confidence:g}."
        )
    else:
        lines.append(
            f"Too few to prove a threshold: {known.wanted} lesions that should be seen are wanted for a sensitivity of "
            f"{target} with a confidence of {home.confidence:g}. It may only go down."
        )
    return lines


_RULES = {
    "proven": "set by these cases with the confidence above",
    "lowered": "lowered to what these cases ask for, without a confidence",
    "kept": "as cautious as before: these cases do not prove another",
}


def _fitted(home: AtHome, fitted: Recalibration, bundle: Bundle, out: Path) -> list[str]:
    if fitted.changed:
        answers = (
            f"Answers: temperature {fitted.temperature:.2f} and a shift of each class; on cases that they were not "
            f"fitted on they save {fitted.gain:.3f} nats a photograph."
        )
    else:
        answers = "Answers: left as they are; a new calibration does not help on cases that it was not fitted on."
    told = []
    if home.table.told is not None and fitted.answers_temperature is not None:
        own = "a temperature of their own" if fitted.answers_temperature != fitted.temperature else "the photograph's"
        told = [
            f"Where a question is answered ({len(home.table.told)} of these photographs): temperature "
            f"{fitted.answers_temperature:.2f}, {own}; threshold and sets are the photograph's, and answers never "
            "lower the advice."
        ]
    pair = ", ".join(
        f"{name} {'–' if estimate.value is None else fraction(estimate.value)}"
        for name, estimate in zip(("sensitivity", "specificity"), fitted.advice.estimates, strict=True)
    )
    return [
        answers,
        *told,
        f"Threshold: {setting(fitted.threshold)}, before {setting(home.parent.risk_threshold)}; {_RULES[fitted.rule]}.",
        f"On these very cases, which flatters: {pair}.",
        f"{out}: names its parent {bundle.provenance['recalibrated']['parent_sha256'][:12]} and the cases "
        f"{home.table.sha256[:12]}. Check it on later cases: hierattn evaluate {out} --data PREPARED",
        "Not a medical device.",
    ]
