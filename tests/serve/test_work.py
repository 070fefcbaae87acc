"""The work: photographs that are answered together get their own answers, and what is taken is answered to the end."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")

from services import assert_problem, client_of, post, service
from small_bundles import BUNDLE, write_small_bundle

from hierattn.deploy.predict.predictor import Diagnosis, Predictor
from hierattn.errors import ImageError
from hierattn.serve.work import Job, Question, WorkerPool


def test_concurrent_requests_each_get_their_own_answer(bundle, photos):
    expected = [one.to_dict()["probabilities"] for one in Predictor.load(bundle)(photos)]

    async def go(app: Any) -> list[httpx.Response]:
        async with client_of(app) as client:
            wanted = (client.post("/v1/predictions", files={"images": photos[n % 3]}) for n in range(24))
            return await asyncio.gather(*wanted)

    with service(bundle, threads=2, batch=4) as app:
        answers = asyncio.run(go(app))
    for number, answer in enumerate(answers):
        assert answer.json()["predictions"][0]["probabilities"] == pytest.approx(expected[number % 3], abs=1e-6)


def test_requests_for_two_bundles_at_a_time_do_not_mix(bundle, photos, tmp_path):
    other = write_small_bundle(tmp_path / "other.onnx", replace(BUNDLE, temperature=9.0))
    expected = [Predictor.load(one)(photos[0]).probabilities for one in (bundle, other)]

    async def go(app: Any) -> list[httpx.Response]:
        async with client_of(app) as client:
            names = ("model", "phone") * 8
            wanted = (client.post(f"/v1/predictions?model={n}", files={"images": photos[0]}) for n in names)
            return await asyncio.gather(*wanted)

    with service(bundle, more=(("phone", str(other)),), threads=2) as app:
        answers = asyncio.run(go(app))
    for number, answer in enumerate(answers):
        assert answer.json()["predictions"][0]["probabilities"] == pytest.approx(
            expected[number % 2], abs=1e-4
        )  # a batch's last digits differ


def test_photograph_of_too_many_pixels_is_refused_by_its_header(bundle, photos):
    with service(bundle, max_pixels=100 * 100) as app:
        assert "160 x 160" in assert_problem(post(app, photos[0]), 422, "image")["detail"]


def test_nothing_of_a_photograph_is_left_when_it_is_answered(bundle, photos):
    pool = WorkerPool({"model": Predictor.load(bundle)}, threads=2, batch=4, max_pixels=10**6)

    async def go() -> None:
        for _ in range(3):
            await pool.answer(photos, Question("model"), 30)
        with pytest.raises(TimeoutError):
            await pool.answer(photos * 20, Question("model"), 0.001)

    asyncio.run(go())
    for _ in range(100):  # a thread ends the batch that it was at
        gc.collect()
        left = sum(type(one) is Job for one in gc.get_objects())
        if left == 0:
            break
        time.sleep(0.05)
    pool.close()
    assert left == 0


def test_a_pool_takes_what_waits_together_and_counts_every_batch(bundle, photos):
    batches: list[int] = []
    pool = WorkerPool({"m": Predictor.load(bundle)}, 1, 2, 10**6, lambda images, _: batches.append(images))
    try:
        answers = asyncio.run(pool.answer([*photos, *photos[:2]], Question("m"), 30))
    finally:
        pool.close()
    expected = Predictor.load(bundle)([*photos, *photos[:2]])
    for answer, alone in zip(answers, expected, strict=True):
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
    assert batches == [2, 2, 1]


def test_the_first_photograph_that_cannot_be_used_is_named_and_the_threads_live_on(bundle, photos):
    pool = WorkerPool({"m": Predictor.load(bundle)}, 1, 4, 10**6)
    try:
        with pytest.raises(ImageError, match=r"^photograph 1 "):
            asyncio.run(pool.answer([photos[0], b"GIF8 and no more", photos[1]], Question("m"), 30))
        assert pool.alive
        assert len(asyncio.run(pool.answer(photos, Question("m"), 30))) == 3
    finally:
        pool.close()


def test_a_closed_pool_has_answered_what_was_waiting(bundle, photos):
    pool = WorkerPool({"m": Predictor.load(bundle)}, 1, 1, 10**6)

    async def go() -> list[Diagnosis]:
        asked = asyncio.create_task(pool.answer(photos, Question("m"), 30))
        await asyncio.sleep(0)  # the three are waiting now
        await asyncio.to_thread(pool.close)
        return await asked

    assert len(asyncio.run(go())) == 3
    assert not pool.alive
