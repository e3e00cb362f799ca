"""Correlation groups, the inputs that a copula ties, from plain data.

A group gives rank correlations (`spearman`), correlations of values (`pearson`), or the parameters
of the copula itself (`copula`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.common.text import finite, nearest, shown

KINDS = ("spearman", "pearson", "copula")
COPULAS = ("gaussian", "t")
KEYS = ("name", "inputs", "kind", "matrix", "pairs", "copula", "nu")
ROUNDING = 1e-12  # by which a matrix that numpy computed may miss
LEAST_NU = 0.5  # below it, half of all draws would lie farther out than doubles reach


class GroupError(ValueError):
    """Everything that is wrong with a group.

    `faults` are pairs of a key ("" for the group as a whole) and a message.
    """

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(": ".join(filter(None, fault)) for fault in faults))


@dataclass(frozen=True, slots=True)
class Group:
    """A correlation group.

    Members are sorted by name, as are the rows of `matrix` [member, member].

    `nu` is the number of degrees of freedom of a t copula.
    """

    name: str
    members: tuple[str, ...]
    kind: str
    matrix: tuple[tuple[float, ...], ...]
    copula: str = "gaussian"
    nu: float | None = None

    def as_entry(self) -> dict[str, Any]:
        """The group as an entry of a parameter file, in plain data."""
        entry: dict[str, Any] = {"name": self.name, "inputs": list(self.members), "kind": self.kind}
        entry |= {} if self.nu is None else {"copula": self.copula, "nu": self.nu}
        return {**entry, "matrix": [list(row) for row in self.matrix]}


def read_group(entry: Any) -> Group:
    """The group that plain data gives, as in a file.

    Args:
        entry: `inputs`, `kind`, and `matrix` (rows in the order of `inputs`, or a DataFrame with
            their names) or `pairs` such as `["a", "b", 0.5]`, where missing pairs are 0; perhaps
            `name` (else that of the members) and `copula` (else "gaussian"); "t" needs `nu`.

    Returns:
        The group; nothing is checked that depends on the distributions of its members.

    Raises:
        GroupError: With everything that is wrong.
    """
    if not isinstance(entry, Mapping):
        raise GroupError([("", f"expected a table with inputs and kind, got {shown(entry)}")])
    faults: list[tuple[str, str]] = [
        (str(key), f"unknown key{nearest(str(key), KEYS)}") for key in entry if key not in KEYS
    ]
    inputs, name = entry.get("inputs"), entry.get("name")
    if not isinstance(inputs, list | tuple) or not all(isinstance(part, str) for part in inputs):
        faults.append(("inputs", f"expected a list of inputs by full name, got {shown(inputs)}"))
        inputs = []
    elif len(inputs) < 2:
        faults.append(("inputs", f"expected at least two inputs, got {shown(list(inputs))}"))
    for part in dict.fromkeys(part for part in inputs if list(inputs).count(part) > 1):
        faults.append(("inputs", f"{part} stands there twice"))
    if name is not None and (not isinstance(name, str) or not name.strip()):
        faults.append(("name", f"expected a name, got {shown(name)}"))
    faults += _check_kind(entry)
    given = [key for key in ("matrix", "pairs") if key in entry]
    rows: list[list[float]] = []
    if len(given) != 1:
        got = "both" if given else "neither"
        faults.append(("", f"expected a matrix or pairs, got {got}"))
    elif not any(key == "inputs" for key, _ in faults):
        read = _read_matrix if given == ["matrix"] else _read_pairs
        messages = list(read(entry[given[0]], inputs, rows))
        faults += [(given[0], message) for message in messages]
    if faults:
        raise GroupError(faults)
    order = sorted(range(len(inputs)), key=lambda i: inputs[i])
    members = tuple(inputs[i] for i in order)
    return Group(
        name or "+".join(members),
        members,
        entry["kind"],
        tuple(tuple(rows[i][j] for j in order) for i in order),
        entry.get("copula", "gaussian"),
        None if "nu" not in entry else float(entry["nu"]),
    )


def _check_kind(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and message of what is wrong with `kind`, `copula` and `nu`."""
    kind, copula = entry.get("kind"), entry.get("copula", "gaussian")
    if kind not in KINDS:
        fault = "missing: expected" if kind is None else f"unknown kind {shown(kind)}; expected"
        yield "kind", f"{fault} {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    if copula not in COPULAS:
        yield "copula", f"unknown copula {shown(copula)}{nearest(str(copula), COPULAS)}"
    elif copula == "t" and kind in KINDS[:-1]:
        yield "kind", f"expected copula, as {kind} goes with the gaussian copula"
    if copula == "t" and "nu" not in entry:
        yield "nu", "missing: the degrees of freedom of the t copula"
    if "nu" in entry:
        nu = finite(entry["nu"])
        if copula != "t":
            yield "nu", "only the t copula has degrees of freedom"
        elif nu is None or not LEAST_NU <= nu <= 1e6:
            got = shown(entry["nu"])
            yield "nu", f"expected a number from {LEAST_NU:g} to 1e6, got {got}"


def _read_matrix(matrix: Any, inputs: Sequence[str], rows: list[list[float]]) -> Iterator[str]:
    """Add the rows of a matrix to `rows`; yield messages of faults.

    A DataFrame's rows and columns are taken by their names, where it has those of the inputs. What
    rounding has left is removed: the rows are symmetric, and 1 where an input meets itself.
    """
    n = len(inputs)
    if hasattr(matrix, "to_numpy"):
        message, matrix = _order_labels(matrix, inputs)
        if message:
            yield message
            return
    has_rows = isinstance(matrix, list | tuple) and len(matrix) == n
    if not has_rows or not all(isinstance(row, list | tuple) and len(row) == n for row in matrix):
        yield f"expected {n} rows of {n} numbers, one for each input"
        return
    numbers = [[finite(entry) for entry in row] for row in matrix]
    for i, j in itertools.product(range(n), range(n)):
        entry, mirrored = numbers[i][j], numbers[j][i]
        names = f"{inputs[i]}, {inputs[j]}"
        if entry is None:
            yield f"expected a number for {names}, got {shown(matrix[i][j])}"
        elif i == j and abs(entry - 1) > ROUNDING:
            yield f"expected 1 for {inputs[i]} with itself, got {entry:g}"
        elif abs(entry) > 1 + ROUNDING:
            yield f"expected a number from -1 to 1 for {names}, got {entry:g}"
        elif i < j and mirrored is not None and abs(entry - mirrored) > ROUNDING:
            yield f"expected a symmetric matrix: {names} is {entry:.13g} and {mirrored:.13g}"
    entries = np.array([[entry or 0.0 for entry in row] for row in numbers])
    entries = np.clip((entries + entries.T) / 2, -1.0, 1.0)
    np.fill_diagonal(entries, 1.0)
    rows += entries.tolist()


def _order_labels(table: Any, inputs: Sequence[str]) -> tuple[str, Any]:
    """A message, or "" and the rows of a DataFrame in the order of the inputs.

    Where only its rows or its columns have names, they are those of both.
    """
    axes = [list(getattr(table, axis, [])) for axis in ("index", "columns")]
    named = [names for names in axes if names != list(range(len(names)))]
    numbers = table.to_numpy()
    if not named or numbers.ndim != 2:
        return "", numbers.tolist()
    for names in named:
        if sorted(map(str, names)) != sorted(inputs):
            return f"expected rows and columns named {', '.join(inputs)}, got {shown(names)}", None
    rows, columns = ([list(map(str, names)).index(i) for i in inputs]
                     for names in (named[0], named[-1]))  # fmt: skip
    return "", numbers[np.ix_(rows, columns)].tolist()


def _read_pairs(pairs: Any, inputs: Sequence[str], rows: list[list[float]]) -> Iterator[str]:
    """Add the rows that pairs give to `rows`; yield messages of faults."""
    rows += np.eye(len(inputs)).tolist()
    if not isinstance(pairs, list | tuple):
        yield f'expected pairs such as ["{inputs[0]}", "{inputs[1]}", 0.5], got {shown(pairs)}'
        return
    seen: set[frozenset[str]] = set()
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 3:
            yield f"expected two inputs and a number, got {shown(pair)}"
            continue
        *both, entry = pair
        number = finite(entry)
        unknown = [part for part in both if part not in inputs]
        for part in unknown:
            yield f"{shown(part)} is not one of the inputs{nearest(str(part), list(inputs))}"
        if number is None or not -1 <= number <= 1:
            yield f"expected a number from -1 to 1 for {', '.join(map(str, both))}, got" + (
                f" {shown(entry)}"
            )
        elif not unknown and both[0] == both[1]:
            yield f"{both[0]} is paired with itself"
        elif not unknown and frozenset(both) in seen:
            yield f"{', '.join(both)} is given twice"
        elif not unknown:
            seen.add(frozenset(both))
            i, j = (list(inputs).index(part) for part in both)
            rows[i][j] = rows[j][i] = number
