"""Fixed quantities, and discrete distributions."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError
from scipy import special

from sim.common.regular_files import open_regular
from sim.common.text import nearest
from sim.distributions.base import LOG_HALF, Distribution, NonNegative
from sim.distributions.elicitation import Array, validation_error

MOST_VALUES = 1_000_000  # of a distribution
MOST_BYTES = 64 * 2**20  # of a CSV file
MOST_COLUMNS = 10_000  # likewise


class Fixed(Distribution):
    """A quantity that is not uncertain."""

    value: float

    @property
    def point(self) -> float:
        return self.value

    @property
    def point_masses(self) -> Array:
        return np.array([self.value])

    def stated_values(self) -> dict[str, float]:
        return {"value": self.value}

    def quantile(self, z: Array) -> Array:
        return np.full(np.shape(z), self.value)

    def log_cdf(self, x: Array) -> Array:
        return np.where(np.asarray(x) >= self.value, 0.0, -np.inf)

    def log_sf(self, x: Array) -> Array:
        return np.where(np.asarray(x) >= self.value, -np.inf, 0.0)


class Steps(Distribution):
    """A discrete distribution: its quantile function is a step function over `atoms`."""

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        """The values, rising, and their probabilities, [atom] each."""
        raise NotImplementedError

    @property
    def point_masses(self) -> Array:
        return self.atoms[0]

    @cached_property
    def _logs(self) -> tuple[Array, Array]:
        """Log-probabilities up to and above each atom, [atom] each."""
        _, weights = self.atoms
        with np.errstate(divide="ignore"):
            return np.log(np.cumsum(weights)), np.log(np.cumsum(weights[::-1])[::-1] - weights)

    @cached_property
    def edges(self) -> Array:
        """The normal scores [atom - 1] between one value and the next."""
        up_to, above = self._logs
        low = special.ndtri_exp(np.minimum(up_to[:-1], LOG_HALF))
        high = -special.ndtri_exp(np.minimum(above[:-1], LOG_HALF))
        return np.where(up_to[:-1] <= above[:-1], low, high)

    def quantile(self, z: Array) -> Array:
        return self.atoms[0][np.searchsorted(self.edges, z, side="left")]

    def log_cdf(self, x: Array) -> Array:
        count = np.searchsorted(self.atoms[0], x, side="right")
        return np.concatenate([[-np.inf], self._logs[0][:-1], [0.0]])[count]

    def log_sf(self, x: Array) -> Array:
        count = np.searchsorted(self.atoms[0], x, side="right")
        return np.concatenate([[0.0], self._logs[1][:-1], [-np.inf]])[count]

    def stated_values(self) -> dict[str, float]:
        values = self.atoms[0]
        return {"values": float(values[0])} | ({"": float(values[-1])} if len(values) > 1 else {})


class Discrete(Steps):
    """Given `values`, each as likely as its share of the `weights`."""

    family: Literal["discrete"]
    values: tuple[float, ...] = Field(min_length=1, max_length=MOST_VALUES)
    weights: tuple[NonNegative, ...] = Field(max_length=MOST_VALUES)

    @model_validator(mode="after")
    def _check_values(self) -> Discrete:
        check_weights(self.weights, len(self.values), "values")
        if len(set(self.values)) < len(self.values):
            raise ValueError("expected different values")
        return self

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        order = np.argsort(self.values)
        weights = np.array(self.weights)[order]
        values = np.array(self.values)[order]
        return values[weights > 0], weights[weights > 0] / weights.sum()


class Bernoulli(Steps):
    """1 with probability `p`, else 0."""

    family: Literal["bernoulli"]
    p: float = Field(ge=0, le=1)

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        weights = np.array([1.0 - self.p, self.p])
        return np.array([0.0, 1.0])[weights > 0], weights[weights > 0]


class Empirical(Steps):
    """Observed `values`, equally likely.

    A file may name a `column` of a CSV `file` in their place.
    """

    family: Literal["empirical"]
    values: tuple[float, ...] = Field(min_length=1, max_length=MOST_VALUES)

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, entry: Any, info: ValidationInfo) -> Any:
        """Replace `file` and `column` by the values of the CSV file.

        `info.context` is the folder in which the file is looked for; None is the working folder.
        """
        if "file" not in entry:
            if "column" in entry:
                raise ValueError("missing file (column names a column of it)")
            return entry
        if "values" in entry:
            raise ValueError("give values or a file, not both")
        file, column = entry["file"], entry.get("column")
        wrong = [
            ("string_type", key, name)
            for key, name in (("file", file), ("column", column))
            if name is not None and not isinstance(name, str)
        ]
        if wrong:
            raise validation_error(*wrong)
        rest = {key: value for key, value in entry.items() if key not in ("file", "column")}
        try:
            values = read_column(Path(info.context or "") / file, column)
        except ValueError as error:
            fault = PydanticCustomError("value_error", "{message}", {"message": str(error)})
            raise validation_error((fault, "file", file)) from None
        return {**rest, "values": values}

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        return "values", "file", "column"

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        values, counts = np.unique(self.values, return_counts=True)
        return values, counts / counts.sum()


def read_column(path: Path, column: str | None) -> tuple[float, ...]:
    """The numbers in a column of a CSV file with a header.

    Args:
        path: A regular file of at most `MOST_BYTES`.
        column: The name of the column; None where the file has a single one.

    Raises:
        ValueError: If there is no such file or column, if two columns have one name, or if a line
            is not one number in the column and as many cells as the header. Cells are not quoted,
            since the file may be any that the user can read.
    """
    try:
        with (
            open_regular(path, MOST_BYTES) as file,
            io.TextIOWrapper(file, "utf-8-sig", newline="") as text,  # Excel begins with a mark
        ):
            return _read_column(csv.reader(text, strict=True), path.name, column)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, UnicodeDecodeError):
            reason = "not a text file (expected CSV in UTF-8)"
        raise ValueError(f"{path.name} cannot be read: {reason}") from error


def _read_column(reader: Any, name: str, column: str | None) -> tuple[float, ...]:
    """The numbers in a column; `reader` is one of `csv`, `name` that of the file in messages.

    Raises:
        ValueError: As of `read_column`.
    """
    head: list[str] = next(reader, [])
    if len(head) > MOST_COLUMNS:
        raise ValueError(f"{name}: expected at most {MOST_COLUMNS:,} columns, got {len(head):,}")
    names = [word for word in head if word]
    if len(set(names)) < len(names):
        second = next(i for i, word in enumerate(head) if word and word in head[:i])
        first = head.index(head[second])
        raise ValueError(f"{name}, line 1: columns {first + 1} and {second + 1} have one name")
    if column is not None and column not in names:
        hint = nearest(column, names) if len(names) > 1 else ""
        hint = hint if "did you mean" in hint else ""
        raise ValueError(f"{name}: no column '{column}'{hint}")
    if column is None and len(head) != 1:
        raise ValueError(f"{name}: expected a column, which is one of {len(head)}")
    index, values = 0 if column is None else head.index(column), array("d")
    named = "" if column is None else f" in {column}"
    for row in reader:
        if not row:
            continue
        where = f"{name}, line {reader.line_num}"
        if len(row) != len(head):
            got = f"expected {len(head)} {'cell' if len(head) == 1 else 'cells'}, got {len(row)}"
            raise ValueError(f"{where}: {got}; numbers have a decimal point, not a comma")
        try:
            value = float(row[index])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{where}: expected a number with a decimal point{named}")
        values.append(value)
    if not values:
        raise ValueError(f"{name} holds no values")
    return tuple(values)


def check_weights(weights: tuple[float, ...], count: int, name: str) -> None:
    """Check the number and the sum of weights.

    Raises:
        ValueError: If not, or if their sum overflows.
    """
    if not math.isfinite(sum(weights)):
        raise ValueError("the weights add up to more than a double holds")
    if len(weights) != count:
        raise ValueError(f"expected as many weights as {name}, {count}, got {len(weights)}")
    if not sum(weights) > 0:
        raise ValueError("expected weights of which one is above 0")
