"""Does an exported bundle give PyTorch's numbers? Compared on rendered lesions, before the file gets its name.

Two comparisons, because two things can go wrong:

- **exact path**: images of the network's own size, so that no resize takes part. Probabilities agree within 1e-4, and
  the most probable class always;
- **photographs**: odd sizes, through the resize inside the graph on one side and Pillow's on the other. They differ by
  at most one grey level in some pixels, which moves probabilities a little: the bound is :data:`PHOTO_TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from hierattn.deploy.bundle import HEATMAP, INPUT, PROBABILITIES, RISK, Bundle, read_bundle
from hierattn.deploy.exportable import CalibratedNetwork
from hierattn.deploy.predictor import open_session
from hierattn.errors import ParityError
from hierattn.image_spec import ImageSpec
from hierattn.lesions import CODES

if TYPE_CHECKING:
    import onnxruntime

    from hierattn.models.checkpoint import Checkpoint

_Pair = tuple[np.ndarray, np.ndarray]  # probabilities found and wanted

TOLERANCE = 1e-4
"""Largest difference of a probability on images of the network's own size."""

PHOTO_TOLERANCE = 0.02
"""Largest difference of a probability on photographs of other sizes."""

HEATMAP_TOLERANCE = 1e-3
"""Largest difference of a heat map, over its largest absolute value."""

PHOTO_SIZES: tuple[tuple[int, int], ...] = ((150, 200), (333, 257), (255, 256), (700, 1000))
"""Height and width of the photographs: enlarged, next to the network's size, reduced."""

_SEED = 20230829
_LARGEST_RENDER = 1024


@dataclass(frozen=True)
class ParityReport:
    """How far ONNX Runtime is from PyTorch.

    Attributes
    ----------
    images, photos
        How many were compared on either path.
    difference, photo_difference
        Largest absolute difference of a probability.
    agreement, photo_agreement
        Share of images with the same most probable class.
    heatmap_difference
        Largest difference of a heat map over its largest absolute value; None where there is none.
    tolerance
        For ``difference``.
    """

    images: int
    difference: float
    agreement: float
    photos: int
    photo_difference: float
    photo_agreement: float
    heatmap_difference: float | None
    tolerance: float = TOLERANCE

    @property
    def ok(self) -> bool:
        """Whether every bound holds. nan holds none."""
        return (
            self.difference <= self.tolerance
            and self.agreement == 1
            and self.photo_difference <= max(PHOTO_TOLERANCE, self.tolerance)
            and (self.heatmap_difference is None or self.heatmap_difference <= HEATMAP_TOLERANCE)
        )

    def __str__(self) -> str:
        line = (
            f"{self.images} images of the network's size: probabilities within {self.difference:.1e} "
            f"(wanted {self.tolerance:.0e}), top-1 the same in {self.agreement:.0%}; {self.photos} of other sizes: "
            f"within {self.photo_difference:.1e} (wanted {PHOTO_TOLERANCE}), {self.photo_agreement:.0%}"
        )
        if self.heatmap_difference is not None:
            line += f"; heat maps within {self.heatmap_difference:.1e} of their range"
        return line


def check_parity(
    bundle_path: Path,
    checkpoint: Checkpoint,
    images: Sequence[np.ndarray] | None = None,
    tolerance: float = TOLERANCE,
) -> ParityReport:
    """Compare a bundle with the checkpoint that it was made from.

    Parameters
    ----------
    bundle_path
        The exported file. It is removed where the comparison fails.
    checkpoint
        What it was made from.
    images
        uint8 RGB, (height, width, 3), any sizes; rendered lesions, always the same, where nothing is given.
    tolerance
        For probabilities on images of the network's own size.

    Raises
    ------
    ParityError
        Where a bound is not kept; with the figures. The file is gone then.
    BundleError
        Where the file is no bundle.
    """
    content, bundle = read_bundle(bundle_path)
    report = _compare(open_session(content, bundle_path, threads=1), bundle, checkpoint, images, tolerance)
    if not report.ok:
        bundle_path.unlink()
        raise ParityError(f"the export differs from PyTorch ({report}); the file was removed, please report this")
    return report


def parity_images(spec: ImageSpec) -> list[np.ndarray]:
    """Two rendered lesions of each class at the network's size, and one for each of :data:`PHOTO_SIZES`."""
    from hierattn.data.synthetic import render_lesion

    generator = np.random.default_rng(_SEED)
    side = min(spec.size, _LARGEST_RENDER)
    drawn = [render_lesion(code, generator, side).image for code in CODES * 2]
    images = [spec.resize(image) for image in drawn]
    for (height, width), image in zip(PHOTO_SIZES, drawn, strict=False):
        images.append(np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)))
    return images


def _compare(
    session: onnxruntime.InferenceSession,
    bundle: Bundle,
    checkpoint: Checkpoint,
    images: Sequence[np.ndarray] | None,
    tolerance: float,
) -> ParityReport:
    spec = checkpoint.image_spec
    chosen = parity_images(spec) if images is None else images
    model = checkpoint.build()
    weights = [float(code in bundle.triage.group) for code in checkpoint.classes]
    wrapped = CalibratedNetwork(model, spec, weights, bundle.temperature)
    names = [output.name for output in session.get_outputs()]
    exact: list[_Pair] = []
    photo: list[_Pair] = []
    maps: list[float] = []
    for image in chosen:
        found = dict(zip(names, session.run(names, {INPUT: image[None]}), strict=True))
        resized = spec.resize(image)
        wanted = _torch_probabilities(model, resized, spec, bundle.temperature)
        pair = (found[PROBABILITIES][0].astype(np.float64), wanted)
        (exact if image.shape == resized.shape else photo).append(pair)
        # The risk is a sum of probabilities: held to the same bound as they are, as a pair of its own without a class.
        if abs(float(found[RISK][0]) - float(pair[0] @ weights)) > tolerance:
            pair[0][:] = np.nan
        if HEATMAP in found and image.shape == resized.shape:
            maps.append(_heatmap_difference(found[HEATMAP], wrapped, resized))
    return ParityReport(
        images=len(exact),
        difference=_largest_difference(exact),
        agreement=_agreement(exact),
        photos=len(photo),
        photo_difference=_largest_difference(photo),
        photo_agreement=_agreement(photo),
        heatmap_difference=max(maps) if maps else None,
        tolerance=tolerance,
    )


@torch.inference_mode()
def _torch_probabilities(
    model: torch.nn.Module, resized: np.ndarray, spec: ImageSpec, temperature: float
) -> np.ndarray:
    """By the plain model, without the wrapper that was exported: (C,), float64."""
    logits = model(torch.from_numpy(spec.scale(resized[None]))).double() / temperature
    return np.asarray(torch.softmax(logits, dim=1)[0].numpy())


@torch.inference_mode()
def _heatmap_difference(found: np.ndarray, wrapped: CalibratedNetwork, resized: np.ndarray) -> float:
    wanted = wrapped(torch.from_numpy(np.array(resized[None])))[2].numpy()
    return float(np.abs(found - wanted).max() / max(float(np.abs(wanted).max()), 1e-6))


def _largest_difference(pairs: list[_Pair]) -> float:
    return float(np.max([np.abs(found - wanted).max() for found, wanted in pairs])) if pairs else 0.0


def _agreement(pairs: list[_Pair]) -> float:
    return float(np.mean([found.argmax() == wanted.argmax() for found, wanted in pairs])) if pairs else 1.0
