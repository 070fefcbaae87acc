"""What is evaluated, beside its answers: a trained run, or another model that brings its calibration with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hierattn.data.prepared_set.looks import Looked
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.report import EXTERNAL, PROTOCOLS, read_learning_curve
from hierattn.evaluation.selection import Selection, select_external
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import file_sha256

NEVER_CALIBRATED = (
    "The bundle was never calibrated: its percentages are an order and not chances, and it has no threshold."
)
"""The note on a bundle that was exported without an evaluation."""


class Subject(Protocol):
    """A model that can be judged on an external set: what must be known of it beside its answers."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def bundle(self) -> str:
        """SHA-256 of the exported bundle that answers; empty where a run's network does."""

    @property
    def external_text(self) -> str:
        """What the report says of how it was judged on an external set."""

    def calibration(self) -> Calibration:
        """How its answers are calibrated, with its own threshold."""

    def select(self, packed: PackedSet, places: Mapping[str, str] | None) -> Selection:
        """The images of an external set to judge it on; ``places`` as in ``select_external``."""

    def record_look(
        self, packed: PackedSet, images: int, figures: Mapping[str, float | None], *, known: str = ""
    ) -> Looked:
        """Record that photographs of a set were judged, as ``TrainedRun.record_look`` does."""

    def provenance(self) -> dict[str, Any]:
        """What made it, as plain values under the names of ``report.Provenance``."""

    def learning_curve(self) -> dict[str, tuple[float | None, ...]]:
        """Column of its log -> a value an epoch; empty without a log."""


@dataclass(frozen=True)
class RunSubject:
    """A trained run as a :class:`Subject`.

    Attributes
    ----------
    trained
        The run.
    judged
        Its fold or source, as ``TrainedRun.record_look`` takes it; empty for all of an external set.
    """

    trained: TrainedRun
    judged: Mapping[str, Any] = field(default_factory=dict)

    bundle = ""
    external_text = PROTOCOLS[EXTERNAL]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.trained.folder.resolve().name

    def calibration(self) -> Calibration:
        """That of the run's own evaluation, which must have been made before.

        Raises
        ------
        TableError
            Where it was not, or its file is damaged.
        UsageError
            Where it is of other weights.
        """
        return self.trained.calibration()

    def select(self, packed: PackedSet, places: Mapping[str, str] | None) -> Selection:
        """See :func:`~hierattn.evaluation.selection.select_external`."""
        return select_external(packed, self.trained, places)

    def record_look(
        self, packed: PackedSet, images: int, figures: Mapping[str, float | None], *, known: str = ""
    ) -> Looked:
        """See :meth:`TrainedRun.record_look`."""
        return self.trained.record_look(packed, images, figures, known=known, **self.judged)

    def provenance(self) -> dict[str, Any]:
        """What the checkpoint says."""
        checkpoint = self.trained.checkpoint
        return {
            **to_plain(checkpoint.provenance),
            "weights_sha256": file_sha256(self.trained.run.best),
            "model": checkpoint.model,
            "options": to_plain(checkpoint.options),
            "classes": checkpoint.classes,
            "image_spec": checkpoint.image_spec.to_dict(),
            "recipe": without_paths(to_plain(checkpoint.recipe)),
        }

    def learning_curve(self) -> dict[str, tuple[float | None, ...]]:
        """The columns of ``log.csv``."""
        return read_learning_curve(self.trained.run.log)


PATHS = (
    ("data", "prepared"), ("transfer", "checkpoint"), ("transfer", "averaged_with"), ("distillation", "teacher"),
)  # fmt: skip
"""Tables and keys of a recipe that name files or folders."""


def without_paths(recipe: dict[str, Any]) -> dict[str, Any]:
    """The same recipe with the names of files in place of their paths: a report travels, its paths do not."""
    for table, key in PATHS:
        if isinstance(recipe.get(table), dict) and recipe[table].get(key):
            paths: str | list[str] = recipe[table][key]
            recipe[table][key] = Path(paths).name if isinstance(paths, str) else [Path(path).name for path in paths]
    return recipe
