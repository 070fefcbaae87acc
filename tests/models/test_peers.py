"""The peers against Table 1 and against their libraries' own counts."""

import pytest
import torch
from torch import nn

from hierattn.models.peers import PEERS
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import count_parameters

# Table 1, millions. ShuffleNetV2's 2.28 M is the network with 1000 classes; with 8 it has 1.26 M.
TABLE_1 = [
    ("mobilenet_v2", 8, "2.23"),
    ("mobilevit_s", 8, "4.94"),
    ("mobilenet_v3_large", 8, "4.21"),
    ("shufflenet_v2_1x", 1000, "2.28"),
    ("mnasnet1_0", 8, "3.11"),
    ("efficientnet_b0", 8, "4.02"),
]


@pytest.mark.parametrize(("name", "classes", "printed"), TABLE_1)
def test_parameters_round_to_table_1(name: str, classes: int, printed: str) -> None:
    with torch.device("meta"):
        assert f"{count_parameters(create_model(name, classes)) / 1e6:.2f}" == printed
    assert PEERS[name].paper_parameters == float(printed)


def test_shufflenets_table_1_figure_is_its_imagenet_head() -> None:
    with torch.device("meta"):
        eight, thousand = (count_parameters(create_model("shufflenet_v2_1x", classes)) for classes in (8, 1000))
    assert f"{eight / 1e6:.2f}" == "1.26"
    assert thousand - eight == (1000 - 8) * (1024 + 1)


@pytest.mark.parametrize("name", PEERS)
def test_the_named_classifier_is_the_last_layer_and_gives_the_classes(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, 5)
    last = list(model.state_dict())[-1]
    assert last == f"{PEERS[name].classifier}.bias"
    assert model.state_dict()[last].shape == (5,)


def test_a_peer_is_its_librarys_network_to_the_bit() -> None:
    from torchvision.models import mobilenet_v3_large

    torch.manual_seed(4)
    ours = create_model("mobilenet_v3_large", 8).eval()
    torch.manual_seed(4)
    theirs = mobilenet_v3_large(num_classes=8).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", sorted(PEERS))
def test_running_statistics_follow_a_short_run(name: str) -> None:
    """What the network says in evaluation must be what it learnt, after tens of steps and not only after thousands."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=3).train()
    images = 3 + 2 * torch.rand(4, 3, 32, 32)
    first = next(part for part in model.modules() if isinstance(part, nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    handle = first.register_forward_pre_hook(lambda _norm, inputs: seen.append(inputs[0].mean(dim=(0, 2, 3))))
    with torch.no_grad():
        for _ in range(60):
            model(images)
    handle.remove()
    assert first.running_mean is not None
    torch.testing.assert_close(first.running_mean, seen[-1].detach(), rtol=0.05, atol=0.01)
