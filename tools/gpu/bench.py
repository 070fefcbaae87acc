"""Some minutes: ``hierattn benchmark training`` for some networks, one after another, alone on the device.

Each is measured eager first, in float32 where bfloat16 fails, so that there is a figure. In what time is left each is
compiled, with recorded graphs or plainly; the faster figure stands. On an H200 with 16 cores one network took about
40 s to compile beside one training, and over 150 s beside several.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import FORMAT, IMAGES, INFO, MANIFEST
from hierattn.files import cores, write_json
from hierattn.image_spec import ImageSpec
from tools.gpu.pack import Photographs
from tools.gpu.processes import Hear, Watched, python
from tools.gpu.settings import Settings

WAYS = (("cuda-graphs", "bf16-mixed"), ("default", "bf16-mixed"), ("no", "bf16-mixed"), ("no", "32-true"))
"""``compile`` and ``precision`` of the recipe, the fastest first."""
_NAMES = {"graphs": "cuda-graphs", "default": "default", "eager": "no"}
LEAST = 5.0
"""Seconds with which a measurement is still begun."""


def write_set(photographs: Photographs, folder: Path, size: int, count: int) -> None:
    """A small prepared set with JPEG files beside it, which the plain pipeline reads; made once."""
    if (folder / INFO).is_file():
        return
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    rows = _rows(photographs.records, count)

    def one(row: int) -> np.ndarray:
        image = Image.fromarray(np.asarray(photographs.images[row]))
        image = image.resize((size, size), Image.Resampling.BILINEAR) if image.size != (size, size) else image
        image.save(files / _name(photographs.records[row]), "JPEG", quality=90)
        return np.asarray(image)

    with ThreadPoolExecutor(cores()) as pool:
        images = np.stack(list(pool.map(one, rows)))
    np.save(folder / IMAGES, images)
    records = [replace(record, image=f"files/{_name(record)}", width=size, height=size)
               for record in (photographs.records[row] for row in rows)]  # fmt: skip
    write_manifest(folder / MANIFEST, records)
    info = {
        "format": FORMAT,
        "image_spec": ImageSpec(size=size).to_dict(),
        "source": "a pack, resized",
        "manifest_sha256": manifest_sha256(folder / MANIFEST),
        "images_sha256": hashlib.sha256(images.tobytes()).hexdigest(),
    }
    write_json(folder / INFO, info)


def _name(record: Record) -> str:
    return f"{PurePosixPath(record.image).stem}.jpg"


def _rows(records: list[Record], count: int) -> list[int]:
    """At most ``count`` rows, some of every class in every fold."""
    order = np.random.default_rng(0).permutation(len(records)).tolist()
    seen: dict[tuple[str, int], int] = {}
    ranked = []
    for row in order:
        cell = (records[row].label, records[row].fold)
        seen[cell] = seen.get(cell, 0) + 1
        ranked.append((seen[cell] > 8, row))
    ranked.sort(key=lambda one: one[0])
    return sorted(row for _, row in ranked[:count])


class Bench:
    """The benchmark of all networks.

    Parameters
    ----------
    folder
        The prepared set.
    modes
        The ways to try, as ``learning`` calls them.
    """

    def __init__(
        self, folder: Path, work: Path, rules: Settings, device: str, modes: list[str], environment: dict[str, str],
        hear: Hear,
    ) -> None:  # fmt: skip
        self.folder, self.work, self.rules, self.device = folder, work, rules, device
        wanted = {_NAMES[mode] for mode in modes}
        self.ways = [way for way in WAYS if way[0] in wanted and (device == "cuda" or way[1] == "32-true")]
        self.environment, self.hear = environment, hear
        self.broken = os.environ.get("HIERATTN_GPU_BREAK", "").split(",")
        self.results: dict[str, dict[str, Any]] = {}

    def run(self, until: float) -> dict[str, dict[str, Any]]:
        """Measure all; whatever is known at ``until``."""
        models = list(self.rules["models"])
        eager = [way for way in self.ways if way[0] == "no"]
        for ways in (eager, [way for way in self.ways if way not in eager]):
            for number, model in enumerate(models):
                for way in ways:
                    left = until - time.time()
                    if left < LEAST or self._measure(model, way, time.time() + left / (len(models) - number)):
                        break
        return self.results

    def _measure(self, model: str, how: tuple[str, str], until: float) -> bool:
        rules, (way, precision) = self.rules, how
        if any(_NAMES[name] == way for name in self.broken if name in _NAMES):
            self.hear({"event": "note", "text": f"{model} {way}: broken by HIERATTN_GPU_BREAK"})
            return False
        options = ["model.options.permute_pixels=false"] if model.startswith("hierattn") else []
        recipe = rules.get("recipe", f"isic2019/{model}")
        words = python(
            "-m", "hierattn", "benchmark", "training", recipe, f"model.name={model}", *options,
            "transfer.checkpoint=", "transfer.frozen_epochs=0", f"optimiser.batch_size={rules['batch_size']}",
            f"precision={precision}", f"compile={way}", "--data", str(self.folder), "--device", self.device,
            *(word for key in ("rounds", "steps", "workers") for word in (f"--{key}", str(rules[key]))), "--json",
        )  # fmt: skip
        ended = Watched(words, self.work / f"bench-{model}.err", lambda _: None, self.environment).wait(until)
        found: dict[str, Any] = {}
        with suppress(ValueError):
            found = json.loads(ended.printed)
        if not ended.well or not found:
            why = ended.why or ended.words
            self.hear({"event": "note", "text": f"{model} {way} {precision}: no figure ({why[-300:]})"})
            return False
        found["share_of_limit"] = found["teraflops"] / found["matmul_teraflops"]
        found["reaches_speed"] = found["packed_images_per_second"] >= rules["goal_images_per_second"]
        found["reaches_ratio"] = found["ratio"][0] >= rules["goal_ratio"]
        former = self.results.get(model, found)
        self.results[model] = max(former, found, key=lambda one: one["packed_images_per_second"])
        self.hear({"event": "benchmark", **{key: found[key] for key in (
            "model", "compile", "precision", "packed_images_per_second", "network_images_per_second",
            "plain_images_per_second", "ratio", "share_of_limit")}})  # fmt: skip
        return True
