"""A network that also reads answers: what a doctor would ask, beside the photograph.

The paper's network stays as it is. A small head reads what the network says, and the answers, and adds to the logits.
Where nothing is answered it adds exactly nothing: the answer from the photograph alone is the network's own, bit for
bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from hierattn.models.classifier import classifier_of
from hierattn.taxonomy.questions import Question

HeadKind = Literal["concatenation", "gate"]
HEADS: tuple[HeadKind, ...] = get_args(HeadKind)


class AnswerCodes(nn.Module):
    """Codes of answers -> a row of weights, one a known answer and one for each question's "I don't know".

    (batch, questions) float -> (batch, sum of (points + 1)), each question's weights adding up to 1

    A code that is whole has the weight 1 at its place; between two, both share it in proportion, so that a number is
    interpolated. A linear layer after it gives every answer, "I don't know" among them, an embedding of its own.

    Parameters
    ----------
    questions
        In the order of the columns.

    Examples
    --------
    >>> from hierattn.taxonomy.questions import GREW
    >>> AnswerCodes([GREW])(torch.tensor([[0.0], [2.0]])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """

    column: Tensor
    place: Tensor
    last: Tensor

    def __init__(self, questions: Sequence[Question]) -> None:
        super().__init__()
        places = [(number, place) for number, each in enumerate(questions) for place in range(each.points + 1)]
        column, place = torch.tensor(places).T
        self.register_buffer("column", column.contiguous(), persistent=False)
        self.register_buffer("place", place.to(torch.float32), persistent=False)
        self.register_buffer("last", torch.tensor([float(each.points) for each in questions]), persistent=False)
        self.width, self.questions = len(places), len(questions)

    def forward(self, answers: Tensor) -> Tensor:
        """(batch, questions) -> (batch, weights)."""
        within = torch.minimum(answers.to(torch.float32).clamp_min(0), self.last)
        return (1 - (within[:, self.column] - self.place).abs()).clamp_min(0)


class AnswersHead(nn.Module):
    """What answers add to the logits.

    logits (batch, classes), answers (batch, questions) -> (batch, classes), 0 where nothing is answered

    The head sees of the photograph what the network says of it, the logarithms of its probabilities, and not the
    hundreds of features behind: with those, on some hundred photographs, it learnt them by heart (docs/lab-notes.md).

    ``concatenation``: a hidden layer over the two side by side. ``gate``: the answers weigh what is read of the
    photograph, h * sigmoid(tanh(h * W a) + V a), before the last layer (Pacheco and Krohling, "An attention-based
    mechanism to combine images and metadata in deep learning models applied to skin cancer classification", IEEE JBHI
    2021).

    Parameters
    ----------
    questions
        In the order of the columns.
    classes
        Of the network.
    kind
        One of :data:`HEADS`.
    width
        Of the hidden layer.
    dropout
        Before the last layer.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        classes: int,
        *,
        kind: HeadKind = "concatenation",
        width: int = 32,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.codes = AnswerCodes(questions)
        self.photograph = nn.Linear(classes, width, bias=False)
        self.answers = nn.Linear(self.codes.width, width)
        if kind == "gate":
            self.shift = nn.Linear(self.codes.width, width)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)
        nn.init.zeros_(self.classifier.weight)  # training starts from the photograph's own answer
        nn.init.zeros_(self.classifier.bias)

    def forward(self, logits: Tensor, answers: Tensor) -> Tensor:
        """(batch, classes), (batch, questions) -> (batch, classes)."""
        codes = self.codes(answers)
        hidden = self.photograph(torch.log_softmax(logits.to(torch.float32), dim=1))
        if self.kind == "concatenation":
            hidden = nn.functional.silu(hidden + self.answers(codes))
        else:
            hidden = hidden * torch.sigmoid(torch.tanh(hidden * self.answers(codes)) + self.shift(codes))
        added: Tensor = self.classifier(self.dropout(hidden))
        return added * (answers.amax(1, keepdim=True) > 0)


class AskingNetwork(nn.Module):
    """A network of the registry's and the head that reads answers beside it.

    images (batch, 3, H, W), answers (batch, questions) or None -> logits (batch, classes)

    Parameters
    ----------
    network
        Any of the registry's.
    head
        Its head.
    fixed
        Whether the network keeps its weights and statistics in training: it then stays in evaluation mode.
    """

    def __init__(self, network: nn.Module, head: AnswersHead, *, fixed: bool = False) -> None:
        super().__init__()
        self.network, self.head, self.fixed = network, head, fixed
        if fixed:
            network.requires_grad_(False)

    def get_classifier(self) -> nn.Linear:
        """The network's own classifier, as timm's networks name theirs."""
        return classifier_of(self.network)

    def train(self, mode: bool = True) -> AskingNetwork:
        """As every module's; a fixed network stays in evaluation mode."""
        super().train(mode)
        if self.fixed:
            self.network.eval()
        return self

    def forward(self, images: Tensor, answers: Tensor | None = None) -> Tensor:
        """Logits from the photographs and the answers; without answers from the photographs alone."""
        logits: Tensor = self.network(images)
        return logits if answers is None else logits + self.head(logits, answers)


class OnLogits(nn.Module):
    """The head on stored logits of its network: all that is trained where the network is fixed.

    logits (batch, classes), answers (batch, questions) -> logits (batch, classes)

    Parameters
    ----------
    head
        The head.
    """

    def __init__(self, head: AnswersHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, logits: Tensor, answers: Tensor) -> Tensor:
        """The logits, and what the answers add."""
        added: Tensor = self.head(logits, answers)
        return logits + added


def asking(
    network: nn.Module, questions: Sequence[Question], classes: int, *, fixed: bool = False, **options: Any
) -> AskingNetwork:
    """``network`` with a fresh head for ``questions``, drawn from torch's global generator.

    ``options`` are those of :class:`AnswersHead`: ``kind``, ``width`` and ``dropout``.

    Examples
    --------
    >>> from hierattn.models.registry import create_model
    >>> from hierattn.taxonomy.questions import AGE, GREW
    >>> model = asking(create_model("hierattn_xs", num_classes=6), [AGE, GREW], 6).eval()
    >>> model(torch.zeros(1, 3, 64, 64), torch.tensor([[3.7, 1.0]])).shape
    torch.Size([1, 6])
    """
    return AskingNetwork(network, AnswersHead(questions, classes, **options), fixed=fixed)
