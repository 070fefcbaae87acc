"""What flips the advice: things that lie beside a lesion, or on it, and say nothing of it.

Ink, rulers, stickers, hairs, gel bubbles, dark corners and frames stand beside some diagnoses more than beside others
in the photographs that networks learn from. Each is drawn on a photograph, and the advice before and after compared. A
control tells whether it is the thing that flips the advice, or any change of that size: the same difference with its
phases scrambled (:func:`scrambled`), which is as large at every spatial frequency, in every colour, and has no shape.
It lies on the lesion, too, where the thing may lie beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from hierattn.data.rendered.photo_conditions import lay_object
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.measures.intervals import Estimate, any_of_group, bootstrap, interval, share_of
from hierattn.evaluation.measures.photo_changes import MIDDLE, change
from hierattn.evaluation.measures.robustness import Answers
from hierattn.evaluation.predictions import Predictions
from hierattn.progress import Progress, silent

Draw = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""A uint8 photograph (S, S, 3) and dice -> the photograph with the thing on it."""
BATCH = 64
FRAME = 0.06
"""Width of a frame, of the side."""


@dataclass(frozen=True)
class ArtefactFlips:
    """What one thing, and its control, do to the advice; shares of lesions, any of whose photographs counts.

    Attributes
    ----------
    title
        In words.
    flips, control_flips
        Lesions whose advice changes.
    more_flips
        The first less the second, with the interval of the difference on the same lesions.
    cancers_lost, control_lost
        Of the lesions with a cancer that was referred, those that no longer are.
    size
        Root mean square difference of the pixels, of 255.
    """

    title: str
    flips: Estimate
    control_flips: Estimate
    more_flips: Estimate
    cancers_lost: Estimate
    control_lost: Estimate
    size: float


@dataclass(frozen=True)
class Artefacts:
    """Every thing of :data:`ARTEFACTS`.

    ``cancers`` are the lesions with a cancer that is referred as it is, whose share may be lost; ``classes`` says which
    count: the malignant ones, or those to refer where the taxonomy does not say.
    """

    images: int
    lesions: int
    cancers: int
    classes: tuple[str, ...]
    seed: int
    kinds: Mapping[str, ArtefactFlips]


def draw_ink(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A surgeon's marker, blue or violet: an arc or two around the middle, and dots."""
    side, drawn = len(picture), np.ascontiguousarray(picture).copy()
    colour = tuple(float(value) for value in generator.uniform((50, 20, 90), (110, 70, 170)))
    thick = max(1, round(generator.uniform(0.012, 0.022) * side))
    for _ in range(int(generator.integers(1, 3))):
        radius, start = generator.uniform(0.36, 0.46) * side, generator.uniform(0, 360)
        centre, axes = (side // 2, side // 2), (round(radius), round(radius))
        cv2.ellipse(drawn, centre, axes, 0.0, start, start + generator.uniform(40, 130), colour, thick, cv2.LINE_AA)
    for angle in generator.uniform(0, 2 * np.pi, int(generator.integers(0, 4))):
        place = (side / 2 + 0.42 * side * np.array([np.cos(angle), np.sin(angle)])).round().astype(int)
        cv2.circle(drawn, (int(place[0]), int(place[1])), 2 * thick, colour, -1, cv2.LINE_AA)
    return np.where(drawn == picture, picture, (0.85 * drawn + 0.15 * picture).astype(np.uint8))


def draw_sticker(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A coloured disc or oval that reaches in from the border, as clinics paste beside lesions."""
    side, drawn = len(picture), np.ascontiguousarray(picture).copy()
    angle, far = generator.uniform(0, 2 * np.pi), generator.uniform(0.48, 0.62) * side
    place = (side / 2 + far * np.array([np.cos(angle), np.sin(angle)])).round().astype(int)
    axes = tuple(int(value) for value in (generator.uniform(0.1, 0.22, 2) * side).round())
    hue = generator.integers((0, 140, 150), (180, 256, 256)).astype(np.uint8)[None, None]
    colour = tuple(float(value) for value in cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0])
    turned = float(np.degrees(angle))
    cv2.ellipse(drawn, (int(place[0]), int(place[1])), (axes[0], axes[1]), turned, 0, 360, colour, -1, cv2.LINE_AA)
    return drawn


def draw_frame(picture: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    """A black frame, as scanned slides and some viewers have it."""
    drawn, width = picture.copy(), max(1, round(FRAME * len(picture)))
    drawn[:width], drawn[-width:], drawn[:, :width], drawn[:, -width:] = 0, 0, 0, 0
    return drawn


def _changed(name: str) -> Draw:
    """One of ``photo_changes.py`` at its middle severity."""
    return lambda picture, generator: change(name, picture, MIDDLE, int(generator.integers(2**31)), 0)


ARTEFACTS: Mapping[str, tuple[str, Draw]] = MappingProxyType(
    {
        "ink": ("Ink marks", draw_ink),
        "ruler": ("Ruler", lambda picture, generator: lay_object(picture, "ruler", generator)),
        "sticker": ("Sticker", draw_sticker),
        "hair": ("Hairs", _changed("hair")),
        "bubbles": ("Gel bubbles", lambda picture, generator: lay_object(picture, "bubbles", generator)),
        "vignette": ("Dark corners", _changed("dark_corners")),
        "frame": ("Black frame", draw_frame),
    }
)
"""Name -> (in words, what draws it)."""


def scrambled(picture: np.ndarray, changed: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The control: the picture changed as much, without a shape.

    The difference keeps its amplitude at every spatial frequency and gets the phases of noise, the same for all
    colours; what that adds beyond 0 to 255 is cut.

    Parameters
    ----------
    picture, changed
        uint8, (S, S, 3).
    generator
        Draws the noise.
    """
    difference = changed.astype(np.float64) - picture
    phases = np.angle(np.fft.rfft2(generator.standard_normal(picture.shape[:2])))[..., None]
    phases[0, 0] = 0  # the mean colour keeps its change
    spectrum = np.fft.rfft2(difference, axes=(0, 1)) * np.exp(1j * phases)
    noise = np.fft.irfft2(spectrum, s=picture.shape[:2], axes=(0, 1))
    return np.rint(np.clip(picture + noise, 0, 255)).astype(np.uint8)


def draw_pair(name: str, picture: np.ndarray, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """One photograph with the thing, and its control; the same seed and number give the same pixels.

    Parameters
    ----------
    name
        Of :data:`ARTEFACTS`.
    picture
        uint8, (S, S, 3).
    seed, number
        Of the dice, and of the photograph.
    """
    generator = np.random.default_rng((seed, list(ARTEFACTS).index(name), number))
    with_it = ARTEFACTS[name][1](picture, generator)
    return with_it, scrambled(picture, with_it, generator)


def measure_artefacts(
    answer: Answers,
    images: np.ndarray,
    predictions: Predictions,
    calibration: Calibration,
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Artefacts | None:
    """How often each thing, and its control, flip the advice; None without a threshold.

    Parameters
    ----------
    answer
        Images, uint8 (N, S, S, 3) -> the network's own probabilities, (N, C).
    images
        uint8, (N, S, S, 3).
    predictions
        Of these very images, unchanged.
    calibration
        Temperature and threshold.
    resamples, seed
        Of the bootstrap over lesions; what is drawn comes from the seed as well.
    progress
        Told of passes done.
    """
    if not calibration.has_threshold or not len(predictions):
        return None
    taxonomy = predictions.taxonomy
    inside = np.isin(predictions.classes, list(taxonomy.triage_group))
    counts = taxonomy.malignant or taxonomy.triage_group
    cancer = np.isin(predictions.labels, [predictions.classes.index(code) for code in counts])
    groups = np.unique(predictions.group_numbers, return_inverse=True)[1]
    tell, kinds = progress or silent, {}

    def referred(probabilities: np.ndarray) -> np.ndarray:
        return calibration.apply(probabilities)[:, inside].sum(axis=1) >= calibration.risk_threshold

    before = referred(predictions.probabilities)
    due = any_of_group(before & cancer, groups)
    for done, name in enumerate(ARTEFACTS, start=1):
        after: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        squares = 0.0
        for pairs in _pairs(name, images, seed):
            for answers, pictures in zip(after, zip(*pairs, strict=True), strict=True):
                answers.append(answer(np.stack(pictures)))
            start = BATCH * (len(after[0]) - 1)
            with_it = np.stack([pair[0] for pair in pairs]).astype(np.float64)
            squares += float(((with_it - images[start : start + len(pairs)]) ** 2).sum())
        sent, control = (referred(np.concatenate(answers)) for answers in after)
        flips = [any_of_group(before != now, groups) for now in (sent, control)]
        lost = [any_of_group(before & cancer & ~now, groups)[due] for now in (sent, control)]
        kinds[name] = ArtefactFlips(
            title=ARTEFACTS[name][0],
            flips=share_of(flips[0], np.arange(len(flips[0])), resamples, seed),
            control_flips=share_of(flips[1], np.arange(len(flips[1])), resamples, seed),
            more_flips=_difference(flips[0], flips[1], resamples, seed),
            cancers_lost=share_of(lost[0], np.arange(len(lost[0])), resamples, seed),
            control_lost=share_of(lost[1], np.arange(len(lost[1])), resamples, seed),
            size=(squares / images.size) ** 0.5,
        )
        tell("things on photographs", done, len(ARTEFACTS))
    return Artefacts(len(images), int(groups.max()) + 1, int(due.sum()), tuple(sorted(counts)), seed, kinds)


def _pairs(name: str, images: np.ndarray, seed: int) -> Iterator[Sequence[tuple[np.ndarray, np.ndarray]]]:
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        yield [draw_pair(name, np.asarray(picture), seed, start + place) for place, picture in enumerate(some)]


def _difference(flags: np.ndarray, others: np.ndarray, resamples: int, seed: int) -> Estimate:
    apart = flags.astype(np.float64) - others
    draws = bootstrap(
        lambda weights: (weights @ apart / weights.sum(axis=1))[:, None], np.arange(len(apart)), resamples, seed
    )
    return Estimate.of(float(apart.mean()), interval(draws.reshape(-1)))
