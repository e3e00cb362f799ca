from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.common.errors import Fault, Location
from sim.parameters import sweep_axes
from sim.parameters.sweep_axes import Axis

KEY = "hardware.pue.median"
decimals = st.decimals(-10_000, 10_000, allow_nan=False, places=3).map(str)
words = st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(
    lambda word: word not in ("true", "false", "inf", "nan", "infinity")
)


def axis(given_values: Any) -> Axis:
    faults: list[Fault] = []
    read = sweep_axes.read_axis(KEY, given_values, Location("here"), faults)
    assert read is not None, faults
    return read


def fault(given_values: Any, key: str = KEY) -> str:
    faults: list[Fault] = []
    assert sweep_axes.read_axis(key, given_values, Location("here"), faults) is None
    (only,) = faults
    assert only.key == key
    return only.message


@given(decimals, decimals, st.integers(2, 60))
def test_evenly_spaced_values_are_the_floats_nearest_to_exact_decimals(
    first: str, last: str, count: int
) -> None:
    if float(first) == float(last):
        assert "two different ends" in fault(f"{first}:{last}:{count}")
        return
    values = axis(f"{first}:{last}:{count}").values
    assert len(values) == count
    assert (values[0], values[-1]) == (float(first), float(last))
    step = (Fraction(last) - Fraction(first)) / (count - 1)
    assert values == tuple(float(Fraction(first) + i * step) for i in range(count))


@given(st.lists(decimals, min_size=1, max_size=20, unique_by=float), st.booleans())
def test_numbers_are_a_list_or_a_text_with_commas(given_values: list[str], as_text: bool) -> None:
    read = axis(", ".join(given_values) if as_text else [float(text) for text in given_values])
    assert read.values == tuple(float(text) for text in given_values)
    assert read.numeric
    assert read.labels == list(read.values)


@given(st.lists(words, min_size=1, max_size=8, unique=True))
def test_words_stay_words(given_values: list[str]) -> None:
    for read in (axis(",".join(given_values)), axis(given_values)):
        assert read.values == tuple(given_values)
        assert not read.numeric


@given(st.text(max_size=30))
def test_any_text_is_an_axis_or_one_fault(text: str) -> None:
    faults: list[Fault] = []
    read = sweep_axes.read_axis(KEY, text, Location("here"), faults)
    assert (read is None) == (len(faults) == 1)
    if read is not None:
        assert len(set(read.values)) == len(read.values) > 0


def test_whole_numbers_stay_whole_where_all_are() -> None:
    assert [repr(value) for value in axis("1:5:3").values] == ["1", "3", "5"]
    assert [repr(value) for value in axis("1:2:3").values] == ["1.0", "1.5", "2.0"]
    assert [repr(value) for value in axis("0.3:0.8:11").values][:3] == ["0.3", "0.35", "0.4"]
    assert axis(np.array([1.5, 2.5])).values == (1.5, 2.5)
    assert axis([np.float64(0.5)]).values == (0.5,)


def test_flags_are_words_in_a_coordinate() -> None:
    read = axis("true,false")
    assert read.values == (True, False)
    assert read.labels == ["true", "false"]


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ("1:2", "expected values such as 0.3:0.8:11"),
        ("1:2:3:4", "expected values such as"),
        ("1:x:3", "expected a number, got 'x'"),
        ("1:inf:3", "expected finite numbers, got inf"),
        ("1:2:1", "expected how many values, from 2 to 2,500, got '1'"),
        ("1:2:2.5", "expected how many values"),
        ("1:2:9999", "expected how many values"),
        ("1:1.0:3", "expected two different ends"),
        ("1,,2", "expected values such as"),
        ("", "expected values such as"),
        ([], "expected values such as"),
        ("1,x", "expected numbers or words, not both"),
        ("1,2,1.0", "1.0 is there twice"),
        ("a,a", "'a' is there twice"),
        ([[1, 2]], "expected a number or a word, got [1, 2]"),
        ({"a": 1}, "expected a number or a word, got {'a': 1}"),
        (None, "expected a number or a word, got None"),
        ([float("nan")], "expected finite numbers, got nan"),
        ("1:2:²", "expected a number, got '²'"),
        (f"1:1{'0' * 400}:3", "expected finite numbers, got 1000"),
        (f"1,1{'0' * 400}", "expected finite numbers, got 1000"),
        (f"1:2:{'1' * 5000}", "expected finite numbers, got inf"),
        (f"1:{'1' * 5000}:3", "expected finite numbers, got inf"),
        ([10**400], "expected finite numbers, got 1000"),
        (range(10**9), "expected at most 2,500 values"),
        (itertools.count(), "expected at most 2,500 values"),
    ],
)
def test_values_with_a_fault_are_refused(given_values: Any, message: str) -> None:
    assert message in fault(given_values)


@pytest.mark.parametrize("key", ["run.draws", "extends", "sweep.hardware.pue.median"])
def test_a_key_that_is_no_parameter_cannot_be_swept(key: str) -> None:
    assert "cannot be swept" in fault("1,2", key)


@pytest.mark.parametrize(
    "key",
    [
        "labs.openai.name", "labs.openai.order", "hardware.pue.note", "hardware.pue.source",
        "hardware.pue.unit", "hardware.pue.as_of",
    ],
)  # fmt: skip
def test_a_key_that_changes_no_number_cannot_be_swept(key: str) -> None:
    assert "changes no number of the model" in fault("=1,@b", key)


def test_axes_have_different_keys_and_a_bounded_number_of_points() -> None:
    faults: list[Fault] = []
    sweep_axes.of_texts([f"{KEY}=1,2", f"{KEY}=3", "hardware.pue=", "x", "a..b=1"], faults)
    assert [fault.message for fault in faults] == [
        "expected group.name.key=values",
        "expected group.name.key=values",
        "is swept twice",
        "expected a key such as hardware.pue.median",
    ]
    faults = []
    sweep_axes.of_mapping({"a.b": "1:2:100", "a.c": "1:2:100"}, faults)
    assert [fault.message for fault in faults] == [
        "10,000 points are too many: a sweep has 2,500 at most"
    ]
