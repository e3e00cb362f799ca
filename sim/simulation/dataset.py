"""Results as a plain xarray Dataset: dims, coordinates, units, and where the numbers come from."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from sim.common.environment import commit, versions
from sim.engine import draw_quality, loop, rank_correlation
from sim.engine.prepare import digest
from sim.engine.state import Prepared, SimulationState
from sim.model.blocks import REPLICATES
from sim.model.catalogue import probability_dims
from sim.model.declarations import Output, declared
from sim.model.dims import COORDS, QUARTERS
from sim.model.inputs import HOST_MATRICES, Host
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.simulation import histogram_variables
from sim.statistics.datasets import REPLICATE_M2, REPLICATE_MEAN, share

Variables = dict[str, Any]  # name -> dims, values, attributes


def make_dataset(state: SimulationState) -> xr.Dataset:
    """The Dataset of a finished run: what `simulate` returns.

    Raises:
        RunError: As `simulate`.
    """
    why = draw_quality.check_draws(state)
    ds = partial_dataset(state, [*state.prepared.slices, *state.moment_slices])
    ds.attrs["draws_not_finite_why"] = why
    scenario, options = state.prepared.scenario, state.prepared.options
    if scenario.correlations:
        achieved = rank_correlation.scenario_correlations(
            scenario, state.draws, options.seed, options.sampler, options.uncertainty
        )
        ds.attrs["correlation"] = json.dumps(achieved)
    return ds


def partial_dataset(state: SimulationState, names: Collection[str]) -> xr.Dataset:
    """A Dataset of some variables, of the draws so far.

    It holds the draws that count [draw, ...] of variables whose draws are kept, fixed inputs
    without `draw`, moments by replicate, histograms beyond the draws that are kept, and the
    probabilities that these variables give; with coordinates and attributes of the run.
    """
    data = (
        _draws(state, names)
        | {name: _fixed(state.prepared, name) for name in state.prepared.fixed}
        | _matrices(state.prepared.scenario)
        | _moments(state, names)
        | _histograms(state, names)
        | _probabilities(state, names)
    )
    return xr.Dataset(data, _coordinates(state), _attributes(state))


def _draws(state: SimulationState, names: Collection[str]) -> Variables:
    """The draws that count [draw, ...] of the variables whose draws are kept."""
    counted = slice(None) if state.counted.all() else state.counted
    data: Variables = {}
    for name in state.prepared.slices:
        if name in names:
            variable = state.prepared.variables[name]
            draws = np.moveaxis(state.kept(name, counted), -1, 0)
            if isinstance(variable.declaration, Output) and variable.declaration.kind != "float64":
                draws = draws.astype(variable.declaration.kind)
            data[name] = (("draw", *variable.dims), draws, _about(variable.declaration))
    return data


def _fixed(prepared: Prepared, name: str) -> Any:
    """An input that is the same in every draw, in its own dims."""
    variable = prepared.variables[name]
    return variable.dims, prepared.fixed[name], _about(variable.declaration)


def _moments(state: SimulationState, names: Collection[str]) -> Variables:
    """Means and sums of squared deviations [replicate, ...], and how many draws a replicate has."""
    moments = {name: part for name, part in state.moment_slices.items() if name in names}
    totals = state.running
    if not moments:
        return {}
    about = {"units": "1", "long_name": "Draws of the replicate"}
    data: Variables = {"replicate_count": ("replicate", totals.count, about)}
    for name, part in moments.items():
        variable = state.prepared.variables[name]
        unit, meaning = variable.declaration.unit, variable.declaration.meaning
        shape = (len(totals.count), *variable.columns.shape)
        for suffix, values, units, statistic in (
            (REPLICATE_MEAN, totals.mean, unit, "mean over a replicate"),
            (REPLICATE_M2, totals.m2, f"({unit})^2", "sum of squared deviations in a replicate"),
        ):
            data[name + suffix] = (
                ("replicate", *variable.dims),
                values[:, part].reshape(shape),
                {"units": units, "long_name": f"{meaning}: {statistic}"},
            )
    return data


def _histograms(state: SimulationState, names: Collection[str]) -> Variables:
    """Histograms of the variables of which not all draws are kept, and counts of their events."""
    if state.running.histograms is None:
        return {}
    prepared = state.prepared
    kept = [prepared.variables[name] for name in prepared.slices]
    made = histogram_variables.variables(state.running.histograms, kept)
    of = {name: name for name in prepared.slices} | {p: PROBABILITIES[p].of for p in PROBABILITIES}
    wanted = {
        f"{name}_{suffix}"
        for name, variable in of.items()
        if variable in names
        for suffix in histogram_variables.SUFFIXES
    }
    return {name: variable for name, variable in made.items() if name in wanted}


def _probabilities(state: SimulationState, names: Collection[str]) -> Variables:
    """The probabilities that some variables give, over all draws that count."""
    prepared = state.prepared
    shapes = {name: prepared.variables[name].columns.shape for name in prepared.slices}
    data: Variables = {}
    indicators, *counts = loop.indicator_counts(state)
    for name, chosen, shape in indicators.by_name(shapes):
        if PROBABILITIES[name].of in names:
            about = {"units": "1", "long_name": PROBABILITIES[name].meaning}
            happens, valid = (count[chosen].reshape(*shape, REPLICATES) for count in counts)
            data[name] = probability_dims(name), share(happens, valid), about
    return data


def _about(declaration: Any) -> dict[str, str]:
    return {"units": declaration.unit, "long_name": declaration.meaning}


def _matrices(scenario: Scenario) -> dict[str, Any]:
    """The hosting matrices, the same in every draw (model.md 9.3)."""
    matrices: dict[str, Any] = {}
    for field, (name, dims) in HOST_MATRICES.items():
        values = np.zeros((len(scenario.labs), len(scenario.landlords)))
        for i, lab in enumerate(scenario.labs):
            for k, landlord in enumerate(scenario.landlords):
                host = scenario.hosts.get((lab.id, landlord.id))
                values[i, k] = float(getattr(host, field)) if host else 0.0
        about = _about(declared(Host)[field])
        matrices[name] = (dims, values if dims[0] == "lab" else values.T, about)
    return matrices


def _coordinates(state: SimulationState) -> dict[str, Any]:
    scenario = state.prepared.scenario
    months = [int(quarter[-1]) * 3 for quarter in QUARTERS]
    following = [
        np.datetime64(f"{int(quarter[:4]) + month // 12}-{month % 12 + 1:02d}-01")
        for quarter, month in zip(QUARTERS, months, strict=True)
    ]
    ends = np.array(following, "datetime64[D]") - np.timedelta64(1, "D")
    return {
        "draw": np.flatnonzero(state.counted),
        **{dim: list(labels) for dim, labels in COORDS.items()},
        "time": ("quarter", ends.astype("datetime64[ns]"), {"long_name": "Quarter end"}),
        "lab": [party.id for party in scenario.labs],
        "landlord": [party.id for party in scenario.landlords],
        "lab_name": ("lab", [party.name for party in scenario.labs]),
        "landlord_name": ("landlord", [party.name for party in scenario.landlords]),
        "threshold": ("threshold", list(scenario.settings.thresholds_gw), {"units": "GW"}),
    }


def _attributes(state: SimulationState) -> dict[str, Any]:
    """Where the numbers of a run come from; netCDF takes texts, numbers and lists of them."""
    scenario, options = state.prepared.scenario, state.prepared.options
    return {
        "title": f"AI-lab token economics, scenario {scenario.name}",
        "scenario": scenario.name,
        "digest": digest(scenario, options),
        "seed": str(options.seed),
        "sampler": options.sampler,
        "draws": state.draws,
        "draws_kept": len(state.status),
        "uncertainty": options.uncertainty,
        "view": scenario.settings.view,
        "rental_mode": scenario.settings.rental_mode,
        "named_labs": list(scenario.settings.named_labs),
        "bad_draws": options.bad_draws,
        "draws_not_finite": state.running.bad,
        "draws_not_finite_why": "",
        "drop_questionable": int(options.drop_questionable),  # netCDF knows no flags
        "draws_questionable": state.running.questionable,
        "versions": json.dumps(versions()),
        "commit": commit(),
        "sources": json.dumps(scenario.sources_used()),
        "as_of": json.dumps({n: q.as_of for n, q in scenario.quantities.items() if q.as_of}),
        "published": json.dumps([asdict(statement) for statement in scenario.published]),
    }
