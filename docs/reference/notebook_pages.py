"""A page of the site for every notebook: its text, and its code without what that prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
_BADGE = re.compile(r"\[!\[(.+?)\]\(.+?\)\]\((.+?)\)")


def as_markdown(notebook: str) -> str:
    r"""The cells of a notebook, one below the other; a badge, a picture from elsewhere, becomes the link that it is.

    >>> as_markdown('{"cells": [{"cell_type": "code", "source": ["1 + 1"]}]}')
    '```python\n1 + 1\n```\n'
    >>> as_markdown('{"cells": [{"cell_type": "markdown", "source": ["[![Open it](badge.svg)](place)"]}]}')
    '[Open it](place)\n'
    """
    parts = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts.append(f"```python\n{text}\n```\n")
        else:
            parts.append(_BADGE.sub(r"[\1](\2)", text) + "\n")
    return "\n".join(parts)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; the notebooks themselves lie beside them, to be downloaded."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        download = f"[Download this notebook]({path.name}); a test runs it from top to bottom.\n"
        content = f"{as_markdown(path.read_text(encoding='utf-8'))}\n{download}"
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=content))
    return files
