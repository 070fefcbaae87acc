"""The pack: photographs and weights in few small files, to be copied to the machine with the GPU.

``pack.json`` says what there is. For each prepared set there are ``SET.webp.bin`` (all photographs, one after another),
``SET.lengths.npy`` (their bytes) and ``SET.manifest.csv.gz``; weights are ``teacher-*.safetensors`` and
``start-*.safetensors``. The outer fold stays at home: neither its photographs nor its rows are in the pack.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hierattn.data.prepared_set.manifest import Record, read_manifest, write_manifest
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, UsageError
from hierattn.files import FolderKind, check_replaceable, cores, whole_folder, write_json
from hierattn.taxonomy.built_in import EIGHT
from tools.gpu.settings import Settings

FORMAT = 1
KIND = FolderKind("a GPU pack", "pack.json")
SAMPLE = 160
"""Photographs by which the quality is chosen."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Photographs:
    """One packed set, decoded: uint8 (images, size, size, 3), its rows in the same order, and what is known of it."""

    name: str
    images: np.ndarray
    records: list[Record]
    info: dict[str, Any]


def travelling_bytes(repository: Path) -> int:
    """Bytes of the repository's files that are not ignored by git; without git, of all of them."""
    try:
        command = ["git", "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
        paths = [repository / name for name in listed if name]
    except (OSError, subprocess.SubprocessError):
        paths = [path for path in repository.rglob("*") if ".git" not in path.parts]
    return sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())


@dataclass(frozen=True)
class PackOptions:
    """What goes into a pack beside the photographs of prepared sets, and how.

    Attributes
    ----------
    settings
        The tables of gpu_quarter_hour.toml.
    repository
        What travels too.
    teachers
        Checkpoints (``.safetensors``) of trained networks; refused where they have seen a held-out photograph.
    starts
        (network, weights) to fine-tune as teachers on the machine: weights of others, or of ours.
    sources
        Only photographs whose manifest names one of these sources; empty: all.
    """

    settings: Settings
    repository: Path
    teachers: tuple[Path, ...] = ()
    starts: tuple[tuple[str, Path], ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """Bytes that may travel."""
        return int(self.settings["limits"]["travel_megabytes"] * 1e6)


def write_pack(out: Path, prepared: Sequence[Path], options: PackOptions, say: Say = print) -> dict[str, Any]:
    """Write a pack of the sets in ``prepared``, each named after its folder; returns what ``pack.json`` holds.

    Raises
    ------
    UsageError
        Where the pack would be committed to git, or does not fit; it then says what could be left out.
    LeakError
        Where a teacher has seen a photograph of the outer or the inner fold.
    """
    _refuse_tracked(out)
    inputs = [*prepared, *options.teachers, *(path for _, path in options.starts)]
    check_replaceable(out, KIND, inputs=inputs)
    names = [folder.resolve().name for folder in prepared]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"prepared sets {', '.join(names) or 'none'}: wanted one or more, of different names")
    sets = [_Set(name, PackedSet.open(folder), options) for name, folder in zip(names, prepared, strict=True)]
    with whole_folder(out, KIND, inputs=inputs) as workspace:
        described = _write_files(workspace.folder, sets, options, say)
        write_json(workspace.folder / KIND.mark, described)
    pack, repository = described["bytes"], described["repository_bytes"]
    photographs = sum(one["images"] for one in described["sets"])
    say(f"{photographs} photographs of {described['size']} pixels at WebP quality {described['quality']}; "
        f"{len(described['weights'])} files of weights")  # fmt: skip
    say(f"pack {pack / 1e6:.1f} MB + repository {repository / 1e6:.1f} MB = {(pack + repository) / 1e6:.1f} MB "
        f"of {options.limit / 1e6:.0f} MB")  # fmt: skip
    return described


def _write_files(folder: Path, sets: Sequence[_Set], options: PackOptions, say: Say) -> dict[str, Any]:
    rules, repository = options.settings["pack"], travelling_bytes(options.repository)
    weights = _write_weights(folder, sets, options, say)
    manifests = sum(one.write_rows(folder) for one in sets)
    room = options.limit - repository - sum(one["bytes"] for one in weights) - manifests - 200_000
    quality = _quality(sets, rules, room)
    if quality is None:
        raise UsageError(_what_to_leave_out(sets, weights, rules, room, repository, options.limit))
    photographs = [one.write_photographs(folder, quality) for one in sets]
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size + repository > options.limit:
        total, most = (size + repository) / 1e6, options.limit / 1e6
        raise UsageError(f"{total:.1f} MB would travel, wanted at most {most:.0f}: lower pack.best_quality")
    return {
        "format": FORMAT,
        "size": rules["size"],
        "quality": quality,
        "sets": photographs,
        "weights": weights,
        "bytes": size,
        "repository_bytes": repository,
    }


class _Set:
    def __init__(self, name: str, packed: PackedSet, options: PackOptions) -> None:
        self.name, self.packed, self.size = name, packed, int(options.settings["pack"]["size"])
        self.fold, sources = int(options.settings["student"]["fold"]), options.sources
        self.rows = [row for row, record in enumerate(packed.records)
                     if record.fold != self.fold and record.role == "original"
                     and (not sources or record.source in sources)]  # fmt: skip
        if not self.rows:
            raise DataError(f"{packed.folder} has no photograph outside fold {self.fold} of the sources asked for")

    def encoded(self, row: int, quality: int) -> bytes:
        image = Image.fromarray(np.asarray(self.packed.images[row]))
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        content = io.BytesIO()
        image.save(content, "WEBP", quality=quality, method=4)
        return content.getvalue()

    def expected(self, quality: int) -> int:
        chosen = np.unique(np.linspace(0, len(self.rows) - 1, SAMPLE).astype(int))
        return int(np.mean([len(self.encoded(self.rows[one], quality)) for one in chosen]) * len(self.rows) * 1.02)

    def write_rows(self, folder: Path) -> int:
        """The manifest without paths of this machine."""
        plain = folder / f"{self.name}.csv"
        records = [self.packed.records[row] for row in self.rows]
        write_manifest(plain, [replace(record, image=Path(record.image).name) for record in records])
        path = folder / f"{self.name}.manifest.csv.gz"
        path.write_bytes(gzip.compress(plain.read_bytes(), 9, mtime=0))
        plain.unlink()
        return path.stat().st_size

    def write_photographs(self, folder: Path, quality: int) -> dict[str, Any]:
        path = folder / f"{self.name}.webp.bin"
        with path.open("wb") as file, ThreadPoolExecutor(cores()) as pool:
            lengths = [file.write(content) for content in pool.map(lambda row: self.encoded(row, quality), self.rows)]
        np.save(folder / f"{self.name}.lengths.npy", np.array(lengths, np.uint32))
        info = self.packed.info
        return {
            "name": self.name, "images": len(lengths), "bytes": sum(lengths), "outer_fold": self.fold,
            "manifest_sha256": self.packed.manifest_sha256, "image_spec": self.packed.image_spec.to_dict(),
            "info": {key: info.get(key, "") for key in ("source", "licence", "citation")},
        }  # fmt: skip


def _write_weights(folder: Path, sets: Sequence[_Set], options: PackOptions, say: Say) -> list[dict[str, Any]]:
    if not options.teachers and not options.starts:
        return []
    from hierattn.data.prepared_set.parts import split
    from hierattn.image_spec import ImageSpec
    from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from hierattn.models.weights.trained_on import TrainedOn
    from hierattn.training.teaching.held_out import HeldOut
    from tools.gpu.networks import build, foreign_as, halved

    held_out = [HeldOut(each.packed, each.fold, split(each.packed.records, each.fold)) for each in sets]

    def ours(source: Path) -> Checkpoint:
        """A checkpoint of ours that has seen nothing that any set holds out."""
        checkpoint = load_checkpoint(source)
        # Its photographs, where it names them, prove more than its manifest and its fold.
        proof = replace(checkpoint, provenance={}) if checkpoint.trained_on else checkpoint
        for each in held_out:
            each.refuse_seen_by(proof, source, say)
        return checkpoint

    described = []
    for number, source in enumerate(options.teachers):
        checkpoint = ours(source)
        build(checkpoint)
        path = folder / f"teacher-{number}.safetensors"
        save_checkpoint(path, replace(checkpoint, state_dict=halved(checkpoint.state_dict)))
        described.append({"file": path.name, "kind": "teacher", "network": checkpoint.model})
    for number, (network, source) in enumerate(options.starts):
        path = folder / f"start-{number}.safetensors"
        spec = ImageSpec(size=sets[0].size)
        own = ours(source) if source.suffix == ".safetensors" else None
        seen = None if own is None else own.trained_on or TrainedOn(whole=False)
        weights = halved(foreign_as(network, source))
        made = Checkpoint(network, EIGHT, spec, weights, provenance={"foreign": own is None}, trained_on=seen)
        save_checkpoint(path, made)
        described.append({"file": path.name, "kind": "start", "network": network})
    return [{**one, "bytes": (folder / one["file"]).stat().st_size} for one in described]


def _quality(sets: Sequence[_Set], rules: Settings, room: int) -> int | None:
    """The best quality at which the photographs fit into ``room`` bytes; None where the least does not."""
    best, least = int(rules["best_quality"]), int(rules["least_quality"])
    for quality in [*range(best, least, -5), least]:
        if sum(one.expected(quality) for one in sets) <= room:
            return quality
    return None


def _what_to_leave_out(
    sets: Sequence[_Set], weights: Sequence[dict[str, Any]], rules: Settings, room: int, repository: int, limit: int
) -> str:
    least = int(rules["least_quality"])
    sizes = [(one.expected(least), f"the photographs of {one.name}") for one in sets]
    over = sum(size for size, _ in sizes) - room
    sizes += [(one["bytes"], f"{one['kind']} {one['network']}") for one in weights]
    listed = ", ".join(f"{what} ({size / 1e6:.1f} MB)" for size, what in sorted(sizes, reverse=True))
    smaller = f"--set pack.size={max(int(rules['size']) * 6 // 7, 32)}"
    return (
        f"{over / 1e6:.1f} MB too much for {limit / 1e6:.0f} MB, of which the repository takes {repository / 1e6:.1f}, "
        f"even at WebP quality {least}: leave out a set, a source or weights, or pack smaller ({smaller}): {listed}"
    )


def _refuse_tracked(out: Path) -> None:
    """Photographs must not be committed: within a repository, only an ignored folder will do."""
    place = out.resolve()
    home = next((folder for folder in place.parents if folder.is_dir()), place)
    try:
        inside = subprocess.run(["git", "-C", str(home), "rev-parse", "--git-dir"], capture_output=True, timeout=30)
        if inside.returncode:
            return
        ignored = subprocess.run(["git", "-C", str(home), "check-ignore", "-q", str(place)], timeout=30)
    except (OSError, subprocess.SubprocessError):
        return
    if ignored.returncode:
        raise UsageError(f"git does not ignore {out}, and photographs must not be committed: wanted e.g. out/gpu-pack")


def read_description(pack: Path) -> dict[str, Any]:
    """The contents of ``pack.json``, once the files that it names are there whole.

    Raises
    ------
    DataError
        Where one is missing or cut short.
    """
    try:
        described: dict[str, Any] = json.loads((pack / KIND.mark).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"no pack at {pack} ({error}): make one with 'pack' and bring it along") from None
    if described.get("format") != FORMAT:
        raise DataError(f"{pack} is of format {described.get('format')}, wanted {FORMAT}: pack again")
    wanted = {f"{one['name']}.webp.bin": one["bytes"] for one in described["sets"]}
    wanted |= {one["file"]: one["bytes"] for one in described["weights"]}
    for name, size in wanted.items():
        found = (pack / name).stat().st_size if (pack / name).is_file() else -1
        if found != size:
            raise DataError(f"{pack / name} has {found} bytes, wanted {size}: pack again, and bring the whole folder")
    return described


def decode(pack: Path, name: str, work: Path) -> Photographs:
    """Decode a set once into ``work`` (memory-mapped afterwards) and return it."""
    sets = {one["name"]: one for one in read_description(pack)["sets"]}
    if name not in sets:
        raise UsageError(f"{pack} has no set {name!r}: wanted one of {', '.join(sets)}")
    plain = work / f"{name}.csv"
    if not plain.exists():
        plain.write_bytes(gzip.decompress((pack / f"{name}.manifest.csv.gz").read_bytes()))
    records = read_manifest(plain)
    path = work / f"{name}.npy"
    if not path.exists():
        _decode_to(path, pack / f"{name}.webp.bin", np.load(pack / f"{name}.lengths.npy"))
    return Photographs(name, np.load(path, mmap_mode="r"), records, sets[name])


def _decode_to(path: Path, source: Path, lengths: np.ndarray) -> None:
    content = np.memmap(source, np.uint8, "r")
    ends = np.cumsum(lengths.astype(np.int64))
    first = _picture(content[: ends[0]])
    part = path.with_suffix(".part")
    images = np.lib.format.open_memmap(part, "w+", np.uint8, (len(lengths), *first.shape))

    def fill(row: int) -> None:
        images[row] = _picture(content[ends[row] - lengths[row] : ends[row]])

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(fill, range(len(lengths))))
    images.flush()
    part.replace(path)


def _picture(content: np.ndarray) -> np.ndarray:
    with Image.open(io.BytesIO(content.tobytes())) as image:
        return np.asarray(image.convert("RGB"))
