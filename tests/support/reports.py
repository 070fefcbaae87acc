"""A report of drawn predictions with its figures, evaluated runs for comparisons, and a checker of HTML pages."""

import base64
import hashlib
from html.parser import HTMLParser

import numpy as np
from prediction_tables import CURVE, table

from hierattn.evaluation.cases import Case, write_cases
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import evaluate_calibration, fit_calibration
from hierattn.evaluation.pages.clinical_use import net_benefit_figures
from hierattn.evaluation.pages.figures import draw_figures
from hierattn.evaluation.predictions import Predictions, write_predictions
from hierattn.evaluation.report import (
    HONEST,
    PROTOCOLS,
    EvaluatedOn,
    Protocol,
    Provenance,
    Report,
    measure_predictions,
)
from hierattn.run_folder import RunFolder
from hierattn.taxonomy.built_in import EIGHT


def made(images=120, source="isic2019", classes=EIGHT.codes, run="a run", protocol=HONEST, fold=0):
    """A report and its figures."""
    test = table(images=images, seed=2, classes=classes)
    calibration = evaluate_calibration(
        fit_calibration(table(seed=1, classes=classes), resamples=100), test, resamples=100
    )
    report = Report(
        **vars(measure_predictions(test, calibration, resamples=100)),
        run=run,
        protocol=Protocol(protocol, PROTOCOLS[HONEST], fold, "set"),
        notes=("12 images left out.",),
        provenance=Provenance(
            model="hierattn_xs",
            parameters=1_079_928,
            recipe={"name": "quicktest", "seed": 3},
            image_spec={"size": 64, "crop": True},
            evaluated_on=EvaluatedOn(source, "CC BY-NC 4.0"),
        ),
        learning_curve=CURVE,
    )
    return report, draw_figures(test, calibration, CURVE, 1) | net_benefit_figures(report)


def evaluated_run(folder, fold, skill, seed=0, protocol=HONEST, images=90, prefix="images"):
    """An evaluated run: ``skill`` is the share of answers that are right on purpose."""
    some = table(images=images, seed=100 + fold)
    rng = np.random.default_rng((seed, fold))
    right = rng.random(images) < skill
    answers = np.where(right, some.labels, rng.integers(0, 8, images))
    probabilities = 0.4 * np.eye(8)[answers] + 0.6 * rng.dirichlet(np.ones(8), images)
    names = tuple(f"{prefix}/{fold}_{row:03d}.jpg" for row in range(images))
    groups = tuple(f"lesion:{fold}_{row // 2}" for row in range(images))
    predictions = Predictions(names, EIGHT, probabilities, some.labels, np.full(images, fold), groups)
    evaluation = EvaluationFolder(RunFolder(folder).evaluation)
    evaluation.path.mkdir(parents=True)
    write_predictions(evaluation.predictions, predictions)
    write_cases(evaluation.cases, [Case(name, sha256=name[-9:]) for name in names])
    made(images=20, protocol=protocol, fold=fold)[0].save(evaluation.report)
    return predictions


class Checker(HTMLParser):
    """Notes what is left open and what is loaded from outside; a script must be the one that the policy names."""

    VOID = frozenset({"meta", "br", "img", "path", "use", "rect", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.outside, self.ids = [], [], []
        self.policy = self.script = ""

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not value.startswith(("data:", "#")):
                self.outside.append((tag, value))
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]
        assert tag not in ("iframe", "object", "link")
        assert tag != "script" or not attrs

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.script += data

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag
        if tag == "script":
            digest = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
            assert f"script-src 'sha256-{digest}'" in self.policy
