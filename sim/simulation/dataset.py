"""Results as a plain xarray Dataset: dims, coordinates, units, and where the numbers come from."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.environment import commit, versions
from sim.engine import draw_quality, loop, rank_correlation
from sim.engine.histograms import Histograms
from sim.engine.prepare import digest
from sim.engine.state import Draws
from sim.model.blocks import REPLICATES
from sim.model.catalogue import probability_dims
from sim.model.declarations import Output, declared
from sim.model.dims import COORDS, QUARTERS
from sim.model.inputs import HOST_MATRICES, Host
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.simulation import histogram_variables
from sim.statistics.datasets import REPLICATE_M2, REPLICATE_MEAN, share

Array = NDArray[Any]


def dataset(
    done: Draws,
    keep: str | Sequence[str] | None,
    bad_draws: str = "fail",
    threads: int | None = None,
) -> xr.Dataset:
    """What the engine leaves as a Dataset, of which `keep` was kept.

    Raises:
        RunError: As `simulate`.
    """
    why = draw_quality.check_draws(done, bad_draws)
    ds = _dataset(done, [*done.slices, *done.moment_slices], keep, bad_draws, threads)
    ds.attrs["draws_not_finite_why"] = why
    if done.scenario.correlations:
        found = rank_correlation.of_scenario(
            done.scenario, done.draws, done.seed, done.sampler, done.uncertainty
        )
        ds.attrs["correlation"] = json.dumps(found)
    return ds


def partial_dataset(done: Draws, names: Collection[str]) -> xr.Dataset:
    """The draws that count, or the moments, of a few variables."""
    return _dataset(done, names)


def _dataset(
    done: Draws,
    names: Collection[str],
    keep: str | Sequence[str] | None = None,
    bad_draws: str = "fail",
    threads: int | None = None,
) -> xr.Dataset:
    scenario = done.scenario
    variables = {**done.layout.inputs, **done.layout.outputs}
    counted = slice(None) if done.counted.all() else done.counted
    moments = {name: part for name, part in done.moment_slices.items() if name in names}
    totals = done.running
    data: dict[str, Any] = {}
    for name in done.slices:
        if name not in names:
            continue
        variable = variables[name]
        draws = np.moveaxis(done.kept(name, counted), -1, 0)
        if isinstance(variable.declaration, Output) and variable.declaration.kind != "float64":
            draws = draws.astype(variable.declaration.kind)
        data[name] = (("draw", *variable.dims), draws, _about(variable.declaration))
    for name, columns in done.fixed.items():
        variable = variables[name]
        data[name] = (variable.dims, columns, _about(variable.declaration))
    data.update(_matrices(scenario))
    if moments:
        data["replicate_count"] = (
            "replicate",
            totals.count,
            {"units": "1", "long_name": "Draws of the replicate"},
        )
    for name, part in moments.items():
        variable = variables[name]
        about = _about(variable.declaration)
        shape = (len(totals.count), *variable.columns.shape)
        for suffix, values, what in (
            (REPLICATE_MEAN, totals.mean, "mean over a replicate"),
            (REPLICATE_M2, totals.m2, "sum of squared deviations in a replicate"),
        ):
            squared = suffix == REPLICATE_M2
            data[name + suffix] = (
                ("replicate", *variable.dims),
                values[:, part].reshape(shape),
                {
                    "units": f"({about['units']})^2" if squared else about["units"],
                    "long_name": f"{about['long_name']}: {what}",
                },
            )
    sketched = {} if totals.histograms is None else _sketched(done, totals.histograms, names)
    data |= sketched | _shares(done, names, threads)
    return xr.Dataset(data, _coordinates(done), _attributes(done, keep, bad_draws))


def _shares(done: Draws, names: Collection[str], threads: int | None) -> dict[str, Any]:
    """The probabilities that some variables give, over all draws."""
    known = {**done.layout.inputs, **done.layout.outputs}
    shapes = {name: known[name].columns.shape for name in done.slices}
    shares: dict[str, Any] = {}
    declared_ones, *counts = loop.indicator_counts(done, threads)
    for name, chosen, shape in declared_ones.by_name(shapes):
        probability = PROBABILITIES[name]
        if probability.of in names:
            about = {"units": "1", "long_name": probability.meaning}
            happens, valid = (count[chosen].reshape(*shape, REPLICATES) for count in counts)
            shares[name] = probability_dims(name), share(happens, valid), about
    return shares


def _sketched(done: Draws, histograms: Histograms, names: Collection[str]) -> dict[str, Any]:
    """What is remembered of variables beyond the draws that are kept."""
    known = {**done.layout.inputs, **done.layout.outputs}
    made = histogram_variables.variables(histograms, [known[name] for name in done.slices])
    of = {**{name: name for name in done.slices}, **{p: PROBABILITIES[p].of for p in PROBABILITIES}}
    wanted = {
        f"{name}_{suffix}"
        for name, variable in of.items()
        if variable in names
        for suffix in histogram_variables.SUFFIXES
    }
    return {name: variable for name, variable in made.items() if name in wanted}


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


def _coordinates(done: Draws) -> dict[str, Any]:
    scenario = done.scenario
    months = [int(quarter[-1]) * 3 for quarter in QUARTERS]
    following = [
        np.datetime64(f"{int(quarter[:4]) + month // 12}-{month % 12 + 1:02d}-01")
        for quarter, month in zip(QUARTERS, months, strict=True)
    ]
    ends = np.array(following, "datetime64[D]") - np.timedelta64(1, "D")
    return {
        "draw": np.flatnonzero(done.counted),
        **{dim: list(labels) for dim, labels in COORDS.items()},
        "time": ("quarter", ends.astype("datetime64[ns]"), {"long_name": "Quarter end"}),
        "lab": [party.id for party in scenario.labs],
        "landlord": [party.id for party in scenario.landlords],
        "lab_name": ("lab", [party.name for party in scenario.labs]),
        "landlord_name": ("landlord", [party.name for party in scenario.landlords]),
        "threshold": ("threshold", list(scenario.settings.thresholds_gw), {"units": "GW"}),
    }


def _attributes(done: Draws, keep: str | Sequence[str] | None, bad_draws: str) -> dict[str, Any]:
    scenario = done.scenario
    kept = "headline" if keep is None else keep
    return {
        "title": f"AI-lab token economics, scenario {scenario.name}",
        "scenario": scenario.name,
        "digest": digest(
            scenario,
            done.seed,
            done.sampler,
            kept,
            done.uncertainty,
            bad_draws,
            done.plan.drop_questionable,
        ),
        "seed": str(done.seed),
        "sampler": done.sampler,
        "draws": done.draws,
        "draws_kept": len(done.status),
        "uncertainty": done.uncertainty,
        "view": scenario.settings.view,
        "rental_mode": scenario.settings.rental_mode,
        "named_labs": list(scenario.settings.named_labs),
        "bad_draws": bad_draws,
        "draws_not_finite": done.running.bad,
        "draws_not_finite_why": "",
        "drop_questionable": int(done.plan.drop_questionable),  # netCDF knows no flags
        "draws_questionable": done.running.questionable,
        "versions": json.dumps(versions()),
        "commit": commit(),
        "sources": json.dumps(scenario.sources_used()),
        "as_of": json.dumps({n: q.as_of for n, q in scenario.quantities.items() if q.as_of}),
        "published": json.dumps([asdict(statement) for statement in scenario.published]),
    }
