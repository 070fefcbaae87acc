"""How soon the service notices that photographs have changed: a simulation on real ones, for results/.

    python -m tools.results.drift results/drift results/two-sources/splits.csv HAM=PHOTOGRAPHS OTHER=PHOTOGRAPHS

The released dermoscopy bundle answers photographs of the held-out outer fold of the first folder, as they are and after
each change of :data:`CHANGED`, and those of every further folder. Services are simulated by drawing from these answers:
each first sees as many photographs as usual as the service wants, then :data:`DAYS` days of one kind. ``drift.json``
holds the figures, ``drift.md`` the table; no photograph, no id.
"""

from __future__ import annotations

import csv
import datetime
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hierattn.deploy.predict.predictor import Diagnosis, Predictor
from hierattn.deploy.predict.released import released_bundle
from hierattn.errors import HierAttnError
from hierattn.evaluation.measures.photo_changes import CHANGES, MIDDLE, change
from hierattn.files import write_json, write_text
from hierattn.serve.drift import BASELINE, MEASURES, DriftWatch
from hierattn.shares import percent

CHANGED = ("colour_cast", "brightness", "blur", "resolution", "dark_corners", "hair", "jpeg")
"""Each at its middle severity."""
PHOTOGRAPHS, SERVICES, DAYS, A_DAY = 240, 100, 60, 25
USUAL = "unchanged"


def held_out(splits: Path, folder: Path, most: int) -> list[np.ndarray]:
    """Photographs of a folder that the outer fold (0) of a table of folds has, one of each lesion."""
    files = {path.stem: path for path in folder.iterdir()}
    with splits.open(newline="", encoding="utf-8") as file:
        lesions = {
            row["group"]: row["image"] for row in csv.DictReader(file) if row["fold"] == "0" and row["image"] in files
        }
    names = np.random.default_rng(0).permutation(sorted(lesions.values()))[:most]
    if len(names) == 0:
        raise SystemExit(f"{folder} has no photograph of the outer fold of {splits}")
    return [np.asarray(Image.open(files[name]).convert("RGB")) for name in names]


def answers(predictor: Predictor, splits: Path, folders: dict[str, Path], most: int) -> dict[str, list[Diagnosis]]:
    """Kind of photographs -> what the bundle answers to each."""
    first, *others = folders
    usual = held_out(splits, folders[first], most)
    kinds = {USUAL: usual, **{f"from {name}": held_out(splits, folders[name], most) for name in others}}
    kinds |= {
        CHANGES[name].title: [change(name, image, MIDDLE, 0, number) for number, image in enumerate(usual)]
        for name in CHANGED
    }
    found = {}
    for name, images in kinds.items():
        found[name] = [predictor(image) for image in images]
        print(f"{name}: {len(images)}", flush=True)
    return found


def simulate(
    predictor: Predictor, usual: Sequence[Diagnosis], kind: Sequence[Diagnosis], seed: int
) -> tuple[int, set[str]]:
    """After how many photographs of a kind the first flag was raised, 0 for none, and by which measures."""
    day = datetime.date(2026, 1, 1)
    watch = DriftWatch(predictor.bundle, lambda: day)
    generator = np.random.default_rng(seed)
    for place in generator.integers(len(usual), size=BASELINE):
        watch.note(usual[place])
    for number in range(DAYS):
        day += datetime.timedelta(days=1)
        for place in generator.integers(len(kind), size=A_DAY):
            watch.note(kind[place])
        flagged = watch.state().flagged
        if flagged:
            return A_DAY * number, set(flagged)
    return 0, set()


def measure(predictor: Predictor, found: dict[str, list[Diagnosis]], services: int) -> dict[str, Any]:
    """For each kind the share of services that raised a flag, after how many photographs, and by what."""
    report = {}
    for name, kind in found.items():
        runs = [simulate(predictor, found[USUAL], kind, seed) for seed in range(services)]
        soon = [after for after, measures in runs if measures]
        report[name] = {
            "photographs": len(kind),
            "rejected": float(np.mean([one.unfit for one in kind])),
            "flagged": len(soon) / services,
            "after": statistics.median(soon) if soon else None,
            "by": {each: sum(each in measures for _, measures in runs) for each in MEASURES},
        }
    return report


def page_of(report: dict[str, Any], services: int, command: str) -> str:
    """The table."""
    lines = [
        "# How soon the service notices that photographs have changed",
        "",
        f"`{command}`",
        "",
        f"{services} services for each kind, drawn from the answers of the released dermoscopy bundle: {BASELINE}",
        f"photographs as usual, then {DAYS} days of {A_DAY} photographs of one kind. *After*: photographs until the",
        "first flag, the median of those that raised one.",
        "",
        "| photographs | drawn from | rejected | services that raise a flag | after | by |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, one in report.items():
        after = "–" if one["after"] is None else f"{one['after']:.0f}"
        by = ", ".join(f"{measure} {count}" for measure, count in one["by"].items() if count) or "–"
        shares = f"{percent(one['rejected'])} | {percent(one['flagged'])}"
        lines.append(f"| {name} | {one['photographs']} | {shares} | {after} | {by} |")
    return "\n".join(lines) + "\n"


def main(
    out: Path, splits: Path, folders: dict[str, Path], bundle: Path, most: int = PHOTOGRAPHS, services: int = SERVICES
) -> None:
    """Answer, simulate and write."""
    predictor = Predictor.load(bundle)
    report = measure(predictor, answers(predictor, splits, folders, most), services)
    command = f"python -m tools.results.drift {out} {splits} {' '.join(f'{name}=PHOTOGRAPHS' for name in folders)}"
    write_json(out / "drift.json", {"command": command, "services": services, "kinds": report})
    write_text(out / "drift.md", page_of(report, services, command))


if __name__ == "__main__":
    if len(sys.argv) < 4 or not all("=" in each for each in sys.argv[3:]):
        raise SystemExit(__doc__)
    try:
        named = {name: Path(place) for name, _, place in (each.partition("=") for each in sys.argv[3:])}
        main(Path(sys.argv[1]), Path(sys.argv[2]), named, released_bundle("dermoscopy"))
    except HierAttnError as error:
        raise SystemExit(str(error)) from None
