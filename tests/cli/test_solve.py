"""`sim solve`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from stored_runs import Sim

import sim

BASE = str(ROOT / "params" / "base.toml")
TARGET = "P(inference_gross_margin@2026Q4 >= 0.7) = 0.9"
PRICE = "prices.price_output_usd_per_mtok"
ASKED = ("solve", BASE, "--vary", PRICE, "--target", TARGET, "--draws", "512")


def test_the_overlay_reaches_the_target(run_sim: Sim) -> None:
    code, out, errors = run_sim(*ASKED, "--to", "priced/dear.toml")
    assert (code, errors) == (0, "")
    assert out.endswith("priced/dear.toml\n")
    path = Path("priced/dear.toml")
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    entry = document["prices"]["price_output_usd_per_mtok"]
    assert entry["note"].startswith(f"solves {TARGET}: ")
    ds = sim.simulate(sim.load(path), draws=512, keep=["inference_gross_margin"])
    share = float((ds.inference_gross_margin.sel(quarter="2026Q4") >= 0.7).mean())
    assert share == pytest.approx(0.9, abs=2 / 512)
    assert run_sim(*ASKED, "--to", "priced/dear.toml")[0] == 2  # it is there


def test_the_overlay_of_an_input_given_by_quantiles_is_read_again(run_sim: Sim) -> None:
    rent = "landlords.oracle.rent_busd_per_gw_year"
    code, _, errors = run_sim(
        "solve", BASE, "--vary", rent, "--target", "p50(rent_received[oracle]@2026Q4) = 20",
        "--draws", "256", "--to", "rent.toml",
    )  # fmt: skip
    assert (code, errors) == (0, "")
    quantity = sim.load("rent.toml").quantities[rent].distribution.as_entry()
    before = sim.load(BASE).quantities[rent].distribution.as_entry()
    assert quantity["sigma"] == before["sigma"]
    assert quantity["median"] != before["median"]
    assert sorted(of.name for of in Path().glob("*.toml*")) == ["rent.toml"]


def test_the_number_has_its_error_and_is_checked_with_another_seed(run_sim: Sim) -> None:
    document = json.loads(run_sim(*ASKED, "--json")[1])
    (table,) = document["tables"]
    cells = {(cell["row"], cell["column"]): cell for cell in table["cells"]}
    number = cells["price_output_usd_per_mtok", "number"]
    assert number["error"] > 0
    assert 35 < number["value"] < 60
    again = cells["with another seed", "number"]
    assert again["value"] == pytest.approx(0.9, abs=4 * again["error"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--vary", PRICE), "--target: is needed"),
        (("--target", TARGET), "--vary: is needed"),
        (("--vary", PRICE, "--vary", "pue", "--target", TARGET), "2 keys for 1 targets"),
        (("--vary", "gw", "--target", TARGET), "--vary: gw: is no input"),
        (("--vary", PRICE, "--target", TARGET.replace("0.9", "90")), "fractions: 0.90"),
        (("--vary", "pue", "--target", TARGET), "no solution: P(inference_gross_margin"),
        (
            ("--vary", PRICE, "--target", TARGET, "--set", "hardware.pue.median=1.3",
             "--to", "mine.toml"),
            "--set: cannot stand beside an overlay",
        ),
        (
            ("--vary", PRICE, "--target", "p50(inference_gross_margin@2026Q4) = 0.7", "--curve"),
            "--curve: p50(inference_gross_margin@2026Q4) = 0.7: is no probability",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_solved_is_refused_and_nothing_is_written(
    run_sim: Sim, options: tuple[str, ...], message: str
) -> None:
    before = sorted(Path().rglob("*"))
    code, out, errors = run_sim("solve", BASE, *options, "--draws", "256")
    assert (code, out) == (2, "")
    assert message in errors.replace("\n", " ")
    assert sorted(Path().rglob("*")) == before


def test_a_stored_run_is_solved_and_has_no_overlay(run_sim: Sim) -> None:
    asked = ("solve", "base", *ASKED[2:])
    assert run_sim(*asked)[0] == 0
    code, _, errors = run_sim(*asked, "--to", "mine.toml")
    assert code == 2
    assert "an overlay extends a file" in errors
