"""Around every request: headers that close what is not needed, a log without anything of the client, no stack trace."""

from __future__ import annotations

import json
import logging
import tempfile
from datetime import datetime, timedelta

import pytest

pytest.importorskip("fastapi")

from services import assert_problem, post, send, service

from hierattn.serve.observation import JsonLines


def test_pages_carry_a_strict_content_policy(bundle):
    with service(bundle) as app:
        headers = send(app, "GET", "/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_failure_inside_shows_no_stack_trace(bundle, photos, monkeypatch, caplog):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret-detail")

    with service(bundle) as app:
        monkeypatch.setattr(app.state.service.predictor, "prepare", fail)
        refused = post(app, photos[0])
        assert app.state.service.pool.alive
    problem = assert_problem(refused, 500, "internal")
    assert "secret-detail" not in refused.text
    assert refused.headers["x-request-id"] in problem["detail"]


def test_nothing_that_the_client_wrote_is_logged_or_stored(bundle, photos, caplog, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    big = photos[0] + bytes(3_000_000)  # above the size at which form parsers turn to a temporary file
    rolled: list[object] = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda self: rolled.append(self))
    caplog.set_level(logging.INFO, "hierattn.serve")
    with service(bundle) as app:
        files = [("images", ("patient-name.png", big))]
        answer = send(app, "POST", "/v1/predictions?language=pt", files=files, headers={"User-Agent": "who-am-i"})
        send(app, "GET", "/patient-name")
    assert answer.status_code == 200
    assert not rolled
    assert not list(tmp_path.iterdir())
    ours = [one for one in caplog.records if one.name.startswith("hierattn")]  # the client of the test logs as well
    lines = [json.dumps({"event": one.getMessage(), **getattr(one, "fields", {})}) for one in ours]
    assert len(lines) == 2
    assert not any("patient" in line or "who-am-i" in line or "language" in line for line in lines)


def test_every_answer_has_an_identifier_of_its_own_and_is_not_kept_by_caches(bundle):
    with service(bundle) as app:
        answers = [send(app, "GET", path) for path in ("/healthz", "/healthz", "/v2/nothing")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


def test_a_record_is_one_line_of_json_also_with_an_error(caplog):
    logger = logging.getLogger("someone")
    try:
        raise ValueError("of two\nlines")
    except ValueError:
        logger.exception("failed", extra={"fields": {"request": "é1"}})
    text = JsonLines().format(caplog.records[0])
    assert "\n" not in text
    line = json.loads(text)
    assert (line["level"], line["event"], line["request"]) == ("error", "failed", "é1")
    assert line["error"].endswith("ValueError: of two\nlines")
    written = datetime.fromisoformat(line["time"])
    assert written.utcoffset() == timedelta(0)
    assert abs(written.timestamp() - caplog.records[0].created) < 0.001
