"""How many planted label errors, off-topic pictures and contradicting copies does ``hierattn audit`` find?

    python -m benchmarks.label_audit OUT

Lesions are rendered (2,400 at 64 pixels). One lesion in twenty gets the label of another class, all its photographs
alike; pictures of no lesion are put among them; of some photographs a copy is stored again under another label. The set
is prepared in five folds, the demo's recipe is cross-validated, and the audit is run. Printed: of each kind, how many
of the planted are found, and how many of the first listed are planted. Each step is kept in OUT: the same command goes
on.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from hierattn.audit.audit import audit
from hierattn.audit.findings import COPIES, KINDS, LABEL, OFF_TOPIC, Found
from hierattn.cli.run_options import load_recipe
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.rendered.rendered_set import IMAGES, METADATA, TRUTH, render_set
from hierattn.data.sets.readers.isic2019 import SYNTHETIC
from hierattn.files import write_json, write_table
from hierattn.shares import percent
from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, cross_validate

PLANTED = "planted.json"
CODE_OF = {"AK": "ACK"}  # ISIC's column -> our code
COLUMNS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
PICTURES = ("text", "stripes", "noise", "landscape", "shapes")


def off_topic(kind: str, generator: np.random.Generator, size: int) -> Image.Image:
    """A picture of no lesion."""
    colours = [tuple(int(value) for value in generator.integers(0, 256, 3)) for _ in range(12)]
    picture = Image.new("RGB", (size, size), colours[0])
    draw = ImageDraw.Draw(picture)
    if kind == "text":
        picture.paste((250, 250, 248), (0, 0, size, size))
        for line in range(3, size, 7):
            draw.line((4, line, int(generator.integers(size // 2, size - 4)), line), fill=(30, 30, 30), width=2)
    elif kind == "stripes":
        for place, colour in zip(range(0, size, size // 8), colours * 2, strict=False):
            draw.rectangle((place, 0, place + size // 8, size), fill=colour)
    elif kind == "noise":
        picture = Image.fromarray(generator.integers(0, 256, (size, size, 3), np.uint8))
    elif kind == "landscape":
        horizon = int(generator.integers(size // 3, 2 * size // 3))
        draw.rectangle((0, 0, size, horizon), fill=(120, 170, 225))
        draw.rectangle((0, horizon, size, size), fill=(60, 120, 50))
        draw.ellipse((size // 8, size // 10, size // 3, size // 3), fill=(250, 230, 90))
    else:
        for colour in colours[1:]:
            left, top = (int(value) for value in generator.integers(0, size, 2))
            draw.rectangle((left, top, left + size // 5, top + size // 5), fill=colour)
    return picture


def plant(rendered: Path, out: Path, seed: int) -> None:
    """Copy a rendered set, with errors put into it; :data:`PLANTED` says which."""
    generator = np.random.default_rng(seed)
    with (rendered / TRUTH).open(newline="", encoding="utf-8") as file:
        label = {row["image"]: next(code for code in COLUMNS if row[code] == "1.0") for row in csv.DictReader(file)}
    with (rendered / METADATA).open(newline="", encoding="utf-8") as file:
        facts = {row["image"]: row for row in csv.DictReader(file)}
    known = json.loads((rendered / SYNTHETIC).read_text(encoding="utf-8"))
    shutil.copytree(rendered / IMAGES, out / IMAGES)
    lesions = sorted({row["lesion_id"] for row in facts.values()})
    wrong = set(generator.choice(lesions, len(lesions) // 20, replace=False).tolist())
    given = dict(label)
    other = {lesion: int(generator.integers(1, len(COLUMNS))) for lesion in sorted(wrong)}
    for image, row in facts.items():
        if row["lesion_id"] in wrong:
            place = (COLUMNS.index(label[image]) + other[row["lesion_id"]]) % len(COLUMNS)
            given[image] = COLUMNS[place]
    errors = sorted(image for image in label if given[image] != label[image])

    strange, copies = {}, {}
    for number in range(len(label) // 100):
        name = f"SYN_X{number:06d}"
        kind = PICTURES[number % len(PICTURES)]
        off_topic(kind, generator, known["size"]).save(out / IMAGES / f"{name}.jpg", quality=92)
        given[name] = COLUMNS[int(generator.integers(len(COLUMNS)))]
        strange[name] = kind
    sound = sorted(image for image in label if facts[image]["lesion_id"] not in wrong)
    for number, image in enumerate(generator.choice(sound, len(label) // 100, replace=False).tolist()):
        name = f"SYN_Y{number:06d}"
        buffer = io.BytesIO()
        with Image.open(rendered / IMAGES / f"{image}.jpg") as photograph:
            ImageOps.mirror(photograph).save(buffer, "JPEG", quality=85)
        (out / IMAGES / f"{name}.jpg").write_bytes(buffer.getvalue())
        place = COLUMNS.index(label[image]) + int(generator.integers(1, len(COLUMNS)))
        given[name] = COLUMNS[place % len(COLUMNS)]
        copies[name] = image

    write_table(
        out / TRUTH,
        ("image", *COLUMNS, "UNK"),
        ((image, *(float(code == given[image]) for code in COLUMNS), 0.0) for image in sorted(given)),
    )
    columns = tuple(next(iter(facts.values())))
    unknown = dict.fromkeys(columns, "")
    rows = [{**facts.get(image, unknown), "image": image} for image in sorted(given)]
    write_table(out / METADATA, columns, ([row[column] for column in columns] for row in rows))
    write_json(
        out / PLANTED, {"label": {image: label[image] for image in errors}, "off_topic": strange, "copy": copies}
    )
    write_json(out / SYNTHETIC, {**known, "images": len(given)})


def print_recall(found: Sequence[Found], planted: dict[str, dict[str, str]]) -> None:
    """The table: of each kind, how many planted are found, and how many of the first listed are planted."""
    listed = {kind: [Path(one.finding.image).stem for one in found if one.finding.kind == kind] for kind in KINDS}
    copies = set(planted["copy"]) | set(planted["copy"].values())
    wrong = {**planted["label"], **planted["copy"]}
    print("| planted | photographs | found | listed | of the first as many, planted |")
    print("|---|---:|---:|---:|---:|")
    for name, kind, wanted, also in (
        ("wrong label of a lesion", LABEL, set(planted["label"]), {*wrong, *planted["off_topic"]}),
        ("picture of no lesion", OFF_TOPIC, set(planted["off_topic"]), set(planted["off_topic"])),
        ("copy under another label, and its original", COPIES, copies, {*copies, *planted["label"]}),
    ):
        images = list(dict.fromkeys(listed[kind]))
        if not wanted:
            continue  # so few photographs have none planted
        recall = percent(len(wanted & set(images)) / len(wanted), 0)
        hits = percent(sum(image in also for image in images[: len(wanted)]) / len(wanted), 0)
        print(f"| {name} | {len(wanted)} | {recall} | {len(images)} | {hits} |")
    everything = set(wrong) | set(planted["off_topic"])
    any_kind = {image for images in listed.values() for image in images}
    print(f"Of {len(everything)} planted photographs, {len(everything & any_kind)} are listed, of some kind.")
    truth = planted["label"]
    errors = [(Path(one.finding.image).stem, one.suggested) for one in found if one.finding.kind == LABEL]
    right = [suggested == CODE_OF.get(truth[stem], truth[stem]) for stem, suggested in errors if stem in truth]
    print(f"Of the wrong labels that are found, the suggestion is the true one for {percent(np.mean(right), 0)}.")


def main() -> None:
    """The command line, as this file's first lines show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=2400)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--folds", type=int, default=5, help="of five, for how many a run is trained")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    rendered = render_set(options.out / "rendered", images=options.images, size=options.size, seed=options.seed)
    source, prepared, runs = (options.out / name for name in ("planted", "prepared", "runs"))
    if not (source / PLANTED).is_file():
        shutil.rmtree(source, ignore_errors=True)
        plant(rendered, source, options.seed + 1)
    prepare(source, prepared, PrepareOptions(size=options.size, folds=5))
    recipe = load_recipe("quicktest", [f"optimiser.epochs={options.epochs}"], prepared)
    cross_validate(recipe, runs, CrossValidationOptions(list(range(options.folds)), jobs=options.jobs, threads=1))
    result = audit(prepared, [runs], options.out / "audit")
    print_recall(result.found, json.loads((source / PLANTED).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
