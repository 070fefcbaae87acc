"""Transfer: what goes where, what does not and why; damaged and wrong files; and that nothing in a file runs."""

import functools
import hashlib
import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import SHARED
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.errors import CheckpointError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.weights.foreign_names import AUTHORS, CVNETS_MOBILEVIT, TIMM_MOBILEVIT
from hierattn.models.weights.transfer import import_authors_checkpoint, load_source, transfer_weights
from hierattn.models.weights.weight_files import fetch_published, published_url, read_state_dict
from hierattn.taxonomy import CODES

LAYOUT = SHARED / "paper" / "authors_checkpoint_layout.json"
FOLDED = SHARED / "weights" / "mobilenet_v2_imagenet_folded_torchvision_names.npz"


def _randomised(model: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    """The model's state with every floating value moved a little, so that no two tensors are alike."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        state[name] = value + 0.02 * noise if value.is_floating_point() else value.clone()
    return state


@pytest.fixture(scope="module")
def mobilevit() -> dict[str, Tensor]:
    return _randomised(create_model("mobilevit_xxs", 1000))


# MobileViT: role and shape


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("hierattn_xs", "mobilevit_xxs"), ("hierattn_s", "mobilevit_xs"), ("hierattn_m", "mobilevit_s")],
)
def test_all_but_head_and_classifier_come_from_the_mobilevit_of_the_same_widths(ours: str, theirs: str) -> None:
    model, source = create_model(ours), _randomised(create_model(theirs, 1000))
    report = transfer_weights(model, source)
    assert {name.partition(".")[0] for name in report.skipped} == {"head_conv", "classifier"}
    assert (len(report.transferred), len(report.skipped)) == (303, 8)
    state = model.state_dict()
    assert all(torch.equal(state[name], source[origin]) for name, origin in report.transferred.items())
    assert set(report.transferred) | set(report.skipped) == set(state)
    assert set(report.transferred.values()) | set(report.unused) == set(source)


def test_a_transferred_cth_block_computes_what_mobilevits_computes(mobilevit: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    theirs, ours = create_model("mobilevit_xxs", 1000).eval(), create_model("hierattn_xs").eval()
    theirs.load_state_dict(mobilevit)
    transfer_weights(ours, mobilevit)
    ours_block, theirs_block = ours.stages[0].cth, theirs.stages[2][1]
    # Three deliberate differences are taken away: the skip (Table 6), GELU for SiLU, and the batch norms' eps.
    ours_block.skip = False
    for layer in ours_block.transformer.layers:
        layer.mlp[1] = nn.SiLU()
    for part in ours_block.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 1e-5
    x = torch.rand(2, 48, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(ours_block(x), theirs_block(x), atol=1e-4, rtol=1e-4)


def test_a_layer_goes_as_a_whole_or_not_at_all(mobilevit: dict[str, Tensor]) -> None:
    source = dict(mobilevit)
    source["stages.2.1.conv_proj.conv.weight"] = torch.rand(48, 32, 1, 1)
    report = transfer_weights(create_model("hierattn_xs"), source)
    assert "has shape (48, 32, 1, 1), wanted (48, 64, 1, 1)" in report.skipped["stages.0.cth.from_tokens.conv.weight"]
    assert "did not fit" in report.skipped["stages.0.cth.from_tokens.norm.running_var"]
    assert "stages.0.cth.fusion.conv.weight" in report.transferred


def test_timms_weights_read_rgb_and_the_originals_bgr(mobilevit: dict[str, Tensor]) -> None:
    model = create_model("hierattn_xs")
    report = transfer_weights(model, mobilevit)
    assert (report.channel_order, report.flipped) == ("RGB", False)
    to_cvnets = {ours: theirs for theirs, ours in CVNETS_MOBILEVIT.modules().items()}
    original = {}
    for ours, theirs in TIMM_MOBILEVIT.translate(mobilevit).items():
        module, _, leaf = ours.rpartition(".")
        original[f"{to_cvnets[module]}.{leaf}"] = mobilevit[theirs]
    assert "layer_5.1.global_rep.3.weight" in original
    assert "layer_4.1.global_rep.0.pre_norm_mha.1.qkv_proj.weight" in original
    second = create_model("hierattn_xs")
    report = transfer_weights(second, original)
    assert (report.channel_order, report.flipped) == ("BGR", True)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():  # the flipped stem reads RGB as the source read BGR
        wanted = F.conv2d(x.flip(1), original["conv_1.block.conv.weight"], stride=2, padding=1)
        torch.testing.assert_close(second.stem.conv(x), wanted)
    assert len(report.transferred) == len(transfer_weights(model, mobilevit).transferred)


def test_the_channel_order_can_be_told(mobilevit: dict[str, Tensor]) -> None:
    model = create_model("hierattn_xs")
    assert transfer_weights(model, mobilevit, channel_order="BGR").flipped
    assert torch.equal(model.stem.conv.weight, mobilevit["stem.conv.weight"].flip(1))
    with pytest.raises(UsageError, match="RBG"):
        transfer_weights(model, mobilevit, channel_order="RBG")  # type: ignore[arg-type]


def test_the_report_says_everything_and_is_saved_whole(mobilevit: dict[str, Tensor], tmp_path: Path) -> None:
    report = transfer_weights(create_model("hierattn_xs"), mobilevit)
    report.save(tmp_path / "transfer.txt")
    text = (tmp_path / "transfer.txt").read_text()
    assert text == report.to_text()
    assert "source: timm's MobileViT" in text
    assert "the source expects RGB images" in text
    assert "stages.1.cth.transformer.layers.3.mlp.0.weight <- stages.3.1.transformer.3.mlp.fc1.weight" in text
    assert "classifier.weight: the classifier is not transferred" in text
    assert "final_conv.conv.weight: final_conv.conv.weight has shape (320, 80, 1, 1), wanted (768, 192, 1, 1)" in text
    assert [path.name for path in tmp_path.iterdir()] == ["transfer.txt"]


def test_the_summary_says_in_one_line_what_to_know_before_training(mobilevit: dict[str, Tensor]) -> None:
    summary = transfer_weights(create_model("hierattn_xs"), mobilevit, channel_order="BGR").summary()
    assert "\n" not in summary
    assert summary.startswith("transferred 303 of 311 tensors from timm's MobileViT, which expects BGR images")
    assert "turned round" in summary
    assert "fresh: head_conv, classifier" in summary


# From a checkpoint of ours, and between peers


def test_from_dermoscopy_to_phone_everything_but_the_classifier() -> None:
    source_model = create_model("hierattn_xs", 8)
    source = Checkpoint("hierattn_xs", CODES, ImageSpec(), _randomised(source_model))
    model = create_model("hierattn_xs", 6)
    fresh = model.classifier.weight.clone()
    report = transfer_weights(model, source)
    assert sorted(report.skipped) == ["classifier.bias", "classifier.weight"]
    assert torch.equal(model.classifier.weight, fresh)
    rest = {name: value for name, value in model.state_dict().items() if not name.startswith("classifier.")}
    assert all(torch.equal(value, source.state_dict[name]) for name, value in rest.items())
    assert "ACK, BCC" in report.source


def test_as_many_classes_do_not_make_them_the_same_classes() -> None:
    report = transfer_weights(create_model("hierattn_xs", 8), _randomised(create_model("hierattn_xs", 8)))
    assert "classifier.weight" in report.skipped


@pytest.mark.parametrize("name", ["mobilenet_v2", "shufflenet_v2_1x"])
def test_a_peer_takes_its_librarys_weights_but_the_classifier(name: str) -> None:
    source = _randomised(create_model(name, 1000))
    model = create_model(name, 8)
    report = transfer_weights(model, source)
    assert len(report.skipped) == 2
    assert len(report.transferred) == len(source) - 2


def test_a_source_that_fits_nothing_is_refused_and_the_model_unchanged() -> None:
    model = create_model("hierattn_xs")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="nothing of the source fits HierAttn"):
        transfer_weights(model, _randomised(create_model("mobilenet_v2")))
    broken = _randomised(create_model("hierattn_xs"))
    broken["stem.norm.running_var"][3] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        transfer_weights(model, broken)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# The published code's checkpoints


def _published(name: str, classes: int = 8) -> dict[str, Tensor]:
    names = {ours: theirs for theirs, ours in AUTHORS.modules().items()}
    torch.manual_seed(0)
    state = _randomised(create_model(name, classes))
    return {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in state.items()}


@pytest.mark.parametrize("name", ["hierattn_xs"])
def test_a_published_checkpoint_becomes_a_ready_model(name: str, tmp_path: Path) -> None:
    torch.save(_published(name, classes=6), tmp_path / "published.pth")
    model = import_authors_checkpoint(tmp_path / "published.pth", name)
    assert not model.training
    assert model.num_classes == 6
    torch.manual_seed(0)
    wanted = create_model(name, 6).eval()
    wanted.load_state_dict(_randomised(wanted))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        logits = model(x)
        assert torch.isfinite(logits).all()
        assert torch.equal(logits, wanted(x))


def test_the_skip_is_the_callers_to_say() -> None:
    state, x = _published("hierattn_xs"), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        with_skip, without = (import_authors_checkpoint(state, "hierattn_xs", skip=skip)(x) for skip in (True, False))
    assert not torch.allclose(with_skip, without)


@pytest.mark.skipif(not LAYOUT.exists(), reason="the published checkpoints' layout is not beside this repository")
@pytest.mark.parametrize("name", ["hierattn_xs"])  # test_paper_table3 compares the names and shapes of all three
def test_the_recorded_layout_of_the_published_checkpoints_is_read(name: str) -> None:
    layout = json.loads(LAYOUT.read_text())[name]
    model = import_authors_checkpoint({key: torch.ones(shape) for key, shape in layout.items()}, name)
    assert model.num_classes == 8
    assert torch.equal(model.head_conv.conv.weight, torch.ones_like(model.head_conv.conv.weight))


def test_a_wrong_variant_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"is no hierattn_xs: .*; its transformers are hierattn_s's"):
        import_authors_checkpoint(_published("hierattn_s"), "hierattn_xs")
    with pytest.raises(UsageError, match="mobilenet_v2"):
        import_authors_checkpoint(_published("hierattn_s"), "mobilenet_v2")


def test_a_missing_and_a_strange_tensor_are_named() -> None:
    missing = _published("hierattn_xs")
    del missing["Layer3.1.Fusion.Bn.bias"]
    with pytest.raises(CheckpointError, match=r"stages\.0\.cth\.fusion\.norm\.bias is missing"):
        import_authors_checkpoint(missing, "hierattn_xs")
    strange = _published("hierattn_xs") | {"Layer1.0.Block.2.fc1.weight": torch.ones(4, 32, 1, 1)}
    with pytest.raises(CheckpointError, match=r"Layer1\.0\.Block\.2\.fc1\.weight has no place here"):
        import_authors_checkpoint(strange, "hierattn_xs")
    with pytest.raises(CheckpointError, match=r"Classifier\.fc\.weight"):
        import_authors_checkpoint({}, "hierattn_xs")


# Files


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


def test_load_source_tells_our_checkpoints_from_foreign_weights(mobilevit: dict[str, Tensor], tmp_path: Path) -> None:
    ours = create_model("hierattn_xs").state_dict()
    save_checkpoint(tmp_path / "ours.safetensors", Checkpoint("hierattn_xs", CODES, ImageSpec(), ours))
    save_file(mobilevit, tmp_path / "timm.safetensors")
    torch.save(mobilevit, tmp_path / "timm.pth")
    assert isinstance(load_source(tmp_path / "ours.safetensors"), Checkpoint)
    assert set(load_source(tmp_path / "timm.safetensors")) == set(mobilevit)  # type: ignore[arg-type]
    assert set(load_source(tmp_path / "timm.pth")) == set(mobilevit)  # type: ignore[arg-type]
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="not a whole safetensors"):
        load_source(tmp_path / "broken.safetensors")


# Fetching


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


def test_every_peer_has_a_published_place_and_hierattn_has_none() -> None:
    assert published_url("mobilenet_v2").endswith(".pth")
    assert published_url("mobilevit_xs").endswith("mobilevit_xs.cvnets_in1k/resolve/main/model.safetensors")
    with pytest.raises(UsageError, match="no library publishes weights of hierattn_xs"):
        published_url("hierattn_xs")


# The folded MobileNetV2


def _folded(model: nn.Module) -> dict[str, np.ndarray]:
    """Fold each batch normalisation of ``model`` into its convolution, as the file's makers did."""
    arrays = {}
    pairs = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for (name, convolution), norm in zip(pairs, norms, strict=True):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        arrays[f"{name}.weight"] = (convolution.weight * scale[:, None, None, None]).detach().numpy()
        arrays[f"{name}.bias"] = (norm.bias - norm.running_mean * scale).detach().numpy()
    return arrays


def test_folded_weights_compute_the_same_features_whatever_the_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = create_model("mobilenet_v2", 8)
    original.train()(torch.rand(4, 3, 32, 32))
    original.eval()
    np.savez(tmp_path / "folded.npz", **_folded(original))
    x = torch.rand(2, 3, 32, 32)
    for images in (None, torch.rand(4, 3, 32, 32)):
        model = load_folded_mobilenet_v2(tmp_path / "folded.npz", images, num_classes=3)
        assert not model.training
        with torch.no_grad():
            torch.testing.assert_close(model.features(x), original.features(x), atol=1e-4, rtol=1e-3)
            assert model(x).shape == (2, 3)


def test_statistics_follow_the_images_so_that_training_may_go_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    np.savez(tmp_path / "folded.npz", **_folded(create_model("mobilenet_v2").eval()))
    images = torch.rand(8, 3, 32, 32)
    model = load_folded_mobilenet_v2(tmp_path / "folded.npz", images)
    with torch.no_grad():
        still = model.features(images)
        batch = model.train().features(images)  # the batch's own statistics are the stored ones
    torch.testing.assert_close(batch, still, atol=1e-3, rtol=1e-3)


def test_another_network_in_the_npz_is_refused_by_name(tmp_path: Path) -> None:
    arrays = _folded(create_model("mobilenet_v2"))
    np.savez(tmp_path / "short.npz", **{name: arrays[name] for name in list(arrays)[:4]})
    with pytest.raises(CheckpointError, match=r"holds no features\.1\.conv\.1\.weight"):
        load_folded_mobilenet_v2(tmp_path / "short.npz")
    arrays["features.0.0.weight"] = np.zeros((16, 3, 3, 3), np.float32)
    np.savez(tmp_path / "narrow.npz", **arrays)
    with pytest.raises(CheckpointError, match=r"features\.0\.0 has shape \(16, 3, 3, 3\)"):
        load_folded_mobilenet_v2(tmp_path / "narrow.npz")


@pytest.mark.skipif(not FOLDED.exists(), reason="the folded ImageNet weights are not beside this repository")
def test_the_real_file_loads_whole() -> None:
    model = load_folded_mobilenet_v2(FOLDED)
    with np.load(FOLDED, allow_pickle=False) as arrays:
        weight, bias = (torch.from_numpy(arrays[f"features.0.0.{leaf}"]) for leaf in ("weight", "bias"))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = F.conv2d(x, weight, bias, stride=2, padding=1).clamp(0, 6)
        torch.testing.assert_close(model.features[0](x), wanted, atol=1e-4, rtol=1e-4)
