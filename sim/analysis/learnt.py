"""What can be learnt about a run's draws: inputs, the sources behind them, and groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.targets import normal_scores
from sim.common.errors import Fault, InputError, Location
from sim.common.text import nearest
from sim.distributions.discrete import Steps
from sim.engine.scores import ScorePlans
from sim.expressions.tree import FACTOR
from sim.parameters.fields import short_name
from sim.parameters.scenario import Scenario
from sim.simulation.origin import run_of
from sim.simulation.scores import CAUSES, draw_causes, draw_input_scores
from sim.statistics.datasets import json_attribute

Array = NDArray[np.float64]
SHARED = "shared"  # kind of what several inputs have in common


@dataclass(frozen=True)
class Learnt:
    """Scores `values` [input, draw] of inputs, as dependent as they are, and of common factors.

    `kinds` are "input" or "shared", `sources` the ids of sources, "" without one, and `grades`
    theirs.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    grades: tuple[str, ...]
    values: Array

    @property
    def inputs(self) -> list[int]:
        """Which of them are inputs."""
        return [i for i, kind in enumerate(self.kinds) if kind == "input"]


def draw_learnt(ds: xr.Dataset, threads: int | None = None) -> Learnt:
    """Make the scores of all that can be learnt about the draws of a Dataset.

    Raises:
        InputError: For a Dataset that is none of `simulate` or `sample` of this version.
    """
    if CAUSES not in ds.attrs and "parameters" not in ds.attrs:
        message = "the Dataset is none of simulate or sample: what its inputs are is not known"
        raise InputError([Fault(Location("voi"), "", message)])
    causes = draw_causes(ds, threads)
    if CAUSES in ds.attrs:
        is_variable = [
            n in ds.variables and ds.variables[n].dims == ("draw",) for n in causes.names
        ]
        values = [
            normal_scores(ds.variables[name].values) if own else row
            for name, own, row in zip(causes.names, is_variable, causes.values, strict=True)
        ]
        sources = [str(ds[n].attrs.get("source", "")) if n in ds else "" for n in causes.names]
        kinds = tuple("input" if own else SHARED for own in is_variable)
        return Learnt(causes.names, kinds, tuple(sources), tuple(sources), np.stack(values))
    inputs = draw_input_scores(ds, threads)
    scenario, _ = run_of(ds, threads)
    for name, row in zip(inputs.names, inputs.values, strict=True):
        quantity = scenario.quantities.get(name)
        if quantity is not None and isinstance(quantity.distribution, Steps):
            row[:] = normal_scores(np.searchsorted(quantity.distribution.edges, row).astype(float))
    shared = [i for i, name in enumerate(causes.names) if is_shared(name, inputs.names)]
    names = (*inputs.names, *(causes.names[i] for i in shared))
    kinds = ("input",) * len(inputs.names) + (SHARED,) * len(shared)
    ids = [scenario.quantities[n].source if n in scenario.quantities else "" for n in names]
    about = json_attribute(ds, "sources", {})
    grades = [str(about.get(of, {}).get("grade", of)) for of in ids]
    values_of_all = np.concatenate([inputs.values, causes.values[shared]])
    return Learnt(names, kinds, tuple(ids), tuple(grades), values_of_all)


def is_shared(name: str, inputs: Collection[str]) -> bool:
    """Whether a cause is a common factor or a lab's own, which several inputs have in common."""
    return name not in inputs and (name.startswith(FACTOR) or name.endswith(".own"))


def names_to_learn(scenario: Scenario) -> list[str]:
    """The full names of the inputs of a scenario that are sampled."""
    return list(ScorePlans(scenario).inputs)


def read_groups(
    groups: Mapping[str, Collection[str]],
    names: Sequence[str],
    faults: list[Fault],
    option: str = "group",
) -> dict[str, list[int]]:
    """Which inputs each group has, by keys or patterns (`labs.xai.*`) of their names.

    A pattern that is of no input is added to the faults.
    """
    found: dict[str, list[int]] = {}
    for group, patterns in groups.items():
        members: dict[int, None] = {}
        for pattern in patterns:
            some = [i for i, name in enumerate(names) if _matches(name, pattern)]
            if not some:
                hint = nearest(pattern, [*names, *map(short_name, names)])
                message = f"no uncertain input '{pattern}'{hint}"
                faults.append(Fault(Location(option), group, message))
            members |= dict.fromkeys(some)
        found[group] = sorted(members)
    return found


def _matches(name: str, pattern: str) -> bool:
    return (
        pattern in (name, short_name(name))
        or name.startswith(f"{pattern}.")
        or fnmatchcase(name, pattern)
    )


def by_source(learnt: Learnt) -> dict[str, list[int]]:
    """Which inputs rest on each source, by its id."""
    found: dict[str, list[int]] = {}
    for i in learnt.inputs:
        if learnt.sources[i]:
            found.setdefault(learnt.sources[i], []).append(i)
    return found
