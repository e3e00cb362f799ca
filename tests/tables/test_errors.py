"""Every number with an error in a table is what `sim.summarise` gives for that quantity."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import xarray as xr
from full_runs import BASE, CASES, FullRun, assert_estimate, full_run

import sim
from sim import tables
from sim.common.text import words
from sim.model.dims import LAYERS, REGIMES
from sim.tables import Cell, Table, comparison
from sim.tables.cells import plus_minus
from sim.tables.sweep import tables as sweep_tables

Number = tuple[float, float, float]  # value, error, largest term
LEVELS = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


class Expected:
    """What the cells of the tables of a run should be, by title, row and column."""

    def __init__(self, run: FullRun) -> None:
        self.run = run
        self.is_formed = False  # of moments, whose errors are those of 32 replicates
        names = {dim: run.ds[f"{dim}_name"].values.tolist() for dim in ("lab", "landlord")}
        self.ids = {
            dim: dict(zip(names[dim], run.ds[dim].values.tolist(), strict=True)) for dim in names
        }

    def number(self, title: str, row: str, column: str) -> Number:
        """What a cell should be."""
        match = re.search(r"20\d\dQ\d", title)
        quarter = match[0] if match else ""
        of_title: tuple[tuple[str, Callable[..., Number]], ...] = (
            ("Gross margin", self.margins),
            ("Mean cost of a million tokens", self.costs),
            ("A token and an accelerator", self.per_token),
            ("Facility gigawatts", self.gigawatts),
            ("Probability of exceeding", self.crossings),
            ("What limited the build", self.limits),
            ("Labs, ", self.labs),
            ("What the fleets cost", self.fleets),
            ("Was the training run", self.training),
            ("Who hosts whom", self.hosting),
            ("Landlords, ", self.landlords),
            ("Published figures", self.published),
        )
        (method,) = [method for begin, method in of_title if title.startswith(begin)]
        return method(row, column, quarter)

    def summary(self, name: str, **labels: Any) -> Number:
        """A variable of the summary at the labels of its dims."""
        value = self.run.summary[name]
        where = {dim: label for dim, label in labels.items() if dim in value.dims}
        error = self.run.summary[f"{name}_error"]
        return float(value.sel(where)), float(error.sel(where)), 0.0

    def mean(self, draws: xr.DataArray, largest: float = 0.0) -> Number:
        """The mean of what is formed in each draw."""
        mean = self.run.mean_of_32(draws) if self.is_formed else self.run.mean(draws)
        return float(mean["mean"]), float(mean.error), largest

    def ratio(self, top: xr.DataArray, bottom: xr.DataArray) -> Number:
        """The ratio of two means; its error is that of the mean of top - ratio * bottom."""
        above, below = (float(draws.mean("draw")) for draws in (top, bottom))
        value = above / below
        _, error, _ = self.mean(top - value * bottom)
        return value, error / below, value

    def margins(self, row: str, column: str, _: str) -> Number:
        label, quarter = row.split()
        if label == "Training":
            at: dict[str, Any] = {"regime": "frontier_training", "quarter": quarter}
            return self.summary("gross_margin_quantile", quantile=LEVELS[column], **at)
        name = {"Inference": "inference", "Loaded": "loaded", "Fine-tune": "fine_tune"}[label]
        if column in LEVELS:
            level = LEVELS[column]
            return self.summary(f"{name}_gross_margin_quantile", quantile=level, quarter=quarter)
        name = "p_margin_above_hurdle" if name == "inference" else f"p_{name}_margin_above_hurdle"
        return self.summary(name, quarter=quarter)

    def costs(self, row: str, column: str, quarter: str) -> Number:
        (regime,) = [regime for regime in REGIMES if words(regime) == column]
        at: dict[str, Any] = {"quarter": quarter, "regime": regime}
        if row.startswith("revenue,"):
            kind = "paid" if "paid" in row else "served"
            return self.summary(f"revenue_per_mtok_{kind}_mean", **at)
        cost = self.run.everything.unit_cost.sel(at)
        if row == "= compute":
            return self.mean(self.run.everything.compute_cost.sel(at))
        if row == "= total":
            return self.mean(cost.sum("layer"))
        (layer,) = [layer for layer in LAYERS if words(layer) == row]
        return self.mean(cost.sel(layer=layer))

    def per_token(self, row: str, column: str, quarter: str) -> Number:
        (name,) = [
            name
            for begin, name in (
                ("Energy", "wh_per_token"), ("HBM time", "hbm_bandwidth_s_per_output_token"),
                ("Training", "tps_train"), ("Fine-tuning", "tps_fine_tune"),
                ("Inference, prefill", "tps_prefill"), ("Inference, decode", "tps_decode"),
            )
            if row.startswith(begin)
        ]  # fmt: skip
        return self.summary(f"{name}_quantile", quantile=LEVELS[column], quarter=quarter)

    def gigawatts(self, row: str, column: str, _: str) -> Number:
        quarter, level = column.split()
        lab = self.ids["lab"][row]
        return self.summary("gw_quantile", lab=lab, quarter=quarter, quantile=LEVELS[level])

    def crossings(self, row: str, column: str, _: str) -> Number:
        quarter, _, threshold, _ = column.split()
        if row in self.ids["lab"]:
            at: dict[str, Any] = {"lab": self.ids["lab"][row], "threshold": float(threshold)}
            return self.summary("p_gw_above", quarter=quarter, **at)
        name = "p_top_two" if row == "the two largest labs" else "p_both_named"
        return self.summary(name, quarter=quarter)

    def limits(self, row: str, _: str, __: str) -> Number:
        everything = self.run.everything
        gw = everything.gw.sum("lab")
        amounts = {"built": gw.sel(quarter="2027Q4") - gw.sel(quarter="2026Q4", drop=True)}
        for reason in ("crunch", "delay", "capex", "power"):
            amounts[reason] = everything[f"withheld_by_{reason}_gw"].sum("lab")
        amounts["planned"] = sum(amounts.values(), xr.zeros_like(amounts["built"]))
        (name,) = [name for name in amounts if name in row]
        return self.mean(amounts[name], float(gw.max()))

    def labs(self, row: str, column: str, quarter: str) -> Number:
        name = {
            "GW p50": "gw_quantile", "bill mean": "compute_bill_mean", "ARR mean": "arr_mean",
            "paid % p50": "lab_paid_margin_quantile", "loaded % p50": "lab_loaded_margin_quantile",
            "P(paid >= 70 %) %": "p_lab_margin_above_hurdle", "gap mean": "funding_gap_busd_mean",
            "multiple p50": "training_moic_quantile",
            "payback months p50": "payback_months_quantile",
        }[column]  # fmt: skip
        return self.summary(name, lab=self.ids["lab"][row], quarter=quarter, quantile=0.5)

    def fleets(self, row: str, column: str, quarter: str) -> Number:
        at: dict[str, Any] = {"lab": self.ids["lab"][row], "quarter": quarter}
        everything = self.run.everything
        if column == "ARR over capacity":
            return self.ratio(everything.arr.sel(at), everything.capacity_revenue.sel(at))
        name = {
            "million tokens/s": "fleet_tokens_per_s", "TWh a year": "fleet_energy_twh",
            "capacity revenue": "capacity_revenue",
        }.get(column, "compute_bill_regime")  # fmt: skip
        if name != "compute_bill_regime":
            return self.mean(everything[name].sel(at))
        regimes = dict(zip(("training", "fine-tune", "inference"), REGIMES, strict=True))
        return self.mean(everything[name].sel(at | {"regime": regimes[column.split()[0]]}))

    def training(self, row: str, column: str, _: str) -> Number:
        lab = self.ids["lab"][row]
        if column.startswith("multiple"):
            level = LEVELS[column.split()[1]]
            return self.summary("training_moic_quantile", lab=lab, quantile=level)
        if column == "P(never) %":
            value, error, _ = self.summary("payback_months_finite", lab=lab)
            return 1.0 - value, error, 1.0
        name = {
            "cost mean": "generation_cost_busd_mean",
            "profit mean": "lifetime_gross_profit_busd_mean",
            "P(worth it) %": "p_training_worth_it", "P(NPV >= 0) %": "p_npv_positive",
            "payback months p50": "payback_months_quantile",
            "growth x/yr p50": "sustainable_growth_annual_quantile",
            "required margin %": "required_margin_quantile",
            "external share %": "external_funding_share_mean",
        }[column]  # fmt: skip
        return self.summary(name, lab=lab, quantile=0.5)

    def hosting(self, row: str, column: str, quarter: str) -> Number:
        hosted = self.run.everything.hosted_gw.sel(
            quarter=quarter, landlord=self.ids["landlord"][column]
        )
        if row == "all labs":
            return self.mean(hosted.sum("lab"))
        return self.mean(hosted.sel(lab=self.ids["lab"][row]))

    def landlords(self, row: str, column: str, quarter: str) -> Number:
        ids = [*self.ids["landlord"].values()] if row == "total" else [self.ids["landlord"][row]]

        def summed(name: str) -> xr.DataArray:
            draws = self.run.everything[name].sel(landlord=ids)
            at = {"quarter": quarter} if "quarter" in draws.dims else {}
            return draws.sel(at).sum("landlord")

        amounts = {
            "hosted GW": "hosted_gw_landlord", "capex": "landlord_capex_busd",
            "booked deprec.": "depreciation_booked", "economic deprec.": "depreciation_economic",
            "economic - booked": "depreciation_gap", "rent": "rent_received",
            "book value": "net_book_value", "RPO": "rpo_busd",
            "RPO under hurdle": "rpo_under_hurdle", "RPO not covered": "rpo_shortfall",
            "value under hurdle": "nbv_under_hurdle",
        }  # fmt: skip
        if column in amounts:
            draws = summed(amounts[column])
            return self.mean(draws, float(draws.max()))
        if column == "rent over booked":
            return self.ratio(summed("rent_received"), summed("depreciation_booked_rented"))
        (landlord,) = ids
        if column == "RPO under hurdle, worst 5 %":
            return self.summary("rpo_under_hurdle_quantile", landlord=landlord, quantile=0.95)
        assert column == "labs, % of RPO"  # an input, which has no error
        return self.summary("lab_dependence_mean", landlord=landlord)[0], math.nan, 0.0

    def published(self, row: str, column: str, _: str) -> Number:
        expression = row.split("\n")[1]
        match = re.fullmatch(r"(\w+?)(?:\[(\w+)\])?@(\w+)", expression)
        assert match is not None
        name, lab, quarter = match.groups()
        at: dict[str, Any] = {"lab": lab, "quarter": quarter}
        if f"{name}_quantile" not in self.run.summary:
            return self.summary(f"{name}_mean", **at)
        level = {"this run": 0.5, "p5": 0.05, "p95": 0.95}[column]
        return self.summary(f"{name}_quantile", quantile=level, **at)


def cells(table: Table) -> Iterator[tuple[str, str, Cell]]:
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    for label, row in table.rows:
        for head, cell in zip(heads, row, strict=True):
            if isinstance(cell, Cell):
                yield label, head, cell


def is_formed(title: str, row: str, column: str) -> bool:
    """Whether a cell is a sum or ratio of outputs of which there are moments alone."""
    return (
        title.startswith("What limited")
        or (title.startswith("Landlords, ") and (row == "total" or column == "rent over booked"))
        or (title.startswith("What the fleets") and column == "ARR over capacity")
        or row == "= total"
    )


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_tables_are_those_of_the_summary(case: str) -> None:
    run = full_run(case)
    expected = Expected(run)
    shown = tables.headline_tables(run.ds, run.summary)
    assert len(shown) == 12
    for table in shown:
        for row, column, cell in cells(table):
            expected.is_formed = is_formed(table.title, row, column)
            number = expected.number(table.title, row, column)
            assert_estimate((cell.value, cell.error), *number, (table.title, row, column))


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_remarks_are_those_of_the_summary(case: str) -> None:
    run = full_run(case)
    everything, draws = run.everything, run.ds.sizes["draw"]
    at: dict[str, Any] = {"quarter": "2027Q4"}
    shares = [
        ("What limited the build", everything.power_binds.sel(at)),
        *(
            ("What limited the build", everything.capex_binds.sel(at | {"landlord": landlord}))
            for landlord in run.ds.landlord.values
        ),
        ("A token and", everything.slo_missed),
    ]
    numbers = [
        *(
            ("A token and", 100 * everything.duty_cycle.sel(quarter="2026Q4", regime=regime))
            for regime in REGIMES
        ),
        ("Was the training", 1e-9 * everything.run_cost_usd),
    ]
    known: dict[str, set[str]] = {}
    for title, values in shares:
        mean = run.mean(values)
        cell = Cell(float(mean["mean"]), float(mean.error), "1", draws=draws)
        known.setdefault(title, set()).add(plus_minus(cell))
    for title, values in numbers:
        mean = run.mean(values)
        known.setdefault(title, set()).add(
            plus_minus(Cell(float(mean["mean"]), float(mean.error), "1"))
        )
    count = 0
    for table in tables.headline_tables(run.ds, run.summary):
        texts = re.findall(r"[-\d.]+ ± [\d.]+", " ".join(table.remarks))
        count += len(texts)
        if texts:
            (of_table,) = [known[title] for title in known if table.title.startswith(title)]
            assert set(texts) <= of_table
    assert count >= 6


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_side_by_side_table_are_those_of_the_summary(case: str) -> None:
    run = full_run(case)
    expected = Expected(run)
    name = {"margin": "inference_gross_margin", "loaded": "loaded_gross_margin"}
    count = 0
    for _, column, cell in cells(comparison.side_by_side([comparison.compared(run.ds)])):
        head, at = column.split(), {"quarter": "2026Q4", "quantile": 0.5}
        if column in ("inference margin p5", "inference margin p50", "inference margin p95"):
            at["quantile"] = LEVELS[head[-1]]
            number = expected.summary(f"{name['margin']}_quantile", **at)
        elif column == "margin p50 in 2027Q4":
            number = expected.summary(f"{name['margin']}_quantile", quarter=head[-1], quantile=0.5)
        elif column == "P(margin >= hurdle)":
            number = expected.summary("p_margin_above_hurdle", **at)
        elif column == "loaded margin p50":
            number = expected.summary(f"{name['loaded']}_quantile", **at)
        elif column == "P(two largest > 10 GW)":
            number = expected.summary("p_top_two", quarter="2027Q4")
        else:
            lab = expected.ids["lab"][head[0]]
            output = {"GW": "gw", "margin": "lab_paid_margin", "multiple": "training_moic"}
            at["quarter"] = "2027Q4" if head[-1] == "GW" else "2026Q4"
            number = expected.summary(f"{output[head[-1]]}_quantile", lab=lab, **at)
        assert_estimate((cell.value, cell.error), *number, column)
        count += 1
    assert count == 13


@pytest.mark.parametrize("sampler", ["random", "stratified", "sobol"])
def test_paired_differences_of_probabilities_are_means_of_differences(sampler: str) -> None:
    """Also of runs of which other draws are left out: the pair is of those that both have."""
    options: dict[str, Any] = {"draws": 3_072, "seed": 3, "sampler": sampler}
    first = sim.simulate(sim.load(BASE), **options)
    dear = sim.load(BASE, set={"hardware.pue.median": 1.3})
    other = sim.simulate(dear, drop_questionable=True, **options)
    assert other.sizes["draw"] < first.sizes["draw"]
    rows = dict(
        comparison.side_by_side([comparison.compared(first), comparison.compared(other)]).rows
    )
    column = list(comparison.compared(first).measures).index("P(margin\n>=\nhurdle)")
    cell = rows[f"  vs {first.attrs['scenario']}"][column]
    assert isinstance(cell, Cell)
    reached = [
        (ds.inference_gross_margin.sel(quarter="2026Q4") >= 0.7).astype(float)
        for ds in (first, other)
    ]
    apart = xr.Dataset({"apart": reached[1] - reached[0]}, attrs=other.attrs)
    error = float(sim.summarise(apart, ["apart"]).apart_mean_error)
    # Half a draw is never known of a share, as of a probability of 0.
    half_a_draw = 0.5 / apart.sizes["draw"]
    assert cell.error == pytest.approx(math.hypot(error, half_a_draw))
    assert cell.value == pytest.approx(float(reached[1].mean()) - float(reached[0].mean()))


@pytest.mark.parametrize("sampler", ["random", "stratified", "sobol"])
@pytest.mark.parametrize("drop_questionable", [False, True])
def test_numbers_of_a_sweep_are_those_of_the_summary_of_each_point(
    sampler: str, drop_questionable: bool
) -> None:
    key, values = "hardware.pue.median", [1.15, 1.25]
    options: dict[str, Any] = {
        "draws": 3_072, "seed": 3, "sampler": sampler, "drop_questionable": drop_questionable,
    }  # fmt: skip
    names = {
        "p5(inference_gross_margin@2026Q4)": "inference_gross_margin_quantile",
        "P(gw[openai]@2027Q4 > 10)": "p_gw_above",
        "mean(gw[openai]@2027Q4)": "gw_mean",
    }
    swept = sim.sweep(BASE, over={key: values}, outputs=list(names), **options)
    (table,) = sweep_tables(swept)
    assert json.loads(swept.attrs["expressions"]) == list(names)
    for (_, row), value in zip(table.rows, values, strict=True):
        ds = sim.simulate(sim.load(BASE, set={key: value}), **options)
        summary = sim.summarise(ds)
        for cell, (expression, name) in zip(row, names.items(), strict=True):
            at = {
                "quarter": re.search(r"20\d\dQ\d", expression)[0],  # type: ignore[index]
                "lab": "openai", "threshold": 10.0, "quantile": 0.05,
            }  # fmt: skip
            at = {dim: label for dim, label in at.items() if dim in summary[name].dims}
            expected = (float(summary[n].sel(at)) for n in (name, f"{name}_error"))
            assert isinstance(cell, Cell)
            assert_estimate((cell.value, cell.error), *expected, 0.0, expression)
