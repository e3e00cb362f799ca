"""Whether published figures agree with one another, and the scenario with them."""

from __future__ import annotations

import math

import pytest
from conftest import ROOT, Command
from hypothesis import given
from hypothesis import strategies as st
from parameter_files import STATEMENT, Folder

import sim
from sim.parameters.consistency import (
    are_apart,
    describe_quantity,
    evaluate,
    find_disagreements,
    nominal_value,
    report,
    rounding_interval,
)
from sim.parameters.scenario import Scenario, Statement

BASE = str(ROOT / "params" / "base.toml")
HYPERSCALERS = ("microsoft", "amazon", "alphabet", "meta")


def statement_of(
    value: float | None, low: float | None = None, high: float | None = None
) -> Statement:
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
    assert rounding_interval(statement_of(number)) == pytest.approx((low, high))


def test_a_range_is_its_own_interval() -> None:
    assert rounding_interval(statement_of(None, 180, 190)) == (180, 190)
    assert rounding_interval(statement_of(None, 10)) == (10, math.inf)
    assert rounding_interval(statement_of(None, None, 14)) == (-math.inf, 14)
    assert [nominal_value(statement_of(*x)) for x in ((None, 180, 190), (7,), (None, 10))] == [
        185,
        7,
        10,
    ]


@given(st.tuples(*[st.floats(-1e6, 1e6)] * 4))
def test_intervals_are_apart_in_either_order(ends: tuple[float, ...]) -> None:
    first, second = tuple(sorted(ends[:2])), tuple(sorted(ends[2:]))
    assert are_apart(first, second) == are_apart(second, first)  # type: ignore[arg-type]
    assert not are_apart(first, first)  # type: ignore[arg-type]
    if first[1] < second[0] - 1:
        assert are_apart(first, second)  # type: ignore[arg-type]


def test_the_parts_of_the_source_document_do_not_add_up_to_its_total(base: Scenario) -> None:
    """Model.md 9.3: about 600 against its own 190, 180 to 190, 125 to 145, and 200 of Amazon's."""
    disagreements = {
        f.kind: f for f in find_disagreements(base) if f.statement.total_of == HYPERSCALERS
    }
    parts = disagreements["parts"].parts
    assert [(part.label, part.number) for part in parts] == [
        ("microsoft", 190), ("amazon", 200), ("alphabet", 185), ("meta", 135),
    ]  # fmt: skip
    assert [part.source for part in parts].count("source-document") == 3
    assert disagreements["sum"].number == 190 + 215 + 195 + 138


def test_contradictions_are_found_with_both_sources(base: Scenario) -> None:
    disputed = {
        (describe_quantity(f.statement), f.statement.source, f.other.source)
        for f in find_disagreements(base)
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


def test_differences_and_ratios_are_compared_with_the_scenario(base: Scenario) -> None:
    disagreements = {
        describe_quantity(f.statement): f for f in find_disagreements(base) if f.kind == "scenario"
    }
    labs = "anthropic + google_deepmind + meta + openai + xai"
    added = disagreements[f"gw_2026q4 less gw_2025q4 of {labs}"]
    assert added.number == pytest.approx(24 - 8.9)
    per_gw = disagreements["arr_2026q4_busd[openai] per gw_2026q4[openai]"]
    assert per_gw.number == pytest.approx(58 / 7)


def test_figures_that_agree_are_not_reported(folder: Folder) -> None:
    for text in (STATEMENT, STATEMENT.replace("value = 7", "low = 6\nhigh = 8"), ""):
        folder.write("published.toml", f"format = 1\n{STATEMENT}{text}")
        assert find_disagreements(folder.load()) == []
        assert list(report(folder.load())) == []


def test_a_scenario_that_departs_from_a_figure_is_reported(folder: Folder) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT}")
    scenario = folder.load(set={"labs.openai.gw_2026q4.median": 9})
    (finding,) = find_disagreements(scenario)
    assert (finding.kind, finding.number) == ("scenario", 9)
    assert evaluate(scenario, finding.statement) == 9
    assert list(report(scenario)) == [
        "(source, date, grade: A first-party, B research house or press, C secondary)",
        "Published figures that this scenario departs from:",
        "  gw_2026q4[openai] [GW]: 9 here",
        "    7 (source-document, 2026-05-13, C)",
    ]


def test_figures_of_an_unknown_lab_are_left_out(folder: Folder) -> None:
    text = STATEMENT.replace("openai", "openia") + STATEMENT.replace("openai", "openia").replace(
        "7", "17"
    )
    folder.write("published.toml", f"format = 1\n{text}")
    scenario = folder.load()
    assert find_disagreements(scenario) == []
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
        "    its parts here: 738",
        "      amazon 215",
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
def test_a_figure_with_a_label_of_another_kind_is_left_out(folder: Folder, about: str) -> None:
    text = "".join(
        f'[[statement]]\n{about}\nvalue = {number}\nsource = "source-document"\n'
        for number in (1, 500)
    )
    folder.write("published.toml", f"format = 1\n{text}")
    scenario = folder.load()
    assert find_disagreements(scenario) == []
    notes = list(report(scenario))
    assert notes
    assert all("is left out" in note for note in notes)


def test_totals_in_another_order_of_parts_are_one_quantity(folder: Folder) -> None:
    text = "".join(
        f'[[statement]]\nexpression = "rpo_busd"\ntotal_of = {parts}\nvalue = {number}\n'
        'unit = "USD bn"\nsource = "source-document"\n'
        for parts, number in (('["oracle", "meta"]', 553), ('["meta", "oracle"]', 900))
    )
    folder.write("published.toml", f"format = 1\n{text}")
    kinds = [finding.kind for finding in find_disagreements(folder.load())]
    assert kinds == ["figures", "sum"]
