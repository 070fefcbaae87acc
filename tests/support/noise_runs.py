"""A prepared set of noise and a run on it that was never trained: small enough to evaluate in a second."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import torch

from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import PackedWriter
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT

TINY = {
    "early_channels": [4, 4, 8],
    "stage_channels": [8, 8, 8],
    "transformer_dims": [8, 8, 8],
    "transformer_layers": [1, 1, 1],
    "heads": 2,
}
SPEC = ImageSpec(size=32)


def make_set(folder, source="synthetic", seed=0, labels=EIGHT.codes, lesion="L"):
    """72 small images of noise in three folds, two of each lesion, and an augmented copy: never to be evaluated."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    records = []
    with PackedWriter(folder / "images.npy", SPEC.size, 80) as writer:
        for index in range(72):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            writer.append(pixels)
            number = index // 2
            records.append(
                Record(
                    image=f"images/{seed}_{index:03d}.png",
                    label=labels[number % len(labels)],
                    lesion=f"{lesion}{number}",
                    group=f"lesion:{lesion}{number}",
                    fold=(number // len(labels)) % 3,
                    source=source,
                    licence="CC0",
                    sha256=hashlib.sha256(pixels).hexdigest(),
                )
            )
        writer.append(pixels)
        records.append(
            replace(records[0], image="images/copy.png", role="augmented", parent=records[0].image, sha256="0")
        )
    write_manifest(folder / "manifest.csv", records)
    info = {
        "format": 1,
        "manifest_sha256": manifest_sha256(folder / "manifest.csv"),
        "images_sha256": writer.sha256,
        "image_spec": SPEC.to_dict(),
        "source": source,
        "licence": "CC0",
        "citation": "",
    }
    (folder / "prepared.json").write_text(json.dumps(info))
    return folder


def make_run(folder, prepared, classes=EIGHT.codes, **data):
    folder.mkdir()
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=len(classes), **TINY)
    save_checkpoint(
        folder / "best.safetensors",
        Checkpoint(
            model="hierattn_xs",
            options=TINY,
            taxonomy=EIGHT.subset(classes),
            image_spec=SPEC,
            state_dict=model.state_dict(),
            recipe={"name": "tiny", "seed": 5, "data": {"prepared": str(prepared), "fold": 1, **data}},
            provenance={"hierattn": "0.1.0", "commit": "abc", "epoch": 0, "training_images": 24},
        ),
    )
    (folder / "manifest.sha256").write_text(manifest_sha256(prepared / "manifest.csv") + "\n")
    (folder / "log.csv").write_text("epoch,train_loss,validation_loss,validation_top1\n0,2.1,2.2,0.1\n")
    return folder
