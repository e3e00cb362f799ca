"""The laws that a parameter file may give to a quantity: families by the words that files use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.distributions.base import Distribution
from sim.distributions.bounded import Beta, LogUniform, Pert, Triangular, Uniform
from sim.distributions.discrete import Bernoulli, Discrete, Empirical, Fixed
from sim.distributions.elicitation import QUANTILE_KEY
from sim.distributions.from_scipy import Scipy
from sim.distributions.landlord_capex import (
    FISCAL_KEYS,
    FISCAL_YEAR_END,
    FiscalYears,
    SharedSpread,
    calendar_year,
)
from sim.distributions.metalog import Metalog
from sim.distributions.mixture import Mixture
from sim.distributions.normal import LogitNormal, Lognormal, Normal
from sim.distributions.unbounded import Gamma, GeneralizedPareto, StudentT, Weibull

__all__ = [
    "DISTRIBUTION_KEYS",
    "FAMILIES",
    "FISCAL_KEYS",
    "FISCAL_YEAR_END",
    "QUANTILE_KEY",
    "SCIPY",
    "Distribution",
    "FiscalYears",
    "Fixed",
    "LogitNormal",
    "Lognormal",
    "Mixture",
    "Normal",
    "Scipy",
    "SharedSpread",
    "calendar_year",
    "family_of",
    "is_distribution_key",
    "read_distribution",
    "replaced",
]

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
SCIPY = "scipy."

# Keys that describe a law, beside `p1` to `p99` and what laws of scipy call their parameters.
DISTRIBUTIONS: tuple[type[Distribution], ...] = (
    Fixed,
    SharedSpread,
    FiscalYears,
    *FAMILIES.values(),
)
DISTRIBUTION_KEYS = frozenset({"family", "mean", "sd", "quantiles"}).union(
    *(distribution.keys({}) for distribution in DISTRIBUTIONS)
)


def family_of(name: Any) -> type[Distribution] | None:
    """The class of a family by the word that files use; None if there is none."""
    if not isinstance(name, str):
        return None
    return Scipy if name.startswith(SCIPY) else FAMILIES.get(name)


def read_distribution(
    entry: Mapping[str, Any], shared_spread: bool = False, fiscal: bool = False
) -> type[Distribution] | None:
    """The class of law that an entry gives: by `family`, a fixed `value`, or a shared spread.

    `fiscal` says that fiscal years may stand for the median. None where the family is missing or
    unknown.
    """
    if "family" in entry:
        return family_of(entry["family"])
    if "value" in entry:
        return Fixed
    if fiscal and FISCAL_KEYS & set(entry):
        return FiscalYears
    return SharedSpread if shared_spread else None


def is_distribution_key(name: str, entry: Mapping[str, Any]) -> bool:
    """Whether a key of a quantity's table describes its law rather than where that comes from."""
    if name in DISTRIBUTION_KEYS or QUANTILE_KEY.match(name):
        return True
    return family_of(entry.get("family")) is Scipy and name in Scipy.keys(entry)


def replaced(table: Mapping[str, Any], below: Mapping[str, Any], fiscal: bool) -> set[str]:
    """The keys of the law below that go with what an overlay says of the same quantity.

    A `family` or `value` replaces the whole law. Of parameters, quantiles, and mean and sd, which
    stand for one another, the form that is said replaces the others. `fiscal` says that fiscal
    years may stand for the median.
    """
    if "family" in table or "value" in table:
        return set(below)
    if fiscal:
        by_years = bool(FISCAL_KEYS & set(below))
        if ("median" in table and by_years) or (FISCAL_KEYS & set(table) and not by_years):
            return set(below)
    family = family_of(below.get("family"))
    if family is None:
        return set()
    said = {form for key in table if (form := _form(key, family))}
    return {key for key in below if said and (_form(key, family) or next(iter(said))) not in said}


def _form(key: str, family: type[Distribution]) -> str:
    """Which of the forms that stand for one another a key belongs to; "" if to none of them."""
    if QUANTILE_KEY.match(key):
        return "a quantile"
    if key == "quantiles":
        return "quantiles"
    if key in ("file", "column"):
        return "a file"
    if key in ("mean", "sd") and key not in family.model_fields:
        return "moments"
    is_free = key in family.by_quantiles or key in family.by_moments
    return "parameters" if is_free or (family is Empirical and key == "values") else ""
