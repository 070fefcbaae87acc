"""Which bundle a command uses: the named one, then the domain's, then the default."""

from __future__ import annotations

import pytest

from hierattn.cli.which_model import choose_model
from hierattn.errors import UsageError


@pytest.mark.parametrize(
    ("model", "domain", "chosen"),
    [(None, None, "dermoscopy"), (None, "phone", "phone"), ("a.onnx", None, "a.onnx"), ("phone", None, "phone")],
)
def test_a_named_bundle_comes_before_the_domain_and_the_domain_before_the_default(model, domain, chosen):
    assert choose_model(model, domain) == chosen


@pytest.mark.parametrize(("model", "domain"), [("a.onnx", "phone"), (None, "x-ray"), (None, "")])
def test_two_wishes_or_an_unknown_domain_are_refused(model, domain):
    with pytest.raises(UsageError, match="wanted"):
        choose_model(model, domain)
