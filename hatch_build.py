"""What Hatchling asks before it packs: a wheel or sdist without the web app is refused, never made without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "src/hierattn/serve/static"
"""The built web app, which git does not keep."""

WITHOUT_WEB = "HIERATTN_WITHOUT_WEB"
"""Set to 1 in the environment, it says that the app is left out on purpose, whether it was built or not."""


class WebApp(BuildHookInterface):
    """Adds the built web app to what is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Take the app in, or end the build; an editable installation reads it from its clone and needs none."""
        if version == "editable" or os.environ.get(WITHOUT_WEB) == "1":
            return
        if not (Path(self.root) / STATIC / "index.html").is_file():
            self.app.abort(
                f"hierattn: {STATIC} is missing, and 'hierattn serve' shows it: run 'make web' first (Node 20 or "
                f"newer), or build without the web app on purpose: {WITHOUT_WEB}=1"
            )
        build_data["artifacts"].append(f"/{STATIC}")
