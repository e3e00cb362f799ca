"""`sim discover`: its tables, its picture, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT
from stored_runs import Sim

import sim
from sim.plots.discover import discover_figure
from sim.tables.discover import discover_tables

BASE = str(ROOT / "params" / "base.toml")
EVENT = "inference_gross_margin@2026Q4 >= 0.7"


def test_bounds_of_a_box_are_in_the_unit_of_the_input(run_sim: Sim) -> None:
    asked = ("discover", BASE, "--when", EVENT, "--draws", "2048", "--on", "inputs", "--json")
    document = json.loads(run_sim(*asked)[1])
    table, way, nearest = document["tables"]
    assert nearest["name"] == "discover_nearest"
    cells = {(cell["row"], cell["column"]): cell for cell in table["cells"]}
    low = cells["throughput_multiplier", "at least"]
    ds = sim.simulate(sim.load(BASE), draws=2048, keep=["throughput_multiplier"])
    share = float((ds["throughput_multiplier"] < low["value"]).mean())
    from_, _, _ = cells["throughput_multiplier", "percentiles"]["text"].partition(" to ")
    assert 100 * share == pytest.approx(float(from_), abs=1.5)
    chosen = {cell["column"]: cell for cell in way["cells"] if cell["row"] == "chosen"}
    assert chosen["density"]["value"] > 0.5
    assert chosen["density"]["error"] > 0


def test_the_picture_holds_both_inputs_and_the_box(base: sim.Scenario) -> None:
    from figure_marks import assert_inside, texts

    found = sim.discover(base, EVENT, draws=2048)
    figure = discover_figure(found, "base")
    assert_inside(figure)
    assert found.frontier is not None
    for name in found.frontier.names:
        assert any(name.rpartition(".")[2] in text for text in texts(figure))
    assert found.frontier.share.shape == (12, 12)


def test_an_event_that_hangs_on_no_few_inputs_is_said_to(base: sim.Scenario) -> None:
    drawn = sim.sample({"x": {"family": "normal", "mean": 0, "sd": 1}}, draws=1024)
    drawn["coin"] = ("draw", [float(i % 2) for i in range(1024)])
    found = sim.discover(drawn, "coin >= 0.5")
    assert found.conditions == ()
    assert "hangs on no few of them" in discover_tables(found)[0].remarks[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--when: is needed"),
        (("--when", "gw[openai]@2026Q4 > 0"), "holds in every draw"),
        (("--when", "gw[openai]@2026Q4 > 1000"), "holds in no draw"),
        (("--when", "gw[openai]@2026Q4"), "--when"),
    ],
)
def test_what_cannot_be_discovered_is_refused_and_nothing_is_written(
    run_sim: Sim, options: tuple[str, ...], message: str
) -> None:
    before = sorted(Path().rglob("*"))
    code, out, errors = run_sim("discover", BASE, *options, "--draws", "256", "--to", "a/b.png")
    assert (code, out) == (2, "")
    assert message in errors.replace("\n", " ")
    assert sorted(Path().rglob("*")) == before
