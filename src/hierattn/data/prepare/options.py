"""What ``prepare`` can be asked for, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hierattn.errors import UsageError
from hierattn.image_spec import ColourConstancy, CropRule, ImageSpec
from hierattn.taxonomy.from_labels import Own
from hierattn.taxonomy.records import Taxonomy


@dataclass(frozen=True)
class Embedding:
    """A network that helps to find near-duplicates.

    Attributes
    ----------
    sha256
        Of the file with its weights.
    embed
        Pictures of comparison_picture.py, uint8 (images, 128, 128), perhaps memory-mapped -> float32 (images, columns).
    """

    sha256: str
    embed: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PrepareOptions:
    """How a data set is prepared.

    Attributes
    ----------
    layout
        A name of ``layouts.LAYOUT_NAMES``; ``auto`` recognises the layout by its files.
    images
        The folder of the images, if not the source's own.
    taxonomy
        The classes; None: those of the layout, or what the names of class folders say; ``own``: a class a folder or
        label of a table, whatever they are called.
    size
        Pixels a side, 32 to 2048. The paper: 256.
    crop
        ``surround`` crops where there is a dark surround, ``paper`` by §3.2.1's literal rule, ``none`` never.
    colour_constancy, hair_removal
        Further cleaning (cleaning.py); off by default. It travels with the weights.
    near_duplicates
        Whether to look for near-duplicates and keep them in one fold (search.py).
    embedding
        A network whose embedding of the photographs gives more candidates; the same in every preparation that is to
        have the same folds.
    folds, seed
        Of the grouped, stratified folds; ``folds.JUDGED_ONLY`` for a set that nothing is trained on.
    splits
        A split file (splits.py) that gives the folds instead; images that it does not name are left out.
    extend
        With ``splits``: images that it does not name are assigned to its folds instead of being left out.
    pictures
        Whether to write ``pictures/``: cleaning step by step, and near-duplicates to look at.
    decisions
        Tables of decisions on labels (decisions.py), applied in their order; they want ``splits``.
    outer_fold, decide_outer_fold
        With ``decisions``: the fold whose labels stay as given; or that decisions on test labels are applied, too.
    strict
        Stop at images that cannot be used instead of leaving them out.
    overwrite
        Replace a prepared folder; it stays until the new one is whole.
    jobs
        Images decoded at once; None: one a core.
    shared_ids
        Whether lesions and patients of one name are the same ones in all of several sources of your own.

    >>> PrepareOptions(size=64).image_spec.size
    64
    """

    layout: str = "auto"
    images: Path | None = None
    taxonomy: Taxonomy | Own | None = None
    size: int = 256
    crop: CropRule = "surround"
    colour_constancy: ColourConstancy = "none"
    hair_removal: bool = False
    near_duplicates: bool = True
    embedding: Embedding | None = None
    folds: int = 10
    seed: int = 0
    splits: Path | None = None
    extend: bool = False
    pictures: bool = False
    decisions: tuple[Path, ...] = ()
    outer_fold: int | None = None
    decide_outer_fold: bool = False
    strict: bool = False
    overwrite: bool = False
    jobs: int | None = None
    shared_ids: bool = False

    def __post_init__(self) -> None:
        """Raise a :class:`UsageError` for options out of range, or that do not fit together."""
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"{self.jobs} jobs: wanted 1 or more")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed}: wanted 0 or more")
        if self.embedding is not None and not self.near_duplicates:
            raise UsageError(
                "an embedding without near-duplicates: wanted them looked for; leave out --no-near-duplicates"
            )
        if self.extend and self.splits is None:
            raise UsageError("--extend without --splits: wanted the split file whose folds are to be kept")
        self._check_decisions()
        _ = self.image_spec

    def _check_decisions(self) -> None:
        chosen = self.outer_fold is not None or self.decide_outer_fold
        if chosen and not self.decisions:
            raise UsageError("--outer-fold or --decide-outer-fold without --decisions: wanted the table of decisions")
        if self.decisions and not chosen:
            raise UsageError(
                "--decisions: in cross-validation every fold is tested in turn; wanted --outer-fold K, to leave the "
                "labels of fold K as they are given, or --decide-outer-fold, to decide on test labels, too"
            )

    @property
    def image_spec(self) -> ImageSpec:
        """What every image goes through."""
        return ImageSpec(
            size=self.size, crop=self.crop, colour_constancy=self.colour_constancy, hair_removal=self.hair_removal
        )

    @property
    def embedding_sha256(self) -> str:
        """Of the embedding's weights; empty where there is none."""
        return "" if self.embedding is None else self.embedding.sha256
