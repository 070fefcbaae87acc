"""How far the random changes of training images may go: the tables ``[augmentation]`` and ``[mixing]`` of a recipe.

The one place that names the changes. The recipe embeds these records, ``augmentation.py``, ``photo_defects.py`` and
``mixing.py`` draw from them. No torch: a recipe is read before it is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hierattn.training.recipe_file import Limits, Probability

RelativeChange = Annotated[float, Limits("0 to 1", least=0, most=1)]


@dataclass(frozen=True)
class AugmentationRanges:
    """Random changes of every training image, drawn anew each time (§4.1.1: rotation and horizontal flip).

    All ranges are symmetric about "no change"; the defaults are the paper's.

    Attributes
    ----------
    rotation
        Largest angle in degrees, either way.
    horizontal_flip, vertical_flip
        Probability.
    scale
        Largest relative change of size, either way: 0.2 draws from 1/1.2 to 1.2.
    stretch
        Largest relative change of width over height, either way: frames that were squashed to a square.
    translation
        Largest shift as a share of the side, either way.
    brightness, contrast, saturation
        Largest relative change, either way.
    colour_cast
        Largest relative change of each channel by itself: other lamps, other cameras.
    blur, downscale, jpeg, hair, stickers, ink, ruler, dark_corners, frame
        Probability of a defect that photographs have: out of focus, too few pixels, compressed, hairs, coloured
        stickers beside the lesion, a surgeon's ink, a ruler, a dermatoscope's black surround, a viewer's black frame.
        ``photo_defects.py``, ``ink.py`` and ``ruler.py`` say how strong each may be.
    """

    rotation: Annotated[float, Limits("0 to 180 degrees", least=0, most=180)] = 10.0
    horizontal_flip: Probability = 0.5
    vertical_flip: Probability = 0.0
    scale: RelativeChange = 0.0
    stretch: RelativeChange = 0.0
    translation: RelativeChange = 0.0
    brightness: RelativeChange = 0.0
    contrast: RelativeChange = 0.0
    saturation: RelativeChange = 0.0
    colour_cast: RelativeChange = 0.0
    blur: Probability = 0.0
    downscale: Probability = 0.0
    jpeg: Probability = 0.0
    hair: Probability = 0.0
    stickers: Probability = 0.0
    ink: Probability = 0.0
    ruler: Probability = 0.0
    dark_corners: Probability = 0.0
    frame: Probability = 0.0

    @property
    def has_defects(self) -> bool:
        """Whether any defect can occur."""
        on_skin = (self.hair, self.stickers, self.ink, self.ruler, self.dark_corners, self.frame)
        return any((*on_skin, self.blur, self.downscale, self.jpeg))


BetaParameter = Annotated[float, Limits("0 (none) to 10", least=0, most=10)]


@dataclass(frozen=True)
class MixingRanges:
    """Two images and their labels in one. Off in the paper; where both are set, each step draws one of them.

    Attributes
    ----------
    mixup
        Both parameters of the Beta distribution from which the share is drawn (Zhang et al. 2018); 0 is none.
    cutmix
        The same for a pasted rectangle (Yun et al. 2019).
    probability
        Share of the steps that mix at all.
    """

    mixup: BetaParameter = 0.0
    cutmix: BetaParameter = 0.0
    probability: Probability = 1.0
