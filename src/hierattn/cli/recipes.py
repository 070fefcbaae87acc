"""``hierattn recipes``, and finding a recipe: by its path, or by the name of one that the package ships."""

from __future__ import annotations

import tomllib
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

import hierattn
from hierattn.cli.console import completing, print_file
from hierattn.errors import UsageError


def recipe_folder() -> Path:
    """Where the built-in recipes lie: inside the installed package, or at the root of a checkout."""
    package = Path(hierattn.__file__).parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent.parent / "recipes"


def built_in_recipes() -> list[str]:
    """Names of the built-in recipes, e.g. ``quicktest`` and ``isic2019/hierattn_xs``."""
    folder = recipe_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.toml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe given by path or by built-in name.

    Raises
    ------
    UsageError
        Where there is neither; lists the built-in names.
    """
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    inside = recipe_folder() / f"{name}.toml"
    if name in built_in_recipes():
        return inside
    raise UsageError(f"no recipe {name!r}: wanted a .toml file or one of {', '.join(built_in_recipes())}")


FIRST_LOOK, USUAL = "quicktest", "isic2019/hierattn_xs_128px"
"""Two recipes that start from random weights, so that they suit any set: for small ones, and for all."""

SMALL_SET = 2400
"""Images of the demo's set, which the first look was made for; it is the first that a set of no more is offered."""

_QUICK_SIZE = 64


def next_training(prepared: Path, images: int, size: int, settings: str = "", training: int | None = None) -> str:
    """How to go on with a prepared set of so many ``images`` of ``size`` pixels a side: a recipe that suits it, with
    ``settings`` after its name. ``training`` of the images are neither in the outer nor in the inner fold; where the
    recipe's batch is larger, the line asks for a smaller one.

    The last line alone is enough: it says what is ready and what to type.

    >>> print(next_training(Path("out/mine"), images=30_000, size=64))
    How long the training takes here is measured by --dry-run.
    Ready: out/mine  Next: hierattn train isic2019/hierattn_xs_128px --data out/mine
    """
    small = images <= SMALL_SET
    hint = "How long the training takes here is measured by --dry-run."
    if small:
        hint = f"{FIRST_LOOK} is a first look; {USUAL} trains much longer. {hint}"
        if size > _QUICK_SIZE:
            hint += f" On CPUs, prepared with --size {_QUICK_SIZE} a first look takes a fraction of the time."
    recipe = FIRST_LOOK if small else USUAL
    if small and training is not None and training < _batch_of_first_look():
        settings = f"{settings} optimiser.batch_size={max(training // 2, 2)}".strip()
    command = f"hierattn train {recipe}{settings and ' '}{settings} --data {quote(str(prepared))}"
    return f"{hint}\nReady: {prepared}  Next: {command}"


def _batch_of_first_look() -> int:
    """Read from its file alone: the light install prepares, and cannot check recipes."""
    return int(tomllib.loads(find_recipe(FIRST_LOOK).read_text(encoding="utf-8"))["optimiser"]["batch_size"])


def run(
    name: Annotated[
        str,
        typer.Argument(
            help="A recipe to show, with all that it inherits. [default: list all names]",
            autocompletion=completing(built_in_recipes),
        ),
    ] = "",
) -> None:
    """List the built-in recipes, or show one with every value that it sets.

    What it shows is a whole recipe: save it to a file, change it, and train from that file.

        hierattn recipes

        hierattn recipes isic2019/hierattn_xs
    """
    import tomli_w

    from hierattn.training.recipe import Recipe

    if not name:
        for built_in in built_in_recipes():
            first = find_recipe(built_in).read_text(encoding="utf-8").partition("\n")[0]
            print(f"{built_in:44} {first.removeprefix('# ')}")
        return
    path = find_recipe(name)
    head = path.read_text(encoding="utf-8").split("\n\n")[0]
    print_file(f"{head}\n\n{tomli_w.dumps(Recipe.load(path).to_dict())}")
