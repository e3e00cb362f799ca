"""Results as a plain xarray Dataset: dims, coordinates, units, and where the numbers come from."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim import bad_draws as bad
from sim import dependence, engine, sketches
from sim.cluster import connected
from sim.draws import KEPT_DRAWS, Draws
from sim.fields import COORDS, QUARTERS, Output, declared
from sim.inputs import HOST_MATRICES, Host
from sim.kernels.loops import REPLICATES
from sim.outputs import ENTITIES, PROBABILITIES
from sim.question import Options, digest, options, prepared
from sim.scenario import Scenario
from sim.sketches import Sketch
from sim.threads import processor

Array = NDArray[Any]
OUTPUTS: dict[str, Output] = {
    name: output for entity in ENTITIES for name, output in declared(entity).items()
}
REPLICATE_MEAN, REPLICATE_M2 = "_replicate_mean", "_replicate_m2"
HAPPENS, VALID = "_replicate_happens", "_replicate_valid"  # of probabilities


def simulate(
    scenario: Scenario,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    keep: str | Sequence[str] | None = None,
    uncertainty: float | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    kept_draws: int = KEPT_DRAWS,
    cluster: str | None = None,
) -> xr.Dataset:
    """Evaluate the model in every draw of a scenario.

    Args:
        scenario: What `load` gives.
        draws: Number of draws; that of the scenario's `[run]` unless given.
        seed: Seed of the random numbers; likewise.
        sampler: How to sample; likewise.
        keep: None keeps the draws of the headline outputs and the moments of what else tables
            print; "all" the draws of every output and input; a list of names just those.
        uncertainty: Multiplies every normal score; 0 makes each draw the point estimate.
        threads: All processors unless given; changes no number.
        progress: Called with the number of draws done since it was last called.
        bad_draws: What becomes of draws in which a kept value is not finite where model.md 9.4 has
            it finite: "fail" leaves up to 0.1 % of the draws out and refuses more, "drop" leaves
            out any number, "keep" keeps them, and statistics are nan where they reach.
        drop_questionable: Leave out draws in which the model does not fit in memory, or pue is
            above the capacity ratio of the facility.
        kept_draws: How many draws are kept at most, a multiple of 8,192: the first ones. Beyond
            them the Dataset holds moments and counts by bins of all draws, of which `summarise`
            makes its statistics, in memory that does not grow.
        cluster: The address of a Dask cluster that draws, to the same bits: `tcp://host:port`,
            `tls://host:port`, or `local:N` for N processes of this machine.

    Returns:
        A Dataset with the dims of model.md 0.1 and the names and units of model.md 9.4. What is
        left out is missing from the dim `draw`, whose coordinate is the number of the draw, and
        counted in the attributes `draws_not_finite` and `draws_questionable`; the attribute
        `draws` counts all that were evaluated, `draws_kept` those of which values are kept.
        `correlation` is JSON text, every correlation group with the rank correlations that its
        draws have.

    Raises:
        RunError: If more than 0.1 % of the draws are bad under "fail", or no draw is left.
        InputError: For an impossible number of draws, seed, sampler or uncertainty, where what is
            to be kept does not fit in memory, or for a cluster that cannot be used.
        ValueError: For an unknown name in `keep`.
    """
    wanted = options(
        scenario, draws, seed, sampler, keep, uncertainty, threads, bad_draws, drop_questionable,
        kept_draws,
    )  # fmt: skip
    with connected(cluster, "simulate") as elsewhere:
        done = drawn(scenario, wanted, progress=progress, elsewhere=elsewhere)
    return dataset(done, keep, bad_draws, wanted.threads)


def drawn(
    scenario: Scenario,
    wanted: Options,
    after: Draws | None = None,
    progress: Callable[[int], None] | None = None,
    finished: Callable[[Draws], None] = lambda done: None,
    elsewhere: engine.Elsewhere | None = None,
) -> Draws:
    """What `simulate` draws, as the engine leaves it; it may go on from `after`.

    `finished` is called now and then with what there is so far; `elsewhere` draws in place of
    threads (`cluster.connected`).

    Raises:
        InputError: If what is kept does not fit in memory.
        ValueError: As `prepared`, or if `after` cannot be extended to this result.
    """
    return engine.run(
        prepared(scenario, wanted), wanted.draws, wanted.threads, progress, after,
        finished=finished, elsewhere=elsewhere,
    )  # fmt: skip


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
    why = bad.judged(done, bad_draws)
    ds = _dataset(done, [*done.places, *done.moment_places], keep, bad_draws, threads)
    ds.attrs["draws_not_finite_why"] = why
    if done.scenario.correlations:
        found = dependence.of_scenario(
            done.scenario, done.draws, done.seed, done.sampler, done.uncertainty
        )
        ds.attrs["correlation"] = json.dumps(found)
    return ds


def so_far(done: Draws, names: Collection[str]) -> xr.Dataset:
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
    moments = {name: part for name, part in done.moment_places.items() if name in names}
    totals = done.totals
    data: dict[str, Any] = {}
    for name in done.places:
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
    sketched = {} if totals.sketch is None else _sketched(done, totals.sketch, names)
    data |= sketched | _shares(done, names, threads)
    return xr.Dataset(data, _coordinates(done), _attributes(done, keep, bad_draws))


def _shares(done: Draws, names: Collection[str], threads: int | None) -> dict[str, Any]:
    """The probabilities that some variables give, over all draws."""
    known = {**done.layout.inputs, **done.layout.outputs}
    shapes = {name: known[name].columns.shape for name in done.places}
    shares: dict[str, Any] = {}
    declared_ones, *counts = engine.happenings(done, threads)
    for name, chosen, shape in declared_ones.by_name(shapes):
        probability = PROBABILITIES[name]
        if probability.of in names:
            about = {"units": "1", "long_name": probability.meaning}
            happens, valid = (count[chosen].reshape(*shape, REPLICATES) for count in counts)
            shares[name] = probability.dims, share(happens, valid), about
    return shares


def _sketched(done: Draws, sketch: Sketch, names: Collection[str]) -> dict[str, Any]:
    """What is remembered of variables beyond the draws that are kept."""
    known = {**done.layout.inputs, **done.layout.outputs}
    made = sketches.variables(sketch, [known[name] for name in done.places])
    of = {**{name: name for name in done.places}, **{p: PROBABILITIES[p].of for p in PROBABILITIES}}
    wanted = {
        f"{name}_{suffix}"
        for name, variable in of.items()
        if variable in names
        for suffix in sketches.SUFFIXES
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
        "draws_not_finite": done.totals.bad,
        "draws_not_finite_why": "",
        "drop_questionable": int(done.plan.drop_questionable),  # netCDF knows no flags
        "draws_questionable": done.totals.questionable,
        "versions": json.dumps(versions()),
        "commit": commit(),
        "sources": json.dumps(scenario.sources_used()),
        "as_of": json.dumps({n: q.as_of for n, q in scenario.quantities.items() if q.as_of}),
        "published": json.dumps([asdict(statement) for statement in scenario.published]),
    }


@cache
def versions() -> dict[str, str]:
    """The processor, and versions of Python, this package and the libraries behind its numbers."""
    names = ("token-economics-sim", "numpy", "scipy", "numba", "llvmlite", "xarray")
    return {
        "processor": processor(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


@cache
def commit() -> str:
    """The commit of the checkout that runs, with `+` if files differ from it; "" outside git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # not inside another checkout
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    except (OSError, subprocess.SubprocessError):
        return ""


def last(ds: xr.Dataset, name: str) -> Array:
    """The draws of a variable with `draw` as the last axis, contiguous as the engine left them."""
    variable = ds.variables[name]
    if "draw" not in variable.dims:
        return np.asarray(variable.values)[..., None]
    axis = variable.dims.index("draw")
    return np.moveaxis(np.asarray(variable.values), axis, -1)


def named_labs(ds: xr.Dataset) -> list[str]:
    """The labs of which `p_both_named` speaks; netCDF makes a text of a list of one."""
    named = ds.attrs["named_labs"]
    return [named] if isinstance(named, str) else list(named)


def indicated(ds: xr.Dataset) -> list[str]:
    """Those of `PROBABILITIES` that the draws of the Dataset can give."""
    found = []
    for name, probability in PROBABILITIES.items():
        # A Dataset of another origin, or one that was narrowed, has other dims.
        of_gw = probability.of == "gw"
        dims = ("lab", "quarter") if of_gw else probability.dims
        needed = "threshold" if of_gw else probability.least
        if probability.of not in ds or (isinstance(needed, str) and needed not in ds.variables):
            continue
        if tuple(d for d in ds.variables[probability.of].dims if d != "draw") != dims:
            continue
        if "draw" not in ds.variables[probability.of].dims:
            continue
        if name == "p_both_named" and not set(named_labs(ds)) <= set(ds["lab"].values.tolist()):
            continue
        if name == "p_top_two" and ds.sizes["lab"] < 2:
            continue
        found.append(name)
    return found


def indicators(
    ds: xr.Dataset, names: Collection[str] | None = None
) -> dict[str, tuple[Array, Array]]:
    """Name -> in which draws it happens, and in which it is not NaN, both [..., draw] (9.4).

    All that are `indicated`, unless some of them are named.
    """
    found: dict[str, tuple[Array, Array]] = {}
    for name in indicated(ds) if names is None else names:
        probability = PROBABILITIES[name]
        values = last(ds, probability.of)
        if probability.of != "gw":
            needed = probability.least
            least = last(ds, needed) if isinstance(needed, str) else needed
            found[name] = values >= least, ~np.isnan(values)
            continue
        thresholds = ds["threshold"].values
        if name == "p_gw_above":
            above = values[None] > thresholds[:, None, None, None]
            found[name] = above, np.broadcast_to(~np.isnan(values), above.shape)
            continue
        valid: Array = np.asarray(~np.isnan(values).any(axis=0))
        if name == "p_both_named":
            labs = ds["lab"].values.tolist()
            places = [labs.index(lab) for lab in named_labs(ds)]
            found[name] = (values[places] > thresholds[0]).all(axis=0), valid
        else:
            found[name] = (values > thresholds[0]).sum(axis=0) >= 2, valid
    return found


def share(happens: Array, valid: Array) -> Array:
    """Share of the valid draws in which something happens [...]; NaN where none is valid.

    Both may be numbers of draws.
    """
    with np.errstate(invalid="ignore"):
        if happens.dtype == bool:
            return np.asarray(_many(happens & valid) / _many(valid))
        return np.asarray(happens.sum(axis=-1) / valid.sum(axis=-1))


def _many(true: Array) -> Array:
    """How many of [..., draw] are true [...]; row by row, which takes a tenth of a sum."""
    rows = true.reshape(-1, true.shape[-1])
    return np.array([np.count_nonzero(row) for row in rows]).reshape(true.shape[:-1])
