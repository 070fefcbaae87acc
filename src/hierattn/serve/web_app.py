"""The built web app as static files: from the installed package, or from a clone after ``make web``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

IMMUTABLE = "public, max-age=31536000, immutable"
"""For files whose name holds a digest of their content."""

MODEL = "model.onnx"
"""What the app fetches the default bundle as; another one as ``model-NAME.onnx``."""

MODELS = "models.json"
"""What tells the app which bundles there are: a list of ``{"name", "file"}``, the default one first."""


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
    models
        The bundles by name, the default one first.
    """

    def __init__(self, folder: Path, models: Mapping[str, Path]) -> None:
        super().__init__(directory=folder, html=True)
        files = [MODEL if number == 0 else f"model-{name}.onnx" for number, name in enumerate(models)]
        self._list = [{"name": name, "file": file} for name, file in zip(models, files, strict=True)]
        self._bundles = dict(zip(files, models.values(), strict=True))

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or a 404."""
        if path in self._bundles:
            return await self._answer(self._bundles[path], scope, "no-cache", "application/octet-stream")
        if path == MODELS:
            return JSONResponse(self._list, headers={"Cache-Control": "no-cache"})
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
