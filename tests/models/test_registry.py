"""The registry: what it lists, builds and refuses."""

import pytest

from hierattn import create_model, list_models
from hierattn.errors import UsageError
from hierattn.models.registry import SPECS, model_options, model_spec

NAMES = [
    *("hierattn_xs", "hierattn_s", "hierattn_m"),
    *("mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_1x", "mnasnet1_0", "efficientnet_b0"),
    *("mobilevit_s", "mobilevit_xs", "mobilevit_xxs", "mobilenet_v4_conv_small"),
]


def test_the_list_is_complete_and_hierattn_comes_first() -> None:
    assert list_models() == NAMES
    assert [spec.name for spec in SPECS.values()] == NAMES


def test_every_model_reads_256_pixels_in_the_paper() -> None:
    assert {spec.input_size for spec in SPECS.values()} == {256}


def test_an_unknown_model_is_refused_with_the_list_and_a_guess() -> None:
    with pytest.raises(UsageError, match=r"wanted one of hierattn_xs, .*did you mean hierattn_xs"):
        create_model("hieratn_xs")


def test_an_unknown_option_is_refused_with_the_options() -> None:
    with pytest.raises(UsageError, match=r"unknown option 'atention' for hierattn_s: wanted .*attention"):
        create_model("hierattn_s", atention="se")
    with pytest.raises(UsageError, match="it takes none"):
        create_model("mobilenet_v2", attention="se")


def test_no_class_is_refused() -> None:
    with pytest.raises(UsageError, match="0 classes: wanted at least 1"):
        create_model("hierattn_xs", 0)


def test_options_are_the_configs_fields() -> None:
    assert {"attention", "cth_skip", "stochastic_depth", "branch_attention", "branch_pools", "permute_pixels"} <= set(
        model_options("hierattn_m")
    )
    assert model_options("efficientnet_b0") == ()


def test_the_papers_numbers_stand_beside_the_names() -> None:
    assert model_spec("hierattn_s").title == "HierAttn_s"
    assert model_spec("hierattn_s").paper_parameters == 2.14
    assert model_spec("mobilevit_xxs").paper_parameters is None
