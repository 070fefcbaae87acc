"""Who looks: the command of the block, and ``Python`` outside every command."""

from __future__ import annotations

from contextlib import suppress

from hierattn.data.prepared_set.looker import looker, looking_by


def test_a_command_is_named_for_its_block_alone_however_that_ends():
    with suppress(KeyError), looking_by("compare"):
        with looking_by("evaluate"):
            assert looker() == "evaluate"
        assert looker() == "compare"
        raise KeyError
    assert looker() == "Python"
