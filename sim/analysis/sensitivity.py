"""What drives an output: shares of its spread, of its worst draws, or of an event.

Methods: shares among independent causes by regression (`analysis.regression`), what learning an
input alone tells (`analysis.first_order`), on ranks by default, since the variance of a margin need
not exist. Exact Shapley effects by pick-freeze: `analysis.shapley`; of dependent inputs as they are
given: `analysis.dependent`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from sim.analysis.dependent import dependent_shapley, factor_correlation
from sim.analysis.first_order import first_order
from sim.analysis.grades import add_grades
from sim.analysis.regression import groups_of, jackknife_error, share_variance
from sim.analysis.shapley import Worlds, goda_shapley
from sim.analysis.targets import Target, normal_scores, read_outputs, read_targets, target_error
from sim.common.errors import InputError
from sim.common.threads import with_one_blas_thread
from sim.engine.scores import ScorePlans
from sim.model.catalogue import DIMS
from sim.model.dims import REFERENCE_QUARTER
from sim.parameters.dependence import dependence, short_name
from sim.simulation.origin import run_of
from sim.simulation.scores import CAUSES, Causes, draw_causes, draw_input_scores
from sim.statistics.datasets import named_labs
from sim.statistics.estimators import quantiles_with_error
from sim.statistics.replicates import (
    Replicates,
    numbers_of,
    replicates_by,
    replicates_of,
    sampler_of,
)

Array = NDArray[np.float64]
SCALES = ("rank", "raw")
METHODS = ("regression", "shapley", "dependent")
TENTH = -float(ndtri(0.1))  # score, beyond which a tenth of the draws lie
_NAME = r"[a-z]\w*"  # of outputs in a value
SWINGS = 20  # causes of which the medians of outputs at their ends are taken


@with_one_blas_thread
def sensitivity(
    ds: xr.Dataset,
    output: str | Sequence[str],
    *,
    tail: float | None = None,
    when: str | None = None,
    scale: str = "rank",
    method: str = "regression",
    threads: int | None = None,
    progress: Callable[[int], None] = lambda worlds: None,
) -> xr.Dataset:
    """Share the spread of outputs among the independent causes behind a run's draws.

    Args:
        ds: What `simulate`, `open_run` or `sample` gives. Variables that were added to it, such as
            a formula of inputs, are outputs as well.
        output: A value (`inference_gross_margin@2026Q4`), a list of values, or the name of a
            variable with further dims, of which each cell is one.
        tail: 5 for what drives the worst twentieth, 95 for the best; any level in percent.
        when: An event; shares are then of its variance, 1 where it happens and 0 elsewhere.
        scale: "rank", normal scores of ranks; "raw" for the variance of the values, which is
            refused where the tail index says that it need not exist.
        method: "regression" of the draws that are there; "shapley", exact effects by pick-freeze,
            which draws some 12,000 times 512 worlds (`analysis.shapley`); "dependent", Shapley
            effects of the inputs as they are given (`analysis.dependent`).
        threads: All processors unless given; changes no number.
        progress: Called with numbers of worlds that "shapley" draws.

    Returns:
        A Dataset with dim `cause` and, for several outputs, `output` or the dims of the variable.
        `share` (1), of the variance, sums with `remainder` to 1; `slope` is that of the target's
        normal score per sd of the cause; `tells` (1) is the first-order index of the event in
        `attrs["event"]` and `moves` (1) by how much learning the cause alone would move its
        `probability`; `tail_score` (sd) is the mean score of the cause in the worst twentieth, or
        in the tail. `low` and `high` are the medians of the output where the cause is in its
        lowest and highest tenth, of the twenty largest causes. Each has an `..._error`, a Monte
        Carlo standard error. Coordinates are `kind`, `grade` and `year` of the source of a cause
        that is an input. Shares by grade and year are `share_by_grade`, `share_by_year`.

    Raises:
        InputError: For an unknown output, one that is the same in every draw or not known in all,
            too few draws, or a raw scale of an infinite variance.
    """
    if method not in METHODS:
        raise target_error("method", f"expected {', '.join(METHODS)}, got '{method}'")
    if scale not in SCALES:
        raise target_error("scale", f"expected {' or '.join(SCALES)}, got '{scale}'")
    if tail is not None and not 0 < tail < 100:
        raise target_error("tail", f"expected a level between 0 and 100 percent, got {tail:g}")
    if tail is not None and when is not None:
        raise target_error("when", "cannot stand beside tail")
    texts, dims = read_outputs(ds, output)
    ds, targets = read_targets(ds, texts, tail, when, scale, threads)
    causes, scores, given = _causes(ds, threads)
    replicates = replicates_of(ds)
    needed = 2 * len(causes.names) + 1
    if ds.sizes["draw"] < needed:
        raise target_error(
            "draws", f"{ds.sizes['draw']:,} are too few for {len(causes.names)} causes: at least"
            f" {needed:,} are needed",
        )  # fmt: skip
    if method == "dependent":
        causes = Causes(*_inputs_as_given(ds, threads))
        scores = causes.values
    result = _measure(causes, scores, targets, replicates)
    if method == "dependent":
        _replace_by_dependent(result, causes, targets, ds)
    elif method == "shapley":
        _replace_by_shapley(result, targets, ds, threads, progress)
    _add_swings(result, scores, targets, ds)
    add_grades(result, ds, causes.names)
    result.attrs |= {
        "event": targets[0].event_text if len(targets) == 1 else "",
        "scale": "event" if when else "tail" if tail is not None else scale,
        "tail": 5.0 if tail is None else float(tail),
        "draws": ds.sizes["draw"],
        "causes_given": int(given),
        "method": method,
        "scenario": str(ds.attrs.get("scenario", "")),
    }
    return _with_dims(result, texts, dims, ds)


def _inputs_as_given(ds: xr.Dataset, threads: int | None) -> tuple[tuple[str, ...], Array]:
    """Names and scores of the inputs of a run, as dependent as they are."""
    if "parameters" not in ds.attrs:
        message = "'dependent' and 'shapley' are for runs of the model's own scenarios"
        raise target_error("method", message)
    inputs = draw_input_scores(ds, threads)
    return inputs.names, inputs.values


def _replace_by_dependent(
    result: xr.Dataset, causes: Causes, targets: list[Target], ds: xr.Dataset
) -> None:
    """Replace shares by Shapley effects of the dependent inputs on the linear part."""
    scenario, _ = run_of(ds)
    z = causes.values
    if scenario.correlations:
        correlation = np.asarray(np.corrcoef(z))
    else:
        correlation = factor_correlation(ScorePlans(scenario).loadings()[0])
    parts = groups_of(replicates_of(ds))
    grams = np.array([z[:, at] @ z[:, at].T for at in parts])
    used = dependence()
    for j, target in enumerate(targets):
        cross = np.array([z[:, at] @ target.values[at] for at in parts])
        slopes = np.linalg.solve(grams.sum(axis=0), cross.sum(axis=0))
        without = np.array(
            [
                np.linalg.solve(grams.sum(axis=0) - gram, cross.sum(axis=0) - of)
                for gram, of in zip(grams, cross, strict=True)
            ]
        )
        variance = float(np.mean(target.values**2))
        effects = dependent_shapley(correlation, slopes, without)
        result["share"].values[:, j] = effects.values / variance
        result["share_error"].values[:, j] = effects.errors / variance
        result["slope"].values[:, j] = slopes / np.sqrt(variance)
        result["slope_error"].values[:, j] = jackknife_error(without) / np.sqrt(variance)
        result["remainder"].values[j] = 1 - effects.variance / variance
        result["share_without"].values[:, :, j] = effects.values / variance
        names = {name.split("[")[0].split("@")[0] for name in re.findall(_NAME, target.label)}
        needed = {of for name in names & used.keys() for of in used[name]}
        unused = [i for i, name in enumerate(causes.names) if short_name(name) not in needed]
        result.attrs["unused"] = float(effects.values[unused].sum() / variance)


def _replace_by_shapley(
    result: xr.Dataset,
    targets: list[Target],
    ds: xr.Dataset,
    threads: int | None,
    progress: Callable[[int], None],
) -> None:
    """Replace shares by Shapley effects by pick-freeze.

    Values of other worlds are put on the scale of the draws that are there.
    """
    _inputs_as_given(ds.isel(draw=slice(1)), threads)  # refuses a Dataset of another origin
    scenario, options = run_of(ds, threads)
    for j, target in enumerate(targets):
        worlds = Worlds(scenario, options, target.tree)

        def evaluate(
            order: int, taken: frozenset[int], of: Target = target, drawn: Worlds = worlds
        ) -> Array:
            return of.explain(drawn.evaluate(order, taken))

        found = goda_shapley(evaluate, len(worlds.causes), progress=progress, threads=threads)
        result["share"].values[:, j] = found.values / found.variance
        result["share_error"].values[:, j] = found.errors / found.variance
        result["remainder"].values[j] = 0.0
        result["remainder_error"].values[j] = found.variance_error / found.variance
        result["share_without"].values[:, :, j] = found.values / found.variance


def share_by_grade(ds: xr.Dataset, output: str) -> list[str]:
    """On what grades of sources the spread of an output rests, a line for each named cell.

    Of the reference quarter, the named labs, and online inference.

    Raises:
        InputError: As `sensitivity`.
    """
    labels = {
        "quarter": [REFERENCE_QUARTER],
        "regime": ["online_inference"],
        "lab": named_labs(ds),
        "landlord": [str(name) for name in ds["landlord"].values[:1]],
        "layer": ["accelerator_depreciation"],
    }
    lines = []
    dims = DIMS[output]
    for cell in itertools.product(*(labels[dim] for dim in dims)):
        at = dict(zip(dims, cell, strict=True))
        others = ", ".join(label for dim, label in at.items() if dim != "quarter")
        text = output + (f"[{others}]" if others else "")
        text += f"@{at['quarter']}" if "quarter" in at else ""
        try:
            result = sensitivity(ds, text)
        except InputError as error:
            lines.append(f"{text}: {error.faults[0].message}")
            continue
        shares = ", ".join(
            f"{grade} {100 * float(share):.0f} %"
            for grade, share in zip(
                result["by_grade"].values, result["share_by_grade"].values, strict=True
            )
        )
        lines.append(f"{text}: {shares}")
    return lines


def _measure(
    causes: Causes, scores: Array, targets: list[Target], replicates: Replicates
) -> xr.Dataset:
    """All indices of targets, with dims cause and target."""
    events = np.array([target.event for target in targets], float)
    shares = share_variance(
        causes.values, np.array([target.values for target in targets]), replicates
    )
    tells, tells_error = first_order(scores, events, replicates)
    probability = events.mean(axis=1)
    spread = probability * (1 - probability)
    moves = np.sqrt(np.maximum(tells, 0.0) * spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        moves_error = np.where(moves > 0, spread * tells_error / (2 * moves), np.nan)
        noise = np.sqrt(spread * tells_error)  # of an index of zero
        moves_error = np.fmin(moves_error, noise)
    tail_score, tail_error = _tail_scores(scores, targets, replicates)
    of = ("cause", "target")
    left_out = shares.left_out.sum(axis=1)
    return xr.Dataset(
        {
            "share": (of, shares.values, _attrs("Share of the variance", "1")),
            "share_error": (of, shares.errors),
            "slope": (of, shares.slopes, _attrs("Change of the score per sd", "1")),
            "slope_error": (of, shares.slope_errors),
            "tells": (of, tells, _attrs("First-order index of the event", "1")),
            "tells_error": (of, tells_error),
            "moves": (of, moves, _attrs("Move of the probability", "1")),
            "moves_error": (of, moves_error),
            "tail_score": (of, tail_score, _attrs("Mean score in the tail", "sd")),
            "tail_score_error": (of, tail_error),
            "remainder": ("target", 1 - shares.explained, _attrs("Not shared out", "1")),
            "remainder_error": ("target", jackknife_error(left_out)),
            "probability": ("target", probability, _attrs("Probability of the event", "1")),
            "share_without": (("group", *of), shares.left_out),
        },
        {"cause": list(causes.names), "target": [target.label for target in targets]},
    )


def _attrs(name: str, unit: str) -> dict[str, str]:
    return {"long_name": name, "units": unit}


def _causes(ds: xr.Dataset, threads: int | None) -> tuple[Causes, Array, bool]:
    """Independent causes, the scores that one learns [cause, draw], and if they are as given.

    Of a Dataset of unknown origin the causes are the normal scores of its variables.
    """
    if CAUSES in ds.attrs:
        causes = draw_causes(ds, threads)
        scores = causes.values.copy()
        for i, name in enumerate(causes.names):
            if name in ds.variables and ds.variables[name].dims == ("draw",):
                scores[i] = normal_scores(ds.variables[name].values)
        return causes, scores, False
    if "parameters" in ds.attrs:
        causes = draw_causes(ds, threads)
        inputs = draw_input_scores(ds, threads)
        scores = causes.values.copy()
        rows = {name: i for i, name in enumerate(causes.names)}
        scores[[rows[name] for name in inputs.names]] = inputs.values
        return causes, scores, False
    raise target_error(
        "causes", "the Dataset is none of simulate or sample: what its inputs are is not known"
    )


def _tail_scores(
    scores: Array, targets: list[Target], replicates: Replicates
) -> tuple[Array, Array]:
    """Mean scores [cause, target] in the tail of each target, and their errors."""
    parts = groups_of(replicates)
    tails = np.array([target.tail for target in targets], float)
    count = np.array([tails[:, at].sum(axis=1) for at in parts])
    sums = np.array([scores[:, at] @ tails[:, at].T for at in parts])
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums.sum(axis=0) / count.sum(axis=0)
        without = (sums.sum(axis=0) - sums) / (count.sum(axis=0) - count)[:, None]
    if len(parts) < 2 or not replicates.enough:
        return value, np.full(value.shape, np.nan)
    return value, jackknife_error(without)


def _add_swings(result: xr.Dataset, scores: Array, targets: list[Target], ds: xr.Dataset) -> None:
    """Add medians of outputs where a cause is in its lowest and in its highest tenth."""
    numbers, sampler = numbers_of(ds), sampler_of(ds)
    shape = result["share"].shape
    swings = {name: np.full(shape, np.nan) for name in ("low", "low_error", "high", "high_error")}
    for j, target in enumerate(targets):
        for i in np.argsort(-result["share"].values[:, j])[:SWINGS]:
            for name, chosen in (("low", scores[i] < -TENTH), ("high", scores[i] > TENTH)):
                draws = np.ascontiguousarray(target.draws[chosen])
                if draws.size < 2:
                    continue
                replicates = replicates_by(numbers[chosen], sampler)
                found = quantiles_with_error(np.sort(draws), draws, replicates, [0.5])
                swings[name][i, j] = found[0][0]
                swings[f"{name}_error"][i, j] = found[1][0]
    for name, values in swings.items():
        result[name] = (("cause", "target"), values)


def _with_dims(
    result: xr.Dataset, texts: list[str], dims: tuple[str, ...], ds: xr.Dataset
) -> xr.Dataset:
    """The result with the dims of the outputs in place of `target`."""
    result = result.drop_vars("share_without")
    if not dims:
        return result.isel(target=0, drop=True).assign_attrs(output=texts[0])
    if dims == ("output",):
        return result.rename(target="output")
    labels = [ds[dim].values.tolist() for dim in dims]
    of = result.drop_vars("target")
    variables: dict[Any, xr.Variable] = {}
    for name, variable in of.variables.items():
        if "target" not in variable.dims:
            variables[name] = variable
            continue
        axis = variable.dims.index("target")
        shape = (*variable.shape[:axis], *map(len, labels), *variable.shape[axis + 1 :])
        new = (*variable.dims[:axis], *dims, *variable.dims[axis + 1 :])
        variables[name] = xr.Variable(new, variable.values.reshape(shape), variable.attrs)
    coords: dict[Any, Any] = {n: variables[n] for n in of.coords}
    coords |= dict(zip(dims, labels, strict=True))
    data = {n: v for n, v in variables.items() if n not in of.coords}
    return xr.Dataset(data, coords, result.attrs)
