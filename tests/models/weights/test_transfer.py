"""Transfer: what goes where, what does not and why; damaged and wrong files; and that nothing in a file runs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_runs import randomised
from torch import Tensor, nn

from hierattn.errors import CheckpointError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.models.weights.transfer import load_source, transfer_weights
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture(scope="module")
def mobilevit() -> dict[str, Tensor]:
    return randomised(create_model("mobilevit_xxs", 1000))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("hierattn_xs", "mobilevit_xxs"), ("hierattn_s", "mobilevit_xs"), ("hierattn_m", "mobilevit_s")],
)
def test_all_but_head_and_classifier_come_from_the_mobilevit_of_the_same_widths(ours: str, theirs: str) -> None:
    model, source = create_model(ours), randomised(create_model(theirs, 1000))
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


def test_from_dermoscopy_to_phone_everything_but_the_classifier() -> None:
    source_model = create_model("hierattn_xs", 8)
    source = Checkpoint("hierattn_xs", EIGHT, ImageSpec(), randomised(source_model))
    model = create_model("hierattn_xs", 6)
    fresh = model.classifier.weight.clone()
    report = transfer_weights(model, source)
    assert sorted(report.skipped) == ["classifier.bias", "classifier.weight"]
    assert torch.equal(model.classifier.weight, fresh)
    rest = {name: value for name, value in model.state_dict().items() if not name.startswith("classifier.")}
    assert all(torch.equal(value, source.state_dict[name]) for name, value in rest.items())
    assert "ACK, BCC" in report.source


def test_as_many_classes_do_not_make_them_the_same_classes() -> None:
    report = transfer_weights(create_model("hierattn_xs", 8), randomised(create_model("hierattn_xs", 8)))
    assert "classifier.weight" in report.skipped


@pytest.mark.parametrize("name", ["mobilenet_v2", "shufflenet_v2_1x"])
def test_a_peer_takes_its_librarys_weights_but_the_classifier(name: str) -> None:
    source = randomised(create_model(name, 1000))
    model = create_model(name, 8)
    report = transfer_weights(model, source)
    assert len(report.skipped) == 2
    assert len(report.transferred) == len(source) - 2


def test_a_source_that_fits_nothing_is_refused_and_the_model_unchanged() -> None:
    model = create_model("hierattn_xs")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="nothing of the source fits HierAttn"):
        transfer_weights(model, randomised(create_model("mobilenet_v2")))
    broken = randomised(create_model("hierattn_xs"))
    broken["stem.norm.running_var"][3] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        transfer_weights(model, broken)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_load_source_tells_our_checkpoints_from_foreign_weights(mobilevit: dict[str, Tensor], tmp_path: Path) -> None:
    ours = create_model("hierattn_xs").state_dict()
    save_checkpoint(tmp_path / "ours.safetensors", Checkpoint("hierattn_xs", EIGHT, ImageSpec(), ours))
    save_file(mobilevit, tmp_path / "timm.safetensors")
    torch.save(mobilevit, tmp_path / "timm.pth")
    assert isinstance(load_source(tmp_path / "ours.safetensors"), Checkpoint)
    assert set(load_source(tmp_path / "timm.safetensors")) == set(mobilevit)  # type: ignore[arg-type]
    assert set(load_source(tmp_path / "timm.pth")) == set(mobilevit)  # type: ignore[arg-type]
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="not a whole safetensors"):
        load_source(tmp_path / "broken.safetensors")


def test_the_same_network_under_other_names_goes_over_in_order() -> None:
    source = randomised(create_model("timm:tf_efficientnet_lite0", 1000))
    renamed = {f"tensor_{place}": value for place, value in enumerate(source.values())}
    model = create_model("timm:tf_efficientnet_lite0", 3)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    report = transfer_weights(model, renamed)
    assert set(report.skipped) == {"classifier.weight", "classifier.bias"}
    for name, value in model.state_dict().items():
        assert torch.equal(value, fresh[name] if name in report.skipped else source[name]), name


def test_other_names_in_another_order_are_not_taken() -> None:
    source = randomised(create_model("timm:tf_efficientnet_lite0", 1000))
    renamed = {f"tensor_{place}": value for place, value in enumerate(reversed(source.values()))}
    with pytest.raises(CheckpointError, match="nothing of the source fits"):
        transfer_weights(create_model("timm:tf_efficientnet_lite0", 3), renamed)
