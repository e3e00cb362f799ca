"""`sim selftest` finds what is wrong with an installation, and says so on one page."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Command
from typer.testing import CliRunner

from sim import selftest
from sim.cli.main import app
from sim.parameters.scenario import Scenario
from sim.selftest import check, closed_forms, known_answers, same_bits, speed, whole_model
from sim.simulation.sample import sample

BASE = str(ROOT / "params" / "base.toml")
LINES = 48


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time is spent on speed, memory and the model's bits."""
    monkeypatch.setattr(same_bits, "DRAWS", 5 * same_bits.TILE + 77)
    monkeypatch.setattr(speed, "REPEATS", 1)
    monkeypatch.setattr(speed, "SAMPLED", 2_000)
    monkeypatch.setattr(speed, "SIMULATED", 1_024)
    monkeypatch.setattr(whole_model, "MANY_DRAWS", 4 * whole_model.CHUNK)


def invoked(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["selftest", *arguments])
    return done.exit_code, done.output


@pytest.mark.usefixtures("small")
def test_a_sound_installation_passes_on_one_page() -> None:
    code, page = invoked(BASE)
    lines = page.splitlines()
    assert code == 0, page
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 80
    assert "FAILED" not in page
    check_draws = sum(line.endswith(" ok") for line in lines[:-1])
    assert check_draws > 30
    assert lines[-1].startswith(f"{check_draws} checks ok")


def test_without_a_parameter_file_the_model_is_not_drawn(command: Command) -> None:
    done = command("selftest")
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "The model was not checked: there is no params/base.toml here" in done.stdout
    assert "model, " not in done.stdout
    assert "Philox4x32-10" in done.stdout


def test_a_file_that_is_not_there_is_bad_input(command: Command) -> None:
    done: subprocess.CompletedProcess[str] = command("selftest", "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("module", "table", "at"), [(known_answers, "EXAMPLES", 0), (closed_forms, "DISTRIBUTIONS", 0)]
)
@pytest.mark.usefixtures("small")
def test_a_wrong_answer_is_told_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: Any, table: str, at: int
) -> None:
    monkeypatch.chdir(tmp_path)
    *rest, expected = getattr(module, table)[at]
    wrong = "9.875" if isinstance(expected, str) else 1.01 * expected
    monkeypatch.setattr(module, table, ((*rest, wrong), *getattr(module, table)[1:]))
    code, page = invoked()
    assert code == 1
    (told,) = [line for line in page.splitlines() if line.endswith("FAILED")]
    assert told.strip().startswith(rest[0])
    assert "1 of " in page.splitlines()[-1]
    assert "checks FAILED" in page.splitlines()[-1]


@pytest.mark.usefixtures("small")
def test_json_tells_the_same_to_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(known_answers, "PHILOX", ((known_answers.PHILOX[0][0], "0" * 8),))
    code, text = invoked("--json")
    document = json.loads(text)
    assert code == 1
    assert document["scenario"] is None
    assert document["failed"] == 1
    checks = {one["what"]: one for part in document["parts"] for one in part["checks"]}
    assert not checks["Philox4x32-10, Random123's vectors"]["ok"]
    distribution = checks["PERT, mean"]
    assert distribution["ok"]
    assert (
        abs(distribution["value"] - distribution["reference"])
        <= check.MAX_ERRORS * distribution["error"]
    )
    timed = checks[f"40 inputs, {speed.CORRELATED} correlated: sim, values/s"]
    assert timed["ok"] is None
    assert timed["ratio"] > 0


def test_draws_that_depend_on_the_order_of_inputs_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sobol' sequences do, and say so."""

    def by_place(inputs: Any, **options: Any) -> Any:
        return sample(inputs, **{**options, "sampler": "sobol"})

    monkeypatch.setattr(same_bits, "sample", by_place)
    checks = {one.name: one for one in same_bits.checks(None)}
    failed = [what for what, one in checks.items() if not one.ok]
    assert failed == ["inputs in another order", "inputs beside another input"]


def test_memory_that_grows_with_the_draws_is_found(
    monkeypatch: pytest.MonkeyPatch, base: Scenario
) -> None:
    monkeypatch.setattr(whole_model, "_peak_memory", lambda scenario: (100 << 20, 200 << 20))
    *sums, memory = whole_model.checks(base)
    assert all(one.ok for one in sums)
    assert not memory.ok
    assert memory.result == "200 MiB"


def test_a_part_that_cannot_be_done_has_failed() -> None:
    def part() -> Any:
        yield check.at_most("first", 0.0, 0.0)
        raise OSError("no such instruction")

    first, second = selftest.run_part(part)
    assert first.ok
    assert not second.ok
    assert second.result == "OSError: no such instruction"


def test_no_check_passes_for_want_of_a_number() -> None:
    nan = math.nan
    assert not check.printed("", nan, "1.0").ok
    assert not check.within_error("", nan, 1.0, 1.0).ok
    assert not check.within_error("", 1.0, nan, 1.0).ok
    assert not check.at_most("", nan, 1.0).ok
    assert not check.same("", [np.zeros(2)], [np.zeros(3)]).ok
    assert check.same("", [np.zeros(2)], [np.zeros(2)]).ok
