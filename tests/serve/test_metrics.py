"""The metrics: Prometheus' own parser reads them, and they say what was answered, refused and taken together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from prometheus_client.parser import text_string_to_metric_families
from services import post, rendered_photos, service
from small_bundles import write_small_bundle

from hierattn.serve.metrics import ServiceMetrics
from hierattn.serve.run import SHARED_METRICS


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """(Name, values of the labels) -> value, as Prometheus reads them."""
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_batches_are_counted_with_their_sizes_and_times():
    metrics = ServiceMetrics()
    for images, seconds in ((1, 0.01), (3, 0.3), (8, 2.0)):
        metrics.observe_batch(images, seconds)
    values = samples(metrics.text())
    assert values["hierattn_batch_images_count", ()] == 3
    assert values["hierattn_batch_images_sum", ()] == 12
    assert values["hierattn_batch_images_bucket", ("4.0",)] == 2
    assert values["hierattn_batch_seconds_sum", ()] == pytest.approx(2.31)


def test_answers_are_counted_by_level_and_refusals_by_reason(tmp_path: Path):
    with service(write_small_bundle(tmp_path / "small.onnx")) as app:
        answers = post(app, *rendered_photos()).json()["predictions"]
        post(app, b"")
        values = samples(app.state.service.metrics.text())
    levels = Counter(answer["advice"]["level"] for answer in answers)
    counted = {key[1][0]: value for key, value in values.items() if key[0] == "hierattn_predictions_total"}
    assert counted == levels
    assert values["hierattn_refusals_total", ("image",)] == 1
    assert values["hierattn_requests_inside", ()] == 0


def test_two_services_in_one_process_count_apart():
    mine, other = ServiceMetrics(), ServiceMetrics()
    mine.refusals.labels("busy").inc()
    assert samples(mine.text())["hierattn_refusals_total", ("busy",)] == 1
    assert ("hierattn_refusals_total", ("busy",)) not in samples(other.text())


def test_several_processes_count_together(tmp_path: Path):
    code = (
        "import sys; from hierattn.serve.metrics import ServiceMetrics\n"
        "metrics = ServiceMetrics(); metrics.refusals.labels('busy').inc(2)\n"
        "sys.stdout.buffer.write(metrics.text())"
    )
    environment = {**os.environ, SHARED_METRICS: str(tmp_path)}
    texts = [subprocess.check_output([sys.executable, "-c", code], env=environment, timeout=60) for _ in range(2)]
    assert [samples(text)["hierattn_refusals_total", ("busy",)] for text in texts] == [2, 4]
