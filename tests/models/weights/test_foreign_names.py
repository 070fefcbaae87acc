"""The names of foreign weights against those of the libraries themselves."""

import pytest
import torch
from tiny_runs import randomised
from torch import Tensor
from torch.nn import functional as F

from hierattn.models.registry import create_model
from hierattn.models.weights.foreign_names import CVNETS_MOBILEVIT, FOREIGN_LAYOUTS, TIMM_MOBILEVIT, recognise
from hierattn.models.weights.transfer import transfer_weights


@pytest.fixture(scope="module")
def mobilevit() -> dict[str, Tensor]:
    return randomised(create_model("mobilevit_xxs", 1000))


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


def test_each_layout_is_recognised_by_its_own_names_and_ours_by_none(mobilevit: dict[str, Tensor]) -> None:
    assert recognise(mobilevit) is TIMM_MOBILEVIT
    assert recognise(create_model("hierattn_xs").state_dict()) is None
    assert recognise(create_model("mobilenet_v2").state_dict()) is None
    for layout in FOREIGN_LAYOUTS:
        assert recognise([layout.mark]) is layout
        module = layout.mark.rpartition(".")[0]
        assert module in layout.modules()
