"""On which inputs outputs depend, found by moving every input in worlds of all kinds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from naive import MATRICES
from numpy.typing import NDArray
from random_worlds import Inputs, base_case, spread_over_domains

from sim.engine.worlds import evaluate
from sim.model.catalogue import DIMS
from sim.model.declarations import declared
from sim.model.dims import RENTAL_MODES, VIEWS
from sim.model.inputs import Lab, Landlord

Array = NDArray[np.float64]
Found = dict[str, set[str]]
LABS, LANDLORDS = (0, 1, 2, 4), (0, 1, 2)  # of the base case: a few are as good, and quicker
SETTINGS = tuple(itertools.product(VIEWS, RENTAL_MODES))
RELATIVE, ABSOLUTE = 1e-9, 1e-12  # by which a result moves that no rounding moved


def find_dependence(
    worlds: Inputs, others: Inputs, settings: Sequence[tuple[str, str]] = SETTINGS
) -> Found:
    """The inputs of which the values of other worlds move an output, by output.

    Both are of the same number of draws, labs and landlords. An input is replaced at all labs,
    landlords and quarters at once, in some views and rental modes.
    """
    draws = len(worlds["pue"])
    sampled = [name for name in worlds if name not in MATRICES]
    rows = {name: np.concatenate([worlds[name]] * (len(sampled) + 1)) for name in sampled}
    for i, name in enumerate(sampled, start=1):
        rows[name][i * draws : (i + 1) * draws] = others[name]
    matrices = {name: worlds[name] for name in MATRICES}
    found: Found = {}
    for view, mode in settings:
        every = evaluate({**rows, **matrices}, view=view, rental_mode=mode)  # type: ignore[arg-type]
        for output, values in every.items():
            flat = values.reshape(len(sampled) + 1, draws, -1)
            moved = _differs(flat[1:], flat[0]).any(axis=(1, 2))
            found.setdefault(output, set()).update(sampled[i] for i in np.flatnonzero(moved))
        for matrix in MATRICES:
            other = {**worlds, matrix: others[matrix]}
            for output, values in evaluate(other, view=view, rental_mode=mode).items():  # type: ignore[arg-type]
                if _differs(values, every[output][:draws]).any():
                    found[output].add(matrix)
    return found


def find_dependence_between_labs(worlds: Inputs, others: Inputs) -> set[str]:
    """The inputs of a lab that move an output of another lab, replaced at one lab alone."""
    draws = len(worlds["pue"])
    of_labs = [name for name in declared(Lab) if name in worlds]
    rows = {
        name: np.concatenate([values] * (len(of_labs) + 1))
        for name, values in worlds.items()
        if name not in MATRICES
    }
    for i, name in enumerate(of_labs, start=1):
        rows[name][i * draws : (i + 1) * draws, 0] = others[name][:, 0]
    matrices = {name: worlds[name] for name in MATRICES}
    found: set[str] = set()
    for view, mode in SETTINGS:
        every = evaluate({**rows, **matrices}, view=view, rental_mode=mode)  # type: ignore[arg-type]
        for output, values in every.items():
            if "lab" not in DIMS[output]:
                continue
            by_input = values.reshape(len(of_labs) + 1, draws, *values.shape[1:])
            of_others = np.delete(by_input, 0, axis=2 + DIMS[output].index("lab"))
            moved = _differs(of_others[1:], of_others[:1]).reshape(len(of_labs), -1).any(axis=1)
            found |= {of_labs[i] for i in np.flatnonzero(moved)}
    return found


def pairs(draws: int, batches: int) -> Iterator[tuple[Inputs, Inputs]]:
    """Worlds and others of all kinds: near the base case, over the domains, near thresholds."""
    for batch in range(batches):
        near = _few_parties(base_case(draws, 2 * draws * batch))
        also_near = _few_parties(base_case(draws, 2 * draws * batch + draws))
        far, also_far = (_far(draws, 2 * batch + i) for i in range(2))
        yield near, {**also_near, **{name: far[name] for name in MATRICES}}
        yield near, far
        yield far, also_far
        yield _at_full_duty(near), far


def _differs(first: Array, second: Array) -> NDArray[np.bool_]:
    """Where results differ by more than rounding; few differ at all."""
    differs = np.asarray(first != second)
    at = np.nonzero(differs)
    a, b = first[at], np.broadcast_to(second, first.shape)[at]
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(a), np.abs(b))
        apart = np.abs(a - b) > RELATIVE * np.where(np.isinf(size), 0, size) + ABSOLUTE
    differs[at] = apart | (np.isnan(a) != np.isnan(b))
    return differs


def _few_parties(x: Inputs) -> Inputs:
    """Worlds of the base case with some of its labs and landlords, who house all of their hours."""
    few = dict(x)
    for group, chosen in ((Lab, LABS), (Landlord, LANDLORDS)):
        few |= {name: x[name][:, chosen] for name in declared(group)}
    for name in MATRICES:
        by_lab = x[name].T if name == "rpo_lab_share" else x[name]
        matrix = by_lab[np.ix_(LABS, LANDLORDS)]
        if name.startswith("host_share"):
            matrix = (matrix + 0.01) / (matrix + 0.01).sum(axis=1, keepdims=True)
        few[name] = matrix.T if name == "rpo_lab_share" else matrix
    return few


def _far(draws: int, seed: int) -> Inputs:
    """Worlds over the domains; in some of them a lab serves in more hours than it has."""
    x = spread_over_domains(draws, len(LABS), len(LANDLORDS), seed)
    share = np.random.default_rng(seed).uniform(0, 1, x["inference_share"].shape)
    return {**x, "inference_share": share}


def _at_full_duty(x: Inputs) -> Inputs:
    """Worlds in which the demand for each lab is about what it can serve."""
    known = np.nan_to_num(evaluate(x)["implied_duty"])
    duty = np.median(known, axis=2)
    return {**x, "relative_throughput": x["relative_throughput"] * np.where(duty > 0, duty, 1.0)}
