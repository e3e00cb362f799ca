"""Keys by which files give distributions, and which replace others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.distributions.base import Distribution
from sim.distributions.discrete import Empirical, Fixed
from sim.distributions.elicitation import QUANTILE_KEY
from sim.distributions.families import FAMILIES, find_family
from sim.distributions.from_scipy import Scipy
from sim.distributions.landlord_capex import FISCAL_KEYS, FiscalYears, SharedSpread

_CLASSES: list[type[Distribution]] = [Fixed, SharedSpread, FiscalYears, *FAMILIES.values()]

# Beside `p1` to `p99`, and what distributions of scipy call their parameters.
DISTRIBUTION_KEYS = frozenset({"family", "mean", "sd", "quantiles"}).union(
    *(distribution.keys({}) for distribution in _CLASSES)
)


def is_distribution_key(name: str, entry: Mapping[str, Any]) -> bool:
    """Whether a key of a quantity's table belongs to its distribution."""
    if name in DISTRIBUTION_KEYS or QUANTILE_KEY.match(name):
        return True
    return find_family(entry.get("family")) is Scipy and name in Scipy.keys(entry)


def find_replaced_keys(
    overlay: Mapping[str, Any], distribution: Mapping[str, Any], fiscal: bool
) -> set[str]:
    """The keys of a distribution that an overlay of its quantity replaces.

    A `family` or `value` replaces the whole distribution. Parameters, quantiles, and mean and sd
    stand for one another: the form that the overlay gives replaces the others.

    Args:
        overlay: The quantity's table in the overlay.
        distribution: The keys and values of the distribution below the overlay.
        fiscal: Whether fiscal years may stand for the median.

    Returns:
        Those keys of `distribution` that no longer hold.
    """
    if "family" in overlay or "value" in overlay:
        return set(distribution)
    if fiscal:
        by_years = bool(FISCAL_KEYS & set(distribution))
        if ("median" in overlay and by_years) or (FISCAL_KEYS & set(overlay) and not by_years):
            return set(distribution)
    family = find_family(distribution.get("family"))
    if family is None:
        return set()
    forms = {form for key in overlay if (form := _form(key, family))}
    if not forms:
        return set()
    return {key for key in distribution if (form := _form(key, family)) and form not in forms}


def _form(key: str, family: type[Distribution]) -> str:
    """The form, of those that replace one another, of a key.

    "" if it belongs to none of them.
    """
    if QUANTILE_KEY.match(key):
        return "a quantile"
    if key == "quantiles":
        return "quantiles"
    if key in ("file", "column"):
        return "a file"
    if key in ("mean", "sd") and key not in family.model_fields:
        return "moments"
    is_free = key in family.quantile_parameters or key in family.moment_parameters
    return "parameters" if is_free or (family is Empirical and key == "values") else ""
