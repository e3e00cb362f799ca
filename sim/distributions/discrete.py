"""Fixed quantities, and discrete distributions."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError
from scipy import special

from sim.common.text import nearest
from sim.distributions.base import LOG_HALF, Distribution, NonNegative
from sim.distributions.elicitation import Array, validation_error


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
    values: tuple[float, ...] = Field(min_length=1)
    weights: tuple[NonNegative, ...]

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
    values: tuple[float, ...] = Field(min_length=1)

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


def read_column(path: Path, column: Any) -> tuple[float, ...]:
    """The numbers in a column of a CSV file with a header.

    `column` may be None where the file has a single column.

    Raises:
        ValueError: If there is no such file or column, or a cell holds no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel begins a file with a mark
            reader = csv.DictReader(file, strict=True)
            names = list(reader.fieldnames or [])
            if column is None and len(names) == 1:
                column = names[0]
            if column not in names:
                fault = "expected a column" if column is None else f"no column '{column}'"
                raise ValueError(f"{path.name}: {fault}{nearest(str(column), names)}")
            values = []
            for row in reader:
                try:
                    value = float(row[column])
                except (TypeError, ValueError):
                    value = math.nan
                if not math.isfinite(value):
                    raise ValueError(
                        f"{path.name}, line {reader.line_num}: expected a number in {column},"
                        f" got {row[column]!r}"
                    )
                values.append(value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path.name} cannot be read: {reason}") from error
    if not values:
        raise ValueError(f"{path.name} holds no values")
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
