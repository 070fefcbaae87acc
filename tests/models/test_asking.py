"""Answers beside the photograph: without any the network is as it was; each answer, and none, has its own say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hierattn.image_spec import ImageSpec
from hierattn.models.asking import HEADS, AnswerCodes, AnswersHead, asking
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hierattn.models.weights.transfer import transfer_weights
from hierattn.taxonomy.built_in import PAD
from hierattn.taxonomy.questions import AGE, GREW, QUESTIONS, SITE

ASKED = (AGE, SITE, GREW)


def asked_head(kind: str) -> AnswersHead:
    torch.manual_seed(0)
    head = AnswersHead(ASKED, 6, kind=kind).eval()  # type: ignore[arg-type]
    torch.nn.init.normal_(head.classifier.weight)  # as if it were trained
    return head


@pytest.mark.parametrize("name", ["hierattn_xs", "mobilenet_v2"])
@pytest.mark.parametrize("kind", HEADS)
def test_without_answers_the_network_says_what_it_said_bit_for_bit(name: str, kind: str) -> None:
    torch.manual_seed(0)
    network = create_model(name, num_classes=6).eval()
    images = torch.rand(2, 3, 64, 64)
    before = network(images)
    model = asking(network, ASKED, 6, kind=kind).eval()
    model.head = asked_head(kind)
    assert torch.equal(model(images), before)
    assert torch.equal(model(images, torch.zeros(2, 3)), before)
    told = model(images, torch.tensor([[0.0, 0, 1], [0, 0, 0]]))
    assert not torch.equal(told[0], before[0])
    assert torch.equal(told[1], before[1])


@pytest.mark.parametrize("kind", HEADS)
def test_every_answer_and_i_do_not_know_has_a_say_of_its_own(kind: str) -> None:
    head, logits = asked_head(kind), torch.randn(1, 6)
    age = 3.7
    added = [head(logits, torch.tensor([[age, 0, code]]))[0] for code in (0.0, 1.0, 2.0)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(added[one], added[other])


@given(st.lists(st.floats(0, 30), min_size=len(QUESTIONS), max_size=len(QUESTIONS)))
def test_the_weights_of_each_question_add_up_to_one_whatever_the_code(codes: list[float]) -> None:
    weights = AnswerCodes(QUESTIONS)(torch.tensor([codes], dtype=torch.float64).float())[0]
    start = 0
    for question in QUESTIONS:
        part = weights[start : start + question.points + 1]
        assert float(part.sum()) == pytest.approx(1, abs=1e-5)
        assert int((part > 0).sum()) <= 2
        start += question.points + 1


def test_a_fixed_network_learns_nothing_and_stays_in_evaluation_mode() -> None:
    model = asking(create_model("hierattn_xs", num_classes=6), ASKED, 6, fixed=True).train()
    assert model.head.training
    assert not any(part.training for part in model.network.modules())
    model(torch.rand(2, 3, 64, 64), torch.tensor([[3.0, 2, 1]] * 2)).sum().backward()
    assert all(parameter.grad is None for parameter in model.network.parameters())
    assert model.head.classifier.bias.grad is not None


def test_a_checkpoint_brings_questions_and_head_along_and_its_network_can_be_taken_alone(tmp_path) -> None:
    torch.manual_seed(0)
    model = asking(create_model("hierattn_xs", num_classes=6), ASKED, 6, kind="gate", width=8).eval()
    torch.nn.init.normal_(model.head.classifier.weight)
    taxonomy = PAD.asking(ASKED)
    options = {"kind": "gate", "width": 8, "dropout": 0.2}
    kept = Checkpoint("hierattn_xs", taxonomy, ImageSpec(size=64), model.state_dict(), answers=options)
    save_checkpoint(tmp_path / "asked.safetensors", kept)
    back = load_checkpoint(tmp_path / "asked.safetensors")
    assert back.taxonomy.questions == ASKED
    images, answers = torch.rand(2, 3, 64, 64), torch.tensor([[3.0, 2, 1], [0, 0, 0]])
    assert torch.equal(back.build()(images, answers), model(images, answers))
    alone = create_model("hierattn_xs", num_classes=6).eval()
    transfer_weights(alone, back, classifier=True)
    assert torch.equal(alone(images), model(images))
