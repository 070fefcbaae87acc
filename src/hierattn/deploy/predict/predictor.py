"""From a photograph to a diagnosis with a bundle, ONNX Runtime, numpy and Pillow: no torch, and fast to start.

>>> from hierattn.deploy.predict.predictor import Predictor          # doctest: +SKIP
>>> diagnosis = Predictor.load("model.onnx")("photo.jpg")    # doctest: +SKIP
>>> diagnosis.label, diagnosis.risk, diagnosis.advice.title  # doctest: +SKIP
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL import Image

from hierattn.bundle.bundle import (
    HEATMAP,
    MAX_BYTES,
    NOVELTY,
    PHOTO_PROBABILITIES,
    PHOTO_RISK,
    PROBABILITIES,
    RISK,
    Bundle,
    read_bundle,
)
from hierattn.bundle.prediction_set import PredictionSet, prediction_sets
from hierattn.deploy.predict.advice_texts import language_texts
from hierattn.deploy.predict.answer_check import check_answer
from hierattn.deploy.predict.photo_input import Photo, clean_as_trained, crop_as_trained, to_photograph
from hierattn.deploy.predict.released import DEFAULT_DOMAIN, NAMES, released_bundle
from hierattn.deploy.predict.session import open_session, run_session
from hierattn.deploy.predict.triage import UNFIT_LEVEL, Advice, advise, not_lowered
from hierattn.errors import ImageError, UsageError
from hierattn.hub import BUNDLE, hub_file, is_on_hub
from hierattn.notebook_html import NOT_A_DEVICE, notebook_table
from hierattn.preprocessing.photo_quality import PhotoQuality, judge_photo, with_novelty
from hierattn.shares import percent
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import answer_codes, read_answers
from hierattn.taxonomy.records import Taxonomy

if TYPE_CHECKING:
    from hierattn.deploy.predict.session import Session

RELEASED: tuple[str, ...] = NAMES
"""Names of released bundles; :mod:`hierattn.deploy.predict.released` holds them."""

RUNTIMES: tuple[str, ...] = ("onnxruntime", "openvino")
"""What can run a bundle; the first is part of every installation, and the default."""

_SHOWN = 5
"""Classes that a notebook shows, the most probable first."""


@dataclass(frozen=True)
class PhotoAlone:
    """What the photograph alone says, beside an answer with questions answered.

    Attributes
    ----------
    probabilities, risk, advice
        As those of :class:`Diagnosis`.
    """

    probabilities: dict[str, float]
    risk: float | None
    advice: Advice | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        advice = None if self.advice is None else self.advice.to_dict()
        return {"probabilities": dict(self.probabilities), "risk": self.risk, "advice": advice}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The answer for one photograph.

    Attributes
    ----------
    probabilities
        Code -> calibrated probability; in the bundle's order, adding up to 1.
    risk
        Summed probability of the classes that need a doctor, 0 to 1; None where nothing is said of which do.
    advice
        What to do next. Where the photograph is unfit it says so, and the probabilities mean nothing. Of a photograph
        that is fit None, where nothing is said of which classes need a doctor: :attr:`note` then says so.
    quality
        Of the photograph.
    prediction_sets
        The classes that cannot be excluded, at each coverage that the bundle has a threshold for; often (), where the
        run was not evaluated. Answers take no class off them. They mean nothing where the photograph is unfit.
    heatmap
        Evidence for each class by place, float32 (classes, h, w), in the bundle's order; None unless asked for.
        Positive speaks for the class. See docs/bundle.md for what it means and what not.
    seconds
        From the decoded photograph to this.
    model
        The model's name, classes and parameters in one line.
    taxonomy
        The classes: names, words and colours.
    language
        Of the advice and the note.
    answers
        Question -> answer, of those that were answered.
    photo_alone
        What the photograph alone says, where something was answered; else None. The advice is never less urgent than
        its own.
    """

    probabilities: dict[str, float]
    risk: float | None
    advice: Advice | None
    quality: PhotoQuality
    heatmap: np.ndarray | None
    seconds: float
    model: str
    prediction_sets: tuple[PredictionSet, ...] = ()
    taxonomy: Taxonomy = EIGHT
    language: str = "en"
    answers: Mapping[str, str] = field(default_factory=dict)
    photo_alone: PhotoAlone | None = None

    @property
    def note(self) -> str:
        """Why there is no advice, in one sentence; empty where there is one."""
        return "" if self.advice is not None else language_texts(self.language)["note.no_referral"]

    @property
    def unfit(self) -> bool:
        """Whether the photograph is unfit for an answer: then the numbers mean nothing, and nobody is shown them."""
        return self.advice is not None and self.advice.level == UNFIT_LEVEL

    @property
    def label(self) -> str:
        """Code of the most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def both_results(self) -> tuple[str, ...]:
        """What the photograph alone says, and what it says with the answers, a line each; () without either."""
        if self.photo_alone is None or self.unfit:
            return ()
        texts, lines = language_texts(self.language), []
        for heading, numbers in (("photo_alone", self.photo_alone), ("with_answers", self)):
            code = max(numbers.probabilities, key=numbers.probabilities.__getitem__)
            said = f"{code} {percent(numbers.probabilities[code])}"
            said += "" if numbers.risk is None else f"; {texts['heading.risk']}: {percent(numbers.risk)}"
            lines.append(texts[f"heading.{heading}"].format(answer=said))
        return tuple(lines)

    def heatmap_of(self, code: str) -> np.ndarray:
        """The heat map of one class, (h, w).

        Raises
        ------
        UsageError
            Where none was asked for, or the model does not know the class.
        """
        if self.heatmap is None:
            raise UsageError("this diagnosis has no heat map: ask for it with predictor(photo, heatmap=True)")
        if code not in self.probabilities:
            raise UsageError(f"no heat map for {code!r}: wanted one of {', '.join(self.probabilities)}")
        return np.asarray(self.heatmap[list(self.probabilities).index(code)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON.

        For an unfit photograph ``label``, ``probabilities``, ``risk`` and ``heatmap`` are None, and there are no
        prediction sets. Where nothing is said of which classes need a doctor, ``risk`` and ``advice`` are None, and
        ``note`` says why.
        """
        fit = not self.unfit
        return {
            "label": self.label if fit else None,
            "probabilities": dict(self.probabilities) if fit else None,
            "risk": self.risk if fit else None,
            "advice": None if self.advice is None else self.advice.to_dict(),
            **({"note": self.note} if self.note else {}),
            "quality": self.quality.to_dict(),
            "heatmap": self.heatmap.tolist() if fit and self.heatmap is not None else None,
            "seconds": round(self.seconds, 4),
            "model": self.model,
            "prediction_sets": [classes.to_dict() for classes in self.prediction_sets] if fit else [],
            **({"answers": dict(self.answers)} if self.answers else {}),
            **({"photo_alone": self.photo_alone.to_dict()} if fit and self.photo_alone is not None else {}),
        }

    def _repr_html_(self) -> str:
        """What a notebook shows: the advice, and the most probable classes of a photograph that is fit."""
        advice = self.advice
        title = self.note if advice is None else advice.title
        notes = [] if advice is None else [advice.why, *advice.next_steps, *advice.limits]
        names = {each.code: each.name for each in self.taxonomy.classes}
        ranked = sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:_SHOWN]
        rows = [] if self.unfit else [(f"{code} {names[code]}", percent(share)) for code, share in ranked]
        return notebook_table(title, rows, [*notes, self.model, NOT_A_DEVICE])


@dataclass(frozen=True, eq=False)
class PreparedPhoto:
    """A photograph as the graph takes it.

    Attributes
    ----------
    pixels
        uint8 RGB, (size, size, 3): cropped, cleaned and resized.
    quality
        Of the photograph, before the resize.
    start
        When its preparation began, by ``time.perf_counter``.
    answers
        Question -> allowed answer, of those that were answered.
    """

    pixels: np.ndarray
    quality: PhotoQuality
    start: float
    answers: Mapping[str, str] = field(default_factory=dict)


class Predictor:
    """A loaded bundle. Calling it is safe from several threads at once.

    The photograph is resized here by Pillow, bit for bit as the training images were, before it enters the graph. The
    graph's own resize, for runtimes without Pillow, differs by at most one grey level.

    Parameters
    ----------
    bundle
        What the file says of itself.
    session
        ONNX Runtime's or OpenVINO's, of the same file.
    """

    def __init__(self, bundle: Bundle, session: Session) -> None:
        self.bundle = bundle
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]

    @classmethod
    def load(cls, model: str | Path = DEFAULT_DOMAIN, *, threads: int = 0, runtime: str = RUNTIMES[0]) -> Predictor:
        """Load a bundle.

        Parameters
        ----------
        model
            A path; a released name, such as ``"dermoscopy"`` (for non-commercial use); or the place of a
            repository on the Hugging Face Hub, ``"hf-hub:OWNER/NAME"``, with ``@REVISION`` for an earlier state.
        threads
            Of the runtime within one prediction; 0: one per core, up to 4.
        runtime
            One of :data:`RUNTIMES`. OpenVINO runs in float32, one prediction at a time, and is first compared with
            ONNX Runtime.

        Raises
        ------
        BundleError
            Where the file is missing, damaged, foreign, too new, or refused by the runtime; where OpenVINO answers
            otherwise than ONNX Runtime.
        MissingPackageError
            Where OpenVINO is not installed.
        UsageError
            For a released name of which no bundle is installed, a negative number of threads, or another runtime.
        HubError
            Where the hub has no such bundle, or cannot be reached and its cache has none either.
        """
        if threads < 0:
            raise UsageError(f"{threads} threads: wanted 1 or more, or 0 for one per core")
        if runtime not in RUNTIMES:
            raise UsageError(f"runtime {runtime!r}: wanted {' or '.join(RUNTIMES)}")
        path = find_bundle(model)
        content, bundle = read_bundle(path)
        if runtime == "openvino":
            from hierattn.deploy.predict.openvino_session import open_openvino

            return cls(bundle, open_openvino(content, path, bundle.image_spec.size, threads))
        return cls(bundle, open_session(content, path, threads))

    @classmethod
    def released(cls, name: str = DEFAULT_DOMAIN, *, threads: int = 0) -> Predictor:
        """Load a released bundle, whatever files the working directory has.

        Parameters
        ----------
        name
            ``"dermoscopy"`` (through a dermatoscope), ``"dermoscopy-large"`` (the same photographs, a larger network)
            or ``"phone"``. For non-commercial use only.
        threads
            As for :meth:`load`, whose errors this has too.
        """
        return cls.load(released_bundle(name), threads=threads)

    @property
    def has_heatmap(self) -> bool:
        """Whether the bundle can draw heat maps."""
        return HEATMAP in self._outputs

    @property
    def has_novelty(self) -> bool:
        """Whether the bundle can say that a photograph is unlike those that its network was trained on."""
        return NOVELTY in self._outputs and self.bundle.novelty_threshold is not None

    @property
    def description(self) -> str:
        """The model in one line."""
        bundle = self.bundle
        source = bundle.training_data.get("source") or "unknown data"
        fitted = bundle.triage.threshold is not None if bundle.has_referral else bool(bundle.calibration)
        calibrated = "calibrated" if fitted else "not calibrated"
        return (
            f"{bundle.model}, {bundle.parameters:,} parameters, {len(bundle.classes)} classes, {source}, {calibrated}"
        )

    # A str is a sequence of str too; mypy cannot know that the first overload takes it.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        image: Photo,
        *,
        heatmap: bool = False,
        rule: str = "risk",
        language: str = "en",
        answers: Mapping[str, Any] | None = None,
    ) -> Diagnosis: ...

    @overload
    def __call__(
        self,
        image: Sequence[Photo],
        *,
        heatmap: bool = False,
        rule: str = "risk",
        language: str = "en",
        answers: Mapping[str, Any] | None = None,
    ) -> list[Diagnosis]: ...

    def __call__(
        self,
        image: Photo | Sequence[Photo],
        *,
        heatmap: bool = False,
        rule: str = "risk",
        language: str = "en",
        answers: Mapping[str, Any] | None = None,
    ) -> Diagnosis | list[Diagnosis]:
        """Answer for a photograph, or for each of a list.

        Parameters
        ----------
        image
            A path, a file's bytes, a PIL image, a uint8 RGB array (height, width, 3) as upright as it is meant, or a
            list of those.
        heatmap
            Whether to draw heat maps as well.
        rule, language
            Of the advice: ``"risk"`` or ``"paper"``; ``"en"``, ``"pt"`` or ``"zh"``.
        answers
            Question -> answer, of the bundle's questions, for instance ``{"grew": "yes", "age": 54}``; what is left
            out is not known. For every photograph of a list.

        Raises
        ------
        ImageError
            Where a photograph cannot be used.
        UsageError
            For an unknown rule or language, a heat map that the bundle cannot draw, or an answer that is not allowed.
        BundleError
            Where the graph fails or its answer is no set of probabilities.
        """
        if heatmap and not self.has_heatmap:
            raise UsageError(f"{self.bundle.model} has no heat map in its bundle: ask without heatmap")
        told = read_answers(self.bundle.questions, answers or {})

        def diagnose(photo: Photo) -> Diagnosis:
            prepared = self.prepare(to_photograph(photo), told)
            return self.diagnose([prepared], heatmap=heatmap, rule=rule, language=language)[0]

        if isinstance(image, str | Path | bytes | Image.Image | np.ndarray):
            return diagnose(image)
        if hasattr(image, "read") or not isinstance(image, Iterable):  # an open file would be read line by line
            raise ImageError(
                f"{type(image).__name__} is no photograph, and no list of them: wanted a path, a file's bytes, a PIL "
                "image or a uint8 array (h, w, 3)"
            )
        return [diagnose(photo) for photo in image]

    def prepare(self, photo: np.ndarray, answers: Mapping[str, Any] | None = None) -> PreparedPhoto:
        """All that comes before the graph: the crop, the check of the quality, the cleaning and the resize.

        Parameters
        ----------
        photo
            uint8 RGB, (height, width, 3), upright, as :func:`~hierattn.deploy.predict.photo_input.to_photograph` gives
            it.
        answers
            As of a call.

        Raises
        ------
        UsageError
            For an answer that is not allowed.
        """
        told = read_answers(self.bundle.questions, answers or {})
        start = time.perf_counter()
        spec = self.bundle.image_spec
        part, was_cropped = crop_as_trained(photo, spec.crop)
        quality = judge_photo(part, cropped=was_cropped)
        return PreparedPhoto(spec.resize(np.ascontiguousarray(clean_as_trained(part, spec))), quality, start, told)

    def diagnose(
        self, prepared: Sequence[PreparedPhoto], *, heatmap: bool = False, rule: str = "risk", language: str = "en"
    ) -> list[Diagnosis]:
        """Answer for several prepared photographs by one run of the graph, which costs less than one run for each.

        The arguments and errors are those of a call.
        """
        answer = self._run(prepared, heatmap)
        threshold = self.bundle.novelty_threshold
        diagnoses = []
        for number, photo in enumerate(prepared):
            probabilities, risk = self._numbers(answer, number, PROBABILITIES, RISK)
            quality = photo.quality
            if NOVELTY in answer and threshold is not None:
                quality = with_novelty(quality, float(answer[NOVELTY][number]), threshold)
            how = partial(advise, settings=self.bundle.triage, quality=quality, rule=rule, language=language)
            advice = how(probabilities, risk, answered=bool(photo.answers))
            alone: PhotoAlone | None = None
            if photo.answers:
                numbers = self._numbers(answer, number, PHOTO_PROBABILITIES, PHOTO_RISK)
                own = how(*numbers)
                alone, advice = PhotoAlone(*numbers, own), not_lowered(advice, own)
            diagnoses.append(
                Diagnosis(
                    probabilities=probabilities,
                    risk=risk,
                    advice=advice,
                    quality=quality,
                    heatmap=answer[HEATMAP][number] if heatmap else None,
                    seconds=time.perf_counter() - photo.start,
                    model=self.description,
                    prediction_sets=prediction_sets(
                        probabilities, self.bundle.prediction_sets, None if alone is None else alone.probabilities
                    ),
                    taxonomy=self.bundle.taxonomy,
                    language=language,
                    answers=photo.answers,
                    photo_alone=alone,
                )
            )
        return diagnoses

    def _numbers(
        self, answer: Mapping[str, np.ndarray], number: int, of_classes: str, of_risk: str
    ) -> tuple[dict[str, float], float | None]:
        """Probabilities and risk of one photograph, by the names of the graph's outputs."""
        probabilities = dict(zip(self.bundle.classes, answer[of_classes][number].tolist(), strict=True))
        risk = min(1.0, max(0.0, float(answer[of_risk][number]))) if self.bundle.has_referral else None
        return probabilities, risk

    def _run(self, prepared: Sequence[PreparedPhoto], heatmap: bool) -> dict[str, np.ndarray]:
        """The graph's outputs for prepared photographs."""
        images, codes = np.stack([photo.pixels for photo in prepared]), None
        wanted = [PROBABILITIES, RISK, *([HEATMAP] if heatmap else []), *([NOVELTY] if self.has_novelty else [])]
        if any(photo.answers for photo in prepared):
            wanted += [PHOTO_PROBABILITIES, PHOTO_RISK]
            rows = [answer_codes(self.bundle.questions, photo.answers) for photo in prepared]
            codes = np.array(rows, np.float32)
        answer = run_session(self._session, wanted, images, codes)
        check_answer(answer, len(images), self.bundle)
        return answer


def find_bundle(model: str | Path) -> Path:
    """The path of a bundle given by path, by released name, or by its place on the Hugging Face Hub.

    A released name means the released bundle, unless a file is called so.

    Raises
    ------
    UsageError
        For a released name whose bundle is not installed, or a bare name that is none of them.
    BundleError
        Where the installed bundle is not as it was released.
    HubError
        Where the hub has no such bundle, or one that is too large.
    """
    if is_on_hub(str(model)):
        return hub_file(str(model), BUNDLE, MAX_BYTES)
    if model in RELEASED and not Path(model).is_file():
        return released_bundle(str(model))
    path = Path(model)
    if not path.suffix and path.name == str(model) and not path.exists():
        raise UsageError(f"no bundle {model}: wanted {', '.join(RELEASED)}, or the path of a .onnx file")
    return path
