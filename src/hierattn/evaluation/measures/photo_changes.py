"""Changes that a photograph meets on its way and that change no lesion: another hand, camera, lamp or file.

Made by OpenCV and Pillow on uint8 images, independently of the augmentation of training, so that the network is
tested and not its own arithmetic. Five severities each; the middle one is what is spoken of as "small crop"
or "JPEG 50".
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from hierattn.errors import UsageError

Apply = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
MIDDLE = 2
"""The severity, counted from 0, that stands for a change where one number is wanted."""


@dataclass(frozen=True)
class PhotoChange:
    """One kind of change.

    Attributes
    ----------
    title
        In words.
    unit
        What a level counts.
    levels
        Five severities, from slight to strong.
    apply
        (image uint8 (H, W, 3), level, generator) -> uint8 (H, W, 3).
    """

    title: str
    unit: str
    levels: tuple[float, ...]
    apply: Apply


def rotate(image: np.ndarray, degrees: float, generator: np.random.Generator) -> np.ndarray:
    """Turn about the centre by ``degrees``, either way; what comes in from outside mirrors the image."""
    height, width = image.shape[:2]
    angle = degrees * (1 if generator.random() < 0.5 else -1)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def flip(image: np.ndarray, kind: float, _generator: np.random.Generator) -> np.ndarray:
    """Mirror: 1 left-right, 2 up-down, 3 both, 4 about the diagonal, 5 about the other one."""
    rows = (
        image[:, ::-1],
        image[::-1],
        image[::-1, ::-1],
        image.transpose(1, 0, 2),
        image[::-1, ::-1].transpose(1, 0, 2),
    )
    return np.ascontiguousarray(rows[int(kind) - 1])


def crop(image: np.ndarray, percent: float, generator: np.random.Generator) -> np.ndarray:
    """Cut ``percent`` of the side away, from a random place, and enlarge the rest."""
    height, width = image.shape[:2]
    kept = [max(2, round(side * (1 - percent / 100))) for side in (height, width)]
    top, left = (int(generator.integers(0, side - keep + 1)) for side, keep in zip((height, width), kept, strict=True))
    inside = image[top : top + kept[0], left : left + kept[1]]
    return cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR)


def jpeg(image: np.ndarray, quality: float, _generator: np.random.Generator) -> np.ndarray:
    """Encode as JPEG and decode again."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=int(quality))
    buffer.seek(0)
    with Image.open(buffer) as stored:
        return np.array(stored.convert("RGB"))


def blur(image: np.ndarray, percent: float, _generator: np.random.Generator) -> np.ndarray:
    """Out of focus: a Gaussian whose standard deviation is ``percent`` of the side."""
    return cv2.GaussianBlur(image, (0, 0), percent / 100 * max(image.shape[:2]), borderType=cv2.BORDER_REFLECT_101)


def brightness(image: np.ndarray, percent: float, generator: np.random.Generator) -> np.ndarray:
    """Lighter or darker by ``percent``."""
    return _scaled(image, np.full(3, 1 + percent / 100 * (1 if generator.random() < 0.5 else -1)))


def colour_cast(image: np.ndarray, percent: float, generator: np.random.Generator) -> np.ndarray:
    """Another lamp: one channel gains ``percent`` and another loses it."""
    gains = np.ones(3)
    up, down = generator.permutation(3)[:2]
    gains[up], gains[down] = 1 + percent / 100, 1 - percent / 100
    return _scaled(image, gains)


def _scaled(image: np.ndarray, gains: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image * gains, 0, 255)).astype(np.uint8)


def dark_corners(image: np.ndarray, percent: float, _generator: np.random.Generator) -> np.ndarray:
    """A dermatoscope's black surround that hides ``percent`` of the way from the corner to the middle."""
    height, width = image.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    radius = np.sqrt(2) * (1 - percent / 100)
    soft = np.clip((radius - np.hypot(y, x)) * max(height, width) / 4 + 0.5, 0, 1)
    return np.rint(image * soft[..., None]).astype(np.uint8)


def hair(image: np.ndarray, count: float, generator: np.random.Generator) -> np.ndarray:
    """Draw ``count`` dark, bent hairs across the image."""
    height, width = image.shape[:2]
    drawn = np.ascontiguousarray(image).copy()
    share = np.linspace(0, 1, 24)[:, None]
    for _ in range(int(count)):
        start, end = generator.uniform(-0.1, 1.1, (2, 2))
        bend = (start + end) / 2 + generator.uniform(-0.2, 0.2, 2)
        curve = ((1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end) * (width, height)
        shade = generator.uniform(10, 60)
        colour = (shade, shade * 0.75, shade * 0.6)
        thick = max(1, round(0.006 * max(height, width)))
        cv2.polylines(drawn, [np.rint(curve * 16).astype(np.int32)], False, colour, thick, cv2.LINE_AA, shift=4)
    return drawn


def resolution(image: np.ndarray, percent: float, _generator: np.random.Generator) -> np.ndarray:
    """Fewer pixels: shrink to ``percent`` of the side and enlarge again."""
    height, width = image.shape[:2]
    small = (max(1, round(width * percent / 100)), max(1, round(height * percent / 100)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)


def zoom_out(image: np.ndarray, percent: float, _generator: np.random.Generator) -> np.ndarray:
    """From farther away: the lesion appears at ``percent`` of its size, and the skin around it mirrors the image."""
    height, width = image.shape[:2]
    scale = percent / 100
    matrix = np.array([[scale, 0, (1 - scale) * (width - 1) / 2], [0, scale, (1 - scale) * (height - 1) / 2]])
    # Averaged down by hand: warpAffine alone would leave pixels out.
    softened = cv2.GaussianBlur(image, (0, 0), max(0.4 / scale - 0.35, 1e-3), borderType=cv2.BORDER_REFLECT_101)
    return cv2.warpAffine(softened, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


CHANGES: Mapping[str, PhotoChange] = MappingProxyType(
    {
        "rotation": PhotoChange("Rotation", "degrees", (5, 15, 30, 90, 180), rotate),
        "flip": PhotoChange("Mirror image", "of five ways", (1, 2, 3, 4, 5), flip),
        "crop": PhotoChange("Small crop", "% of the side", (3, 6, 10, 20, 30), crop),
        "jpeg": PhotoChange("JPEG", "quality", (90, 70, 50, 30, 10), jpeg),
        "blur": PhotoChange("Blur", "% of the side", (0.3, 0.6, 1, 2, 3), blur),
        "brightness": PhotoChange("Brightness", "%", (5, 10, 20, 35, 50), brightness),
        "colour_cast": PhotoChange("Colour cast", "%", (3, 6, 10, 15, 25), colour_cast),
        "dark_corners": PhotoChange("Dark corners", "% of the diagonal", (5, 15, 25, 35, 45), dark_corners),
        "hair": PhotoChange("Hair", "hairs", (2, 5, 10, 20, 40), hair),
        "resolution": PhotoChange("Few pixels", "% of the side", (70, 50, 35, 25, 15), resolution),
        "zoom_out": PhotoChange("From farther away", "% of its size", (90, 80, 70, 60, 50), zoom_out),
    }
)
"""Every change by name."""


def change(name: str, image: np.ndarray, severity: int, seed: int, number: int) -> np.ndarray:
    """One image, changed; the same seed and number give the same pixels, whatever else is changed.

    Parameters
    ----------
    name
        Of :data:`CHANGES`.
    image
        uint8, (H, W, 3).
    severity
        0 (slight) to 4 (strong).
    seed, number
        Of the dice, and of the image.
    """
    if name not in CHANGES:
        raise UsageError(f"unknown change {name!r}: wanted one of {', '.join(CHANGES)}")
    kind = CHANGES[name]
    if image.dtype != np.uint8 or image.ndim != 3 or not 0 <= severity < len(kind.levels):
        raise UsageError(f"image {image.dtype} {image.shape}, severity {severity}: wanted uint8 (H, W, 3), and 0 to 4")
    generator = np.random.default_rng((seed, list(CHANGES).index(name), number))
    return kind.apply(np.ascontiguousarray(image), kind.levels[severity], generator)


OTHER_CAMERA = ("zoom_out", "crop", "hair", "dark_corners", "colour_cast", "brightness", "blur", "resolution", "jpeg")
"""What :func:`other_camera` combines, in the order in which light, lens, sensor and file do it."""


def other_camera(image: np.ndarray, seed: int, number: int) -> np.ndarray:
    """One image as a stranger's camera might have taken it: each of :data:`OTHER_CAMERA` with probability one half.

    Severities are drawn from the middle to the strongest; the same seed and number give the same pixels.

    Parameters
    ----------
    image
        uint8, (H, W, 3).
    seed, number
        Of the dice, and of the image.
    """
    generator = np.random.default_rng((seed, len(CHANGES), number))
    chosen = generator.random(len(OTHER_CAMERA)) < 0.5
    severities = generator.integers(MIDDLE, 5, len(OTHER_CAMERA))
    for name, wanted, severity in zip(OTHER_CAMERA, chosen, severities, strict=True):
        if wanted:
            image = change(name, image, int(severity), seed, number)
    return image
