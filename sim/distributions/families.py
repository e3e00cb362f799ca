"""The families of distributions by their names in parameter files.

A mixture is a family, and its components are of any family: so it is defined here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from scipy import special

from sim.distributions.base import LOG_HALF, Distribution, NonNegative
from sim.distributions.bounded import Beta, LogUniform, Pert, Triangular, Uniform
from sim.distributions.discrete import (
    Bernoulli,
    Discrete,
    Empirical,
    Fixed,
    Steps,
    check_weights,
)
from sim.distributions.elicitation import Array, validation_error
from sim.distributions.from_scipy import PREFIX, Scipy
from sim.distributions.landlord_capex import FISCAL_KEYS, FiscalYears, SharedSpread
from sim.distributions.metalog import Metalog
from sim.distributions.normal import LogitNormal, Lognormal, Normal
from sim.distributions.tailed import Tailed
from sim.distributions.unbounded import Gamma, GeneralizedPareto, StudentT, Weibull

MOST_COMPONENTS = 100  # of a mixture
MOST_NESTED = 20  # mixtures within one another
_BISECTIONS = 64  # halve the doubles between any two to one


def find_family(name: Any) -> type[Distribution] | None:
    """The class of a family by its name in files, if any."""
    if not isinstance(name, str):
        return None
    return Scipy if name.startswith(PREFIX) else FAMILIES.get(name)


def find_class(
    entry: Mapping[str, Any], shared_spread: bool = False, fiscal: bool = False
) -> type[Distribution] | None:
    """The class of the distribution that an entry of a file gives.

    Args:
        entry: The table of a quantity, or of a component of a mixture.
        shared_spread: Whether a median alone is enough, as a scalar of the model gives the spread.
        fiscal: Whether fiscal years may stand for the median.

    Returns:
        The class by `family`, by a fixed `value`, by fiscal years or by a shared spread; None where
        the family is missing or unknown.
    """
    if "family" in entry:
        return find_family(entry["family"])
    if "value" in entry:
        return Fixed
    if fiscal and FISCAL_KEYS & set(entry):
        return FiscalYears
    return SharedSpread if shared_spread else None


def _read_component(entry: Any, info: ValidationInfo) -> Distribution:
    """A component of a mixture, from a table or a number.

    Raises:
        ValidationError: With everything that is wrong with it.
    """
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, int | float) and not isinstance(entry, bool):
        entry = {"value": entry}
    if not isinstance(entry, dict):
        raise validation_error(("dict_type", "", entry))
    family = find_class(entry)
    if family is None:
        kind = "literal_error" if "family" in entry else "missing"
        raise validation_error((kind, "family", entry.get("family")))
    return family.model_validate(entry, context=info.context)


class Mixture(Tailed):
    """Each of `components` with the probability of its share of the `weights`."""

    family: Literal["mixture"]
    components: tuple[Annotated[Distribution, BeforeValidator(_read_component)], ...] = Field(
        min_length=1, max_length=MOST_COMPONENTS
    )
    weights: tuple[NonNegative, ...] = Field(max_length=MOST_COMPONENTS)

    @model_validator(mode="before")
    @classmethod
    def _check_nesting(cls, entry: Any) -> Any:
        """Refuse mixtures too far within one another before any of them is read."""
        level = [entry]
        for _ in range(MOST_NESTED + 1):
            tables = {id(x): x for x in level if isinstance(x, dict)}
            lists = (x.get("components") for x in tables.values())
            level = [x for parts in lists if isinstance(parts, list | tuple) for x in parts]
        if level:
            raise ValueError(f"mixtures are nested too deeply (at most {MOST_NESTED} levels)")
        return entry

    @model_validator(mode="after")
    def _check_weights(self) -> Mixture:
        check_weights(self.weights, len(self.components), "components")
        return self

    def as_entry(self) -> dict[str, Any]:
        ends = {"min": self.min, "max": self.max}
        return {
            "family": self.family,
            "components": [component.as_entry() for component in self.components],
            "weights": list(self.weights),
            **{key: end for key, end in ends.items() if end is not None},
        }

    @cached_property
    def _weighted(self) -> list[tuple[float, Distribution]]:
        """Log-probability and distribution of every component that has a weight."""
        pairs = zip(self.weights, self.components, strict=True)
        return [
            (math.log(weight / sum(self.weights)), component)
            for weight, component in pairs
            if weight > 0
        ]

    @property
    def moment_order_uncut(self) -> float:
        return min(component.moment_order for _, component in self._weighted)

    @cached_property
    def uncut_point_masses(self) -> Array:
        return np.unique(np.concatenate([part.point_masses for _, part in self._weighted]))

    def standard(self) -> tuple[Distribution, float, float]:
        """Where all values have probabilities of their own, the discrete distribution of them."""
        discrete = self._discrete
        return (self if discrete is None else discrete), 0.0, 1.0

    @cached_property
    def _discrete(self) -> Discrete | None:
        """The same distribution as `Discrete`; None if a part of it is continuous."""
        totals: dict[float, list[float]] = {}
        for log, part in self._weighted:
            atoms = part.standard()[0]
            if isinstance(atoms, Fixed):
                pairs = [(atoms.value, 1.0)]
            elif isinstance(atoms, Steps):
                pairs = list(zip(*(x.tolist() for x in atoms.atoms), strict=True))
            else:
                return None
            for value, weight in pairs:
                totals.setdefault(value, []).append(math.exp(log) * weight)
        low, high = self.support
        inside = {x: math.fsum(parts) for x, parts in totals.items() if low <= x <= high}
        return Discrete(family="discrete", values=tuple(inside), weights=tuple(inside.values()))

    def log_cdf(self, x: Array) -> Array:
        return self._log_sum(x, 0)

    def log_sf(self, x: Array) -> Array:
        return self._log_sum(x, 1)

    def _log_sum(self, x: Array, side: int) -> Array:
        """The log of the probability up to values (`side` 0) or above (1)."""
        return np.logaddexp.reduce(
            [log + part.log_probability_at(x, side) for log, part in self._weighted]
        )

    def log_tails(self, x: Array) -> tuple[Array, Array]:
        # A part that is cut needs both sides for either: asked for both at once, nested mixtures
        # take a time that is linear in their depth.
        logs = [(log, *part.log_probabilities_at(x)) for log, part in self._weighted]
        return (
            np.logaddexp.reduce([log + up_to for log, up_to, _ in logs]),
            np.logaddexp.reduce([log + over for log, _, over in logs]),
        )

    def _log_around(self, x: float) -> tuple[Array, Array]:
        return self.log_tails(np.asarray(np.nextafter(x, -np.inf)))

    def bracket(self, z: Array) -> tuple[Array, Array]:
        if self._is_cut:
            log_p, log_q = (np.minimum(log, LOG_HALF) for log in self._uncut_tails(z))
            z = np.where(log_p <= log_q, special.ndtri_exp(log_p), -special.ndtri_exp(log_q))
        lows, highs = zip(*(part.bracket(z) for _, part in self._weighted), strict=True)
        return np.clip(np.min(lows, axis=0), *self.support), np.clip(
            np.max(highs, axis=0), *self.support
        )

    def lower(self, log_p: Array) -> Array:
        z = special.ndtri_exp(log_p)
        return self._bisect(z, lambda x: self.log_cdf(x) >= log_p)

    def upper(self, log_q: Array) -> Array:
        z = -special.ndtri_exp(log_q)
        return self._bisect(z, lambda x: self.log_sf(x) <= log_q)

    def _bisect(self, z: Array, is_reached: Callable[[Array], NDArray[np.bool_]]) -> Array:
        """The least value, at each score without a cut, that reaches a probability.

        It lies between the values of the components at the score.
        """
        lows, highs = zip(*(part.bracket(z) for _, part in self._weighted), strict=True)
        low, high = _to_integer(np.min(lows, axis=0)) - 1, _to_integer(np.max(highs, axis=0))
        for _ in range(_BISECTIONS):
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            reached = is_reached(_to_double(middle))
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return _to_double(high)


def _to_integer(x: Array) -> NDArray[np.int64]:
    """Integers in the order of doubles: neighbours for neighbours."""
    bits = (x + 0.0).view(np.int64)  # -0 is 0
    return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)


def _to_double(integers: NDArray[np.int64]) -> Array:
    """The inverse of `_to_integer`."""
    return np.where(integers < 0, np.iinfo(np.int64).min - integers, integers).view(np.float64)


FAMILIES: dict[str, type[Distribution]] = {
    "normal": Normal,
    "lognormal": Lognormal,
    "logit_normal": LogitNormal,
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "triangular": Triangular,
    "pert": Pert,
    "beta": Beta,
    "gamma": Gamma,
    "weibull": Weibull,
    "student_t": StudentT,
    "generalized_pareto": GeneralizedPareto,
    "metalog": Metalog,
    "discrete": Discrete,
    "bernoulli": Bernoulli,
    "empirical": Empirical,
    "mixture": Mixture,
}
