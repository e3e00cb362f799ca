"""The laws that a parameter file may give to a quantity, each a family with named parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Law(BaseModel):
    """What a file says about a quantity. `point` is its value without uncertainty."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @property
    def point(self) -> float:
        """The median (for a fixed quantity its value)."""
        raise NotImplementedError

    def stated(self) -> dict[str, float]:
        """The numbers that must lie in the quantity's domain, by key."""
        raise NotImplementedError


class Fixed(Law):
    """A quantity that is not uncertain."""

    value: float

    @property
    def point(self) -> float:
        return self.value

    def stated(self) -> dict[str, float]:
        return {"value": self.value}


class Normal(Law):
    """x = mean + sd z."""

    family: Literal["normal"]
    mean: float
    sd: NonNegative

    @property
    def point(self) -> float:
        return self.mean

    def stated(self) -> dict[str, float]:
        return {"mean": self.mean}


class Lognormal(Law):
    """x = median exp(sigma z); `sigma` is the standard deviation of log x."""

    family: Literal["lognormal"]
    median: Positive
    sigma: NonNegative

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"median": self.median}


class LogitNormal(Law):
    """x = min + (max - min) expit(logit((median - min)/(max - min)) + sigma z)."""

    family: Literal["logit_normal"]
    median: float
    sigma: NonNegative
    min: float
    max: float

    @model_validator(mode="after")
    def _ordered(self) -> LogitNormal:
        if not self.min < self.median < self.max:
            raise ValueError(
                f"expected min < median < max, got {self.min:g}, {self.median:g}, {self.max:g}"
            )
        return self

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"min": self.min, "median": self.median, "max": self.max}


class SharedSpread(Law):
    """A lognormal of which the file gives the median, and a scalar of the model the sigma."""

    median: Positive

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"median": self.median}


class FiscalYears(Law):
    """Capex of calendar 2026 from the fiscal years that share it; spread as `SharedSpread`.

    `fiscal_year_end` is the month in which the landlord's fiscal years end.
    """

    fy2026: Positive
    fy2027: Positive | None = None
    fiscal_year_end: Annotated[int, Field(ge=1, le=12)] = 12

    @model_validator(mode="after")
    def _complete(self) -> FiscalYears:
        if self.fy2027 is None and self.fiscal_year_end < 12:
            raise ValueError(
                f"missing fy2027: {12 - self.fiscal_year_end} months of calendar 2026 lie in it"
                f" (fiscal_year_end = {self.fiscal_year_end})"
            )
        if self.fy2027 is not None and self.fiscal_year_end == 12:
            raise ValueError(
                "fy2027 has no part in calendar 2026 where fiscal years end in December;"
                " does the landlord's file say its fiscal_year_end?"
            )
        return self

    @property
    def point(self) -> float:
        following = self.fy2026 if self.fy2027 is None else self.fy2027
        return calendar_year(self.fiscal_year_end, self.fy2026, following)

    def stated(self) -> dict[str, float]:
        given = {"fy2026": self.fy2026, "fy2027": self.fy2027}
        return {name: number for name, number in given.items() if number is not None}


def calendar_year(month: int, fiscal_year: float, following: float) -> float:
    """The calendar year's part of two fiscal years that end in a month of it (model.md 7)."""
    return month / 12 * fiscal_year + (1 - month / 12) * following


FAMILIES: dict[str, type[Law]] = {
    "normal": Normal,
    "lognormal": Lognormal,
    "logit_normal": LogitNormal,
}

LAWS: tuple[type[Law], ...] = (Fixed, SharedSpread, *FAMILIES.values())

FISCAL_KEYS = frozenset({"fy2026", "fy2027"})
# Keys that describe a law; all others describe where it comes from.
LAW_KEYS = frozenset({"family"}).union(FISCAL_KEYS, *(law.model_fields for law in LAWS))


def law_of(entry: dict[str, Any], shared_spread: bool, fiscal: bool = False) -> type[Law] | None:
    """The class of law that an entry gives: by `family`, a fixed `value`, or a shared spread.

    `fiscal` says that fiscal years may stand for the median. None where the family is missing or
    unknown.
    """
    if "family" in entry:
        return FAMILIES.get(entry["family"]) if isinstance(entry["family"], str) else None
    if "value" in entry:
        return Fixed
    if fiscal and FISCAL_KEYS & set(entry):
        return FiscalYears
    return SharedSpread if shared_spread else None


def replaces_law(table: dict[str, Any], below: dict[str, Any], fiscal: bool) -> bool:
    """Whether what an overlay says of a quantity replaces the whole law below it.

    `fiscal` says that fiscal years may stand for the median.
    """
    if "family" in table or "value" in table:
        return True
    if not fiscal:
        return False
    if "median" in table:
        return bool(FISCAL_KEYS & set(below))
    return bool(FISCAL_KEYS & set(table)) and not FISCAL_KEYS & set(below)
