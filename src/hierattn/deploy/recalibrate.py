"""A bundle with a new calibration and threshold, from a clinic's own cases (``clinical_use/recalibration.py``).

The graph stays as it is; what follows its answers is new: ``softmax(log(answers) / temperature + bias)``. So bundles of
every precision can be recalibrated, and once more. A bundle that asks gets it behind both its results: what the
photographs alone say gives bias, threshold and prediction sets, and where a question is answered there is a temperature
of its own. The new file names its parent and the cases by digest and count, and
keeps no figure that was measured with the old threshold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hierattn
from hierattn.bundle.bundle import ANSWERS, PHOTO_PROBABILITIES, PROBABILITIES, Bundle, read_bundle
from hierattn.bundle.prediction_set import SetRule
from hierattn.bundle.reference import count_answers
from hierattn.deploy.evaluate_bundle import BundleSubject
from hierattn.deploy.home_cases import HomeTable, read_cases
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.session import open_session
from hierattn.errors import UsageError, require
from hierattn.evaluation.clinical_use.recalibration import HomeCases, Recalibration, examine_cases, recalibrate
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.measures.thresholds import CONFIDENCE
from hierattn.evaluation.records import to_plain
from hierattn.files import atomic_file
from hierattn.progress import Progress

if TYPE_CHECKING:
    import onnx

RECALIBRATED = "recalibrated"
"""Under ``provenance``: the parent and the cases."""
_SMALLEST = np.float32(1e-37)


@dataclass(frozen=True)
class AtHome:
    """A bundle and a clinic's cases, before anything is fitted.

    Attributes
    ----------
    path, content, bundle
        The file, its bytes, and what it says of itself.
    parent
        Its calibration, for answers that are calibrated already.
    table
        The cases.
    known
        What they can show, and how certain a new threshold can be.
    confidence
        That was asked for.
    """

    path: Path
    content: bytes
    bundle: Bundle
    parent: Calibration
    table: HomeTable
    known: HomeCases
    confidence: float


def at_home(
    path: Path,
    cases: Path,
    *,
    images: Path | None = None,
    truth: str = "",
    confidence: float = CONFIDENCE,
    progress: Progress | None = None,
) -> AtHome:
    """Read a bundle and cases.

    Parameters
    ----------
    path
        The ``.onnx`` file.
    cases, images, truth, progress
        As of :func:`~hierattn.deploy.home_cases.read_cases`.
    confidence
        That new lesions reach the target sensitivity, 0 to below 1.

    Raises
    ------
    BundleError, TableError, DataError, UsageError
        Where one cannot be read, or the cases are too few.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence {confidence}: wanted above 0, below 1")
    content, bundle = read_bundle(path)
    sha256 = hashlib.sha256(content).hexdigest()
    subject = BundleSubject(path, bundle, sha256, path.stem, Path())
    parent, seen = subject.calibration(), subject.trained_on
    predictor = Predictor(bundle, open_session(content, path))
    table = read_cases(cases, bundle, sha256, predictor, seen, images=images, truth=truth, progress=progress)
    known = examine_cases(table.answers, parent, confidence=confidence)
    return AtHome(path, content, bundle, parent, table, known, confidence)


def check_new(out: Path) -> None:
    """Refuse to write over anything.

    Raises
    ------
    UsageError
        Where something has the name, or it does not end in ``.onnx``.
    """
    if out.suffix != ".onnx":
        raise UsageError(f"{out}: wanted a name that ends in .onnx")
    hierattn.files.check_new(out, "a recalibrated bundle")


def write_recalibrated(home: AtHome, out: Path) -> tuple[Recalibration, Bundle]:
    """Fit, and write the new bundle: (what was fitted, what it says of itself).

    Raises
    ------
    UsageError
        Where ``out`` exists.
    DataError
        Where the cases are too few.
    """
    require("onnx", "train")
    import onnx

    check_new(out)
    fitted = recalibrate(home.table.answers, home.parent, told=home.table.told, confidence=home.confidence)
    described = _described(home, fitted)
    model = onnx.load_from_string(home.content)
    if fitted.changed or fitted.changed_with_answers:
        _append(model, fitted)
    onnx.helper.set_model_props(model, described.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    with atomic_file(out) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        read_bundle(temporary)
        check_new(out)
    return fitted, described


def _append(model: onnx.ModelProto, fitted: Recalibration) -> None:
    """Put the new calibration behind the old answers; whatever read these reads the new ones."""
    from onnx import helper, numpy_helper

    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    prefix = next(
        name for count in range(len(taken) + 1) if not any(t.startswith(name := f"home{count}_") for t in taken)
    )

    def constant(name: str, value: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), prefix + name))
        return prefix + name

    least, bias = constant("least", _SMALLEST), constant("bias", np.array(fitted.class_bias or [0.0], np.float32))

    def calibrated(output: str, temperature: float, made: str) -> None:
        """Take the output's name off what makes it, and give ``made`` of that."""
        before = f"{prefix}{output}_before"
        last = next(node for node in graph.node if output in node.output)
        last.output[list(last.output).index(output)] = before
        steps = (
            ("Max", least, "above"),
            ("Log", "", "log"),
            ("Div", constant(f"{output}_temperature", np.float32(temperature)), "divided"),
            ("Add", bias, "shifted"),
        )
        for kind, other, name in steps:
            graph.node.append(
                helper.make_node(kind, [before, *([other] if other else [])], [f"{prefix}{output}_{name}"])
            )
            before = f"{prefix}{output}_{name}"
        graph.node.append(helper.make_node("Softmax", [before], [made], axis=1))

    if fitted.answers_temperature is None:
        calibrated(PROBABILITIES, fitted.temperature, PROBABILITIES)
    else:
        if fitted.changed:
            calibrated(PHOTO_PROBABILITIES, fitted.temperature, PHOTO_PROBABILITIES)
        calibrated(PROBABILITIES, fitted.answers_temperature, f"{prefix}told")
        axes, nothing = constant("axes", np.array([1], np.int64)), constant("nothing", np.float32(0))
        graph.node.extend(
            [
                helper.make_node("ReduceMax", [ANSWERS, axes], [f"{prefix}largest"], keepdims=1),
                helper.make_node("Greater", [f"{prefix}largest", nothing], [f"{prefix}any"]),
                helper.make_node(
                    "Where", [f"{prefix}any", f"{prefix}told", PHOTO_PROBABILITIES], [PROBABILITIES]
                ),  # without answers what the photograph alone says, bit for bit
            ]
        )
    _sort(model)


def _sort(model: onnx.ModelProto) -> None:
    """Nodes in an order in which each finds its inputs made."""
    graph = model.graph
    made = {"", *(value.name for value in (*graph.input, *graph.initializer))}
    waiting, ordered = list(graph.node), []
    while waiting:
        place = next(place for place, node in enumerate(waiting) if made.issuperset(node.input))
        ordered.append(waiting.pop(place))
        made.update(ordered[-1].output)
    del graph.node[:]
    graph.node.extend(ordered)


def _reference(home: AtHome, fitted: Recalibration) -> dict[str, dict[str, int]]:
    """What is usual at home: counts of the new answers to the cases."""
    table = home.table.answers
    after = fitted.apply(table.probabilities)
    risks = after[:, np.isin(table.classes, home.bundle.triage.group)].sum(axis=1)
    return count_answers(table.classes, risks.tolist(), (table.classes[place] for place in after.argmax(axis=1)))


def _described(home: AtHome, fitted: Recalibration) -> Bundle:
    """What the new file says of itself: no figure of the old threshold is left."""
    old, table = home.bundle, home.table
    temperature = old.temperature * fitted.temperature
    bias = np.array(old.calibration.get("class_bias") or [0.0] * len(old.classes)) / fitted.temperature
    bias = bias + np.array(fitted.class_bias or [0.0] * len(old.classes))
    known, told = home.known, home.table.told
    before = old.calibration.get("answers_temperature") or old.temperature
    cases = {
        "sha256": table.sha256,
        "photographs": known.images,
        "lesions": known.lesions,
        "positives": known.positives,
    }
    parent = hashlib.sha256(home.content).hexdigest()
    calibration = replace(
        home.parent,
        temperature=temperature,
        risk_threshold=fitted.threshold,
        validation=fitted.advice,
        test=None,
        fitted_on=f"{known.images} own cases of {known.lesions} lesions or patients, {known.positives} of which should "
        f"be seen in a clinic; the parent is {parent[:12]}",
        class_bias=tuple(bias.tolist()) if bias.any() else (),
        answers_temperature=None if fitted.answers_temperature is None else before * fitted.answers_temperature,
        confidence=fitted.confidence,
        sources=(),
    )
    provenance: Mapping[str, Any] = {
        **old.provenance,
        RECALIBRATED: {
            "parent_sha256": parent,
            "cases": cases,
            "temperature": fitted.temperature,
            "class_bias": list(fitted.class_bias),
            "threshold_rule": fitted.rule,
            **({} if told is None else {"answers_temperature": fitted.answers_temperature, "answered": len(told)}),
            "by": hierattn.__version__,
            **({"before": old.provenance[RECALIBRATED]} if RECALIBRATED in old.provenance else {}),
        },
    }
    triage = replace(old.triage, threshold=fitted.threshold, sensitivity=None, interval=None, images=0)
    sets = tuple(SetRule(target, threshold) for target, threshold in fitted.prediction_sets.items())
    return replace(
        old,
        temperature=temperature,
        triage=triage,
        calibration=to_plain(calibration),
        metrics={},
        provenance=provenance,
        prediction_sets=sets,
        reference=_reference(home, fitted),
    )
