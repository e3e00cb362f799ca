"""What every distribution is: its parameters, forms in files, and functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.distributions.elicitation import (
    Array,
    Quantiles,
    find_number_fault,
    require_number,
    split_quantiles,
    validation_error,
)

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
LOG_HALF = math.log(0.5)


class Distribution(BaseModel):
    """The distribution of a quantity, in the quantity's unit; one uncertain number.

    A family gives either `quantile`, or the four functions of its tails from which `quantile`
    follows. Quantiles may stand for its `quantile_parameters` in a file, `mean` and `sd` for its
    `moment_parameters`. Arguments named z are normal scores, x values, log_p and log_q logarithms
    of probabilities below and above; all are arrays of any shape, and so is what comes back.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )
    quantile_parameters: ClassVar[tuple[str, ...]] = ()
    moment_parameters: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        """Equal parameters; cached computations do not count."""
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in type(self).model_fields
        )

    @model_validator(mode="before")
    @classmethod
    def _elicit(cls, entry: Any) -> Any:
        """Replace quantiles, or mean and sd, by the parameters that they determine."""
        if not isinstance(entry, dict):
            return entry
        quantiles: Quantiles = []
        if cls.quantile_parameters:
            entry, quantiles = split_quantiles(entry)
        # Frozen distributions are keys of caches, so their lists are tuples.
        entry = {key: tuple(x) if isinstance(x, list) else x for key, x in entry.items()}
        if quantiles:
            return cls._solve(entry, cls.quantile_parameters, "quantiles", quantiles)
        own = cls.model_fields
        if cls.moment_parameters and any(key in entry and key not in own for key in ("mean", "sd")):
            return cls._solve(entry, cls.moment_parameters, "mean and sd", None)
        return entry

    @classmethod
    def _solve(
        cls, entry: dict[str, Any], free: tuple[str, ...], form: str, quantiles: Quantiles | None
    ) -> dict[str, Any]:
        """The entry with the parameters that its quantiles or moments determine.

        Args:
            entry: The keys of the file, but for quantiles.
            free: The parameters to be determined.
            form: What determines them, in words of messages.
            quantiles: Pairs of level and value; None if mean and sd determine them.

        Raises:
            ValidationError: If other parameters are not finite numbers.
            ValueError: If something is missing or given twice, or no such distribution exists.
        """
        family = entry.get("family")
        both = [key for key in free if key in entry]
        if both:
            raise ValueError(f"give {', '.join(both)} or {form}, not both")
        own = set(cls.model_fields) - {"family"}
        wrong = [
            (fault, key, x)
            for key, x in entry.items()
            if key in own and (fault := find_number_fault(x))
        ]
        if wrong:
            raise validation_error(*wrong)
        try:
            with np.errstate(all="ignore"):
                if quantiles is not None:
                    return {**entry, **cls.from_quantiles(quantiles, entry)}
                rest = {key: x for key, x in entry.items() if key not in ("mean", "sd")}
                mean, sd = (require_number(entry[key], key) for key in ("mean", "sd"))
                if sd <= 0:
                    raise ValueError(f"expected sd above 0, got {sd:g}")
                return {**rest, **cls.from_moments(mean, sd, rest)}
        except KeyError as missing:
            raise ValueError(f"missing {missing.args[0]} ({family} by {form} needs it)") from None
        except ArithmeticError:
            raise ValueError(f"no {family} has these {form}") from None

    @classmethod
    def from_quantiles(cls, quantiles: Quantiles, given: dict[str, Any]) -> dict[str, float]:
        """The `quantile_parameters` from pairs of level and value.

        Raises:
            KeyError: If another parameter is missing from `given`.
            ValueError: If there are too few or too many, or no such distribution has them.
        """
        raise NotImplementedError

    @classmethod
    def from_moments(cls, mean: float, sd: float, given: dict[str, Any]) -> dict[str, float]:
        """The `moment_parameters` from mean and sd.

        Raises:
            KeyError: If another parameter is missing from `given`.
            ValueError: If no such distribution has them.
        """
        raise NotImplementedError

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        """The keys of a file beside `family`, required ones first."""
        fields = {key: field for key, field in cls.model_fields.items() if key != "family"}
        return tuple(sorted(fields, key=lambda key: not fields[key].is_required()))

    @property
    def point(self) -> float:
        """The median (for a fixed quantity its value)."""
        return float(self.quantile(np.zeros(1))[0])

    def stated_values(self) -> dict[str, float]:
        """The parameters that must lie in the quantity's domain, by key."""
        return {}

    def as_entry(self) -> dict[str, Any]:
        """The distribution as an entry of a parameter file, in plain data."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in self.model_dump().items()
            if value is not None
        }

    def quantile(self, z: Array) -> Array:
        """The value, at each normal score, with Phi(z) of the mass below."""
        raise NotImplementedError

    def log_cdf(self, x: Array) -> Array:
        """The log of P(X <= x)."""
        raise NotImplementedError

    def log_sf(self, x: Array) -> Array:
        """The log of P(X > x)."""
        raise NotImplementedError

    def log_tails(self, x: Array) -> tuple[Array, Array]:
        """The logs of P(X <= x) and P(X > x), without a cut."""
        return self.log_cdf(x), self.log_sf(x)

    def log_probabilities_at(self, x: Array) -> tuple[Array, Array]:
        """The logs of P(X <= x) and P(X > x), after a cut."""
        return self.log_tails(x)

    def log_probability_at(self, x: Array, side: int) -> Array:
        """The log of P(X <= x) (`side` 0) or P(X > x) (1), after a cut."""
        return (self.log_cdf, self.log_sf)[side](x)

    def bracket(self, z: Array) -> tuple[Array, Array]:
        """Two values at each normal score between which the quantile lies; cheap to compute."""
        values = self.quantile(z)
        return values, values

    @property
    def point_masses(self) -> Array:
        """The values, rising, that have a probability of their own; [value], mostly none."""
        return np.empty(0)

    def standard(self) -> tuple[Distribution, float, float]:
        """A distribution of the same shape, and this one's shift and factor.

        This one is the shift plus the factor times that one.
        """
        return self, 0.0, 1.0

    @property
    def support(self) -> tuple[float, float]:
        """The interval that no draw leaves, from least to largest value."""
        return -math.inf, math.inf

    @property
    def moment_order(self) -> float:
        """The order below which moments exist.

        The mean exists if it is above 1, the standard deviation if above 2.
        """
        return math.inf

    @property
    def cut_share(self) -> float:
        """The probability that a cut by `min` and `max` takes away."""
        return 0.0

    @property
    def kept_share(self) -> float:
        """The probability that a cut leaves, exact where it is tiny."""
        return 1.0
