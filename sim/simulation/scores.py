"""Independent scores behind draws: what a spread can be shared among."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.engine.sampling_plan import COMMON_VARIABLE, factor_name
from sim.engine.scores import ScorePlans, draw_independent
from sim.expressions.tree import FACTOR
from sim.model.dims import FACTORS, OWN_FACTOR
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.origin import run_of

Array = NDArray[np.float64]
CAUSES = "causes"  # attribute of what `sample` gives


@dataclass(frozen=True)
class Causes:
    """Independent standard normal scores `values` [cause, draw], from which all inputs are made.

    `names` are those of common factors (`factor.demand`), of labs' own factors (`labs.xai.own`), of
    inputs by their full names, for the part that is theirs alone, and of the common variables of
    t copulas (`correlation.chips`).
    """

    names: tuple[str, ...]
    values: Array


def draw_causes(
    ds: xr.Dataset,
    threads: int | None = None,
    draws: int | None = None,
    *,
    number: int | None = None,
) -> Causes:
    """Make the independent scores behind the draws of a Dataset again, by their names.

    Args:
        ds: What `simulate`, `open_run` or `sample` gives, or some of its draws.
        threads: All processors unless given; changes no number.
        draws: Of the first draws alone.
        number: Of the draw of this number alone.

    Raises:
        InputError: For a Dataset of another origin or version.
    """
    if CAUSES in ds.attrs:
        dimensions: Mapping[str, int] = json.loads(ds.attrs[CAUSES])
        seed, sampler = int(ds.attrs["seed"]), str(ds.attrs["sampler"])
    else:
        scenario, options = run_of(ds, threads)
        if options.uncertainty == 0.0:
            raise InputError(
                [Fault(Location("uncertainty"), "", "is 0: every draw is the same world")]
            )
        dimensions, seed, sampler = ScorePlans(scenario).dimensions, options.seed, options.sampler
    if number is not None:
        values = draw_independent(dimensions, number + 1, seed, sampler, threads, number)
        return Causes(tuple(map(_public_name, dimensions)), values)
    values = _of_draws(
        lambda count: draw_independent(dimensions, count, seed, sampler, threads), ds, draws
    )
    return Causes(tuple(map(_public_name, dimensions)), values)


def draw_input_scores(ds: xr.Dataset, threads: int | None = None) -> Causes:
    """Make the normal scores of the sampled inputs of a run again, as dependent as the inputs are.

    Raises:
        InputError: For a Dataset that is none of `simulate` of this version.
    """
    scenario, options = run_of(ds, threads)
    plans = ScorePlans(scenario)
    values = _of_draws(
        lambda count: plans.draw_inputs(count, options.seed, options.sampler, threads), ds, None
    )
    return Causes(plans.inputs, values)


def draw_fresh(ds: xr.Dataset, names: Sequence[str], threads: int | None = None) -> Array:
    """Independent standard normal scores [name, draw] of names that no input has.

    They are those of the draws of a Dataset, and independent of all that is in it. Under "sobol"
    they depend on the position of the name as well.

    Raises:
        InputError: For a Dataset that is none of `simulate` or `sample` of this version.
    """
    if CAUSES in ds.attrs:
        used: Mapping[str, int] = json.loads(ds.attrs[CAUSES])
        seed, sampler = int(ds.attrs["seed"]), str(ds.attrs["sampler"])
    else:
        scenario, options = run_of(ds, threads)
        used, seed, sampler = ScorePlans(scenario).dimensions, options.seed, options.sampler
    first = max(used.values(), default=-1) + 1
    dimensions = {name: first + i for i, name in enumerate(names)}
    return _of_draws(
        lambda count: draw_independent(dimensions, count, seed, sampler, threads), ds, None
    )


def factor_scores(
    ds: xr.Dataset, names: Sequence[str], threads: int | None = None
) -> dict[str, xr.Variable]:
    """The scores of common factors, `factor.demand`, as variables with dim `draw`.

    Raises:
        InputError: For a Dataset of another origin or version.
        ValueError: For an unknown factor.
    """
    for name in names:
        if name.removeprefix(FACTOR) not in FACTORS:
            known = ", ".join(FACTOR + factor for factor in FACTORS)
            raise ValueError(f"unknown factor '{name}': expected {known}")
    scenario, options = run_of(ds, threads)
    attrs = {"units": "1", "long_name": "Standard normal score of a common factor"}
    result = {}
    for name in names:
        factor = name.removeprefix(FACTOR)
        values = draw_factor(scenario, replace(options, threads=threads), factor, _count(ds))
        held = factor in scenario.factors
        numbers = _numbers(ds)
        result[name] = (
            xr.Variable((), values[0], attrs)
            if held
            else xr.Variable("draw", values[numbers], attrs)
        )
    return result


def draw_factor(
    scenario: Scenario, options: RunOptions, factor: str, draws: int | None = None
) -> Array:
    """The scores [draw] of a common factor in the first draws; one where it is held."""
    if factor in scenario.factors:
        return np.array([scenario.factors[factor]])
    dimension = {factor_name(factor): FACTORS.index(factor)}
    count = draws or min(options.draws, options.kept_draws)
    scores = draw_independent(dimension, count, options.seed, options.sampler, options.threads)
    return np.asarray(scores[0])


def _public_name(name: str) -> str:
    """The name of a cause in tables, from that behind its random numbers."""
    if name.startswith(COMMON_VARIABLE):
        return f"correlation.{name.removeprefix(COMMON_VARIABLE)}"
    if name.startswith("factors."):
        return FACTOR + name.removeprefix("factors.")
    return name


def is_own_factor(name: str) -> bool:
    """Whether a cause is a lab's own factor."""
    return name.startswith("labs.") and name.endswith(f".{OWN_FACTOR}")


def _numbers(ds: xr.Dataset) -> NDArray[np.int64]:
    """The numbers of the draws of a Dataset."""
    if "draw" not in ds.coords:
        return np.arange(ds.sizes["draw"])
    return np.asarray(ds["draw"].values, np.int64)


def _count(ds: xr.Dataset) -> int:
    return int(_numbers(ds).max()) + 1


def _of_draws(draw: Callable[[int], Array], ds: xr.Dataset, first: int | None) -> Array:
    """Rows [.., draw] of the draws of a Dataset, from a function that makes the first ones."""
    numbers = _numbers(ds)[:first]
    values = draw(int(numbers.max()) + 1)
    whole = numbers.size == values.shape[-1] and (numbers == np.arange(numbers.size)).all()
    return values if whole else np.ascontiguousarray(values[:, numbers])
