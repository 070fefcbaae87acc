"""Damaged and hostile files, thousands of them, through the code that reads bundles, photographs and programs.

    python tests/support/hostile_files.py onnx --files 20000 --seed 1
    python tests/support/hostile_files.py photographs --files 20000
    python tests/support/hostile_files.py pte --files 500 --program model.pte

Every file is a good one spoilt: bytes flipped, cut, doubled, spliced; in ONNX numbers are set to extremes as well
(dimensions, axes, sizes, repeats, types). Wanted is an answer or one of our own one-line errors. The process that reads
them has little memory (``RLIMIT_AS``), and an alarm ends it if one file takes too long; so does anything else than an
answer or our error, and then the file that did it lies in ``--keep``.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from hierattn.errors import HierAttnError

SECONDS_A_FILE, WAITING_A_FILE = 20, 600
"""Of processor time and by the clock: an alarm ends the process where one file takes longer, far above what the slowest
good file takes. The clock's is wide, because a busy machine is no hang."""

EXTREMES = (-1, 0, 1, 2, 7, 127, 128, 255, 65_535, 2**20, 2**31 - 1, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63))

Spoilt = tuple[str, bytes]
Reader = Callable[[bytes], str]


def spoil_bytes(good: bytes, generator: np.random.Generator) -> bytes:
    """A good file with one to four kinds of damage that know nothing of its format."""
    data = bytearray(good)
    for _ in range(int(generator.integers(1, 5))):
        if not data:
            break
        at = int(generator.integers(0, len(data)))
        length = int(min(generator.geometric(0.05), len(data) - at))
        kind = int(generator.integers(0, 7))
        if kind == 0:
            data[at] ^= 1 << int(generator.integers(0, 8))
        elif kind == 1:
            data[at : at + length] = generator.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 2:
            data[at : at + length] = b"\xff" * length if generator.random() < 0.5 else b"\x00" * length
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length] * int(generator.integers(1, 20))
        elif kind == 5:
            del data[at:]
        else:
            other = int(generator.integers(0, len(data)))
            data[at : at + length] = data[other : other + length]
    return bytes(data)


def spoil_graph(good: onnx.ModelProto, generator: np.random.Generator) -> bytes:
    """A model that is still a whole Protocol Buffer, with one to three of its numbers or names made extreme."""
    model = onnx.ModelProto()
    model.CopyFrom(good)
    for _ in range(int(generator.integers(1, 4))):
        kind = generator.choice(["tensor", "dims", "attribute", "type", "wire", "shape", "operator", "metadata"])
        _SPOIL[str(kind)](model, generator)
    return model.SerializeToString()


def _extreme(generator: np.random.Generator) -> int:
    return EXTREMES[int(generator.integers(0, len(EXTREMES)))]


def _one_of(items: object, generator: np.random.Generator) -> object:
    return items[int(generator.integers(0, len(items)))]  # type: ignore[index, arg-type]


def _spoil_tensor(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    whole = [one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT64 and one.raw_data]
    if not whole:
        return
    tensor = _one_of(whole, generator)
    values = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 8 * 8], np.int64).copy()  # dims may be spoilt
    if len(values):
        values[int(generator.integers(0, len(values)))] = _extreme(generator)
    tensor.raw_data = values.tobytes()


def _spoil_dims(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    tensor = _one_of(model.graph.initializer, generator)
    if tensor.dims and generator.random() < 0.8:
        tensor.dims[int(generator.integers(0, len(tensor.dims)))] = _extreme(generator)
    else:
        tensor.dims.append(_extreme(generator))


def _spoil_attribute(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    node = _one_of(model.graph.node, generator)
    if not node.attribute:
        return
    attribute = _one_of(node.attribute, generator)
    if attribute.ints:
        attribute.ints[int(generator.integers(0, len(attribute.ints)))] = _extreme(generator)
    elif attribute.s:
        attribute.s = bytes(generator.integers(0, 128, 6, dtype=np.uint8))
    else:
        attribute.i = _extreme(generator)


def _spoil_type(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    tensor = _one_of(model.graph.initializer, generator)
    tensor.data_type = int(generator.integers(0, 24))


def _spoil_wire(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    node, other = _one_of(model.graph.node, generator), _one_of(model.graph.node, generator)
    if node.input and other.output:
        node.input[int(generator.integers(0, len(node.input)))] = other.output[0]  # a cycle, or another shape


def _spoil_shape(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    value = _one_of([*model.graph.input, *model.graph.output], generator)
    dims = value.type.tensor_type.shape.dim
    if dims:
        dims[int(generator.integers(0, len(dims)))].dim_value = _extreme(generator)
    if generator.random() < 0.2:
        value.type.tensor_type.elem_type = int(generator.integers(0, 24))


def _spoil_operator(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    node = _one_of(model.graph.node, generator)
    names = ["Resize", "Tile", "Expand", "ConstantOfShape", "Range", "Pad", "Reshape", "MatMul", "Gather", "Conv", "X"]
    node.op_type = str(generator.choice(names))


def _spoil_metadata(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    entry = _one_of(model.metadata_props, generator)
    entry.value = spoil_bytes(entry.value.encode(), generator).decode("utf-8", "replace")


_SPOIL: dict[str, Callable[[onnx.ModelProto, np.random.Generator], None]] = {
    "tensor": _spoil_tensor,
    "dims": _spoil_dims,
    "attribute": _spoil_attribute,
    "type": _spoil_type,
    "wire": _spoil_wire,
    "shape": _spoil_shape,
    "operator": _spoil_operator,
    "metadata": _spoil_metadata,
}


def good_bundle(folder: Path) -> bytes:
    """A whole bundle, small."""
    from small_bundles import write_small_bundle

    return write_small_bundle(folder / "good.onnx").read_bytes()


def spoilt_bundles(generator: np.random.Generator, good: bytes) -> Iterator[Spoilt]:
    """Without end: half of them damaged bytes, half damaged meaning."""
    model = onnx.load_from_string(good)
    while True:
        yield "bytes", spoil_bytes(good, generator)
        yield "graph", spoil_graph(model, generator)


def good_photographs() -> dict[str, bytes]:
    """A rendered lesion in every format that is read, in its variants."""
    from hierattn.data.rendered.rendered_set import render_lesion

    image = Image.fromarray(render_lesion("BCC", np.random.default_rng(4), 48).image)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    ways: dict[str, tuple[Image.Image, dict[str, object]]] = {
        "jpeg": (image, {"format": "JPEG", "exif": exif}),
        "jpeg progressive": (image, {"format": "JPEG", "progressive": True}),
        "png": (image, {"format": "PNG", "exif": exif}),
        "png palette": (image.quantize(32), {"format": "PNG", "transparency": 0}),
        "png 16 bits": (Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), {"format": "PNG"}),
        "webp": (image, {"format": "WEBP"}),
        "webp lossless": (image, {"format": "WEBP", "lossless": True, "exif": exif}),
        "bmp": (image, {"format": "BMP"}),
        "tiff": (image, {"format": "TIFF", "exif": exif}),
        "tiff lzw": (image, {"format": "TIFF", "compression": "tiff_lzw"}),
        "tiff jpeg": (image, {"format": "TIFF", "compression": "jpeg"}),
        "gif": (image.quantize(16), {"format": "GIF", "save_all": True, "append_images": [image.quantize(8)]}),
    }
    found = {}
    for name, (picture, options) in ways.items():
        file = io.BytesIO()
        picture.save(file, **options)  # type: ignore[arg-type]
        found[name] = file.getvalue()
    return found


def spoilt_photographs(generator: np.random.Generator) -> Iterator[Spoilt]:
    """Without end, each format in turn; one in ten starts like one format and goes on like another."""
    good = good_photographs()
    names = list(good)
    while True:
        for name in names:
            whole = good[name]
            if generator.random() < 0.1:
                other = good[names[int(generator.integers(0, len(names)))]]
                cut = int(generator.integers(4, 64))
                whole = whole[:cut] + other[cut:]
            yield name, spoil_bytes(whole, generator)


def spoilt_programs(generator: np.random.Generator, good: bytes) -> Iterator[Spoilt]:
    """Without end: an ExecuTorch program damaged in its tables, or anywhere."""
    while True:
        head = int(min(len(good), 20_000))
        yield "head", spoil_bytes(good[:head], generator)[:head].ljust(head, b"\x00") + good[head:]
        yield "bytes", spoil_bytes(good, generator)


def read_bundle_file(folder: Path) -> Reader:
    """Load a bundle and ask it about a photograph."""
    from hierattn.data.rendered.rendered_set import render_lesion
    from hierattn.deploy.predict.predictor import Predictor

    path, photo = folder / "spoilt.onnx", render_lesion("NV", np.random.default_rng(2), 128).image

    def read(content: bytes) -> str:
        path.write_bytes(content)
        predictor = Predictor.load(path, threads=1)
        predictor(photo, heatmap=predictor.has_heatmap)
        return "answer"

    return read


def read_photograph_bytes(_: Path) -> Reader:
    """Decode a photograph, and judge its quality."""
    from hierattn.deploy.predict.photo_input import to_photograph
    from hierattn.preprocessing.photo_quality import judge_photo

    def read(content: bytes) -> str:
        judge_photo(to_photograph(content))
        return "answer"

    return read


def read_program_file(folder: Path) -> Reader:
    """Load an ExecuTorch program and ask it about a picture."""
    from hierattn.deploy.export.executorch import load_program

    path, picture = folder / "spoilt.pte", np.zeros((64, 64, 3), np.uint8)

    def read(content: bytes) -> str:
        path.write_bytes(content)
        load_program(path)[0](picture)
        return "answer"

    return read


def limit_memory(megabytes: int) -> None:
    """No more address space than now and so many megabytes (Linux)."""
    import resource

    now = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmSize" in line)
    most = now * 1024 + megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def run(kind: str, files: int, seed: int, megabytes: int, keep: Path, program: Path | None = None) -> dict[str, object]:
    """Read so many spoilt files: how many gave an answer, how many which error, and the longest time."""
    generator = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    longest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoilt, reader = _source(kind, generator, folder, program)
        keep.parent.mkdir(parents=True, exist_ok=True)
        limit_memory(megabytes)
        for _ in range(files):
            how, content = next(spoilt)
            keep.write_bytes(content)  # what is left here after a crash did it
            _set_alarm(SECONDS_A_FILE, WAITING_A_FILE)
            start = time.process_time()
            try:
                outcome = reader(content)
            except HierAttnError as error:
                outcome = type(error).__name__
                if "\n" in str(error) or not str(error).strip():
                    raise AssertionError(f"an error of several lines or none: {error!r}") from error
            _set_alarm(0, 0)
            longest = max(longest, time.process_time() - start)
            counts[f"{how}: {outcome}"] += 1
    keep.unlink()
    facts: dict[str, object] = {"kind": kind, "files": files, "seed": seed, "longest_cpu_s": round(longest, 3)}
    return {**facts, "outcomes": dict(sorted(counts.items()))}


def _set_alarm(processor: float, clock: float) -> None:
    """End this process after so many seconds; 0 takes the alarm off."""
    signal.setitimer(signal.ITIMER_PROF, processor)
    signal.setitimer(signal.ITIMER_REAL, clock)


def _source(
    kind: str, generator: np.random.Generator, folder: Path, program: Path | None
) -> tuple[Iterator[Spoilt], Reader]:
    if kind == "onnx":
        good = good_bundle(folder)
        reader, whole = read_bundle_file(folder), good
        spoilt = spoilt_bundles(generator, good)
    elif kind == "photographs":
        reader, whole = read_photograph_bytes(folder), good_photographs()["png"]
        spoilt = spoilt_photographs(generator)
    else:
        if program is None:
            raise SystemExit("pte: wanted --program, a .pte file of 'hierattn export'")
        reader, whole = read_program_file(folder), program.read_bytes()
        spoilt = spoilt_programs(generator, whole)
    if reader(whole) != "answer":  # everything is imported, and the way there is right
        raise SystemExit("the good file gave no answer")
    return spoilt, reader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["onnx", "photographs", "pte"])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megabytes", type=int, default=1500, help="a photograph of 100 million pixels takes 1,100")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "hostile-file")
    parser.add_argument("--program", type=Path)
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("error")
    found = run(options.kind, options.files, options.seed, options.megabytes, options.keep, options.program)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
