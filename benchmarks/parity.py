"""Do exported files give PyTorch's numbers on photographs that training never saw? One row a file.

    hierattn export runs/ham model.onnx
    hierattn export runs/ham small.onnx --precision int8
    hierattn export runs/ham model.pte
    python -m benchmarks.parity runs/ham model.onnx small.onnx model.pte --photographs ISIC_2019_Training_Input

"exact" are images of the network's own size, from the outer fold of the run's prepared set. "photographs" are files
of a folder as they are, through the graph's own resize on one side (the caller's in a .pte) and Pillow's on the other.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hierattn.bundle.bundle import Bundle, read_bundle
from hierattn.deploy.export.own_images import open_own_images, spread_rows
from hierattn.deploy.export.parity import Answer, compare, run_by_onnxruntime
from hierattn.deploy.predict.session import open_session
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint
from hierattn.preprocessing.photograph import SUFFIXES, read_photograph
from hierattn.run_folder import RunFolder

HEADINGS = (
    "file",
    "MB",
    "exact",
    "largest difference",
    "same answer",
    "photographs",
    "largest difference",
    "same answer",
)


def load(path: Path) -> tuple[Answer, Bundle]:
    """The answers of an exported file, and what it says of itself."""
    if path.suffix == ".pte":
        from hierattn.deploy.export.executorch import load_program

        return load_program(path)
    content, bundle = read_bundle(path)
    return run_by_onnxruntime(open_session(content, path, threads=1)), bundle


def measure(
    path: Path, checkpoint: Checkpoint, exact: list[np.ndarray], photographs: list[np.ndarray]
) -> dict[str, Any]:
    """How far one file is from PyTorch."""
    answer, bundle = load(path)
    size = checkpoint.image_spec.size
    photographs = [photo for photo in photographs if photo.shape[:2] != (size, size)]
    report = compare(answer, bundle, checkpoint, [*exact, *photographs])
    return {
        "file": path.name, "bytes": path.stat().st_size, "precision": bundle.precision.get("name", "float32"),
        "images": report.images, "difference": report.difference, "agreement": report.agreement,
        "photos": report.photos, "photo_difference": report.photo_difference,
        "photo_agreement": report.photo_agreement if report.photos else None,
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    for row in rows:
        cells = [row["file"], f"{row['bytes'] / 1e6:.2f}", str(row["images"]), f"{row['difference']:.1e}"]
        cells += [f"{row['agreement']:.2%}", str(row["photos"])]
        cells += [f"{row['photo_difference']:.1e}", f"{row['photo_agreement']:.2%}"] if row["photos"] else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, help="the run's prepared set, if it has moved")
    parser.add_argument("--photographs", type=Path, help="a folder")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    own, checkpoint = open_own_images(options.run, options.data), load_checkpoint(RunFolder(options.run).best)
    exact = list(own.take(spread_rows(own.test, options.images)))
    photographs = []
    if options.photographs:
        paths = sorted(path for path in options.photographs.rglob("*") if path.suffix.lower() in SUFFIXES)
        rows = spread_rows(np.arange(len(paths)), options.images)
        photographs = [read_photograph(paths[int(row)]) for row in rows]
    measured = [measure(path, checkpoint, exact, photographs) for path in options.files]
    sys.stdout.write(json.dumps(measured, indent=1) + "\n" if options.json else table(measured))


if __name__ == "__main__":
    main()
