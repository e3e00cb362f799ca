"""Several scenarios as one Dataset with a dim `scenario`, and one of them back out of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.draws import check_memory
from sim.files import Fault, InputError, Place, shown
from sim.results import OUTPUTS, simulate
from sim.scenario import Scenario

DIM = "scenario"
BY_SCENARIO = "by_scenario"  # attribute: JSON, scenario -> the attributes in which they differ
LACKING = "lacking"  # attribute, where there are any: JSON, scenario -> variables it lacks
COUNTED = "counted"
JOINED = ("lab", "landlord")  # dims whose labels may differ between scenarios
ASKED = ("named_labs", "thresholds_gw")  # what probabilities ask for, the same in all
CALLER = "simulate_many"


def simulate_many(
    scenarios: Sequence[Scenario] | Mapping[str, Scenario],
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    keep: str | Sequence[str] | None = None,
    uncertainty: float | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
) -> xr.Dataset:
    """Evaluate the model in every draw of several scenarios, with the same random numbers.

    Draws of the same number are a pair: each quantity has there the same score in all scenarios,
    so that differences along `scenario` are the effect of what differs between files.

    Args:
        scenarios: What `load` gives, in a list; or a mapping from names to them.
        draws: Number of draws; that of the scenarios' `[run]` unless given.
        seed: Seed of the random numbers; likewise.
        sampler: How to sample; likewise.
        keep: As of `simulate`. All that is kept of all scenarios is in memory together, so a batch
            of ten takes ten times as much as one run: name what you need.
        uncertainty: As of `simulate`; that of each scenario unless given.
        threads: As of `simulate`.
        progress: Called with the number of draws done since it was last called; in all there are
            as many as draws times scenarios.
        bad_draws: As of `simulate`, for each scenario by itself.
        drop_questionable: As of `simulate`, for each scenario by itself.

    Returns:
        The variables of `simulate` with a leading dim `scenario`, whose coordinate holds the names.
        Labs and landlords are those of any scenario, in the order in which they first come; where
        a scenario lacks one, its numbers are NaN and its name in `lab_name` is "". `draw` holds the
        numbers of the draws that count in any scenario; `counted` [scenario, draw] says in which
        they do, and where one does not it is NaN. An input that is fixed in one scenario and
        sampled in another is repeated for every draw. Attributes are those that all scenarios have
        alike; the others are in `by_scenario`, JSON text by name. `summarise` of it gives, with a
        leading dim `scenario`, what it gives of each `simulate`; so does `of_scenario` give each.

    Raises:
        InputError: As `simulate`; also for no scenarios, a name that occurs twice, scenarios that
            differ in draws, seed or sampler where these are not given, or in `named_labs` or
            `thresholds_gw`, or where all of them do not fit in memory.
        RunError: As `simulate`.
        ValueError: For an unknown name in `keep`.
    """
    named, alike = _checked(scenarios, {"draws": draws, "seed": seed, "sampler": sampler})
    parts: dict[str, xr.Dataset] = {}
    for name, scenario in named.items():
        parts[name] = simulate(
            scenario, keep=keep, uncertainty=uncertainty, threads=threads, progress=progress,
            bad_draws=bad_draws, drop_questionable=drop_questionable, **alike,
        )  # fmt: skip
        if len(parts) == 1:
            _check_memory(parts[name], len(named))
    return joined(parts)


def _checked(
    scenarios: Sequence[Scenario] | Mapping[str, Scenario], given: Mapping[str, Any]
) -> tuple[dict[str, Scenario], dict[str, Any]]:
    """The scenarios by name, and the draws, seed and sampler that all of them share."""
    faults: list[Fault] = []

    def wrong(key: str, message: str) -> None:
        faults.append(Fault(Place(CALLER), key, message))

    pairs: list[tuple[Any, Any]]
    if isinstance(scenarios, Mapping):
        pairs = list(scenarios.items())
    elif isinstance(scenarios, Sequence) and not isinstance(scenarios, str):
        pairs = [(getattr(one, "name", ""), one) for one in scenarios]
    else:
        pairs = []
    if not pairs:
        wrong("scenarios", f"expected a list of what sim.load gives, got {shown(scenarios)}")
    for i, (name, one) in enumerate(pairs):
        if not isinstance(one, Scenario):
            wrong("scenarios", f"expected what sim.load gives, got {shown(one)}")
        elif not isinstance(name, str) or not name:
            wrong("scenarios", f"expected a name, got {shown(name)}")
        elif name in [other for other, _ in pairs[:i]]:
            wrong("scenarios", f"'{name}' is there twice: give a mapping from names to scenarios")
    if faults:
        raise InputError(faults)
    named = dict(pairs)
    alike = dict(given)
    for key in given:
        said = {name: getattr(one.run, key) for name, one in named.items()}
        if given[key] is None:
            alike[key] = next(iter(said.values()))
            if len(set(said.values())) > 1:
                wrong(key, f"scenarios of a batch share it, and theirs differ: {_each(said)}")
    for key in ASKED:
        asked = {name: getattr(one.settings, key) for name, one in named.items()}
        if len(set(asked.values())) > 1:
            told = {name: list(what) for name, what in asked.items()}
            wrong(f"model.{key}", f"scenarios of a batch ask for the same: {_each(told)}")
    if faults:
        raise InputError(faults)
    return named, alike


def _each(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {what}" for name, what in said.items())


def _check_memory(first: xr.Dataset, count: int) -> None:
    """Refuse a batch that cannot fit in memory once its first scenario is there."""
    draws = first.sizes["draw"]
    check_memory(math.ceil(first.nbytes / (8 * draws)) * count, draws, caller=CALLER)


def joined(parts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Datasets of scenarios, with or without draws, as one with a leading dim `scenario`.

    What comes back is as `simulate_many` says. Dims but `draw`, `lab` and `landlord` have the same
    labels in all of them.
    """
    every = list(parts.values())
    labels = {dim: _union([part[dim].values for part in every if dim in part]) for dim in JOINED}
    drawn = all("draw" in part.dims for part in every)
    if drawn:
        labels["draw"] = np.unique(np.concatenate([part["draw"].values for part in every]))
    labels = {dim: found for dim, found in labels.items() if found.size}
    places = {dim: [_places(part, dim, found) for part in every] for dim, found in labels.items()}
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {DIM: list(parts)}
    for name in dict.fromkeys(str(name) for part in every for name in part.data_vars):
        data[name] = _stacked(name, every, places, labels)
    for name in dict.fromkeys(str(name) for part in every for name in part.coords):
        if name in places:
            coords[name] = (name, labels[name], _attributes(name, every))
        elif _differs(name, every):
            coords[name] = _stacked(name, every, places, labels)
        else:
            coords[name] = every[0].variables[name]
    if drawn:
        counted = np.zeros((len(every), labels["draw"].size), bool)
        for row, at in zip(counted, places["draw"], strict=True):
            row[slice(None) if at is None else at] = True
        data[COUNTED] = ((DIM, "draw"), counted, {"units": "1", "long_name": "Draw that counts"})
    return xr.Dataset(data, coords, _shared_attributes(parts))


def _union(labels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """All labels, in the order in which they first come."""
    return np.array(list(dict.fromkeys(str(label) for some in labels for label in some)))


def _places(part: xr.Dataset, dim: str, labels: NDArray[Any]) -> NDArray[np.int64] | None:
    """Where the labels of a Dataset are among all; None where it has all of them, in that order."""
    own = part[dim].values if dim in part else labels
    if np.array_equal(own, labels):
        return None
    order = np.argsort(labels)
    return np.asarray(order[np.searchsorted(labels, own, sorter=order)])


def _differs(name: str, parts: Sequence[xr.Dataset]) -> bool:
    first = parts[0]
    return any(name not in part or not part[name].equals(first[name]) for part in parts)


def _attributes(name: str, parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    return dict(next(part.variables[name] for part in parts if name in part.variables).attrs)


def _stacked(
    name: str,
    parts: Sequence[xr.Dataset],
    places: Mapping[str, Sequence[NDArray[np.int64] | None]],
    labels: Mapping[str, NDArray[Any]],
) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
    """A variable of all scenarios, NaN (of texts: "") where one lacks it or a label of it."""
    found = [part.variables.get(name) for part in parts]
    there = [variable for variable in found if variable is not None]
    # One that is the same in every draw of one scenario may have a dim more in another.
    dims = max((tuple(map(str, variable.dims)) for variable in there), key=len)
    sizes = {
        dim: labels[dim].size if dim in places else max(
            variable.sizes.get(dim, 0) for variable in there
        )
        for dim in dims
    }  # fmt: skip
    gaps = len(there) < len(parts) or any(
        dim in places and any(at is not None for at in places[dim]) for dim in dims
    )
    dtype = np.result_type(*(variable.dtype for variable in there))
    texts = dtype.kind in "UO"
    if gaps and not texts:
        dtype = np.result_type(dtype, np.float64)
    # As the engine leaves them: the draws of a place are contiguous.
    order = [dim for dim in dims if dim != "draw"] + [dim for dim in dims if dim == "draw"]
    missing = "" if texts else math.nan if dtype.kind == "f" else 0
    shape = (len(parts), *(sizes[dim] for dim in order))
    made = np.full(shape, missing, dtype=dtype) if gaps else np.empty(shape, dtype)
    for i, variable in enumerate(found):
        if variable is None:
            continue
        at = [places[dim][i] if dim in places else None for dim in order]
        own = [dim for dim in order if dim in variable.dims]
        values = variable.transpose(*own).values
        values = values[tuple(slice(None) if dim in own else None for dim in order)]
        if all(index is None for index in at):
            made[i] = values
        else:
            indices = [np.arange(n) if a is None else a for a, n in zip(at, shape[1:], strict=True)]
            made[i][np.ix_(*indices)] = values
    if "draw" in dims:
        made = np.moveaxis(made, -1, 1 + dims.index("draw"))
    return (DIM, *dims), made, dict(there[0].attrs)


def _shared_attributes(parts: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """The attributes that all have alike, and the others by name."""
    every = [part.attrs for part in parts.values()]
    names = dict.fromkeys(name for attrs in every for name in attrs)
    first = every[0]
    alike = {
        name: first[name]
        for name in names
        if all(name in attrs and attrs[name] == first[name] for attrs in every)
    }
    others = {
        name: {key: what for key, what in part.attrs.items() if key not in alike}
        for name, part in parts.items()
    }
    found = dict.fromkeys(name for part in parts.values() for name in part.data_vars)
    lacking = {n: [x for x in found if x not in part] for n, part in parts.items()}
    said = {LACKING: json.dumps(lacking)} if any(lacking.values()) else {}
    return {**alike, BY_SCENARIO: json.dumps(others), **said}


def is_batch(ds: xr.Dataset) -> bool:
    """Whether a Dataset holds several scenarios, as `joined` makes it."""
    return DIM in ds.dims and BY_SCENARIO in ds.attrs


def of_scenario(ds: xr.Dataset, name: str) -> xr.Dataset:
    """The Dataset of one scenario of a batch, as `simulate` gives it.

    Raises:
        KeyError: If there is no scenario of that name.
    """
    one = ds.sel({DIM: name}, drop=True)
    one = one.drop_vars(json.loads(ds.attrs.get(LACKING, "{}")).get(name, []), errors="ignore")
    if COUNTED in one:
        if not one[COUNTED].values.all():
            one = one.isel(draw=np.flatnonzero(one[COUNTED].values))
        one = one.drop_vars(COUNTED)
    for dim in JOINED:
        if f"{dim}_name" in one and (one[f"{dim}_name"].values == "").any():
            one = one.isel({dim: np.flatnonzero(one[f"{dim}_name"].values != "")})
    for variable in one.data_vars:
        kind = OUTPUTS[str(variable)].kind if str(variable) in OUTPUTS else "float64"
        if one[variable].dtype != kind and one[variable].dtype.kind == "f":
            one[variable] = one[variable].astype(kind)
    alike = {key: what for key, what in ds.attrs.items() if key not in (BY_SCENARIO, LACKING)}
    one.attrs = {**alike, **json.loads(ds.attrs[BY_SCENARIO])[name]}
    return one
