"""Pictures of other things than lesions, for ``novelty.py``: crops of photographs, drawings, textures, and bare skin.

Each kind is a function of a generator and a number, and gives uint8 RGB pictures of 128 to 256 pixels a side.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.photo_conditions import draw_photo, photograph
from hierattn.data.rendered.tissue import skin
from hierattn.taxonomy.built_in import EIGHT

SIDE = 128
SAMPLES = ("grace_hopper.jpg", "Minduka_Present_Blue_Pack.png")
Draw = Callable[[np.random.Generator, int], list[np.ndarray]]


def crops(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Square crops of the photographs that scikit-learn and matplotlib ship."""
    folder = Path(matplotlib.get_data_path()) / "sample_data"
    photos = [np.asarray(photo) for photo in load_sample_images().images]
    photos += [np.asarray(Image.open(folder / name).convert("RGB")) for name in SAMPLES if (folder / name).exists()]
    pictures = []
    for count in range(number):
        photo = photos[count % len(photos)]
        side = int(generator.integers(min(photo.shape[:2]) // 4, min(photo.shape[:2])))
        top, left = (int(generator.integers(0, length - side + 1)) for length in photo.shape[:2])
        pictures.append(np.ascontiguousarray(photo[top : top + side, left : left + side]))
    return pictures


def noise(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Every pixel by itself."""
    return [generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(number)]


def stripes(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Two colours, any direction."""
    return [np.where(_waves(generator) > 0, *_two_colours(generator)).astype(np.uint8) for _ in range(number)]


def checks(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """A board of two colours."""
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    pictures = []
    for _ in range(number):
        often = generator.uniform(2, 20)
        board = ((np.floor(often * across) + np.floor(often * down)) % 2)[..., None] > 0
        pictures.append(np.where(board, *_two_colours(generator)).astype(np.uint8))
    return pictures


def clouds(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Smooth blobs of all colours."""
    return [np.clip(128 + 50 * _cloud(generator), 0, 255).astype(np.uint8) for _ in range(number)]


def gradients(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """One colour into another."""
    pictures = []
    for _ in range(number):
        one, other = generator.integers(0, 256, (2, 3))
        angle, line = generator.uniform(0, 1.57), np.linspace(0, 1, SIDE)
        share = np.clip(np.cos(angle) * line[:, None] + np.sin(angle) * line[None], 0, 1)[..., None]
        pictures.append((one * (1 - share) + other * share).astype(np.uint8))
    return pictures


def shapes(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Boxes and ellipses on a ground."""
    pictures = []
    for _ in range(number):
        image = Image.new("RGB", (200, 200), _colour(generator))
        pen = ImageDraw.Draw(image)
        for _ in range(int(generator.integers(3, 12))):
            x, y, side = (int(value) for value in generator.integers(0, 200, 3))
            box = [x, y, x + side // 2, y + side // 2]
            (pen.rectangle if generator.random() < 0.5 else pen.ellipse)(box, fill=_colour(generator))
        pictures.append(np.asarray(image))
    return pictures


def pages(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Lines of letters on paper."""
    pictures = []
    for _ in range(number):
        image = Image.new("RGB", (256, 256), tuple(int(value) for value in generator.integers(220, 256, 3)))
        pen, ink = ImageDraw.Draw(image), tuple(int(value) for value in generator.integers(0, 80, 3))
        for y in range(8, 250, int(generator.integers(9, 16))):
            pen.text((10, y), "".join(chr(int(code)) for code in generator.integers(97, 123, 40)), fill=ink)
        pictures.append(np.asarray(image))
    return pictures


def wood(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Grain in browns, which are skin's colours too."""
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    pictures = []
    for _ in range(number):
        bend = 0.15 * _cloud(generator).mean(2)
        rings = np.sin(6.28 * generator.uniform(4, 14) * (across + 0.1 * down + bend))[..., None]
        light, dark = np.array([200, 150, 100]), np.array([120, 75, 40])
        share = 0.5 + 0.5 * rings * generator.uniform(0.4, 1)
        plank = light * share + dark * (1 - share) + generator.normal(0, 5, (SIDE, SIDE, 1))
        pictures.append(np.clip(plank + generator.normal(0, 12, 3), 0, 255).astype(np.uint8))
    return pictures


def weave(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Cloth: threads over and under one another, in two colours."""
    down, across = np.mgrid[:SIDE, :SIDE]
    pictures = []
    for _ in range(number):
        width = int(generator.integers(3, 9))
        over = ((down // width + across // width) % 2)[..., None] > 0
        round_ = np.where(
            over[..., 0], np.sin(np.pi * (down % width) / width), np.sin(np.pi * (across % width) / width)
        )
        cloth = np.where(over, *_two_colours(generator)) * (0.5 + 0.5 * round_[..., None])
        pictures.append(np.clip(cloth + generator.normal(0, 6, cloth.shape), 0, 255).astype(np.uint8))
    return pictures


def plots(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Figures as in a paper."""
    pictures = []
    for _ in range(number):
        figure = Figure(figsize=(2, 2), dpi=100)
        axes = figure.subplots()
        for _ in range(int(generator.integers(1, 4))):
            axes.plot(generator.normal(size=30).cumsum())
        axes.scatter(*generator.uniform(0, 30, (2, 20)), c=generator.uniform(size=20))
        file = io.BytesIO()
        figure.savefig(file)
        pictures.append(np.asarray(Image.open(file).convert("RGB")))
    return pictures


def smooth_skin(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """Skin tones under uneven light, and the camera's noise."""
    pictures = []
    for _ in range(number):
        tone = generator.integers((180, 140, 110), (235, 180, 160)) + 20 * _cloud(generator).mean(2, keepdims=True)
        pictures.append(np.clip(tone + generator.normal(0, 3, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8))
    return pictures


def rendered_skin(generator: np.random.Generator, number: int) -> list[np.ndarray]:
    """The package's own rendered photographs with their hairs, rulers and mottle, but without the lesion."""
    pictures = []
    for count in range(number):
        appearance = draw_appearance(EIGHT.codes[count % len(EIGHT.codes)], generator)
        appearance.outline[:] = -1  # no place is inside
        photo = draw_photo(generator, surround=False)
        tissue = skin(photo.plane(SIDE), appearance)
        pictures.append(photograph(tissue, photo, 1))
    return pictures


NOT_SKIN: dict[str, Draw] = {
    "crops of photographs": crops, "noise": noise, "stripes": stripes, "checks": checks, "clouds": clouds,
    "gradients": gradients, "shapes": shapes, "pages": pages, "wood": wood, "weave": weave, "plots": plots,
}  # fmt: skip
"""``wood``, ``weave`` and ``plots`` were written after every score and limit had been set."""

BARE_SKIN: dict[str, Draw] = {"smooth skin": smooth_skin, "rendered skin": rendered_skin}


def _colour(generator: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in generator.integers(0, 256, 3))


def _two_colours(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 256, (2, 3))


def _waves(generator: np.random.Generator) -> np.ndarray:
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    often, angle = generator.uniform(2, 20), generator.uniform(0, 3.14)
    return np.sin(often * 6.28 * (across * np.cos(angle) + down * np.sin(angle)))[..., None]


def _cloud(generator: np.random.Generator) -> np.ndarray:
    """Smooth noise of three channels, (SIDE, SIDE, 3)."""
    coarse = generator.normal(size=(3, 8, 8)).astype(np.float32)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in coarse], 2
    )
