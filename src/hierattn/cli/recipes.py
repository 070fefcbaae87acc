"""Finding a recipe: a path, or the name of one that the package ships."""

from __future__ import annotations

from pathlib import Path

import hierattn
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
