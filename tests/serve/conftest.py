"""What every test of the service asks of it: a small bundle, and photographs."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from small_bundles import write_small_bundle

    return write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    pytest.importorskip("fastapi")
    from services import rendered_photos

    return rendered_photos()
