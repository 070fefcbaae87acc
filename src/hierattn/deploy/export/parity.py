"""Does an exported bundle give PyTorch's numbers? Compared on stored images, before the file gets its name.

Two comparisons, because two things can go wrong:

- **exact path**: images of the network's own size, so that no resize takes part. Probabilities agree within 1e-4, and
  the most probable class always;
- **photographs**: odd sizes. The pixels that the graph's own resize makes are within one grey level of Pillow's, and
  of these very pixels the probabilities agree within 1e-4 again. How far one grey level moves them is the network's own
  doing, and is told.

A bundle of reduced precision is held to the share of equal answers instead (:data:`LOSSY`), on photographs of the fold
that training never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from PIL import Image

from hierattn.bundle.bundle import (
    HEATMAP,
    INPUT,
    NOVELTY,
    PHOTO_PROBABILITIES,
    PROBABILITIES,
    RISK,
    Bundle,
    read_bundle,
)
from hierattn.deploy.export.onnx_graph import resize_alone
from hierattn.deploy.predict.session import open_session, run_session
from hierattn.errors import ParityError
from hierattn.image_spec import ImageSpec
from hierattn.shares import percent, told_apart
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import Question

if TYPE_CHECKING:
    import onnxruntime

    from hierattn.deploy.export.exportable import CalibratedNetwork
    from hierattn.models.weights.checkpoint import Checkpoint

_Pair = tuple[np.ndarray, np.ndarray]  # probabilities found and wanted


class Answer(Protocol):
    """A runtime with a bundle loaded."""

    def __call__(self, image: np.ndarray, answers: np.ndarray | None = None) -> Mapping[str, np.ndarray]:
        """One uint8 image (H, W, 3), and codes (1, questions) where any is answered -> its outputs by name, the batch
        of one included.
        """


Resize = Callable[[np.ndarray], np.ndarray]
"""uint8 (H, W, 3) -> uint8 of the network's size."""

TOLERANCE = 1e-4
"""Largest difference of a probability on images of the network's own size."""

GREY_LEVELS = 1
"""Largest difference between the pixels of the graph's resize and Pillow's."""

PHOTO_TOLERANCE = 0.005
"""By how much one grey level in some pixels may move a probability of HierAttn: three times the largest on 500 real
photographs, 1.5e-3. A larger network can be sharper: EfficientNet-Lite0 moved by 0.03 on a drawing. Where a runtime's
resize cannot be asked for its pixels, photographs of other sizes are held to this."""

HEATMAP_TOLERANCE = 1e-3
"""Largest difference of a heat map, over its largest absolute value; and of the novelty, over itself."""

LEAST_RANGE = 1e-3
"""What a heat map's range counts for at least: the map of a hardly trained network, divided by a temperature of 50, is
little more than float32's noise."""

PHOTO_SIZES: tuple[tuple[int, int], ...] = ((150, 200), (333, 257), (255, 256), (700, 1000))
"""Height and width of the photographs: enlarged, next to the network's size, reduced."""

_SEED = 20230829
_EVERY = 4
"""Of so many images of the network's size one is also compared with answers, in a dozen subsets."""
_LARGEST_RENDER = 1024


@dataclass(frozen=True)
class Bounds:
    """What a bundle is held to.

    Attributes
    ----------
    probability
        Largest difference on images of the network's own size; 1 holds nothing.
    agreement
        Least share of images with the same most probable class.
    """

    probability: float = TOLERANCE
    agreement: float = 1.0


EXACT = Bounds()
LOSSY = Bounds(probability=1.0, agreement=0.99)


@dataclass(frozen=True)
class ParityReport:
    """How far a runtime is from PyTorch.

    Attributes
    ----------
    images, photos
        How many were compared on either path.
    difference, photo_difference
        Largest absolute difference of a probability; of photographs, between the runtime's resize and Pillow's.
    agreement, photo_agreement
        Share of images with the same most probable class.
    heatmap_difference
        Largest difference of a heat map or the novelty over the largest absolute value; None where there is neither.
    bounds
        What was wanted.
    runtime
        What ran the bundle.
    answers_difference
        Largest absolute difference of a probability with answers, over every question alone, all together and some
        drawn, on images of the network's size; None where nothing is asked.
    levels
        Largest difference, in grey levels, between the pixels of the runtime's resize and Pillow's on the photographs;
        None where it cannot be asked for them.
    same_pixels_difference
        Largest absolute difference of a probability on the photographs, PyTorch given the pixels of the runtime's
        resize; None as above.
    """

    images: int
    difference: float
    agreement: float
    photos: int
    photo_difference: float
    photo_agreement: float
    heatmap_difference: float | None
    bounds: Bounds = EXACT
    runtime: str = "ONNX Runtime"
    answers_difference: float | None = None
    levels: int | None = None
    same_pixels_difference: float | None = None

    @property
    def ok(self) -> bool:
        """Whether every bound holds. nan holds none."""
        return (
            self.difference <= self.bounds.probability
            and self.agreement >= self.bounds.agreement
            and self._photographs_ok
            and (self.answers_difference is None or self.answers_difference <= self.bounds.probability)
            and (
                self.heatmap_difference is None
                or self.heatmap_difference <= HEATMAP_TOLERANCE
                or self.bounds.probability >= 1
            )
        )

    @property
    def _photographs_ok(self) -> bool:
        if self.levels is None or self.same_pixels_difference is None:
            return self.photo_difference <= max(PHOTO_TOLERANCE, self.bounds.probability)
        return self.levels <= GREY_LEVELS and self.same_pixels_difference <= self.bounds.probability

    def __str__(self) -> str:
        held = "no bound set" if self.bounds.probability >= 1 else f"wanted {self.bounds.probability:.0e}"
        agreement, wanted = told_apart(self.agreement, self.bounds.agreement)
        line = (
            f"{self.runtime}, {self.images} images of the network's size: probabilities within {self.difference:.1e} "
            f"({held}), top-1 the same in {agreement} (wanted {wanted})"
        )
        if self.photos:
            line += f"; {self.photos} of other sizes: {self._photographs()}, "
            line += percent(self.photo_agreement, 0 if self.photo_agreement in (0, 1) else 1)
        if self.answers_difference is not None:
            line += f"; with answers within {self.answers_difference:.1e}"
        if self.heatmap_difference is not None:
            line += f"; heat map and novelty within {self.heatmap_difference:.1e} of their range"
        return line

    def _photographs(self) -> str:
        """How far photographs of other sizes are off, and what was wanted."""
        if self.levels is None or self.same_pixels_difference is None:
            return f"within {self.photo_difference:.1e} (wanted {PHOTO_TOLERANCE:g})"
        return (
            f"pixels within {self.levels} of Pillow's (wanted {GREY_LEVELS}), probabilities of these pixels within "
            f"{self.same_pixels_difference:.1e} and of Pillow's within {self.photo_difference:.1e}"
        )


def check_parity(
    bundle_path: Path,
    checkpoint: Checkpoint,
    images: Sequence[np.ndarray] | None = None,
    bounds: Bounds = EXACT,
    wrapped: CalibratedNetwork | None = None,
) -> ParityReport:
    """Compare an ONNX bundle with the checkpoint that it was made from.

    Parameters
    ----------
    bundle_path
        The exported file. It is removed where the comparison fails.
    checkpoint
        What it was made from.
    images
        uint8 RGB, (height, width, 3), any sizes; rendered lesions, always the same, where nothing is given.
    bounds
        What is wanted.
    wrapped
        The network that was exported; without it heat map and novelty are not compared.

    Raises
    ------
    ParityError
        Where a bound is not kept; with the figures. The file is gone then.
    BundleError
        Where the file is no bundle.
    """
    content, bundle = read_bundle(bundle_path)
    session = open_session(content, bundle_path, threads=1)
    resize = _resize_of(content)
    report = compare(run_by_onnxruntime(session), bundle, checkpoint, images, bounds, wrapped=wrapped, resize=resize)
    return or_remove(report, bundle_path)


def or_remove(report: ParityReport, path: Path) -> ParityReport:
    """The report, where every bound is kept; otherwise the file is removed.

    Raises
    ------
    ParityError
        With the figures.
    """
    if not report.ok:
        path.unlink()
        raise ParityError(f"the export differs from PyTorch ({report}); the file was removed, please report this")
    return report


def run_by_onnxruntime(session: onnxruntime.InferenceSession) -> Answer:
    """An ONNX Runtime session as an :data:`Answer`."""
    names = [output.name for output in session.get_outputs()]
    return lambda image, answers=None: run_session(session, names, image[None], answers)


def _resize_of(content: bytes) -> Resize:
    """The resize inside a bundle's graph, by ONNX Runtime."""
    import onnx

    alone = resize_alone(onnx.load_model_from_string(content), INPUT).SerializeToString()
    session = open_session(alone, Path("the graph's resize"), threads=1)
    return lambda image: np.asarray(session.run(None, {INPUT: image[None]})[0][0])


def parity_images(spec: ImageSpec) -> list[np.ndarray]:
    """Two rendered lesions of each class at the network's size, and one for each of :data:`PHOTO_SIZES`."""
    from hierattn.data.rendered.rendered_set import render_lesion

    generator = np.random.default_rng(_SEED)
    side = min(spec.size, _LARGEST_RENDER)
    drawn = [render_lesion(code, generator, side).image for code in EIGHT.codes * 2]
    images = [spec.resize(image) for image in drawn]
    for (height, width), image in zip(PHOTO_SIZES, drawn, strict=False):
        images.append(np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)))
    return images


def compare(
    answer: Answer,
    bundle: Bundle,
    checkpoint: Checkpoint,
    images: Sequence[np.ndarray] | None = None,
    bounds: Bounds = EXACT,
    *,
    runtime: str = "ONNX Runtime",
    wrapped: CalibratedNetwork | None = None,
    resize: Resize | None = None,
) -> ParityReport:
    """Compare a loaded bundle with PyTorch, image by image.

    ``wrapped`` is the network that was exported, for what the plain model does not answer: the heat map and the
    novelty. Where it is not given, those are not compared. ``resize`` gives the pixels that the runtime makes of a
    photograph of another size. The other arguments are :func:`check_parity`'s.
    """
    spec = checkpoint.image_spec
    model = checkpoint.build()
    weights = [float(code in bundle.triage.group) for code in checkpoint.classes]
    exact: list[_Pair] = []
    photo: list[_Pair] = []
    maps: list[float] = []
    told: list[_Pair] = []
    same_pixels: list[_Pair] = []
    levels = 0
    for image in parity_images(spec) if images is None else images:
        found = answer(image)
        resized = spec.resize(image)
        pair = (found[PROBABILITIES][0].astype(np.float64), _torch_probabilities(model, resized, spec, bundle))
        (exact if image.shape == resized.shape else photo).append(pair)
        # The risk is a sum of probabilities: held to the same bound as they are, as a pair of its own without a class.
        if abs(float(found[RISK][0]) - float(pair[0] @ weights)) > bounds.probability:
            pair[0][:] = np.nan
        if image.shape != resized.shape and resize is not None:
            pixels = resize(image)
            levels = max(levels, int(np.abs(pixels.astype(int) - resized).max()))
            same_pixels.append((pair[0], _torch_probabilities(model, pixels, spec, bundle)))
        if image.shape == resized.shape and wrapped is not None and len(wrapped.output_names) > 2:
            maps.append(_largest_relative(found, wrapped, resized))
        if image.shape == resized.shape and bundle.questions and len(exact) % _EVERY == 1:
            told += _with_answers(answer, model, resized, spec, bundle, seed=len(exact))
    return ParityReport(
        images=len(exact),
        difference=_largest_difference(exact),
        agreement=_agreement(exact),
        photos=len(photo),
        photo_difference=_largest_difference(photo),
        photo_agreement=_agreement(photo),
        heatmap_difference=float(np.max(maps)) if maps else None,  # keeps nan, which max loses
        bounds=bounds,
        runtime=runtime,
        answers_difference=_largest_difference(told) if told else None,
        levels=levels if same_pixels else None,
        same_pixels_difference=_largest_difference(same_pixels) if same_pixels else None,
    )


def subsets_of_answers(questions: Sequence[Question], seed: int = 0) -> np.ndarray:
    """Codes to compare with: every question alone, all together and some drawn, float32 (questions + 5, questions)."""
    generator = np.random.default_rng((_SEED, seed))
    points = np.array([question.points for question in questions])
    choices = np.array([question.is_choice for question in questions])
    codes = 1 + generator.random((len(points) + 5, len(points))) * (points - 1)
    codes = np.where(choices, np.round(codes), codes)
    known = np.concatenate([np.eye(len(points), dtype=bool), np.ones((1, len(points)), bool)])
    drawn = generator.random((4, len(points))) < 0.5
    return np.where(np.concatenate([known, drawn]), codes, 0).astype(np.float32)


def _with_answers(
    answer: Answer, model: torch.nn.Module, resized: np.ndarray, spec: ImageSpec, bundle: Bundle, seed: int
) -> list[_Pair]:
    """One pair for each subset, and one for what the photograph alone says beside it."""
    alone = _torch_probabilities(model, resized, spec, bundle)
    pairs = []
    for codes in subsets_of_answers(bundle.questions, seed)[:, None]:
        found = answer(resized, codes)
        wanted = _torch_probabilities(model, resized, spec, bundle, codes) if codes.any() else alone
        pairs.append((found[PROBABILITIES][0].astype(np.float64), wanted))
        pairs.append((found[PHOTO_PROBABILITIES][0].astype(np.float64), alone))
    return pairs


@torch.inference_mode()
def _torch_probabilities(
    model: torch.nn.Module, resized: np.ndarray, spec: ImageSpec, bundle: Bundle, codes: np.ndarray | None = None
) -> np.ndarray:
    """By the plain model, without the wrapper that was exported: (C,), float64."""
    values = torch.from_numpy(spec.scale(resized[None]))
    if codes is None:
        logits = model(values).double() / bundle.temperature
    else:
        temperature = bundle.calibration.get("answers_temperature") or bundle.temperature
        logits = model(values, torch.from_numpy(codes)).double() / temperature
    bias = bundle.calibration.get("class_bias") or [0.0] * logits.shape[1]
    return np.asarray(torch.softmax(logits + torch.tensor(bias, dtype=torch.float64), dim=1)[0].numpy())


@torch.inference_mode()
def _largest_relative(found: Mapping[str, np.ndarray], wrapped: CalibratedNetwork, resized: np.ndarray) -> float:
    """Largest difference of the heat map and the novelty, over their largest value."""
    wanted = dict(zip(wrapped.output_names, wrapped(torch.from_numpy(np.array(resized[None]))), strict=True))
    compared = [name for name in (HEATMAP, NOVELTY) if name in wanted]
    return float(np.max([_relative(found[name], wanted[name].numpy()) for name in compared], initial=0.0))


def _relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / max(float(np.abs(wanted).max()), LEAST_RANGE))


def _largest_difference(pairs: list[_Pair]) -> float:
    return float(np.max([np.abs(found - wanted).max() for found, wanted in pairs])) if pairs else 0.0


def _agreement(pairs: list[_Pair]) -> float:
    return float(np.mean([found.argmax() == wanted.argmax() for found, wanted in pairs])) if pairs else 1.0
