"""What is explained: values, their ranks, tails and events, from texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from sim.common.errors import Fault, InputError, Location
from sim.expressions.parse import parse_event, parse_value
from sim.expressions.tree import ExpressionError
from sim.model.catalogue import DIMS
from sim.simulation.redraw import redraw
from sim.statistics.names import read_in, text_with_ids
from sim.statistics.tails import tail_index
from sim.statistics.values import draw_value, names_needed

Array = NDArray[np.float64]
LARGEST_INDEX = 0.5  # of a tail: the variance exists below it
WORST_TAIL = 0.05


@dataclass(frozen=True)
class Target:
    """What is explained: `values` [draw] of `draws`, and the event behind what learning tells."""

    label: str
    draws: Array
    values: Array
    event: NDArray[np.bool_]
    event_text: str
    tail: NDArray[np.bool_]
    tree: Any  # of what is explained, in another world
    explain: Callable[[Array], Array]  # its values there, on the scale of `values`


def read_outputs(ds: xr.Dataset, output: str | Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The values that are asked for, and the dims of the variable that they are cells of."""
    if not isinstance(output, str):
        if not output:
            raise target_error("output", "expected at least one value")
        return list(output), ("output",)
    name = output.strip()
    dims = DIMS.get(name)
    if name in ds.variables:
        dims = tuple(str(dim) for dim in ds.variables[name].dims if dim != "draw")
    if not dims:
        return [name], ()
    labels = [ds[dim].values.tolist() for dim in dims]
    texts = []
    for cell in np.ndindex(*map(len, labels)):
        at = {d: str(of[i]) for d, of, i in zip(dims, labels, cell, strict=True)}
        others = ", ".join(label for dim, label in at.items() if dim != "quarter")
        quarter = f"@{at['quarter']}" if "quarter" in at else ""
        texts.append(f"{name}[{others}]{quarter}" if others else f"{name}{quarter}")
    return texts, dims


def read_targets(
    ds: xr.Dataset,
    texts: list[str],
    tail: float | None,
    when: str | None,
    scale: str,
    threads: int | None,
) -> tuple[xr.Dataset, list[Target]]:
    """The Dataset with draws of what is asked for, and what is explained."""
    trees = {}
    for i, text in enumerate(texts):
        if text in ds.variables:
            continue  # a variable of the user's own, or an output without dims
        try:
            tree = read_in(ds, text, parse_value)
        except ExpressionError as error:
            raise target_error("output", str(error), text) from None
        texts[i] = text_with_ids(text, tree)
        trees[texts[i]] = tree
    events = [when or _default_event(ds, text) for text in texts]
    parsed = {}
    for event in filter(None, events):
        try:
            parsed[event] = read_in(ds, event, parse_event)
        except ExpressionError as error:
            raise target_error("when", str(error), event) from None
    names = names_needed([*trees.values(), *parsed.values()])
    if "parameters" in ds.attrs:
        ds = redraw(ds, names, threads)
    targets = []
    for text, event in zip(texts, events, strict=True):
        values = _draws(ds, text, trees.get(text))
        if event:
            found = draw_value(parsed[event], ds)
            happens = np.broadcast_to(found.draws & found.known, values.shape)
        else:
            happens = values >= np.median(values)
            event = f"{text} >= its median"
        level = WORST_TAIL if tail is None else tail / 100
        edge = np.quantile(values, level, method="inverted_cdf")
        in_tail = values <= edge if level <= 0.5 else values >= edge
        explained = _explained(values, happens, in_tail, tail, when, scale, text)
        of = parsed[event] if when and event else trees.get(text)
        explain = _scale(values, level, tail, when, scale)
        targets.append(Target(text, values, explained, happens, event, in_tail, of, explain))
    return ds, targets


def _draws(ds: xr.Dataset, text: str, tree: Any) -> Array:
    """The draws of a value.

    Raises:
        InputError: If they are not known, or all the same.
    """
    if tree is None:
        variable = ds.variables[text]
        if variable.dims != ("draw",):
            raise target_error("output", "is the same in every draw, or has further dims", text)
        values = np.asarray(variable.values, float)
    else:
        found = draw_value(tree, ds)
        values = np.asarray(np.where(found.known, found.draws, np.nan), float)
        values = np.broadcast_to(values, (ds.sizes["draw"],))
    if missing := int(np.isnan(values).sum()):
        raise target_error("output", f"is not known in {missing:,} of {values.size:,} draws", text)
    if values.min() == values.max():
        raise target_error("output", "is the same in every draw: nothing drives it", text)
    return values


def _default_event(ds: xr.Dataset, text: str) -> str:
    """The event of an output that has a hurdle: that it reaches it; "" of others."""
    name = text.split("[")[0].split("@")[0].strip()
    if "margin" in name and "hurdle" not in name and name in DIMS:
        return f"{text} >= hurdle_margin"
    return ""


def _explained(
    values: Array,
    happens: NDArray[np.bool_],
    in_tail: NDArray[np.bool_],
    tail: float | None,
    when: str | None,
    scale: str,
    text: str,
) -> Array:
    """What is explained, with mean 0: an event, a tail, normal scores of ranks, or values."""
    if when is not None:
        if happens.all() or not happens.any():
            raise target_error("when", "happens in every draw, or in none: nothing drives it", when)
        return np.asarray(happens - happens.mean())
    if tail is not None:
        return np.asarray(in_tail - in_tail.mean())
    if scale == "rank":
        return normal_scores(values)
    index = tail_index(values)
    if not index < LARGEST_INDEX:
        found = f"tail index {index:.2f}" if np.isfinite(index) else "draws that are not finite"
        message = f"its variance need not exist ({found}): take the scale rank, or a --tail"
        raise target_error("scale", message, text)
    return np.asarray((values - values.mean()) / values.std())


def _scale(
    values: Array, level: float, tail: float | None, when: str | None, scale: str
) -> Callable[[Array], Array]:
    """The function that puts values of other worlds on the scale on which draws are explained."""
    ordered = np.sort(values)
    if when is not None:
        return lambda of: np.asarray(of, float)
    if tail is not None:
        edge = np.quantile(values, level, method="inverted_cdf")
        return lambda of: np.asarray(of <= edge if level <= 0.5 else of >= edge, float)
    if scale == "raw":
        return lambda of: np.asarray(of / values.std())
    return lambda of: np.asarray(ndtri((np.searchsorted(ordered, of) + 0.5) / (ordered.size + 1)))


def normal_scores(values: Array) -> Array:
    """The normal scores of the ranks of values [draw]; equal values share a rank."""
    from scipy.stats import rankdata  # takes a second to import, and few commands need it

    return np.asarray(ndtri((rankdata(values) - 0.5) / values.size))


def target_error(argument: str, message: str, key: str = "") -> InputError:
    """The error of an argument, and of a text in it."""
    return InputError([Fault(Location(argument), key, message)])
