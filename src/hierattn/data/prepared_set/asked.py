"""The answers that a manifest holds: which questions it can answer, and a row of numbers an image for the network.

What the questions are, and their codes, is :mod:`hierattn.taxonomy.questions`' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hierattn.data.prepared_set.manifest import Record
from hierattn.taxonomy.questions import QUESTIONS, Question


def answerable(records: Sequence[Record], fewest: int = 1) -> tuple[Question, ...]:
    """The questions that these photographs' columns answer, each with the values that occur ``fewest`` times or more.

    A choice of which fewer than two values occur answers nothing.
    """
    questions = []
    for question in QUESTIONS:
        counts = Counter(answer_of(record, question) for record in records)
        del counts[""]
        if question.is_choice:
            kept = [value for value, count in counts.items() if count >= fewest]
            if len(kept) > 1:
                questions.append(question.only(kept))
        elif counts.total() >= fewest and counts:
            questions.append(question)
    return tuple(questions)


def answer_of(record: Record, question: Question) -> str:
    """The allowed value in a record's column; empty where it is unknown or no such value."""
    return question.value_of(getattr(record, question.name)) or ""


def codes_of(records: Sequence[Record], questions: Sequence[Question]) -> np.ndarray:
    """The network's input: float32 (images, questions), 0 where an answer is unknown."""
    rows = [[question.code(answer_of(record, question)) for question in questions] for record in records]
    return np.array(rows, np.float32).reshape(len(records), len(questions))
