"""The built web app as static files: from the installed package, or from a clone after ``make web``."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

IMMUTABLE = "public, max-age=31536000, immutable"
"""For files whose name holds a digest of their content."""

MODEL = "model.onnx"
"""What the app fetches the bundle as."""


def find_web_app() -> Path | None:
    """The folder with the built app; None where there is none."""
    package = Path(str(resources.files("hierattn")))
    candidates = (package / "serve" / "static", package.parents[1] / "apps" / "web" / "dist")
    return next((folder for folder in candidates if (folder / "index.html").is_file()), None)


class WebApp(StaticFiles):
    """Static files that are sent compressed where ``NAME.gz`` lies beside them, and cached by the kind of their name.

    Parameters
    ----------
    folder
        Of the built app.
    model
        The bundle, which the app fetches as ``model.onnx``.
    """

    def __init__(self, folder: Path, model: Path) -> None:
        super().__init__(directory=folder, html=True)
        self._folder, self._model = folder, model

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or a 404."""
        if path == MODEL:
            return await self._answer(self._model, scope, "no-cache", "application/octet-stream")
        response = await super().get_response(path, scope)
        caching = IMMUTABLE if path.startswith("assets" + os.sep) else "no-cache"
        if isinstance(response, FileResponse):
            packed = Path(str(response.path) + ".gz")
            if packed.is_file() and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
                response = await self._answer(packed, scope, caching, response.media_type)
                if response.status_code == 200:
                    response.headers["Content-Encoding"] = "gzip"
        response.headers["Cache-Control"] = caching
        response.headers["Vary"] = "Accept-Encoding"
        return response

    async def _answer(self, file: Path, scope: Scope, caching: str, media_type: str | None) -> Response:
        response = self.file_response(file, file.stat(), scope)
        response.headers["Cache-Control"] = caching
        if media_type is not None and response.status_code == 200:
            response.headers["Content-Type"] = media_type
        return response
