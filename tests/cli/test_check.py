"""`sim check`: a summary of parameter files."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, Command

import sim

BASE = str(ROOT / "params" / "base.toml")


def test_check_counts_labs_and_landlords_of_a_file(invoke: Command) -> None:
    done = invoke("check", BASE)
    assert done.returncode == 0
    assert "8 labs, 9 landlords" in done.stdout


def test_check_wraps_overrides_at_80_columns(invoke: Command) -> None:
    done = invoke("check", str(ROOT / "params" / "scenarios" / "bear.toml"))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(done.stdout.split())
    assert "utilisation.duty_cycle_online_inference.median: 0.38 -> 0.29" in text


def test_check_counts_what_a_file_has(invoke: Command) -> None:
    scenario = sim.load(BASE)
    sources = [quantity.source for quantity in scenario.quantities.values()]
    line = (
        f"base: no faults in {len(sources)} quantities ({sources.count('judgement')} by judgement),"
        f" {len(scenario.labs)} labs, {len(scenario.landlords)} landlords,"
        f" {len(scenario.sources_used())} sources"
    )
    assert 0 < sources.count("judgement") != len(sources) / 2
    assert line in " ".join(invoke("check", BASE).stdout.split())


def test_check_and_run_refuse_a_distribution_with_the_same_words(
    invoke: Command, params: Path
) -> None:
    file = params / "rough.toml"
    file.write_text(
        'format = 1\nextends = "base.toml"\n[hardware.server_cost_ratio]\n'
        'family = "beta"\na = 1e-3\nb = 8\nsource = "judgement"\nnote = "x"\n'
    )
    check, run = invoke("check", str(file)), invoke("run", str(file), "--draws", "1000")
    assert (check.returncode, run.returncode) == (2, 2)
    assert check.stderr == run.stderr
    assert f"{file}:6: hardware.server_cost_ratio: its quantile function is too rough" in " ".join(
        check.stderr.split()
    )


def test_check_counts_figures_inside_the_intervals_and_names_those_outside(
    invoke: Command, params: Path
) -> None:
    done = " ".join(invoke("check", BASE).stdout.split())
    assert "published figures lie inside the 90 % interval (A " in done
    assert "outside: gw_2026q4[meta] 7 (meta-compute-memo-2026, 2026, B)" in done
    (params / "published.toml").write_text("format = 1\n")
    assert "published figures" not in invoke("check", str(params / "base.toml")).stdout


def test_check_says_why_figures_are_not_counted(
    invoke: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sim.RunError("draws are not finite")

    monkeypatch.setattr("sim.engine.draws.draw_arrays", fail)
    done = invoke("check", BASE)
    assert done.returncode == 0
    reason = "note: published figures are not held against draws: draws are not finite"
    assert reason in " ".join(done.stdout.split())
