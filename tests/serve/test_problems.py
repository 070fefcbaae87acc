"""Refusals as RFC 9457 has them, with the headers that their status asks for."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("fastapi")

from hierattn.serve.problems import Refusal


def test_it_is_a_problem_as_the_rfc_has_it():
    answer = Refusal(413, "too_large", "body over 10 bytes: send smaller photographs").response()
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem.pop("title") in ("Request Entity Too Large", "Content Too Large")  # before RFC 9110, and since
    assert problem == {
        "type": "about:blank",
        "status": 413,
        "code": "too_large",
        "detail": "body over 10 bytes: send smaller photographs",
    }


@pytest.mark.parametrize("number", [0, 3])
def test_the_photograph_that_it_is_about_is_numbered_from_0(number):
    assert json.loads(Refusal(422, "image", "damaged", image=number).response().body)["image"] == number


def test_only_a_busy_service_says_when_to_return_and_only_a_missing_key_how_to_send_one():
    busy, keyless, wrong = (
        Refusal(503, "busy", "full", retry_after=5).response(),
        Refusal(401, "key", "no key").response(),
        Refusal(422, "form", "nonsense").response(),
    )
    assert busy.headers["retry-after"] == "5"
    assert keyless.headers["www-authenticate"] == "Bearer"
    assert [name in wrong.headers for name in ("retry-after", "www-authenticate")] == [False, False]
    assert "www-authenticate" not in busy.headers


def test_it_reads_as_its_detail():
    assert str(Refusal(503, "busy", "full: try again")) == "full: try again"
