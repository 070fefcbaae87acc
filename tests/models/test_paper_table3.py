"""Table 3 of the paper, row by row, and every tensor's counterpart in the published checkpoints."""

import json

import pytest
import torch
from tests.conftest import SHARED

from hierattn.models.hierattn import HierAttn
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import count_parameters

LAYOUT = SHARED / "paper" / "authors_checkpoint_layout.json"

# Side and channels after each row, as printed: (side, XS, S). "8x8" of branch attention is 6x6 by §3.3.3.
TABLE_3 = [
    ("stem", 128, 16, 16),
    ("early.0", 128, 16, 32),
    ("early.1", 64, 24, 48),
    ("early.3", 64, 24, 48),
    ("stages.0.down", 32, 48, 64),
    ("stages.0.cth", 32, 48, 64),
    ("stages.1.down", 16, 64, 80),
    ("stages.1.cth", 16, 64, 80),
    ("stages.2.down", 8, 80, 96),
    ("stages.2.cth", 8, 80, 96),
    ("branch", 6, 192, 240),
    ("head_conv", 6, 768, 960),
]


@pytest.mark.parametrize(("name", "column"), [("hierattn_xs", 0), ("hierattn_s", 1)])
def test_sizes_and_channels_row_by_row(name: str, column: int) -> None:
    model = create_model(name).eval()
    seen: dict[str, torch.Size] = {}
    for path, module in model.named_modules():
        module.register_forward_hook(
            lambda _m, _i, output, path=path: seen.update({path: getattr(output, "shape", None)})
        )
    with torch.no_grad():
        logits = model(torch.rand(1, 3, 256, 256))
    for path, side, *channels in TABLE_3:
        assert seen[path] == (1, channels[column], side, side), path
    assert logits.shape == (1, 8)


@pytest.mark.parametrize(("name", "dims"), [("hierattn_xs", (64, 80, 96)), ("hierattn_s", (96, 120, 144))])
def test_transformer_widths_and_depths(name: str, dims: tuple[int, ...]) -> None:
    with torch.device("meta"):
        model = create_model(name)
    assert isinstance(model, HierAttn)
    transformers = [stage.cth.transformer for stage in model.stages]
    assert tuple(transformer.norm.weight.numel() for transformer in transformers) == dims
    assert [len(transformer.layers) for transformer in transformers] == [2, 4, 3]
    assert all(layer.attention.heads == 4 for transformer in transformers for layer in transformer.layers)
    assert all(stage.cth.patch == 2 for stage in model.stages)


@pytest.mark.parametrize(
    ("name", "options", "parameters", "printed"),
    [
        ("hierattn_xs", {}, 1_079_928, "1.08"),
        ("hierattn_s", {}, 2_135_224, "2.14"),
        ("hierattn_m", {}, 5_439_144, "5.44"),
        ("hierattn_s", {"attention": "none"}, 2_135_224, "2.14"),
        ("hierattn_s", {"attention": "se"}, 2_174_028, "2.17"),
    ],
)
def test_parameters_at_eight_classes_are_exact_and_round_to_the_paper(
    name: str, options: dict[str, str], parameters: int, printed: str
) -> None:
    with torch.device("meta"):
        count = count_parameters(create_model(name, 8, **options))
    assert count == parameters
    assert f"{count / 1e6:.2f}" == printed


@pytest.mark.skipif(not LAYOUT.exists(), reason="the published checkpoints' layout is not beside this repository")
@pytest.mark.parametrize("name", ["hierattn_xs", "hierattn_s", "hierattn_m"])
def test_every_tensor_has_its_counterpart_in_the_published_checkpoint_in_order(name: str) -> None:
    from hierattn.models.weights.foreign_names import AUTHORS

    layout = json.loads(LAYOUT.read_text())[name]
    with torch.device("meta"):
        ours = create_model(name).state_dict()
    assert list(AUTHORS.translate(layout)) == list(ours)
    assert list(AUTHORS.translate(layout).values()) == list(layout)
    assert [list(value.shape) for value in ours.values()] == list(layout.values())
