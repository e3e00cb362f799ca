"""Construction of result Datasets: dims, coordinates, units and provenance."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.environment import commit, versions
from sim.engine import draw_quality, loop, rank_correlation
from sim.engine.prepare import digest
from sim.engine.state import Prepared, SimulationState, Totals
from sim.model.blocks import REPLICATES
from sim.model.catalogue import probability_dims
from sim.model.declarations import Output, declared
from sim.model.dims import COORDS, QUARTERS
from sim.model.inputs import HOST_MATRICES, Host
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.simulation import histogram_variables
from sim.statistics.datasets import BLOCK_M2, REPLICATE_M2, REPLICATE_MEAN, share

Variables = dict[str, Any]  # name -> (dims, values, attributes)


def make_dataset(state: SimulationState) -> xr.Dataset:
    """Make the Dataset of a finished run, as `simulate` returns it.

    Raises:
        RunError: As `simulate`.
    """
    reason = draw_quality.check_draws(state)
    ds = partial_dataset(state, [*state.prepared.slices, *state.moment_slices])
    ds.attrs["draws_not_finite_why"] = reason
    scenario, options = state.prepared.scenario, state.prepared.options
    if scenario.correlations:
        achieved = rank_correlation.scenario_correlations(
            scenario, state.draws, options.seed, options.sampler, options.uncertainty
        )
        ds.attrs["correlation"] = json.dumps(achieved)
    return ds


def partial_dataset(state: SimulationState, names: Collection[str]) -> xr.Dataset:
    """Make a Dataset of some variables over the draws so far.

    Of the variables in `names` it holds the counted draws [draw, ...] that are kept, moments
    [replicate, ...], histograms where not all draws are kept, and the probabilities formed from
    them, with their counts where no draws are kept; in addition all fixed inputs without `draw`,
    coordinates and attributes of the run.
    """
    data = (
        counted_draws(state, names)
        | {name: _fixed(state.prepared, name) for name in state.prepared.fixed}
        | _matrices(state.prepared.scenario)
        | _moments(state, names)
        | _histograms(state, names)
        | _probabilities(state, names)
    )
    return xr.Dataset(data, _coordinates(state), _attributes(state))


def counted_draws(state: SimulationState, names: Collection[str]) -> Variables:
    """Counted draws [draw, ...] of the variables whose draws are kept."""
    counted = slice(None) if state.counted.all() else state.counted
    data: Variables = {}
    for name in state.prepared.kept:
        if name in names:
            variable = state.prepared.variables[name]
            draws = np.moveaxis(state.kept(name, counted), -1, 0)
            if isinstance(variable.declaration, Output) and variable.declaration.kind != "float64":
                draws = draws.astype(variable.declaration.kind)
            data[name] = (("draw", *variable.dims), draws, _attrs(variable.declaration))
    return data


def _fixed(prepared: Prepared, name: str) -> Any:
    """Dims, values and attributes of a fixed input."""
    variable = prepared.variables[name]
    return variable.dims, prepared.fixed[name], _attrs(variable.declaration)


def _moments(state: SimulationState, names: Collection[str]) -> Variables:
    """Moments [replicate, ...] of variables in `names`, and draws by replicate.

    The moments are means and sums of squared deviations, these in the squared unit.
    """
    moments = {name: part for name, part in state.moment_slices.items() if name in names}
    running = state.running
    if not moments:
        return {}
    attrs = {"units": "1", "long_name": "Draws of the replicate"}
    data: Variables = {"replicate_count": ("replicate", running.count, attrs)}
    for name, part in moments.items():
        variable = state.prepared.variables[name]
        unit, meaning = variable.declaration.unit, variable.declaration.meaning
        shape = (len(running.count), *variable.columns.shape)
        for suffix, values, units, statistic in (
            (REPLICATE_MEAN, running.mean, unit, "mean over a replicate"),
            (REPLICATE_M2, running.m2, f"({unit})^2", "sum of squared deviations in a replicate"),
        ):
            data[name + suffix] = (
                ("replicate", *variable.dims),
                values[:, part].reshape(shape),
                {"units": units, "long_name": f"{meaning}: {statistic}"},
            )
        if state.prepared.options.sampler == "stratified":
            spread = _spread_of_block_means(running, part).reshape(variable.columns.shape)
            spread_attrs = {
                "units": f"({unit})^2",
                "long_name": f"{meaning}: squared deviations of block means, times draws squared",
                "blocks": int(running.block_numbers[0]),
            }
            data[name + BLOCK_M2] = variable.dims, spread, spread_attrs
    return data


def _spread_of_block_means(totals: Totals, columns: slice) -> NDArray[np.float64]:
    """Sum [column] of squared deviations of block means, weighted by their draws squared.

    The deviations are from the mean of all draws, from which that of the blocks differs where they
    are not of the same size.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # from values that are not finite
        mean = (totals.count[:, None] * totals.mean[:, columns]).sum(axis=0)
        mean /= max(int(totals.count.sum()), 1)
        apart = totals.block_mean[columns] - mean
        return np.asarray(totals.block_m2[columns] + totals.block_numbers[1] * apart**2)


def _histograms(state: SimulationState, names: Collection[str]) -> Variables:
    """Histograms and counts of events, where not all draws are kept.

    Of the variables in `names`, and of the probabilities formed from them.
    """
    if state.running.histograms is None:
        return {}
    prepared = state.prepared
    kept, others = (
        [prepared.variables[name] for name in prepared.slices if (name in prepared.kept) == is_kept]
        for is_kept in (True, False)
    )
    histograms = histogram_variables.variables(state.running.histograms, kept, others)
    sources = {name: name for name in prepared.kept}
    sources |= {name: probability.of for name, probability in PROBABILITIES.items()}
    chosen = {
        f"{name}_{suffix}"
        for name, source in sources.items()
        if source in names
        for suffix in histogram_variables.SUFFIXES
    }
    return {name: variable for name, variable in histograms.items() if name in chosen}


def _probabilities(state: SimulationState, names: Collection[str]) -> Variables:
    """Probabilities formed from the variables in `names`, over all counted draws.

    Of variables of which no draws are kept also the counts by replicate [replicate, ...].
    """
    prepared = state.prepared
    shapes = {name: prepared.variables[name].columns.shape for name in prepared.slices}
    data: Variables = {}
    indicators, *counts = loop.indicator_counts(state)
    for name, chosen, shape in indicators.by_name(shapes):
        if PROBABILITIES[name].of in names:
            attrs = {"units": "1", "long_name": PROBABILITIES[name].meaning}
            happens, valid = (count[chosen].reshape(*shape, REPLICATES) for count in counts)
            data[name] = probability_dims(name), share(happens, valid), attrs
            if PROBABILITIES[name].of not in prepared.kept:
                data |= histogram_variables.event_counts(name, happens, valid)
    return data


def _attrs(declaration: Any) -> dict[str, str]:
    """Attributes `units` and `long_name` of a declared input or output."""
    return {"units": declaration.unit, "long_name": declaration.meaning}


def _matrices(scenario: Scenario) -> dict[str, Any]:
    """The hosting matrices, [lab, landlord] or transposed, by name.

    They are the same in every draw; 0 where a landlord does not host a lab.
    """
    matrices: dict[str, Any] = {}
    for field, (name, dims) in HOST_MATRICES.items():
        values = np.zeros((len(scenario.labs), len(scenario.landlords)))
        for i, lab in enumerate(scenario.labs):
            for k, landlord in enumerate(scenario.landlords):
                host = scenario.hosts.get((lab.id, landlord.id))
                values[i, k] = float(getattr(host, field)) if host else 0.0
        attrs = _attrs(declared(Host)[field])
        matrices[name] = (dims, values if dims[0] == "lab" else values.T, attrs)
    return matrices


def _coordinates(state: SimulationState) -> dict[str, Any]:
    """Coordinates: labels of dims, names of parties, ends of quarters."""
    scenario = state.prepared.scenario
    months = [int(quarter[-1]) * 3 for quarter in QUARTERS]
    next_days = [
        np.datetime64(f"{int(quarter[:4]) + month // 12}-{month % 12 + 1:02d}-01")
        for quarter, month in zip(QUARTERS, months, strict=True)
    ]
    ends = np.array(next_days, "datetime64[D]") - np.timedelta64(1, "D")
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
    """Provenance of a run as texts, numbers and lists of them."""
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
        "drop_questionable": int(options.drop_questionable),  # netCDF has no Boolean attributes
        "draws_questionable": state.running.questionable,
        "versions": json.dumps(versions()),
        "commit": commit(),
        "sources": json.dumps(scenario.sources_used()),
        "as_of": json.dumps({name: q.as_of for name, q in scenario.quantities.items() if q.as_of}),
        "claims": json.dumps([asdict(claim) for claim in scenario.claims]),
        "parameters": json.dumps(scenario.resolved()),
        "keep": json.dumps(options.keep),
        "published": json.dumps(
            [
                {**asdict(statement), "grade": scenario.sources[statement.source].get("grade", "")}
                for statement in scenario.published
            ]
        ),
    }
