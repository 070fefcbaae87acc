"""A page of the site for every notebook: its text, and its code without what that prints."""

from __future__ import annotations

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def as_markdown(notebook: str) -> str:
    r"""The cells of a notebook, one below the other; badges are pictures from elsewhere, and left out.

    >>> as_markdown('{"cells": [{"cell_type": "code", "source": ["1 + 1"]}]}')
    '```python\n1 + 1\n```\n'
    """
    parts = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts.append(f"```python\n{text}\n```\n")
        else:
            parts.append("\n".join(line for line in text.splitlines() if not line.startswith("[![")) + "\n")
    return "\n".join(parts)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; the notebooks themselves lie beside them, to be downloaded."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        download = f"[Download this notebook]({path.name}); a test runs it from top to bottom.\n"
        content = f"{as_markdown(path.read_text(encoding='utf-8'))}\n{download}"
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=content))
    return files
