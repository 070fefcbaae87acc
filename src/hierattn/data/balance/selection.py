"""What balancing decided: which images stay, which are copied, and how each copy differs from its parent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierattn.data.balance.oversampling import Change


@dataclass(frozen=True, eq=False)
class Selection:
    """Rows are those of the prepared set's manifest.

    Attributes
    ----------
    rows
        int64, (balanced,): the rows that were balanced.
    kept
        bool, (balanced,): which of them under-sampling kept.
    parents
        int64, (copies,): the row that each copy is made of.
    changes
        Of each copy.
    """

    rows: NDArray[np.int64]
    kept: NDArray[np.bool_]
    parents: NDArray[np.int64]
    changes: list[Change]

    @property
    def dropped_rows(self) -> NDArray[np.int64]:
        """The rows that under-sampling left out."""
        return self.rows[~self.kept]
