"""Which edits can move an output."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT

import sim
from sim.analysis.measures import Measure, draw_measures, headline_measures, parse_measure
from sim.expressions.tree import references
from sim.parameters.edits import apply_edits, find_edits
from sim.parameters.options import run_options
from sim.parameters.reach import reaching_edits

BASE = ROOT / "params" / "base.toml"
CHANGES = {
    "hardware.pue.median": 1.3,
    "prices.api_discount.median": 0.3,
    "labs.openai.arr_2026q4_busd.median": 50,
    "labs.anthropic.gw_2026q4.median": 7,
    "landlords.oracle.capex_2026_busd.median": 60,
    "buildout.capex_sigma.value": 0.1,
}
PUE, DISCOUNT, ARR, GW, CAPEX, SIGMA = (key.rpartition(".")[0] for key in CHANGES)


def reaching(text: str, first: sim.Scenario, second: sim.Scenario) -> set[str]:
    """The names of the edits that can move a statistic."""
    edits = find_edits(first, second)
    found = reaching_edits(edits, references(parse_measure(text).tree), first, second)
    return {edits[i].name for i in found}


@pytest.fixture(scope="module")
def edited() -> sim.Scenario:
    return sim.load(BASE, set=CHANGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p50(hardware.pue)", {PUE}),
        ("p50(price_index@2027Q1)", set()),
        ("p50(arr[openai]@2026Q4)", {ARR}),
        ("p50(arr[anthropic]@2026Q4)", set()),
        ("p50(gw[xai]@2027Q4)", {GW, CAPEX, SIGMA}),
        ("P(lab_paid_margin[openai]@2026Q4 >= hurdle_margin)", {PUE, ARR, GW, CAPEX, SIGMA}),
        ("P(lab_paid_margin[xai]@2026Q4 >= hurdle_margin)", {PUE, GW, CAPEX, SIGMA}),
        ("p50(landlord_capex_busd[oracle]@2026Q4)", {CAPEX, SIGMA}),
        ("p50(capex_2026_busd[oracle])", {CAPEX, SIGMA}),
    ],
)
def test_an_edit_reaches_what_depends_on_its_input(
    base: sim.Scenario, edited: sim.Scenario, text: str, expected: set[str]
) -> None:
    """A lab's gigawatts move others, by caps and landlords' fleets; its revenue does not."""
    assert reaching(text, base, edited) == expected


def test_settings_and_held_factors_reach_everything(base: sim.Scenario) -> None:
    changes = {"model.rental_mode": "market", "factors.demand": 1}
    other = sim.load(BASE, set=changes)
    assert reaching("p50(arr[openai]@2026Q4)", base, other) == set(changes)


@pytest.mark.parametrize("name", ["bear", "evidence-2026-11", "stress"])
def test_what_edits_cannot_reach_is_the_same_in_every_draw(base: sim.Scenario, name: str) -> None:
    """All edits that do not reach a statistic, made together, move it in no draw."""
    other = sim.load(ROOT / "params" / "scenarios" / f"{name}.toml")
    edits = find_edits(base, other)
    options = run_options(base, 128, threads=1)
    by_reach: dict[frozenset[int], list[Measure]] = {}
    for measure in headline_measures(base):
        reach = reaching_edits(edits, references(measure.tree), base, other)
        by_reach.setdefault(reach, []).append(measure)
    for reach, measures in by_reach.items():
        rest = apply_edits(base, other, [e for i, e in enumerate(edits) if i not in reach])
        before, after = (draw_measures(of, options, measures) for of in (base, rest))
        for one, two in zip(before, after, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9)
