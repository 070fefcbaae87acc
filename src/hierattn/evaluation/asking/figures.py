"""Three figures that always stand together: the photograph alone, the answers alone, both; and what a question does.

"Answers alone" is a logistic regression on the training part's answers. Where it is good, the answers may say less of
the lesion than of who was asked: so all three are also split by whether the lesion was biopsied, which follows the
doctor's suspicion, and each question says how often it is answered of either.

**The rule of the advice.** Answers never lower the advice below what the photograph alone gives: the risk that meets
the threshold is the larger of both. What the answers would do without the rule is measured beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hierattn import metrics
from hierattn.data.prepared_set.asked import codes_of
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.asking.answered import Answered
from hierattn.evaluation.asking.records import MISSING, Advice, AnswersFigures, OfBiopsy, OfQuestion, OfSubgroup, Three
from hierattn.evaluation.measures.calibration import Calibration, advice_shares, calibrate, fit_temperature
from hierattn.evaluation.measures.classification import Classification
from hierattn.evaluation.measures.intervals import Estimate, bootstrap, share_interval
from hierattn.evaluation.measures.paired_tests import PairedDifference, compare_balanced_accuracy
from hierattn.evaluation.measures.subgroups import FEWEST_GROUPS, rows_by_attribute
from hierattn.evaluation.predict import Network
from hierattn.evaluation.predictions import Predictions, joined, rows_of
from hierattn.evaluation.records import defined
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.models.asking import AnswerCodes
from hierattn.taxonomy.questions import Question

_SAID = ("yes", "no")


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


def answers_alone(network: Network, packed: PackedSet, trained: TrainedRun) -> AnswersAlone:
    """Fitted on the training part of a run that asks, which saw no photograph of its outer fold."""
    questions, place = network.taxonomy.questions, {code: number for number, code in enumerate(network.classes)}
    records = [packed.records[int(row)] for row in trained.parts(packed).train]
    records = [record for record in records if record.label in place]
    labels = np.array([place[record.label] for record in records])
    return AnswersAlone(questions, codes_of(records, questions), labels, len(network.classes))


@dataclass(frozen=True)
class Part:
    """One part of a set that a run is judged on, with what that run fitted elsewhere.

    Attributes
    ----------
    test
        The part.
    alone
        Fitted on the run's training part.
    calibration
        Of the photograph alone.
    temperature
        Of :func:`fit_answers_temperature`.
    """

    test: Answered
    alone: AnswersAlone
    calibration: Calibration
    temperature: float


def measure_answers(
    parts: Sequence[Part], questions: Sequence[Question], *, resamples: int = 1000, seed: int = 0
) -> AnswersFigures:
    """All figures of one part of a set, or of several together: the outer folds of a cross-validation.

    Parameters
    ----------
    parts
        One or more.
    questions
        In the order of the codes.
    resamples, seed
        Of the bootstrap over groups.
    """
    work = _Measuring(tuple(parts), resamples, seed)
    biopsied = {said for part in parts for said in part.test.biopsied}
    return AnswersFigures(
        questions=tuple(question.name for question in questions),
        temperature=float(np.exp(np.mean([np.log(part.temperature) for part in parts]))),
        missing=tuple(work.three(share) for share in MISSING),
        by_biopsy=tuple(work.of_biopsy(said) for said in _SAID if said in biopsied),
        asked=tuple(work.of_question(number, question) for number, question in enumerate(questions)),
        advice=work.advice(work.tables(_all_of)),
        subgroups=work.by_subgroups(),
    )


@dataclass(frozen=True)
class _Tables:
    """The photograph alone, the answers alone and both, calibrated as they are shown; and which are referred."""

    photograph: Predictions
    answers: Predictions
    both: Predictions
    referred: np.ndarray
    referred_both: np.ndarray

    def of_rows(self, rows: np.ndarray) -> _Tables:
        """The same for some photographs."""
        photograph, answers, both = (rows_of(table, rows) for table in (self.photograph, self.answers, self.both))
        return _Tables(photograph, answers, both, self.referred[rows], self.referred_both[rows])


@dataclass(frozen=True)
class _Measuring:
    parts: tuple[Part, ...]
    resamples: int
    seed: int

    def tables(self, choose: Callable[[Answered], tuple[np.ndarray, np.ndarray]]) -> _Tables:
        """Of all parts, with the rows and codes that ``choose`` gives for each."""
        of_parts = [_tables(part, *choose(part.test)) for part in self.parts]
        return _Tables(
            joined([tables.photograph for tables in of_parts]),
            joined([tables.answers for tables in of_parts]),
            joined([tables.both for tables in of_parts]),
            np.concatenate([tables.referred for tables in of_parts]),
            np.concatenate([tables.referred_both for tables in of_parts]),
        )

    def three(self, share: float) -> Three:
        tables = self.tables(lambda test: test.hidden(share, self.seed))
        own, joint = self._figures(tables.photograph), self._figures(tables.both)
        return Three(
            missing=share,
            photograph=own.balanced_accuracy(),
            answers=self._figures(tables.answers).balanced_accuracy(),
            both=joint.balanced_accuracy(),
            gain=self._gain(tables.both, tables.photograph),
            macro_auc_photograph=own.area("macro_auc"),
            macro_auc_both=joint.area("macro_auc"),
            ece_photograph=_ece(tables.photograph),
            ece_both=_ece(tables.both),
        )

    def of_biopsy(self, said: str) -> OfBiopsy:
        def choose(test: Answered) -> tuple[np.ndarray, np.ndarray]:
            rows = np.flatnonzero(np.array(test.biopsied) == said)
            return rows, test.codes[rows]

        tables = self.tables(choose)
        three = (tables.photograph, tables.answers, tables.both)
        labels = tables.photograph.labels
        estimates = [self._figures(table).balanced_accuracy() for table in three]
        return OfBiopsy(said, len(labels), len(np.unique(labels)), *estimates)

    def of_question(self, number: int, question: Question) -> OfQuestion:
        def without(test: Answered) -> tuple[np.ndarray, np.ndarray]:
            codes = test.codes.copy()
            codes[:, number] = 0
            return np.arange(len(test)), codes

        told, untold = self.tables(_all_of), self.tables(without)
        known = np.concatenate([part.test.codes[:, number] > 0 for part in self.parts])
        biopsied = np.array([said for part in self.parts for said in part.test.biopsied])
        raised = lowered = None
        if self._has_threshold:
            after, before = told.referred_both, untold.referred_both
            raised, lowered = float((after & ~before).mean()), float((before & ~after).mean())
        shares = [float(known[biopsied == said].mean()) if (biopsied == said).any() else None for said in _SAID]
        gain = self._gain(told.both, untold.both)
        return OfQuestion(question.name, float(known.mean()), shares[0], shares[1], gain, raised, lowered)

    @property
    def _has_threshold(self) -> bool:
        return all(part.calibration.has_threshold for part in self.parts)

    def by_subgroups(self) -> dict[str, tuple[OfSubgroup, ...]]:
        tables = self.tables(_all_of)
        cases = [case for part in self.parts for case in part.test.cases]
        return {
            attribute: tuple(self.of_subgroup(name, tables.of_rows(rows)) for name, rows in members.items())
            for attribute, members in rows_by_attribute(tables.photograph, cases).items()
        }

    def of_subgroup(self, name: str, tables: _Tables) -> OfSubgroup:
        groups = len(np.unique(tables.photograph.group_numbers))
        return OfSubgroup(
            name=name,
            images=len(tables.photograph),
            groups=groups,
            too_few=groups < FEWEST_GROUPS,
            photograph=self._figures(tables.photograph).balanced_accuracy(),
            both=self._figures(tables.both).balanced_accuracy(),
            gain=self._gain(tables.both, tables.photograph),
            advice=self.advice(tables),
        )

    def advice(self, tables: _Tables) -> tuple[Advice, ...]:
        if not self._has_threshold:
            return ()
        own, joint = tables.referred, tables.referred_both
        return tuple(
            self._advice(by, tables.photograph, referred)
            for by, referred in (("photograph", own), ("both", joint), ("rule", own | joint))
        )

    def _advice(self, by: str, table: Predictions, referred: np.ndarray) -> Advice:
        positive = _risk(table)[0].astype(bool)
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


def _all_of(test: Answered) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(test)), test.codes


def _tables(part: Part, rows: np.ndarray, codes: np.ndarray) -> _Tables:
    photograph = rows_of(part.test.photograph, rows)
    photograph = replace(photograph, probabilities=part.calibration.apply(photograph.probabilities))
    both = part.test.told(codes, rows)
    calibrated = calibrate(both.probabilities, part.temperature, part.calibration.class_bias)
    told = (codes > 0).any(axis=1, keepdims=True)
    both = replace(both, probabilities=np.where(told, calibrated, photograph.probabilities))
    answers = replace(photograph, probabilities=part.alone.probabilities(codes))
    limit = part.calibration.risk_threshold  # nan, where there is none, refers nothing
    return _Tables(photograph, answers, both, _risk(photograph)[1] >= limit, _risk(both)[1] >= limit)


def _risk(table: Predictions) -> tuple[np.ndarray, np.ndarray]:
    group = table.taxonomy.triage_group
    return metrics.group_scores(table.labels, table.probabilities, table.classes, group)
