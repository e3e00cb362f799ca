"""What knowing more is worth: known answers, identities, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import sim
from sim.analysis.conditional_means import Regression, gain, hermite, natural_spline
from sim.analysis.conditional_means import terms_of_one as terms_of
from sim.analysis.voi import voi
from sim.statistics.replicates import replicated, replicates_of

DRAWS = 20_000
NORMAL = {"family": "normal", "mean": 0, "sd": 1}
# A new treatment pays k p1 - p2 more than the usual one (the vignette of the R package voi 1.0.3).
INPUTS = {
    "p1": {**NORMAL, "mean": 1, "source": "trial"},
    "p2": {**NORMAL, "sd": 2, "source": "registry"},
    "unused": {**NORMAL, "source": "trial"},
}


@pytest.fixture(scope="module")
def treatment() -> xr.Dataset:
    return sim.sample(INPUTS, draws=DRAWS, seed=3, sampler="random")


def assert_near(value: object, error: object, expected: float) -> None:
    assert 0 < float(error) < 0.02  # type: ignore[arg-type]
    assert abs(float(value) - expected) <= 4 * float(error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("k", "perfect", "of_p1"),
    [(1, 0.479811, 0.083315), (2, 0.399282, 0.166631), (3, 0.409463, None)],
)
def test_values_of_the_vignette_are_known(
    treatment: xr.Dataset, k: int, perfect: float, of_p1: float | None
) -> None:
    found = voi(treatment, {"usual": "0", "new": f"{k} * p1 - p2"})
    assert_near(found.evpi, found.evpi_error, perfect)
    if of_p1 is not None:
        of = found.sel(input="p1")
        assert_near(of.evppi, of.evppi_error, of_p1)


def test_the_other_input_of_the_vignette_is_worth_what_is_known(treatment: xr.Dataset) -> None:
    of = voi(treatment, {"new": "p1 - p2"}).sel(input="p2")
    assert_near(of.evppi, of.evppi_error, 0.395593)


def test_a_larger_study_is_worth_more_up_to_knowing_the_input(treatment: xr.Dataset) -> None:
    """Of n patients with sd 1 each."""
    expected = {1: 0.025127, 10: 0.072325, 100: 0.082118, 1000: 0.083195}
    studies = [f"p1 +- {1 / math.sqrt(n):.7f}" for n in expected]
    found = voi(treatment, {"new": "p1 - p2"}, studies=studies)
    for value, error, of in zip(found.evsi, found.evsi_error, expected.values(), strict=True):
        assert_near(value, error, of)
    of_input = found.evppi.sel(input="p1")
    assert float(found.evsi[-1]) == pytest.approx(float(of_input), abs=2e-3)


def test_who_knows_all_inputs_knows_all(treatment: xr.Dataset) -> None:
    groups = {"both": ["p1", "p2"], "everything": ["*"], "one": ["p2"]}
    found = voi(treatment, {"new": "p1 - p2"}, groups=groups)
    both, everything, one = found.evppi_of_group.values
    assert everything == float(found.evpi)
    assert_near(both, found.evppi_of_group_error[0], 0.479811)
    assert one == float(found.evppi.sel(input="p2"))
    assert found.group_inputs.values.tolist() == [2, 3, 1]


@pytest.mark.parametrize("shift", [0.0, 0.05, -1.0])
def test_an_input_that_no_payoff_uses_is_not_above_noise(
    treatment: xr.Dataset, shift: float
) -> None:
    """Also near indifference, where noise looks like knowledge."""
    found = voi(treatment, {"new": f"p2 + {shift}"})
    assert not found.sel(input="unused").above_noise
    assert not found.sel(input="p1").above_noise
    assert found.sel(input="p2").above_noise
    if shift == 0.0:
        assert 0 < float(found.noise_floor) < 4 * 2 / math.sqrt(DRAWS)


def test_a_source_is_worth_what_all_its_inputs_tell_together(treatment: xr.Dataset) -> None:
    found = voi(treatment, {"new": "p1 - p2 + 2 * unused"})
    trial = found.sel(source_id="trial")  # mean 1, variance 1 + 4
    assert_near(trial.evppi_of_source, trial.evppi_of_source_error, 0.479811)
    registry = found.sel(source_id="registry")
    assert float(registry.evppi_of_source) == float(found.evppi.sel(input="p2"))
    assert found.inputs.values.tolist() == [2, 1]


def test_a_bet_at_its_own_odds_is_worth_knowing_by_half_its_spread() -> None:
    """EVPI of a bet on p at the price q is p (1 - q) or (1 - p) q, whichever is less."""
    ds = sim.sample({"x": NORMAL}, draws=DRAWS, seed=2)
    for odds in (0.3, 0.5, 0.8):
        found = voi(ds, when="x > 0.5", odds=odds)
        p = float(found.probability)
        assert float(found.evpi) == pytest.approx(min(p * (1 - odds), (1 - p) * odds), abs=1e-12)
        assert found.attrs["best"] == ("bet" if p > odds else "nothing")
        assert float(found.moves[0]) == pytest.approx(math.sqrt(p * (1 - p)), rel=0.02)


def test_what_depends_on_an_input_tells_of_it() -> None:
    """b pays nothing, and tells of a, with which it has a factor in common: rho = 0.36."""
    loaded = {**NORMAL, "loads": {"demand": 0.6}}
    ds = sim.sample({"a": loaded, "b": loaded}, draws=DRAWS, seed=5)
    found = voi(ds, {"yes": "a"})
    for name, rho in {"a": 1.0, "b": 0.36, "factor.demand": 0.6}.items():
        of = found.sel(input=name)  # E max(0, rho z)
        assert_near(of.evppi, of.evppi_error, rho / math.sqrt(2 * math.pi))
    assert str(found.kind.sel(input="factor.demand").values) == "shared"


def test_of_three_choices_the_best_is_taken() -> None:
    """Brute force: the mean of the largest payoff of each draw."""
    ds = sim.sample({"a": NORMAL, "b": NORMAL}, draws=4_096, seed=9)
    found = voi(ds, {"first": "a", "second": "b", "third": "0.2"}, groups={"both": ["a", "b"]})
    payoffs = np.stack([ds.a, ds.b, np.full(4_096, 0.2)])
    expected = payoffs.max(axis=0).mean() - payoffs.mean(axis=1).max()
    assert float(found.evpi) == pytest.approx(expected, rel=1e-12)
    assert float(found.best_in.sum()) == pytest.approx(1, abs=1e-12)
    assert found.attrs["best"] == "third"
    both = float(found.evppi_of_group[0])  # who knows both knows all payoffs
    assert abs(both - expected) <= 4 * float(found.evppi_of_group_error[0])
    of = found.sel(input="a")  # E max(0, z - 0.2)
    assert_near(of.evppi, of.evppi_error, 0.306895)


def test_a_curved_payoff_is_worth_what_its_conditional_mean_says() -> None:
    """x^2 - 1 + y: given x it is known; a straight line would say that x is worth nothing."""
    ds = sim.sample({"x": NORMAL, "y": NORMAL}, draws=DRAWS, seed=4)
    found = voi(ds, {"yes": "x * x - 1 + y"}).sel(input="x")
    assert_near(found.evppi, found.evppi_error, 2 / math.sqrt(2 * math.pi * math.e))


def test_inputs_that_act_together_are_worth_more_than_either() -> None:
    """a b + y: neither alone says which choice is better, both do. E max(0, a b) = 1 / pi."""
    ds = sim.sample({"a": NORMAL, "b": NORMAL, "y": NORMAL}, draws=DRAWS, seed=7)
    found = voi(ds, {"yes": "a * b + y"}, groups={"both": ["a", "b"]})
    assert not found.above_noise.sel(input=["a", "b"]).any()
    value, error = float(found.evppi_of_group[0]), float(found.evppi_of_group_error[0])
    assert_near(value, error, 1 / math.pi)


def test_an_input_of_few_values_is_learnt_exactly() -> None:
    """Brute force: the mean payoff at each value of x."""
    x = {"family": "discrete", "values": [-1, 0, 2], "weights": [0.5, 0.3, 0.2]}
    ds = sim.sample({"x": x, "y": NORMAL}, draws=DRAWS, seed=6)
    found = voi(ds, {"yes": "x + y"})
    means = [float((ds.x + ds.y).where(ds.x == at).mean()) for at in (-1, 0, 2)]
    shares = [float((ds.x == at).mean()) for at in (-1, 0, 2)]
    expected = sum(share * max(mean, 0) for share, mean in zip(shares, means, strict=True))
    expected -= max(0.0, float((ds.x + ds.y).mean()))
    assert float(found.evppi.sel(input="x")) == pytest.approx(expected, rel=1e-9)


def test_a_spline_is_taken_where_it_predicts_better() -> None:
    x, noise = np.random.default_rng(1).standard_normal((2, 8_192))
    parts = [slice(i, i + 256) for i in range(0, 8_192, 256)]
    steep = (x > 0).astype(float)[None]
    assert len(terms_of(x, steep, parts)) == 5
    assert len(terms_of(x, (x + noise)[None], parts)) == 4
    assert natural_spline(np.repeat([0.0, 1.0], 8)) is None


def test_a_spline_is_straight_beyond_its_knots() -> None:
    x = np.linspace(-4, 4, 801)
    terms = natural_spline(x)
    assert terms is not None
    assert np.linalg.matrix_rank(terms) == 5
    bends = np.abs(np.diff(terms, 2)).max(axis=0)
    low, high = np.quantile(x, [0.05, 0.95])
    outside = (x[1:-1] < low - 0.02) | (x[1:-1] > high + 0.02)
    assert bends[outside].max() < 1e-9 < bends.max()


def test_the_error_of_a_value_is_that_of_repetition() -> None:
    """Of 200 samples: the spread of the value against its mean error."""
    generator = np.random.default_rng(8)
    values, errors = [], []
    for _ in range(200):
        x, y = generator.standard_normal((2, 1_024))
        draws = gain(Regression(hermite(x)), (x + 0.5 + 2 * y)[None])
        values.append(draws.mean())
        errors.append(draws.std() / 32)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_threads_change_no_value(treatment: xr.Dataset) -> None:
    some = treatment.isel(draw=slice(2_048))
    one, two = (voi(some, {"new": "p1 - p2"}, threads=threads) for threads in (1, 2))
    xr.testing.assert_identical(one, two)


def test_a_run_says_what_is_worth_finding_out(run: xr.Dataset) -> None:
    """By default for a bet at even odds that the margin reaches the hurdle."""
    found = voi(run, groups={"xAI": ["labs.xai"]})
    assert (
        str(found.input.values[found.evppi.values.argmax()]) == "accelerator.throughput_multiplier"
    )
    assert (found.evppi <= found.evpi + 4 * found.evpi_error).all()
    assert (found.evppi_of_source <= found.evpi + 4 * found.evpi_error).all()
    assert float(found.evppi_of_group[0]) < float(found.evpi) / 10
    p = float(found.probability)
    assert float(found.evpi) == pytest.approx(min(p, 1 - p) / 2, abs=1e-12)
    assert {"judgement"} < set(found.source_id.values)


def test_an_amount_of_the_model_is_a_payoff_in_its_unit(run: xr.Dataset) -> None:
    pays = "(inference_gross_margin@2026Q4 - 0.65) * revenue_per_mtok_paid@2026Q4"
    found = voi(run, {"build": pays}, studies=["pue +- 0.02"])
    assert found.evpi.attrs["units"] == found.evsi.attrs["units"] == "USD/Mtok"
    assert found.attrs["best"] == "nothing"
    assert float(found.evsi[0]) <= float(found.evppi.sel(input="hardware.pue")) + 4 * float(
        found.evsi_error[0]
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"payoffs": {"a": "gw[xai]@2026Q4", "b": "pue"}}, "equal units: b is in 1, and a in GW"),
        ({"payoffs": {"a": "gww"}}, "unknown output or input 'gww'"),
        ({"payoffs": {"a": "gw[xai]@2026Q4 > 1"}}, "takes a value"),
        ({"payoffs": {"a": "pue"}, "when": "pue > 1"}, "when: cannot stand beside payoff"),
        ({"when": "pue"}, "takes an event"),
        ({"when": "pue > 1.1", "odds": 1.5}, "odds: expected the price of a bet"),
        ({"payoffs": {"nothing": "pue"}}, "expected another name"),
        ({"payoffs": {"a": "pue", "b": "pue"}}, "differ by the same in every draw"),
        ({"payoffs": {"a": "lab_paid_margin[midjourney]@2026Q4"}}, "midjourney"),
        ({"groups": {"x": ["labs.xia.*"]}}, "no uncertain input 'labs.xia.*'"),
        ({"studies": ["pue = 3"]}, "unexpected '='"),
        ({"studies": ["pue +- -1"]}, "standard deviation above 0, got -1"),
        ({"studies": ["p50(pue) +- 1"]}, "a measurement is of a value"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    run: xr.Dataset, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(sim.InputError, match=message):
        voi(run, **asked)  # type: ignore[arg-type]


def test_all_faults_are_said_at_once(run: xr.Dataset) -> None:
    with pytest.raises(sim.InputError) as refused:
        voi(run, {"a": "gww", "b": "puu"}, odds=2.0, studies=["pue"])
    assert len(refused.value.faults) == 4


def test_a_payoff_without_a_mean_is_refused_with_what_to_take_instead() -> None:
    ds = sim.sample({"x": NORMAL}, draws=4_096, seed=1)
    ds["ratio"] = 1 / ds.x
    with pytest.raises(sim.InputError, match=r"mean, which need not exist \(tail index 1.*max"):
        voi(ds, {"a": "ratio"})
    assert float(voi(ds, {"a": "max(min(ratio, 5), -5)"}).evpi) > 0
    assert float(voi(ds, when="ratio > 1").evpi) > 0


def test_draws_that_are_not_known_or_too_few_are_refused(
    run: xr.Dataset, base: sim.Scenario
) -> None:
    ds = sim.sample({"x": NORMAL}, draws=512)
    ds["y"] = ds.x.where(ds.x > 0)
    with pytest.raises(sim.InputError, match="not a finite number in 256 of 512 draws"):
        voi(ds, {"a": "y"})
    with pytest.raises(sim.InputError, match="100 are too few"):
        voi(run.isel(draw=slice(100)))
    with pytest.raises(sim.InputError, match="none of simulate or sample"):
        voi(xr.Dataset({"y": ("draw", np.arange(300.0))}), {"a": "y"})
    with pytest.raises(sim.InputError, match="take one with of_scenario"):
        voi(sim.simulate_many([base], draws=256))


def test_draws_that_are_left_out_leave_the_others_as_they_were(treatment: xr.Dataset) -> None:
    """Fresh scores belong to the numbers of draws."""
    some = treatment.isel(draw=slice(1, 4_097))
    found = voi(some, {"new": "p1 - p2"}, studies=["p1 +- 1"])
    assert replicates_of(some).draws == replicated(4_096, "random").draws
    assert_near(found.evsi[0], found.evsi_error[0], 0.025127)
