"""What Prometheus may know: counts, times and sizes. No names, no addresses, nothing of a photograph."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from hierattn.serve.drift import DriftState
from hierattn.serve.run import SHARED_METRICS

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30.0)


class ServiceMetrics:
    """The service's counters, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "hierattn_requests", "Answered HTTP requests.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "hierattn_request_seconds", "From the request's first byte to the answer.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.predictions = Counter(
            "hierattn_predictions", "Photographs answered, by level of advice.", ["level"], registry=registry
        )
        self.refusals = Counter("hierattn_refusals", "Requests refused, by reason.", ["code"], registry=registry)
        self.batch_images = Histogram(
            "hierattn_batch_images", "Photographs that a thread took together.",
            buckets=(1, 2, 4, 8, 16, 32), registry=registry,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "hierattn_batch_seconds", "Decoding and predicting one batch.", buckets=_SECONDS, registry=registry
        )
        self.inside = Gauge(
            "hierattn_requests_inside", "Prediction requests being received, waiting or computed.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip

        self.drift_index = Gauge(
            "hierattn_drift_index", "Population stability index of the last comparison.", ["model", "measure"],
            registry=registry, multiprocess_mode="max",
        )  # fmt: skip
        self.drifted = Gauge(
            "hierattn_drifted", "1: what arrives differs from what is usual, and not by chance.", ["model", "measure"],
            registry=registry, multiprocess_mode="max",
        )  # fmt: skip

    def set_drift(self, model: str, state: DriftState) -> None:
        """Note what a bundle's comparisons say."""
        for measure, shift in state.shifts.items():
            self.drift_index.labels(model, measure).set(shift.index)
            self.drifted.labels(model, measure).set(shift.flagged)

    def observe_batch(self, images: int, seconds: float) -> None:
        """Note a batch; called from worker threads."""
        self.batch_images.observe(images)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format, of all worker processes together."""
        if SHARED_METRICS not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)
