"""Whether published figures agree with one another, and the scenario with them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from conftest import ROOT, Command
from hypothesis import given
from hypothesis import strategies as st
from parameter_files import STATEMENT, Folder

import sim
from sim.parameters.consistency import apart, findings, interval, nominal, quantity, report, value
from sim.parameters.scenario import Scenario, Statement

BASE = str(ROOT / "params" / "base.toml")
HYPERSCALERS = ("microsoft", "amazon", "alphabet", "meta")


@pytest.fixture
def folder(params: Path) -> Folder:
    return Folder(params)


def said(value: float | None, low: float | None = None, high: float | None = None) -> Statement:
    return Statement("gw", ("openai",), "2026Q4", value, "GW", "source-document", "", low, high)


@pytest.mark.parametrize(
    ("number", "low", "high"),
    [
        (7, 6.5, 7.5),
        (1.9, 1.85, 1.95),
        (0.7, 0.65, 0.75),
        (25, 24.5, 25.5),
        (10, 9.5, 10.5),
        (600, 595, 605),
        (190, 185, 195),
        (553, 552.5, 553.5),
        (-3.0, -3.5, -2.5),
        (0, 0, 0),
    ],
)
def test_a_figure_is_as_exact_as_it_is_written(number: float, low: float, high: float) -> None:
    assert interval(said(number)) == pytest.approx((low, high))


def test_a_range_is_what_it_says() -> None:
    assert interval(said(None, 180, 190)) == (180, 190)
    assert interval(said(None, 10)) == (10, math.inf)
    assert interval(said(None, None, 14)) == (-math.inf, 14)
    assert [nominal(said(*x)) for x in ((None, 180, 190), (7,), (None, 10))] == [185, 7, 10]


@given(st.tuples(*[st.floats(-1e6, 1e6)] * 4))
def test_intervals_that_do_not_meet_are_apart_either_way(ends: tuple[float, ...]) -> None:
    one, other = tuple(sorted(ends[:2])), tuple(sorted(ends[2:]))
    assert apart(one, other) == apart(other, one)  # type: ignore[arg-type]
    assert not apart(one, one)  # type: ignore[arg-type]
    if one[1] < other[0] - 1:
        assert apart(one, other)  # type: ignore[arg-type]


def test_the_parts_of_the_source_document_do_not_add_up_to_its_total(base: Scenario) -> None:
    """Model.md 9.3: about 600 against its own 190, 180 to 190, 125 to 145, and 200 of Amazon's."""
    found = {f.kind: f for f in findings(base) if f.statement.total_of == HYPERSCALERS}
    parts = found["parts"].parts
    assert [(part.label, part.number) for part in parts] == [
        ("microsoft", 190), ("amazon", 200), ("alphabet", 185), ("meta", 135),
    ]  # fmt: skip
    assert [part.source for part in parts].count("source-document") == 3
    assert found["sum"].found == 190 + 215 + 195 + 138


def test_contradictions_are_found_with_both_sources(base: Scenario) -> None:
    disputed = {
        (quantity(f.statement), f.statement.source, f.other.source)
        for f in findings(base)
        if f.other is not None
    }
    assert (
        "arr_2025q4_busd[anthropic]", "source-document", "anthropic-run-rate-2026",
    ) in disputed  # fmt: skip
    assert (
        "gw[anthropic]@2027Q4", "source-document", "openai-investor-memo-2026-04",
    ) in disputed  # fmt: skip
    # An output at a quarter and the input that it is there are one quantity.
    assert ("gw_2026q4[meta]", "source-document", "meta-compute-memo-2026") in disputed
    assert not any("capex_2026_busd[meta]" in about for about, *_ in disputed)  # they overlap


def test_gigawatts_are_held_against_chips_and_revenue_against_gigawatts(base: Scenario) -> None:
    found = {quantity(f.statement): f for f in findings(base) if f.kind == "scenario"}
    labs = "anthropic + google_deepmind + meta + openai + xai"
    added = found[f"gw_2026q4 less gw_2025q4 of {labs}"]
    assert added.found == pytest.approx(24 - 8.9)
    per_gw = found["arr_2026q4_busd[openai] per gw_2026q4[openai]"]
    assert per_gw.found == pytest.approx(46 / 7)


def test_what_agrees_is_not_reported(folder: Folder) -> None:
    for text in (STATEMENT, STATEMENT.replace("value = 7", "low = 6\nhigh = 8"), ""):
        folder.write("published.toml", f"format = 1\n{STATEMENT}{text}")
        assert findings(folder.load()) == []
        assert list(report(folder.load())) == []


def test_the_scenario_that_departs_is_told(folder: Folder) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT}")
    scenario = folder.load(set={"labs.openai.gw_2026q4.median": 9})
    (finding,) = findings(scenario)
    assert (finding.kind, finding.found) == ("scenario", 9)
    assert value(scenario, finding.statement) == 9
    assert list(report(scenario)) == [
        "(source, date, grade: A first-party, B research house or press, C secondary)",
        "Published figures that this scenario departs from:",
        "  gw_2026q4[openai] [GW]: 9 here",
        "    7 (source-document, 2026-05-13, C)",
    ]


def test_figures_of_what_is_not_in_the_run_are_left_out(folder: Folder) -> None:
    text = STATEMENT.replace("openai", "openia") + STATEMENT.replace("openai", "openia").replace(
        "7", "17"
    )
    folder.write("published.toml", f"format = 1\n{text}")
    scenario = folder.load()
    assert findings(scenario) == []
    (note,) = report(scenario)
    assert note == (
        "note: published gw_2026q4[openia] is left out: 'openia' is not one of its labs or"
        " landlords in this run; did you mean 'openai'?"
    )


def test_check_reports_contradictions_at_80_columns(invoke: Command) -> None:
    done = invoke("check", BASE)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for words in (
        "Published figures that contradict one another:",
        "Published totals that their parts do not add up to:",
        "    its parts as published: 710",
        "      amazon 200 (capex-guidance-2026-04)",
        "      alphabet 185 (180 to 190) (source-document)",
        "    9 (anthropic-run-rate-2026, 2025-12-31, A)",
        "    25 (source-document, 2026-05-13, C)",
    ):
        assert words in lines


def test_every_published_figure_has_its_source(base: sim.Scenario) -> None:
    assert len(base.published) > 30
    assert {statement.source for statement in base.published} <= set(base.sources)


@pytest.mark.parametrize(
    "about",
    [
        'expression = "gw[oracle]@2026Q4"\nunit = "GW"',
        'expression = "capex_2026_busd[openai]"\nunit = "USD bn"',
        'expression = "hosted_gw[oracle, openai]@2026Q4"\nunit = "GW"',
        'expression = "rpo_busd"\ntotal_of = ["oracle", "openai"]\nunit = "USD bn"',
        'expression = "gw_2026q4[openai]"\nper = "gw_2025q4[opnai]"\nunit = "GW/GW"',
    ],
)
def test_a_label_of_another_kind_is_no_label(folder: Folder, about: str) -> None:
    text = "".join(
        f'[[statement]]\n{about}\nvalue = {number}\nsource = "source-document"\n'
        for number in (1, 500)
    )
    folder.write("published.toml", f"format = 1\n{text}")
    scenario = folder.load()
    assert findings(scenario) == []
    notes = list(report(scenario))
    assert notes
    assert all("is left out" in note for note in notes)


def test_a_total_is_the_same_in_any_order_of_its_parts(folder: Folder) -> None:
    text = "".join(
        f'[[statement]]\nexpression = "rpo_busd"\ntotal_of = {parts}\nvalue = {number}\n'
        'unit = "USD bn"\nsource = "source-document"\n'
        for parts, number in (('["oracle", "meta"]', 553), ('["meta", "oracle"]', 900))
    )
    folder.write("published.toml", f"format = 1\n{text}")
    kinds = [finding.kind for finding in findings(folder.load())]
    assert kinds == ["figures", "sum"]
