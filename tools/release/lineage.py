"""Where weights come from: a run, the runs whose weights it began with or learnt from, and theirs, from files alone.

A model inherits the conditions of every photograph that its weights have ever seen, so the licence of a chain of runs
is the strictest of its parts, and the commands that made the weights are those of all of them, in order.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hierattn.errors import TableError, UsageError
from hierattn.models.weights.bundle_weights import bundle_provenance
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.models.weights.trained_on import weights_named

BEST = "best.safetensors"


@dataclass(frozen=True)
class Stage:
    """One run of a chain.

    Attributes
    ----------
    name, recipe, overrides
        The run folder's name, the recipe as its command named it, and the ``key=value`` words of that command.
    command, commit
        As ``environment.json`` has them; paths of a machine are cut to their last two parts.
    source, licence, citation, training_images
        Of the set that it learnt from; ``source`` is the set's name.
    manifest_sha256
        Of the prepared set's manifest.
    began_with, taught_by
        The names of the run, or of the bundle or file of foreign weights, whose weights it began with, and of its
        teachers' runs, with commas between; empty where there is none.
    told_by
        The bundle that tells of this run, where the weights were read back from one; empty for a run folder.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...]
    command: str
    commit: str
    source: str
    licence: str
    citation: str
    training_images: int
    manifest_sha256: str
    began_with: str = ""
    taught_by: str = ""
    told_by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "overrides": list(self.overrides)}


def lineage(run: Path) -> tuple[Stage, ...]:
    """Every run behind the weights in ``run``, the earliest first and ``run`` last.

    Parameters
    ----------
    run
        A run folder. The runs that it names are looked for beside it, by their folder's name.

    Raises
    ------
    UsageError
        Where one of them is not there, or a command is none of ``hierattn train``.
    TableError, CheckpointError
        Where one of their files is damaged.
    """
    found: dict[str, Stage] = {}
    _collect(run.resolve(), found)
    return tuple(found.values())


def _collect(run: Path, found: dict[str, Stage], below: tuple[str, ...] = ()) -> None:
    """Put ``run`` into ``found`` after its parents; ``below`` are the runs that led here."""
    if run.name in below:
        raise UsageError(
            f"{run} is behind its own weights ({' < '.join((*below, run.name))}): wanted a chain that ends"
        )
    recipe = _read_toml(run / "recipe.toml")
    parents = weights_named(recipe)
    for parent in (path for paths in parents for path in paths):
        if parent.endswith(".onnx"):
            found.update((stage.name, stage) for stage in _stages_of_bundle(run, parent) if stage.name not in found)
            continue
        folder = _folder_of(run, parent)
        if folder is not None and folder.name not in found:
            _collect(folder, found, (*below, run.name))
    began_with, taught_by = (", ".join(map(_name_of, paths)) for paths in parents)
    found[run.name] = _stage(run, began_with, taught_by)


def _stages_of_bundle(run: Path, weights: str) -> list[Stage]:
    """Every run behind a bundle, as it tells itself; one that does not tell all is one stage, under its own name."""
    places = (Path(weights), run.parent / PurePosixPath(weights).name)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UsageError(f"{run} began with or learnt from {weights}: wanted that bundle there, or at {places[1]}")
    known = bundle_provenance(path)
    commands, sources = list(known.get("commands", ())), known["all_sources"]
    if not commands or len(commands) != len(sources):
        commands, sources = [""], [known]
    commits = (*known.get("commits", ()), *[str(known.get("commit", ""))] * len(commands))
    return [
        Stage(
            name=_out_of(words) or path.stem,
            recipe=words[2] if len(words) > 2 else "",
            overrides=_overrides(words),
            command=" ".join(words),
            commit=commit,
            source=str(source.get("source", "")),
            licence=str(source.get("licence", "")),
            citation=str(source.get("citation", "")),
            training_images=int(source.get("training_images", 0)),
            manifest_sha256="",
            told_by=path.name,
        )
        for words, commit, source in zip(map(str.split, commands), commits, sources, strict=False)
    ]


def _out_of(words: Sequence[str]) -> str:
    """The name of the run folder that a command makes; empty where it does not say."""
    return PurePosixPath(words[words.index("--out") + 1]).name if "--out" in words[:-1] else ""


def _overrides(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if re.fullmatch(r"[a-z_.]+=\S*", word))


def _folder_of(run: Path, weights: str) -> Path | None:
    """The run folder of weights that a recipe names; None for foreign ones and for bundles, which are no runs."""
    if PurePosixPath(weights).name != BEST:
        return None
    folder = run.parent / PurePosixPath(weights).parent.name
    if folder == run or not folder.is_dir():
        raise UsageError(f"{run} began with or learnt from {weights}: wanted its run folder at {folder}; put it there")
    return folder


def _name_of(weights: str) -> str:
    path = PurePosixPath(weights)
    return path.parent.name if path.name == BEST else path.name


def _stage(run: Path, began_with: str, taught_by: str) -> Stage:
    environment = _read_json(run / "environment.json")
    known = load_checkpoint(run / BEST).provenance
    command = without_machine_paths(str(environment.get("command", "")))
    words = command.split()
    if "train" not in words[:2] or len(words) < 3:
        raise UsageError(f"{run} was made by {command!r}: wanted 'hierattn train RECIPE ...', which anyone can repeat")
    arguments = words[words.index("train") + 1 :]
    return Stage(
        name=run.name,
        recipe=arguments[0],
        overrides=_overrides(arguments[1:]),
        command=" ".join(["hierattn", "train", *arguments]),
        commit=str(environment.get("commit", "")),
        source=str(known.get("source", "")),
        licence=str(known.get("licence", "")),
        citation=str(known.get("citation", "")),
        training_images=int(known.get("training_images", 0)),
        manifest_sha256=str(known.get("manifest_sha256", "")),
        began_with=began_with,
        taught_by=taught_by,
    )


def licence_of(stages: Sequence[Stage]) -> str:
    """The licence that the weights inherit: non-commercial where any part is, else each that occurs.

    A licence that nobody stated counts as unknown, and is named so.
    """
    licences = list(dict.fromkeys(stage.licence or "unknown" for stage in stages))
    strict = [licence for licence in licences if re.search(r"\bNC\b|non-?commercial", licence, flags=re.I)]
    return strict[0] if strict else " and ".join(licences)


def without_machine_paths(text: str) -> str:
    """Absolute paths, and those that lead out of the working folder, cut to their last two parts.

    What is published says nothing of a machine's folders.

    >>> without_machine_paths("train x transfer.checkpoint=/home/a/weights/net.npz --out runs/x")
    'train x transfer.checkpoint=weights/net.npz --out runs/x'
    >>> without_machine_paths("train x --data ../sets/out/ham")
    'train x --data out/ham'
    """
    path = r"(?<![^\s\"'=(\[,])(?:\.\.)?(?:/[\w.+@~-]+)+"
    return re.sub(path, lambda found: "/".join(found[0].split("/")[1:][-2:]), text)


def plain_values(value: Any) -> Any:
    """The same nested plain values with every text through :func:`without_machine_paths`."""
    if isinstance(value, dict):
        return {key: plain_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    return without_machine_paths(value) if isinstance(value, str) and not value.startswith("http") else value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read ({error}): wanted the recipe of a run; copy the run again") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read ({error}): wanted a run's environment; copy the run again") from None
    return found if isinstance(found, dict) else {}
