"""Weight files: damaged and wrong ones, nothing in a file runs, and published ones are fetched and checked."""

import functools
import hashlib
import http.server
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hierattn.cli.recipes import find_recipe
from hierattn.errors import CheckpointError, UsageError
from hierattn.models.peers import PEERS
from hierattn.models.registry import VARIANTS
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.weights.weight_files import fetch_published, find_weights, published_weights, read_state_dict
from hierattn.training.recipe import Recipe


class _Burglar:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_code_in_a_file_is_refused_and_never_runs(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "extra": _Burglar(tmp_path / "stolen")}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="more than tensors"):
        read_state_dict(tmp_path / "evil.pth")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(_Burglar(tmp_path / "stolen")))
    with pytest.raises(CheckpointError, match="raw"):
        read_state_dict(tmp_path / "raw.pt")
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz"])
@pytest.mark.parametrize("damage", ["half", "empty", "text", "missing"])
def test_a_damaged_file_gets_one_clear_line(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    if damage == "half":
        if suffix == ".npz":
            np.savez(path, values=np.zeros(5000))
        elif suffix == ".pth":
            torch.save({"a": torch.zeros(5000)}, path)
        else:
            save_file({"a": torch.zeros(5000)}, path)
        path.write_bytes(path.read_bytes()[:3000])
    elif damage != "missing":
        path.write_bytes(b"" if damage == "empty" else b"404: not found\n" * 9)
    with pytest.raises(CheckpointError) as caught:
        load_folded_mobilenet_v2(path) if suffix == ".npz" else read_state_dict(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_wrapped_state_and_prefixes_are_unpacked(tmp_path: Path) -> None:
    torch.save({"state_dict": {"module.a": torch.ones(2)}, "epoch": 3}, tmp_path / "wrapped.pth")
    assert list(read_state_dict(tmp_path / "wrapped.pth")) == ["a"]
    torch.save({"a": torch.ones(1), "note": "hello"}, tmp_path / "mixed.pth")
    with pytest.raises(CheckpointError, match="'note', which is no tensor"):
        read_state_dict(tmp_path / "mixed.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds list"):
        read_state_dict(tmp_path / "list.pth")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()
        thread.join()


def test_a_published_file_is_fetched_checked_and_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = server
    torch.save({"a": torch.ones(3)}, folder / "weights")
    digest = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()[:8]
    name = f"mobilenet_v2-{digest}.pth"
    (folder / "weights").rename(folder / name)
    path = fetch_published("mobilenet_v2", tmp_path / "cache", url=f"{address}/{name}")
    assert list(read_state_dict(path)) == ["a"]
    (folder / name).unlink()
    assert fetch_published("mobilenet_v2", tmp_path / "cache", url=f"{address}/{name}") == path


def test_another_file_than_the_published_one_is_refused_and_not_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = server
    (folder / "mobilenet_v2-00000000.pth").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="could not be fetched"):
        fetch_published("mobilenet_v2", tmp_path / "cache", url=f"{address}/mobilenet_v2-00000000.pth")
    with pytest.raises(CheckpointError, match="could not be fetched"):
        fetch_published("mobilenet_v2", tmp_path / "cache", url=f"{address}/absent.pth")
    assert list((tmp_path / "cache").iterdir()) == []


def test_every_network_has_a_published_start_and_the_papers_recipes_name_its_file() -> None:
    for model in (*VARIANTS, *PEERS):
        published = published_weights(model)
        assert published.url.startswith("https://")
        assert published.file.endswith((".safetensors", ".pth"))
        if model in VARIANTS:
            assert published.name.startswith("mobilevit")
    for model in ("hierattn_xs", "hierattn_s", *(name for name, peer in PEERS.items() if peer.paper_parameters)):
        recipe = Recipe.load(find_recipe(f"isic2019/{model}"))
        assert recipe.transfer.checkpoint == f"weights/{published_weights(model).file}"
    with pytest.raises(UsageError, match="no library publishes weights of resnet"):
        published_weights("resnet")


def test_weights_inside_an_installed_package_are_found_by_its_name(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "holder").mkdir()
    torch.save({"stem": torch.ones(2)}, tmp_path / "holder" / "weights.pth")
    (tmp_path / "holder" / "__init__.py").write_text("raise RuntimeError('nothing of a package is run')")
    about = tmp_path / "holder_of_weights-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: holder-of-weights\nVersion: 1.0\n")
    (about / "RECORD").write_text("holder/__init__.py,,\nholder/weights.pth,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_weights("package:holder-of-weights")
    assert found == tmp_path / "holder" / "weights.pth"
    assert torch.equal(read_state_dict(found)["stem"], torch.ones(2))
    assert find_weights("weights/own.pth") == Path("weights/own.pth")
    with pytest.raises(CheckpointError, match="no package 'absent-weights' is installed"):
        find_weights("package:absent-weights")
    with pytest.raises(CheckpointError, match="holds 0 files of weights"):
        find_weights("package:pytest")
