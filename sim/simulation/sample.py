"""The sampler alone, for any set of uncertain inputs: names and laws in, draws out."""

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
from sim.engine.sampling_plan import SamplingPlan, factor_name
from sim.kernels.loop import sample_tiles
from sim.model.blocks import TILE
from sim.model.dims import FACTORS
from sim.parameters import options, rules
from sim.parameters.correlation_groups import check_group
from sim.parameters.distribution_errors import read_named_distribution
from sim.parameters.scenario import RunDefaults

DEFAULTS = RunDefaults()
TILES_PER_CHUNK = 16
DRAWS_AT_A_TIME = 512  # their working space fits the nearest cache
PROVENANCE = ("unit", "source", "note", "as_of")
MEMORY_PER_DRAW = 1.2  # peak over what is returned


def sample(
    inputs: Mapping[str, Any],
    draws: int = DEFAULTS.draws,
    seed: int = DEFAULTS.seed,
    sampler: str = DEFAULTS.sampler,
    correlation: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    threads: int | None = None,
) -> xr.Dataset:
    """Draws of any inputs, by the sampler of the model.

    Args:
        inputs: Names with their laws, each a table as in a parameter file, such as
            `{"family": "lognormal", "p10": 2, "p90": 5}`, or a number. `loads` on the common
            factors (`sim.fields.FACTORS`) tie inputs as in a file; `unit`, `note`, `source` and
            `as_of` may be there.
        draws: Number of draws.
        seed: Seed of the random numbers.
        sampler: "stratified", "random" or "sobol".
        correlation: A correlation group or several, with the keys of a file: `inputs`, `kind`
            and `matrix` or `pairs`; `copula`, `nu` and `name` where wanted.
        threads: All processors unless given; changes no number.

    Returns:
        A Dataset with a variable for every input, of dim `draw` where it is uncertain. A draw of
        an input depends on seed, sampler, its name, its law and its number alone, in a correlation
        group on the group too, so more draws, or other inputs, leave it as it is. Under "sobol" it
        depends on the place of the name as well, and in a t copula on how many names there are:
        what is added goes last. The attribute `correlation` is JSON text: every group with
        the rank correlations that its draws have.

    Raises:
        InputError: For laws, loadings, groups or options that cannot be, all of them together; or
            where the draws do not fit in memory.
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
        message = f"expected names with their laws, got {shown(inputs)}"
        raise InputError([*faults, Fault(Location("sample"), "inputs", message)])
    for name, said in inputs.items():
        _read(name, said, distributions, loads, faults)
    groups = list(_groups(correlation, distributions, loads, faults))
    if faults:
        raise InputError(faults)
    plan = SamplingPlan(in_tiles=True)
    if any(loads.values()):
        for factor in FACTORS:
            plan.factor(factor_name(factor))
    else:
        plan.dimensions = len(FACTORS)  # as if they were drawn
    for group in groups:
        plan.group(group, distributions)
    drawn = [
        name for name, distribution in distributions.items() if not isinstance(distribution, Fixed)
    ]
    check_memory(len(drawn), int(draws), MEMORY_PER_DRAW, "sample")
    store = np.empty((len(drawn), int(draws)))
    columns = {name: column for column, name in enumerate(drawn)}
    for name, distribution in distributions.items():
        dimension = plan.dimension()  # whether it is fixed or not
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
        name: ("draw", store[columns[name]], _about(inputs[name]))
        if name in columns
        else ((), distribution.point, _about(inputs[name]))
        for name, distribution in distributions.items()
    }
    about: dict[str, Any] = {"seed": str(seed), "sampler": sampler, "draws": int(draws)}
    if groups:
        drawn_columns = {name: store[column] for name, column in columns.items()}
        about["correlation"] = json.dumps(group_correlations(groups, drawn_columns, sampler))
    return xr.Dataset(data, {"draw": pd.RangeIndex(int(draws))}, about)


def _read(
    name: Any,
    said: Any,
    distributions: dict[str, Distribution],
    loads: dict[str, dict[str, float]],
    faults: list[Fault],
) -> None:
    """Add the law and the loadings of an input, or what is wrong with them."""
    place = Location("sample")
    taken = ("draw", *map(factor_name, FACTORS))
    if not isinstance(name, str) or not name or name in taken:
        what = "is the name of something else" if name in taken else "expected a name"
        faults.append(Fault(place, str(name), f"{what}, got {shown(name)}"))
        return
    given = plain(said)
    loading: Any = {}
    if isinstance(given, dict):
        loading = given.get("loads", {})
        given = {key: what for key, what in given.items() if key not in (*PROVENANCE, "loads")}
    try:
        distributions[name] = read_named_distribution(given, name)
    except ValueError as error:
        faults.append(Fault(place, name, str(error).removeprefix(f"{name}: ")))
    loads[name] = {}
    for key, message in rules.loads_faults(loading, loads[name]):
        faults.append(Fault(place, ".".join((name, "loads", *key)), message))


def plain(said: Any) -> Any:
    """Plain data as a file has it, of what may hold NumPy's arrays and numbers, and tuples."""
    if isinstance(said, Mapping):
        return {key: plain(what) for key, what in said.items()}
    if isinstance(said, np.ndarray | np.generic):
        return said.tolist()
    return [plain(part) for part in said] if isinstance(said, list | tuple) else said


def _groups(
    said: Any,
    distributions: Mapping[str, Distribution],
    loads: Mapping[str, Mapping[str, float]],
    faults: list[Fault],
) -> Iterator[Group]:
    """The correlation groups; what is wrong with them is added to `faults`."""
    place = Location("sample")
    if not isinstance(said, Mapping | list | tuple):
        message = f"expected a group, or a list of groups, got {shown(said)}"
        faults.append(Fault(place, "correlation", message))
        return
    taken: dict[str, str] = {}
    names: set[str] = set()
    for i, one in enumerate([said] if isinstance(said, Mapping) else said):
        at = f"correlation[{i}]"
        try:
            group = check_group(plain(one), distributions, loads, taken)
        except GroupError as error:
            faults += [
                Fault(place, ".".join(filter(None, (at, key))), message)
                for key, message in error.faults
            ]
            continue
        if group.name in names:
            faults.append(Fault(place, f"{at}.name", f"there are two groups '{group.name}'"))
        names.add(group.name)
        yield group


def _about(said: Any) -> dict[str, str]:
    """The unit of an input, and where it comes from; xarray hands all of it on to products."""
    if not isinstance(said, Mapping):
        return {}
    about = {"units": str(said["unit"])} if "unit" in said else {}
    return about | {key: str(said[key]) for key in PROVENANCE[1:] if key in said}
