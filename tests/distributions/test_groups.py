"""Correlation groups from plain data, and their faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.distributions.groups import GroupError, read_group


def test_a_group_comes_back_from_its_entry() -> None:
    entry = {"inputs": ["v", "a", "u"], "kind": "copula", "copula": "t", "nu": 3,
            "pairs": [["u", "v", 0.25]]}  # fmt: skip
    group = read_group(entry)
    assert group.members == ("a", "u", "v")
    assert group.name == "a+u+v"
    assert group.matrix == ((1, 0, 0), (0, 1, 0.25), (0, 0.25, 1))
    assert read_group(group.as_entry()) == group


TWO: dict[str, Any] = {"inputs": ["a", "b"], "kind": "copula", "pairs": [["a", "b", 0.5]]}


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ({"inputs": "a"}, "inputs", "expected a list of inputs by full name, got 'a'"),
        ({"inputs": ["a"]}, "inputs", "expected at least two inputs"),
        ({"inputs": ["a", "b", "b"]}, "inputs", "b stands there twice"),
        ({"name": 3}, "name", "expected a name, got 3"),
        ({"kind": "speerman"}, "kind", "unknown kind 'speerman'; expected spearman, pearson or"),
        ({"kind": None}, "kind", "missing: expected spearman, pearson or copula"),
        ({"copula": "clayton"}, "copula", "unknown copula 'clayton'; known: gaussian, t"),
        ({"copula": "t"}, "nu", "missing: the degrees of freedom"),
        ({"copula": "t", "nu": 0.1}, "nu", "expected a number from 0.5 to 1e6, got 0.1"),
        ({"copula": "t", "nu": 3, "kind": "pearson"}, "kind", "pearson goes with the gaussian"),
        ({"nu": 3}, "nu", "only the t copula has degrees of freedom"),
        ({"matrix": [[1, 0], [0, 1]]}, "", "expected a matrix or pairs, got both"),
        ({"pears": []}, "pears", "unknown key; did you mean 'pairs'?"),
        ({"pairs": [["a", "c", 0.5]]}, "pairs", "'c' is not one of the inputs; known: a, b"),
        ({"pairs": [["a", "b"]]}, "pairs", "expected two inputs and a number, got ['a', 'b']"),
        ({"pairs": [["a", "b", 1.5]]}, "pairs", "expected a number from -1 to 1 for a, b, got 1.5"),
        ({"pairs": [["a", "a", 0.5]]}, "pairs", "a is paired with itself"),
        ({"pairs": [["a", "b", 0.5], ["b", "a", 0.5]]}, "pairs", "b, a is given twice"),
        ({"pairs": 0.5}, "pairs", 'expected pairs such as ["a", "b", 0.5], got 0.5'),
    ],
)  # fmt: skip
def test_a_group_with_a_fault_is_refused_with_its_key(
    change: dict[str, Any], key: str, message: str
) -> None:
    with pytest.raises(GroupError) as raised:
        read_group({**TWO, **change})
    assert key in [at for at, _ in raised.value.faults]
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 0.5]], "expected 2 rows of 2 numbers"),
        ([[1, 0.5], [0.4, 1]], "expected a symmetric matrix: a, b is 0.5 and 0.4"),
        ([[1, 0.5], [0.5 + 3e-12, 1]], "symmetric matrix: a, b is 0.5 and 0.500000000003"),
        ([[1 + 3e-12, 0.5], [0.5, 1]], "expected 1 for a with itself"),
        ([[1, 1 + 3e-12], [1 + 3e-12, 1]], "expected a number from -1 to 1 for a, b"),
        (
            pd.DataFrame(np.eye(2), list("ac"), list("ab")),
            "expected rows and columns named a, b, got",
        ),
        (
            pd.DataFrame(np.eye(2), list("ab"), list("aa")),
            "expected rows and columns named a, b, got",
        ),
        (pd.DataFrame(np.eye(3)), "expected 2 rows of 2 numbers"),
        (
            pd.DataFrame(np.eye(3), list("aab"), list("aab")),
            "expected rows and columns named a, b, got",
        ),
        (pd.Series([1.0, 0.5], list("ab")), "expected 2 rows of 2 numbers"),
        ([[2, 0.5], [0.5, 1]], "expected 1 for a with itself, got 2"),
        ([[1, 1.5], [1.5, 1]], "expected a number from -1 to 1 for a, b, got 1.5"),
        ([[1, "x"], [0.5, 1]], "expected a number for a, b, got 'x'"),
    ],
)
def test_a_matrix_with_a_fault_is_refused(matrix: Any, message: str) -> None:
    with pytest.raises(GroupError) as raised:
        read_group({"inputs": ["a", "b"], "kind": "copula", "matrix": matrix})
    assert message in str(raised.value)


def test_a_matrix_with_the_rounding_of_numpy_is_taken_without_it() -> None:
    matrix = [[1 - 9e-13, 0.5], [0.5 + 8e-13, 1 + 9e-13]]
    group = read_group({"inputs": ["a", "b"], "kind": "copula", "matrix": matrix})
    assert group.matrix[0][0] == group.matrix[1][1] == 1
    assert group.matrix[0][1] == group.matrix[1][0] == 0.5 + 4e-13
    ends = [[1, 1 + 9e-13], [1 + 9e-13, 1]]
    group = read_group({"inputs": ["a", "b"], "kind": "copula", "matrix": ends})
    assert group.matrix == ((1, 1), (1, 1))


FRAME = pd.DataFrame(
    [[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]], list("cab"), list("cab")
)  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "inputs"),
    [
        (FRAME, "abc"),
        (FRAME[["b", "c", "a"]], "abc"),
        (FRAME.reset_index(drop=True), "abc"),
        (FRAME.set_axis(range(3), axis="columns"), "bca"),
        (pd.DataFrame(FRAME.to_numpy()), "cab"),
    ],
    ids=["named", "mixed", "columns named", "rows named", "not named"],
)
def test_a_frame_is_read_by_its_names_or_in_the_order_of_the_inputs(
    frame: pd.DataFrame, inputs: str
) -> None:
    group = read_group({"inputs": list(inputs), "kind": "copula", "matrix": frame})
    assert group.members == ("a", "b", "c")
    assert group.matrix == ((1, 0.3, 0.1), (0.3, 1, 0.2), (0.1, 0.2, 1))
