"""Fixed quantities, and laws of separate values."""

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
from sim.distributions.elicitation import Array, misfit


class Fixed(Distribution):
    """A quantity that is not uncertain."""

    value: float

    @property
    def point(self) -> float:
        return self.value

    def stated(self) -> dict[str, float]:
        return {"value": self.value}

    def quantile(self, z: Array) -> Array:
        return np.full(np.shape(z), self.value)

    def log_cdf(self, x: Array) -> Array:
        return np.where(np.asarray(x) >= self.value, 0.0, -np.inf)

    def log_sf(self, x: Array) -> Array:
        return np.where(np.asarray(x) >= self.value, -np.inf, 0.0)


class Steps(Distribution):
    """A law of separate values: `atoms` rising, and the log-probabilities up to and above each."""

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        """The values, rising, and their probabilities."""
        raise NotImplementedError

    @cached_property
    def _logs(self) -> tuple[Array, Array]:
        _, weights = self.atoms
        with np.errstate(divide="ignore"):
            return np.log(np.cumsum(weights)), np.log(np.cumsum(weights[::-1])[::-1] - weights)

    @cached_property
    def edges(self) -> Array:
        """The normal scores at which one value gives way to the next."""
        up_to, above = self._logs
        low = special.ndtri_exp(np.minimum(up_to[:-1], LOG_HALF))
        high = -special.ndtri_exp(np.minimum(above[:-1], LOG_HALF))
        return np.where(up_to[:-1] <= above[:-1], low, high)

    def quantile(self, z: Array) -> Array:
        return self.atoms[0][np.searchsorted(self.edges, z, side="left")]

    def log_cdf(self, x: Array) -> Array:
        place = np.searchsorted(self.atoms[0], x, side="right")
        return np.concatenate([[-np.inf], self._logs[0][:-1], [0.0]])[place]

    def log_sf(self, x: Array) -> Array:
        place = np.searchsorted(self.atoms[0], x, side="right")
        return np.concatenate([[0.0], self._logs[1][:-1], [-np.inf]])[place]

    def stated(self) -> dict[str, float]:
        values = self.atoms[0]
        return {"values": float(values[0])} | ({"": float(values[-1])} if len(values) > 1 else {})


class Discrete(Steps):
    """Separate `values`, each as likely as its share of the `weights`."""

    family: Literal["discrete"]
    values: tuple[float, ...] = Field(min_length=1)
    weights: tuple[NonNegative, ...]

    @model_validator(mode="after")
    def _paired(self) -> Discrete:
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
    """Observed `values`, each as likely; or those in a `column` of a CSV `file`."""

    family: Literal["empirical"]
    values: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, given: Any, info: ValidationInfo) -> Any:
        """`info.context` is the folder in which the file is looked for; None is the working one."""
        if "file" not in given:
            if "column" in given:
                raise ValueError("missing file (column names a column of it)")
            return given
        if "values" in given:
            raise ValueError("give values or a file, not both")
        file, column = given["file"], given.get("column")
        wrong = [
            ("string_type", key, what)
            for key, what in (("file", file), ("column", column))
            if what is not None and not isinstance(what, str)
        ]
        if wrong:
            raise misfit(*wrong)
        rest = {key: what for key, what in given.items() if key not in ("file", "column")}
        try:
            values = read_column(Path(info.context or "") / file, column)
        except ValueError as error:
            told = PydanticCustomError("value_error", "{said}", {"said": str(error)})
            raise misfit((told, "file", file)) from None
        return {**rest, "values": values}

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        return "values", "file", "column"

    @cached_property
    def atoms(self) -> tuple[Array, Array]:
        values, counts = np.unique(self.values, return_counts=True)
        return values, counts / counts.sum()


def read_column(path: Path, column: Any) -> tuple[float, ...]:
    """The numbers in a column of a CSV file with a header; the only one needs no name.

    Raises:
        ValueError: If there is no such file or column, or a cell holds no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel begins with a mark
            reader = csv.DictReader(file, strict=True)
            names = list(reader.fieldnames or [])
            if column is None and len(names) == 1:
                column = names[0]
            if column not in names:
                said = "expected a column" if column is None else f"no column '{column}'"
                raise ValueError(f"{path.name}: {said}{nearest(str(column), names)}")
            found = []
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
                found.append(value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path.name} cannot be read: {reason}") from error
    if not found:
        raise ValueError(f"{path.name} holds no values")
    return tuple(found)


def check_weights(weights: tuple[float, ...], count: int, what: str) -> None:
    """Whether weights are as many as they should be, and not all nil.

    Raises:
        ValueError: If they are not.
    """
    if not math.isfinite(sum(weights)):
        raise ValueError("the weights add up to more than a double holds")
    if len(weights) != count:
        raise ValueError(f"expected as many weights as {what}, {count}, got {len(weights)}")
    if not sum(weights) > 0:
        raise ValueError("expected weights of which one is above 0")
