"""Recall and false joins of near-duplicate detection: python benchmarks/near_duplicates.py rendered|FOLDER [count]"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.data.fingerprints import turn
from hierattn.data.near_duplicates import find_near_duplicates
from hierattn.data.synthetic import render_lesion
from hierattn.image_spec import ImageSpec
from hierattn.lesions import CODES
from hierattn.photograph import read_photograph

GENERATOR = np.random.default_rng(5)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return read_photograph(file.getvalue())


def crop(image: np.ndarray, least: float) -> np.ndarray:
    share = GENERATOR.uniform(least, 1)
    height, width = (int(side * share) for side in image.shape[:2])
    top = GENERATOR.integers(0, image.shape[0] - height + 1)
    left = GENERATOR.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


def half(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    size = (width // 2, height // 2)
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BOX))


def tint(image: np.ndarray) -> np.ndarray:
    values = image * GENERATOR.uniform(0.8, 1.2, 3) + GENERATOR.uniform(-10, 10)
    return values.clip(0, 255).astype(np.uint8)


def everything(image: np.ndarray) -> np.ndarray:
    return tint(jpeg(half(turn(crop(image, 0.93), int(GENERATOR.integers(8)))), 60))


CHANGES = {
    "half the size": half,
    "JPEG 40": lambda image: jpeg(image, 40),
    "mirrored or turned": lambda image: turn(image, int(GENERATOR.integers(1, 8))),
    "cropped to 95 % or more": lambda image: crop(image, 0.95),
    "cropped to 90 % or more": lambda image: crop(image, 0.9),
    "other colours": tint,
    "all of these": everything,
}


def main(source: str, count: int) -> None:
    if source == "rendered":
        images = [render_lesion(CODES[k % 8], np.random.default_rng(1000 + k), 192).image for k in range(count)]
    else:
        paths = sorted(path for path in Path(source).iterdir() if path.suffix == ".jpg")
        images = [read_photograph(paths[k]) for k in GENERATOR.choice(len(paths), count, replace=False)]
    spec = ImageSpec(size=128)
    for name, change in CHANGES.items():
        both = [spec.resize(np.ascontiguousarray(image)) for image in [*images, *map(change, images)]]
        pairs = find_near_duplicates(np.stack(both), jobs=2)
        found = sum(pair.other == pair.one + count for pair in pairs)
        others = {(pair.one % count, pair.other % count) for pair in pairs if pair.one % count != pair.other % count}
        print(
            f"{name}: {found} of {count} found, {len({tuple(sorted(pair)) for pair in others})} other pairs joined",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 120)
