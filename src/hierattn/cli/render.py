"""``hierattn render``: a rendered data set, to look at or to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierattn.cli.console import terminal
from hierattn.files import cores


def run(
    out: Annotated[Path, typer.Argument(help="A new folder for the set.")],
    images: Annotated[int, typer.Option(help="How many images.")] = 600,
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 128,
    seed: Annotated[int, typer.Option(help="Another seed is another set; the same seed is the same set.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Processes, which change no byte; 0: one a core.")] = 0,
) -> None:
    """Render a data set of dermoscopy-like lesions in ISIC 2019's own layout.

    Eight classes, each with its own look, out of balance as in practice; several photographs of one lesion; a few
    near-duplicates under other ids; hairs, rulers, black surrounds. No photograph of a person is behind it, so it may
    be shown and shared, and it says nothing about how a model does on skin.

    `OUT/contact_sheet.png` shows lesions of every class, `OUT/masks` where each lesion is, `OUT/synthetic.json` what
    the tables hide. Next: `hierattn prepare OUT PREPARED`.

        hierattn render lesions --images 600
    """
    from hierattn.cli.console import step_bars
    from hierattn.data.rendered.rendered_set import LICENCE, SHEET, render_set

    console = terminal()
    with step_bars(console, quiet=False) as progress:
        render_set(out, images=images, size=size, seed=seed, jobs=jobs or processes(images), progress=progress)
    console.print(f"{images} images in {out}, licence {LICENCE}; look at {out / SHEET}", soft_wrap=True)


def processes(images: int) -> int:
    """One a core, but no more than their start is worth."""
    return min(cores(), 1 + images // 200)
