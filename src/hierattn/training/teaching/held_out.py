"""The proof that starting weights and teachers have not seen the photographs that a run holds out.

It is about photographs, not about folders: the same ones prepared at another size, with other folds, copied or
balanced, are found by the digests of their files and by the public ids of photographs and lesions (trained_on.py). A
near-duplicate needs no rule of its own: in one set it stands in the fold of its like, and is held out with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import NEXT_FOLD, Split, split
from hierattn.errors import HierAttnError, LeakError
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.models.weights.trained_on import Digests, TrainedOn, are_among, marks_of, weights_named

_SHOWN = 3


@dataclass(frozen=True)
class HeldOut:
    """The photographs of a run's outer and inner folds, which weights that it takes in must not have seen.

    Attributes
    ----------
    packed
        The run's set.
    fold
        Its outer fold.
    parts
        Its split.
    left_out_source
        The source that it is judged on, where it is one.
    """

    packed: PackedSet
    fold: int
    parts: Split
    left_out_source: str = ""

    def refuse_seen_by(self, checkpoint: Checkpoint, path: Path, warn: Callable[[str], None]) -> TrainedOn:
        """Refuse weights that have seen what this run holds out; else say what they have seen.

        Refused are weights that were trained on, or chose their epoch by, a photograph of the outer fold, which would
        flatter the score, and weights trained on one of the inner fold, which would flatter the choice of the epoch
        and the calibration. Weights that chose their own epoch by the same inner fold are taken: they did what this
        run does.

        Where the file does not say what it has seen, the set that it names is read, if it is there unchanged; else
        ``warn`` is called: only the folds of this very set could be compared.

        Raises
        ------
        LeakError
            Names the number of photographs and the first ones, or the folds.
        """
        self._refuse_other_fold(checkpoint, path)
        seen = checkpoint.trained_on or _from_its_set(checkpoint)
        if seen is None:
            warn(
                f"{path} does not say which photographs it was trained on, and its set is not at hand: that it has "
                "seen none of this run's held-out ones is proven for this prepared set only"
            )
            return TrainedOn(whole=False)
        if not seen.whole:
            warn(f"{path} does not name all photographs that it was trained on: the proof covers those that it names")
        self._refuse(seen.trained, self.parts.test, path, "was trained on", "holds out to test")
        self._refuse(seen.chosen, self.parts.test, path, "chose its epoch by", "holds out to test")
        self._refuse(seen.trained, self.parts.validation, path, "was trained on", "chooses its epoch by")
        return seen

    def _refuse_other_fold(self, checkpoint: Checkpoint, path: Path) -> None:
        """The same prepared set with another fold held out: found also where no photograph has a checksum."""
        data = checkpoint.recipe.get("data", {})
        fold, source = data.get("fold"), data.get("left_out_source", "")
        if checkpoint.provenance.get("manifest_sha256") != self.packed.manifest_sha256:
            return
        if source != self.left_out_source:
            raise LeakError(
                f"{path} was trained on this set with {_left_out(source)}, this run with "
                f"{_left_out(self.left_out_source)}: wanted weights of the same, e.g. a path with {{source}} in it, or "
                "of another set"
            )
        if fold != self.fold:
            raise LeakError(
                f"{path} was trained on this set with fold {fold} held out, so it has seen fold {self.fold}: wanted "
                "weights of the same fold, e.g. a path with {fold} in it, or of another set"
            )

    def _refuse(self, seen: Digests, rows: np.ndarray, path: Path, did: str, held: str) -> None:
        records = [self.packed.records[row] for row in rows]
        shared = [record for record, found in zip(records, are_among(records, seen), strict=True) if found]
        if shared:
            names = ", ".join(PurePosixPath(record.image).name for record in shared[:_SHOWN])
            more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
            raise LeakError(
                f"{path} {did} {len(shared)} of the {len(records)} photographs that this run {held} ({names}{more}): "
                "wanted weights that have not seen them, of the same folds (prepare with the --splits of their set) "
                "or of another set"
            )


def _left_out(source: str) -> str:
    return f"source {source} left out" if source else "no source left out"


@dataclass(frozen=True)
class Admission:
    """What a run asks of weights from outside before it takes them in, as a start or as a teacher.

    Attributes
    ----------
    classes
        Of the run, in its order.
    spec
        How its network sees images.
    held_out
        What the weights must not have seen.
    warn
        Called with what could not be proven.
    """

    classes: tuple[str, ...]
    spec: ImageSpec
    held_out: HeldOut
    warn: Callable[[str], None]


def seen_in(packed: PackedSet, parts: Split) -> TrainedOn:
    """What a run with this split sees; copies count as the photograph they were made of."""
    records = packed.records
    trained, chosen = ([records[row] for row in rows] for rows in (parts.train, parts.validation))
    whole = all(record.sha256 for record in (*trained, *chosen))
    return TrainedOn(marks_of(trained), marks_of(chosen), whole)


def _from_its_set(checkpoint: Checkpoint) -> TrainedOn | None:
    """What a checkpoint without a record has seen, by the prepared set that it names; None where that is not there."""
    data = checkpoint.recipe.get("data", {})
    prepared, fold, source = data.get("prepared"), data.get("fold"), data.get("left_out_source", "")
    if not isinstance(prepared, str) or not prepared or not isinstance(fold, int):
        return None
    try:
        packed = PackedSet.open(Path(prepared))
        if packed.manifest_sha256 != checkpoint.provenance.get("manifest_sha256"):
            return None
        seen = seen_in(packed, split(packed.records, fold, str(source), int(data.get("inner_fold", NEXT_FOLD))))
    except (HierAttnError, OSError):
        return None
    before = [path for paths in weights_named(checkpoint.recipe) for path in paths]
    ours = any(path.endswith((".safetensors", ".onnx")) for path in before)  # others are foreign weights, ImageNet's
    return TrainedOn(seen.trained, seen.chosen, seen.whole and not ours)
