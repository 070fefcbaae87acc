"""The documentation as plain files, for a builder of sites that knows no MkDocs hooks, such as Zensical.

    python -m tools.staged_docs build/zensical
    zensical build --strict -f build/zensical/mkdocs.yml

MkDocs with Material builds the site by default (``make docs``). What its hooks do on the way, generated pages and
links out of ``docs``, is done here beforehand by the same hooks, so that both builders read one text.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import yaml  # type: ignore[import-untyped]
from mkdocs.config import load_config
from mkdocs.structure.files import get_files

from hierattn.files import check_new

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = "mkdocs.yml"


def stage(out: Path) -> int:
    """Write all pages, pictures and the settings into a new folder ``out``; returns the number of pages.

    Raises
    ------
    UsageError
        Where ``out`` is there already.
    """
    check_new(out, "the staged pages")
    config = load_config(str(ROOT / SETTINGS))
    config.plugins.on_startup(command="build", dirty=False)
    config = config.plugins.on_config(config)
    files = config.plugins.on_files(get_files(config), config=config)
    hooks = [hook for hook in config["hooks"].values() if hasattr(hook, "on_page_markdown")]
    pages = 0
    for file in files:
        if file.inclusion.is_excluded():
            continue
        place = out / "docs" / file.src_uri
        place.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_documentation_page():
            place.write_bytes(file.content_bytes)
            continue
        page, text = SimpleNamespace(file=file, meta={}), file.content_string
        for hook in hooks:
            text = hook.on_page_markdown(text, page, config, files)
        head = f"---\n{yaml.safe_dump(page.meta)}---\n" if page.meta else ""
        place.write_text(head + text, encoding="utf-8")
        pages += 1
    settings = yaml.safe_load((ROOT / SETTINGS).read_text(encoding="utf-8"))
    for key in ("hooks", "exclude_docs"):
        settings.pop(key)
    settings["site_dir"] = "site"
    (reference,) = (plugin["mkdocstrings"] for plugin in settings["plugins"] if "mkdocstrings" in plugin)
    python = reference["handlers"]["python"]
    python["paths"] = [str(ROOT / "src")]
    python["options"]["extensions"] = [str(ROOT / path) for path in python["options"]["extensions"]]
    (out / SETTINGS).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return pages


if __name__ == "__main__":
    print(f"{stage(Path(sys.argv[1]))} pages in {sys.argv[1]}")
