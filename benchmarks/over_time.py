r"""What two photographs of an unchanged spot differ by: the noise floor of the web app's comparison over time.

    python -m benchmarks.over_time results/over-time --dermoscopy PHOTOGRAPHS results/two-sources/splits.csv \
        --phone PHOTOGRAPHS results/pad-ufes-20/splits-with-more.csv --pairs 240 --facts apps/web/src/noise-floor.json

Test-retest: each photograph is taken twice more by the package's own changes (:data:`RETAKEN`), and the app's own code,
run in Node, compares the two. The floor is the level that 95 of 100 such pairs stay under; the share under it is
counted on lesions or patients that it was not fitted on. Photographs are those of the held-out outer fold (0 in the
table of folds), which the released networks have not seen. Beside them: rendered lesions, unchanged, of twice the area
and of another hue; and pairs of real photographs of one lesion, whose distance and day nobody knows. Needs Node and the
app's packages (``make web``). Writes ``pairs.json`` (the changes of every pair, without ids), ``over-time.json`` and
``over-time.md``; with ``--facts apps/web/src/noise-floor.json`` the app's figures too.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from hierattn.data.rendered.rendered_set import draw_appearance, draw_photo, render
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.released import released_bundle
from hierattn.evaluation.measures.intervals import share_of
from hierattn.evaluation.measures.photo_changes import CHANGES, MIDDLE, change
from hierattn.files import file_sha256, write_json, write_text
from hierattn.shares import percent
from hierattn.taxonomy.built_in import EIGHT

RETAKEN = ("rotation", "zoom_out", "crop", "colour_cast", "brightness", "blur", "jpeg")
"""What each further photograph is drawn from, each with probability one half; severities up to the middle one."""

FLOOR = 0.95
"""The share of unchanged pairs that the floor is fitted to be above."""

HUE = 30
"""By how many degrees a spot of known change is turned on the circle of hues."""

MEASURES = ("growth", "growth_scaled", "colour", "risk")
DRAWN = MEASURES[:3]
"""What rendered lesions are measured by too: their risk says nothing of skin."""

Values = dict[str, np.ndarray]
TITLES = {
    "growth": "size, as photographed",
    "growth_scaled": "size, distance known",
    "colour": "colour",
    "risk": "risk",
}
RENDERED = {"unchanged": "unchanged", "area": "twice the area", "hue": "another hue"}
INTRODUCTION = """# Two photographs of an unchanged spot: the noise floor of the comparison over time

`{command}`

Each photograph of the held-out outer fold is taken twice more (small turns, shifts, zoom, white balance, light, blur,
JPEG), and the app's own code compares the two. The floor is fitted so that {floor} of such pairs stay under it; the
share under it is counted on the half of the lesions or patients that it was not fitted on, and of rendered lesions of
all eight classes, vague ones among them, which fitted nothing. The app tells the smaller of both shares. Size is the
ratio of areas, colour CIELAB's distance on one skin, risk the difference of the calibrated risks. 95 % intervals.

*Really twice*: pairs of real photographs of one lesion, and the share that stays under the same floor.
Their distance, day and camera are unknown, and some of these lesions may have changed: photographs that are taken in
another way differ far more than the floor says. `pairs.json` holds every pair's changes.
"""
TABLE = (
    "| taken | of | outlined | median | floor | under it | rendered, under it | really twice, under it | median |",
    "|---|---|---:|---:|---:|---|---|---|---:|",
)
KNOWN = """Rendered lesions against the floor of dermoscopy: the second photograph shows the lesion as it was, with
twice the area, or with its hue turned by {hue}°. Shares of the outlined pairs *above* the floor.
"""
TABLE_KNOWN = (
    "| rendered lesions | outlined | size, as photographed | size, distance known | colour |",
    "|---|---:|---|---|---|",
)
COMMAND = (
    "python -m benchmarks.over_time results/over-time --dermoscopy PHOTOGRAPHS results/two-sources/splits.csv "
    "--phone PHOTOGRAPHS results/pad-ufes-20/splits-with-more.csv --pairs 240 --facts apps/web/src/noise-floor.json"
)
WEB = Path(__file__).resolve().parents[1] / "apps" / "web"
_SEED = 7
_BATCH = 50  # pairs at a time: their pixels lie in a folder meanwhile


@dataclass(frozen=True)
class Pair:
    """Two photographs of one spot, and what is known of them.

    Attributes
    ----------
    group
        The lesion or patient.
    zoom, turn
        By how much the second is enlarged, and turned clockwise in degrees.
    held_out
        Whether the released network has seen neither.
    """

    before: np.ndarray
    after: np.ndarray
    group: str
    zoom: float = 1.0
    turn: float = np.nan
    held_out: bool = True


def retake(image: np.ndarray, number: int, changes: Sequence[str] = RETAKEN) -> tuple[np.ndarray, float]:
    """A further photograph of the same spot, and by how much the changes enlarge it."""
    generator = np.random.default_rng((_SEED, number))
    zoom = 1.0
    for name in changes:
        severity = 0 if name == "zoom_out" else int(generator.integers(0, MIDDLE + 1))
        if generator.random() < 0.5:
            image = change(name, image, severity, _SEED, number)
            percent = CHANGES[name].levels[severity]
            zoom *= {"zoom_out": percent / 100, "crop": 1 / (1 - percent / 100)}.get(name, 1.0)
    return image, zoom


def retaken(image: np.ndarray, group: str, number: int) -> Pair:
    """Two further photographs of what ``image`` shows."""
    (before, nearer), (after, nearest) = (retake(image, 2 * number + k) for k in (0, 1))
    return Pair(before, after, group, nearest / nearer)


def build_comparer(out: Path) -> Path:
    """The app's modules as one program for Node."""
    build = ["node", "node_modules/vite/bin/vite.js", "build", "--ssr", "test/agreement.ts", "--outDir", str(out)]
    subprocess.run([*build, "--config", "test/vite.config.ts"], cwd=WEB, check=True, timeout=120)
    return next(out.glob("agreement.*js"))


def compare(pairs: Iterator[Pair], program: Path, predictor: Predictor | None) -> Values:
    """The app's comparison of each pair: absolute changes, NaN where the spot was not outlined on both.

    ``growth`` and ``growth_scaled`` are logarithms of the ratio of areas, as photographed and with the distance known;
    ``colour`` is CIELAB's distance, ``risk`` a difference of shares, NaN where a photograph was rejected.
    """
    rows: dict[str, list[Any]] = defaultdict(list)
    for batch in _batches(pairs):
        for pair, answer in zip(batch, _ask(batch, program), strict=True):
            found = answer["change"]
            growth = np.log(found["growth"]) if found else np.nan
            rows["group"].append(pair.group)
            rows["growth"].append(abs(growth))
            rows["growth_scaled"].append(abs(growth - 2 * np.log(pair.zoom)))
            rows["colour"].append(found["colour"] if found else np.nan)
            turn = np.degrees(found["alignment"]["angle"]) - pair.turn if found else np.nan
            rows["turn"].append(abs((turn + 180) % 360 - 180))
            rows["risk"].append(_risk_change(pair, predictor))
        print(f"{len(rows['group'])} pairs", flush=True)
    return {name: np.array(values) for name, values in rows.items()}


def _batches(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    batch: list[Pair] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _ask(batch: Sequence[Pair], program: Path) -> list[dict[str, Any]]:
    """Pictures go as the app keeps them: as JPEG files of quality 90."""
    with tempfile.TemporaryDirectory() as folder:
        questions = []
        for number, pair in enumerate(batch):
            raws = []
            for name, image in (("before", pair.before), ("after", pair.after)):
                kept, raw = change_jpeg(image, 90), Path(folder, f"{number}-{name}")
                raw.write_bytes(kept.tobytes())
                raws.append({"raw": str(raw), "width": kept.shape[1], "height": kept.shape[0]})
            questions.append(json.dumps({"over_time": raws}) + "\n")
        result = subprocess.run(
            ["node", program], input="".join(questions), capture_output=True, text=True, check=True, timeout=600
        )
    return [json.loads(line) for line in result.stdout.splitlines()]


def change_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def _risk_change(pair: Pair, predictor: Predictor | None) -> float:
    if predictor is None or not pair.held_out:
        return np.nan
    answers = predictor([pair.before, pair.after])
    if not all(answer.quality.ok for answer in answers):
        return np.nan
    before, after = (answer.risk for answer in answers)
    return np.nan if before is None or after is None else abs(after - before)


def fit_floor(values: np.ndarray) -> float:
    """The level that at least :data:`FLOOR` of one pair more than these stay under (split conformal)."""
    ordered = np.sort(values[~np.isnan(values)])
    return float(ordered[min(len(ordered), int(np.ceil(FLOOR * (len(ordered) + 1)))) - 1])


def cross_checked(found: Values, name: str) -> dict[str, Any]:
    """The share of pairs at or under the floor of the other half of the groups."""
    under = np.zeros(len(found["group"]), bool)
    for names in np.array_split(np.random.default_rng(_SEED).permutation(np.unique(found["group"])), 2):
        fitted = np.isin(found["group"], names)
        under |= ~fitted & (found[name] <= fit_floor(found[name][fitted]))
    return share_under(found, name, under)


def share_under(found: Values, name: str, under: np.ndarray) -> dict[str, Any]:
    """The share of the measured pairs with a flag, and its 95 % interval over groups."""
    told = ~np.isnan(found[name])
    groups = np.unique(found["group"][told], return_inverse=True)[1]
    share = share_of(under[told], groups, 1000, _SEED)
    return {"share": share.value, "interval": share.interval, "pairs": int(told.sum())}


@dataclass(frozen=True)
class Folder:
    """Photographs by image id, with the lesion or patient of each and those that no released network has seen."""

    files: dict[str, Path]
    groups: dict[str, str]
    held_out: list[str]

    @classmethod
    def open(cls, folder: Path, splits: Path) -> Folder:
        """Read a table of folds; 0 is the held-out outer fold."""
        files = {path.stem: path for path in folder.iterdir()}
        with splits.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["image"] in files]
        groups = {row["image"]: row["group"] for row in rows}
        return cls(
            {image: files[image] for image in groups}, groups, [row["image"] for row in rows if row["fold"] == "0"]
        )


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def retaken_pairs(folder: Folder, pairs: int) -> Iterator[Pair]:
    """As many pairs, over all held-out photographs in turn."""
    images = list(np.random.default_rng(_SEED).permutation(sorted(folder.held_out)))
    for number in range(pairs):
        image = images[number % len(images)]
        yield retaken(read(folder.files[image]), folder.groups[image], number)


def second_photographs(folder: Folder, lesion_of: Callable[[str], str], pairs: int) -> Iterator[Pair]:
    """The first two photographs of each lesion that has several, held-out ones first."""
    lesions: dict[str, list[str]] = defaultdict(list)
    for image in sorted(folder.files):
        lesions[lesion_of(image)].append(image)
    held_out = set(folder.held_out)
    several = [images for images in lesions.values() if len(images) > 1]
    several = [several[k] for k in np.random.default_rng(_SEED).permutation(len(several))]
    for first, second, *_ in sorted(several, key=lambda images: images[0] not in held_out)[:pairs]:
        one, other = read(folder.files[first]), read(folder.files[second])
        yield Pair(one, other, lesion_of(first), held_out=first in held_out)


def rendered_pairs(kind: str, pairs: int) -> Iterator[Pair]:
    """Rendered lesions photographed twice: ``unchanged``, of twice the ``area``, or of another ``hue``."""
    for number in range(pairs):
        appearance = draw_appearance(EIGHT.codes[number % 8], np.random.default_rng((_SEED, number)))
        photo = draw_photo(np.random.default_rng((_SEED, number, 1)), surround=False)
        photo = replace(photo, scale=0.7, shift=(photo.shift[0] / 2, photo.shift[1] / 2))
        first = render(appearance, photo)
        turn = float(np.random.default_rng((_SEED, number, 2)).uniform(-180, 180))
        if kind == "area":
            appearance = replace(appearance, outline=appearance.outline * np.float32(np.sqrt(2)))
        second = render(appearance, replace(photo, angle=photo.angle + np.radians(turn)))
        after = turn_hue(second.image, second.mask) if kind == "hue" else second.image
        before, nearer = retake(first.image, 2 * number, RETAKEN[1:])
        after, nearest = retake(after, 2 * number + 1, RETAKEN[1:])
        yield Pair(before, after, str(number), nearest / nearer, turn)


def turn_hue(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The lesion's hue turned by :data:`HUE` degrees, with a soft edge."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + HUE // 2) % 180
    turned = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)[..., None]
    return np.rint(image + soft * (turned.astype(float) - image)).astype(np.uint8)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for domain in ("dermoscopy", "phone"):
        parser.add_argument(f"--{domain}", type=Path, nargs=2, required=True, metavar=("PHOTOGRAPHS", "SPLITS"))
    parser.add_argument("--pairs", type=int, default=400, help="of each kind")
    parser.add_argument("--facts", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pairs = measure(arguments, build_comparer(Path(scratch)))
    write_json(arguments.out / "pairs.json", pairs)
    report = summarise(pairs)
    write_json(arguments.out / "over-time.json", {"command": COMMAND, **report})
    write_text(arguments.out / "over-time.md", page_of(report))
    if arguments.facts:
        write_json(arguments.facts, facts_of(report), indent=1)


def measure(arguments: argparse.Namespace, program: Path) -> dict[str, Any]:
    """The changes of every pair; groups are numbered."""
    pairs: dict[str, Any] = {"domains": {}, "rendered": {}}
    for domain in ("dermoscopy", "phone"):
        path = released_bundle(domain)
        folder, predictor = Folder.open(*getattr(arguments, domain)), Predictor.load(path)
        lesion_of = (lambda image: image.rsplit("_", 1)[0]) if domain == "phone" else folder.groups.__getitem__
        pairs["domains"][domain] = {
            "sha256": file_sha256(path),
            "retaken": _plain(compare(retaken_pairs(folder, arguments.pairs), program, predictor)),
            "real": _plain(compare(second_photographs(folder, lesion_of, arguments.pairs), program, predictor)),
        }
    for kind in RENDERED:
        pairs["rendered"][kind] = _plain(compare(rendered_pairs(kind, arguments.pairs // 2), program, None))
    return pairs


def _plain(found: Values) -> dict[str, list[float | int | None]]:
    groups = np.unique(found["group"], return_inverse=True)[1].tolist()
    values = {name: [None if np.isnan(v) else round(float(v), 4) for v in found[name]] for name in (*MEASURES, "turn")}
    return {"group": groups, **values}


def summarise(pairs: dict[str, Any]) -> dict[str, Any]:
    """Every figure of the page, from the pairs alone."""

    def read(found: dict[str, Any]) -> Values:
        return {name: np.array(values, np.float64) for name, values in found.items()}

    def outlined(found: Values) -> float:
        return float(np.mean(~np.isnan(found["growth"])))

    rendered = {kind: read(found) for kind, found in pairs["rendered"].items()}
    unchanged = rendered["unchanged"]
    report: dict[str, Any] = {"floor": FLOOR, "domains": {}, "rendered": {}}
    for domain, kinds in pairs["domains"].items():
        found, real = read(kinds["retaken"]), read(kinds["real"])
        measured = {}
        for name in MEASURES:
            floor = fit_floor(found[name])
            measured[name] = {
                "median": float(np.nanmedian(found[name])),
                "floor": floor,
                "under": cross_checked(found, name),
                **({"rendered": share_under(unchanged, name, unchanged[name] <= floor)} if name in DRAWN else {}),
                **({"real": share_under(real, name, real[name] <= floor)} if name != "growth_scaled" else {}),
                **({"real_median": float(np.nanmedian(real[name]))} if name != "growth_scaled" else {}),
            }
        report["domains"][domain] = {
            "sha256": kinds["sha256"],
            "outlined": outlined(found),
            "real_outlined": outlined(real),
            "measures": measured,
        }
    for kind, found in rendered.items():
        floors = report["domains"]["dermoscopy"]["measures"]
        above = {name: share_under(found, name, found[name] > floors[name]["floor"]) for name in DRAWN}
        report["rendered"][kind] = {"outlined": outlined(found), **above}
    report["turn"] = {share: float(np.nanquantile(unchanged["turn"], share / 100)) for share in (50, 90)}
    return report


def facts_of(report: dict[str, Any]) -> dict[str, Any]:
    """What the app says: by domain each floor, rounded up, and the measured shares of pairs under it."""

    def told(name: str, measured: dict[str, Any]) -> dict[str, float]:
        floor = np.exp(measured["floor"]) if name.startswith("growth") else measured["floor"]
        digits = {"colour": 10, "risk": 1000}.get(name, 100)
        return {
            "floor": float(np.ceil(floor * digits - 1e-9) / digits),
            "under": min(measured[kind]["share"] for kind in ("under", "rendered") if kind in measured),
            **({"real": measured["real"]["share"]} if "real" in measured else {}),
        }

    return {
        "source": "written by python -m benchmarks.over_time; measure again, do not change this file",
        "domains": [
            {"sha256": domain["sha256"], **{name: told(name, one) for name, one in domain["measures"].items()}}
            for domain in report["domains"].values()
        ],
    }


def page_of(report: dict[str, Any]) -> str:
    """The tables for ``results/``."""
    lines = [INTRODUCTION.format(command=COMMAND, floor=percent(report["floor"])), *TABLE]
    for domain, found in report["domains"].items():
        for name, one in found["measures"].items():
            cells = [domain, TITLES[name], percent(found["outlined"]), _value(name, one["median"])]
            cells += [_value(name, one["floor"]), _share(one["under"]), _share(one.get("rendered"))]
            cells += [_share(one.get("real")), _value(name, one["real_median"]) if "real" in one else "–"]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", KNOWN.format(hue=HUE), *TABLE_KNOWN]
    for kind, found in report["rendered"].items():
        above = " | ".join(_share(found[name]) for name in DRAWN)
        lines.append(f"| {RENDERED[kind]} | {percent(found['outlined'])} | {above} |")
    half, most = report["turn"].values()
    lines += [
        "",
        f"The turn of a rendered lesion is found within {half:.1f}° in half of the pairs, within {most:.0f}° in 90 %.",
    ]
    return "\n".join(lines) + "\n"


def _value(name: str, value: float) -> str:
    if name.startswith("growth"):
        return f"× {np.exp(value):.2f}"
    return f"{value:.1f}" if name == "colour" else f"{100 * value:.1f} points"


def _share(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    interval = " to ".join(map(percent, found["interval"] or (0.0, 1.0)))
    return f"{percent(found['share'])} ({interval}) of {found['pairs']}"


if __name__ == "__main__":
    main()
