"""Pictures of densities in text, and numbers as people write them."""

from __future__ import annotations

import pytest

from sim.distributions import text_density
from sim.parameters.distribution_errors import read_named_distribution


def heights(text: str) -> list[int]:
    """Filled rows of each column of a picture."""
    rows = [line.ljust(text_density.COLUMNS) for line in text.split("\n")[: text_density.ROWS]]
    return [sum(c != " " for c in column) for column in zip(*rows, strict=True)]


def test_a_picture_shows_where_the_mass_is() -> None:
    rising = heights(
        text_density.draw_density(
            read_named_distribution({"family": "triangular", "min": 0, "mode": 1, "max": 1}, "x")
        )
    )
    assert rising == sorted(rising)
    assert rising[-1] == text_density.ROWS
    distribution = read_named_distribution(
        {"family": "discrete", "values": [0, 1, 4], "weights": [1, 2, 1]}, "x"
    )
    bars = heights(text_density.draw_density(distribution))
    assert [i for i, height in enumerate(bars) if height] == [0, 15, 59]
    assert (bars[0], bars[15], bars[59]) == (3, 6, 3)
    skewed = text_density.draw_density(
        read_named_distribution({"family": "lognormal", "median": 1, "sigma": 1.5}, "x")
    )
    assert "(log scale)" in skewed
    assert abs(heights(skewed).index(text_density.ROWS) - text_density.COLUMNS // 2) < 8
    assert (
        text_density.draw_density(
            read_named_distribution({"family": "lognormal", "median": 3, "sigma": 0}, "x")
        )
        == "always 3"
    )


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "0"), (1.25, "1.25"), (0.00012345, "0.0001234"), (32_000, "32,000"),
        (123_456, "123,500"), (1.86e11, "1.86e11"), (-2e-7, "-2e-7"), (999_999, "1,000,000"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(x: float, text: str) -> None:
    assert text_density.format_number(x) == text
