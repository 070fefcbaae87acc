"""Valid files of every format, and seeded damage to them: what the service's bad-input test and benchmark send."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def valid_files(side: int = 96) -> list[bytes]:
    """One valid file of each format: a rendered lesion."""
    image = Image.fromarray(render_lesion("MEL", np.random.default_rng(2), side).image)
    contents = []
    for kind in FORMATS:
        file = io.BytesIO()
        image.save(file, kind)
        contents.append(file.getvalue())
    return contents


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Some bytes changed (mostly in the header), a piece cut out or doubled, or the end cut off."""
    data = np.frombuffer(content, np.uint8).copy()
    reach = len(data) if generator.random() < 0.3 else min(len(data), 200)
    for _ in range(generator.integers(1, 9)):
        data[generator.integers(reach)] = generator.integers(256)
    result = data.tobytes()
    start, length = int(generator.integers(len(result))), int(generator.integers(1, 400))
    return [
        result,
        result,
        result[:start],
        result[:start] + result[start + length :],
        result[: start + length] + result[start:],
    ][generator.integers(5)]
