"""Where weights come from: a run, the runs whose weights it began with or was taught by, and theirs, from files alone.

A model inherits the conditions of every photograph that its weights have ever seen, so the licence of a chain of runs
is the strictest of its parts, and the commands that made the weights are those of all of them, in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hierattn.errors import UsageError
from hierattn.models.weights.bundle_weights import bundle_provenance
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.models.weights.trained_on import weights_named
from hierattn.run_folder import RunFolder
from tools.machine_paths import without_machine_paths

BEST = RunFolder(Path()).best.name


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
        Of the set that it was trained on; ``source`` is the set's name.
    manifest_sha256
        Of the prepared set's manifest.
    began_with, taught_by
        The names of the run, or of the bundle or file of foreign weights, whose weights it began with, and of its
        teachers' runs, with commas between; empty where there is none.
    told_by
        The bundle that describes this run, where the weights were read back from one; empty for a run folder.
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
        Where one of them or its recipe is not there, or a command is none of ``hierattn train``.
    CheckpointError
        Where one of their weights are damaged.
    """
    stages: dict[str, Stage] = {}
    _collect(run.resolve(), stages)
    return tuple(stages.values())


def _collect(run: Path, stages: dict[str, Stage], below: tuple[str, ...] = ()) -> None:
    """Put ``run`` into ``stages`` after its parents; ``below`` are the runs that led here."""
    if run.name in below:
        raise UsageError(
            f"{run} is behind its own weights ({' < '.join((*below, run.name))}): wanted a chain that ends"
        )
    parents = weights_named(RunFolder(run).read_recipe())
    for parent in (path for paths in parents for path in paths):
        if parent.endswith(".onnx"):
            stages.update((stage.name, stage) for stage in _stages_of_bundle(run, parent) if stage.name not in stages)
            continue
        folder = _folder_of(run, parent)
        if folder is not None and folder.name not in stages:
            _collect(folder, stages, (*below, run.name))
    began_with, taught_by = (", ".join(map(_name_of, paths)) for paths in parents)
    stages[run.name] = _stage(run, began_with, taught_by)


def _stages_of_bundle(run: Path, weights: str) -> list[Stage]:
    """Every run behind a bundle, as it says; one that does not name them all is one stage, under its own name."""
    places = (Path(weights), run.parent / PurePosixPath(weights).name)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UsageError(f"{run} began with or was taught by {weights}: wanted that bundle there, or at {places[1]}")
    provenance = bundle_provenance(path)
    commands, sources = list(provenance.get("commands", ())), provenance["all_sources"]
    if not commands or len(commands) != len(sources):
        commands, sources = [""], [provenance]
    commits = (*provenance.get("commits", ()), *[str(provenance.get("commit", ""))] * len(commands))
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
        raise UsageError(
            f"{run} began with or was taught by {weights}: wanted its run folder at {folder}; put it there"
        )
    return folder


def _name_of(weights: str) -> str:
    path = PurePosixPath(weights)
    return path.parent.name if path.name == BEST else path.name


def _stage(run: Path, began_with: str, taught_by: str) -> Stage:
    environment = RunFolder(run).read_environment()
    provenance = load_checkpoint(RunFolder(run).best).provenance
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
        source=str(provenance.get("source", "")),
        licence=str(provenance.get("licence", "")),
        citation=str(provenance.get("citation", "")),
        training_images=int(provenance.get("training_images", 0)),
        manifest_sha256=str(provenance.get("manifest_sha256", "")),
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
