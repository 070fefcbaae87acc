"""The registry: what it lists, builds and refuses; and one suite for every registered model."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import SPECS, create_model, list_models, model_options, model_spec
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from hierattn.taxonomy.from_labels import from_labels
from hierattn.training.optimisation.averaging import WeightAverage

NAMES = [
    *("hierattn_xs", "hierattn_s", "hierattn_m"),
    *("mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_1x", "mnasnet1_0", "efficientnet_b0"),
    *("mobilevit_s", "mobilevit_xs", "mobilevit_xxs", "mobilenet_v4_conv_small"),
]
MODELS = list_models()
CLASSES = 5
OF_ITS_CODE = [name for name in MODELS if name not in ("hierattn_s", "hierattn_m", "mobilevit_xs", "mobilevit_xxs")]
"""One of each class of network: others of it differ in numbers alone, and have the same operations to be captured."""


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


@pytest.fixture(scope="module", params=MODELS)
def named(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    """Each model once: building is dearer than one small image. Every test sets the mode that it needs."""
    torch.manual_seed(0)
    return request.param, create_model(request.param, num_classes=CLASSES)


@pytest.fixture
def model(named: tuple[str, nn.Module]) -> nn.Module:
    return named[1]


def _images(count: int, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_every_parameter_gets_a_finite_gradient(model: nn.Module) -> None:
    model.train().zero_grad()
    F.cross_entropy(model(_images(3)), torch.tensor([0, 2, 4])).backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path
    # Not merely there: a head cut off from its body would leave zeros behind.
    first = next(model.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


def test_one_step_down_the_gradient_lowers_the_loss(named: tuple[str, nn.Module]) -> None:
    model = copy.deepcopy(named[1]).train()
    for part in model.modules():  # the same function before and after: no draws
        if isinstance(part, nn.Dropout) or type(part).__name__ in ("StochasticDepth", "DropPath"):
            part.eval()
    images, labels = _images(4), torch.tensor([0, 1, 2, 3])
    loss = F.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    length = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter -= 0.01 * gradient / length
        assert F.cross_entropy(model(images), labels) < loss


def test_a_checkpoint_brings_every_bit_back(named: tuple[str, nn.Module], tmp_path: Path) -> None:
    name, model = named
    with torch.no_grad():
        model.train()(_images(2))  # moves the running statistics from their start
    taxonomy = from_labels(f"class {index}" for index in range(CLASSES))
    save_checkpoint(tmp_path / "model.safetensors", Checkpoint(name, taxonomy, ImageSpec(), model.state_dict()))
    again = load_checkpoint(tmp_path / "model.safetensors").build()
    assert list(again.state_dict()) == list(model.state_dict())
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in again.state_dict().items())
    with torch.no_grad():
        assert torch.equal(again(_images(2)), model.eval()(_images(2)))


def test_evaluation_repeats_itself_and_is_blind_to_the_rest_of_the_batch(model: nn.Module) -> None:
    model.eval()
    with torch.no_grad():
        together = model(_images(3))
        assert torch.equal(model(_images(3)), together)
        alone = torch.cat([model(image[None]) for image in _images(3)])
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-3)


def test_training_moves_the_running_statistics_and_evaluation_does_not(model: nn.Module) -> None:
    before = {key: value.clone() for key, value in model.named_buffers()}
    with torch.no_grad():
        model.eval()(_images(2))
        assert all(torch.equal(value, before[key]) for key, value in model.named_buffers())
        model.train()(_images(2))
    assert not all(torch.equal(value, before[key]) for key, value in model.named_buffers())


def test_one_image_of_odd_size_gives_logits(model: nn.Module) -> None:
    with torch.no_grad():
        logits = model.eval()(_images(1, 65, 79))
    assert logits.shape == (1, CLASSES)
    assert torch.isfinite(logits).all()


def test_a_batch_of_one_image_trains(named: tuple[str, nn.Module]) -> None:
    least = 2 if named[0] == "mobilenet_v4_conv_small" else 1  # it normalises after the pool, where one value is left
    model = copy.deepcopy(named[1]).train()
    model(_images(least)).square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)
    assert next(model.parameters()).grad is not None


def test_channels_last_gives_the_same_logits(model: nn.Module) -> None:
    with torch.no_grad():
        wanted = model.eval()(_images(2))
        other = copy.deepcopy(model).to(memory_format=torch.channels_last)
        got = other(_images(2).to(memory_format=torch.channels_last))
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-3)


def test_bfloat16_stays_near_float32(model: nn.Module) -> None:
    with torch.no_grad():
        wanted = model.eval()(_images(2))
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(_images(2))
        half = copy.deepcopy(model).to(torch.bfloat16)(_images(2).to(torch.bfloat16))
    assert (mixed.float() - wanted).abs().max() < 0.1 * (wanted.abs().max() + 0.05)
    assert half.dtype == torch.bfloat16
    assert torch.isfinite(half).all()


@pytest.mark.parametrize("named", OF_ITS_CODE, indirect=True, scope="module")
def test_export_is_clean_and_equal(model: nn.Module) -> None:
    x = _images(1)
    program = torch.export.export(model.eval(), (x,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), model(x), atol=1e-4, rtol=1e-3)
    assert not any("randperm" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("named", OF_ITS_CODE, indirect=True, scope="module")
def test_the_compiler_meets_no_graph_break_in_training(named: tuple[str, nn.Module]) -> None:
    # Evaluation needs no test of its own: torch.export, above, captures it and is stricter.
    torch.compiler.reset()
    model = copy.deepcopy(named[1]).train()
    # The "eager" back end runs what was captured as it is: this tests the capture, without minutes of C++.
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="eager")
    torch.manual_seed(3)
    wanted = model(_images(2))
    torch.manual_seed(3)
    torch.testing.assert_close(compiled(_images(2)), wanted, atol=1e-4, rtol=1e-3)


def test_no_constant_of_the_pooling_is_in_the_state(model: nn.Module) -> None:
    learnt = {name for name, _ in model.named_parameters()}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert all(name in learnt or name.endswith(statistics) for name in model.state_dict())


def test_averaged_weights_go_into_the_model_and_out_again(model: nn.Module) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    average = WeightAverage(model, 0.9)
    for value in average.tensors.values():
        value.add_(1)
    load_weights(model, average.tensors)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] + 1), name
    load_weights(model, before)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
