"""What it takes for a statistic to reach its target."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq
from scipy.special import ndtri

import sim
from sim.common.errors import InputError
from sim.parameters.varied import find_varied, vary

LAWS = {"cost": {"family": "lognormal", "median": 1, "sigma": 0.5}}
TARGET = "P(margin >= 0.7) = 0.9"
EXACT = math.exp(0.5 * ndtri(0.9)) / 0.3  # the price at which 1 - cost / price reaches .7


def model(sampler: str = "random", seed: int = 1, draws: int = 10_000):  # type: ignore[no-untyped-def]
    drawn = sim.sample(LAWS, draws=draws, seed=seed, sampler=sampler)

    def at(price: float) -> xr.Dataset:
        return drawn.assign(margin=1 - drawn["cost"] / price)

    return at


def test_the_price_for_a_margin_is_known() -> None:
    assert pytest.approx(6.326509, abs=1e-6) == EXACT
    found = sim.solve(model(), {"price": (1, 100)}, TARGET)
    (root,) = found.roots
    assert root.numbers[0] == pytest.approx(EXACT, abs=4 * root.errors[0])
    assert root.errors[0] == pytest.approx(0.054073, rel=0.15)
    half = sim.solve(model(), {"price": (1, 100)}, "P(margin >= 0.7) = 0.5").roots[0]
    assert half.numbers[0] == pytest.approx(1 / 0.3, abs=4 * half.errors[0])
    assert found.monotone


def test_errors_of_roots_are_those_over_seeds() -> None:
    found = [
        sim.solve(model(seed=seed, draws=2_000), {"price": (1, 100)}, TARGET) for seed in range(40)
    ]
    numbers = np.array([of.roots[0].numbers[0] for of in found])
    errors = np.array([of.roots[0].errors[0] for of in found])
    assert numbers.std() == pytest.approx(np.sqrt((errors**2).mean()), rel=4 / math.sqrt(2 * 40))
    assert abs(numbers.mean() - EXACT) < 4 * numbers.std() / math.sqrt(40)


@pytest.mark.parametrize(
    ("target", "exact"),
    [
        ("p50(margin) = 0.7", 1 / 0.3),
        ("p10(margin) = 0.7", EXACT),
        ("mean(cost) / 2 - mean(margin) = 0", None),
    ],
)
def test_quantiles_means_and_what_is_formed_have_roots(target: str, exact: float | None) -> None:
    (root,) = sim.solve(model("stratified"), {"price": (1, 100)}, target).roots
    if exact is None:
        mean = math.exp(0.125)
        exact = mean / (1 - mean / 2)
    assert root.numbers[0] == pytest.approx(exact, abs=4 * root.errors[0])
    assert 0 < root.errors[0] < 0.1


def test_all_roots_are_listed() -> None:
    drawn = sim.sample(LAWS, draws=2_000)
    found = sim.solve(
        lambda x: drawn.assign(y=(x - 3) * (x - 7) + 0 * drawn["cost"] + 1e-3 * drawn["cost"]),
        {"x": (1, 20)}, "p50(y) = 0.001",
    )  # fmt: skip
    assert [root.numbers[0] for root in found.roots] == pytest.approx([3, 7], abs=1e-3)
    assert not found.monotone
    assert found.nearest is found.roots[0]  # of one's own model, which stands nowhere
    (key,) = found.keys
    for now, nearest in ((2.0, 0), (5.0, 1)):  # 5 is nearer to 7, in logarithms
        stands = replace(found, keys=(replace(key, now=now),))
        assert stands.nearest is found.roots[nearest]


def test_a_target_out_of_reach_says_what_can_be_had() -> None:
    with pytest.raises(
        InputError, match=r"no solution: P\(margin >= 0.7\) ranges from 0.009 .*to 0\.\d"
    ):
        sim.solve(model(), {"price": (1, 3)}, TARGET)


@pytest.mark.parametrize("number", [0, 1])
def test_a_probability_of_none_or_all_draws_is_refused(number: int) -> None:
    with pytest.raises(InputError, match="a probability between 0 and 1"):
        sim.solve(model(), {"price": (1, 100)}, f"P(margin >= 0.7) = {number}")


def test_a_statistic_that_stays_at_its_target_has_no_single_number() -> None:
    drawn = sim.sample(LAWS, draws=2_000)
    with pytest.raises(InputError, match=r"no single number: p50\(y\) is 4 at \d+ of .* to 100,"):
        sim.solve(
            lambda x: drawn.assign(y=min(x, 4.0) + 0 * drawn["cost"]), {"x": (1, 100)},
            "p50(y) = 4",
        )  # fmt: skip


@pytest.mark.parametrize("ends", [(100, 1), (2, 2), (1, math.inf)])
def test_a_range_that_does_not_rise_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="expected two rising numbers"):
        sim.solve(model(), {"price": ends}, TARGET)


def test_no_draws_are_refused(base: sim.Scenario) -> None:
    with pytest.raises(InputError, match="draws"):
        sim.solve(base, PRICE, "p50(inference_gross_margin@2026Q4) = 0.7", draws=0)


def test_threads_change_no_number(base: sim.Scenario) -> None:
    one, two = (
        sim.solve(base, PRICE, "p50(inference_gross_margin@2026Q4) = 0.7", draws=512, threads=n)
        for n in (1, 2)
    )
    assert one.roots[0].numbers == two.roots[0].numbers
    assert one.roots[0].errors == two.roots[0].errors


def test_two_keys_meet_two_targets() -> None:
    drawn = sim.sample(LAWS, draws=20_000, sampler="stratified")

    def at(price: float, share: float) -> xr.Dataset:
        return drawn.assign(
            margin=1 - drawn["cost"] / price, profit=share * (price - drawn["cost"])
        )

    found = sim.solve(
        at, {"price": (1, 100), "share": (0.01, 0.99)},
        ["P(margin >= 0.7) = 0.9", "p50(profit) = 2"],
    )  # fmt: skip
    (root,) = found.roots
    exact = (EXACT, 2 / (EXACT - 1))
    for number, error, of in zip(root.numbers, root.errors, exact, strict=True):
        assert number == pytest.approx(of, abs=4 * error)
        assert 0 < error < 0.1 * of


def test_the_curve_has_the_numbers_for_each_probability() -> None:
    found = sim.solve(model("stratified"), {"price": (1, 100)}, TARGET, curve=True)
    curve = found.curve
    assert curve is not None
    for p in curve["probability"].values:
        at = curve.sel(probability=p)
        exact = math.exp(0.5 * ndtri(p)) / 0.3
        assert float(at["number"]) == pytest.approx(exact, abs=4 * float(at["number_error"]))
        assert float(at["reached"]) == pytest.approx(p, abs=4 * float(at["reached_error"]) + 2e-3)
        (root,) = sim.solve(model("stratified"), {"price": (1, 100)},
                            f"P(margin >= 0.7) = {p}").roots  # fmt: skip
        assert float(at["number"]) == pytest.approx(root.numbers[0], rel=5e-3)
    assert curve.attrs["turning"] == 0


def test_smaller_numbers_may_be_what_helps() -> None:
    drawn = sim.sample(LAWS, draws=10_000, sampler="stratified")
    found = sim.solve(
        lambda cost: drawn.assign(margin=1 - cost * drawn["cost"] / 10),
        {"cost": (0.1, 100)}, TARGET, curve=True,
    )  # fmt: skip
    assert found.curve is not None
    assert found.curve.attrs["rises"] == 0
    exact = 3 / math.exp(0.5 * ndtri(0.9))
    (root,) = found.roots
    assert root.numbers[0] == pytest.approx(exact, abs=4 * root.errors[0])
    assert float(found.curve.number.sel(probability=0.9)) == pytest.approx(exact, rel=0.02)


PRICE = "prices.price_output_usd_per_mtok"


def test_the_price_for_nine_in_ten_is_that_of_a_search_by_hand(base: sim.Scenario) -> None:
    options = {"draws": 2_048, "seed": 1}
    (root,) = sim.solve(
        base, PRICE, "P(inference_gross_margin@2026Q4 >= 0.7) = 0.9", **options
    ).roots

    def apart(price: float) -> float:
        ds = sim.simulate(
            vary(base, {f"{PRICE}.median": price}), keep=["inference_gross_margin"], **options
        )
        return float((ds.inference_gross_margin.sel(quarter="2026Q4") >= 0.7).mean()) - 0.9

    assert root.numbers[0] == pytest.approx(brentq(apart, 20, 80, xtol=1e-3), rel=2e-3)
    assert apart(root.numbers[0] * 0.98) < 0 < apart(root.numbers[0] * 1.02)
    value, error = root.again[0]
    assert value == pytest.approx(0.9, abs=4 * math.hypot(error, root.reached[0][1]))


def test_break_even_numbers_are_those_of_the_model(base: sim.Scenario) -> None:
    """`duty_at_hurdle` is the same question, answered draw by draw by the model."""
    duty = "utilisation.duty_cycle_online_inference"
    fixed = sim.load(base.path, set={duty: {"value": 0.38, "source": "judgement", "note": "n"}})
    options = {"draws": 1_024, "seed": 1}
    found = sim.solve(
        fixed, duty, "P(inference_gross_margin@2026Q4 >= 0.7) = 0.5", curve=True, **options
    )
    ds = sim.simulate(fixed, keep=["duty_at_hurdle"], **options)
    own = ds["duty_at_hurdle"].sel(quarter="2026Q4").values
    assert found.curve is not None
    (key,) = found.keys
    inside = (own > key.low) & (own < key.high)
    assert inside.mean() > 0.5
    break_even = found.curve["break_even"].values
    assert break_even[inside] == pytest.approx(
        own[inside], rel=3e-2
    )  # outer ones are interpolated more coarsely
    central = np.abs(own - np.median(own)) < 0.25
    assert break_even[central] == pytest.approx(own[central], rel=1e-3)
    at = found.curve.sel(probability=0.5)
    assert float(at["number"]) == pytest.approx(found.roots[0].numbers[0], rel=2e-3)
    assert float(at["number"]) == pytest.approx(np.quantile(own, 0.5), rel=2e-3)


def test_numbers_that_a_scenario_cannot_have_are_left_out(base: sim.Scenario) -> None:
    """`pue` may be 2, but not above the capacity of the facility."""
    with pytest.raises(
        InputError, match=r"no solution: .* hardware.pue.median from 1.*to 1\.3[45]"
    ):
        sim.solve(base, "pue", "p50(inference_gross_margin@2026Q4) = 0.2", draws=256)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("hardware.peu", "did you mean 'hardware.pue'"),
        ("inference_gross_margin", "is no input"),
        ("hardware.pue.sigmo", "has no number 'sigmo'; did you mean 'sigma'"),
        ("buildout.gw_definition_ratio", "has neither a median nor a value"),
    ],
)
def test_keys_that_name_no_number_are_refused(base: sim.Scenario, key: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_varied(base, [key])


@pytest.mark.parametrize(
    "key", ["hardware.pue", "pue", "hardware.pue.sigma", "finance.hurdle_margin", PRICE]
)
def test_a_key_is_varied_within_what_its_input_allows(base: sim.Scenario, key: str) -> None:
    (varied,) = find_varied(base, [key])
    assert varied.low < varied.now < varied.high
    for number in (varied.low, varied.now, varied.high):
        assert varied.from_scale(varied.to_scale(number)) == pytest.approx(number, rel=1e-9)
    assert vary(base, {varied.name: varied.now}).digest() == vary(base, {}).digest()
    step = 1e-6
    at = varied.to_scale(varied.now)
    rise = (varied.from_scale(at + step) - varied.from_scale(at - step)) / (2 * step)
    assert varied.slope(varied.now) == pytest.approx(rise, rel=1e-5)
