"""Networks of timm by name: what is built, which pixels they expect, and what is refused in one line."""

import pytest
import timm
import torch

from hierattn.errors import UsageError
from hierattn.models.registry import check_size, create_model, expected_pixels, model_options, model_spec
from hierattn.models.timm_networks import published_at

SMALL = "timm:mobilenetv4_conv_small"


@pytest.mark.parametrize("name", [SMALL, "timm:tf_efficientnet_lite0", "timm:convnext_atto.d2_in1k"])
def test_a_network_is_timms_own_to_the_bit(name: str) -> None:
    torch.manual_seed(4)
    ours = create_model(name, 5).eval()
    torch.manual_seed(4)
    theirs = timm.create_model(name.removeprefix("timm:"), pretrained=False, num_classes=5).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))
        assert ours(image).shape == (1, 5)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite2", "mobilenetv4_conv_small", "vit_tiny_patch16_224"])
def test_size_and_pixels_are_those_of_timms_own_data_configuration(name: str) -> None:
    wanted = timm.data.resolve_model_data_config(timm.create_model(name, pretrained=False))
    assert expected_pixels(f"timm:{name}") == (wanted["mean"], wanted["std"])
    assert model_spec(f"timm:{name}").input_size == wanted["input_size"][-1]


def test_hierattn_and_its_peers_read_pixels_as_they_are() -> None:
    assert expected_pixels("hierattn_s") == expected_pixels("mobilenet_v2") == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:mobilenetv4_conv_smal", r"did you mean .*timm:mobilenetv4_conv_small"),
        ("timm:", r"timm has no network ''"),
        ("timm:deit_tiny_distilled_patch16_224", "has no classifier or several"),
    ],
)
def test_what_cannot_be_a_classifier_here_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        create_model(name)
    assert "\n" not in str(caught.value)


def test_options_are_timms_own_and_others_are_refused() -> None:
    assert model_options(SMALL) == ("drop_rate", "drop_path_rate")  # it reads any size, and timm refuses to be told one
    assert model_options("timm:vit_tiny_patch16_224") == ("drop_rate", "drop_path_rate", "img_size")
    assert create_model("timm:tf_efficientnet_lite0", drop_rate=0.3).drop_rate == 0.3
    with pytest.raises(UsageError, match="unknown option 'attention' for timm:mobilenetv4_conv_small"):
        create_model(SMALL, attention="se")
    with pytest.raises(UsageError, match="unknown option 'img_size' for timm:resnet18"):
        create_model("timm:resnet18", img_size=64)


def test_a_network_of_fixed_size_asks_for_the_sets_size() -> None:
    name = "timm:vit_tiny_patch16_224"
    with pytest.raises(UsageError, match=r"224 pixels, the set has 64: set model\.options\.img_size=64"):
        check_size(name, {}, 64)
    check_size(name, {"img_size": 64}, 64)
    check_size(SMALL, {}, 64)
    with torch.no_grad():
        assert create_model(name, 3, img_size=64).eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)


def test_published_weights_have_timms_own_address() -> None:
    assert published_at(SMALL)[0] == (
        "https://huggingface.co/timm/mobilenetv4_conv_small.e2400_r224_in1k/resolve/main/model.safetensors"
    )
