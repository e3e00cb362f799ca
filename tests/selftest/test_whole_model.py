"""Memory that grows with the draws is found."""

from __future__ import annotations

import pytest

from sim.parameters.scenario import Scenario
from sim.selftest import whole_model


def test_whole_model_finds_memory_that_grows_with_the_draws(
    monkeypatch: pytest.MonkeyPatch, base: Scenario
) -> None:
    monkeypatch.setattr(whole_model, "_peak_memory", lambda scenario: (100 << 20, 200 << 20))
    *sums, memory = whole_model.checks(base)
    assert all(check.ok for check in sums)
    assert not memory.ok
    assert memory.result == "200 MiB"
