"""All families by the words that files use, and a law from plain data.

The sampler knows three of them so far (those of `sim.distributions`); it is to draw all of these by
their tables.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sim.distributions.compound import (
    Bernoulli,
    Discrete,
    Empirical,
    Fixed,
    Metalog,
    Mixture,
    Scipy,
)
from sim.distributions.families import (
    Beta,
    Gamma,
    GeneralizedPareto,
    LogitNormal,
    Lognormal,
    LogUniform,
    Normal,
    Pert,
    StudentT,
    Triangular,
    Uniform,
    Weibull,
)
from sim.distributions.law import Law
from sim.fields import nearest

FAMILIES: dict[str, type[Law]] = {
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


def family_of(name: Any) -> type[Law] | None:
    """The class of a family by the word that files use; None if there is none."""
    if not isinstance(name, str):
        return None
    return Scipy if name.startswith(SCIPY) else FAMILIES.get(name)


def law_from(entry: Any, name: str, beside: dict[str, Any] | None = None) -> Law:
    """The law that an entry of plain data gives, as in a file: a table, or a number.

    Raises:
        ValueError: With `name`, and what is wrong with it.
    """
    if isinstance(entry, Law):
        return entry
    if isinstance(entry, int | float) and not isinstance(entry, bool):
        entry = {"value": float(entry)}
    if not isinstance(entry, dict):
        raise ValueError(f"{name}: expected a table with a family or a value, got {entry!r}")
    family = family_of(entry["family"]) if "family" in entry else None
    if "family" not in entry and "value" in entry:
        family = Fixed
    if family is None:
        if "family" not in entry:
            raise ValueError(f"{name}: missing family or value")
        known = [*FAMILIES, "scipy.<name>"]
        raise ValueError(
            f"{name}: unknown family '{entry['family']}'{nearest(str(entry['family']), known)}"
        )
    if beside and "beside" in beside and family in (Empirical, Mixture):
        entry = {**entry, "beside": beside["beside"]}
    try:
        return family.model_validate(entry)
    except ValidationError as error:
        said = []
        for detail in error.errors():
            key = ".".join(str(part) for part in detail["loc"])
            what = detail["msg"].removeprefix("Value error, ")
            said.append(f"{name}: {key}: {what}" if key else f"{name}: {what}")
        raise ValueError("; ".join(said)) from None
