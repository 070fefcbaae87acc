"""Which bundle a command uses: the named one, then the domain's, then the default."""

from __future__ import annotations

import json

import pytest
import typer
from small_bundles import list_sums, with_novelty
from typer.testing import CliRunner

from hierattn.cli import predict
from hierattn.cli.which_model import OTHER, choose_model
from hierattn.deploy.predict.released import DOMAIN_OF, DOMAINS
from hierattn.errors import UsageError

HINT = "was not trained on photographs like this one"


def call(*words):
    app = typer.Typer()
    app.command()(predict.run)
    result = CliRunner().invoke(app, [str(word) for word in words], env={"HIERATTN_MODEL": "", "COLUMNS": "100"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("model", "domain", "chosen"),
    [
        (None, None, "dermoscopy"),
        (None, "phone", "phone"),
        ("a.onnx", None, "a.onnx"),
        ("phone", None, "phone"),
        ("dermoscopy-large", None, "dermoscopy-large"),
    ],
)
def test_a_named_bundle_comes_before_the_domain_and_the_domain_before_the_default(model, domain, chosen):
    assert choose_model(model, domain) == chosen


@pytest.mark.parametrize(
    ("model", "domain"), [("a.onnx", "phone"), (None, "x-ray"), (None, "dermoscopy-large"), (None, "")]
)
def test_two_wishes_or_an_unknown_domain_are_refused(model, domain):
    with pytest.raises(UsageError, match="wanted"):
        choose_model(model, domain)


def test_predict_without_a_bundle_says_which_answers_and_that_it_is_not_for_commerce(folder, photo):
    result = call(photo, "--domain", "phone", "--json")
    assert len(json.loads(result.stdout)) == 1
    assert "the released phone model answers" in result.stderr
    assert "non-commercial" in result.stderr
    assert "--domain dermoscopy" in result.stderr


@pytest.mark.parametrize(("name", "said"), [("dermoscopy", True), ("dermoscopy-large", False), ("phone", False)])
def test_the_small_model_names_the_larger_one_where_there_is_one(folder, photo, name, said):
    larger = "--model dermoscopy-large"
    assert (larger in call(photo, "--model", name, "--json").stderr) is said
    (folder / "dermoscopy-large.onnx").unlink(missing_ok=True)
    assert larger not in call(photo, "--model", "dermoscopy", "--json").stderr


def test_every_released_name_knows_the_domain_that_it_is_not_for():
    assert set(OTHER) == set(DOMAIN_OF)
    assert all(other in DOMAINS and other != DOMAIN_OF[name] for name, other in OTHER.items())


def test_a_bundle_of_ones_own_is_used_without_a_word_about_released_ones(folder, photo, tmp_path):
    with_novelty(tmp_path / "mine.onnx", 0.5)
    assert "released" not in call(photo, "--model", tmp_path / "mine.onnx").stderr


@pytest.mark.parametrize("name", ["dermoscopy", "dermoscopy-large"])
def test_a_photograph_that_only_the_other_model_knows_gets_a_hint_and_the_reverse_gets_none(folder, photo, name):
    said = call(photo, "--model", name, "--json").stderr
    assert f"the released {name} model answers" in said
    assert HINT in said
    assert "the phone model has" in said
    assert "--domain phone" in said.splitlines()[-1]
    assert HINT not in call(photo, "--domain", "phone", "--json").stderr


def test_where_both_models_know_nothing_of_it_no_other_is_recommended(folder, photo):
    with_novelty(folder / "phone.onnx", 2.0)
    list_sums(folder)
    assert HINT not in call(photo, "--json").stderr
