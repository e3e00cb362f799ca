"""Random numbers are pure functions of (seed, name, draw), and follow the files' distributions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
import xarray as xr
from drawing import drawn
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit, ndtri

import sim
from sim.distributions.base import Distribution
from sim.distributions.discrete import Discrete, Fixed
from sim.distributions.landlord_capex import SharedSpread
from sim.distributions.normal import LogitNormal, Lognormal, Normal
from sim.engine.sampling_plan import SamplingPlan
from sim.kernels.sampling.philox import philox
from sim.kernels.sampling.quantile_tables import to_normal_scores
from sim.kernels.sampling.samplers import to_unit_interval
from sim.model.catalogue import OUTPUTS
from sim.model.dims import FACTORS, QUARTERS, REFERENCE_QUARTER
from sim.model.inputs import ARR_FIELDS, HOST_MATRICES, SPREAD_FROM
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario

Array = NDArray[Any]
DRAWS = 100_000
MORE_THAN_ALL = 2**20
LEVELS = np.array([0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999])
AFTER_REFERENCE = slice(QUARTERS.index(REFERENCE_QUARTER) + 1, None)
SAMPLERS = ("random", "stratified", "sobol")
SHOCKS = ("eps_price", "eps_duty", "eps_power")


# Philox


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        (
            "00000000 00000000 00000000 00000000",
            "00000000 00000000",
            "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        ),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(counter: str, key: str, answer: str) -> None:
    words = [np.uint64(int(word, 16)) for word in f"{counter} {key}".split()]
    assert " ".join(f"{int(word):08x}" for word in philox(*words)) == answer


@pytest.mark.parametrize("bits", [0, 1, 2**32, 2**51 - 1, 2**51, 2**52 - 2, 2**52 - 1])
def test_uniforms_lie_strictly_between_0_and_1(bits: int) -> None:
    u = np.empty(1)
    u.view(np.uint64)[0] = bits
    to_unit_interval(u, u.view(np.uint64))
    assert 0 < u[0] < 1
    assert u[0] * 2**53 == 2 * bits + 1
    assert math.isfinite(of_probabilities(u)[0])


# Normal scores


def of_probabilities(p: Array) -> Array:
    scores = p.copy()
    fractions = np.empty_like(p)
    normal = SamplingPlan().sampling(1, "random").normal
    rows = np.empty(p.size, np.uint64)
    to_normal_scores(normal, scores, fractions, fractions.view(np.uint64), rows)
    return scores


def test_normal_scores_are_those_of_scipy() -> None:
    p = np.concatenate(
        [
            2.0**-53 * 10 ** np.linspace(0, 15.9, 200_001),
            np.linspace(0.001, 0.999, 200_001),
            2.0 ** -np.arange(1, 54),
            np.nextafter(2.0 ** -np.arange(2, 53), 0),
        ]
    )
    np.testing.assert_allclose(of_probabilities(p), ndtri(p), rtol=0, atol=2e-9)
    assert (np.diff(of_probabilities(np.linspace(1e-6, 0.5, 1_000_001))) > 0).all()


def test_normal_scores_are_symmetric() -> None:
    p = np.concatenate([np.arange(1, 512) / 1024, 2.0 ** -np.arange(1, 54)])
    np.testing.assert_array_equal(of_probabilities(p), -of_probabilities(1 - p))
    assert of_probabilities(np.array([0.5]))[0] == 0


# The same bits


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("threads", "tiles"), [(1, 1), (1, 3), (2, 1), (2, 3), (2, 8)])
def test_threads_and_chunks_move_no_bit(
    base: Scenario, sampler: str, threads: int, tiles: int
) -> None:
    n = 9 * 1024 + 77
    expected = drawn(base, n, 7, sampler, threads=1)
    done = drawn(base, n, 7, sampler, threads=threads, chunk=tiles * 1024)
    assert done.prepared.slices == expected.prepared.slices
    assert done.values.tobytes() == expected.values.tobytes()
    assert done.prepared.moment_slices == expected.prepared.moment_slices
    for part in ("count", "mean", "m2"):
        moments, expected_moments = getattr(done.running, part), getattr(expected.running, part)
        assert moments.tobytes() == expected_moments.tobytes(), part


def test_a_result_is_identical_on_one_thread_and_on_two(base: Scenario) -> None:
    results = [sim.simulate(base, draws=20_000, seed=8, threads=threads) for threads in (1, 2)]
    xr.testing.assert_identical(*results)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_is_the_prefix_of_one_twice_as_long(base: Scenario, sampler: str) -> None:
    n = 1500
    short = sim.simulate(base, draws=n, seed=9, sampler=sampler, keep="all")
    long = sim.simulate(base, draws=2 * n, seed=9, sampler=sampler, keep="all")
    long = long.isel(draw=slice(n))
    for name in set(short.data_vars) - set(PROBABILITIES):
        assert short[name].identical(long[name]), name


# What leaves other draws alone


def inputs(scenario: Scenario) -> xr.Dataset:
    ds = sim.simulate(scenario, draws=200, seed=10, keep="all")
    return ds.drop_vars([name for name in ds if name in OUTPUTS or name in PROBABILITIES])


def assert_same_draws(changed: xr.Dataset, before: xr.Dataset) -> None:
    """Every input of every lab and landlord of `before` has the same bits in `changed`."""
    after = changed.sel(lab=before["lab"], landlord=before["landlord"])
    for name in before:
        np.testing.assert_array_equal(after[name].values, before[name].values, err_msg=str(name))


def test_a_new_lab_moves_no_other_draw(base: Scenario, params: Path) -> None:
    text = (params / "labs" / "xai.toml").read_text()
    text, changes = re.subn(r"^order = \d+$", "order = 0", text, flags=re.MULTILINE)
    assert changes == 1
    (params / "labs" / "newcomer.toml").write_text(text)
    changed = inputs(sim.load(params / "base.toml"))
    assert changed["lab"].values[0] == "newcomer"
    assert_same_draws(changed, inputs(base))
    assert not np.array_equal(
        changed["gw_2026q4"].sel(lab="newcomer"), changed["gw_2026q4"].sel(lab="xai")
    )


def test_another_order_of_labs_moves_no_draw(base: Scenario, params: Path) -> None:
    for path in (params / "labs").iterdir():
        text = re.sub(r"^order = (\d+)$", r"order = -\1", path.read_text(), flags=re.MULTILINE)
        path.write_text(text)
    changed = inputs(sim.load(params / "base.toml"))
    before = inputs(base)
    assert list(changed["lab"].values) == list(before["lab"].values[::-1])
    assert_same_draws(changed, before)


def test_fixing_a_quantity_moves_no_other_draw(base: Scenario, params: Path) -> None:
    fixed = sim.load(params / "base.toml", set={"hardware.pue.value": 1.2})
    changed, before = inputs(fixed), inputs(base)
    assert changed["pue"].dims == ()
    assert_same_draws(changed.drop_vars("pue"), before.drop_vars("pue"))


# Distributions and dependence


def uncertain(scenario: Scenario) -> dict[str, Distribution]:
    """Distributions of uncertain inputs with scores; landlords' rows with the sigma they share.

    A discrete one, whose values do not tell the score, is left out.
    """
    distributions = {}
    for full_name, quantity in scenario.quantities.items():
        distribution = quantity.distribution
        if isinstance(distribution, SharedSpread):
            spread = scenario.quantities[".".join(SPREAD_FROM[full_name.split(".")[-1]])]
            distribution = Lognormal(
                family="lognormal", median=distribution.median, sigma=spread.distribution.point
            )
        if not isinstance(distribution, Fixed | Discrete):
            distributions[full_name] = distribution
    return distributions


@pytest.fixture(scope="module")
def sampled(base: Scenario) -> xr.Dataset:
    names = {full_name.split(".")[-1] for full_name in uncertain(base)}
    keep = [*sorted(names), "lab_delay_quarters", "capital_crunch", *SHOCKS]
    return sim.simulate(base, draws=DRAWS, seed=11, keep=keep, kept_draws=MORE_THAN_ALL)


def draws_of(ds: xr.Dataset, full_name: str) -> Array:
    """The draws of a quantity by its full name, e.g. `labs.openai.gw_2026q4`."""
    group, *party, name = full_name.split(".")
    values = ds[name].sel({group.removesuffix("s"): party[0]}) if party else ds[name]
    return np.asarray(values)


def quantiles(distribution: Distribution, levels: Array) -> Array:
    """The exact quantiles of a distribution."""
    match distribution:
        case Normal():
            return stats.norm.ppf(levels, distribution.mean, distribution.sd)
        case Lognormal():
            return stats.lognorm.ppf(levels, distribution.sigma, scale=distribution.median)
        case LogitNormal():
            width = distribution.max - distribution.min
            centre = logit((distribution.median - distribution.min) / width)
            return distribution.min + width * expit(centre + distribution.sigma * ndtri(levels))
    raise TypeError(f"quantiles of {distribution!r}")


def normal_scores(distribution: Distribution, x: Array) -> Array:
    """The z that a distribution maps to x."""
    match distribution:
        case Normal():
            return (x - distribution.mean) / distribution.sd
        case Lognormal():
            return np.log(x / distribution.median) / distribution.sigma
        case LogitNormal():
            low, width = distribution.min, distribution.max - distribution.min
            return (
                logit((x - low) / width) - logit((distribution.median - low) / width)
            ) / distribution.sigma
    raise TypeError(f"normal scores of {distribution!r}")


def test_sampled_quantities_follow_their_distributions(base: Scenario, sampled: xr.Dataset) -> None:
    error = np.sqrt(LEVELS * (1 - LEVELS) / DRAWS)
    for full_name, distribution in uncertain(base).items():
        ordered = np.sort(draws_of(sampled, full_name))
        below = np.searchsorted(ordered, quantiles(distribution, LEVELS)) / DRAWS
        assert (np.abs(below - LEVELS) < 5 * error).all(), full_name


def test_a_gigawatt_is_one_of_three_with_their_weights(base: Scenario) -> None:
    distribution = base.quantities["buildout.gw_definition_ratio"].distribution
    assert isinstance(distribution, Discrete)
    ds = sim.simulate(base, draws=DRAWS, keep=["gw_definition_ratio"])
    values, counts = np.unique(ds["gw_definition_ratio"].values, return_counts=True)
    assert values.tolist() == list(distribution.values)
    for count, weight in zip(counts / DRAWS, distribution.weights, strict=True):
        assert abs(count - weight) < 5 * math.sqrt(weight * (1 - weight) / DRAWS)


def test_an_own_factor_ties_a_lab_and_moves_nothing_else(params: Path) -> None:
    """Without it, all other quantities have the same bits; with it, only those of its lab move."""
    with_own = sim.load(params / "base.toml")
    names = [n for n, q in with_own.quantities.items() if q.loads.get("own")]
    assert len(names) == 2 * 8 + 3 * 2 + 3 + 2
    without = sim.load(params / "base.toml", set=_without_own(with_own, names))
    of_others = [name for name in names if not name.startswith("labs.openai.")]
    alone = sim.load(params / "base.toml", set=_without_own(with_own, of_others))
    for sampler in ("stratified", "random", "sobol"):
        draws = [
            scores(scenario, sim.simulate(scenario, draws=1024, sampler=sampler, keep="all"))
            for scenario in (with_own, without, alone)
        ]
        for name, z in draws[0].items():
            same = np.array_equal(z, draws[1][name])
            assert same == (name not in names), (sampler, name)
            of_openai = name.startswith("labs.openai.") and name in names
            assert np.array_equal(z, draws[2][name]) == (name not in names or of_openai), name


def _without_own(scenario: Scenario, names: list[str]) -> dict[str, Any]:
    """Changes that leave these inputs without the factor of their lab's own."""
    loads = {name: scenario.quantities[name].loads for name in names}
    return {f"{name}.loads": {**own, "own": 0} for name, own in loads.items()}


def scores(scenario: Scenario, ds: xr.Dataset) -> dict[str, Array]:
    """The normal score of every draw of every uncertain quantity, lab's delay and shock."""
    z_scores = {
        full_name: normal_scores(distribution, draws_of(ds, full_name))
        for full_name, distribution in uncertain(scenario).items()
    }
    delay = np.log(ds["lab_delay_quarters"] / ds["energisation_delay_quarters"])
    spread = scenario.quantities["buildout.energisation_delay_lab_sigma"].distribution.point
    for lab in ds["lab"].values:
        z_scores[f"labs.{lab}.lab_delay_quarters"] = delay.sel(lab=lab).values / spread
    for shock in SHOCKS:
        for quarter in QUARTERS[AFTER_REFERENCE]:
            z_scores[f"shocks.{shock}.{quarter}"] = ds[shock].sel(quarter=quarter).values
    return z_scores


def loadings(scenario: Scenario, names: Mapping[str, Any]) -> Array:
    """Loadings [name, factor]: on the common factors, then on each lab's own.

    Those without an entry of their own load on nothing.
    """
    labs = [lab.id for lab in scenario.labs]
    matrix = np.zeros((len(names), len(FACTORS) + len(labs)))
    for row, name in zip(matrix, names, strict=True):
        loads = scenario.quantities[name].loads if name in scenario.quantities else {}
        for factor, load in loads.items():
            own = len(FACTORS) + labs.index(name.split(".")[1]) if factor == "own" else -1
            row[own if factor == "own" else FACTORS.index(factor)] = load
    return matrix


def test_shared_loadings_give_the_correlations(base: Scenario, sampled: xr.Dataset) -> None:
    z = scores(base, sampled)
    load = loadings(base, z)
    expected = load @ load.T
    np.fill_diagonal(expected, 1.0)
    pearson = np.corrcoef(list(z.values()))
    assert np.abs(pearson - expected).max() < 5 / math.sqrt(DRAWS)
    fewer = np.array(list(z.values()))[:, :20_000]
    spearman = np.corrcoef(fewer.argsort(axis=1).argsort(axis=1))
    of_ranks = 6 / math.pi * np.arcsin(expected / 2)
    assert np.abs(spearman - of_ranks).max() < 5 / math.sqrt(20_000)


def test_shocks_are_standard_normal_after_the_reference_quarter(sampled: xr.Dataset) -> None:
    for shock in SHOCKS:
        values = sampled[shock].values
        assert (values[:, : AFTER_REFERENCE.start] == 0).all()
        for column in values[:, AFTER_REFERENCE].T:
            assert stats.kstest(column, "norm").pvalue > 1e-3


def test_a_capital_crunch_has_its_probability_and_is_independent(
    base: Scenario, sampled: xr.Dataset
) -> None:
    crunch = sampled["capital_crunch"].values
    p = base.quantities["buildout.capital_crunch_probability"].distribution.point
    assert set(np.unique(crunch)) == {0, 1}
    assert abs(crunch.mean() - p) < 4 * math.sqrt(p * (1 - p) / DRAWS)
    for name, z in scores(base, sampled).items():
        assert abs(np.corrcoef(crunch, z)[0, 1]) < 5 / math.sqrt(DRAWS), name


def test_uncertainty_multiplies_every_score(base: Scenario, params: Path) -> None:
    full = scores(base, sim.simulate(base, draws=64, keep="all"))
    half = scores(base, sim.simulate(base, draws=64, keep="all", uncertainty=0.5))
    for name, z in full.items():
        np.testing.assert_allclose(half[name], z / 2, rtol=0, atol=2e-8, err_msg=name)


def test_a_stress_holds_one_factor_and_nothing_else(base: Scenario, params: Path) -> None:
    stressed = sim.load(params / "base.toml", set={"factors.demand": -2.0})
    free = scores(base, sim.simulate(base, draws=64, keep="all"))
    held = scores(stressed, sim.simulate(stressed, draws=64, keep="all"))
    load = dict(zip(free, loadings(base, free)[:, FACTORS.index("demand")], strict=True))
    markup = "hardware.landlord_markup"
    demand = -2.0 - (held[markup] - free[markup]) / load[markup]
    for name, z in free.items():
        expected = z + load[name] * (-2.0 - demand)
        np.testing.assert_allclose(held[name], expected, rtol=0, atol=2e-8, err_msg=name)


def test_a_far_stress_goes_as_far_in_every_distribution(params: Path) -> None:
    """No table ends before the scores that a held factor gives."""
    name = "accelerator.mfu_decode"
    loaded = {f"{name}.loads": {"technology": 0.9}}
    for score in (-10.0, 10.0):
        stressed = sim.load(params / "base.toml", set=loaded | {"factors.technology": score})
        ds = sim.simulate(stressed, draws=256, keep=["mfu_decode"], uncertainty=2)
        z = normal_scores(stressed.quantities[name].distribution, ds["mfu_decode"].values)
        assert np.median(z) == pytest.approx(2 * 0.9 * score, abs=0.5)
        assert len(np.unique(z)) > 200


def test_the_restatement_samples_the_same_distributions(
    base: Scenario, sampled: xr.Dataset
) -> None:
    n = 20_000
    distributions: dict[str, Any] = {"labs": {}, "landlords": {}}
    for full_name, quantity in base.quantities.items():
        *party, name = full_name.split(".")[1:]
        group = full_name.split(".")[0] if party else "scalars"
        table = distributions.setdefault(group, {})
        for part in party:
            table = table.setdefault(part, {name: {"value": math.nan} for name in ARR_FIELDS})
        table[name] = quantity.resolved()
    sample = naive.sample(
        distributions["scalars"],
        {lab.id: distributions["labs"][lab.id] for lab in base.labs},
        {landlord.id: distributions["landlords"][landlord.id] for landlord in base.landlords},
        n,
        np.random.default_rng(12),
    )
    kernels = sampled.isel(draw=slice(n))
    kernels = kernels.drop_vars([name for name, _ in HOST_MATRICES.values()])
    restated = kernels.copy(data={name: sample[str(name)] for name in kernels.data_vars})
    ours, theirs = scores(base, kernels), scores(base, restated)
    for name, z in ours.items():
        assert stats.ks_2samp(z, theirs[name], method="asymp").pvalue > 1e-5, name
    difference = np.corrcoef(list(ours.values())) - np.corrcoef(list(theirs.values()))
    assert np.abs(difference).max() < 5 * math.sqrt(2 / n)
    crunches = kernels["capital_crunch"].mean() - restated["capital_crunch"].mean()
    assert abs(float(crunches)) < 0.01
