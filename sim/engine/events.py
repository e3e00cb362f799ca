"""The probabilities that are declared, as events that are counted in draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.events import Events
from sim.model.outputs import PROBABILITIES

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IndicatorSet:
    """The probabilities of `sim.outputs` that columns can give, as `events` to be counted.

    `places` [event] are those of the probabilities among all that are declared.
    """

    events: Events
    places: Integers

    def by_name(
        self, shapes: Mapping[str, tuple[int, ...]]
    ) -> Iterator[tuple[str, NDArray[np.bool_], tuple[int, ...]]]:
        """The probabilities: the name, which events [event] are its, and the shape of their dims.

        `shapes` are those of the variables.
        """
        for place, (name, probability) in enumerate(PROBABILITIES.items()):
            chosen = self.places == place
            if not chosen.any():
                continue
            shape = shapes[probability.of]
            if name == "p_gw_above":
                shape = (-1, *shape)
            elif probability.of == "gw":
                shape = shape[1:]
            yield name, chosen, shape


def indicator_set(
    columns: Mapping[str, NDArray[Any]],
    fixed: Mapping[str, NDArray[Any]],
    labs: Sequence[str],
    named_labs: Sequence[str],
    thresholds: Sequence[float],
) -> IndicatorSet:
    """The declared probabilities of which all that they need is there.

    Args:
        columns: Name of a variable -> the columns of its values, in its shape.
        fixed: Name of an input that is the same in every draw -> its value.
        labs: The labs of the scenario, and the `named_labs` and `thresholds` (GW) of its settings.
        named_labs: See `labs`.
        thresholds: See `labs`.
    """
    made: list[tuple[int, int, list[tuple[int, int, float, bool]]]] = []
    for place, (name, probability) in enumerate(PROBABILITIES.items()):
        least = probability.least
        if probability.of not in columns:
            continue
        found = columns[probability.of]
        if probability.of != "gw":
            other, constant = np.array(-1), np.array(0.0)
            if not isinstance(least, str):
                constant = np.array(least)
            elif least in columns:
                other = columns[least]
            elif least in fixed:
                constant = fixed[least]
            else:
                continue
            sides = (np.broadcast_to(side, found.shape).ravel() for side in (other, constant))
            for column, *compared in zip(found.ravel(), *sides, strict=True):
                made.append((place, 1, [(column, *compared, False)]))
        elif name == "p_gw_above":
            for threshold in thresholds:
                made += [(place, 1, [(column, -1, threshold, True)]) for column in found.ravel()]
        elif name == "p_both_named" and set(named_labs) <= set(labs):
            for quarter in found.T:
                compared_labs = [  # all must be numbers, as where draws are at hand
                    (column, -1, thresholds[0], True)
                    if lab in named_labs
                    else (column, -1, -np.inf, False)
                    for lab, column in zip(labs, quarter, strict=True)
                ]
                made.append((place, len(labs), compared_labs))
        elif name == "p_top_two" and len(labs) > 1:
            for quarter in found.T:
                made.append((place, 2, [(column, -1, thresholds[0], True) for column in quarter]))
    compared_all = [one for _, _, comparisons in made for one in comparisons]
    kinds = (np.int64, np.int64, np.float64, np.bool_)
    parts: list[Any] = [
        np.array([one[i] for one in compared_all], kind) for i, kind in enumerate(kinds)
    ]
    events = Events(
        np.cumsum([0, *(len(comparisons) for _, _, comparisons in made)], dtype=np.int64),
        np.array([needed for _, needed, _ in made], np.int64),
        *parts,
    )
    return IndicatorSet(events, np.array([place for place, _, _ in made], np.int64))


NO_EVENTS = indicator_set({}, {}, (), (), ())


def in_order(events: Events) -> Integers:
    """Events by the first of their columns, so that those of the same one are neighbours."""
    return np.argsort(events.columns[events.first[:-1]], kind="stable")
