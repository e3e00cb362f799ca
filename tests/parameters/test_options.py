"""Options of a run: what is taken up to its bounds, and what is refused beyond them."""

from __future__ import annotations

from typing import Any

import pytest

from sim.model.blocks import CHUNK
from sim.parameters.options import option_faults


@pytest.mark.parametrize(
    ("name", "least", "most", "below", "above"),
    [
        ("draws", 1, 10**12, 0, 10**12 + 1),
        ("seed", 0, 2**64 - 1, -1, 2**64),
        ("uncertainty", 0, 10, -0.1, 10.1),
        ("threads", 1, 4096, 0, 4097),
    ],
)
def test_an_option_is_taken_from_its_least_to_its_most(
    name: str, least: Any, most: Any, below: Any, above: Any
) -> None:
    assert option_faults(**{name: least}) == option_faults(**{name: most}) == {}
    for value in (below, above, True, "1", float("nan")):
        assert option_faults(**{name: value})[name].startswith("expected a "), value


def test_draws_beyond_those_of_sobol_sequences_are_refused_for_sobol_alone() -> None:
    assert option_faults(draws=2**37, sampler="sobol") == {}
    assert option_faults(draws=2**37 + 1, sampler="stratified") == {}
    assert option_faults(draws=2**37 + 1, sampler="sobol") == {
        "sampler": "32 Sobol' sequences of 2^32 points give 137,438,953,472 draws, got"
        " 137,438,953,473; the samplers 'stratified' and 'random' go on"
    }


def test_kept_draws_are_whole_chunks() -> None:
    assert option_faults(kept_draws=CHUNK) == option_faults(kept_draws=3 * CHUNK) == {}
    for kept in (0, -CHUNK, CHUNK - 1, CHUNK + 1, float(CHUNK), True):
        message = option_faults(kept_draws=kept)["kept_draws"]
        assert message.startswith(f"expected a multiple of {CHUNK:,}, got "), kept
