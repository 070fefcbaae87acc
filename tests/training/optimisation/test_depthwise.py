"""Quick gradients against autograd's own, in float64, for kernels, strides, paddings and sizes that fit badly."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from hierattn.models.registry import create_model
from hierattn.training.optimisation.depthwise import input_gradient, quick_depthwise, weight_gradient


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    list(product((3, 5), (1, 2), (0, 1, 2), ((9, 9), (8, 11), (6, 5)))),
)
def test_gradients_are_autograds_own(kernel, stride, padding, size):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, *size, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64, generator=generator).requires_grad_()
    out = F.conv2d(x, weight, None, stride, padding, groups=4)
    gradient = torch.randn(out.shape, dtype=torch.float64, generator=generator)
    wanted = torch.autograd.grad(out, (x, weight), gradient)
    where = (x.detach(), weight.detach(), (stride, stride), (padding, padding))
    torch.testing.assert_close(input_gradient(gradient, *where), wanted[0])
    torch.testing.assert_close(weight_gradient(gradient, *where), wanted[1])


@pytest.mark.parametrize("name", ["hierattn_xs", "timm:tf_efficientnet_lite0"])  # timm pads by itself
def test_a_network_in_bfloat16_gets_the_gradients_that_it_got(name):
    torch.manual_seed(0)
    model = create_model(name, num_classes=3).eval().to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 64, 64)

    def gradients(quick: bool, half: bool = True) -> dict[str, torch.Tensor]:
        model.zero_grad()
        calls = quick_depthwise(torch.device("cpu"), compiled=not quick)
        with calls, torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(images)
        logits.float().square().sum().backward()
        return {part: value.grad for part, value in model.named_parameters() if value.grad is not None}

    exact, before, now = gradients(False, half=False), gradients(False), gradients(True)

    def distance(found: dict[str, torch.Tensor]) -> float:
        squares = sum((found[part] - exact[part]).square().sum() for part in exact)
        return float(squares / sum(value.square().sum() for value in exact.values())) ** 0.5

    assert distance(now) < 1.1 * distance(before)


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "replaced"), [(3, 2, 4, True), (5, 1, 4, True), (3, 1, 4, False), (3, 2, 1, False)]
)
def test_only_depthwise_calls_with_slow_gradients_are_replaced(kernel, stride, groups, replaced):
    conv = torch.nn.Conv2d(4, 4, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    with quick_depthwise(torch.device("cpu")), torch.autocast("cpu", torch.bfloat16):
        out = conv(torch.rand(1, 4, 8, 8))
    assert (out.grad_fn.name() == "_DepthwiseBackward") == replaced


def test_float32_is_left_to_torch_bit_for_bit():
    conv, x = torch.nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4), torch.rand(1, 4, 8, 8)
    wanted = torch.autograd.grad(conv(x).sum(), conv.weight)[0]
    with quick_depthwise(torch.device("cpu")):
        found = torch.autograd.grad(conv(x).sum(), conv.weight)[0]
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("frozen", ["input", "weight"])
def test_a_gradient_that_nobody_asks_for_is_not_computed(frozen, monkeypatch):
    asked = []
    for name, compute in (("input", input_gradient), ("weight", weight_gradient)):
        monkeypatch.setattr(
            f"hierattn.training.optimisation.depthwise.{name}_gradient",
            lambda *given, name=name, compute=compute: asked.append(name) or compute(*given),
        )
    conv = torch.nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False).requires_grad_(frozen != "weight")
    x = torch.rand(1, 4, 8, 8, requires_grad=frozen != "input")
    with quick_depthwise(torch.device("cpu")), torch.autocast("cpu", torch.bfloat16):
        out = conv(x)
    out.float().sum().backward()
    assert {*asked, frozen} == {"input", "weight"}
    assert frozen not in asked
