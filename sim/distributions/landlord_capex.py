"""Landlords' capex: a median of the file, a spread of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from sim.distributions.base import Distribution, Positive

FISCAL_YEAR_END = "fiscal_year_end"  # a key of the landlord, not of its capex
FISCAL_KEYS = frozenset({"fy2026", "fy2027"})


class SharedSpread(Distribution):
    """A lognormal whose sigma is a scalar of the model."""

    median: Positive

    @property
    def point(self) -> float:
        return self.median

    def stated_values(self) -> dict[str, float]:
        return {"median": self.median}


class FiscalYears(Distribution):
    """Capex of calendar 2026 from the fiscal years that share it.

    Its sigma is a scalar of the model, as of `SharedSpread`.

    `fiscal_year_end` is the month in which the landlord's fiscal years end.
    """

    fy2026: Positive
    fy2027: Positive | None = None
    fiscal_year_end: Annotated[int, Field(ge=1, le=12)] = 12

    @model_validator(mode="after")
    def _check_years(self) -> FiscalYears:
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

    @classmethod
    def keys(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        return "fy2026", "fy2027"

    @property
    def point(self) -> float:
        following = self.fy2026 if self.fy2027 is None else self.fy2027
        return calendar_year(self.fiscal_year_end, self.fy2026, following)

    def stated_values(self) -> dict[str, float]:
        given = {"fy2026": self.fy2026, "fy2027": self.fy2027}
        return {name: number for name, number in given.items() if number is not None}

    def as_entry(self) -> dict[str, Any]:
        return dict(self.stated_values())


def calendar_year(month: int, fiscal_year: float, following: float) -> float:
    """The calendar year's amount, of two fiscal years (7.14).

    Spending grows at one rate through both. It then lies below their straight shares.

    Args:
        month: Month of the calendar year in which fiscal years end, 1 to 12.
        fiscal_year: Amount of the fiscal year that ends in it.
        following: Amount of the next fiscal year.
    """
    share = month / 12
    return float(fiscal_year**share * following ** (1 - share))
