"""What the names in expressions stand for: outputs, inputs and scores, at labels and quarters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sim.common.text import nearest
from sim.expressions.tree import (
    FACTOR,
    ExpressionError,
    Operation,
    Reference,
    Statistic,
    Tree,
)
from sim.model.catalogue import DIMS, hint, probability_dims, quantities
from sim.model.dims import COORDS, FACTORS, REFERENCE_QUARTER
from sim.model.inputs import HOST_MATRICES
from sim.model.outputs import EVERY_THRESHOLD, PROBABILITIES

MOST_SHOWN = 20  # labels in a message
_MATRICES = dict(HOST_MATRICES.values())


class Party(Protocol):
    """A lab or landlord."""

    @property
    def id(self) -> str:
        """What files call it."""
        ...

    @property
    def name(self) -> str:
        """Its display name."""
        ...


@dataclass(frozen=True)
class Names:
    """Names that an expression may use.

    `labels` are those of dims; of a dim without any, every label is taken. `display` are ids by
    display name. `variables` are dims and units of further variables, such as a Dataset's own.
    """

    labels: Mapping[str, Sequence[str]] = field(default_factory=lambda: COORDS)
    display: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)

    @classmethod
    def of_parties(cls, labs: Sequence[Party], landlords: Sequence[Party]) -> Names:
        """The names of a scenario with these labs and landlords."""
        ids = {"lab": [p.id for p in labs], "landlord": [p.id for p in landlords]}
        return cls({**COORDS, **ids}, {p.name: p.id for p in (*landlords, *labs)})

    def dims_of(self, name: str) -> tuple[str, ...]:
        """The dims of a name, without `draw`.

        Raises:
            KeyError: For an unknown name.
        """
        return self.variables[name][0] if name in self.variables else dims_of(name)

    def resolve(self, tree: Tree) -> Tree:
        """The tree with ids, in the order of dims, in place of labels as typed.

        Raises:
            ExpressionError: For a name, label or quarter that does not exist, with the nearest one.
        """
        if isinstance(tree, Reference):
            return self._reference(tree)
        if isinstance(tree, Operation):
            return Operation(tree.operator, tuple(map(self.resolve, tree.operands)))
        if isinstance(tree, Statistic):
            return Statistic(tree.kind, self.resolve(tree.of), tree.percent)
        return tree

    def _reference(self, typed: Reference) -> Reference:
        name = typed.name
        try:
            dims = self.dims_of(name)
        except KeyError:
            factors = [FACTOR + factor for factor in FACTORS]
            known = [*self.variables, *DIMS, *quantities(), *_MATRICES, *PROBABILITIES, *factors]
            raise ExpressionError(f"unknown output or input '{name}'{hint(name, known)}") from None
        if name in PROBABILITIES and PROBABILITIES[name].threshold == EVERY_THRESHOLD:
            of = PROBABILITIES[name].of
            raise ExpressionError(
                f"'{name}' has several thresholds: say {of}[...]@{REFERENCE_QUARTER} > x"
            )
        quarter, labels = typed.quarter, [self._id(label, dims) for label in typed.labels]
        quarters = self.labels.get("quarter", ())
        if "quarter" in dims and quarter is None:  # it may stand among the labels
            quarter = next((label for label in labels if label in quarters), None)
            labels = [label for label in labels if label != quarter]
        if "quarter" not in dims and quarter is not None:
            raise ExpressionError(f"'{name}' has no quarter")
        if quarter is not None and quarter not in quarters:
            raise ExpressionError(f"unknown quarter '{quarter}'{nearest(quarter, list(quarters))}")
        free = [dim for dim in dims if dim != "quarter"]
        ordered = self._in_order(name, free, labels)
        missing = [self._missing(dim, name) for dim in free if dim not in ordered]
        if "quarter" in dims and quarter is None:
            example = REFERENCE_QUARTER if REFERENCE_QUARTER in quarters else quarters[0]
            missing.append(f"say a quarter, e.g. @{example}")
        if missing:
            raise ExpressionError("; ".join(missing))
        return Reference(name, tuple(ordered[dim] for dim in free), quarter)

    def _id(self, label: str, dims: Sequence[str]) -> str:
        """The id of a label, which may be a display name, in any case."""
        if any(label in self.labels.get(dim, ()) for dim in dims):
            return label
        ids = {name.casefold(): of for name, of in self.display.items()}
        return self.display.get(label, ids.get(label.casefold(), label))

    def _in_order(self, name: str, dims: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
        """The label of each dim; those of the same name take the first dims."""
        known = {dim: self.labels.get(dim) for dim in dims}
        for label in labels:
            if not dims:
                raise ExpressionError(f"'{name}' has no labels, got '{label}'")
            if all(of is not None and label not in of for of in known.values()):
                candidates = [*itertools.chain.from_iterable(of or () for of in known.values())]
                if {"lab", "landlord"} & set(dims) and " " in label:
                    candidates = [*self.display]
                kind = f"{dims[0]} " if len(dims) == 1 else "label "
                raise ExpressionError(f"unknown {kind}'{label}'{nearest(label, candidates)}")
        if len(labels) > len(dims):
            raise ExpressionError(f"expected at most {len(dims)} labels, got {', '.join(labels)}")
        for chosen in itertools.permutations(dims, len(labels)):
            pairs = list(zip(chosen, labels, strict=True))
            if all((of := known[dim]) is None or label in of for dim, label in pairs):
                return dict(pairs)
        raise ExpressionError(f"labels of one kind twice: {', '.join(labels)}")

    def _missing(self, dim: str, name: str) -> str:
        """Message that an expression lacks a label of a dim."""
        labels = self.labels.get(dim)
        if not labels:
            return f"say a {dim}: {name}[<{dim}>]"
        known = f"; known: {', '.join(labels)}" if 1 < len(labels) <= MOST_SHOWN else ""
        return f"say a {dim}, e.g. [{labels[0]}]{known}"


CATALOGUE = Names()  # of the model, whatever the labs and landlords


def dims_of(name: str) -> tuple[str, ...]:
    """The dims of an output, input, matrix of hosts, declared probability or score, without `draw`.

    Raises:
        KeyError: For an unknown name.
    """
    if name in PROBABILITIES:
        return probability_dims(name)
    if name.startswith(FACTOR) and name.removeprefix(FACTOR) in FACTORS:
        return ()
    if name in DIMS:
        return DIMS[name]
    return _MATRICES[name] if name in _MATRICES else quantities()[name][1]


def without_table(name: str) -> str:
    """`hardware.pue` is the input `pue`."""
    table, _, rest = name.rpartition(".")
    known = quantities().get(rest)
    return rest if table and known is not None and known[2] == table else name
