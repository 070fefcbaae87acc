"""Judge an exported bundle on a prepared set by its own answers: those that its users get.

ONNX Runtime runs the exact graph of the file; calibration and threshold are the file's. So the set must hold the pixels
that the predictor would hand to the graph: prepared at the bundle's size, with its crop and cleaning. A set of another
size would have to be resized a second time, which changes answers (docs/evaluation.md has figures).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hierattn.bundle.bundle import PROBABILITIES, RISK, Bundle, read_bundle
from hierattn.data.prepared_set.looks import FIGURES, Look, Looked, record_look
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.predict.answer_check import check_answer
from hierattn.deploy.predict.session import open_session, run_session
from hierattn.errors import BundleError, LeakError, UsageError
from hierattn.evaluation.evaluate import EvaluateOptions, Evaluation, evaluate_external, plain_name
from hierattn.evaluation.measures.calibration import (
    FORMAT_VERSION,
    TARGET_SENSITIVITY,
    Calibration,
    ThresholdFigures,
    calibration_from,
)
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.report import EXTERNAL_BUNDLE
from hierattn.evaluation.selection import Selection, check_pixels, select_by_record, shared_sources
from hierattn.evaluation.subject import NEVER_CALIBRATED, without_paths
from hierattn.models.weights.bundle_weights import bundle_provenance, seen_by_bundle
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.progress import Progress, silent
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.records import Taxonomy

if TYPE_CHECKING:
    import onnxruntime

_NOWHERE = ThresholdFigures(math.nan, None, math.nan, None, 0, 0, 0)


def evaluate_bundle(
    path: Path,
    prepared: Path,
    options: EvaluateOptions | None = None,
    *,
    name: str = "",
    out: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a bundle on all original images of a prepared set that it may be judged on.

    Parameters
    ----------
    path
        The ``.onnx`` file.
    prepared
        The set, prepared as the bundle sees photographs.
    options
        How; of :class:`~hierattn.evaluation.evaluate.EvaluateOptions` those that fit nothing and change no image.
    name
        What the report calls it; empty: the file's name without its ending.
    out
        Where the results go; None: ``evaluation-NAME-on-SET``, with ``-in-TAXONOMY`` where one is given, in the working
        directory.
    progress
        Told of images done.

    Raises
    ------
    BundleError
        Where the file is missing, damaged, foreign or contradicts itself, or its graph fails.
    UsageError
        For an option that a bundle cannot have.
    DataError
        Where the set is missing, damaged, prepared in another way, or has no image to judge it on.
    LeakError
        Where it is the very set that the bundle was trained on, and the bundle has no list of photographs.
    TaxonomyError
        Where a class has no place in the taxonomy that is asked for.
    """
    options = options or EvaluateOptions()
    _check_options(options)
    content, bundle = read_bundle(path)
    subject = BundleSubject(path, bundle, hashlib.sha256(content).hexdigest(), name or path.stem, Path())
    packed = PackedSet.open(prepared)
    check_pixels(packed, bundle.image_spec, path)
    if out is None:
        judged_in = "" if options.taxonomy is None else f"-in-{plain_name(options.taxonomy.name)}"
        place = plain_name(packed.folder.resolve().name)
        out = Path(f"evaluation-{plain_name(subject.name)}-on-{place}{judged_in}")
    network = BundleNetwork(bundle, open_session(content, path), options.batch_size)
    return evaluate_external(replace(subject, folder=out), network, packed, out, options, progress)


@dataclass(frozen=True)
class BundleNetwork:
    """A bundle's graph, which answers for rows of a prepared set.

    Attributes
    ----------
    bundle
        What the file says of itself.
    session
        ONNX Runtime's, of the same file.
    batch_size
        Images in one run.
    """

    bundle: Bundle
    session: onnxruntime.InferenceSession
    batch_size: int = 64

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes in the order of its answers."""
        return self.bundle.taxonomy

    @property
    def parameters(self) -> int:
        """The number of its learnable values."""
        return self.bundle.parameters

    def probabilities(
        self, images: np.ndarray, rows: Sequence[int] | np.ndarray, progress: Progress | None = None, step: str = ""
    ) -> np.ndarray:
        """Calibrated probabilities of some rows of uint8 images of the bundle's size, (N, C) in float64.

        Raises
        ------
        BundleError
            Where the graph fails, or its answer is no set of probabilities.
        """
        tell, order = progress or silent, np.asarray(rows, np.int64)
        parts = [np.zeros((0, len(self.bundle.classes)))]
        for start in range(0, len(order), self.batch_size):
            some = np.ascontiguousarray(images[order[start : start + self.batch_size]])
            answer = run_session(self.session, [PROBABILITIES, RISK], some)
            check_answer(answer, len(some), self.bundle)
            parts.append(answer[PROBABILITIES].astype(np.float64))
            tell(step, start + len(some), len(order))
        return np.concatenate(parts)


@dataclass(frozen=True)
class BundleSubject:
    """A bundle as a :class:`~hierattn.evaluation.subject.Subject`.

    Attributes
    ----------
    path, described
        The file, and what it says of itself.
    bundle
        SHA-256 of the file.
    name
        What the report calls it.
    folder
        Where the results go; the log of looks lies beside it where the set's own cannot be written.
    """

    path: Path
    described: Bundle
    bundle: str
    name: str
    folder: Path

    external_text = EXTERNAL_BUNDLE

    def __post_init__(self) -> None:
        group, referred = set(self.described.triage.group), set(self.described.taxonomy.triage_group)
        if group != referred:
            raise BundleError(
                f"{self.path} adds up the risk of {', '.join(sorted(group)) or 'no class'}, and its taxonomy refers "
                f"{', '.join(sorted(referred)) or 'none'}: wanted the same; export it again"
            )

    def calibration(self) -> Calibration:
        """The bundle's own, as it was fitted, but for the temperature: its answers are calibrated already.

        Raises
        ------
        BundleError
            Where its description is damaged.
        """
        fitted, triage = self.described.calibration, self.described.triage
        threshold = math.nan if triage.threshold is None else triage.threshold
        try:
            if not fitted:
                if triage.threshold is not None:
                    raise ValueError("a threshold without the calibration that it is of")
                return Calibration(1.0, math.nan, TARGET_SENSITIVITY, _NOWHERE, None, "")
            own = calibration_from(fitted, FORMAT_VERSION)
        except (AttributeError, TypeError, ValueError) as error:
            raise BundleError(f"{self.path} has a damaged calibration ({error}); export it again") from None
        return replace(own, temperature=1.0, class_bias=(), risk_threshold=threshold, test=None)

    @cached_property
    def trained_on(self) -> TrainedOn | None:
        """The photographs that the weights have seen; None where the file does not say."""
        return seen_by_bundle(self.path, self.described)

    def select(self, packed: PackedSet, places: Mapping[str, str] | None) -> Selection:
        """The original images whose class is known and that the weights have not seen, as far as the bundle says.

        Raises
        ------
        LeakError
            Where nothing is said, and the set is the one that it was trained on.
        """
        trained_on = self.described.provenance.get("manifest_sha256")
        if self.trained_on is None and trained_on == packed.manifest_sha256:
            raise LeakError(
                f"{packed.folder} is the set that {self.path} was trained on, and the file does not say on which "
                "photographs: wanted another set, or the run folder, whose held-out fold can be judged"
            )
        selection = select_by_record(packed, self.described.classes, self.trained_on, places)
        notes = [] if self.described.calibration else [NEVER_CALIBRATED]
        if self.trained_on is None:
            data = self.described.training_data
            sources = [data.get("source"), *(each.get("source") for each in data.get("all_sources", ()))]
            notes += shared_sources(packed, selection.rows, [str(source) for source in sources if source])
        return Selection(selection.rows, (*selection.notes, *notes))

    def record_look(
        self, packed: PackedSet, images: int, figures: Mapping[str, float | None], *, known: str = ""
    ) -> Looked:
        """Record that all photographs of a set were judged."""
        kept = {name: figures[name] for name in FIGURES if name in figures}
        look = Look(self.bundle, self.name, None, "", images, kept, str(self.described.recipe.get("choose_by", "")))
        instead = RunFolder(self.folder.absolute().parent).looks_at(packed.manifest_sha256)
        return record_look(packed.folder, packed.manifest_sha256, look, instead=instead, known=known)

    def provenance(self) -> dict[str, Any]:
        """What the file says of how its weights were made."""
        return {
            **bundle_provenance(self.path),
            "model": self.described.model,
            "classes": self.described.classes,
            "image_spec": self.described.image_spec.to_dict(),
            "recipe": without_paths(to_plain(dict(self.described.recipe))),
        }

    def learning_curve(self) -> dict[str, tuple[float | None, ...]]:
        """None: a bundle has no log."""
        return {}


def _check_options(options: EvaluateOptions) -> None:
    """Refuse what is fitted, changed or drawn by a run's network."""
    usual = EvaluateOptions()
    asked = {
        "--robustness": options.robustness,
        "--gallery": options.gallery,
        "--similar": options.similar,
        "--class-bias": options.per_class,
        "--target-sensitivity": options.target_sensitivity != usual.target_sensitivity,
        "--confidence": options.confidence != usual.confidence,
        "--device cuda": options.device not in ("auto", "cpu"),
    }
    if wrong := [option for option, given in asked.items() if given]:
        raise UsageError(
            f"{', '.join(wrong)} with a bundle, which answers as it is, on the CPU: leave it out, or evaluate the run "
            "folder"
        )
