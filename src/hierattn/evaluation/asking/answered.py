"""The answers of a network that reads answers, for the same photographs with any of them: one pass over the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hierattn.data.prepared_set.asked import codes_of
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.cases import Case, case_of
from hierattn.evaluation.predict import Network, known_records, predictions_of, probabilities_of
from hierattn.evaluation.predictions import Predictions, rows_of
from hierattn.models.asking import AskingNetwork
from hierattn.progress import Progress

ABOVE_ALL = 5
"""Draws of hidden answers that a figure between none and all is the mean of."""


@dataclass(frozen=True)
class Answered:
    """Photographs of one part of a set, and what was answered of each.

    Attributes
    ----------
    photograph
        Predictions from the photograph alone.
    codes
        Of the answers, float32 (N, questions), 0 where unknown.
    biopsied
        ``yes``, ``no`` or empty, of each.
    cases
        What is known of each beside its diagnosis.
    """

    photograph: Predictions
    codes: np.ndarray
    biopsied: tuple[str, ...]
    cases: tuple[Case, ...]
    _logits: Tensor
    _model: AskingNetwork

    @classmethod
    def of(
        cls,
        network: Network,
        packed: PackedSet,
        rows: Sequence[int] | np.ndarray,
        *,
        progress: Progress | None = None,
        step: str = "",
    ) -> Answered:
        """For rows of a prepared set; ``step`` is what ``progress`` calls them.

        Raises
        ------
        DataError
            Where a row's label is none of the network's classes, or its output is not finite.
        """
        model = network.model
        assert isinstance(model, AskingNetwork)
        records = known_records(network, packed, rows)
        logits = network.logits(packed.images, rows, progress, step)
        return cls(
            predictions_of(records, network.taxonomy, probabilities_of(logits)),
            codes_of(records, network.taxonomy.questions),
            tuple(record.biopsied for record in records),
            tuple(case_of(record) for record in records),
            torch.from_numpy(logits),
            model,
        )

    def __len__(self) -> int:
        return len(self.photograph)

    @torch.inference_mode()
    def told(self, codes: np.ndarray, rows: np.ndarray | None = None) -> Predictions:
        """Predictions from the photographs of ``rows``, or all, and these answers, (rows, questions)."""
        rows = np.arange(len(self)) if rows is None else rows
        head, device, logits = self._model.head.eval(), next(self._model.parameters()).device, self._logits[rows]
        added = head(logits.to(device), torch.from_numpy(codes).to(device)).cpu()
        table = rows_of(self.photograph, rows)
        return replace(table, probabilities=probabilities_of((logits + added).numpy()))

    def hidden(self, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows, each photograph as often as there are draws, and their codes with a share of the answers hidden."""
        draws = 1 if share in (0.0, 1.0) else ABOVE_ALL
        rows = np.tile(np.arange(len(self)), draws)
        drawn = np.random.default_rng(seed).random((len(rows), self.codes.shape[1]))
        return rows, np.where(drawn < share, 0, self.codes[rows]).astype(np.float32)
