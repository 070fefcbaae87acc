"""A network that learns from shuffled labels must score at chance, and the same network from true ones must not."""

import hashlib
import json

import numpy as np
import pytest
from tests.evaluation.test_evaluate import SPEC, TINY

from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import PackedWriter
from hierattn.evaluation.evaluate import evaluate
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe

CLASSES = ("BCC", "MEL", "NV", "VASC")
COLOURS = ((200, 120, 110), (60, 50, 60), (150, 100, 70), (200, 40, 60))
LESIONS = 36
"""A class, an image each, in three folds."""


def coloured_set(folder, shuffled):
    """Lesions whose class is their colour; with ``shuffled`` labels are dealt out anew within each fold."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    of = np.repeat(np.arange(len(CLASSES)), LESIONS)
    folds = np.arange(len(of)) % 3
    labels = of.copy()
    if shuffled:
        for fold in range(3):
            labels[folds == fold] = rng.permutation(of[folds == fold])
    records = []
    with PackedWriter(folder / "images.npy", SPEC.size, len(of)) as writer:
        for number, (colour, label, fold) in enumerate(zip(of, labels, folds, strict=True)):
            pixels = np.clip(rng.normal(COLOURS[colour], 30, (32, 32, 3)), 0, 255).astype(np.uint8)
            writer.append(pixels)
            records.append(
                Record(
                    image=f"images/{number}.png",
                    label=CLASSES[label],
                    lesion=f"L{number}",
                    group=f"lesion:L{number}",
                    fold=int(fold),
                    source="synthetic",
                    licence="CC0",
                    sha256=hashlib.sha256(pixels).hexdigest(),
                )
            )
    write_manifest(folder / "manifest.csv", records)
    info = {
        "format": 1, "manifest_sha256": manifest_sha256(folder / "manifest.csv"), "images_sha256": writer.sha256,
        "image_spec": SPEC.to_dict(), "source": "synthetic", "licence": "CC0", "citation": "",
    }  # fmt: skip
    (folder / "prepared.json").write_text(json.dumps(info))
    return folder


def learnt(folder, shuffled):
    prepared = coloured_set(folder / "prepared", shuffled)
    recipe = Recipe.from_dict(
        {
            "name": "shuffled",
            "data": {"prepared": str(prepared)},
            "model": {"name": "hierattn_xs", "options": TINY},
            "optimiser": {"epochs": 16, "batch_size": 8, "learning_rate": 0.01, "warmup_epochs": 0},
        }
    )
    fit(recipe, folder / "run", device="cpu")
    return evaluate(folder / "run", device="cpu", bootstrap=0).report


@pytest.mark.parametrize("shuffled", [False, True])
def test_shuffled_labels_leave_nothing_to_learn(tmp_path, shuffled):
    report = learnt(tmp_path, shuffled)
    balanced, area = report["balanced_accuracy"], report["macro_auc"]
    if shuffled:
        # 12 images a class: chance is 1/4 and 0.5, each with a standard error of about 0.06.
        assert abs(balanced["value"] - 0.25) < 0.2
        assert abs(area["value"] - 0.5) < 0.2
    else:
        assert balanced["value"] > 0.6
        assert area["value"] > 0.9
