"""Two minutes: ``hierattn benchmark training`` for some networks, compiled ahead all at once, then measured in turn.

Each network goes down the ways until one works: recorded graphs, plain compilation, eager, float32.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from concurrent import futures
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
COMPILING_SHARE = 0.55
"""Of the budget: when measuring begins, whatever still compiles."""
LAST_WORD = 20.0
"""Seconds before the end at which what still compiles is given up, and measured eager."""


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

    def run(self, until: float, wait: Callable[[float], None]) -> dict[str, dict[str, Any]]:
        """Compile ahead, ``wait`` for what else compiles, then measure; whatever is known at ``until``."""
        began = time.time()
        compiled_by = began + (until - began) * COMPILING_SHARE
        last = max(until - LAST_WORD, compiled_by)
        models = list(self.rules["models"])
        with ThreadPoolExecutor(len(models)) as pool:
            compiling = {model: pool.submit(self._first_way, model, last) for model in models}
            futures.wait(compiling.values(), timeout=compiled_by - time.time())
            wait(compiled_by)
            # Those that are compiled are measured first; the others may take longer meanwhile.
            for model in sorted(models, key=lambda model: not compiling[model].done()):
                for place in range(compiling[model].result(), len(self.ways)):
                    if until - time.time() < 5 or self._measure(model, place, until, rough=False):
                        break
        return self.results

    def _first_way(self, model: str, until: float) -> int:
        """The number of the first way that works; also a rough figure, should there be no time for a better one."""
        if len(self.ways) == 1:
            return 0
        for place in range(len(self.ways)):
            if self._measure(model, place, until, rough=True):
                return place
            if time.time() >= until:
                break
        return max(len(self.ways) - 2, 0)  # eager, which needs no compiling

    def _measure(self, model: str, place: int, until: float, *, rough: bool) -> bool:
        rules, (way, precision) = self.rules, self.ways[place]
        if any(_NAMES[name] == way for name in self.broken if name in _NAMES):
            self.hear({"event": "note", "text": f"{model} {way}: broken by HIERATTN_GPU_BREAK"})
            return False
        options = ["model.options.permute_pixels=false"] if model.startswith("hierattn") else []
        recipe = rules.get("recipe", f"isic2019/{model}")
        words = python(
            "-m", "hierattn", "benchmark", "training", recipe, f"model.name={model}", *options,
            "transfer.checkpoint=", "transfer.frozen_epochs=0", f"optimiser.batch_size={rules['batch_size']}",
            f"precision={precision}", f"compile={way}", "--data", str(self.folder), "--device", self.device,
            "--rounds", str(1 if rough else rules["rounds"]), "--steps", str(2 if rough else rules["steps"]),
            "--workers", str(0 if rough else rules["workers"]), "--json",
        )  # fmt: skip
        ended = Watched(words, self.work / f"bench-{model}.err", lambda _: None, self.environment).wait(until)
        found: dict[str, Any] = {}
        with suppress(ValueError):
            found = json.loads(ended.printed)
        if not ended.well or not found:
            why = ended.why or ended.words
            self.hear({"event": "note", "text": f"{model} {way} {precision}: no figure ({why[-300:]})"})
            return False
        found["rough"] = rough
        found["share_of_limit"] = found["teraflops"] / found["matmul_teraflops"]
        found["reaches_speed"] = found["packed_images_per_second"] >= rules["goal_images_per_second"]
        found["reaches_ratio"] = found["ratio"][0] >= rules["goal_ratio"]
        self.results[model] = found
        self.hear({"event": "benchmark", **{key: found[key] for key in (
            "model", "compile", "precision", "packed_images_per_second", "network_images_per_second",
            "plain_images_per_second", "ratio", "share_of_limit", "rough")}})  # fmt: skip
        return True
