"""A bundle's triage settings: without a calibration they promise nothing, and they survive the metadata."""

from __future__ import annotations

from dataclasses import replace

from small_bundles import BUNDLE, CALIBRATED, UNCALIBRATED

from hierattn.bundle.bundle import Bundle
from hierattn.bundle.thresholds import TriageSettings


def test_settings_of_an_uncalibrated_bundle_promise_nothing():
    settings = TriageSettings()
    assert (settings.threshold, settings.target_sensitivity, settings.sensitivity) == (None, None, None)
    assert settings.images == 0


def test_settings_survive_the_metadata():
    for bundle in (BUNDLE, UNCALIBRATED, replace(BUNDLE, triage=replace(CALIBRATED, interval=None, sensitivity=None))):
        assert Bundle.from_metadata(bundle.to_metadata(), "a bundle").triage == bundle.triage
