from __future__ import annotations

import pytest
from tools.gpu.settings import load_settings

from hierattn.errors import UsageError


def test_a_table_has_what_its_base_has_and_its_own():
    settings = load_settings()
    assert settings["paper"]["epochs"] == 500
    assert settings["paper"]["optimiser"]["batch_size"] == 64
    assert settings["paper"]["optimiser"]["precision"] == settings["student"]["optimiser"]["precision"]
    assert settings["teacher"]["augmentation"] == settings["student"]["augmentation"]


def test_the_permutation_which_changes_nothing_is_off():
    settings = load_settings()
    for part in ("student", "paper"):
        assert settings[part]["options"] == {"permute_pixels": False}
    assert settings["teacher"]["options"] == {}


def test_a_change_is_inherited_and_an_unknown_one_is_refused():
    settings = load_settings(changes=["student.seed=7", "student.sampling.source_weights={ham = 2.0}"])
    assert settings["teacher"]["seed"] == 7
    assert settings["student"]["sampling"]["source_weights"] == {"ham": 2.0}
    with pytest.raises(UsageError, match=r"student\.sized"):
        load_settings(changes=["student.sized=7"])
    with pytest.raises(UsageError, match=r"student\.size\.x"):
        load_settings(changes=["student.size.x=1"])
    with pytest.raises(UsageError, match=r"wanted table\.key=value"):
        load_settings(changes=["size"])
