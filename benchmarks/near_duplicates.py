"""Recall and false joins of near-duplicate detection, with or without a network's eyes:

python -m benchmarks.near_duplicates rendered|FOLDER [--count 120] [--embedding WEIGHTS]

Every second photograph is counted by itself: what is set on one half (how many neighbours, say) is measured on the
other.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from hierattn.data.near_duplicates.comparison_picture import comparison_picture
from hierattn.data.near_duplicates.fingerprints import turn
from hierattn.data.near_duplicates.search import find_near_duplicates
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.preprocessing.photograph import read_photograph
from hierattn.taxonomy.built_in import EIGHT

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


def cut(image: np.ndarray, share: float) -> np.ndarray:
    """A window of just that share of each side."""
    height, width = (round(side * share) for side in image.shape[:2])
    top = GENERATOR.integers(0, image.shape[0] - height + 1)
    left = GENERATOR.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


def rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turned by that angle to either side, and the middle 80 % of it: no corner is empty."""
    angle = float(GENERATOR.choice([-degrees, degrees]))
    whole = np.asarray(Image.fromarray(np.ascontiguousarray(image)).rotate(angle, Image.Resampling.BICUBIC))
    top, left = (round(side * 0.1) for side in image.shape[:2])
    return whole[top : image.shape[0] - top, left : image.shape[1] - left]


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
    "cropped to 80 %": lambda image: cut(image, 0.8),
    "cropped to 70 %": lambda image: cut(image, 0.7),
    "rotated by 15 degrees": lambda image: rotated(image, 15),
}


def main(source: str, count: int, weights: Path | None) -> None:
    if source == "rendered":
        images = [render_lesion(EIGHT.codes[k % 8], np.random.default_rng(1000 + k), 192).image for k in range(count)]
    else:
        paths = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if len(paths) < count:
            raise SystemExit(f"{source} holds {len(paths)} photographs: wanted {count}, or a smaller --count")
        images = [read_photograph(paths[k]) for k in GENERATOR.choice(len(paths), count, replace=False)]
    for name, change in CHANGES.items():
        both = np.stack([comparison_picture(np.ascontiguousarray(image)) for image in [*images, *map(change, images)]])
        embeddings = None
        if weights is not None:
            from hierattn.evaluation.embedding import embed_pictures

            embeddings = embed_pictures(weights, both)
        pairs = find_near_duplicates(both, embeddings=embeddings, jobs=2)
        own = [pair.one for pair in pairs if pair.other == pair.one + count]
        others = {(pair.one % count, pair.other % count) for pair in pairs if pair.one % count != pair.other % count}
        print(
            f"{name}: {len(own)} of {count} found, {sum(one % 2 for one in own)} of the second half, "
            f"{len({tuple(sorted(pair)) for pair in others})} other pairs joined",
            flush=True,
        )


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("source", help="rendered, or a folder with photographs in or under it")
    reader.add_argument("--count", type=int, default=120, help="photographs, and as many changed copies")
    reader.add_argument("--embedding", type=Path, help="a run folder, a checkpoint, or MobileNetV2's .npz")
    asked = reader.parse_args()
    main(asked.source, asked.count, asked.embedding)
