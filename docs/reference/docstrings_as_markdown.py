"""Docstrings as Markdown for the reference: rewrites roles, ``::`` blocks and tables of reStructuredText."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|meth|attr|mod|data|exc):`~?([^`<]+)`")
_BORDER = re.compile(r"^ *=+(?: +=+)+ *$")


def as_markdown(text: str) -> str:
    """Rewrite one docstring.

    >>> as_markdown("See :func:`~hierattn.models.registry.create_model`.")
    'See `create_model`.'
    >>> as_markdown("In OUT::")
    'In OUT:'
    """
    text = _ROLE.sub(lambda match: f"`{match[1].rsplit('.', 1)[-1]}`", text)
    text = _head_examples(_fence_tables(text))
    text = re.sub(r"^::$", "", text, flags=re.M)
    return re.sub(r"::$", ":", text, flags=re.M)


def _head_examples(text: str) -> str:
    """Give an example a heading if it has none; otherwise its ``>>>`` would be read as nested quotations."""
    before, mark, after = text.partition("\n>>> ")
    if not mark or "Examples\n---" in before:
        return text
    return f"{before.rstrip()}\n\nExamples\n--------\n>>> {after}"


def _fence_tables(text: str) -> str:
    """Keep a table between lines of equals signs as it is, whether it has two borders or three."""
    lines = text.split("\n")
    borders = [index for index, line in enumerate(lines) if _BORDER.match(line)]
    if len(borders) < 2:
        return text
    first, last = borders[0], borders[-1]
    return "\n".join([*lines[:first], "```text", *lines[first : last + 1], "```", *lines[last + 1 :]])


class DocstringsAsMarkdown(griffe.Extension):
    """Rewrites every docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute; griffe calls this for each."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
