"""Tables of what drives an output."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.analysis.sensitivity import sensitivity
from sim.tables.sensitivity import sensitivity_tables


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, ("raises", "lowers")),
        ({"tail": 5}, ("rarer", "likelier")),
        ({"tail": 95}, ("likelier", "rarer")),
        ({"when": "margin >= 0.5"}, ("likelier", "rarer")),
        ({"when": "margin < 0.5"}, ("rarer", "likelier")),
    ],
)
def test_the_direction_is_said_of_what_is_explained(
    asked: dict[str, Any], words: tuple[str, str]
) -> None:
    laws = {
        name: {"family": "lognormal", "median": median, "sigma": 0.3}
        for name, median in (("price", 3), ("cost", 1.5))
    }
    ds = sim.sample(laws, draws=4096)
    ds["margin"] = 1 - ds["cost"] / ds["price"]
    (table, *_) = sensitivity_tables(sensitivity(ds, "margin", **asked))
    assert {label: cells[1] for label, cells in table.rows[:2]} == {
        "price": words[0],
        "cost": words[1],
    }
