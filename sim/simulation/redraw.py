"""Draws that a Dataset lacks, or holds rounded, made again to the same bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.engine.loop import run
from sim.engine.prepare import Redrawn, prepare
from sim.engine.state import SimulationState
from sim.expressions.tree import FACTOR
from sim.model.catalogue import DIMS, OUTPUTS
from sim.model.dims import COORDS
from sim.model.outputs import PROBABILITIES
from sim.model.record_layout import CELL
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import counted_draws, partial_dataset
from sim.simulation.origin import origin_error, run_of
from sim.simulation.scores import factor_scores
from sim.statistics.datasets import PRECISION, is_rounded
from sim.statistics.values import cell_label


def redraw(
    ds: xr.Dataset, names: Sequence[str] | None = None, threads: int | None = None
) -> xr.Dataset:
    """Make draws again that a Dataset lacks, or holds rounded, to the bits of its run.

    A run keeps draws of its headline outputs alone, and a stored one as float32. From parameters,
    seed and sampler, which the Dataset holds as attributes, all draws follow: 100,000 of them take
    a third of a second.

    Args:
        ds: What `simulate` or `open_run` gives, or some of its draws.
        names: Outputs, inputs, probabilities, or scores of common factors such as `factor.demand`;
            unless given the variables of which `ds` holds rounded draws.
        threads: All processors unless given; changes no number.

    Returns:
        The Dataset with float64 draws of these variables, as `simulate` with `keep` gives them, of
        the same draws. Where the run has more draws than it keeps, also their histograms and
        moments. Other variables are as they were; nothing is drawn where none is missing.

    Raises:
        InputError: For a Dataset that another version of the model made, that is none of
            `simulate` of one scenario, or of which the draws are not those that it holds rounded.
        ValueError: For an unknown name.
    """
    if names is None:
        names = [str(name) for name in ds.data_vars if is_rounded(ds, str(name))]
    if isinstance(names, str):
        raise ValueError(f"names: expected a list of names, got '{names}'")
    factors = [name for name in names if name.startswith(FACTOR) and name not in ds]
    if factors:
        ds = ds.assign(factor_scores(ds, factors, threads))
    lacking = [name for name in names if name not in ds or is_rounded(ds, name)]
    lacking = [PROBABILITIES[name].of if name in PROBABILITIES else name for name in lacking]
    missing = list(dict.fromkeys(lacking))
    if not missing:
        return ds
    # Statistics of draws beyond the kept ones are there already where the variables are.
    drawn = _drawn(ds, Redrawn(missing), all(name in ds for name in missing), threads)
    _check_draws(ds, drawn, [name for name in missing if name in ds])
    new = [name for name in drawn.data_vars if name in missing or name not in ds]
    result = ds.assign(drawn[new].data_vars)
    if not any(is_rounded(result, str(name)) for name in result.data_vars):
        result.attrs.pop(PRECISION, None)
    return result


def redraw_cells(
    ds: xr.Dataset,
    names: Sequence[str],
    cells: Mapping[str, Sequence[tuple[str, ...]]],
    only_kept: bool,
) -> xr.Dataset:
    """Make draws of some cells of variables again, as `redraw`; all in one pass.

    Args:
        ds: As of `redraw`.
        names: Outputs and inputs that it lacks, or holds rounded.
        cells: Of some of them the labels of the cells, in the order of their dims.
        only_kept: Of the draws that the run keeps, without histograms of others.

    Returns:
        A Dataset with float64 draws of these variables alone, and where the run has more draws than
        it keeps, unless `only_kept`, their histograms and moments. Variables in `cells` have one
        dim, `<name>_cell`, with the labels as its coordinate (`statistics.values.cell_label`).

    Raises:
        InputError, ValueError: As `redraw`.
    """
    positions = {dim: ds[dim].values.tolist() for dim in ("lab", "landlord", *COORDS)}
    indices = {
        name: [
            tuple(positions[dim].index(label) for dim, label in zip(DIMS[name], of, strict=True))
            for of in labels
        ]
        for name, labels in cells.items()
    }
    drawn = _drawn(ds, Redrawn(names, indices), only_kept)
    return drawn.assign_coords(
        {f"{name}{CELL}": [cell_label(of) for of in labels] for name, labels in cells.items()}
    )


def _drawn(
    ds: xr.Dataset, redrawn: Redrawn, only_kept: bool, threads: int | None = None
) -> xr.Dataset:
    """The Dataset of draws that are made again, those of the draws of `ds`.

    Where `ds` holds rounded draws, one variable of them is made again too, and compared.

    Raises:
        InputError, ValueError: As `redraw`.
    """
    if np.unique(ds["draw"]).size < ds.sizes["draw"]:
        raise origin_error("runs that were joined: draw each again, and join them then")
    scenario, options = run_of(ds, threads)
    if only_kept:
        options = replace(options, draws=int(ds.attrs["draws_kept"]))
    redrawn = redrawn._replace(all_finite=int(ds.attrs["draws_not_finite"]) == 0)
    witness = _witness(ds, redrawn.names)
    asked = redrawn._replace(names=[*redrawn.names, *witness])
    state = run(SimulationState.empty(prepare(scenario, options, asked)))
    drawn = partial_dataset(state, redrawn.names)
    same = np.array_equal(drawn["draw"], ds["draw"])
    if witness:
        draws = xr.Dataset(counted_draws(state, witness), {"draw": drawn["draw"]})
        _check_draws(ds, draws if same else draws.sel(draw=ds["draw"]), witness)
    return drawn if same else drawn.sel(draw=ds["draw"])


def _witness(ds: xr.Dataset, names: Sequence[str]) -> list[str]:
    """The output of fewest columns that a Dataset holds rounded, and that is not made again.

    From it follows whether this code makes the draws that are stored.
    """
    held = [name for name in map(str, ds.data_vars) if name in OUTPUTS and name not in names]
    rounded = [name for name in held if is_rounded(ds, name)]
    return sorted(rounded, key=lambda name: ds.variables[name].size)[:1]


def _check_draws(ds: xr.Dataset, drawn: xr.Dataset, names: Sequence[str]) -> None:
    """Refuse draws that were made again and, rounded, are not the bits that a Dataset holds.

    Raises:
        InputError: With the first variable that differs.
    """
    for name in names:
        if not is_rounded(ds, name):
            continue
        stored = ds.variables[name]
        with np.errstate(over="ignore"):
            again = drawn.variables[name].transpose(*stored.dims).values.astype(np.float32)
        if not _same_bits(again, stored.values):
            raise origin_error(
                f"draws of {name} that are made again are not those that are stored: other code,"
                " or another type of processor, made this run; run it anew"
            )


def _same_bits(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Whether arrays hold the same bits, where the second is a number.

    A file that is opened by other means than `open_run` has NaN in columns that are copies.
    """
    same = first.view(np.uint32) == second.view(np.uint32)
    return bool(same.all() or (same | np.isnan(second)).all())


def draw_again(
    scenario: Scenario,
    options: RunOptions,
    names: Sequence[str],
    after: SimulationState | None = None,
) -> SimulationState:
    """The state of a run that keeps these variables, in the draws that count under its options.

    Draws of the state `after` are not evaluated again.

    Raises:
        InputError: If they do not fit in memory.
        ValueError: For an unknown name.
    """
    state = SimulationState.empty(prepare(scenario, options, Redrawn(names)))
    return run(state, after=after)
