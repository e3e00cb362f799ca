"""`sim voi`: what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored_runs import Sim, StoredRun

import sim

PAYS = "build=(inference_gross_margin@2026Q4 - 0.65) * revenue_per_mtok_paid@2026Q4"


def test_the_value_that_is_printed_is_that_of_the_function(run_sim: Sim, stored: StoredRun) -> None:
    name, _, text = PAYS.partition("=")
    code, out, _ = run_sim("voi", "base", "--payoff", PAYS, "--json")
    assert code == 0
    document = json.loads(out)
    found = sim.voi(stored.ds, {name: text})
    assert (document["version"], document["unit"]) == (1, "USD/Mtok")
    cells = {
        (table["name"], cell["row"], cell["column"]): cell
        for table in document["tables"]
        for cell in table["cells"]
    }
    evpi = cells["voi_choices", "perfect information is worth", "mean payoff (USD/Mtok)"]
    assert (evpi["value"], evpi["error"]) == (float(found.evpi), float(found.evpi_error))
    of = found.sel(input="accelerator.throughput_multiplier")
    cell = cells["voi", "throughput_multiplier", "worth (USD/Mtok)"]
    assert (cell["value"], cell["error"]) == (float(of.evppi), float(of.evppi_error))


def test_what_is_printed_fits_a_terminal_and_a_picture_is_written(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    asked = ("--study", "pue +- 0.02", "--group", "xAI=labs.xai", "--to", "worth.svg")
    code, out, _ = run_sim("voi", "base", *asked)
    assert code == 0
    assert out.endswith("worth.svg\n")
    assert Path("worth.svg").read_text().startswith("<?xml")
    assert max(map(len, out.splitlines())) <= 80
    for title in ("What is chosen", "by input", "by source", "together", "a measurement is worth"):
        assert title in out


def test_all_faults_are_said_before_a_draw_is_made(run_sim: Sim) -> None:
    code, out, errors = run_sim(
        "voi", "base", "--payoff", "a=gww", "--payoff", "b=gw[OpenAI]@2027Q4 > 1", "--odds", "2",
        "--study", "pue", "--group", "x=labs.xia", "--to", "a.png",
    )  # fmt: skip
    assert (code, out) == (2, "")
    for sign in ("--payoff: a=gww", "--payoff: b=", "--odds", "--study: pue", "--group: x: no"):
        assert sign in errors
    assert not Path("a.png").exists()


@pytest.mark.parametrize(
    ("options", "sign"),
    [
        (("--payoff", "pue"), "--payoff: pue: expected NAME=VALUE"),
        (("--payoff", "a=pue", "--payoff", "a=pue"), "--payoff: a: is given twice"),
        (("--payoff", "a=pue", "--payoff", "b=gw[xai]@2027Q4"), "payoffs have equal units"),
        (("--group", "labs.xai"), "--group: labs.xai: expected NAME=KEY"),
        (("--json", "--csv"), "--csv: cannot stand beside --json"),
    ],
)
def test_what_cannot_be_asked_is_refused(run_sim: Sim, options: tuple[str, ...], sign: str) -> None:
    code, out, errors = run_sim("voi", "base", *options)
    assert (code, out) == (2, "")
    assert sign in errors


def test_a_dataset_is_drawn_already(stored: StoredRun) -> None:
    with pytest.raises(sim.InputError, match="drawn already"):
        sim.voi(stored.ds, draws=64)


@pytest.mark.parametrize("command", ["voi", "sensitivity", "export"])
def test_help_shows_the_labels_of_examples(run_sim: Sim, command: str) -> None:
    """Help is markup: brackets that are not escaped are dropped."""
    out = " ".join(run_sim(command, "--help")[1].replace("│", " ").split())
    assert "gw[openai]@2027Q4" in out
