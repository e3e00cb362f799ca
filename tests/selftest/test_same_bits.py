"""Draws that depend on what they must not depend on are found."""

from __future__ import annotations

from typing import Any

import pytest

from sim.selftest import same_bits
from sim.simulation.sample import sample


def test_same_bits_finds_draws_that_depend_on_other_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of Sobol' sequences do."""

    def sobol(inputs: Any, **options: Any) -> Any:
        return sample(inputs, **{**options, "sampler": "sobol"})

    monkeypatch.setattr(same_bits, "sample", sobol)
    checks = {check.name: check for check in same_bits.checks(None)}
    failed = [name for name, check in checks.items() if not check.ok]
    assert failed == ["inputs in another order", "inputs beside another input"]
