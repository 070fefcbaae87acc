"""The commands that are killed: their inputs, what of their output may differ between two runs, and who reads it."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

Digests = Mapping[str, str]

_MODULES = (
    "hierattn.cli.main",
    "hierattn.data.balance.balance",
    "hierattn.data.balance.pictures",
    "hierattn.data.prepare.prepare",
    "hierattn.data.rendered.rendered_set",
    "hierattn.data.sets.fetch",
    "hierattn.deploy.archive.archive",
    "hierattn.deploy.export.export",
    "hierattn.evaluation.evaluate",
    "hierattn.training.fit",
    "torch.utils.tensorboard",
    "torch.onnx",
    "onnx.checker",
    "onnxscript",
    "hierattn.training.listener",
    "rich.progress",
)


def _as_it_is(path: Path) -> bytes:
    return path.read_bytes()


def _of_a_run(path: Path) -> bytes:
    """Without times, speeds and the number of starts."""
    if path.suffix == ".safetensors":
        return _of_weights(path)
    if path.suffix == ".ckpt":
        return _of_a_state(path)
    if path.name == "starts.jsonl":
        return b""
    if path.name == "finished.json":
        return repr({**json.loads(path.read_text()), "at": ""}).encode()
    if path.name == "log.csv":
        rows = list(csv.reader(io.StringIO(path.read_text())))
        return repr([row[:-2] for row in rows]).encode()  # images a second and seconds are the last
    return path.read_bytes()


def _of_weights(path: Path) -> bytes:
    """The header's entries in order: safetensors writes those of its metadata in a new order each time."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.dumps(json.loads(content[8:end]), sort_keys=True).encode() + content[end:]


def _of_a_state(path: Path) -> bytes:
    """Every value, to the bit; how a pickle shares its texts depends on whether they were read from one."""
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
        if isinstance(value, dict):
            return [(key, plain(inside)) for key, inside in value.items()]
        return [plain(inside) for inside in value] if isinstance(value, list | tuple) else value

    try:
        return repr(plain(torch.load(path, map_location="cpu", weights_only=True))).encode()
    except Exception:  # half of one, where it may lie
        return path.read_bytes()


def _of_a_balanced_set(path: Path) -> bytes:
    """Without how long its steps took."""
    if path.name == "prepared.json":
        values = json.loads(path.read_text())
        values.get("balance", {}).pop("seconds", None)
        return json.dumps(values).encode()
    return path.read_bytes()


def _of_looks(path: Path) -> bytes:
    """Of the log of looks, whose entries have times and whose number grows, whether its chain is whole."""
    if path.name == "looks.json":
        from hierattn.data.prepared_set.looks import LookLog
        from hierattn.files import file_sha256

        return LookLog.read(path, file_sha256(path.with_name("manifest.csv"))).problem.encode()
    return path.read_bytes()


def _of_an_evaluation(path: Path) -> bytes:
    """Without how often the fold has been looked at: each try that was killed may be one look more."""
    if path.name == "report.json":
        with suppress(ValueError):  # half of one, where it may lie
            return json.dumps({**json.loads(path.read_text()), "looks": None}).encode()
    if path.name == "report.html":
        return re.sub(r'<p class="(note )?looks">.*?</p>', "", path.read_text()).encode()
    if path.name == ".hierattn.json":
        with suppress(ValueError):
            return "".join(sorted(json.loads(path.read_text())["files"])).encode()
    return _of_looks(path)


@dataclass(frozen=True)
class Trial:
    """One command line.

    Attributes
    ----------
    name
        Of the trial.
    words
        The command.
    out
        What it makes; everything of that name, with a dot before it and after it, is its output.
    mark
        The file in ``out`` without which what reads it refuses it; empty where ``out`` is one file.
    needs
        Inputs: ``photos``, ``prepared``, ``run``, ``evaluated``, ``bundle``.
    before
        Commands that have run in the same folder.
    essence
        What of a file must be the same in every run.
    volatile
        Parts of names that hold times or process numbers.
    parts
        In the place of ``mark``, where an output grows in its place: whether something in it passes for what it is not.
    again
        The same command for a folder that it was stopped in; None: its words.
    """

    name: str
    words: tuple[str, ...]
    out: str
    mark: str = ""
    needs: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    essence: Callable[[Path], bytes] = _as_it_is
    volatile: tuple[str, ...] = ()
    parts: Callable[[Path, Digests, Digests], bool] | None = None
    again: Callable[[Path], list[str]] | None = None

    def fill(self, box: Path, inputs: Path) -> None:
        """Copy the inputs into an empty folder."""
        names = {"run": ("unevaluated", "run"), "evaluated": ("run", "run"), "bundle": ("bundle.onnx", "bundle.onnx")}
        names["recipe"] = ("tiny.toml", "tiny.toml")
        for need in self.needs:
            source, name = names.get(need, (need, need))
            place = inputs / source
            (shutil.copytree if place.is_dir() else shutil.copy2)(place, box / name)

    def is_output(self, name: str) -> bool:
        """Whether a path is of the output, or of what lies beside it while it is made."""
        folder, _, last = self.out.rpartition("/")
        inside = name[len(folder) + 1 :] if folder and name.startswith(f"{folder}/") else name
        first = inside.split("/")[0]
        own = first.lstrip(".")
        return own == last or own.startswith(f"{last}.")

    def may_come_and_go(self, name: str) -> bool:
        """Whether a path's name holds a time or a process's number, or a cache's task."""
        return any(part in name for part in self.volatile)

    def passes_for_whole(self, box: Path, now: Digests, before: Digests, reference: Digests) -> bool:
        """Whether what reads the output would take it, though it is neither the former nor the new."""
        if self.parts is not None:
            return self.parts(box, now, reference)
        seen = self._visible(now)
        return bool(seen) and seen not in (self._visible(before), self._visible(reference))

    def _visible(self, now: Digests) -> dict[str, str]:
        own = {name: digest for name, digest in now.items() if name == self.out or name.startswith(f"{self.out}/")}
        if self.mark and f"{self.out}/{self.mark}" not in own:
            return {}
        return {name: digest for name, digest in own.items() if "/.hierattn." not in name.replace(".hierattn.json", "")}


def _run_is_unsound(box: Path, *_: Digests) -> bool:
    """Whether a run's weights or states are there and cannot be read."""
    from hierattn.errors import HierAttnError
    from hierattn.models.weights.checkpoint import load_checkpoint
    from hierattn.run_folder import RunFolder
    from hierattn.training.run_state import load_state

    folder = RunFolder(box / "run")
    warned: list[str] = []
    try:
        if folder.best.exists():
            load_checkpoint(folder.best)
        if folder.last.exists() or folder.previous.exists():
            load_state(folder, warned.append)
    except HierAttnError:
        return True
    return bool(warned)


def _fetched_is_unsound(box: Path, now: Digests, reference: Digests) -> bool:
    """Whether a file has its name and not its bytes; archives may be there, whole."""
    for name, digest in now.items():
        last = name.rpartition("/")[2]
        if not name.startswith("data/") or ".part" in last or last.startswith(".") or digest == "folder":
            continue
        if last.endswith(".zip"):
            if (box / name).read_bytes() != _ARCHIVES[last]:
                return True
        elif last != "fetched.json" and reference.get(name) != digest:
            return True
    return False


def _resumed(words: Sequence[str], box: Path) -> list[str]:
    """The same command, with --resume once there is a run: without, it says so."""
    return [*words, "--resume"] if (box / "run" / "recipe.toml").exists() else list(words)


_TRAIN = ("train", "tiny.toml", "--data", "prepared", "--device", "cpu", "--threads", "1", "--out", "run")
_SAVING = (*_TRAIN, "--save-every", "1")
_TINY = """
name = "tiny"
[model]
name = "hierattn_xs"
[model.options]
early_channels = [4, 4, 8]
stage_channels = [8, 8, 8]
transformer_dims = [8, 8, 8]
transformer_layers = [1, 1, 1]
heads = 2
[optimiser]
epochs = 2
batch_size = 4
warmup_epochs = 1
"""
_PREPARE = ("prepare", "photos", "out", "--size", "32", "--folds", "3", "--jobs", "1")
_BALANCE = ("balance", "prepared", "out", "--target", "9", "--hardness-folds", "3", "--jobs", "1")
_EVALUATE = ("evaluate", "run", "--device", "cpu", "--bootstrap", "100")
_EXPORT = ("export", "run", "model.onnx")
_BATCH = ("predict", "--batch", "photos", "--model", "bundle.onnx", "--out", "answers.csv", "--jobs", "1")
_RENDER = ("render", "out", "--images", "16", "--size", "32")
_RUN: dict[str, Any] = {
    "out": "run",
    "needs": ("recipe", "prepared"),
    "essence": _of_a_run,
    "volatile": ("events",),
    "parts": _run_is_unsound,
}
_SET: dict[str, Any] = {"out": "out", "mark": "prepared.json"}
_BALANCED: dict[str, Any] = {
    **_SET,
    "needs": ("prepared",),
    "essence": _of_a_balanced_set,
    "volatile": (".hierattn-hardness",),
}
_EVALUATED: dict[str, Any] = {
    "out": "run/evaluation",
    "mark": "report.json",
    "needs": ("prepared", "run"),
    "essence": _of_an_evaluation,
}

TRIALS: tuple[Trial, ...] = (
    Trial("prepare", _PREPARE, needs=("photos",), **_SET),
    Trial(
        "prepare --overwrite",
        (*_PREPARE, "--overwrite"),
        needs=("photos",),
        before=((*_PREPARE, "--seed", "1", "--audit-pictures"),),
        **_SET,
    ),
    Trial("balance", _BALANCE, **_BALANCED),
    Trial("balance --overwrite", (*_BALANCE, "--overwrite"), before=((*_BALANCE, "--seed", "1"),), **_BALANCED),
    Trial("train", _TRAIN, again=partial(_resumed, _TRAIN), **_RUN),
    Trial("train --save-every", _SAVING, again=partial(_resumed, _SAVING), **_RUN),
    Trial("evaluate", _EVALUATE, **_EVALUATED),
    Trial("evaluate again", _EVALUATE, before=((*_EVALUATE, "--seed", "1"),), **_EVALUATED),
    Trial("export", _EXPORT, out="model.onnx", needs=("prepared", "evaluated"), essence=_of_looks),
    Trial("batch", _BATCH, out="answers.csv", needs=("photos", "bundle")),
    Trial("render", _RENDER, out="out", mark="synthetic.json"),
    Trial("fetch", ("fetch", "small", "data", "--yes", "--jobs", "1"), out="data", parts=_fetched_is_unsound),
)


def make_inputs(folder: Path, run: Callable[..., Any], needs: set[str]) -> None:
    """The inputs that are needed, and those that they are made from, each by the command that makes it."""
    for module in _MODULES:
        importlib.import_module(module)
    import torch

    torch.set_num_threads(1)
    folder.mkdir(exist_ok=True)
    order = {
        "photos": (),
        "recipe": (),
        "prepared": ("prepare", "photos", "prepared", "--size", "32", "--folds", "3"),
        "run": _TRAIN,
        "evaluated": _EVALUATE,
        "bundle": ("export", "run", "bundle.onnx", "--no-heatmap"),
    }
    wanted = list(order)[: 1 + max((list(order).index(need) for need in needs), default=-1)]
    for name in wanted:
        if name == "photos":
            _draw_photos(folder / "photos")
            continue
        if name == "recipe":
            (folder / "tiny.toml").write_text(_TINY)
            continue
        done = run(order[name], folder)
        assert done.status == 0, f"{order[name]}: {done.output}"
        if name == "run":
            for state in ("last.ckpt", "previous.ckpt"):  # large, and nothing that is killed here reads them
                (folder / "run" / state).unlink()
            shutil.copytree(folder / "run", folder / "unevaluated")


def _draw_photos(folder: Path) -> None:
    """Twelve lesions of each of three classes, one folder a class."""
    import numpy as np
    from PIL import Image

    from hierattn.data.rendered.rendered_set import render_lesion

    for number, code in enumerate(("MEL", "NV", "BCC")):
        (folder / code).mkdir(parents=True)
        for lesion in range(12):
            rendered = render_lesion(code, np.random.default_rng([number, lesion]), 48)
            Image.fromarray(rendered.image).save(folder / code / f"{code.lower()}_{lesion}.jpg", quality=95)


# --- a server of archives ----------------------------------------------------------------------------------------


def _zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


_ARCHIVES: dict[str, bytes] = {
    "one.zip": _zipped({f"in/{number}.jpg": bytes([number]) * 20000 for number in range(1, 9)}),
    "two.zip": _zipped({f"{number}.jpg": bytes([number]) * 9000 for number in range(20, 25)}),
    "table.csv": b"image\n" + b"".join(b"%d\n" % number for number in range(5000)),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = _ARCHIVES[self.path.lstrip("/")]
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        for position in range(start, len(body), 8192):
            try:
                self.wfile.write(body[position : position + 8192])
            except OSError:
                return
            time.sleep(0.001)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_archives() -> Iterator[None]:
    """A small set that ``fetch`` knows, from a server in a process of its own."""
    os.environ["no_proxy"] = "*"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    child = os.fork()
    if child == 0:
        try:
            server.serve_forever()
        finally:
            os._exit(0)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    server.server_close()
    from hierattn.data.sets import fetch
    from hierattn.data.sets.catalog import PublicSet, RemoteFile

    places = {"one.zip": ".", "two.zip": "more", "table.csv": None}
    files = tuple(RemoteFile(n, f"{address}/{n}", len(_ARCHIVES[n]), "", places[n]) for n in _ARCHIVES)
    small = PublicSet("small", "Small", "CC0", "nobody", "https://example.org", 13, MappingProxyType({}), files)
    fetch.PUBLIC_SETS = {"small": small}  # type: ignore[attr-defined]
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
