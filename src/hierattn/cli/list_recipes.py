"""``hierattn recipes``."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    name: Annotated[
        str, typer.Argument(help="A recipe to show, with all that it inherits; without it, all names.")
    ] = "",
) -> None:
    """List the built-in recipes, or show one with every value that it sets.

    What it shows is a whole recipe: save it to a file, change it, and train from that file.

        hierattn recipes

        hierattn recipes isic2019/hierattn_xs
    """
    import tomli_w

    from hierattn.cli.recipes import built_in_recipes, find_recipe
    from hierattn.training.recipe import Recipe

    if not name:
        for known in built_in_recipes():
            first = find_recipe(known).read_text(encoding="utf-8").partition("\n")[0]
            typer.echo(f"{known:44} {first.removeprefix('# ')}")
        return
    path = find_recipe(name)
    head = path.read_text(encoding="utf-8").split("\n\n")[0]
    typer.echo(f"{head}\n\n{tomli_w.dumps(Recipe.load(path).to_dict())}", nl=False)
