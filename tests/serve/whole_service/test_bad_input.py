"""Whatever is sent, the service answers as its OpenAPI says: schemathesis against the description, mutated images.

HIERATTN_MUTATIONS raises the number of mutated images; benchmarks/hostile/mutated_images.py sends 100,000 and reports.
"""

from __future__ import annotations

import asyncio
import os
import resource
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")

from image_files import mutated, valid_files
from small_bundles import write_small_bundle

from hierattn.serve.app import create_app
from hierattn.serve.settings import ServiceSettings

MUTATIONS = int(os.environ.get("HIERATTN_MUTATIONS", "400"))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    bundle: Path = write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx")
    app = create_app(ServiceSettings(str(bundle), app=False, max_body=400_000, max_pixels=250_000))
    yield app
    app.state.service.pool.close()


def test_mutated_images_get_an_answer_or_a_refusal_and_leave_nothing_behind(app):
    generator, files = np.random.default_rng(11), valid_files()

    async def go() -> tuple[Counter[int], list[int]]:
        statuses: Counter[int] = Counter()
        memory: list[int] = []
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test", timeout=60
        ) as client:
            for number in range(MUTATIONS):
                content = mutated(files[number % len(files)], generator)
                answer = await client.post("/v1/predictions", files={"images": content})
                statuses[answer.status_code] += 1
                if number in (MUTATIONS // 2, MUTATIONS - 1):
                    memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return statuses, memory

    statuses, memory = asyncio.run(go())
    assert set(statuses) <= {200, 415, 422}
    assert statuses[200]
    assert statuses[422]
    assert app.state.service.pool.alive
    assert memory[1] - memory[0] < 100_000  # kB, of the second half


def test_service_keeps_to_its_own_description(app):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.specs.openapi.checks import positive_data_acceptance  # no schema can say "a sharp photograph"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        seen = set()
        for result in schema.get_all_operations():
            operation = result.ok()
            seen.add((operation.method, operation.path))

            def check(case: Any) -> None:
                case.call_and_validate(excluded_checks=[positive_data_acceptance])

            bounded = settings(
                max_examples=15, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
            )  # fmt: skip
            bounded(given(case=operation.as_strategy())(check))()
    assert ("post", "/v1/predictions") in seen
    assert len(seen) == 6
