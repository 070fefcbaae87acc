"""Which answers a training step hides, so that the network can do without any of them, and learns nothing from a gap.

Two draws, and the seed, the epoch and the step decide both:

- **Evening.** In a clinic's table an answer may be missing for a reason that tells the diagnosis: PAD-UFES-20 leaves
  ``grew`` unknown for biopsied lesions alone. Known answers are hidden so much more often in the other classes that
  "I don't know" is as frequent in every class, and says nothing of any.
- **Chance.** All answers of some photographs are hidden; of the others a share that is drawn anew for each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class HiddenAnswers:
    """How answers are hidden.

    Attributes
    ----------
    evening
        Chance that a known answer of a class is hidden so that its unknown ones are as many as in the class that has
        most, float32 (classes, questions).
    all_of
        Share of the photographs of which all answers are hidden.
    most
        Largest share of answers that is hidden of the other photographs.
    """

    evening: Tensor
    all_of: float
    most: float

    @classmethod
    def of(cls, answers: np.ndarray, labels: np.ndarray, classes: int, *, all_of: float, most: float) -> HiddenAnswers:
        """For the training part: codes (images, questions), 0 where unknown, and class numbers (images,)."""
        unknown = np.stack([(answers[labels == number] == 0).mean(0) for number in range(classes)])
        wanted = unknown.max(0, keepdims=True)
        evening = np.divide(wanted - unknown, 1 - unknown, out=np.zeros_like(unknown), where=unknown < 1)
        return cls(torch.from_numpy(evening.astype(np.float32)), all_of, most)

    def hide(self, answers: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Codes (batch, questions) of photographs with these labels -> the same, 0 where hidden."""
        batch, questions = answers.shape
        drawn = torch.rand((2, batch, questions), generator=generator)
        share, whole = torch.rand((2, batch, 1), generator=generator)
        uneven = drawn[0] < self.evening[labels.cpu()]
        hidden = uneven | (drawn[1] < share * self.most) | (whole < self.all_of)
        return answers.masked_fill(hidden.to(answers.device), 0)
