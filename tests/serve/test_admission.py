"""Admission: keys, tokens that return with time, and places that come back after a failure."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

pytest.importorskip("fastapi")

from services import assert_problem, client_of, post, send, service

from hierattn.serve.admission import Places, RateLimit
from hierattn.serve.problems import Refusal

KEY = "a-key-of-more-than-sixteen-characters"


def test_tokens_return_with_time():
    limit = RateLimit(60)
    assert sum(limit.take("a", now=0.0) == 0 for _ in range(100)) == 60
    assert limit.take("a", now=2.5) == 0
    assert limit.take("b", now=2.5) == 0


def test_places_come_back_after_a_failure():
    places = Places(1)
    with pytest.raises(ValueError), places.take():
        raise ValueError
    with places.take(), pytest.raises(Refusal), places.take():
        pass
    assert places.taken == 0


def test_keys_open_the_interface_and_nothing_else_does(bundle, photos):
    with service(bundle, keys=(KEY, KEY + "2")) as app:
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": f"Basic {KEY}"}, {"X-API-Key": KEY + "3"}):
            refused = post(app, photos[0], headers=headers)
            assert_problem(refused, 401, "key")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert post(app, photos[0], headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert post(app, photos[0], headers={"X-API-Key": KEY + "2"}).status_code == 200
        assert send(app, "GET", "/v1/model").status_code == 401
        assert send(app, "GET", "/metrics").status_code == 401
        assert send(app, "GET", "/healthz").status_code == 200


def test_rate_of_a_client_is_limited_and_says_when_to_return(bundle, photos):
    with service(bundle, rate=2) as app:
        assert [post(app, photos[0]).status_code for _ in range(2)] == [200, 200]
        refused = post(app, photos[0])
    assert_problem(refused, 429, "rate")
    assert 1 <= int(refused.headers["retry-after"]) <= 30


def test_where_no_keys_are_wanted_an_invented_one_is_no_other_client(bundle, photos):
    with service(bundle, rate=2) as app:
        answers = [post(app, photos[0], headers={"X-API-Key": f"invented-{number}"}) for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]


@pytest.mark.parametrize("rate", [1, 7, 41])
def test_who_waits_as_long_as_was_said_is_let_in(rate):
    limit = RateLimit(rate)
    assert [limit.take("a") for _ in range(rate)] == [0] * rate
    with pytest.raises(Refusal) as refused:
        limit.check("a")
    said = refused.value.retry_after
    assert said is not None
    assert f"wait {said} s" in str(refused.value)
    fresh = RateLimit(rate)
    assert all(fresh.take("a", now=0.0) == 0 for _ in range(rate))
    wait = fresh.take("a", now=0.1)
    assert fresh.take("a", now=0.1 + math.ceil(wait)) == 0


def test_full_service_sheds_and_recovers(bundle, photos):
    async def go(app: Any) -> list[int]:
        async with client_of(app) as client:
            several = [client.post("/v1/predictions", files={"images": photos[0]}) for _ in range(20)]
            statuses = [answer.status_code for answer in await asyncio.gather(*several)]
            return [*statuses, (await client.post("/v1/predictions", files={"images": photos[0]})).status_code]

    with service(bundle, queue=3, threads=1) as app:
        *statuses, last = asyncio.run(go(app))
        assert app.state.service.places.taken == 0
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 3
    assert last == 200
