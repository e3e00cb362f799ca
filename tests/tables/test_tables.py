from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from rich.console import Console

import sim
from sim import tables
from sim.cli import terminal
from sim.common.numbers import percentage, rounded_by
from sim.parameters.scenario import Scenario
from sim.statistics.replicates import replicated
from sim.tables import Cell, Selection, Table, comparison
from sim.tables.comparison import Measure


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.71277, 0.00247, ("0.713", "0.002")),
        (0.71277, 0.00097, ("0.713", "0.001")),
        (4158.004, 3.2, ("4158", "3")),
        (12_345.6, 120.0, ("12300", "100")),
        (-5.83, 0.31, ("-5.8", "0.3")),
        (7.748e-5, 2e-7, ("0.0000775", "0.0000002")),
        (3.14159, 0.0, ("3.142", "0")),
        (3.14159, math.nan, ("3.14", "")),
        (2_335.0, math.nan, ("2340", "")),
        (-23_350.0, 0.0, ("-23350", "0")),
        (-123_456.0, 0.0, ("-123500", "0")),
        (math.inf, 0.1, ("inf", "")),
    ],
)
def test_values_are_rounded_by_their_error(
    value: float, error: float, shown: tuple[str, str]
) -> None:
    assert rounded_by(value, error) == shown


def test_what_no_draw_shows_is_below_three_in_n() -> None:
    assert percentage(0.0, 1e-6, 100_000) == ("< 0.003", "")
    assert percentage(1.0, 1e-6, 100_000) == ("> 99.997", "")
    assert percentage(0.0, 1e-2, 64) == ("< 5", "")
    assert percentage(0.0, 1e-2, 2_000) == ("< 0.2", "")
    assert percentage(0.0, 1e-2, 1) == ("< 100", "")
    assert percentage(0.43, 2e-3, 100_000) == ("43.0", "0.2")


BASE = ROOT / "params" / "base.toml"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(
        width=80, record=True, highlight=False, force_terminal=False, legacy_windows=False
    )
    monkeypatch.setattr(terminal, "out", console)
    return console


def test_the_tables_of_a_run(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console, golden: Callable[[str, str], None]
) -> None:
    for table in tables.headline_tables(ds, summary):
        terminal.show(table)
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("tables.txt", text)


def test_the_side_by_side_table(
    base: Scenario, ds: xr.Dataset, printed: Console, golden: Callable[[str, str], None]
) -> None:
    other = sim.simulate(base, draws=4_000, seed=1, uncertainty=0.5)
    other.attrs["scenario"] = "half the spread"
    terminal.show(comparison.side_by_side([comparison.compared(ds), comparison.compared(other)]))
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    golden("comparison.txt", text)


def test_the_side_by_side_table_says_what_the_other_tables_say(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    (_, cells), *_ = comparison.side_by_side([comparison.compared(ds)]).rows
    _, expected = tables.headline_tables(ds, summary)[0].rows[0]
    p5, p50, p95, _, reached = cells[:5]
    assert [c.rounded() for c in (p5, p50, p95, reached) if isinstance(c, Cell)] == [
        c.rounded()
        for c in (expected[0], expected[2], expected[4], expected[5])
        if isinstance(c, Cell)
    ]


def test_differences_of_scenarios_are_paired(base: Scenario, params: Path, ds: xr.Dataset) -> None:
    """The same random numbers: the error of a difference is far below those of its terms."""
    dear = sim.load(params / "base.toml", set={"hardware.power_price_usd_per_kwh.median": 0.1})
    runs = [comparison.compared(ds), comparison.compared(sim.simulate(dear, draws=4_000, seed=1))]
    rows = dict(comparison.side_by_side(runs).rows)
    first, less = rows["base"][1], rows["  vs base"][1]
    assert isinstance(first, Cell)
    assert isinstance(less, Cell)
    assert less.value < 0
    assert less.error < first.error / 5
    other_seed = comparison.compared(sim.simulate(dear, draws=4_000, seed=2))
    assert len(comparison.side_by_side([runs[0], other_seed]).rows) == 2


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, None])
def test_errors_of_paired_differences_are_their_spread_over_seeds(level: float | None) -> None:
    """Quantiles of two laws that share their noise differ by more than those of a replicate."""
    rng = np.random.default_rng(4)
    how, every = replicated(4_000, "random"), np.arange(4_000)
    found = []
    for _ in range(300):
        one = rng.normal(size=4_000)
        other = one + 0.05 * (1 + rng.normal(size=4_000))
        pair = [Measure("", x if level else x > 1, level, "1", 1.0, how) for x in (one, other)]
        cell = pair[1].difference(pair[0], every, every, how)
        found.append((cell.value, cell.error))
    values, errors = np.array(found).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.2)


INPUTS = ("RPO", "labs, % of RPO")  # columns that no draw moves


def test_every_printed_number_has_an_error(ds: xr.Dataset, summary: xr.Dataset) -> None:
    for table in tables.headline_tables(ds, summary):
        for cell in table.data()["cells"]:
            if cell["column"] == "published":
                continue
            number = cell["value"] is not None and cell["column"] not in INPUTS
            assert (cell["error"] is not None) or not number, (table.title, cell)
            assert cell["value"] is not None or cell["text"] in ("not reported", "never", "-")


def titled(
    ds: xr.Dataset, summary: xr.Dataset, title: str, selection: Selection | None = None
) -> Table:
    """The table whose title begins so."""
    found = tables.headline_tables(ds, summary, selection)
    (table,) = [table for table in found if table.title.startswith(title)]
    return table


def at(table: Table, row: str, column: str) -> Cell:
    """The cell of a row and a column, the head of which is written in one line."""
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    cell = dict(table.rows)[row][heads.index(column)]
    assert isinstance(cell, Cell)
    return cell


def test_labs_have_their_books_beside_what_training_brought(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table, here = titled(ds, summary, "Labs, 2026Q4"), {"lab": "anthropic", "quarter": "2026Q4"}
    draws = ds.sel(here)
    for column, expected in {
        "GW p50": draws.gw.median(),
        "paid % p50": draws.lab_paid_margin.median(),
        "loaded % p50": draws.lab_loaded_margin.median(),
        "P(paid >= 70 %) %": (draws.lab_paid_margin >= 0.7).mean(),
        "multiple p50": draws.training_moic.median(),
        "payback months p50": draws.payback_months.median(),
        "bill mean": summary.compute_bill_mean.sel(here),
        "ARR mean": summary.arr_mean.sel(here),
        "gap mean": summary.funding_gap_busd_mean.sel(here),
    }.items():
        assert at(table, "Anthropic", column).value == pytest.approx(float(expected)), column
    assert at(table, "OpenAI", "payback months p50").rounded() == ("never", "")


def test_a_lab_without_reported_revenue_is_said_to_be_so(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console
) -> None:
    for title in ("Labs, 2026Q4", "What the fleets", "Was the training run"):
        terminal.show(titled(ds, summary, title, Selection(labs=("google_deepmind",))))
    text = printed.export_text()
    assert "nan" not in text
    assert len(re.findall(r"not\s+reported|not +- |not$", text, re.MULTILINE)) >= 3
    assert text.count("reported") >= 3


def test_landlords_have_what_they_book_beside_what_hangs_on_labs(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "Landlords, 2026Q4")
    here = {"landlord": "oracle", "quarter": "2026Q4"}
    for column, name in {
        "hosted GW": "hosted_gw_landlord",
        "capex": "landlord_capex_busd",
        "booked deprec.": "depreciation_booked",
        "rent": "rent_received",
        "RPO under hurdle": "rpo_under_hurdle",
    }.items():
        mean = summary[f"{name}_mean"]
        expected = float(mean.sel({dim: label for dim, label in here.items() if dim in mean.dims}))
        assert at(table, "Oracle", column).value == pytest.approx(expected), column
    assert at(table, "Oracle", "RPO").rounded() == ("553", "")
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    assert dict(table.rows)["Meta"][heads.index("rent over booked")] == "-"
    rent, booked = (
        float(summary[f"{name}_mean"].sel(here))
        for name in ("rent_received", "depreciation_booked_rented")
    )
    assert at(table, "Oracle", "rent over booked").value == pytest.approx(rent / booked)
    capex = [cells[1].value for label, cells in table.rows[:-1] if isinstance(cells[1], Cell)]
    assert at(table, "total", "capex").value == pytest.approx(math.fsum(capex))
    worst = ds.rpo_under_hurdle.sel(landlord="oracle").quantile(0.95)
    assert at(table, "Oracle", "RPO under hurdle, worst 5 %").value == pytest.approx(float(worst))


def test_published_figures_stand_beside_the_run(ds: xr.Dataset, summary: xr.Dataset) -> None:
    table = titled(ds, summary, "Published figures")
    said = dict(table.rows)["openai-investor-memo-2026-04\ngw[anthropic]@2027Q4"]
    draws = ds.gw.sel(lab="anthropic", quarter="2027Q4")
    shown = [cell.value for cell in said if isinstance(cell, Cell)]
    assert said[0] == "7 to 8"
    assert shown == pytest.approx([float(draws.quantile(p)) for p in (0.5, 0.05, 0.95)])
    arr = dict(table.rows)["anthropic-run-rate-2026\narr[anthropic]@2026Q1"]
    assert arr[0] == "30"
    assert isinstance(arr[1], Cell)
    assert arr[1].value == float(summary.arr_mean.sel(lab="anthropic", quarter="2026Q1"))
    assert arr[2:] == ["-", "-"]
    margin = dict(table.rows)["source-document\ninference_gross_margin@2026Q4"]
    assert margin[0] == "70"
    selection = Selection(labs=("xai",), quarters=("2027Q4",))
    (row,) = titled(ds, summary, "Published figures", selection).rows
    assert row[0] == "spacex-call-2026-08\ngw[xai]@2027Q4"


def test_what_is_hosted_adds_up(ds: xr.Dataset, summary: xr.Dataset) -> None:
    *labs, (_, together) = titled(ds, summary, "Who hosts whom").rows
    for column, total in enumerate(together):
        hosted = [row[column].value for _, row in labs if isinstance(row[column], Cell)]
        assert isinstance(total, Cell)
        assert math.fsum(hosted) == pytest.approx(total.value)


def test_only_labs_without_revenue_are_not_reported(base: Scenario) -> None:
    """A number that is missing for another reason is a nan."""
    wide = sim.load(BASE, set={"model.uncertainty": 3})
    broken = sim.simulate(wide, draws=4_096, bad_draws="keep")
    assert broken.attrs["draws_not_finite"] > 0
    summary = sim.summarise(broken)
    said: dict[str, set[str]] = {}
    for table in tables.headline_tables(broken, summary):
        for cell in table.data()["cells"]:
            if cell.get("value") is None and cell["column"] != "published":
                said.setdefault(cell["text"], set()).add(cell["row"])
    silent = {"Google DeepMind", "Meta", "Alibaba Qwen", "ByteDance Seed", "DeepSeek"}
    assert said["not reported"] <= silent
    assert "Inference 2026Q4" in said["nan"]


def test_dashes_stand_for_what_is_not_reported_and_for_no_nan(printed: Console) -> None:
    nan = Cell(math.nan, math.nan, "1")
    silent = Cell(math.nan, math.nan, "1", missing="not reported")
    terminal.show(Table("", ["", "a", "b"], [("broken", [nan, nan]), ("silent", [silent, silent])]))
    words = printed.export_text().split()
    assert words.count("nan") == 2
    assert words.count("-") == 1


def test_a_landlord_that_begins_in_2027_has_its_coverage(params: Path) -> None:
    """In some draws it hosts nothing yet; rent and depreciation are then nil, not missing."""
    shares = {"softbank.share_2026": 0.0, "oracle.share_2026": 0.29}
    later = sim.load(
        params / "base.toml", set={f"labs.openai.host.{k}": v for k, v in shares.items()}
    )
    ds = sim.simulate(later, draws=2_048)
    assert ds.attrs["draws_not_finite"] == 0
    summary = sim.summarise(ds)
    table = titled(ds, summary, "Landlords, 2027Q4", Selection(quarters=("2027Q4",)))
    rent, booked = (
        float(summary[f"{name}_mean"].sel(landlord="softbank", quarter="2027Q4"))
        for name in ("rent_received", "depreciation_booked_rented")
    )
    assert at(table, "SoftBank", "rent over booked").value == pytest.approx(rent / booked)
    now = titled(ds, summary, "Landlords, 2026Q4")
    heads = [head.replace("\n", " ") for head in now.columns[1:]]
    assert dict(now.rows)["SoftBank"][heads.index("rent over booked")] == "-"


def test_a_lab_that_is_not_in_a_run_leaves_no_empty_tables(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    found = tables.headline_tables(ds, summary, Selection(labs=("elsewhere",)))
    assert found == []


def test_tables_can_be_narrowed(ds: xr.Dataset, summary: xr.Dataset) -> None:
    selection = Selection(("anthropic", "xai"), ("oracle",), ("2027Q1", "2027Q3"))
    found = tables.headline_tables(ds, summary, selection)
    titles = [table.title for table in found]
    for title in ("Labs", "Landlords", "What the fleets cost, serve and earn"):
        several = [t for t in titles if t.startswith(title)]
        assert [re.findall(r"20\d\dQ\d", t) for t in several] == [["2027Q1"], ["2027Q3"]]
    for table in found:
        names = {"OpenAI", "Anthropic", "xAI", "Meta", "Microsoft", "Oracle"}
        rows = {label for label, _ in table.rows} & names
        assert rows in (set(), {"Anthropic", "xAI"}, {"Oracle"}), table.title
        assert "2026Q4 p5" not in [column.replace("\n", " ") for column in table.columns]


def test_what_was_not_chosen_is_left_out(ds: xr.Dataset, summary: xr.Dataset) -> None:
    def titles(**chosen: tuple[str, ...]) -> str:
        return " ".join(
            table.title for table in tables.headline_tables(ds, summary, Selection(**chosen))
        )

    labs, landlords = titles(labs=("xai",)), titles(landlords=("oracle",))
    assert "Labs" in labs
    assert "Landlords" not in labs
    assert "Landlords" in landlords
    assert "Labs" not in landlords
    later = titles(quarters=("2027Q3",))
    assert "Mean cost of a million tokens, 2027Q3" in later
    heads = [
        column
        for table in tables.headline_tables(ds, summary, Selection(quarters=("2027Q3",)))
        for column in table.columns
        if table.title.startswith(("Labs", "Landlords"))
    ]
    assert "gap\nmean" in heads
    assert "RPO" not in heads  # exposure and the generation are of 2026Q4
    assert "multiple\np50" not in heads


def test_a_wide_table_goes_on_below_itself(
    ds: xr.Dataset, summary: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = titled(ds, summary, "Landlords, 2026Q4")
    for width, parts in ((64, 3), (80, 2), (200, 1)):
        console = Console(width=width, record=True, legacy_windows=False)
        monkeypatch.setattr(terminal, "out", console)
        terminal.show(table)
        lines = console.export_text().splitlines()
        assert sum(line.split()[:1] == ["landlord"] for line in lines) == parts, width
        assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize("labs", [("openai", "anthropic"), ("xai",)])
def test_no_number_and_no_name_is_clipped(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console, labs: tuple[str, ...]
) -> None:
    for quarters in ((), ("2026Q4",)):
        for table in tables.headline_tables(ds, summary, Selection(labs, quarters=quarters)):
            terminal.show(table)
    long = "a-name-without-a-space-that-is-longer-than-its-column"
    terminal.show(Table("", ["", "P(paid >=\n70 %) %"], [(long, [Cell(1.0, 0.1, "1")])]))
    text = printed.export_text(styles=False)
    assert "…" not in text
    assert long[:36] in text
    assert long[36:] in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_quantile_that_some_replicates_put_at_never_says_so() -> None:
    cell = Cell(11.94, math.inf, "month", infinite="never")
    assert cell.rounded() == ("11.9 or never", "")
    assert Cell(-22.294, math.inf, "1", 100.0).rounded() == ("-2230 or -inf", "")
    assert Cell(-22.294, math.inf, "1").data()["text"] == "-22.3 or -inf"
    assert Cell(math.nan, math.nan, "1").rounded() == ("nan", "")
    assert Cell(-math.inf, 0.0, "1").rounded() == ("-inf", "")
    assert Cell(math.inf, 0.0, "1").data() == {
        "value": None, "error": 0.0, "text": "inf", "unit": "1",
    }  # fmt: skip


def test_tables_for_machines_are_json(ds: xr.Dataset, summary: xr.Dataset) -> None:
    margins, *_ = [table.data() for table in tables.headline_tables(ds, summary)]
    cell = json.loads(json.dumps(margins))["cells"][2]
    assert (cell["row"], cell["column"], cell["unit"]) == ("Inference 2026Q4", "p50", "1")
    assert cell["value"] == float(
        summary.inference_gross_margin_quantile.sel(quantile=0.5, quarter="2026Q4")
    )


def test_cost_layers_sum_to_the_total_that_is_printed(ds: xr.Dataset, summary: xr.Dataset) -> None:
    rows = dict(tables.headline_tables(ds, summary)[1].rows)
    sums = {label: rows.pop(label) for label in ("= compute", "= total")}
    rows = {label: cells for label, cells in rows.items() if "revenue," not in label}
    assert len(rows) == 13
    for column in range(3):
        layers = [c.value for c in (r[column] for r in rows.values()) if isinstance(c, Cell)]
        compute, total = sums["= compute"][column], sums["= total"][column]
        assert isinstance(compute, Cell)
        assert isinstance(total, Cell)
        assert math.fsum(layers[:11]) == pytest.approx(compute.value, rel=1e-12)
        assert math.fsum(layers) == pytest.approx(total.value, rel=1e-12)


def test_the_plan_is_what_was_built_and_what_held_the_rest_back(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    table = titled(ds, summary, "What limited the build")
    planned, *rest = [cells[0] for _, cells in table.rows]
    assert isinstance(planned, Cell)
    assert planned.value == pytest.approx(
        sum(c.value for c in rest if isinstance(c, Cell)), rel=1e-12
    )
    # Means of lognormal plans exceed the medians of model.md 9.2, which sum to 23.95 GW.
    assert 24 < planned.value < 27


def test_doubtful_draws_are_counted(ds: xr.Dataset, summary: xr.Dataset) -> None:
    line = tables.quality(ds, summary)[-1]
    assert "Questionable draws, kept" in line


def test_draws_that_are_not_finite_are_reported(ds: xr.Dataset) -> None:
    broken = ds.assign_attrs(draws_not_finite=3)
    assert "WARNING: 3 of 4,000" in tables.warnings(broken)[0]
    assert tables.warnings(ds) == []


def test_few_draws_say_that_they_have_no_error(base: Scenario, printed: Console) -> None:
    few = sim.simulate(base, draws=40)
    summary = sim.summarise(few)
    assert "too few" in tables.quality(few, summary)[0]
    for table in tables.headline_tables(few, summary):
        terminal.show(table)
    assert "±" not in printed.export_text()


def test_probabilities_without_uncertainty_are_0_or_100(base: Scenario) -> None:
    """All draws are the same, so that no bound has to be given."""
    point = sim.simulate(base, draws=512, uncertainty=0.0)
    shown = [*tables.headline_tables(point, sim.summarise(point))]
    shown.append(comparison.side_by_side([comparison.compared(point)]))
    cells = [cell for table in shown for _, row in table.rows for cell in row]
    probabilities = [cell for cell in cells if isinstance(cell, Cell) and cell.draws]
    known = [cell for cell in probabilities if not math.isnan(cell.value)]
    assert len(known) > 30
    assert {cell.rounded() for cell in known} == {("0", ""), ("100", "")}
    remarks = " ".join(remark for table in shown for remark in table.remarks)
    assert "The power cap binds in 2027Q4 in 0 % of draws." in remarks
