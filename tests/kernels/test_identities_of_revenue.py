"""Identities of labs' revenue, tokens and margins, in random worlds."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import assert_agree
from hypothesis import given
from hypothesis import strategies as st
from identities import (
    INFERENCE,
    TRAINING,
    close,
    given_by_lab,
    levies,
    rental_modes,
    standing_still_in_2026,
    views,
)
from random_worlds import REFERENCE, Array, Inputs, anywhere, multiplied, replaced

from sim.engine import worlds
from sim.kernels.formulas.fleet import average_arr
from sim.model.declarations import declared
from sim.model.inputs import ARR_POINTS
from sim.model.outputs import LabOutputs

factors = st.sampled_from([0.3, 0.9, 1.7, 8.0])


def opening_and_closing(x: Inputs, out: dict[str, Array]) -> tuple[Array, Array]:
    """Annualised revenue as every quarter begins and ends [draw, lab, quarter]."""
    after = out["arr"]
    before = np.concatenate([x["arr_2025q4_busd"][..., None], after[..., :-1]], axis=-1)
    return before, after


# 25-27: revenue of a quarter


@given(anywhere())
def test_average_revenue_lies_between_the_ends_and_below_their_mean(x: Inputs) -> None:
    out = worlds.evaluate(x)
    before, after = opening_and_closing(x, out)
    average, mean = out["average_arr"], (before + after) / 2
    reports = ~np.isnan(average)
    np.testing.assert_array_equal(reports, ~np.isnan(mean))
    ends = np.stack(np.broadcast_arrays(before, after))
    assert (average >= ends.min(axis=0) * (1 - 1e-14))[reports].all()
    assert (average <= mean * (1 + 1e-14))[reports].all()
    assert (mean <= ends.max(axis=0))[reports].all()
    np.testing.assert_array_equal(out["quarter_revenue_busd"], average / 4)


@given(anywhere())
def test_average_revenue_is_what_grows_at_one_rate_through_the_quarter(x: Inputs) -> None:
    """The mean over 1,000 moments of it."""
    out = worlds.evaluate(x)
    before, after = opening_and_closing(x, out)
    moments = (np.arange(1000) + 0.5) / 1000
    with np.errstate(invalid="ignore"):
        path = before[..., None] * (after / before)[..., None] ** moments
    mean = path.mean(axis=-1)
    reports = ~np.isnan(mean)
    np.testing.assert_allclose(out["average_arr"][reports], mean[reports], rtol=1e-5)


@pytest.mark.parametrize("growth", [1e-3, 1e-5, 1.0000001e-6, 0.9999999e-6, 1e-9, -1e-5, -1e-9])
def test_average_revenue_keeps_its_digits_where_little_grows(growth: float) -> None:
    """By the first terms of its series: a(1 + g/2 + g^2/6), g the logarithm of the growth."""
    g = np.log1p(growth)
    series = 3.0 * (1 + g / 2 + g**2 / 6 + g**3 / 24)
    assert average_arr(3.0, g) == pytest.approx(series, rel=2e-13, abs=0)


@given(anywhere())
def test_average_revenue_is_revenue_where_nothing_grows(x: Inputs) -> None:
    x = replaced(standing_still_in_2026(x), arr_growth_2027=1)
    x["arr_growth_2027"] = np.where(np.isnan(x["arr_2025q4_busd"]), np.nan, 1.0)
    out = worlds.evaluate(x)
    flat = np.broadcast_to(x["arr_2025q4_busd"][..., None], out["arr"].shape)
    np.testing.assert_allclose(out["arr"], flat, rtol=1e-15)
    np.testing.assert_allclose(out["average_arr"], flat, rtol=1e-15)


@given(anywhere())
def test_revenue_passes_through_the_published_points(x: Inputs) -> None:
    out = worlds.evaluate(x)["arr"]
    for quarter, name in enumerate(ARR_POINTS):
        published = ~np.isnan(x[name])
        np.testing.assert_array_equal(out[..., quarter][published], x[name][published])
    np.testing.assert_allclose(out[..., REFERENCE], x["arr_2026q4_busd"], rtol=1e-15)


@pytest.mark.parametrize("quarters", [(0,), (1,), (2,), (0, 1, 2)])
@given(x=anywhere(32), view=views, mode=rental_modes)
def test_a_published_point_on_the_path_changes_nothing(
    quarters: tuple[int, ...], x: Inputs, view: str, mode: str
) -> None:
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    y = {**x, **{ARR_POINTS[q]: before["arr"][..., q] for q in quarters}}
    assert_agree(worlds.evaluate(y, view=view, rental_mode=mode), before, y, mode)


@given(anywhere(), views, rental_modes)
def test_flows_are_stocks_where_nothing_grew(x: Inputs, view: str, mode: str) -> None:
    """Section 5 takes bills as the reference quarter closes, section 6 those of the quarter."""
    x = standing_still_in_2026(x)
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    np.testing.assert_allclose(
        out["average_arr"][..., REFERENCE], out["arr"][..., REFERENCE], rtol=1e-14
    )
    bill = out["compute_bill_regime"][:, :, REFERENCE, TRAINING]
    years = x["model_cadence_months"] / 12 * (1 + x["rd_staff_ratio"])
    assert close(out["generation_cost_busd"], bill * years[:, None])
    growing = {**x, "gw_2026q4": 2 * x["gw_2025q4"]}
    out = worlds.evaluate(growing, view=view, rental_mode=mode)
    bill = out["compute_bill_regime"][:, :, REFERENCE, TRAINING]
    above = out["generation_cost_busd"] / (bill * years[:, None])
    closing_over_average = 2 / (1 + 0.5**0.25)  # of the last quarter of a year of doubling
    assert close(above, np.full_like(above, closing_over_average))


# 28, 34, 35, 43: two routes to a margin


@given(anywhere(), views, rental_modes)
def test_the_two_margins_of_a_lab_differ_by_its_revenue_over_its_capacitys(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    ratio = out["arr_capacity_ratio"]
    reports = ~np.isnan(ratio)
    paid, unit = 1 - out["lab_paid_margin"], 1 - out["lab_unit_margin"]
    assert np.isfinite(unit).all()
    assert close((paid * ratio)[reports], unit[reports], np.maximum(1, ratio[reports]))


@given(anywhere(32), factors, views, rental_modes)
def test_more_tokens_at_a_lower_price_earn_the_same(
    x: Inputs, factor: float, view: str, mode: str
) -> None:
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    y = multiplied(x, factor, "relative_throughput")
    y = multiplied(y, 1 / factor, "relative_price")
    after = worlds.evaluate(y, view=view, rental_mode=mode)
    tokens = ("fleet_tokens_per_s", "tokens_demanded_per_s")
    expected = {**before, **{name: before[name] * factor for name in tokens}}
    assert_agree(after, expected, y, mode)


@given(anywhere(), views, rental_modes)
def test_the_implied_duty_fed_back_gives_the_revenue_of_capacity(
    x: Inputs, view: str, mode: str
) -> None:
    implied = worlds.evaluate(x, view=view, rental_mode=mode)["implied_duty"][..., REFERENCE]
    for lab in range(implied.shape[1]):
        possible = implied[:, lab] < 1  # and NaN is not
        duty = np.where(possible, implied[:, lab], 0.5)
        busier = {**x, "duty_cycle_online_inference": duty}
        ratio = worlds.evaluate(busier, view=view, rental_mode=mode)["arr_capacity_ratio"]
        assert close(ratio[possible, lab, REFERENCE], np.ones(possible.sum()))


@given(anywhere(), views, rental_modes)
def test_demand_is_beyond_capacity_where_the_implied_duty_exceeds_1(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    duty, ratio = out["implied_duty"], out["arr_capacity_ratio"]
    np.testing.assert_array_equal(out["demand_exceeds_capacity"], duty > 1)
    reports = ~np.isnan(ratio)
    assert close(duty[reports], (ratio * out["duty_cycle"][:, None, :, INFERENCE])[reports])
    tokens = out["tokens_demanded_per_s"]
    assert close(tokens[reports], (ratio * out["fleet_tokens_per_s"])[reports])


@given(anywhere(), views, rental_modes)
def test_the_funding_gap_is_the_operating_loss(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    revenue = out["average_arr"]
    reports = ~np.isnan(revenue)
    loss = np.maximum(0, -out["operating_margin"] * revenue)
    amount = np.maximum(np.abs(out["compute_bill"]), revenue)
    assert close(out["funding_gap_busd"][reports], loss[reports], amount[reports])
    assert np.isnan(out["funding_gap_busd"][~reports]).all()


@given(anywhere(), views, rental_modes)
def test_margins_of_a_lab_go_from_paid_to_loaded_to_operating(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    revenue, bills = out["average_arr"], out["compute_bill_regime"]
    reports = ~np.isnan(revenue)
    free = x["lab_free_token_share"][..., None]
    serving = bills[..., INFERENCE]
    of = np.maximum(1, np.abs(bills).sum(axis=-1) / revenue)
    loaded = out["lab_paid_margin"] - free * serving / revenue - levies(x)[..., None]
    assert close(out["lab_loaded_margin"][reports], loaded[reports], of[reports])
    opex = given_by_lab(x, "lab_noncompute_opex_ratio", "noncompute_opex_ratio")[..., None]
    research = bills[..., :INFERENCE].sum(axis=-1)
    operating = out["lab_loaded_margin"] - opex - research / revenue
    assert close(out["operating_margin"][reports], operating[reports], of[reports])


@given(anywhere(32), views, rental_modes)
def test_every_lab_has_a_unit_margin_whatever_it_serves_and_gives_away(
    x: Inputs, view: str, mode: str
) -> None:
    """Neither the share of hours that serves nor that of tokens paid for is in it."""
    before = worlds.evaluate(x, view=view, rental_mode=mode)["lab_unit_margin"]
    for name, share in (("inference_share", 0.0), ("lab_free_token_share", 1.0)):
        out = worlds.evaluate(replaced(x, **{name: share}), view=view, rental_mode=mode)
        np.testing.assert_array_equal(out["lab_unit_margin"], before, err_msg=name)


@given(anywhere(32), views, rental_modes)
def test_a_lab_without_revenue_has_numbers_for_all_that_needs_none(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    silent = np.isnan(x["arr_2025q4_busd"])
    for name, output in declared(LabOutputs).items():
        value = np.isnan(out[name])
        by_lab = value.reshape(*value.shape[:2], -1)
        if output.missing == "arr":
            assert by_lab[silent].all(), name
            assert not by_lab[~silent].any(), name
        else:
            assert not value.any(), name
    assert not out["demand_exceeds_capacity"][silent].any()
