"""Declared probabilities as events, which kernels count in draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.model.catalogue import DIMS, probability_dims
from sim.model.event_records import Events
from sim.model.outputs import EVERY_THRESHOLD, FIRST_THRESHOLD, PROBABILITIES, Probability

Integers = NDArray[np.int64]


class Comparison(NamedTuple):
    """A comparison of a column with another one, or with a constant.

    `other` is -1 where `constant` is compared with. The relation is > where `strict`, else >=.
    """

    column: int
    other: int
    constant: float
    strict: bool


@dataclass(frozen=True, slots=True)
class IndicatorSet:
    """Declared probabilities whose inputs are all available, as `events`.

    `order` [event] is the position in `PROBABILITIES` of the probability of an event.
    """

    events: Events
    order: Integers

    def by_name(
        self, shapes: Mapping[str, tuple[int, ...]]
    ) -> Iterator[tuple[str, NDArray[np.bool_], tuple[int, ...]]]:
        """Iterate over probabilities and their events.

        `shapes` maps the name of a variable to its shape without `draw`.

        Yields:
            The name, a mask of its events [event], and the shape of `probability_dims`, with -1 for
            the dim `threshold`.
        """
        for position, (name, probability) in enumerate(PROBABILITIES.items()):
            chosen = self.order == position
            if not chosen.any():
                continue
            sizes = dict(zip(DIMS[probability.of], shapes[probability.of], strict=True))
            yield name, chosen, tuple(sizes.get(dim, -1) for dim in probability_dims(name))


def indicator_set(
    columns: Mapping[str, NDArray[Any]],
    fixed: Mapping[str, NDArray[Any]],
    labs: Sequence[str],
    named_labs: Sequence[str],
    thresholds: Sequence[float],
) -> IndicatorSet:
    """Collect the declared probabilities whose inputs are all available.

    Args:
        columns: Name of a variable -> the columns of its values, in its shape.
        fixed: Name of an input that is the same in every draw -> its value.
        labs: The labs of the scenario.
        named_labs: The labs of the count "all named"; its probabilities are left out where one of
            them is no lab of the scenario.
        thresholds: The levels of the dim `threshold`, GW.
    """
    settings = _Settings(columns, fixed, labs, named_labs, thresholds)
    events: list[list[Comparison]] = []
    needed: list[int] = []
    order: list[int] = []
    for position, probability in enumerate(PROBABILITIES.values()):
        if probability.of in columns:
            for comparisons, count in settings.events_of(probability):
                events.append(comparisons)
                needed.append(count)
                order.append(position)
    flat = [comparison for event in events for comparison in event]
    kinds = (np.int64, np.int64, np.float64, np.bool_)
    parts: list[Any] = [np.array([c[i] for c in flat], kind) for i, kind in enumerate(kinds)]
    first = np.cumsum([0, *map(len, events)], dtype=np.int64)
    return IndicatorSet(
        Events(first, np.array(needed, np.int64), *parts), np.array(order, np.int64)
    )


class _Settings(NamedTuple):
    """The arguments of `indicator_set`."""

    columns: Mapping[str, NDArray[Any]]
    fixed: Mapping[str, NDArray[Any]]
    labs: Sequence[str]
    named_labs: Sequence[str]
    thresholds: Sequence[float]

    def events_of(self, probability: Probability) -> Iterator[tuple[list[Comparison], int]]:
        """The events of a probability, in the order of its dims.

        Yields:
            The comparisons of an event, and the number of them that must hold.
        """
        columns, strict = self.columns[probability.of], probability.relation == ">"
        for other, constant in self._bounds(probability.threshold):
            others, constants = (
                np.broadcast_to(operand, columns.shape).ravel() for operand in (other, constant)
            )
            flat = [
                Comparison(*compared, strict)
                for compared in zip(columns.ravel(), others, constants, strict=True)
            ]
            if probability.count == "each":
                yield from (([comparison], 1) for comparison in flat)
            else:
                # [lab, other dims]: the lab is the first dim of every output that has it.
                by_lab = np.arange(columns.size).reshape(len(self.labs), -1)
                for indices in by_lab.T:
                    comparisons = [flat[index] for index in indices]
                    yield from self._across_labs(comparisons, probability.count)

    def _bounds(self, threshold: float | str) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Column and constant of each level of a threshold, as in `Comparison`.

        They broadcast to the shape of the output; the list is empty where the threshold is an input
        that is not available.
        """
        no_column, zero = np.array(-1), np.array(0.0)
        if not isinstance(threshold, str):
            return [(no_column, np.array(threshold))]
        if threshold in (EVERY_THRESHOLD, FIRST_THRESHOLD):
            levels = self.thresholds if threshold == EVERY_THRESHOLD else self.thresholds[:1]
            return [(no_column, np.array(level)) for level in levels]
        if threshold in self.columns:
            return [(self.columns[threshold], zero)]
        return [(no_column, self.fixed[threshold])] if threshold in self.fixed else []

    def _across_labs(
        self, comparisons: list[Comparison], count: str
    ) -> Iterator[tuple[list[Comparison], int]]:
        """The event that enough labs pass.

        `comparisons` [lab] are those of the labs.

        Yields:
            At most one event, as `events_of`; none where it is not available in the scenario.
        """
        if count == "all named" and set(self.named_labs) <= set(self.labs):
            # Other labs pass by any number; a NaN in one of them leaves the event undefined.
            compared = [
                comparison
                if lab in self.named_labs
                else Comparison(comparison.column, -1, -np.inf, False)
                for lab, comparison in zip(self.labs, comparisons, strict=True)
            ]
            yield compared, len(self.labs)
        elif count == "at least two" and len(self.labs) > 1:
            yield comparisons, 2


NO_EVENTS = indicator_set({}, {}, (), (), ())


def counting_order(events: Events) -> Integers:
    """Indices of events, sorted by their first column.

    Events of the same column are counted one after another, while its values are in the cache.
    """
    return np.argsort(events.columns[events.first[:-1]], kind="stable")
