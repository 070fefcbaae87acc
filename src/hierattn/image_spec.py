"""ImageSpec: what a network expects of an image, as one record that every stage and every runtime reads.

It travels inside checkpoints and bundles, so that training, evaluation, phone and browser cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from hierattn.errors import UsageError

CropRule = Literal["surround", "paper", "none"]
ColourConstancy = Literal["none", "shades_of_grey", "grey_world", "max_rgb"]

MIN_SIZE, MAX_SIZE = 32, 2048
"""Of a network's image, in pixels a side."""


@dataclass(frozen=True)
class ImageSpec:
    """From a uint8 RGB photograph to the numbers that a network reads.

    The order of the steps: adaptive crop (by the rule ``crop``), hair removal, colour constancy, resize to ``size`` x
    ``size``, divide by 255, subtract ``mean``, divide by ``std``, channels first.

    Attributes
    ----------
    size
        Height and width in pixels. The paper: 256.
    channels
        Channels, in RGB order. 3.
    mean, std
        Per channel, on the [0, 1] scale. The paper normalises with neither: 0 and 1.
    interpolation
        ``"bilinear"``: a triangle filter, half-pixel centres, widened by the scale when it shrinks (antialiased),
        as Pillow's ``BILINEAR`` and ONNX's ``Resize(mode=linear, antialias=1)`` compute it. The aspect ratio is
        not kept: the paper resizes to a square (§4.1.1).
    crop
        The rule of the adaptive crop (§3.2.1) before the resize: ``"surround"``, ``"paper"`` or ``"none"``, as
        :func:`hierattn.preprocessing.adaptive_crop.find_crop` takes it.
    colour_constancy
        What is done about the lamp's colour: ``"none"``, or a method of
        :func:`hierattn.preprocessing.colour_constancy.balance_colours`.
    hair_removal
        Whether hairs are filled in, by :func:`hierattn.preprocessing.hair_removal.remove_hair`.
    """

    size: int = 256
    channels: int = 3
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    interpolation: Literal["bilinear"] = "bilinear"
    crop: CropRule = "surround"
    colour_constancy: ColourConstancy = "none"
    hair_removal: bool = False

    def __post_init__(self) -> None:
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise UsageError(
                f"image size {self.size}: wanted {MIN_SIZE} to {MAX_SIZE} pixels; set image_size accordingly"
            )
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise UsageError(f"mean and std of {len(self.mean)} and {len(self.std)} values: wanted {self.channels}")
        if self.crop not in get_args(CropRule):
            raise UsageError(f"crop rule {self.crop!r}: wanted one of {', '.join(get_args(CropRule))}")
        if self.colour_constancy not in get_args(ColourConstancy):
            wanted = ", ".join(get_args(ColourConstancy))
            raise UsageError(f"colour constancy {self.colour_constancy!r}: wanted one of {wanted}")
        if not isinstance(self.hair_removal, bool):
            raise UsageError(f"hair removal {self.hair_removal!r}: wanted true or false")
        if min(self.std) <= 0:
            raise UsageError(f"std {self.std}: wanted positive values")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and TOML."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageSpec:
        """The inverse of :meth:`to_dict`. An unknown key is an error, so that no setting is silently lost.

        Raises
        ------
        UsageError
            For a field that this version does not know.
        """
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise UsageError(
                f"image specification with unknown {', '.join(sorted(unknown))}: "
                f"wanted {', '.join(cls.__dataclass_fields__)}; update hierattn"
            )
        fields = dict(values)
        for name in ("mean", "std"):
            if name in fields:
                fields[name] = tuple(float(value) for value in fields[name])
        return cls(**fields)

    def resize(self, image: np.ndarray) -> np.ndarray:
        """Resize a uint8 RGB image, (height, width, 3) -> (size, size, 3), uint8.

        Already of the right size, it is returned as it is. This is the one resize of the package outside exported
        graphs; the export's own is tested against it to within one grey level.

        Raises
        ------
        UsageError
            For anything but uint8 pixels, (height, width, channels), RGB.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != self.channels:
            raise UsageError(
                f"image array {image.dtype} {image.shape}: wanted uint8 (height, width, {self.channels}), RGB"
            )
        if image.shape[:2] == (self.size, self.size):
            return image
        resized = Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(resized)

    def scale(self, images: np.ndarray) -> np.ndarray:
        """Scale resized uint8 images, (batch, size, size, 3) -> (batch, 3, size, size), float32."""
        values: np.ndarray = images.astype(np.float32) / np.float32(255)
        values = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
