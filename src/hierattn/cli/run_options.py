"""Options that several commands share: for recipes, folds, devices and evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing
from hierattn.cli.recipes import built_in_recipes, find_recipe

if TYPE_CHECKING:
    from hierattn.training.recipe import Recipe

RELEASED, IMAGENET = "released:", "imagenet:"

MODELS = (
    "hierattn_xs", "hierattn_s", "hierattn_m", "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_1x", "mnasnet1_0",
    "efficientnet_b0", "mobilevit_s", "mobilevit_xs", "mobilevit_xxs", "mobilenet_v4_conv_small",
)  # fmt: skip
"""The registry's names, known here without torch, so that a shell completes them at once."""


RecipeName = Annotated[
    str,
    typer.Argument(
        help="A recipe file, or the name of a built-in one: see 'recipes'.", autocompletion=completing(built_in_recipes)
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to the recipe, by its dotted keys.")
]
Prepared = Annotated[Path | None, typer.Option("--data", "-d", help="The prepared set (data.prepared).")]
Folds = Annotated[str, typer.Option(help="Folds to hold out: all, 0-9, or 0,2,5.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Folds trained at the same time.")]
FoldThreads = Annotated[
    int, typer.Option(min=0, max=1024, help="CPU threads a fold; 0 shares the cores among the jobs.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", autocompletion=completing("auto", "cpu", "cuda"))]
SaveEvery = Annotated[int, typer.Option(help="Also save the state every N steps; 0: at the end of each epoch.")]
Bootstrap = Annotated[int, typer.Option(help="Resamples for the 95 % intervals; 0 leaves them out.")]
ResampleSeed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the resamples.")]
ComparisonJson = Annotated[bool, typer.Option("--json", help="Print comparison.json, and nothing else.")]


def load_recipe(name: str, overrides: list[str] | None = None, prepared: Path | None = None) -> Recipe:
    """The recipe of that name or path, with the user's overrides and then the prepared set of ``--data``.

    ``released:dermoscopy`` as starting weights or a teacher is the bundle that comes with the package;
    ``imagenet:FOLDER`` as starting weights is the file in FOLDER that ``hierattn fetch MODEL FOLDER`` leaves there.

    Raises
    ------
    UsageError, RecipeError
        For a recipe that is not there, or a change that does not fit it.
    BundleError
        Where a released bundle is not as it was released.
    """
    from hierattn.training.recipe import Recipe

    changes = [*(overrides or ()), *([] if prepared is None else [f"data.prepared={prepared}"])]
    recipe = Recipe.load(find_recipe(name), changes)
    start, teachers = recipe.transfer.checkpoint, recipe.distillation.teacher
    return replace(
        recipe,
        transfer=replace(
            recipe.transfer,
            checkpoint=_start_path(start, recipe.model.name),
            averaged_with=tuple(map(_released_path, recipe.transfer.averaged_with)),
        ),
        distillation=replace(recipe.distillation, teacher=tuple(map(_released_path, teachers))),
    )


def _start_path(weights: str, model: str) -> str:
    if not weights.startswith(IMAGENET):
        return _released_path(weights)
    from hierattn.models.weights.weight_files import published_weights

    return str(Path(weights.removeprefix(IMAGENET)) / published_weights(model).file)


def released_names() -> list[str]:
    """What names a released bundle where a path could stand, for completion."""
    from hierattn.deploy.predict.released import NAMES

    return [RELEASED + name for name in NAMES]


def _released_path(weights: str) -> str:
    from hierattn.deploy.predict.released import released_bundle

    return str(released_bundle(weights.removeprefix(RELEASED))) if weights.startswith(RELEASED) else weights
