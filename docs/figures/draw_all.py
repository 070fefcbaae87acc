"""Draw every figure of the pages from what ``hierattn demo`` left: ``python docs/figures/draw_all.py --demo out/demo``.

Each of the other files here draws one figure from real tensors, predictions or shapes; nothing is drawn by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import branch_attention
import calibration
import cth_block
import diagnosis
import layers
import leaking_folds
import network
import permutation
import same_channel_attention
from drawing import open_example
from matplotlib.figure import Figure

from hierattn.data.prepared_set.packed import PackedSet

ROOT = Path(__file__).resolve().parents[2]


def figures(demo: Path) -> dict[str, Callable[[], Figure]]:
    """Name of the picture -> what draws it."""
    example = open_example(demo)
    return {
        "same-channel-attention": lambda: same_channel_attention.draw(example),
        "cth-block": lambda: cth_block.draw(example),
        "branch-attention": lambda: branch_attention.draw(example),
        "permutation": lambda: permutation.draw(example),
        "leaking-folds": lambda: leaking_folds.draw(example.model, demo / "prepared"),
        "calibration": lambda: calibration.draw(demo / "run" / "evaluation"),
        "network": network.draw,
        "layers": lambda: layers.draw(ROOT / "pyproject.toml"),
        "diagnosis": lambda: diagnosis.draw(demo / "lesions.onnx", _photo(demo)),
    }


def _photo(demo: Path) -> Path:
    """The photograph that the demo asks about: the first melanoma of the outer fold."""
    packed = PackedSet.open(demo / "prepared")
    melanoma = next(record for record in packed.records if record.fold == 0 and record.label == "MEL")
    return (packed.folder / melanoma.image).resolve()


def main() -> None:
    """Draw all of them, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=ROOT / "out" / "demo", help="the folder that 'hierattn demo' left")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("names", nargs="*", help="figures to draw; without one, all")
    given = parser.parse_args()
    every = figures(given.demo)
    for name in given.names or every:
        every[name]().savefig(given.out / f"{name}.png", dpi=180, metadata={"Software": None})
        print(given.out / f"{name}.png")


if __name__ == "__main__":
    main()
