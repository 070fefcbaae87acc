"""How much damage to photographs is noticed, how often a healthy one is refused, and what looking costs.

    python -m benchmarks.hostile.damaged_photographs FOLDER --copies 3600 --out damaged-photographs.json

Each copy is a photograph of the folder with one damage behind its header, as a failing disk, a broken download or a
wrong transfer makes it. Damage is visible where the mean error is 5 grey levels or more, by Pillow's own decoding with
whatever it can recover. JPEG files are taken as they are; the other formats are made from the same photographs.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, features

from hierattn.errors import ImageError
from hierattn.files import write_json
from hierattn.preprocessing.photograph import read_photograph

VISIBLE = 5.0
UNKNOWN = 255.0  # where Pillow recovers no picture of that size at all
Generator = np.random.Generator
Damage = Callable[[bytes, int, "Generator", bytes], bytes]


def _sector(size: int, noise: bool) -> Damage:
    def spoil(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
        at = int(generator.integers(start // size, -(-len(content) // size))) * size
        first, last = max(at, start), min(at + size, len(content))
        return content[:first] + (generator.bytes(last - first) if noise else bytes(last - first)) + content[last:]

    return spoil


def _cut(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
    return content[: generator.integers(start, len(content))]


def _cut_and_ended(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
    return content[: generator.integers(start, len(content) - 2)] + content[-12:]


def _removed(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
    at, length = int(generator.integers(start, len(content) - 2)), int(generator.integers(1, 600))
    return content[:at] + content[at + length :]


def _inserted(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
    at, length = int(generator.integers(start, len(content) - 2)), int(generator.integers(1, 600))
    return content[:at] + generator.bytes(length) + content[at:]


def _halves(content: bytes, start: int, generator: Generator, other: bytes) -> bytes:
    at = int(generator.integers(start, len(content)))
    return content[:at] + other[at:]


def _swapped(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
    sectors = np.arange(-(-start // 512) * 512, len(content) - 512, 512)
    if len(sectors) < 2:
        return content
    one, two = sorted(generator.choice(sectors, 2, replace=False))
    parts = content[:one], content[two : two + 512], content[one + 512 : two], content[one : one + 512]
    return b"".join([*parts, content[two + 512 :]])


def _flipped(bits: int) -> Damage:
    def spoil(content: bytes, start: int, generator: Generator, _: bytes) -> bytes:
        spoilt = bytearray(content)
        for at in generator.integers(start, len(content), bits):
            spoilt[at] ^= 1 << int(generator.integers(8))
        return bytes(spoilt)

    return spoil


DAMAGES: dict[str, Damage] = {
    "cut": _cut,
    "cut, its end put behind": _cut_and_ended,
    "512 bytes zero": _sector(512, noise=False),
    "4096 bytes zero": _sector(4096, noise=False),
    "512 bytes random": _sector(512, noise=True),
    "4096 bytes random": _sector(4096, noise=True),
    "bytes removed": _removed,
    "bytes inserted": _inserted,
    "halves of two files": _halves,
    "two sectors swapped": _swapped,
    "three bits flipped": _flipped(3),
    "one bit flipped": _flipped(1),
}


def _as_jpeg(content: bytes) -> bytes:
    return content


def _as(kind: str, **options: object) -> Callable[[bytes], bytes]:
    def convert(content: bytes) -> bytes:
        file = io.BytesIO()
        with Image.open(io.BytesIO(content)) as image:
            image.save(file, kind, **options)
        return file.getvalue()

    return convert


def formats() -> dict[str, Callable[[bytes], bytes]]:
    """Name -> how a JPEG file becomes one of that format; those that the installed packages write."""
    found = {
        "JPEG": _as_jpeg,
        "JPEG, progressive": _as("JPEG", progressive=True, quality=90),
        "JPEG, restart markers": _as("JPEG", restart_marker_rows=1, quality=90),
        "PNG": _as("PNG"),
        "PNG, stored": _as("PNG", compress_level=0),
        "WebP": _as("WEBP", quality=90),
        "WebP, lossless": _as("WEBP", lossless=True),
        "GIF": _as("GIF"),
        "BMP": _as("BMP"),
        "TIFF": _as("TIFF"),
        "TIFF, LZW": _as("TIFF", compression="tiff_lzw"),
        "TIFF, deflate": _as("TIFF", compression="tiff_adobe_deflate"),
        "TIFF, JPEG": _as("TIFF", compression="jpeg", quality=90),
    }
    if features.check("avif"):
        found["AVIF"] = _as("AVIF", quality=80)
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
        found["HEIC"] = _as("HEIF", quality=80)
    except ImportError:
        pass
    return found


def _start(content: bytes) -> int:
    """Behind the header: a JPEG's scan, or the first 600 bytes."""
    return content.index(b"\xff\xda") + 14 if content.startswith(b"\xff\xd8") else min(600, len(content) // 4)


def _recovered(content: bytes, shape: tuple[int, ...]) -> tuple[np.ndarray | None, bool]:
    """What Pillow makes of a file with all its leniency, and whether it would have refused it without."""
    for lenient in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
        try:
            with Image.open(io.BytesIO(content)) as image:
                pixels = np.asarray(image.convert("RGB"), np.int16)
            return (pixels if pixels.shape == shape else None), lenient
        except Exception:
            continue
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
    return None, True


def _refused(content: bytes) -> bool:
    try:
        read_photograph(content)
    except ImageError:
        return True
    return False


def measure(originals: list[bytes], copies: int, seed: int) -> dict[str, object]:
    """Format -> damage -> how many copies were visibly damaged, and how many of those each reader refused."""
    generator = np.random.default_rng(seed)
    table: dict[str, dict[str, dict[str, int | float]]] = {}
    for name, convert in formats().items():
        rows = table[name] = {}
        files = [convert(content) for content in (originals if name == "JPEG" else originals[:60])]
        wholes = [np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.int16) for content in files[:200]]
        healthy = sum(map(_refused, files[:200]))
        for damage, spoil in DAMAGES.items():
            visible = pillow = ours = invisible = 0
            worst = 0.0
            for _ in range(copies // len(DAMAGES) if name == "JPEG" else copies // len(DAMAGES) // 4):
                k = int(generator.integers(len(wholes)))
                spoilt = spoil(files[k], _start(files[k]), generator, files[int(generator.integers(len(files)))])
                if spoilt == files[k]:
                    continue
                pixels, refused_by_pillow = _recovered(spoilt, wholes[k].shape)
                error = UNKNOWN if pixels is None else float(np.abs(pixels - wholes[k]).mean())
                refused = _refused(spoilt)
                if error < VISIBLE:
                    invisible += 1
                    continue
                visible += 1
                pillow += refused_by_pillow
                ours += refused
                if not refused:
                    worst = max(worst, error)
            rows[damage] = {"visible": visible, "pillow": pillow, "ours": ours, "invisible": invisible, "worst": worst}
            print(
                f"{name:22} {damage:24} visible {visible:4}  refused {ours:4}  by Pillow alone {pillow:4}", flush=True
            )
        rows["none"] = {"healthy": len(files[:200]), "refused": healthy}
    return table


def cost(originals: list[bytes]) -> dict[str, float]:
    """Seconds of reading with the check and without, in turns, the least of five."""
    import hierattn.preprocessing.photograph as module

    check, seconds = module.find_damage, {"with": np.inf, "without": np.inf}
    for _ in range(5):
        for name, function in (("with", check), ("without", lambda *_: "")):
            module.find_damage = function
            start = time.process_time()
            for content in originals:
                read_photograph(content)
            seconds[name] = min(seconds[name], time.process_time() - start)
    module.find_damage = check
    return {**seconds, "ratio": seconds["with"] / seconds["without"]}


def main() -> None:
    """Measure, print and write."""
    warnings.simplefilter("ignore")  # Pillow's, of damaged tags
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--copies", type=int, default=2000, help="damaged JPEG files; a quarter of it for each other format"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    paths = sorted(options.folder.rglob("*.jpg"))
    false_alarms = [str(path) for path in paths if _refused(path.read_bytes())]
    print(f"{len(false_alarms)} of {len(paths)} healthy photographs refused")
    chosen = np.random.default_rng(options.seed).permutation(len(paths))[:1000]
    originals = [paths[k].read_bytes() for k in chosen]
    large = io.BytesIO()
    with Image.open(io.BytesIO(originals[0])) as image:
        image.resize((4032, 3024)).save(large, "JPEG", quality=95)
    seconds = {"small": cost(originals[:300]), "12 megapixels": cost([large.getvalue()])}
    for name, value in seconds.items():
        print(f"reading {name}: {value['ratio']:.2f} times as long with the check")
    table = measure(originals, options.copies, options.seed)
    if options.out:
        values = {"healthy": len(paths), "healthy_refused": false_alarms, "seconds": seconds, "damaged": table}
        write_json(options.out, values)


if __name__ == "__main__":
    main()
