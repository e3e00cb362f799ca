"""Warnings of `sim check` about what a scenario changes."""

from __future__ import annotations

import math

import pytest
from conftest import Command
from parameter_files import SHIPPED, Folder

import sim
from sim.parameters.changes import Move, find_moves, warnings
from sim.parameters.scenario import Scenario

SIZE, SPEED = "workload.active_params", "workload.user_speed_tokens_per_s"
PRICES = (
    "prices.price_input_usd_per_mtok",
    "prices.price_output_usd_per_mtok",
    "prices.price_fine_tune_usd_per_mtok",
)
SMALLER = f'[{SIZE}]\nmedian = 1.22e11\nsource = "judgement"\nnote = "{{}}"\n'


def moves_of(folder: Folder, body: str) -> dict[str, Move]:
    """The moves of an overlay of the base case, by input."""
    overlay = folder.load(folder.overlay(body))
    return {move.name: move for move in find_moves(overlay, folder.load())}


def test_a_moved_size_names_prices_and_speed_and_the_medians_they_would_take(
    folder: Folder, base: Scenario
) -> None:
    """The example of model.md 8: 200 -> 122 B, prices x .72, speed x 1.23, fine-tuning x .75."""
    move = moves_of(folder, SMALLER.format("Smaller"))[SIZE]
    assert (move.factor, round(move.delta, 1), move.explained) == ("tier", -1.4, False)
    assert move.delta == pytest.approx(math.log(0.61) / (0.4 * 0.9))
    assert set(move.partners) == {SPEED, *PRICES}
    ratios = {n: move.partners[n] / base.quantities[n].distribution.point for n in move.partners}
    assert [round(ratios[name], 2) for name in (*PRICES, SPEED)] == [0.72, 0.72, 0.75, 1.23]
    (line,) = warnings(folder.load("overlay.toml"))
    assert line.startswith(f"{SIZE} moves the factor tier by -1.37 sd; partners left alone: ")
    assert f"{PRICES[0]} 3 (would be 2.158)" in line
    assert line.endswith("move them, or say 'partners stay' and why in its note")


def test_partners_that_move_too_are_not_named(folder: Folder) -> None:
    body = SMALLER.format("Smaller") + "".join(
        f'[{name}]\nmedian = {median}\nsource = "judgement"\nnote = "Follows"\n'
        for name, median in zip((*PRICES, SPEED), (2.2, 11, 7, 55), strict=True)
    )
    assert moves_of(folder, body) == {}


def test_a_note_that_says_why_partners_stay_is_an_answer(folder: Folder) -> None:
    note = "Partners stay: not the mix, the machine"
    assert moves_of(folder, SMALLER.format(note))[SIZE].explained
    assert list(warnings(folder.load("overlay.toml"))) == []
    # That of the file below answers for its own number alone, and goes with it.
    folder.change(f"{SIZE}.note", f'note = "{note}"')
    bare = f"[{SIZE}]\nmedian = 1.22e11\n"
    assert not moves_of(folder, bare)[SIZE].explained


def test_the_move_is_that_of_the_distribution_of_the_file_that_is_extended(
    folder: Folder,
) -> None:
    """Of any family: the score of the new median, over the loading."""
    body = '[{}]\nmedian = {}\nsource = "judgement"\nnote = "n"\n'
    duty = "utilisation.duty_cycle_online_inference"
    move = moves_of(folder, body.format(duty, 0.29))[duty]
    shift = math.log(0.29 / 0.71) - math.log(0.38 / 0.62)
    assert move.delta == pytest.approx(shift / (0.3 * 0.6))
    capex = "landlords.oracle.capex_growth_2027"
    move = moves_of(folder, body.format(capex, 0.8))[capex]
    assert move.delta == pytest.approx(math.log(0.8 / 1.2) / (0.12 * 0.7))  # a shared spread


def test_inputs_that_load_weakly_or_on_their_own_factor_move_no_one(folder: Folder) -> None:
    weak = "hardware.it_economic_life_years"  # -.5 on technology
    own = "labs.openai.gw_2026q4"  # .5 on demand, .6 on its own
    changes = {f"{weak}.median": 3, f"{own}.median": 6}
    assert list(warnings(folder.load(set=changes))) == []


def test_a_change_beside_a_file_that_extends_another_counts_from_that_file(
    folder: Folder,
) -> None:
    file = folder.overlay(SMALLER.format("Smaller"))
    both = warnings(folder.load(file, set={"hardware.pue.median": 1.25}))
    assert [line.split()[0] for line in both] == [SIZE]
    second = folder.overlay("", "second.toml", file)
    assert list(warnings(folder.load(second))) == []  # it moves nothing itself


@pytest.mark.parametrize(
    ("key", "number", "line"),
    [
        (
            "labs.xai.gw_2026q4.median", 25,
            "labs.xai.gw_2026q4.median: 2 -> 25 is 12.5 times the number before",
        ),
        (
            "hardware.power_price_usd_per_kwh.sigma", 0.01,
            "hardware.power_price_usd_per_kwh.sigma: 0.2 -> 0.01 is 0.05 times the number before",
        ),
        (
            "labs.anthropic.host.amazon.equity_busd", 8000,
            "labs.anthropic.host.amazon.equity_busd: 8 -> 8000 is 1e+03 times the number before",
        ),
    ],
)  # fmt: skip
def test_a_number_far_from_the_one_before_is_named(
    folder: Folder, key: str, number: float, line: str
) -> None:
    assert list(warnings(folder.load(set={key: number}))) == [line]


def test_a_distribution_of_another_form_is_compared_by_its_median(folder: Folder) -> None:
    name = "hardware.site_opex_usd_per_kw_year"
    body = f'[{name}]\nfamily = "uniform"\nmin = 2\nmax = 10\nsource = "judgement"\nnote = "n"\n'
    (line,) = warnings(folder.load(folder.overlay(body)))
    assert line == f"the median of {name}: 80 -> 6 is 0.075 times the number before"


def test_ten_times_is_not_far_and_settings_are_not_inputs(folder: Folder) -> None:
    changes = {"labs.xai.gw_2026q4.median": 20, "run.draws": 10, "model.uncertainty": 0.01}
    assert list(warnings(folder.load(set=changes))) == []


@pytest.mark.parametrize("file", sorted((SHIPPED / "scenarios").glob("*.toml")), ids=str)
def test_shipped_scenarios_answer_for_what_they_move(file: object) -> None:
    assert list(warnings(sim.load(str(file)))) == []


def test_check_prints_the_warnings(invoke: Command, folder: Folder) -> None:
    done = invoke("check", str(folder.root / folder.overlay(SMALLER.format("Smaller"))))
    assert done.returncode == 0
    assert f"  warning: {SIZE} moves the factor tier by -1.37 sd;" in " ".join(
        done.stdout.split("\n")
    ).replace("      ", " ")
