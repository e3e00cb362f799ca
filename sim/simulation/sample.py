"""Draws of any uncertain inputs, by the sampler of the model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.common.memory import check_memory
from sim.common.text import shown
from sim.common.threads import in_chunks
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed
from sim.distributions.groups import Group, GroupError
from sim.engine.rank_correlation import group_correlations
from sim.engine.sampling_plan import COMMON_VARIABLE, SamplingPlan, factor_name
from sim.kernels.shipped.entries import sample_tiles
from sim.model.blocks import TILE
from sim.model.dims import FACTORS
from sim.parameters import options, rules
from sim.parameters.correlation_groups import check_group
from sim.parameters.distribution_errors import read_named_distribution
from sim.parameters.key_lines import find_too_deep, too_deep
from sim.parameters.scenario import RunDefaults

DEFAULTS = RunDefaults()
TILES_PER_CHUNK = 16
DRAWS_AT_A_TIME = 512  # their working space fits in the first-level cache
PROVENANCE = ("unit", "source", "note", "as_of")
MEMORY_PER_DRAW = 1.2  # peak memory over that of the result


def sample(
    inputs: Mapping[str, Any],
    draws: int = DEFAULTS.draws,
    seed: int = DEFAULTS.seed,
    sampler: str = DEFAULTS.sampler,
    correlation: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    threads: int | None = None,
) -> xr.Dataset:
    """Sample any inputs, by the sampler of the model.

    Args:
        inputs: Names with their distributions, each a table as in a parameter file, such as
            `{"family": "lognormal", "p10": 2, "p90": 5}`, or a number. `loads` on the common
            factors (`sim.model.dims.FACTORS`) correlate inputs as in a file; `unit`, `note`,
            `source` and `as_of` are optional.
        draws: Number of draws.
        seed: Seed of the random numbers.
        sampler: "stratified", "random" or "sobol".
        correlation: A correlation group or a list of them, with the keys of a file: `inputs`,
            `kind` and `matrix` (also an array or a DataFrame) or `pairs`; optionally `copula`, `nu`
            and `name`.
        threads: All processors unless given; changes no number.

    Returns:
        A Dataset with a variable for every input, with dim `draw` where it is uncertain. A draw of
        an input depends only on the seed, the sampler, its number, and the input's name and
        distribution, in a correlation group also on the group; more draws or other inputs do not
        change it. Under "sobol" it depends on the position of the name as well, and in a t copula
        on the number of names: add new inputs at the end. The attribute `correlation` is JSON
        text: every group with the rank correlations of its draws, and for kind "pearson" those
        of values, with standard errors. `causes` names the independent scores behind the draws.

    Raises:
        InputError: For invalid distributions, loadings, groups or options, with all faults; or if
            the draws do not fit in memory.
    """
    faults = [
        Fault(Location("sample"), name, message)
        for name, message in {
            "draws": options.draws_fault(draws),
            "seed": options.seed_fault(seed),
            "sampler": options.sampler_fault(sampler, draws),
            "threads": options.threads_fault(threads),
        }.items()
        if message
    ]
    distributions: dict[str, Distribution] = {}
    loads: dict[str, dict[str, float]] = {}
    if not isinstance(inputs, Mapping):
        message = f"expected names with their distributions, got {shown(inputs)}"
        raise InputError([*faults, Fault(Location("sample"), "inputs", message)])
    for name, entry in inputs.items():
        _read_input(name, entry, distributions, loads, faults)
    groups = list(_read_groups(correlation, distributions, loads, faults))
    if faults:
        raise InputError(faults)
    plan = SamplingPlan(in_tiles=True)
    if any(loads.values()):
        for factor in FACTORS:
            plan.factor(factor_name(factor))
    else:
        plan.dimensions = len(FACTORS)  # reserved, so that inputs keep their dimensions
    for group in groups:
        plan.group(group, distributions)
    uncertain = [
        name for name, distribution in distributions.items() if not isinstance(distribution, Fixed)
    ]
    check_memory(len(uncertain), int(draws), MEMORY_PER_DRAW, "sample")
    store = np.empty((len(uncertain), int(draws)))
    columns = {name: column for column, name in enumerate(uncertain)}
    for name, distribution in distributions.items():
        dimension = plan.dimension()  # fixed inputs take one too
        if name in columns:
            loading = [loads[name].get(factor, 0.0) for factor in FACTORS]
            plan.add(name, columns[name], distribution, loading, dimension)
    sampling = plan.sampling(int(seed), sampler)
    size = TILES_PER_CHUNK * TILE

    def worker() -> Callable[[int], None]:
        scores = plan.scores(DRAWS_AT_A_TIME)

        def write(chunk: int) -> None:
            first = chunk * size
            sample_tiles(sampling, scores, first, min(size, int(draws) - first), store)

        return write

    in_chunks(math.ceil(draws / size), threads, worker)
    data = {
        name: ("draw", store[columns[name]], _attrs(inputs[name]))
        if name in columns
        else ((), distribution.point, _attrs(inputs[name]))
        for name, distribution in distributions.items()
    }
    attrs: dict[str, Any] = {"seed": str(seed), "sampler": sampler, "draws": int(draws)}
    attrs["causes"] = json.dumps(_causes(plan, loads, groups))
    if groups:
        samples = {name: store[column] for name, column in columns.items()}
        attrs["correlation"] = json.dumps(
            group_correlations(groups, distributions, samples, int(seed), sampler)
        )
    return xr.Dataset(data, {"draw": pd.RangeIndex(int(draws))}, attrs)


def _causes(
    plan: SamplingPlan, loads: Mapping[str, Mapping[str, float]], groups: Sequence[Group]
) -> dict[str, int]:
    """The names of the independent scores, each with its dimension of Sobol' sequences."""
    used = {factor for loading in loads.values() for factor, load in loading.items() if load}
    factors = {factor_name(name): i for i, name in enumerate(FACTORS) if name in used}
    inputs = {name: sampled.dimension for name, sampled in plan.sampled.items()}
    common = {
        f"{COMMON_VARIABLE}{group.name}": plan.dimensions + i
        for i, group in enumerate(groups)
        if group.copula == "t"
    }
    return {**factors, **inputs, **common}


def _read_input(
    name: Any,
    entry: Any,
    distributions: dict[str, Distribution],
    loads: dict[str, dict[str, float]],
    faults: list[Fault],
) -> None:
    """Read one input: add its distribution and loadings, or faults.

    `loads` holds the loading on each factor, which lies between -1 and 1.
    """
    location = Location("sample")
    reserved = ("draw", *map(factor_name, FACTORS))
    if not isinstance(name, str) or not name or name in reserved:
        problem = "is a reserved name" if name in reserved else "expected a name"
        faults.append(Fault(location, str(name), f"{problem}, got {shown(name)}"))
        return
    loads[name] = {}
    if find_too_deep(entry) is not None:
        faults.append(Fault(location, name, str(too_deep(0, (name,)))))
        return
    table = to_plain(entry)
    loading: Any = {}
    if isinstance(table, dict):
        loading = table.get("loads", {})
        table = {key: value for key, value in table.items() if key not in (*PROVENANCE, "loads")}
    try:
        distributions[name] = read_named_distribution(table, name)
    except ValueError as error:
        faults.append(Fault(location, name, str(error).removeprefix(f"{name}: ")))
    for key, message in rules.loads_faults(loading, loads[name]):
        faults.append(Fault(location, ".".join((name, "loads", *key)), message))


def to_plain(value: Any) -> Any:
    """Convert NumPy's types and tuples to the types of files."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [to_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _read_groups(
    correlation: Any,
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    faults: list[Fault],
) -> Iterator[Group]:
    """Yield the valid correlation groups; add faults of the others."""
    location = Location("sample")
    if not isinstance(correlation, Mapping | list | tuple):
        message = f"expected a group, or a list of groups, got {shown(correlation)}"
        faults.append(Fault(location, "correlation", message))
        return
    if find_too_deep(correlation) is not None:
        faults.append(Fault(location, "correlation", str(too_deep(0, ("correlation",)))))
        return
    taken: dict[str, str] = {}  # input -> its group
    names: set[str] = set()
    for i, table in enumerate([correlation] if isinstance(correlation, Mapping) else correlation):
        prefix = f"correlation[{i}]"
        try:
            group = check_group(to_plain(table), distributions, loads, taken)
        except GroupError as error:
            faults += [
                Fault(location, ".".join(filter(None, (prefix, key))), message)
                for key, message in error.faults
            ]
            continue
        if group.name in names:
            faults.append(Fault(location, f"{prefix}.name", f"there are two groups '{group.name}'"))
        names.add(group.name)
        yield group


def _attrs(entry: Any) -> dict[str, str]:
    """Attributes of an input: unit and provenance, if any."""
    if not isinstance(entry, Mapping):
        return {}
    attrs = {"units": str(entry["unit"])} if "unit" in entry else {}
    return attrs | {key: str(entry[key]) for key in PROVENANCE[1:] if key in entry}
