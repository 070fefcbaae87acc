"""The learning-rate schedule (§4.1.1) as a pure function of the epoch.

The paper's sentence ("ceased from 0.002 to 0.0002 during the first 15 epochs and then increased to 0.0002")
contradicts itself; the decision, with its reason, is in docs/paper-questions.md: a linear warm-up from the final to
the peak rate, then a cosine back. With transfer the schedule runs over the frozen epochs and then once more.
"""

from __future__ import annotations

import math


def learning_rate(epoch: float, *, epochs: float, peak: float, final: float, warmup_epochs: float) -> float:
    """The rate at ``epoch`` (may be a fraction), within one schedule of ``epochs`` epochs.

    Linear from ``final`` to ``peak`` over ``warmup_epochs``, then a half cosine from ``peak`` to ``final``. Where the
    warm-up is longer than the schedule it is cut to half of it.

    >>> learning_rate(15, epochs=500, peak=0.002, final=0.0002, warmup_epochs=15)
    0.002
    """
    warmup = min(warmup_epochs, epochs / 2)
    if epoch < warmup:
        return final + (peak - final) * epoch / warmup
    share = min((epoch - warmup) / (epochs - warmup), 1.0)
    return final + (peak - final) * (1 + math.cos(math.pi * share)) / 2


def learning_rate_with_transfer(
    epoch: float, *, epochs: float, frozen_epochs: float, peak: float, final: float, warmup_epochs: float
) -> float:
    """The rate at ``epoch`` where transferred layers are frozen for the first ``frozen_epochs`` (Table 4).

    The schedule runs over the frozen epochs, then once more, with its warm-up, over the rest. Without frozen epochs it
    is :func:`learning_rate`.
    """
    if epoch < frozen_epochs:
        return learning_rate(epoch, epochs=frozen_epochs, peak=peak, final=final, warmup_epochs=warmup_epochs)
    return learning_rate(
        epoch - frozen_epochs, epochs=epochs - frozen_epochs, peak=peak, final=final, warmup_epochs=warmup_epochs
    )
