"""Pages of the site whose files are outside ``docs``, and links that lead out of ``docs``.

One text serves both readers: links are written so that they work in the repository, and are converted here into links
between pages. A link to a file without a page, such as a source file, becomes plain text.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
FIXED = {"CHANGELOG.md": "changelog.md", "README.md": "index.md", "CONTRIBUTING.md": "guides/contribute.md"}
WIDE = ("paper-map.md",)  # pages whose tables need the full width
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_CELL = re.compile(r"<td[^>]*>.*?</td>", re.S)
_CODE = re.compile(r"(?<=<code>)[^<]+")  # only the text: tags contain slashes too


def page_of(path: str) -> str | None:
    """The page or picture of the site for a file of the repository; None where there is none.

    >>> page_of("docs/data.md"), page_of("results/README.md"), page_of("src/hierattn/errors.py")
    ('data.md', 'results/index.md', None)
    """
    if path in FIXED:
        return FIXED[path]
    if path.startswith("results/") and path.endswith((".md", ".png", ".svg")):
        return path.replace("README.md", "index.md")
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    return None


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the changelog and the results."""
    found = ["CHANGELOG.md", *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "results").rglob("*")))]
    for path in found:
        page = page_of(path)
        if page and (ROOT / path).is_file():
            files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Convert links between files of the repository into links between pages."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["navigation", "toc"]
    here = Path(page.file.abs_src_path or ROOT / "docs" / page.file.src_uri)
    source = posixpath.normpath(os.path.relpath(here, ROOT).replace(os.sep, "/"))
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda link: _turned(link, source, page.file.src_uri), part)
        for part in re.split(r"(```.*?```)", markdown, flags=re.S)
    )


def on_page_content(html: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Let paths in a table wrap after their slashes, so that a table of paths is no wider than its longest name."""
    return _CELL.sub(lambda cell: _CODE.sub(lambda code: code[0].replace("/", "/<wbr>"), cell[0]), html)


def _turned(link: re.Match[str], source: str, page: str) -> str:
    picture, text, target = link.groups()
    place, hash_, anchor = target.partition("#")
    if "://" in target or target.startswith("mailto:") or not place:
        return link[0]
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(source), place))
    shown = page_of(inside)
    if shown is None:
        return text if (ROOT / inside).exists() else link[0]  # a dead link stays, so that the build reports it
    return f"{picture}[{text}]({posixpath.relpath(shown, posixpath.dirname(page) or '.')}{hash_}{anchor})"
