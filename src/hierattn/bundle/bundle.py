"""The bundle: one ONNX file with everything that a prediction needs in its metadata. No torch, no ``onnx`` package.

The one owner of the format: its names, versions, reading and checks. docs/bundle.md describes it for those who read it
without this code. Every value under ``hierattn.`` is JSON.

Older versions are still read. Version 3 had no questions, and no second input; version 2 had no ``taxonomy``: its
classes are some of the paper's eight. Version 1 also had other keys for the same values (:data:`RENAMED_KEYS`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hierattn.bundle.onnx_file import OnnxSummary, summarise
from hierattn.bundle.prediction_set import SetRule
from hierattn.bundle.reference import CLASSES, RISK_EDGES, Counts
from hierattn.bundle.reference import RISK as RISK_COUNTS
from hierattn.bundle.thresholds import TriageSettings
from hierattn.errors import BundleError, HierAttnError
from hierattn.image_spec import ImageSpec
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import Question
from hierattn.taxonomy.records import Taxonomy

FORMAT_VERSION = 4
"""What is read; what asks nothing is written as version 3. Readers must reject higher versions."""
_WITHOUT_QUESTIONS = 3

RENAMED_KEYS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "triage": {"wished_sensitivity": "target_sensitivity"},
        "calibration": {"wished_sensitivity": "target_sensitivity", "sure": "confidence"},
        "prediction_sets": {"wished": "target"},
        "novelty": {
            "wished": "target",
            "sure": "confidence",
            "turned_away": "rejected",
            "turned_away_of_class": "rejected_of_class",
        },
    }
)
"""Entry -> its keys in version 1 -> what they are called today, with the same meaning."""

MAX_BYTES = 64 * 1024 * 1024
"""Largest file that is read; HierAttn_m takes 22 MB."""

PREFIX = "hierattn."
"""Before every key of ours among the file's metadata."""

INPUT, ANSWERS = "image", "answers"
"""The second input is there only where the taxonomy has questions, and has a default: nothing is answered."""
PROBABILITIES, RISK, HEATMAP, NOVELTY = "probabilities", "risk", "heatmap", "novelty"
PHOTO_PROBABILITIES, PHOTO_RISK = "photo_probabilities", "photo_risk"
"""From the photograph alone, beside those with the answers; only where the taxonomy has questions."""
FEWEST_CELLS = 4
"""Cells of a heat map, a side. With fewer, none or one of them lies off the border: too small to tell where on the
photograph the evidence is. A sequence of the last block then has one token, whose attention is the same everywhere."""

INTENDED_USE = (
    "Research, teaching, and giving a person who looks at their own skin a reason to see a doctor. Not a medical "
    "device; not for diagnosis, and never a reason not to see a doctor."
)


@dataclass(frozen=True)
class Bundle:
    """What a bundle says of itself.

    Attributes
    ----------
    model, parameters
        The registered name, and the number of learnable values.
    taxonomy
        The classes in the order of ``probabilities``.
    image_spec
        What the network expects; the graph itself resizes and scales, the adaptive crop is the caller's.
    temperature
        By which the graph divides the logits; 1 where it was never fitted.
    triage
        The threshold, and how it did.
    calibration
        ``calibration.json`` as it was, or empty: with both folds' figures.
    training_data
        ``source``, ``licence``, ``citation``, ``images``.
    metrics
        Figures copied from ``report.json``; empty where the run was not evaluated.
    provenance
        ``hierattn`` (version), ``commit``, ``created`` where known, ``manifest_sha256``, ...
    recipe
        The resolved recipe.
    heatmap
        How the output ``heatmap`` was made, in words; empty where there is none.
    intended_use
        In words.
    novelty
        From which value of the output ``novelty`` on a photograph is unlike the training data (``threshold``), and what
        share of lesions that rejects (``rejected``); empty where there is no such output.
    precision
        ``name`` (float32, float16, int8, int8-weights, mixed), and what it costs; empty is float32.
    prediction_sets
        From which calibrated probability on a class cannot be excluded, for each target coverage; empty where the run
        was not evaluated.
    trained_on
        The photographs that the weights have seen, as the checkpoint's record writes them
        (:mod:`hierattn.models.weights.trained_on`); empty where the file does not say.
    reference
        Counts of its answers on the inner fold (:mod:`hierattn.bundle.reference`), against which a service compares;
        empty where the file does not say.
    """

    model: str
    parameters: int
    taxonomy: Taxonomy
    image_spec: ImageSpec
    temperature: float = 1.0
    triage: TriageSettings = field(default_factory=TriageSettings)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training_data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    heatmap: str = ""
    intended_use: str = INTENDED_USE
    novelty: Mapping[str, Any] = field(default_factory=dict)
    precision: Mapping[str, Any] = field(default_factory=dict)
    prediction_sets: tuple[SetRule, ...] = ()
    trained_on: str = ""
    reference: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes of the classes in the order of ``probabilities``."""
        return self.taxonomy.codes

    @property
    def questions(self) -> tuple[Question, ...]:
        """What may be asked, in the order of the input ``answers``; empty: the photograph alone is read."""
        return self.taxonomy.questions

    @property
    def has_referral(self) -> bool:
        """Whether it says which classes a doctor must see; else there is no risk, threshold or advice."""
        return bool(self.triage.group)

    @property
    def novelty_threshold(self) -> float | None:
        """From which novelty on a photograph is rejected; None where the bundle does not say."""
        return None if "threshold" not in self.novelty else float(self.novelty["threshold"])

    def to_values(self) -> dict[str, Any]:
        """What people and programs read, as plain values under the keys of the newest format without their prefix.

        All but the list of photographs, :attr:`trained_on`, which is long and for comparing with alone.
        """
        return {
            "format_version": FORMAT_VERSION if self.questions else _WITHOUT_QUESTIONS,
            "model": {"name": self.model, "parameters": self.parameters},
            "classes": [{"code": each.code, "name": each.name} for each in self.taxonomy.classes],
            "taxonomy": self.taxonomy.to_dict(),
            "image_spec": self.image_spec.to_dict(),
            "temperature": self.temperature,
            "triage": {**asdict(self.triage), "rule": "risk >= threshold: see a doctor"},
            "calibration": dict(self.calibration),
            "training_data": dict(self.training_data),
            "metrics": dict(self.metrics),
            "provenance": dict(self.provenance),
            "recipe": dict(self.recipe),
            "heatmap": self.heatmap,
            "intended_use": self.intended_use,
            "novelty": dict(self.novelty),
            "precision": dict(self.precision),
            "prediction_sets": [asdict(rule) for rule in self.prediction_sets],
        }

    def to_metadata(self) -> dict[str, str]:
        """Key -> JSON, for the ``metadata_props`` of an ONNX file. The same bundle gives the same bytes."""
        values = self.to_values() | ({"trained_on": self.trained_on} if self.trained_on else {})
        values |= {"reference": self.reference} if self.reference else {}
        return {
            PREFIX + key: json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
            for key, value in values.items()
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> Bundle:
        """The inverse of :meth:`to_metadata`, for every version so far; ``name`` is what an error calls the file.

        Raises
        ------
        BundleError
            Where the metadata are not ours, damaged or of a newer format.
        """
        values = _parse(metadata, name)
        try:
            return cls(**_checked(_from_version_1(values) if values["format_version"] == 1 else values))
        except BundleError:
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, HierAttnError) as error:
            reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"{name} has a damaged description ({reason}); export it again") from None


def read_bundle(path: Path) -> tuple[bytes, Bundle]:
    """Read and examine a bundle: (the file's bytes, what it says of itself). Nothing of it is executed.

    Raises
    ------
    BundleError
        Where the file is missing, over 64 MB, damaged, foreign, of a newer format, or asks for what a bundle must not.
    """
    model = _read_limited(path)
    summary = summarise(model, str(path))
    bundle = Bundle.from_metadata(summary.metadata, str(path))
    _check_graph(summary, bundle, str(path))
    return model, bundle


def is_bundle(path: Path) -> bool:
    """Whether a file is an ONNX file with our description, of whatever version."""
    try:
        return PREFIX + "format_version" in summarise(_read_limited(path), str(path)).metadata
    except BundleError:
        return False


def _read_limited(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BundleError(
                f"{path} has {size:,} bytes: wanted a bundle of at most {MAX_BYTES:,}; export it with 'hierattn export'"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"no bundle at {path}: wanted a .onnx file from 'hierattn export'; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"{path} cannot be read ({reason}): wanted a .onnx file; check the path") from None


def _check_graph(summary: OnnxSummary, bundle: Bundle, name: str) -> None:
    if summary.objections:
        raise BundleError(
            f"{name} contains {', '.join(sorted(summary.objections))}: refused, a bundle is one file of plain ONNX; "
            "export it with 'hierattn export'"
        )
    inputs, outputs = [INPUT], [PROBABILITIES, RISK]
    if bundle.questions:
        inputs, outputs = [*inputs, ANSWERS], [*outputs, PHOTO_PROBABILITIES, PHOTO_RISK]
    if summary.inputs != inputs or not set(outputs) <= set(summary.outputs):
        raise BundleError(
            f"{name} has inputs {summary.inputs} and outputs {summary.outputs}: wanted {inputs} and {outputs}; export "
            "it with 'hierattn export'"
        )
    if bundle.questions and ANSWERS not in summary.defaults:
        raise BundleError(f"{name} has no default for its input {ANSWERS!r}: export it with 'hierattn export'")


def _parse(metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    """The JSON values under our prefix, once the version is one that we know."""
    if PREFIX + "format_version" not in metadata:
        raise BundleError(f"{name} is an ONNX file, but no bundle of ours: make one with 'hierattn export'")
    try:
        values = {key[len(PREFIX) :]: json.loads(text) for key, text in metadata.items() if key.startswith(PREFIX)}
        version = int(values["format_version"])
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise BundleError(f"{name} has a damaged description ({error}); export it again") from None
    if not 1 <= version <= FORMAT_VERSION:
        raise BundleError(f"{name} has format {version}, this hierattn reads {FORMAT_VERSION}; update hierattn")
    return values


def _from_version_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values under today's keys; anything else but a table, or a list of them, is left for the checks."""
    return {entry: _renamed(value, RENAMED_KEYS.get(entry, {})) for entry, value in values.items()}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    return {names.get(key, key): part for key, part in value.items()} if isinstance(value, dict) else value


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of :class:`Bundle`. A wrong value raises one of Python's own errors."""
    classes = tuple(str(entry["code"]) for entry in values["classes"])
    if int(values["format_version"]) < 3:
        taxonomy = EIGHT.subset(classes)
    else:
        taxonomy = Taxonomy.from_dict(values["taxonomy"])
        if taxonomy.codes != classes:
            raise ValueError(f"classes {', '.join(classes[:20])}: wanted those of its taxonomy, in its order")
    temperature = float(values["temperature"])
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature {temperature}: wanted a positive number")
    plain = ("calibration", "training_data", "metrics", "provenance", "recipe", "precision")
    return {
        "model": str(values["model"]["name"]),
        "parameters": int(values["model"]["parameters"]),
        "taxonomy": taxonomy,
        "image_spec": ImageSpec.from_dict(values["image_spec"]),
        "temperature": temperature,
        "triage": _triage(values["triage"], classes),
        **{key: dict(values.get(key) or {}) for key in plain},
        "heatmap": str(values.get("heatmap", "")),
        "intended_use": str(values["intended_use"]),
        "novelty": _novelty(values.get("novelty") or {}),
        "prediction_sets": tuple(_set_rule(rule) for rule in values.get("prediction_sets") or ()),
        "trained_on": str(values.get("trained_on", "")),
        "reference": _reference(values.get("reference") or {}, classes),
    }


def _reference(values: Mapping[str, Any], classes: tuple[str, ...]) -> dict[str, Counts]:
    """Refuse counts that are none, or of other bins: a service divides by them."""
    counts = {str(name): {str(key): int(count) for key, count in bins.items()} for name, bins in values.items()}
    wanted = {RISK_COUNTS: set(map(str, range(len(RISK_EDGES) + 1))), CLASSES: set(classes)}
    for name, bins in counts.items():
        if set(bins) != wanted.get(name) or any(count < 0 for count in bins.values()):
            raise ValueError(f"reference counts of {name}: wanted one of each of {', '.join(sorted(wanted))}")
    return dict(counts)


def _novelty(values: Mapping[str, Any]) -> dict[str, Any]:
    if values and not (math.isfinite(float(values["threshold"])) and float(values["threshold"]) > 0):
        raise ValueError(f"novelty threshold {values['threshold']}: wanted a positive number")
    return dict(values)


def _set_rule(values: Mapping[str, Any]) -> SetRule:
    interval, size = values.get("interval"), values.get("mean_size")
    return SetRule(
        target=_known_share(values["target"]),
        threshold=_known_share(values["threshold"]),
        coverage=_share(values.get("coverage")),
        interval=None if interval is None else (_known_share(interval[0]), _known_share(interval[1])),
        mean_size=None if size is None else float(size),
    )


def _triage(values: Mapping[str, Any], classes: tuple[str, ...]) -> TriageSettings:
    group = tuple(str(code) for code in values["group"])
    if not set(group) <= set(classes):
        raise ValueError(f"triage group {', '.join(group)}: wanted some of {', '.join(classes)}")
    interval = values.get("interval")
    return TriageSettings(
        group=group,
        threshold=_share(values["threshold"]),
        target_sensitivity=_share(values.get("target_sensitivity")),
        sensitivity=_share(values.get("sensitivity")),
        interval=None if interval is None else (_known_share(interval[0]), _known_share(interval[1])),
        images=int(values.get("images", 0)),
    )


def _share(value: Any) -> float | None:
    return None if value is None else _known_share(value)


def _known_share(value: Any) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share}: wanted a share from 0 to 1")
    return share
