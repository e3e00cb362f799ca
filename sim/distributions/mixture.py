"""Laws made of other laws."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from scipy import special

from sim.distributions.elicitation import Array, misfit
from sim.distributions.law import Law, NonNegative, Tailed
from sim.distributions.separate import Fixed, Steps, check_weights

_BISECTIONS = 80  # halve any bracket of doubles near one another to neighbours


def _component(said: Any, info: ValidationInfo) -> Law:
    """A law within a mixture: a table as in a file, or a number."""
    from sim.distributions import law_of

    if isinstance(said, Law):
        return said
    if isinstance(said, int | float) and not isinstance(said, bool):
        said = {"value": said}
    if not isinstance(said, dict):
        raise misfit(("dict_type", "", said))
    family = law_of(said)
    if family is None:
        kind = "literal_error" if "family" in said else "missing"
        raise misfit((kind, "family", said.get("family")))
    return family.model_validate(said, context=info.context)


class Mixture(Tailed):
    """Each of `components` with the probability of its share of the `weights`."""

    family: Literal["mixture"]
    components: tuple[Annotated[Law, BeforeValidator(_component)], ...] = Field(min_length=1)
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
    def _parts(self) -> list[tuple[float, Law]]:
        pairs = zip(self.weights, self.components, strict=True)
        return [(math.log(weight / sum(self.weights)), law) for weight, law in pairs if weight > 0]

    @property
    def moments_uncut(self) -> float:
        return min(law.moments for _, law in self._parts)

    def log_cdf(self, x: Array) -> Array:
        return np.logaddexp.reduce([log + law.log_shares_at(x)[0] for log, law in self._parts])

    def log_sf(self, x: Array) -> Array:
        return np.logaddexp.reduce([log + law.log_shares_at(x)[1] for log, law in self._parts])

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
        own = np.stack([law.quantile(z) for _, law in self._parts])
        low, high = own.min(axis=0), own.max(axis=0)
        for _ in range(_BISECTIONS):
            # Halving the values would take long from 1e-300 to 1; halving the gap is enough here.
            middle = low + (high - low) / 2
            there = reached(middle)
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        for atom in self._atoms:
            just = reached(np.full_like(z, atom)) & ~reached(
                np.full_like(z, np.nextafter(atom, -np.inf))
            )
            high = np.where(just, atom, high)
        return high

    @cached_property
    def _atoms(self) -> list[float]:
        """The values that have a probability of their own."""
        found: list[float] = []
        for _, law in self._parts:
            if isinstance(law, Fixed):
                found.append(law.value)
            elif isinstance(law, Steps):
                found += law.atoms[0].tolist()
            elif isinstance(law, Mixture):
                found += law._atoms
        return found
