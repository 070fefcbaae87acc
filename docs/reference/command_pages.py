"""Two pages generated from the package itself: every command with its options, and every built-in recipe.

They take the place of ``<!-- commands -->`` and ``<!-- recipes -->`` in a page.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from hierattn.cli.main import app
from hierattn.cli.recipes import built_in_recipes, find_recipe


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace the marks in the page."""
    if "<!-- commands -->" in markdown:
        markdown = markdown.replace("<!-- commands -->", "\n".join(_commands(typer.main.get_command(app), "hierattn")))
    if "<!-- recipes -->" in markdown:
        markdown = markdown.replace("<!-- recipes -->", "\n".join(_recipes()))
    return markdown


def _commands(group: Any, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        words = f"{prefix} {name}"
        yield f"## {words}\n"
        yield f"```text\n{_usage(command, words)}\n```\n"
        yield _text(command.help or "") + "\n"
        if getattr(command, "commands", None):
            yield from (line.replace("## ", "### ", 1) for line in _commands(command, words))
        else:
            yield from _parameters(command)


def _usage(command: Any, words: str) -> str:
    """The usage line of ``--help``."""
    usage = command.get_usage(typer.Context(command, info_name=words))
    return " ".join(usage.split()).removeprefix("Usage: ")


def _text(text: str) -> str:
    """Help as Markdown; an indented line is a command to try."""
    text = inspect.cleandoc(text.split("\f")[0])
    return re.sub(r"^ {4}(\S.*)$", lambda match: f"```sh\n{match[1]}\n```", text, flags=re.M)


def _parameters(command: Any) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    if not parameters:
        return
    yield "| name | default | meaning |\n|---|---|---|"
    for parameter in parameters:
        is_option = parameter.param_type_name == "option"
        names = (
            ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
            if is_option
            else f"`{parameter.metavar or parameter.name.upper()}`"
        )
        yield f"| {names} | {_default(parameter)} | {_cell(getattr(parameter, 'help', '') or '')} |"
    yield ""


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "required"
    shown = value is not None and not callable(value) and value is not False and value != ""
    return f"`{value}`" if shown and "Sentinel" not in type(value).__name__ else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _recipes() -> Iterator[str]:
    for name in built_in_recipes():
        text = find_recipe(name).read_text(encoding="utf-8")
        yield f"## {name}\n"
        yield f"```toml\n{text}```\n"
