"""HierAttn in timm's registry: what timm's own suite (its tests/test_models.py) asks of every network, and our bits."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.data import create_transform, resolve_data_config
from torch import nn

import hierattn.timm  # noqa: F401  registers
from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import VARIANTS, create_model

NAMES = list(VARIANTS)
XS = "hierattn_xs"


def images(side: int = 64, channels: int = 3, count: int = 2) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_weights_give_the_same_bits_as_ours(name: str) -> None:
    torch.manual_seed(0)
    ours = create_model(name, num_classes=6)
    theirs = timm.create_model(name, num_classes=6)
    theirs.load_state_dict(ours.state_dict())  # strict: the names are the same
    for mode in (True, False):
        torch.manual_seed(1)
        wanted = ours.train(mode)(images())
        torch.manual_seed(1)
        assert torch.equal(theirs.train(mode)(images()), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_description_tells_the_truth(name: str) -> None:
    model = timm.create_model(name).eval()
    description, names = model.default_cfg, model.state_dict()
    assert f"{description['classifier']}.weight" in names
    assert f"{description['first_conv']}.weight" in names
    with torch.no_grad():
        inputs = torch.rand(1, *description["input_size"])
        features = model.forward_features(inputs)
        assert features.shape == (1, model.num_features, *description["pool_size"])
        assert torch.equal(model.forward_head(features), model(inputs))
        pooled = model.forward_head(features, pre_logits=True)
        assert pooled.shape == (1, model.head_hidden_size)
        model.reset_classifier(0)
        assert model.num_classes == 0
        assert torch.equal(model(inputs), pooled)
        assert timm.create_model(name, num_classes=0).eval()(inputs).shape == pooled.shape
        model.reset_classifier(0, "")
        assert torch.equal(model(inputs), features)
        model.reset_classifier(5, "avg")
        assert model.get_classifier().out_features == model.num_classes == model(inputs).shape[1] == 5


def test_a_backward_pass_reaches_every_parameter() -> None:
    model = timm.create_model(XS, num_classes=42).train()
    model(images(96)).mean().backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("name", NAMES)
def test_features_only_gives_five_levels_of_the_promised_shapes(name: str) -> None:
    model = timm.create_model(name, features_only=True).eval()
    with torch.no_grad():
        outputs = model(images(96))
    assert [tuple(output.shape) for output in outputs] == [
        (2, channels, 96 // reduction, 96 // reduction)
        for channels, reduction in zip(model.feature_info.channels(), model.feature_info.reduction(), strict=True)
    ]


@pytest.mark.parametrize("wanted", [(0,), (1, 3), (-1,), (2, 4)])
def test_chosen_levels_are_those_of_the_whole_network_and_nothing_else_is_kept(wanted: tuple[int, ...]) -> None:
    whole = timm.create_model(XS).eval()
    part = timm.create_model(XS, features_only=True, out_indices=wanted)
    part.model.load_state_dict({name: whole.state_dict()[name] for name in part.model.state_dict()})
    modules = dict(whole.named_modules())
    seen: dict[str, torch.Tensor] = {}
    for info in whole.feature_info:
        modules[info["module"]].register_forward_hook(
            lambda _module, _inputs, output, name=info["module"]: seen.__setitem__(name, output)
        )
    with torch.no_grad():
        last, all_levels = whole.forward_intermediates(images())
        assert torch.equal(last, whole.forward_features(images()))
        chosen = part.eval()(images())
        early = whole.forward_intermediates(images(), list(wanted), stop_early=True, intermediates_only=True)
    for index, output, again in zip(wanted, chosen, early, strict=True):
        assert torch.equal(output, all_levels[index])
        assert torch.equal(output, again)
        assert torch.equal(output, seen[whole.feature_info[index]["module"]])
    part.train()
    sum(output.mean() for output in part(images())).backward()
    assert not [name for name, parameter in part.named_parameters() if parameter.grad is None]


def test_timms_names_of_options_reach_our_configuration() -> None:
    model = timm.create_model(XS, drop_rate=0.3, drop_path_rate=0.0, in_chans=1, attention="se", num_classes=3)
    config = model.config
    assert (config.head_dropout, config.stochastic_depth, config.in_channels, config.attention) == (0.3, 0.0, 1, "se")
    assert model.eval()(images(channels=1)).shape == (2, 3)
    with pytest.raises(UsageError, match="unknown option 'img_size'"):
        timm.create_model(XS, img_size=64)
    with pytest.raises(UsageError, match="wanted 'avg'"):
        timm.create_model(XS, global_pool="max")


def test_timms_transform_resizes_as_the_paper_does() -> None:
    rng = torch.Generator().manual_seed(0)
    photo = torch.randint(0, 256, (90, 140, 3), dtype=torch.uint8, generator=rng).numpy()
    from PIL import Image

    config = resolve_data_config({}, model=timm.create_model(XS))
    ours = ImageSpec().scale(ImageSpec().resize(photo)[None])[0]
    assert abs(create_transform(**config)(Image.fromarray(photo)).numpy() - ours).max() < 1e-6


def test_a_folder_in_the_hubs_form_loads_by_timm_alone(tmp_path) -> None:
    from timm.models import save_for_hf

    model = timm.create_model(XS, num_classes=4)
    with torch.no_grad():
        model.train()(images())
    save_for_hf(model, tmp_path, safe_serialization=True)
    again = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert torch.equal(again.eval()(images()), model.eval()(images()))


def test_weights_that_nobody_published_are_refused_and_not_invented() -> None:
    with pytest.raises((RuntimeError, ValueError), match="pretrained"):
        timm.create_model(XS, pretrained=True)


def test_registering_takes_no_name_of_timms_and_ours_are_in_its_list() -> None:
    # A name taken twice would have warned at the import, and warnings are errors here.
    assert timm.list_models(module="timm") == sorted(NAMES)
    assert set(NAMES) <= set(timm.list_models())


def test_the_exporter_takes_the_features_too() -> None:
    model = timm.create_model(XS, features_only=True, out_indices=(1, 2)).eval()
    program = torch.export.export(model, (images(),))
    for got, wanted in zip(program.module()(images()), model(images()), strict=True):
        torch.testing.assert_close(got, wanted)


def test_no_classes_leaves_no_classifier() -> None:
    model = timm.create_model(XS, num_classes=0)
    assert isinstance(model.get_classifier(), nn.Identity)
    assert not [name for name in model.state_dict() if name.startswith("classifier")]
