"""Laws made of other laws."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from scipy import special

from sim.distributions.base import Distribution, NonNegative, Tailed
from sim.distributions.discrete import check_weights
from sim.distributions.elicitation import Array, misfit


def _component(said: Any, info: ValidationInfo) -> Distribution:
    """A law within a mixture: a table as in a file, or a number."""
    from sim.distributions import read_distribution

    if isinstance(said, Distribution):
        return said
    if isinstance(said, int | float) and not isinstance(said, bool):
        said = {"value": said}
    if not isinstance(said, dict):
        raise misfit(("dict_type", "", said))
    family = read_distribution(said)
    if family is None:
        kind = "literal_error" if "family" in said else "missing"
        raise misfit((kind, "family", said.get("family")))
    return family.model_validate(said, context=info.context)


class Mixture(Tailed):
    """Each of `components` with the probability of its share of the `weights`."""

    family: Literal["mixture"]
    components: tuple[Annotated[Distribution, BeforeValidator(_component)], ...] = Field(
        min_length=1
    )
    weights: tuple[NonNegative, ...]

    @model_validator(mode="after")
    def _paired(self) -> Mixture:
        check_weights(self.weights, len(self.components), "components")
        return self

    def said(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        return {
            "family": self.family,
            "components": [part.said() for part in self.components],
            "weights": list(self.weights),
            **{key: end for key, end in ends.items() if end is not None},
        }

    @cached_property
    def _parts(self) -> list[tuple[float, Distribution]]:
        pairs = zip(self.weights, self.components, strict=True)
        return [
            (math.log(weight / sum(self.weights)), distribution)
            for weight, distribution in pairs
            if weight > 0
        ]

    @property
    def moments_uncut(self) -> float:
        return min(distribution.moments for _, distribution in self._parts)

    def log_cdf(self, x: Array) -> Array:
        return np.logaddexp.reduce(
            [log + distribution.log_shares_at(x)[0] for log, distribution in self._parts]
        )

    def log_sf(self, x: Array) -> Array:
        return np.logaddexp.reduce(
            [log + distribution.log_shares_at(x)[1] for log, distribution in self._parts]
        )

    def log_below(self, x: Array) -> Array:
        return self.log_cdf(np.nextafter(x, -np.inf))

    def _log_from(self, x: float) -> Array:
        return self.log_sf(np.nextafter(np.asarray(x), -np.inf))

    def lower(self, log_p: Array) -> Array:
        z = special.ndtri_exp(log_p)
        return self._between(z, lambda x: self.log_cdf(x) >= log_p)

    def upper(self, log_q: Array) -> Array:
        z = -special.ndtri_exp(log_q)
        return self._between(z, lambda x: self.log_sf(x) <= log_q)

    def _between(self, z: Array, reached: Any) -> Array:
        """The least value that has reached a probability: it lies between the components' own."""
        own = np.stack([distribution.quantile(z) for _, distribution in self._parts])
        low, high = _ordered(own.min(axis=0)) - 1, _ordered(own.max(axis=0))
        for _ in range(64):  # the doubles between any two, halved to one
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            there = reached(_double(middle))
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        return _double(high)


def _ordered(x: Array) -> NDArray[np.int64]:
    """Whole numbers in the order of doubles, neighbours for neighbours."""
    bits = (x + 0.0).view(np.int64)  # -0 is 0
    return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)


def _double(whole: NDArray[np.int64]) -> Array:
    """The double of `_ordered`."""
    return np.where(whole < 0, np.iinfo(np.int64).min - whole, whole).view(np.float64)
