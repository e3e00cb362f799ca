"""Capex of a calendar year from fiscal years (7.14)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.distributions.landlord_capex import calendar_year

MONTHS = st.integers(1, 12)
AMOUNTS = st.floats(0.01, 1e4)


def test_w18_oracle_at_one_rate_of_growth() -> None:
    assert round(calendar_year(5, 55.7, 92.5), 1) == 74.9
    assert round(5 / 12 * 55.7 + 7 / 12 * 92.5, 1) == 77.2  # straight shares


def test_w18_alibaba_at_one_rate_of_growth() -> None:
    """13.3: RMB 126.1 bn in the year to March 2026, and about 160 in the next."""
    assert round(calendar_year(3, 126.1, 160), 1) == 150.8
    assert round(calendar_year(3, 126.1, 160) / 6.9) == 22


@given(MONTHS, AMOUNTS, AMOUNTS)
def test_identity_44_lies_between_the_years_and_below_their_straight_shares(
    month: int, fiscal_year: float, following: float
) -> None:
    year, share = calendar_year(month, fiscal_year, following), month / 12
    slack = 1e-12 * max(fiscal_year, following)
    assert min(fiscal_year, following) - slack <= year <= max(fiscal_year, following) + slack
    assert year <= share * fiscal_year + (1 - share) * following + slack
    assert calendar_year(12, fiscal_year, following) == fiscal_year


@given(MONTHS, AMOUNTS, st.floats(0.1, 10).filter(lambda growth: abs(growth - 1) > 1e-3))
def test_spending_that_grows_at_one_rate_is_calendarised_exactly(
    month: int, pace: float, growth: float
) -> None:
    def spent_in_year_from(start: float) -> float:
        """The integral over a year of a pace that grows at one rate."""
        return pace * growth**start * (growth - 1) / math.log(growth)

    end = month / 12
    year = calendar_year(month, spent_in_year_from(end - 1), spent_in_year_from(end))
    assert year == pytest.approx(spent_in_year_from(0))
