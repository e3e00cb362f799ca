"""`sim selftest` finds faults of an installation and reports them on one page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import ROOT, Command

from sim import selftest
from sim.selftest import check, closed_forms, known_answers, same_bits, speed, whole_model

BASE = str(ROOT / "params" / "base.toml")
LINES = 48


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time is spent on speed, memory and the model's bits."""
    monkeypatch.setattr(same_bits, "DRAWS", 5 * same_bits.TILE + 77)
    monkeypatch.setattr(speed, "REPEATS", 1)
    monkeypatch.setattr(speed, "SAMPLED", 2_000)
    monkeypatch.setattr(speed, "SIMULATED", 1_024)
    monkeypatch.setattr(speed, "make_machine_code", lambda bitcode, machine: b"")
    monkeypatch.setattr(whole_model, "MANY_DRAWS", 4 * whole_model.CHUNK)


@pytest.mark.usefixtures("small")
def test_selftest_passes_on_one_page(invoke: Command) -> None:
    done = invoke("selftest", BASE)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 80
    assert "FAILED" not in done.stdout
    checks = sum(line.endswith(" ok") for line in lines[:-1])
    assert checks > 30
    assert lines[-1].startswith(f"{checks} checks ok")


@pytest.mark.usefixtures("small")
def test_selftest_without_a_parameter_file_skips_the_model(invoke: Command) -> None:
    done = invoke("selftest")
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "The model was not checked: there is no params/base.toml here" in done.stdout
    assert "model, " not in done.stdout
    assert "Philox4x32-10" in done.stdout


def test_selftest_refuses_a_missing_file(invoke: Command) -> None:
    done = invoke("selftest", "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("module", "table", "at"), [(known_answers, "EXAMPLES", 0), (closed_forms, "DISTRIBUTIONS", 0)]
)
@pytest.mark.usefixtures("small")
def test_a_wrong_answer_fails_selftest_and_is_printed(
    invoke: Command, monkeypatch: pytest.MonkeyPatch, module: Any, table: str, at: int
) -> None:
    *rest, expected = getattr(module, table)[at]
    wrong = "9.875" if isinstance(expected, str) else 1.01 * expected
    monkeypatch.setattr(module, table, ((*rest, wrong), *getattr(module, table)[1:]))
    done = invoke("selftest")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (failed,) = [line for line in lines if line.endswith("FAILED")]
    assert failed.strip().startswith(rest[0])
    assert "1 of " in lines[-1]
    assert "checks FAILED" in lines[-1]


@pytest.mark.usefixtures("small")
def test_selftest_json_holds_every_check(invoke: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_answers, "PHILOX", ((known_answers.PHILOX[0][0], "0" * 8),))
    done = invoke("selftest", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["scenario"] is None
    assert document["failed"] == 1
    checks = {c["what"]: c for part in document["parts"] for c in part["checks"]}
    assert not checks["Philox4x32-10, Random123's vectors"]["ok"]
    distribution = checks["PERT, mean"]
    assert distribution["ok"]
    assert (
        abs(distribution["value"] - distribution["reference"])
        <= check.MAX_ERRORS * distribution["error"]
    )
    timed = checks[f"40 inputs, {speed.CORRELATED} correlated, vs NumPy: values/s"]
    assert timed["ok"] is None
    assert timed["ratio"] > 0


def test_run_part_reports_an_error_as_a_failed_check() -> None:
    def part() -> Any:
        yield check.at_most("first", 0.0, 0.0)
        raise OSError("no such instruction")

    first, second = selftest.run_part(part)
    assert first.ok
    assert not second.ok
    assert second.result == "OSError: no such instruction"
