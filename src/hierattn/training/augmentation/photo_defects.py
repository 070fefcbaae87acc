"""Defects that photographs of skin have, drawn and applied batched on the device: part of the stronger augmentation.

Ink, rulers and hairs lie on the skin, stickers on all three, the dermatoscope's black surround or a viewer's black
frame over them; then the lens blurs, the sensor has too few pixels, and the file is compressed: they are applied in
this order. All keep a lesion's class. None is in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from hierattn.training.augmentation import ink, ruler
from hierattn.training.augmentation.picture_plane import pixel_coordinates
from hierattn.training.augmentation.ranges import AugmentationRanges
from hierattn.training.feed import send

BLUR = (0.002, 0.01)
"""Standard deviation of the blur, as a share of the side."""
SHRINK = (0.3, 0.8)
"""Side of the small image, as a share of the side."""
QUALITY = (25, 90)
"""JPEG quality as libjpeg counts it."""
HAIRS = 12
"""Most hairs in one image; each is there with probability one half."""
HAIR_WIDTH = 0.006
"""Of the side."""
FRAME = (0.02, 0.3)
"""Width of the black frame, in half sides."""
STICKERS = 3
"""Most stickers in one image."""
RADIUS = (0.92, 1.3)
"""Of the black surround's inner circle, over half the side; the corners lie at 1.41."""

# ITU-T T.81, tables K.1 and K.2.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *(((99,) * 8,) * 4),
)  # fmt: skip
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@dataclass(frozen=True)
class Defects:
    """What was drawn for a batch, on the CPU; zero means that the image is spared.

    Attributes
    ----------
    blur
        (batch,), standard deviation as a share of the side.
    shrink
        (batch,), 1 where the image loses pixels; all to the same ``shrink_to``, (1,), a share of the side.
    quality
        (batch,), of the JPEG compression.
    hairs
        (batch, HAIRS, 3, 2), x and y in [0, 1] of each hair's start, bend and end (a quadratic Bézier curve).
    hair_depth
        (batch, HAIRS), how dark each hair is; 0 is no hair.
    stickers
        (batch, STICKERS, 9): of each sticker the direction from the middle in radians, the distance, its two
        half-axes, in half sides, its colour (3), whether the picture's shades fall on it, and whether it is there.
    ink
        (batch, ink.MARKS, 10), as :func:`ink.draw_ink <hierattn.training.augmentation.ink.draw_ink>` has it.
    rulers
        (batch, ruler.SCALES, 11), as :func:`ruler.draw_rulers
        <hierattn.training.augmentation.ruler.draw_rulers>` has them.
    circle
        (batch, 3), x, y and radius of the black surround's inner circle, in half sides from the middle; radius 0: none.
    frame
        (batch, 2), width of a black frame left and right, and above and below, in half sides.
    """

    blur: Tensor
    shrink: Tensor
    shrink_to: Tensor
    quality: Tensor
    hairs: Tensor
    hair_depth: Tensor
    stickers: Tensor
    ink: Tensor
    rulers: Tensor
    circle: Tensor
    frame: Tensor

    def part(self, rows: slice) -> Defects:
        """The draw of some of the images."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return Defects(**{name: value if name == "shrink_to" else value[rows] for name, value in values.items()})


def draw_defects(batch: int, ranges: AugmentationRanges, generator: torch.Generator) -> Defects:
    """Draw the defects of ``batch`` images, each with its probability, from ``generator`` alone."""

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    def chance(probability: float, *shape: int) -> Tensor:
        return (torch.rand(batch, *shape, generator=generator) < probability).float()

    ends = between(-0.1, 1.1, HAIRS, 3, 2)
    ends[:, :, 1] = (ends[:, :, 0] + ends[:, :, 2]) / 2 + between(-0.25, 0.25, HAIRS, 2)
    circle = torch.cat([between(-0.08, 0.08, 2), between(*RADIUS, 1)], dim=1)
    drawn = Defects(
        blur=between(*BLUR) * chance(ranges.blur),
        shrink=chance(ranges.downscale),
        shrink_to=SHRINK[0] + (SHRINK[1] - SHRINK[0]) * torch.rand(1, generator=generator),
        quality=between(*QUALITY) * chance(ranges.jpeg),
        hairs=ends,
        hair_depth=between(0.5, 0.95, HAIRS) * chance(0.5, HAIRS) * chance(ranges.hair, 1),
        stickers=torch.zeros(batch, STICKERS, 9),
        ink=torch.zeros(batch, ink.MARKS, ink.VALUES),
        rulers=torch.zeros(batch, ruler.SCALES, ruler.VALUES),
        circle=circle * chance(ranges.dark_corners)[:, None],
        frame=torch.zeros(batch, 2),
    )
    # Drawn last, and only where they are asked for: older recipes keep their draws.
    if ranges.stickers:
        drawn = replace(drawn, stickers=_draw_stickers(between, chance, ranges.stickers))
    if ranges.ink:
        drawn = replace(drawn, ink=ink.draw_ink(batch, ranges.ink, generator))
    if ranges.ruler:
        drawn = replace(drawn, rulers=ruler.draw_rulers(batch, ranges.ruler, generator))
    if ranges.frame:  # on all four sides, or on two that face each other
        sides = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])[between(0, 4).long()]
        drawn = replace(drawn, frame=sides * between(*FRAME, 1) * chance(ranges.frame, 1))
    return drawn


def _draw_stickers(between: Callable[..., Tensor], chance: Callable[..., Tensor], probability: float) -> Tensor:
    """One to three an image that has any, half of them round."""
    across, along = between(0.16, 0.6, STICKERS), between(0.16, 0.6, STICKERS)
    number = (1 + torch.arange(STICKERS)) <= between(1, STICKERS + 1, 1).floor()
    return torch.cat(
        [
            torch.stack(
                [
                    between(0, 2 * math.pi, STICKERS),
                    between(0.96, 1.36, STICKERS),
                    across,
                    torch.where(chance(0.5, STICKERS) > 0, across, along),
                ],
                dim=2,
            ),
            _vivid(between(0, 1, STICKERS, 3)),
            chance(0.5, STICKERS, 1),
            (number * chance(probability, 1))[:, :, None],
        ],
        dim=2,
    )


def _vivid(values: Tensor) -> Tensor:
    """Random numbers (..., 3) -> saturated colours (..., 3) in [0, 1]: hue, saturation and brightness from 0.5."""
    hue, saturation, value = values[..., :1] * 6, 0.5 + 0.5 * values[..., 1:2], 0.5 + 0.5 * values[..., 2:]
    k = (torch.tensor([5.0, 3.0, 1.0]) + hue) % 6
    return value * (1 - saturation * torch.minimum(k, 4 - k).clamp(0, 1))


def apply_to_skin(images: Tensor, defects: Defects) -> Tensor:
    """Ink, rulers, hairs, stickers, black surround and frame, on ``images`` (batch, 3, h, w) in [0, 1]."""
    images = _on_some(images, defects.ink[:, :, -1].amax(dim=1), ink.add_ink, defects.ink)
    images = _on_some(images, defects.rulers[:, :, -1].amax(dim=1), ruler.add_rulers, defects.rulers)
    images = _on_some(images, defects.hair_depth.amax(dim=1), add_hairs, defects.hairs, defects.hair_depth)
    images = _on_some(images, defects.stickers[:, :, -1].amax(dim=1), add_stickers, defects.stickers)
    images = _on_some(images, defects.circle[:, 2], add_dark_corners, defects.circle)
    return _on_some(images, defects.frame.amax(dim=1), add_frame, defects.frame)


def apply_to_picture(images: Tensor, defects: Defects) -> Tensor:
    """What lens, sensor and file do to ``images`` (batch, 3, h, w) in [0, 1]."""
    images = _on_some(images, defects.blur, gaussian_blur, defects.blur)
    images = _on_some(images, defects.shrink, lambda some: lose_pixels(some, float(defects.shrink_to)))
    return _on_some(images, defects.quality, jpeg_noise, defects.quality)


def _on_some(images: Tensor, wanted: Tensor, change: Callable[..., Tensor], *drawn: Tensor) -> Tensor:
    """``change`` the images where ``wanted`` is above 0; decided on the CPU, so that no device is waited for."""
    chosen = torch.nonzero(wanted > 0).flatten()
    if not len(chosen):
        return images
    device = images.device
    changed = change(images[send(chosen, device)], *(send(values[chosen], device) for values in drawn))
    return images.index_copy(0, send(chosen, device), changed)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image of (batch, 3, h, w) by its own ``sigma``, (batch,), a share of the side; borders mirrored."""
    batch, channels, height, width = images.shape
    reach = max(math.ceil(3 * BLUR[1] * max(height, width)), 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    pixels = (sigma.to(images) * max(height, width)).clamp_min(1e-3)
    kernel = torch.exp(-((offsets[None] / pixels[:, None]) ** 2) / 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]  # (b c, 1, k)
    flat = functional.pad(images.reshape(1, batch * channels, height, width), (reach,) * 4, mode="reflect")
    flat = functional.conv2d(flat, kernel[:, :, :, None], groups=batch * channels)
    return functional.conv2d(flat, kernel[:, :, None, :], groups=batch * channels).reshape(images.shape)


def lose_pixels(images: Tensor, share: float) -> Tensor:
    """Shrink (batch, 3, h, w) to ``share`` of its side and enlarge it again."""
    height, width = images.shape[-2:]
    small = (max(round(height * share), 1), max(round(width * share), 1))
    shrunk = functional.interpolate(images, small, mode="bilinear", antialias=True)
    return functional.interpolate(shrunk, (height, width), mode="bilinear")


def jpeg_noise(images: Tensor, quality: Tensor) -> Tensor:
    """What JPEG at ``quality``, (batch,), does to (batch, 3, h, w) in [0, 1], without chroma subsampling."""
    height, width = images.shape[-2:]
    to_ycc, cosines, tables = (values.to(images) for values in _jpeg_constants())
    padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
    ycc = torch.einsum("ij,bjhw->bihw", to_ycc, padded * 255)
    ycc[:, 0] -= 128
    blocks = ycc.unflatten(3, (-1, 8)).unflatten(2, (-1, 8))  # (batch, 3, h/8, 8, w/8, 8)
    scale = torch.where(quality < 50, 5000 / quality.clamp_min(1), 200 - 2 * quality).to(images)
    steps = torch.floor((tables * scale[:, None, None, None] + 50) / 100).clamp(1, 255)[:, :, None, :, None, :]
    frequencies = torch.einsum("ik,bcrksl,jl->bcrisj", cosines, blocks, cosines)
    kept = torch.round(frequencies / steps) * steps
    blocks = torch.einsum("ik,bcrisj,jl->bcrksl", cosines, kept, cosines)
    ycc = blocks.flatten(4, 5).flatten(2, 3)
    ycc[:, 0] += 128
    rgb = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycc), ycc) / 255
    return rgb[:, :, :height, :width].clamp(0, 1)


@cache
def _jpeg_constants() -> tuple[Tensor, Tensor, Tensor]:
    """RGB -> YCbCr (3, 3), the orthonormal cosine transform (8, 8), and the quantisation tables (3, 8, 8)."""
    rows = torch.arange(8, dtype=torch.float64)
    cosines = torch.cos((2 * rows[None] + 1) * rows[:, None] * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    tables = torch.tensor([_LUMINANCE, _CHROMINANCE, _CHROMINANCE], dtype=torch.float32)
    return torch.tensor(_TO_YCC), cosines.float(), tables


def add_hairs(images: Tensor, hairs: Tensor, depth: Tensor) -> Tensor:
    """Darken (batch, 3, h, w) along each hair, (batch, HAIRS, 3, 2), by its ``depth``, (batch, HAIRS)."""
    batch, _, height, width = images.shape
    share = torch.linspace(0, 1, 2 * max(height, width), device=images.device, dtype=images.dtype)[:, None]
    start, bend, end = (hairs[:, :, None, point].to(images) for point in range(3))
    curve = (1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end  # (batch, hairs, points, 2)
    column = torch.floor(curve[..., 0] * width).long()
    row = torch.floor(curve[..., 1] * height).long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    values = depth.to(images)[:, :, None] * inside
    pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    # The largest wins where hairs cross: a sum of atomics would differ from run to run on a GPU.
    shade = images.new_zeros(batch, height * width).scatter_reduce(1, pixel.flatten(1), values.flatten(1), "amax")
    thickness = 2 * round(HAIR_WIDTH * max(height, width) / 2) + 1
    spread = functional.max_pool2d(shade.view(batch, 1, height, width), thickness, 1, thickness // 2)
    return images * (1 - spread)


def add_dark_corners(images: Tensor, circle: Tensor) -> Tensor:
    """Blacken (batch, 3, h, w) outside each ``circle``, (batch, 3): x, y, radius, in half sides from the middle."""
    x, y = pixel_coordinates(images)
    centre_x, centre_y, radius = (circle.to(images)[:, part, None, None] for part in range(3))
    distance = torch.sqrt((x - centre_x) ** 2 + (y - centre_y) ** 2)  # (batch, h, w)
    return images * torch.sigmoid((radius - distance) * 40)[:, None]


def add_frame(images: Tensor, frame: Tensor) -> Tensor:
    """Blacken (batch, 3, h, w) within ``frame``, (batch, 2), of the sides and of top and bottom, in half sides."""
    x, y = pixel_coordinates(images)
    beside, above = (frame.to(images)[:, part, None, None] for part in range(2))
    return images * ((x.abs() <= 1 - beside) & (y.abs() <= 1 - above))[:, None]


def add_stickers(images: Tensor, stickers: Tensor) -> Tensor:
    """Paste coloured discs and ovals, as clinics do beside lesions, on (batch, 3, h, w).

    ``stickers``, (batch, STICKERS, 9), are as :class:`Defects` has them. They reach in from the border.
    """
    x, y = pixel_coordinates(images)
    for one in range(STICKERS):
        angle, far, across, along, red, green, blue, shaded, there = (
            stickers[:, one, :, None, None].to(images).unbind(1)
        )
        cosine, sine = torch.cos(angle), torch.sin(angle)
        dx, dy = x - cosine * far, y - sine * far
        radius = torch.sqrt(((dx * cosine + dy * sine) / across) ** 2 + ((dy * cosine - dx * sine) / along) ** 2)
        mask = (torch.sigmoid((1 - radius) * 30) * there)[:, None]
        light = torch.where(shaded[:, None] > 0, 0.7 + 0.3 * images.mean(1, keepdim=True), 1.0)
        images = torch.lerp(images, torch.stack([red, green, blue], dim=1) * light, mask)
    return images
