"""One suite for every registered model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hierattn.image_spec import ImageSpec
from hierattn.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hierattn.models.registry import create_model, list_models

MODELS = list_models()
CLASSES = 5


def _fresh(name: str) -> nn.Module:
    torch.manual_seed(0)
    return create_model(name, num_classes=CLASSES)


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    model = _fresh(name).train()
    loss = F.cross_entropy(model(torch.rand(3, 3, 64, 64)), torch.tensor([0, 2, 4]))
    loss.backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path
    # Not merely present: a head cut off from its body would leave zeros behind.
    assert all(parameter.grad.abs().sum() > 0 for parameter in list(model.parameters())[:1])


@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_training_lowers_the_loss(name: str) -> None:
    model = _fresh(name).train()
    for part in model.modules():  # the same function before and after: no draws
        if isinstance(part, nn.Dropout) or hasattr(part, "drop_prob") or type(part).__name__ == "StochasticDepth":
            part.eval()
    images, labels = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])
    loss = F.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    length = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter -= 0.01 * gradient / length
        assert F.cross_entropy(model(images), labels) < loss


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_brings_every_bit_back(name: str, tmp_path: Path) -> None:
    model = _fresh(name)
    model.train()(torch.rand(2, 3, 64, 64))  # moves the running statistics from their start
    model.eval()
    classes = tuple(f"C{index}" for index in range(CLASSES))
    save_checkpoint(tmp_path / "model.safetensors", Checkpoint(name, classes, ImageSpec(), model.state_dict()))
    again = load_checkpoint(tmp_path / "model.safetensors").build()
    assert list(again.state_dict()) == list(model.state_dict())
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in again.state_dict().items())
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_is_deterministic_and_blind_to_the_rest_of_the_batch(name: str) -> None:
    model, x = _fresh(name).eval(), torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together = model(x)
        assert torch.equal(model(x), together)
        alone = torch.cat([model(image[None]) for image in x])
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_training_moves_the_running_statistics_and_evaluation_does_not(name: str) -> None:
    model = _fresh(name)
    buffers = {key: value.clone() for key, value in model.named_buffers()}
    with torch.no_grad():
        model.eval()(torch.rand(2, 3, 64, 64))
        assert all(torch.equal(value, buffers[key]) for key, value in model.named_buffers())
        model.train()(torch.rand(2, 3, 64, 64))
    assert not all(torch.equal(value, buffers[key]) for key, value in model.named_buffers())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(65, 79), (97, 64)])
def test_odd_sizes_and_single_images(name: str, size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = _fresh(name).eval()(torch.rand(1, 3, *size))
    assert logits.shape == (1, CLASSES)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", MODELS)
def test_channels_last_gives_the_same_logits(name: str) -> None:
    model, x = _fresh(name).eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        wanted = model(x)
        model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(model(x.to(memory_format=torch.channels_last)), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_stays_near_float32(name: str) -> None:
    model, x = _fresh(name).eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        wanted = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(x)
        half = model.to(torch.bfloat16)(x.to(torch.bfloat16))
    scale = wanted.abs().max() + 0.05
    assert (mixed.float() - wanted).abs().max() < 0.1 * scale
    assert half.dtype == torch.bfloat16
    assert torch.isfinite(half).all()


@pytest.mark.parametrize("name", MODELS)
def test_export_is_clean_and_equal(name: str) -> None:
    model, x = _fresh(name).eval(), torch.rand(2, 3, 64, 64)
    program = torch.export.export(model, (x,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), model(x), atol=1e-5, rtol=1e-4)
    assert not any("randperm" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("hierattn")])
@pytest.mark.parametrize("training", [True, False])
def test_the_compiler_meets_no_graph_break(name: str, training: bool) -> None:
    torch.compiler.reset()
    model, x = _fresh(name).train(training), torch.rand(2, 3, 64, 64)
    # The "eager" back end runs what was captured as it is: this tests the capture, without minutes of C++.
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.manual_seed(3)
    wanted = model(x)
    torch.manual_seed(3)
    torch.testing.assert_close(compiled(x), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_but_tensors_is_in_the_state(name: str) -> None:
    with torch.device("meta"):
        state = create_model(name).state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert not any("pool" in key for key in state)


def test_labels_of_one_batch_reach_numpy() -> None:
    with torch.no_grad():
        logits = _fresh("hierattn_xs").eval()(torch.rand(2, 3, 64, 64)).numpy()
    assert logits.dtype == np.float32
