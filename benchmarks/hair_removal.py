"""What hair removal takes from lesions, how much hair it finds, and whether a classifier gains by it.

    python -m benchmarks.hair_removal rendered --count 48
    python -m benchmarks.hair_removal probe PREPARED --weights efficientnet-lite0.pth --source isic2019-ham-256

``rendered`` draws lesions, photographs each without hair and with hair whose place is known, and counts pixels.
``probe`` fits a logistic regression on the features of a network that never saw skin (EfficientNet-Lite0, ImageNet),
once on the photographs as they are and once with their hairs removed, in training and test alike: one photograph a
lesion, each fold in turn left out, differences with an interval over lesions. The network learns nothing, so that what
differs is the photographs. Folds 0 and 1 are left alone.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.rendered.photo_conditions import _draw_hairs
from hierattn.data.rendered.rendered_set import draw_appearance, draw_photo, render
from hierattn.data.rendered.rendering import Plane
from hierattn.preprocessing.hair_removal import find_hair, remove_hair
from hierattn.taxonomy.built_in import EIGHT

SIZES = (128, 192, 256, 512)
MOST = {"NV": 1000, "MEL": 500, "BKL": 350, "BCC": 275}
"""Lesions a class in the probe; of the others, all."""
FRAME = 0.15  # of the side: how hairy a photograph is, is seen around its lesion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("rendered").add_argument("--count", type=int, default=48)
    probe = commands.add_parser("probe")
    probe.add_argument("prepared", type=Path)
    probe.add_argument("--weights", type=Path, required=True)
    probe.add_argument("--source", required=True)
    options = parser.parse_args()
    if options.command == "rendered":
        measure_rendered(options.count)
    else:
        measure_probe(options.prepared, options.weights, options.source)


def measure_rendered(count: int) -> None:
    """Print, for each size, what lesions lose and how much hair is found."""
    for size in SIZES:
        lost, found = [], []
        for number in range(count):
            generator = np.random.default_rng([number, 7])
            lesion = draw_appearance(EIGHT.codes[number % len(EIGHT.codes)], generator)
            bare = dataclasses.replace(draw_photo(generator, surround=False), hairs=None, ruler=None, bubbles=None)
            hairs = _draw_hairs(generator)
            plain = render(lesion, bare, size)
            lost.append(find_hair(plain.image)[plain.mask].mean())
            drawn = Plane.of_pose(size).strokes(hairs) > 0.5
            if drawn.any():
                found.append(
                    find_hair(render(lesion, dataclasses.replace(bare, hairs=hairs), size).image)[drawn].mean()
                )
        shares = np.array(lost)
        above = ", ".join(f"{np.mean(shares > limit):.0%} over {limit:.0%}" for limit in (0.05, 0.2, 0.5))
        print(f"{size}: {shares.mean():.1%} of a lesion changed ({above}); {np.mean(found):.0%} of the hair found")


def measure_probe(prepared: Path, weights: Path, source: str) -> None:
    """Print three figures without and with hair removal, over all lesions and over the hairiest."""
    packed = PackedSet.open(prepared)
    generator, seen, count = np.random.default_rng(0), set(), Counter[str]()
    chosen = []
    for number in generator.permutation(len(packed.records)):
        record = packed.records[number]
        if record.fold in (0, None) or record.source != source or record.group in seen:
            continue
        seen.add(record.group)
        count[record.label] += record.fold > 1
        if record.fold > 1 and count[record.label] <= MOST.get(record.label, len(packed.records)):
            chosen.append(number)
    labels = np.array([EIGHT.codes.index(packed.records[number].label) for number in chosen])
    folds = np.array([packed.records[number].fold for number in chosen])
    plain, cleaned, hairy = _features(packed, chosen, weights)
    before, after = (_cross_fitted(values, labels, folds) for values in (plain, cleaned))
    order = np.argsort(-hairy, kind="stable")
    for name, part in (("all", 1.0), ("hairiest quarter", 0.25), ("hairiest tenth", 0.1)):
        rows = order[: round(part * len(order))]
        print(f"{name}: {len(rows)} lesions, {np.sum(labels[rows] == EIGHT.codes.index('MEL'))} melanomas")
        for line in _compare(labels[rows], before[rows], after[rows]):
            print(f"  {line}")


def _features(packed: PackedSet, chosen: list[int], weights: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 1280) as they are, (n, 1280) with hairs removed, (n,) the share of hair in the frame."""
    import timm
    import torch
    from PIL import Image

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    values = torch.load(weights, map_location="cpu", weights_only=True).values()
    network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
    network.eval()

    def look(images: list[np.ndarray]) -> np.ndarray:
        resized = [np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR)) for image in images]
        pixels = torch.from_numpy(np.stack(resized).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return network.forward_head(network.forward_features(pixels), pre_logits=True).numpy()

    plain, cleaned, hairy = [], [], []
    for start in range(0, len(chosen), 16):
        images = [np.ascontiguousarray(packed.images[number]) for number in chosen[start : start + 16]]
        bare = [remove_hair(image) for image in images]
        plain.append(look(images))
        cleaned.append(look(bare))
        for image in images:
            hair, edge = find_hair(image), round(FRAME * image.shape[0])
            hair[edge:-edge, edge:-edge] = False
            hairy.append(hair.mean())
    return np.concatenate(plain), np.concatenate(cleaned), np.array(hairy)


def _cross_fitted(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes), each by a regression that was fitted without the lesion's fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    answers = np.zeros((len(labels), len(EIGHT.codes)))
    for fold in np.unique(folds):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300, class_weight="balanced"))
        model.fit(features[folds != fold], labels[folds != fold])
        answers[np.ix_(folds == fold, model.classes_)] = model.predict_proba(features[folds == fold])
    return answers


def _figures(labels: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    areas = {code: roc_auc_score(labels == code, answers[:, code]) for code in np.unique(labels)}
    right = answers.argmax(1) == labels
    return {
        "balanced accuracy": float(np.mean([right[labels == code].mean() for code in areas])),
        "macro AUC": float(np.mean(list(areas.values()))),
        "melanoma AUC": float(areas[EIGHT.codes.index("MEL")]),
    }


def _compare(labels: np.ndarray, before: np.ndarray, after: np.ndarray, draws: int = 1000) -> list[str]:
    """Each figure before and after, and the difference in points with its 95 % interval over lesions."""
    generator, differences = np.random.default_rng(0), []
    while len(differences) < draws:
        rows = generator.integers(0, len(labels), len(labels))
        if np.array_equal(np.unique(labels[rows]), np.unique(labels)):
            one, other = _figures(labels[rows], before[rows]), _figures(labels[rows], after[rows])
            differences.append([other[name] - one[name] for name in one])
    low, high = 100 * np.percentile(differences, [2.5, 97.5], axis=0)
    one, other = _figures(labels, before), _figures(labels, after)
    return [
        f"{name} {one[name]:.3f} -> {other[name]:.3f}, {100 * (other[name] - one[name]):+.1f} ({a:+.1f} to {b:+.1f})"
        for name, a, b in zip(one, low, high, strict=True)
    ]


if __name__ == "__main__":
    main()
