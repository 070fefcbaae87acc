"""A model judged in a coarser taxonomy: its calibrated probabilities added up, and the set's labels moved there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hierattn.data.prepared_set.manifest import Record
from hierattn.evaluation.measures.calibration import Calibration
from hierattn.evaluation.predict import predictions_of
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.mapping import mapping, summed
from hierattn.taxonomy.records import Taxonomy

OTHER_REFERRAL = "The classes that need a doctor are others there: the model's threshold does not apply."
"""The note where a threshold was set for another group than the one that is judged."""


@dataclass(frozen=True)
class Coarser:
    """How a model and a set meet in a taxonomy that is neither's own.

    Attributes
    ----------
    taxonomy
        Where both are judged.
    model, labels
        Class of the model, and of the set's records, -> class there.
    fine
        The model's own taxonomy.
    """

    taxonomy: Taxonomy
    fine: Taxonomy
    model: dict[str, str]
    labels: dict[str, str]

    @classmethod
    def of(cls, taxonomy: Taxonomy, fine: Taxonomy, of_set: Taxonomy, records: Sequence[Record]) -> Coarser:
        """The one of a model and a set's records.

        Raises
        ------
        TaxonomyError
            Where a class of the model, or one that has images, has no place there.
        """
        present = {record.label for record in records}
        labels = mapping(of_set, taxonomy, [code for code in of_set.codes if code in present])
        return cls(taxonomy, fine, mapping(fine, taxonomy), labels)

    @property
    def keeps_referral(self) -> bool:
        """Whether the classes that need a doctor are the same ones in both: then the risk is the same number."""
        return self.taxonomy.has_referral and all(
            (code in self.fine.triage_group) == (place in self.taxonomy.triage_group)
            for code, place in self.model.items()
        )

    def predictions(
        self, records: Sequence[Record], probabilities: np.ndarray, calibration: Calibration
    ) -> Predictions:
        """The model's own probabilities, (N, C), calibrated and added up, beside the records' labels."""
        added = summed(calibration.apply(probabilities), self.fine, self.taxonomy)
        moved = [replace(record, label=self.labels[record.label]) for record in records]
        return predictions_of(moved, self.taxonomy, added)

    def calibration(self, own: Calibration) -> Calibration:
        """What is left of the run's own: no temperature, and the threshold only where the risk is the same sum."""
        return replace(
            own,
            temperature=1.0,
            class_bias=(),
            risk_threshold=own.risk_threshold if self.keeps_referral else math.nan,
            test=None,
        )

    def notes(self) -> tuple[str, ...]:
        """What was added up, and what became of the threshold."""
        sums: dict[str, list[str]] = {}
        for code, place in self.model.items():
            sums.setdefault(place, []).append(code)
        moved = [f"{' + '.join(codes)} = {place}" for place, codes in sums.items() if codes != [place]]
        notes = [
            f"Judged in the taxonomy {self.taxonomy.name}: calibrated probabilities of {self.fine.name} are added up"
            + (f" ({', '.join(moved[:12])}{', ...' if len(moved) > 12 else ''})." if moved else ".")
        ]
        if self.taxonomy.has_referral and not self.keeps_referral:
            notes.append(OTHER_REFERRAL)
        return tuple(notes)
