"""Pictures that teach most: the most confident mistakes and the least certain answers, each with its heat map.

Rendered lesions may stand in any report. Photographs of people may not: they are put there only when the user asks,
for a report that stays with them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from hierattn.bundle.bundle import FEWEST_CELLS
from hierattn.data.prepared_set.manifest import RENDERED
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.measures.saliency import grad_cam, last_map, map_cells, overlay
from hierattn.evaluation.predict import Network
from hierattn.evaluation.predictions import Predictions
from hierattn.models.inference import normalise, to_unit

THUMBNAIL = 144
"""Pixels a side, at most. As JPEG a thumbnail takes about 4 KB."""


@dataclass(frozen=True)
class Near:
    """A training photograph beside a mistake: a small data URI, its label, and how far it is."""

    image: str
    label: str
    distance: float


@dataclass(frozen=True)
class Picture:
    """One entry: the image and its heat map as data URIs, and what was said of it.

    ``heat`` is empty where the heat map is too small to tell, ``near`` where no neighbours were asked for.
    """

    image: str
    heat: str
    truth: str
    answer: str
    confidence: float
    of_truth: float
    near: tuple[Near, ...] = ()


def may_show(packed: PackedSet) -> bool:
    """Whether every image of the set is rendered, so that showing it shows nobody."""
    return all(record.source == RENDERED for record in packed.records)


def confident_mistakes(predictions: Predictions, count: int) -> np.ndarray:
    """Row numbers of the wrong answers with the highest confidence, worst first."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    confidence = predictions.probabilities.max(axis=1)[wrong]
    return wrong[np.argsort(-confidence, kind="stable")][:count]


def least_certain(predictions: Predictions, count: int) -> np.ndarray:
    """Row numbers with the smallest distance between the two largest probabilities, least certain first."""
    if not len(predictions):
        return np.zeros(0, np.int64)
    ordered = np.sort(predictions.probabilities, axis=1)
    return np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")[:count]


def draw_gallery(
    network: Network,
    packed: PackedSet,
    rows: np.ndarray,
    predictions: Predictions,
    count: int = 6,
    near: Callable[[int], tuple[Near, ...]] | None = None,
) -> dict[str, list[Picture]]:
    """Most confident mistakes and least certain answers, drawn.

    Parameters
    ----------
    rows
        Row ``i`` of ``predictions`` is image ``rows[i]`` of ``packed``.
    count
        Pictures of each kind.
    near
        Gives what stands beside a mistake, from its row of ``packed``; None: nothing.
    """
    cells, wrong = map_cells(network.model, network.spec.size), predictions.predicted != predictions.labels
    kinds = {
        "Most confident mistakes": confident_mistakes(predictions, count),
        "Least certain answers": least_certain(predictions, count),
    }
    return {
        kind: [
            replace(
                _picture(network, packed.images[rows[place]], predictions, int(place), cells),
                near=near(int(rows[place])) if near is not None and wrong[place] else (),
            )
            for place in places
        ]
        for kind, places in kinds.items()
        if len(places)
    }


def _picture(network: Network, pixels: Any, predictions: Predictions, place: int, cells: tuple[int, int]) -> Picture:
    photo = np.ascontiguousarray(pixels)
    answer = int(predictions.predicted[place])
    size = network.spec.size
    if photo.shape[:2] != (size, size):
        photo = np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.BILINEAR))
    laid = ""
    if min(cells) >= FEWEST_CELLS:
        batch = torch.from_numpy(np.array(pixels))[None].to(network.device)
        image = normalise(to_unit(batch, size), network.spec)
        laid = data_uri(overlay(photo, grad_cam(network.model, image, answer, last_map(network.model))))
    return Picture(
        image=data_uri(photo),
        heat=laid,
        truth=predictions.classes[predictions.labels[place]],
        answer=predictions.classes[answer],
        confidence=float(predictions.probabilities[place, answer]),
        of_truth=float(predictions.probabilities[place, predictions.labels[place]]),
    )


def thumbnail(pixels: np.ndarray, side: int = THUMBNAIL) -> str:
    """A picture, uint8 (height, width, 3), as a small data URI, at most ``side`` pixels a side."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return data_uri(np.asarray(picture), quality=80)


def data_uri(pixels: np.ndarray, quality: int = 88) -> str:
    """A picture, uint8 (height, width, 3), as JPEG inside the page."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
