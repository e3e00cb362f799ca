"""Tables of one world."""

from __future__ import annotations

import math

import pytest

from sim.analysis.reasons import Reason
from sim.analysis.trace import Input, Step
from sim.tables import trace as tables


def step(output: str, *labels: str, value: float = 1.0, section: str = "6. Fleet") -> Step:
    return Step(output, labels, value, 2.0, "GW", section, "6.1", "sim/kernels/formulas/fleet.py")


def test_outputs_of_several_labels_stand_below_their_head() -> None:
    steps = [step("gw", "xai", "2026Q4"), step("gw", "meta", "2026Q4"), step("total_gw", "2026Q4")]
    (table,) = tables.steps_tables(steps)
    assert table.title == "6. Fleet (2026Q4)"
    assert table.rows == [
        ("gw (GW)", ["", "", "(6.1)"]),
        ("- xai", ["1", "2", ""]),
        ("- meta", ["1", "2", ""]),
        ("total_gw (GW)", ["1", "2", "(6.1)"]),
    ]
    assert table.remarks == ["Code: sim/kernels/formulas/fleet.py"]


def test_a_quarter_is_in_the_rows_where_there_are_several() -> None:
    (table,) = tables.steps_tables([step("gw", "xai", "2026Q4"), step("gw", "xai", "2027Q1")])
    assert [label for label, _ in table.rows] == ["gw (GW)", "- xai 2026Q4", "- xai 2027Q1"]


def test_sections_are_in_the_order_of_the_model() -> None:
    steps = [step("a", section="10. Late"), step("b", section="2. Early")]
    assert [table.name for table in tables.steps_tables(steps)] == ["section_2", "section_10"]


def test_inputs_name_their_source_and_the_others_are_counted() -> None:
    inputs = [
        Input(f"hardware.x{i}", 1.0, 2.0, "kW", 99.0 - i, "a-filing" if i else "judgement",
              "A" if i else "judgement")
        for i in range(tables.MOST_INPUTS + 3)
    ]  # fmt: skip
    table = tables.inputs_table(inputs)
    assert table.rows[0] == ("x0 (kW)", ["1", "2", "99.0"])
    assert table.rows[1][0] == "x1 (kW)\n  a-filing, A"
    assert "And 3 more" in table.remarks[-1]
    assert len(tables.inputs_table(inputs, all_inputs=True).rows) == len(inputs)


def test_reasons_that_are_not_named_are_summed() -> None:
    reasons = [Reason(f"workload.c{i}", 1.0, 0.5) for i in range(7)]
    table = tables.reasons_table(reasons)
    assert table.rows[0] == ("c0", ["+1.0", "+0.50"])
    assert table.rows[-1] == ("2 others", ["", "+1.00"])


def test_cells_for_csv_have_all_digits_units_and_sources() -> None:
    value = math.pi
    inputs = [Input("labs.xai.gw_2026q4", value, 3.0, "GW", 61.2, "a-filing", "A")]
    shown = tables.plain_tables(inputs, [step("gw", "xai", "2026Q4", value=value)])
    cells = [cell for table in shown for cell in table.data()["cells"]]
    assert {"row": "labs.xai.gw_2026q4", "column": "source", "text": "a-filing"} in cells
    values = [cell["value"] for cell in cells if cell["column"] == "value"]
    assert values == [value, value]
    assert cells[-4]["row"] == "gw[xai, 2026Q4]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234.5, "1234"), (40_060.4, "40,060"), (3.2e7, "3.2e+07"), (-0.05, "-0.05"),
     (math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "-")],
)  # fmt: skip
def test_numbers_of_a_world_have_four_digits(value: float, text: str) -> None:
    assert tables.format_number(value) == text
