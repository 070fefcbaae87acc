"""What a fixed network says of its training images in a few augmented views: read once, then only the head is trained.

The network does not change, so that an epoch over stored logits costs a thousandth of one over images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise, to_unit
from hierattn.training import seed as seeds
from hierattn.training.augmentation import augmentation
from hierattn.training.augmentation.ranges import AugmentationRanges

VIEWS = 4
"""Of each image; fewer where they would be over :data:`MOST_READ` in all."""
MOST_READ = 16_000
_BATCH = 64


@torch.inference_mode()
def logit_views(
    network: nn.Module,
    images: np.ndarray | Tensor,
    rows: np.ndarray,
    spec: ImageSpec,
    ranges: AugmentationRanges,
    *,
    seed: int,
    device: torch.device,
) -> np.ndarray:
    """Logits of augmented views, float32 (all images, views, classes); 0 for images that are not in ``rows``.

    Parameters
    ----------
    network
        In evaluation mode, on ``device``.
    images
        uint8, (all images, size, size, 3), as packed.
    rows
        Of the training images.
    spec, ranges
        What the network expects of an image, and how views differ.
    seed
        Of the run; it decides the views.
    """
    count = views_of(len(rows))
    read: list[list[Tensor]] = [[] for _ in range(count)]
    for step, start in enumerate(range(0, len(rows), _BATCH)):
        some = images[rows[start : start + _BATCH]]
        pixels = some if isinstance(some, Tensor) else torch.from_numpy(np.ascontiguousarray(some)).to(device)
        values = to_unit(pixels, spec.size)
        for view in range(count):
            generator = seeds.torch_generator(seed, "augmentation", view, step)
            changed = augmentation.apply(values.clone(), augmentation.draw(len(values), ranges, generator))
            read[view].append(network(normalise(changed, spec)).float().cpu())
    known = torch.stack([torch.cat(parts) for parts in read], dim=1).numpy()  # (rows, views, classes)
    views = np.zeros((len(images), *known.shape[1:]), np.float32)
    views[rows] = known
    return views


def views_of(images: int) -> int:
    """How many views of each of so many images.

    >>> views_of(600), views_of(8_500), views_of(100_000)
    (4, 1, 1)
    """
    return min(VIEWS, max(1, MOST_READ // max(images, 1)))


def pick_view(views: Tensor, generator: torch.Generator) -> Tensor:
    """(batch, views, classes) -> (batch, classes), one view of each, at random."""
    picked = torch.randint(views.shape[1], (len(views),), generator=generator).to(views.device)
    return views[torch.arange(len(views), device=views.device), picked]
