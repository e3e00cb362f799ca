"""The kernels read a table to the bits of `Table.at`, and steps as the distribution has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.distributions import quantile_tables as tabulate
from sim.engine.sampling_plan import SamplingPlan
from sim.kernels.sampling import quantile_tables as tables
from sim.kernels.sampling.quantities import write_between_ends
from sim.parameters.distribution_errors import read_named_distribution

SCORES = np.concatenate(
    [
        np.random.default_rng(1).normal(size=50_000),
        np.linspace(-9.5, 9.5, 9_501),
        [-np.inf, np.inf, -100.0, 100.0, 0.0, -9.0, 9.0],
    ]
)
CONTINUOUS: list[dict[str, Any]] = [
    {"family": "lognormal", "median": 1, "sigma": 1.5},
    {"family": "triangular", "min": 0, "mode": 0.2, "max": 1},
    {"family": "normal", "mean": 0, "sd": 1, "min": -0.3, "max": 2},
    {"family": "beta", "a": 0.1, "b": 0.2},
    {
        "family": "mixture",
        "components": [{"family": "normal", "mean": m, "sd": 0.1} for m in (0, 5)],
        "weights": [1, 1],
    },
]
SEPARATE: list[dict[str, Any]] = [
    {"family": "discrete", "values": [3, 1, 2], "weights": [1, 1, 2]},
    {"family": "discrete", "values": [7], "weights": [1]},
    {"family": "bernoulli", "p": 1e-12},
    {"family": "bernoulli", "p": 1.0},
    {"family": "empirical", "values": np.random.default_rng(2).normal(size=3_000).tolist()},
]


def test_kernels_and_tables_cut_cells_alike() -> None:
    assert tables.SPLIT == tabulate.SPLIT


@pytest.mark.parametrize("definition", CONTINUOUS, ids=lambda definition: definition["family"])
def test_a_table_is_read_to_the_bit(definition: dict[str, Any]) -> None:
    distribution = read_named_distribution(definition, "x")
    plan = SamplingPlan()
    plan.add(
        "before", 0, read_named_distribution({"family": "uniform", "min": 0, "max": 1}, "before")
    )
    plan.add("x", 1, distribution)
    sampling = plan.sampling(1, "random")
    slot = sampling.quantities[1].slot
    standard, shift, factor = distribution.standard()
    expected = tabulate.table_of(standard).at(SCORES)
    assert np.isnan(sampling.cells[:, 3]).any() or definition["family"] not in (
        "triangular",
        "mixture",
    )
    results = np.array([tables.table_value(sampling.cells, slot, z) for z in SCORES])
    np.testing.assert_array_equal(results, expected)
    filled = np.empty_like(SCORES)
    rows = np.empty(SCORES.size, np.uint64)
    tables.fill_from_table(sampling.cells, slot, SCORES, filled, rows)
    np.testing.assert_array_equal(filled, expected)
    np.testing.assert_allclose(
        shift + factor * results, tabulate.table_of(distribution).at(SCORES), rtol=1e-7
    )


PROBABILITIES = np.concatenate(
    [
        np.random.default_rng(3).random(100_000),
        *(np.array([0.5, 1 - 2.0**-53]) - 2.0 ** -np.arange(2, 53)[:, None]).T,
        2.0 ** -np.arange(1, 54),
        np.geomspace(2.0**-53, 0.5, 10_000),
        1 - np.geomspace(2.0**-53, 0.5, 10_000),
    ]
)


@pytest.mark.parametrize(
    "definition",
    [
        {"family": "lognormal", "median": 1, "sigma": 0.8},
        *CONTINUOUS[1:3],
        {"family": "pert", "min": 1, "mode": 2, "max": 5},
        {"family": "uniform", "min": 1, "max": 5},
        {"family": "beta", "a": 2, "b": 3},
        {"family": "scipy.gumbel_r", "loc": 1, "scale": 2},
    ],
    ids=lambda definition: definition["family"],
)
def test_probabilities_lead_to_the_values_of_their_scores(definition: dict[str, Any]) -> None:
    distribution = read_named_distribution(definition, "x")
    plan = SamplingPlan(in_tiles=True)
    plan.add(
        "before", 0, read_named_distribution({"family": "uniform", "min": 0, "max": 1}, "before")
    )
    plan.add("x", 1, distribution)
    sampling = plan.sampling(1, "random")
    quantity = sampling.quantities[1]
    values = np.empty(PROBABILITIES.size)
    bits, rows = values.view(np.uint64), np.empty(PROBABILITIES.size, np.uint64)
    normal = sampling.normal
    scores = PROBABILITIES.copy()
    tables.to_normal_scores(normal, scores, values, bits, rows)
    expected = tabulate.table_of(distribution.standard()[0]).at(scores)
    assert quantity.near >= 0
    tables.fill_from_probabilities(
        normal, sampling.cells, quantity.slot, quantity.near, PROBABILITIES, values, bits, rows
    )
    middle = np.median(expected[:100_000])
    spread = np.subtract(*np.quantile(expected[:100_000], [0.75, 0.25]))
    missed = np.abs(values - expected) / np.maximum(np.abs(expected - middle), spread)
    assert missed.max() < 0.6 * tabulate.BOUND
    # Almost all values come without a score: few are the same bits.
    assert (values == expected)[:100_000].mean() < 0.2


def test_tables_over_probabilities_are_for_independent_smooth_quantities() -> None:
    smooth = read_named_distribution(CONTINUOUS[2], "x")

    def near(
        distribution: Any = smooth, uncertainty: float = 1.0, loads: tuple[float, ...] = ()
    ) -> int:
        plan = SamplingPlan(uncertainty, in_tiles=True)
        plan.add("x", 0, distribution, loads)
        return int(plan.sampling(1, "random").quantities[0].near)

    assert near() >= 0
    assert near(uncertainty=0.5) == -1
    assert near(loads=(0.6, 0.0, 0.0, 0.0, 0.0)) == -1
    for definition in (CONTINUOUS[0], *CONTINUOUS[3:]):
        assert near(read_named_distribution(definition, "x")) == -1


@pytest.mark.parametrize("definition", SEPARATE, ids=lambda definition: definition["family"])
def test_step_tables_have_the_steps_of_the_distribution(definition: dict[str, Any]) -> None:
    distribution = read_named_distribution(definition, "x")
    plan = SamplingPlan()
    plan.add("before", 0, read_named_distribution(SEPARATE[0], "before"))
    plan.add("x", 1, distribution)
    sampling = plan.sampling(1, "random")
    slot = sampling.quantities[1].slot
    edges = distribution.edges
    scores = np.concatenate([SCORES, edges, np.nextafter(edges, -99), np.nextafter(edges, 99)])
    results = np.array([tables.step_value(sampling.steps, slot, z) for z in scores])
    np.testing.assert_array_equal(results, distribution.quantile(scores))


def test_distributions_of_one_shape_share_a_table() -> None:
    plan = SamplingPlan()
    for i, median in enumerate((1.0, 3.0, 1e6)):
        distribution = read_named_distribution(
            {"family": "lognormal", "median": median, "sigma": 0.3}, "x"
        )
        plan.add(f"x{i}", i, distribution)
    assert len({int(q["slot"]["first"]) for q in plan.sampling(1, "random").quantities}) == 1


@pytest.mark.parametrize(
    "definition",
    [
        {"family": "uniform", "min": 0.1, "max": 0.3},
        {"family": "triangular", "min": -0.3, "mode": 0.2, "max": 0.7},
        {"family": "beta", "a": 0.1, "b": 0.2},
        {"family": "normal", "mean": 0.1, "sd": 1.3, "min": -0.3, "max": 2.1},
        {"family": "pert", "min": 1.1, "mode": 2.3, "max": 5.7},
    ],
    ids=lambda definition: definition["family"],
)
def test_no_value_leaves_the_bounds_of_its_distribution_by_a_bit(
    definition: dict[str, Any],
) -> None:
    """What a table rounds, or would go on to, is cut to the bounds as they are given."""
    distribution = read_named_distribution(definition, "x")
    plan = SamplingPlan()
    plan.add("x", 0, distribution)
    quantity = plan.sampling(1, "random").quantities[0]
    low, high = definition.get("min", 0.0), definition.get("max", 1.0)
    assert (quantity["low"], quantity["high"]) == (low, high)
    standard = np.array([(bound - quantity["shift"]) / quantity["factor"] for bound in (low, high)])
    near = standard + np.spacing(standard) * np.arange(-40, 41)[:, None]
    values = np.concatenate([near.ravel(), [-np.inf, np.inf, -1e9, 1e9]])
    columns = np.empty((1, values.size))
    write_between_ends(quantity, values, columns, 0)
    assert (columns >= low).all()
    assert (columns <= high).all()
    assert {low, high} <= set(columns[0].tolist())
