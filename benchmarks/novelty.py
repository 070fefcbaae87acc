"""Does the novelty tell lesions from other pictures? Fitted on a run's training images, judged on its untouched fold.

    python benchmarks/novelty.py runs/quicktest
    python benchmarks/novelty.py runs/isic --data prepared/isic

The other pictures: crops of sample photographs that scikit-learn and matplotlib ship, and drawings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from hierattn import metrics
from hierattn.deploy.novelty import MOST_IMAGES, choose_threshold, fit_layer, measure, read_features
from hierattn.deploy.own_images import OwnImages, open_own_images, spread_rows
from hierattn.models.checkpoint import load_checkpoint

CROPS, DRAWINGS = 12, 20
SAMPLES = ("grace_hopper.jpg", "Minduka_Present_Blue_Pack.png")


def everyday_crops(generator: np.random.Generator) -> list[np.ndarray]:
    """Square crops of photographs."""
    folder = Path(matplotlib.get_data_path()) / "sample_data"
    photos = [np.asarray(one) for one in load_sample_images().images]
    photos += [np.asarray(Image.open(folder / name).convert("RGB")) for name in SAMPLES if (folder / name).exists()]
    crops = []
    for photo in photos:
        for _ in range(CROPS):
            side = int(generator.integers(min(photo.shape[:2]) // 4, min(photo.shape[:2])))
            top, left = (int(generator.integers(0, length - side + 1)) for length in photo.shape[:2])
            crops.append(np.ascontiguousarray(photo[top : top + side, left : left + side]))
    return crops


def drawings(generator: np.random.Generator, size: int) -> dict[str, list[np.ndarray]]:
    """Noise, stripes, checks, clouds of colour, and smooth skin tones without a lesion."""
    down, across = np.mgrid[:size, :size] / size
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("noise", "stripes", "checks", "clouds", "smooth skin")}
    for _ in range(DRAWINGS):
        found["noise"].append(generator.integers(0, 256, (size, size, 3), dtype=np.uint8))
        colours, often, angle = generator.integers(0, 256, (2, 3)), generator.uniform(2, 20), generator.uniform(0, 3.14)
        waves = np.sin(often * 6.28 * (across * np.cos(angle) + down * np.sin(angle)))[..., None] > 0
        found["stripes"].append(np.where(waves, *colours).astype(np.uint8))
        board = ((np.floor(often * across) + np.floor(often * down)) % 2)[..., None] > 0
        found["checks"].append(np.where(board, *colours).astype(np.uint8))
        coarse = generator.normal(size=(3, 8, 8)).astype(np.float32)
        cloud = np.stack(
            [np.asarray(Image.fromarray(c).resize((size, size), Image.Resampling.BICUBIC)) for c in coarse], 2
        )
        found["clouds"].append(np.clip(128 + 50 * cloud, 0, 255).astype(np.uint8))
        skin = generator.integers((180, 140, 110), (235, 180, 160)) + 20 * cloud.mean(2, keepdims=True)
        found["smooth skin"].append(np.clip(skin + generator.normal(0, 3, (size, size, 3)), 0, 255).astype(np.uint8))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    own, checkpoint = open_own_images(options.run, options.data), load_checkpoint(options.run / "best.safetensors")
    model, spec, generator = checkpoint.build(), checkpoint.image_spec, np.random.default_rng(0)
    rows = spread_rows(own.training, MOST_IMAGES)
    layer = fit_layer(read_features(model, own, rows, spec), own.labels[rows])
    inner, lesions = (
        measure(layer, read_features(model, own, spread_rows(part, MOST_IMAGES // 2), spec))
        for part in (own.validation, own.test)
    )
    threshold = choose_threshold(inner)
    print(
        f"threshold {threshold:.3f}; {len(lesions)} untouched lesions: {np.mean(lesions >= threshold):.1%} turned away"
    )
    others = []
    for name, pictures in {"crops": everyday_crops(generator), **drawings(generator, spec.size)}.items():
        images = np.stack([spec.resize(picture) for picture in pictures])
        nothing = np.zeros(0, np.int64)
        shown = OwnImages(images, np.zeros(len(images), np.int64), nothing, nothing, nothing)
        values = measure(layer, read_features(model, shown, np.arange(len(images)), spec))
        others.append(values)
        area = metrics.auc(np.r_[np.zeros(len(lesions)), np.ones(len(values))] > 0, np.r_[lesions, values])
        away = np.mean(values >= threshold)
        print(f"{name:12s} {len(values):3d} pictures: {away:6.1%} turned away, AUC {float(np.ravel(area)[0]):.3f}")
    strange = np.concatenate(others)
    area = metrics.auc(np.r_[np.zeros(len(lesions)), np.ones(len(strange))] > 0, np.r_[lesions, strange])
    print(f"together {len(strange)} pictures: {np.mean(strange >= threshold):.1%}, AUC {float(np.ravel(area)[0]):.3f}")


if __name__ == "__main__":
    main()
