"""`sim sweep`: its warnings. Options are tried in `test_options`, tables in `tests/simulation`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from sim.cli.sweep import _warnings


@pytest.mark.parametrize(
    ("policy", "fate"),
    [
        ("fail", "they are left out"),
        ("drop", "they are left out"),
        ("keep", "statistics of the outputs that they affect are nan"),
    ],
)
def test_warnings_of_a_sweep_are_over_the_draws_of_all_its_points(policy: str, fate: str) -> None:
    plan = SimpleNamespace(
        grid=SimpleNamespace(scenarios=[None] * 3),
        options=SimpleNamespace(draws=1_024, bad_draws=policy),
    )
    for bad, expected in (
        ([0, 0, 0], []),
        (
            [1, 0, 1_024],
            [f"WARNING: 1,025 of 3,072 draws gave a value that is not finite; {fate}."],
        ),
    ):
        ds = xr.Dataset({"draws_not_finite": ("point", np.array(bad))})
        assert _warnings(plan, SimpleNamespace(undrawn={}, ds=ds)) == expected  # type: ignore[arg-type]
    undrawn = SimpleNamespace(undrawn={"lines": "no room"}, ds=ds * 0)
    assert _warnings(plan, undrawn) == ["the figure lines could not be drawn: no room"]  # type: ignore[arg-type]
