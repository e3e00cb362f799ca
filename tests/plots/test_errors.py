"""Every number with an error in a figure is what `sim.summarise` gives for that quantity."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import xarray as xr
from figure_marks import texts
from full_runs import CASES, FullRun, assert_estimate, full_run

import sim
from sim.model.dims import LAYERS
from sim.plots import ESTIMATES, FIGURES, draw
from sim.plots.style import Estimate, Estimates, format_number, format_probability
from sim.plots.waterfall import GROUPS

Key = tuple[Any, ...]
Estimator = Callable[[Key], tuple[float, float, float]]  # value, error, largest term


def of_summary(run: FullRun) -> Estimator:
    """A variable of the summary at the labels of its dims, in their order."""

    def estimate(key: Key) -> tuple[float, float, float]:
        name, *labels = key
        value = run.summary[name]
        where = dict(zip(value.dims, labels, strict=True))
        return float(value.sel(where)), float(run.summary[f"{name}_error"].sel(where)), 0.0

    return estimate


def of_margin(run: FullRun) -> Estimator:
    """Probabilities of the summary, and of the margin of frontier training."""

    def estimate(key: Key) -> tuple[float, float, float]:
        if key[0] != "gross_margin":
            return of_summary(run)(key)
        summary = sim.summarise(run.ds, ["gross_margin"], at_least=[0.7])
        where: dict[str, Any] = {"quarter": key[1], "regime": "frontier_training", "at_least": 0.7}
        value, error = (
            float(summary[f"gross_margin_exceedance{suffix}"].sel(where))
            for suffix in ("", "_error")
        )
        return value, error, 1.0

    return estimate


def of_lab_margin(run: FullRun) -> Estimator:
    """Probabilities of the summary, and of less than some margin."""

    def estimate(key: Key) -> tuple[float, float, float]:
        if key[0] != "lab_paid_margin":
            return of_summary(run)(key)
        _, _, end, lab, quarter = key
        beyond = sim.summarise(run.ds, ["lab_paid_margin"], at_least=[end])
        where: dict[str, Any] = {"lab": lab, "quarter": quarter, "at_least": end}
        value, error = (
            float(beyond[f"lab_paid_margin_exceedance{suffix}"].sel(where))
            for suffix in ("", "_error")
        )
        return 1.0 - value, error, 1.0

    return estimate


def of_payback(run: FullRun) -> Estimator:
    """Shares of draws, and quantiles of `payback_months`."""

    def estimate(key: Key) -> tuple[float, float, float]:
        return of_summary(run)(("payback_months_quantile", *key[1:]) if len(key) == 3 else key)

    return estimate


def of_depreciation(run: FullRun) -> Estimator:
    """The mean gap, which is a difference."""
    largest = float(run.summary.depreciation_economic_mean.max())

    def estimate(key: Key) -> tuple[float, float, float]:
        value, error, _ = of_summary(run)(("depreciation_gap_mean", *key[1:]))
        return value, error, largest

    return estimate


def of_waterfall(run: FullRun) -> Estimator:
    """Means of layers, of their sums, of revenues and of differences, formed in each draw."""
    everything = run.everything.sel(quarter="2026Q4")
    layers = everything.unit_cost.sel(regime="online_inference")
    served, paid = everything.revenue_per_mtok_served, everything.revenue_per_mtok_paid
    compute = everything.compute_cost.sel(regime="online_inference")
    total = layers.sum("layer")
    amounts = {
        **{layer: layers.sel(layer=layer) for layer in LAYERS},
        **{
            group: layers.sel(layer=list(members)).sum("layer")
            for group, (_, members) in GROUPS.items()
        },
        "compute": compute, "total": total, "served": served, "paid": paid,
        "left of served": served - total, "left of paid": paid - compute,
    }  # fmt: skip
    draws = xr.concat(list(amounts.values()), "name", coords="minimal", compat="override")
    means, of_32 = run.mean(draws), run.mean_of_32(draws)
    largest = float(abs(means["mean"]).max())
    rows = {
        name: (of_32 if name in FORMED else means).isel(name=i) for i, name in enumerate(amounts)
    }
    return lambda key: (float(rows[key[0]]["mean"]), float(rows[key[0]].error), largest)


def of_exposure(run: FullRun) -> Estimator:
    """Means of pairs of labs and landlords, and of their sums, formed in each draw."""
    everything = run.everything
    hosted = everything.hosted_gw.sel(quarter="2026Q4", drop=True)
    owed = everything.rpo_lab_share * everything.rpo_busd
    customers = everything.rpo_busd.expand_dims(lab=["All customers"])
    means = {}
    for quantity, pairs, rows in (("hosted_gw", hosted, []), ("rpo_busd", owed, [customers])):
        labs = pairs.sum("lab").expand_dims(lab=["All labs"])
        table = xr.concat(
            [x.drop_vars(NAMES, errors="ignore") for x in (pairs, labs, *rows)], "lab"
        )
        total = table.sum("landlord").expand_dims(landlord=["Sum"])
        whole = xr.concat([table, total], "landlord")
        means[quantity] = run.mean(whole)
        if quantity == "hosted_gw":  # of moments; sums over labs are formed of them
            sums = run.mean_of_32(whole)
            is_sum = whole.lab == "All labs"
            means[quantity]["error"] = xr.where(is_sum, sums.error, means[quantity].error)

    def estimate(key: Key) -> tuple[float, float, float]:
        quantity, row, column = key
        mean = means[quantity].sel(lab=row, landlord=column)
        return float(mean["mean"]), float(mean.error), 0.0

    return estimate


# Columns of the waterfall that are formed of moments, and are no outputs.
FORMED = {*GROUPS, "total", "left of served", "left of paid"}
NAMES = ["lab_name", "landlord_name", "lab_is_china"]  # coordinates that sums lack
EXPECTED: dict[str, Callable[[FullRun], Estimator]] = {
    "margin": of_margin,
    "waterfall": of_waterfall,
    "lab_margin": of_lab_margin,
    "payback": of_payback,
    "gigawatts": of_summary,
    "exposure": of_exposure,
    "depreciation": of_depreciation,
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("case", CASES)
def test_numbers_of_a_figure_are_those_of_the_summary(name: str, case: str) -> None:
    run = full_run(case)
    estimates = ESTIMATES[name](run.ds)
    assert estimates
    expected = EXPECTED[name](run)
    for key, estimate in estimates.items():
        assert_estimate(estimate, *expected(key), key)


def written(name: str, run: FullRun, estimates: Estimates) -> set[str]:
    """The estimates of a figure as it may write them."""
    probabilities = {format_probability(estimate, run.ds) for estimate in estimates.values()}
    scales = (1.0, 100.0) if name == "waterfall" else (1.0,)
    numbers = {
        format_number(scale * value, scale * error)
        for value, error in estimates.values()
        for scale in scales
    }
    return probabilities | numbers


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_writes_no_error_but_those_of_its_estimates(name: str) -> None:
    run = full_run("sobol, questionable draws dropped")
    known = written(name, run, ESTIMATES[name](run.ds))

    shown = [
        number
        for text in texts(draw(name, run.ds))
        if "Scenario" not in text
        for number in re.findall(r"[−\d.,]+ ± [\d.]+(?: %)?", text.replace("\n±", " ±"))
    ]
    assert shown
    assert set(shown) <= known


def test_every_figure_names_its_estimates() -> None:
    assert list(ESTIMATES) == list(FIGURES) == list(EXPECTED)
    assert isinstance(next(iter(ESTIMATES["margin"](full_run("random").ds).values())), Estimate)
