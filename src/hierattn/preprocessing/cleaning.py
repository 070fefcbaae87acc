"""What is done to a photograph before it is resized (§3.2.1), in one order, by one record: the image specification.

crop -> hair removal -> colour constancy. Prepare calls it for training, the predictor for every photograph that it
is given, so that a network never meets images cleaned in another way than those it was trained on.
"""

from __future__ import annotations

import numpy as np

from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.adaptive_crop import Box, crop, find_crop
from hierattn.preprocessing.colour_constancy import balance_colours


def clean(image: np.ndarray, spec: ImageSpec) -> tuple[np.ndarray, Box | None]:
    """Crop and clean as ``spec`` says.

    Parameters
    ----------
    image
        uint8 RGB, (height, width, 3), as :func:`hierattn.preprocessing.photograph.read_photograph` gives it.
    spec
        Names the crop rule, the colour constancy and whether hairs are removed.

    Returns
    -------
    tuple[numpy.ndarray, Box | None]
        uint8 RGB, (height', width', 3), and what was cropped to.
    """
    box = find_crop(image, spec.crop)
    return clean_cropped(crop(image, box), spec), box


def clean_cropped(image: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Everything after the crop: hair removal, colour constancy. uint8 RGB in and out, of one shape.

    OpenCV is loaded for hair removal only.
    """
    if spec.hair_removal:
        from hierattn.preprocessing.hair_removal import remove_hair

        image = remove_hair(np.ascontiguousarray(image))
    return balance_colours(image, spec.colour_constancy)


def clean_changed(images: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Prepared images that were changed since, cleaned as a photograph that looks so would be.

    Another lamp, for instance, is balanced out again before the network sees it.

    Parameters
    ----------
    images
        uint8 RGB, (images, height, width, 3).
    spec
        That they were prepared with.

    Returns
    -------
    numpy.ndarray
        Of the same shape; ``images`` itself where ``spec`` cleans nothing.
    """
    if not spec.hair_removal and spec.colour_constancy == "none":
        return images
    return np.stack([clean_cropped(image, spec) for image in images])
