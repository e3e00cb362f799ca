"""Every number with an error in a table is what `sim.summarise` gives for that quantity."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr
from full_runs import BASE, CASES, FullRun, assert_estimate, full_run

import sim
from sim.analysis.compare import compare_runs, measure_run
from sim.analysis.measures import headline_measures
from sim.common.text import words
from sim.model.catalogue import DIMS
from sim.model.dims import LAYERS, REGIMES
from sim.simulation.origin import run_of
from sim.tables import named
from sim.tables.asked import Summary
from sim.tables.cells import WIDTH_OF_SD
from sim.tables.compare import side_by_side
from sim.tables.sweep import tables as sweep_tables
from sim.tables.table import Cell, Table, plus_minus

Number = tuple[float, float, float]  # value, error, largest term
OTHERS = ("headline", "odd", "claims")  # made otherwise
SAMPLED = "Oracle"  # its obligations are sampled (`full_runs.SAMPLED_RPO`)
LEVELS = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


class Expected:
    """What the cells of the tables of a run should be, by title, row and column."""

    def __init__(self, run: FullRun) -> None:
        self.run = run
        self.known = Summary.of(run.summary)
        self.asked: dict[str, Summary] = {}
        self.means: dict[str, Any] = {}
        self.is_formed = False  # of moments, whose errors are those of 32 replicates
        names = {dim: run.ds[f"{dim}_name"].values.tolist() for dim in ("lab", "landlord")}
        self.ids = {
            dim: dict(zip(names[dim], run.ds[dim].values.tolist(), strict=True)) for dim in names
        }

    def number(self, table: Table, row: str, column: str) -> Number:
        """What a cell should be."""
        match = re.search(r"20\d\dQ\d", table.title)
        method: Callable[..., Number] = getattr(self, table.name)
        return method(row, column, match[0] if match else "")

    def summary(self, name: str, **labels: Any) -> Number:
        """A statistic at the labels of its dims: of the run, or of all that it could keep."""
        level = labels.get("quantile")
        known = self.known
        if name not in known.data or level not in (None, *known.indices["quantile"]):
            output = name.rpartition("_")[0]
            if output not in self.asked:
                found = sim.summarise(self.run.everything, [output], tails=[])
                self.asked[output] = Summary.of(found)
            known = self.asked[output]
        value, error = (known.data.variables[n] for n in (name, f"{name}_error"))
        index = tuple(known.indices[str(dim)][labels[str(dim)]] for dim in value.dims)
        return float(value.values[index]), float(error.values[index]), 0.0

    def value(self, draws: xr.DataArray, level: float) -> Number:
        """A quantile of what is formed in each draw."""
        whole = xr.Dataset({"values": draws}, attrs={**self.run.everything.attrs})
        summary = sim.summarise(whole, ["values"], quantiles=[level], tails=[])
        quantile, error = summary.values_quantile, summary.values_quantile_error
        return float(quantile.squeeze()), float(error.squeeze()), 0.0

    def of_draws(self, name: str, **at: Any) -> Number:
        """The mean of an output of the draws with everything kept."""
        key = f"{name} {at.get('quarter')}"
        if key not in self.means:
            draws = self.run.everything[name]
            if "quarter" in draws.dims:
                draws = draws.sel(quarter=at["quarter"])
            mean = self.run.mean(draws)
            self.means[key] = (
                {
                    statistic: np.array(mean[statistic].transpose(*mean["mean"].dims))
                    for statistic in ("mean", "error")
                },
                {dim: mean[dim].values.tolist() for dim in mean["mean"].dims},
            )
        found, labels = self.means[key]
        index = tuple(labels_of.index(at[dim]) for dim, labels_of in labels.items())
        return float(found["mean"][index]), float(found["error"][index]), 0.0

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
        if row == "= compute":
            return self.of_draws("compute_cost", **at)
        if row == "= total":
            return self.mean(self.run.everything.unit_cost.sel(at).sum("layer"))
        (layer,) = [layer for layer in LAYERS if words(layer) == row]
        return self.of_draws("unit_cost", layer=layer, **at)

    def regimes(self, row: str, column: str, quarter: str) -> Number:
        (regime,) = [regime for regime in REGIMES if words(regime) == column]
        at: dict[str, Any] = {"quarter": quarter, "regime": regime}
        everything = self.run.everything
        if row == "= a paid hour":
            hour = everything.accelerator_hour_cost.sel(at).isel(layer=slice(0, 11))
            return self.mean(hour.sum("layer"))
        if row == "active tokens/s, p50":
            if regime == "online_inference":
                active = everything.paid_seconds_per_token * everything.duty_cycle
                return self.value(1.0 / active.sel(at), 0.5)
            name = {"frontier_training": "tps_train", "fine_tune": "tps_fine_tune"}[regime]
            return self.summary(f"{name}_quantile", quantile=0.5)
        if row.startswith("gross margin, "):
            level = LEVELS[row.split()[2]]
            return self.summary("gross_margin_quantile", quantile=level, **at)
        if row.startswith(("duty", "= compute")):
            name = "duty_cycle" if row.startswith("duty") else "compute_cost"
            return self.summary(f"{name}_mean", **at)
        (layer,) = [layer for layer in LAYERS if words(layer) == row]
        return self.of_draws("accelerator_hour_cost", layer=layer, **at)

    def answer(self, row: str, column: str, quarter: str) -> Number:
        everything = self.run.everything
        at: dict[str, Any] = {"quarter": quarter, "regime": "online_inference"}
        output = everything.query_output_tokens
        tokens = output * (1 + everything.input_output_ratio)
        seconds = everything.paid_seconds_per_token.sel(at) * tokens
        layers = [layer for layer in LAYERS if "depreciation" in layer]
        depreciation = everything.accelerator_hour_cost.sel(at | {"layer": layers}).sum("layer")
        amounts = {
            "Compute (cents)": everything.compute_cost.sel(at) * tokens / 1e4,
            "- of it depreciation (cents)": depreciation * seconds / 36,
            "Revenue if paid for (cents)": everything.revenue_per_mtok_paid * tokens / 1e4,
            "Energy at the meter (Wh)": everything.wh_per_token * tokens,
            "Paid accelerator time (s)": seconds,
            "HBM time of its output (s)": everything.hbm_bandwidth_s_per_output_token * output,
        }
        draws = amounts[row]
        if "quarter" in draws.dims:
            draws = draws.sel(quarter=quarter)
        return self.value(draws, LEVELS[column])

    def token(self, row: str, column: str, quarter: str) -> Number:
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

    def gigawatt(self, row: str, column: str, quarter: str) -> Number:
        name = {
            "Purchase (USD bn)": "capex_per_gw",
            "Owner's cost (USD bn/yr)": "owner_cost_per_gw_year",
            "Rent (USD bn/yr)": "rent_per_gw_year",
            "Revenue if paid for (USD bn/yr)": "revenue_per_gw_year",
            "Blended tokens (million/s)": "tokens_per_s_per_mw",
        }[row]
        basis, level = column.split()
        draws = self.run.everything[name].sel(quarter=quarter)
        if basis == "IT":
            draws = draws * self.run.everything.facility_capacity_ratio
        return self.value(draws, LEVELS[level])

    def gigawatts(self, row: str, column: str, _: str) -> Number:
        quarter, basis, level = column.split()
        name = {"stated": "gw", "facility": "facility_gw"}[basis]
        lab = self.ids["lab"][row]
        return self.summary(f"{name}_quantile", lab=lab, quarter=quarter, quantile=LEVELS[level])

    def thresholds(self, row: str, column: str, _: str) -> Number:
        quarter, basis, _, threshold, _ = column.split()
        facility = basis == "facility"
        if row in self.ids["lab"]:
            at: dict[str, Any] = {"lab": self.ids["lab"][row], "threshold": float(threshold)}
            name = "p_facility_gw_above" if facility else "p_gw_above"
            return self.summary(name, quarter=quarter, **at)
        name = "p_top_two" if row == "the two largest labs" else "p_both_named"
        return self.summary(f"{name}_facility" if facility else name, quarter=quarter)

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
        at: dict[str, Any] = {"lab": self.ids["lab"][row], "quarter": quarter}
        if column == "P(paid >= 70 %) %":
            return self.summary("p_lab_margin_above_hurdle", **at)
        *words_of_name, level = column.split()
        name = {
            "tokens/s million": "fleet_tokens_per_s", "own unit margin": "lab_unit_margin",
            "paid margin": "lab_paid_margin", "stated GW": "gw", "facility GW": "facility_gw",
            "implied duty": "implied_duty", "operating margin": "operating_margin",
            "funding gap USD bn/yr": "funding_gap_busd",
        }[" ".join(words_of_name)]  # fmt: skip
        return self.summary(f"{name}_quantile", quantile=LEVELS[level], **at)

    def gaps(self, row: str, column: str, quarter: str) -> Number:
        lab = self.ids["lab"][row]
        value, error, _ = self.summary("funding_gap_busd_mean", lab=lab, quarter=quarter)
        if column == "funding gap":
            return value, error, 0.0
        share = self.run.ds.host_share_2026.sel(lab=lab, landlord=self.ids["landlord"][column])
        return float(share) * value, float(share) * error, 0.0

    def fleets(self, row: str, column: str, quarter: str) -> Number:
        at: dict[str, Any] = {"lab": self.ids["lab"][row], "quarter": quarter}
        everything = self.run.everything
        if column == "revenue over list":
            return self.ratio(everything.average_arr.sel(at), everything.capacity_revenue.sel(at))
        if column == "loaded % p50":
            return self.summary("lab_loaded_margin_quantile", quantile=0.5, **at)
        name = {
            "energy TWh/yr": "fleet_energy_twh", "revenue": "average_arr",
            "at price list": "capacity_revenue",
        }.get(column, "compute_bill_regime")  # fmt: skip
        if name != "compute_bill_regime":
            return self.of_draws(name, **at)
        regimes = dict(zip(("training", "fine-tune", "inference"), REGIMES, strict=True))
        return self.of_draws(name, regime=regimes[column.split()[0]], **at)

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
        at = {"quarter": quarter, "landlord": self.ids["landlord"][column]}
        if row == "all labs":
            return self.mean(self.run.everything.hosted_gw.sel(at).sum("lab"))
        return self.of_draws("hosted_gw", lab=self.ids["lab"][row], **at)

    def landlords(self, row: str, column: str, quarter: str) -> Number:
        ids = [*self.ids["landlord"].values()] if row == "total" else [self.ids["landlord"][row]]

        def summed(name: str) -> xr.DataArray:
            draws = self.run.everything[name].sel(landlord=ids)
            at = {"quarter": quarter} if "quarter" in draws.dims else {}
            return draws.sel(at).sum("landlord")

        amounts = {
            "facility GW": "hosted_gw_landlord", "capex": "landlord_capex_busd",
            "booked deprec.": "depreciation_booked", "economic deprec.": "depreciation_economic",
            "economic - booked": "depreciation_gap", "rent": "rent_received",
            "book value": "net_book_value",
        }  # fmt: skip
        if column in amounts and row != "total":
            return self.of_draws(amounts[column], landlord=ids[0], quarter=quarter)
        if column in amounts:
            draws = summed(amounts[column])
            return self.mean(draws, float(draws.max()))
        assert column == "rent over booked"
        return self.ratio(summed("rent_received"), summed("depreciation_booked_rented"))

    def landlord_margins(self, row: str, column: str, quarter: str) -> Number:
        at: dict[str, Any] = {"landlord": self.ids["landlord"][row], "quarter": quarter}
        head, level = column.rsplit(" ", 1)
        name = {
            "before interest": "landlord_gross_margin",
            "after interest": "landlord_margin_after_interest",
        }[head]
        return self.summary(f"{name}_quantile", quantile=LEVELS[level], **at)

    def obligations(self, row: str, column: str, _: str) -> Number:
        landlord = self.ids["landlord"][row]
        if column == "RPO under hurdle, worst 5 %":
            return self.summary("rpo_under_hurdle_quantile", landlord=landlord, quantile=0.95)
        name = {
            "RPO": "rpo_busd", "firm RPO": "rpo_firm_busd",
            "firm, due in 12 months": "rpo_due_12m_busd", "labs, % of RPO": "lab_dependence",
            "RPO under hurdle": "rpo_under_hurdle", "RPO not covered": "rpo_shortfall",
            "value under hurdle": "nbv_under_hurdle",
        }[column]  # fmt: skip
        draws = self.run.everything[name].sel(landlord=landlord)
        value, error, largest = self.mean(draws, float(draws.max()))
        sampled = ("rpo_busd", "rpo_firm_busd", "rpo_due_12m_busd") if row == SAMPLED else ()
        of_draws = ("rpo_under_hurdle", "rpo_shortfall", "nbv_under_hurdle")
        return value, error if name in (*sampled, *of_draws) else math.nan, largest

    def equity(self, row: str, column: str, _: str) -> Number:
        lab, landlord, quarter = row.split(", ")
        at: dict[str, Any] = {"lab": self.ids["lab"][lab]}
        put_in = self.run.ds.host_equity_busd.sel(at | {"landlord": self.ids["landlord"][landlord]})
        draws = self.run.everything.arr.sel(at | {"quarter": quarter}) / float(put_in)
        return self.value(draws, LEVELS[column])

    def published(self, row: str, column: str, _: str) -> Number:
        expression = row.split("\n")[1]
        match = re.fullmatch(r"(\w+?)(?:\[(\w+)\])?@(\w+)", expression)
        assert match is not None
        name, label, quarter = match.groups()
        parties = [dim for dim in DIMS[name] if dim in ("lab", "landlord")]
        at: dict[str, Any] = {**dict.fromkeys(parties, label), "quarter": quarter}
        level = {"this run": 0.5, "p5": 0.05, "p95": 0.95}[column]
        return self.summary(f"{name}_quantile", quantile=level, **at)


def cells(table: Table) -> Iterator[tuple[str, str, Cell]]:
    heads = [head.replace("\n", " ") for head in table.columns[1:]]
    for label, row in table.rows:
        for head, cell in zip(heads, row, strict=True):
            if isinstance(cell, Cell):
                yield label, head, cell


def is_formed(name: str, row: str, column: str) -> bool:
    """Whether a cell is a sum or ratio of outputs of which there are moments alone."""
    return (
        name == "limits"
        or (name == "landlords" and (row == "total" or column == "rent over booked"))
        or (name == "fleets" and column == "revenue over list")
        or (name == "costs" and row == "= total")
    )


@cache
def shown_tables(case: str) -> list[Table]:
    run = full_run(case)
    return named.make_tables(run.ds, run.summary)


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_tables_are_those_of_the_summary(case: str) -> None:
    run = full_run(case)
    expected = Expected(run)
    shown = shown_tables(case)
    assert [table.name for table in shown] == [name for name in named.NAMES if name not in OTHERS]
    for table in shown:
        for row, column, cell in cells(table):
            expected.is_formed = is_formed(table.name, row, column)
            number = expected.number(table, row, column)
            assert_estimate((cell.value, cell.error), *number, (table.name, row, column))


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_remarks_are_those_of_the_summary(case: str) -> None:
    run = full_run(case)
    everything, draws = run.everything, run.ds.sizes["draw"]
    at: dict[str, Any] = {"quarter": "2027Q4"}
    capex = [
        everything.capex_binds.sel(at | {"landlord": landlord})
        for landlord in run.ds.landlord.values
    ]
    known: dict[str, set[str]] = {}
    for values in (everything.power_binds.sel(at), *capex):
        mean = run.mean(values)
        cell = Cell(float(mean["mean"]), float(mean.error), "1", draws=draws)
        known.setdefault("limits", set()).add(plus_minus(cell))
    for name, values in (
        ("token", 100 * everything.speed_cost),
        ("training", 1e-9 * everything.run_cost_usd),
    ):
        mean = run.mean(values)
        spread = WIDTH_OF_SD * float(values.std())
        cell = Cell(float(mean["mean"]), float(mean.error), "1", spread=spread)
        known[name] = {plus_minus(cell)}
    alone = everything.landlord_margin_book.sel(quarter="2026Q4", regime="online_inference")
    median, error, _ = Expected(run).value(100 * alone, 0.5)
    width = float(alone.quantile(0.95) - alone.quantile(0.05))
    known["landlord_margins"] = {plus_minus(Cell(median, error, "1", spread=100 * width))}
    count = 0
    for table in shown_tables(case):
        texts = re.findall(r"[-\d.]+ ± [\d.]+", " ".join(table.remarks))
        count += len(texts)
        if texts:
            assert set(texts) <= known[table.name]
    assert count >= 6


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_side_by_side_table_are_those_of_the_summary(case: str) -> None:
    run = full_run(case)
    expected = Expected(run)
    scenario, _ = run_of(run.ds)
    measures = headline_measures(scenario)
    measured = measure_run(run.ds, scenario, measures)
    table = side_by_side("one", "two", compare_runs(measured, measured, measures).data, 0)
    of_margin = {"Inference": "inference", "Loaded": "loaded", "Fine-tune": "fine_tune"}
    of_lab = {"margin": "lab_paid_margin", "multiple": "training_moic"}
    count = 0
    for label, column, cell in cells(table):
        if column not in ("one", "two"):
            continue
        words = label.split()
        quarter = next((word for word in words if re.fullmatch(r"\d{4}Q\d", word)), "2026Q4")
        at: dict[str, Any] = {"quarter": quarter, "quantile": LEVELS.get(words[-1], 0.5)}
        if words[0] in of_margin:
            number = expected.summary(f"{of_margin[words[0]]}_gross_margin_quantile", **at)
        elif label.startswith("P(>= hurdle)"):
            number = expected.summary("p_margin_above_hurdle", quarter=quarter)
        elif label.startswith("P(both"):
            number = expected.summary("p_both_named", quarter=quarter)
        elif label.endswith("P(>= hurdle)"):
            lab = expected.ids["lab"][label.removesuffix(" P(>= hurdle)")]
            number = expected.summary("p_lab_margin_above_hurdle", lab=lab, quarter=quarter)
        else:
            output = "gw" if "GW" in words else of_lab[words[-1]]
            name = re.sub(r" (GW \d{4}Q\d|paid margin|training multiple)$", "", label)
            number = expected.summary(f"{output}_quantile", lab=expected.ids["lab"][name], **at)
        assert_estimate((cell.value, cell.error), *number, label)
        count += 1
    assert count == 2 * len(measures)


@pytest.mark.parametrize("sampler", ["random", "stratified", "sobol"])
def test_paired_differences_of_probabilities_are_means_of_differences(sampler: str) -> None:
    """Also of runs of which other draws are left out: the pair is of those that both have."""
    options: dict[str, Any] = {"draws": 3_072, "seed": 3, "sampler": sampler}
    scenarios = [sim.load(BASE), sim.load(BASE, set={"hardware.pue.median": 1.3})]
    first = sim.simulate(scenarios[0], **options)
    other = sim.simulate(scenarios[1], drop_questionable=True, **options)
    assert other.sizes["draw"] < first.sizes["draw"]
    measures = headline_measures(scenarios[0])
    runs = [measure_run(*of, measures) for of in zip((first, other), scenarios, strict=True)]
    found = compare_runs(*runs, measures).data
    found = found.sel(measure="P(inference_gross_margin@2026Q4 >= hurdle_margin)")
    reached = [
        (ds.inference_gross_margin.sel(quarter="2026Q4") >= 0.7).astype(float)
        for ds in (first, other)
    ]
    apart = xr.Dataset({"apart": reached[1] - reached[0]}, attrs=other.attrs)
    error = float(sim.summarise(apart, ["apart"]).apart_mean_error)
    # Half a draw is never known of a share, as of a probability of 0.
    half_a_draw = 0.5 / apart.sizes["draw"]
    assert float(found.difference_error) == pytest.approx(math.hypot(error, half_a_draw))
    difference = float(reached[1].mean()) - float(reached[0].mean())
    assert float(found.difference) == pytest.approx(difference)


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
