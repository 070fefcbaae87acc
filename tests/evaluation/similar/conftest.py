"""A run on the rendered set that was never trained: fold 1 outside, fold 2 inside."""

from dataclasses import replace

import pytest
from small_checkpoints import make_checkpoint

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.models.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="session")
def packed(prepared):
    return PackedSet.open(prepared)


@pytest.fixture(scope="session")
def run(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("similar") / "run"
    folder.mkdir()
    recipe = {"name": "small", "data": {"prepared": str(packed.folder), "fold": 1}}
    save_checkpoint(folder / "best.safetensors", replace(make_checkpoint(), recipe=recipe))
    (folder / "manifest.sha256").write_text(packed.manifest_sha256 + "\n")
    return folder
