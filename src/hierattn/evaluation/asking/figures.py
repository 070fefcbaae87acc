"""Three figures that always stand together: the photograph alone, the answers alone, both; and what a question does.

"Answers alone" is a logistic regression on the training part's answers. Where it is good, the answers may say less of
the lesion than of who was asked: so all three are also split by whether the lesion was biopsied, which follows the
doctor's suspicion, and each question says how often it is answered of either.

**The rule of the advice.** Answers never lower the advice below what the photograph alone gives: the risk that meets
the threshold is the larger of both. What the answers would do without the rule is measured beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hierattn import metrics
from hierattn.evaluation.asking.answered import Answered
from hierattn.evaluation.measures.calibration import Calibration, advice_shares, calibrate, fit_temperature
from hierattn.evaluation.measures.classification import Classification
from hierattn.evaluation.measures.intervals import Estimate, bootstrap, share_interval
from hierattn.evaluation.measures.paired_tests import PairedDifference, compare_balanced_accuracy
from hierattn.evaluation.predictions import Predictions, rows_of
from hierattn.evaluation.records import defined
from hierattn.models.asking import AnswerCodes
from hierattn.taxonomy.questions import Question

MISSING = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the known answers that are hidden."""
_SAID = ("yes", "no")


@dataclass(frozen=True)
class Three:
    """Balanced accuracy, and the expected calibration error, of the three with a share of the answers hidden.

    ``gain`` is both less the photograph alone, paired by group.
    """

    missing: float
    photograph: Estimate
    answers: Estimate
    both: Estimate
    gain: PairedDifference
    macro_auc_photograph: Estimate
    macro_auc_both: Estimate
    ece_photograph: float | None
    ece_both: float | None


@dataclass(frozen=True)
class OfBiopsy:
    """The three among lesions that were biopsied, or were not."""

    biopsied: str
    images: int
    classes: int
    photograph: Estimate
    answers: Estimate
    both: Estimate


@dataclass(frozen=True)
class OfQuestion:
    """What one question adds to all others, and does to the advice.

    Attributes
    ----------
    name
        Of the question.
    known, known_biopsied, known_not_biopsied
        Shares of the photographs of which it is answered; None without any such photograph. Where the last two differ
        much, that it is answered tells what the doctor suspected.
    gain
        All answers less all but this one, paired by group.
    raised, lowered
        Shares of the photographs whose advice this answer turns from waiting to a doctor, and back, without the rule;
        None without a threshold.
    """

    name: str
    known: float
    known_biopsied: float | None
    known_not_biopsied: float | None
    gain: PairedDifference
    raised: float | None
    lowered: float | None


@dataclass(frozen=True)
class Advice:
    """Sensitivity and specificity of the advice at the photograph's own threshold."""

    by: str
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class AnswersFigures:
    """All of it.

    Attributes
    ----------
    questions
        Names, in the order of the input.
    temperature
        Of the logits where something is answered, fitted on the inner fold.
    missing
        A row for each of :data:`MISSING`.
    by_biopsy
        Empty where the set does not say.
    asked
        A row a question.
    advice
        The photograph alone, both, and both under the rule; empty without a threshold.
    """

    questions: tuple[str, ...]
    temperature: float
    missing: tuple[Three, ...]
    by_biopsy: tuple[OfBiopsy, ...]
    asked: tuple[OfQuestion, ...]
    advice: tuple[Advice, ...]


def fit_answers_temperature(validation: Answered, seed: int = 0) -> float:
    """The temperature of logits that answers were added to: on the inner fold, with any share of them hidden."""
    parts = [validation.told(codes, rows) for rows, codes in (validation.hidden(share, seed) for share in MISSING[:-1])]
    probabilities = np.concatenate([part.probabilities for part in parts])
    return fit_temperature(np.concatenate([part.labels for part in parts]), probabilities)


class AnswersAlone:
    """Probabilities from answers alone: a logistic regression, every class weighing the same.

    Parameters
    ----------
    questions
        In the order of the codes.
    codes, labels
        Of the training part: (N, questions), and class numbers (N,).
    classes
        How many there are.
    """

    def __init__(self, questions: Sequence[Question], codes: np.ndarray, labels: np.ndarray, classes: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self._layer, self._classes = AnswerCodes(questions), classes
        self._model = LogisticRegression(max_iter=5000, class_weight="balanced").fit(self._read(codes), labels)

    def _read(self, codes: np.ndarray) -> np.ndarray:
        values: np.ndarray = self._layer(torch.from_numpy(codes)).numpy()
        return values

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """(N, questions) -> (N, classes)."""
        result = np.zeros((len(codes), self._classes))
        result[:, self._model.classes_] = self._model.predict_proba(self._read(codes))
        return result


def measure_answers(
    test: Answered,
    alone: AnswersAlone,
    questions: Sequence[Question],
    calibration: Calibration,
    temperature: float,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> AnswersFigures:
    """All figures of one part of a set.

    Parameters
    ----------
    test
        The part.
    alone
        Fitted on the training part.
    questions
        In the order of the codes.
    calibration
        Of the photograph alone.
    temperature
        Of :func:`fit_answers_temperature`.
    resamples, seed
        Of the bootstrap over groups.
    """
    work = _Measuring(test, alone, calibration, temperature, resamples, seed)
    return AnswersFigures(
        questions=tuple(question.name for question in questions),
        temperature=temperature,
        missing=tuple(work.three(share) for share in MISSING),
        by_biopsy=tuple(work.of_biopsy(said) for said in _SAID if said in test.biopsied),
        asked=tuple(work.of_question(number, question) for number, question in enumerate(questions)),
        advice=work.advice(),
    )


@dataclass(frozen=True)
class _Measuring:
    test: Answered
    alone: AnswersAlone
    calibration: Calibration
    temperature: float
    resamples: int
    seed: int

    def tables(self, rows: np.ndarray, codes: np.ndarray) -> tuple[Predictions, Predictions, Predictions]:
        """The photograph alone, the answers alone and both, calibrated as they are shown."""
        photograph = rows_of(self.test.photograph, rows)
        photograph = replace(photograph, probabilities=self.calibration.apply(photograph.probabilities))
        both = self.test.told(codes, rows)
        calibrated = calibrate(both.probabilities, self.temperature, self.calibration.class_bias)
        told = (codes > 0).any(axis=1, keepdims=True)
        both = replace(both, probabilities=np.where(told, calibrated, photograph.probabilities))
        return photograph, replace(photograph, probabilities=self.alone.probabilities(codes)), both

    def three(self, share: float) -> Three:
        photograph, answers, both = self.tables(*self.test.hidden(share, self.seed))
        own, joint = self._figures(photograph), self._figures(both)
        return Three(
            missing=share,
            photograph=own.balanced_accuracy(),
            answers=self._figures(answers).balanced_accuracy(),
            both=joint.balanced_accuracy(),
            gain=self._gain(both, photograph),
            macro_auc_photograph=own.area("macro_auc"),
            macro_auc_both=joint.area("macro_auc"),
            ece_photograph=_ece(photograph),
            ece_both=_ece(both),
        )

    def of_biopsy(self, said: str) -> OfBiopsy:
        rows = np.flatnonzero(np.array(self.test.biopsied) == said)
        photograph, answers, both = self.tables(rows, self.test.codes[rows])
        return OfBiopsy(
            said,
            len(rows),
            len(np.unique(photograph.labels)),
            *(self._figures(table).balanced_accuracy() for table in (photograph, answers, both)),
        )

    def of_question(self, number: int, question: Question) -> OfQuestion:
        rows, codes = np.arange(len(self.test)), self.test.codes
        without = codes.copy()
        without[:, number] = 0
        _, _, told = self.tables(rows, codes)
        _, _, untold = self.tables(rows, without)
        known, biopsied = codes[:, number] > 0, np.array(self.test.biopsied)
        raised = lowered = None
        if self.calibration.has_threshold:
            after, before = self._referred(told), self._referred(untold)
            raised, lowered = float((after & ~before).mean()), float((before & ~after).mean())
        shares = [float(known[biopsied == said].mean()) if (biopsied == said).any() else None for said in _SAID]
        return OfQuestion(
            question.name, float(known.mean()), shares[0], shares[1], self._gain(told, untold), raised, lowered
        )

    def advice(self) -> tuple[Advice, ...]:
        if not self.calibration.has_threshold:
            return ()
        photograph, _, both = self.tables(np.arange(len(self.test)), self.test.codes)
        own, joint = self._referred(photograph), self._referred(both)
        return (
            self._advice("photograph", photograph, own),
            self._advice("both", photograph, joint),
            self._advice("rule", photograph, own | joint),
        )

    def _risk(self, table: Predictions) -> tuple[np.ndarray, np.ndarray]:
        group = table.taxonomy.triage_group
        return metrics.group_scores(table.labels, table.probabilities, table.classes, group)

    def _referred(self, table: Predictions) -> np.ndarray:
        referred: np.ndarray = self._risk(table)[1] >= self.calibration.risk_threshold
        return referred

    def _advice(self, by: str, table: Predictions, referred: np.ndarray) -> Advice:
        positive = self._risk(table)[0].astype(bool)
        shares, groups = advice_shares(positive, referred), table.group_numbers
        values = shares(np.ones((1, len(table))))[0]
        draws = bootstrap(shares, groups, self.resamples, self.seed)
        sizes = [len(np.unique(groups[some])) for some in (positive, ~positive)]
        estimates = [
            Estimate.of(float(values[k]), share_interval(float(values[k]), draws[:, k] if draws.size else draws, size))
            for k, size in enumerate(sizes)
        ]
        return Advice(by, *estimates)

    def _figures(self, table: Predictions) -> Classification:
        return Classification(table, self.resamples, self.seed)

    def _gain(self, first: Predictions, second: Predictions) -> PairedDifference:
        answers = (first.predicted, second.predicted)
        return compare_balanced_accuracy(
            first.labels, *answers, first.group_numbers, resamples=self.resamples, seed=self.seed
        )


def _ece(table: Predictions) -> float | None:
    return defined(float(metrics.expected_calibration_error(table.labels, table.probabilities)))
