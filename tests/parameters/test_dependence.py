"""The inputs on which outputs depend, against those that move them."""

from __future__ import annotations

import json

import pytest
from dependence import SETTINGS, find_dependence, find_dependence_between_labs, pairs

from sim.model.catalogue import OUTPUTS
from sim.parameters.dependence import DEPENDENCE, dependence, depends_on
from sim.parameters.reach import BETWEEN_LABS


def test_what_moves_an_output_is_what_it_depends_on() -> None:
    """In a few worlds near the base case no input moves an output that it should not."""
    worlds, others = next(pairs(draws=4, batches=1))
    for output, names in find_dependence(worlds, others).items():
        assert names <= set(dependence()[output]), output


@pytest.mark.long
def test_every_dependence_is_found_by_moving_inputs(request: pytest.FixtureRequest) -> None:
    """Exactly those that are shipped; `--update-golden` rewrites them."""
    found: dict[str, set[str]] = {name: set() for name in OUTPUTS}
    for i, (worlds, others) in enumerate(pairs(draws=32, batches=7)):
        settings = SETTINGS if i < 4 else (SETTINGS[0], SETTINGS[3])
        for output, names in find_dependence(worlds, others, settings).items():
            found[output] |= names
    if request.config.getoption("--update-golden"):
        texts = {output: " ".join(sorted(names)) for output, names in found.items()}
        DEPENDENCE.write_text(json.dumps(texts, indent=1) + "\n", encoding="utf-8")
    shipped = json.loads(DEPENDENCE.read_text(encoding="utf-8"))
    assert {output: set(text.split()) for output, text in shipped.items()} == found


def test_few_inputs_of_a_lab_move_another_lab() -> None:
    worlds, others = next(pairs(draws=4, batches=1))
    assert find_dependence_between_labs(worlds, others) <= BETWEEN_LABS


@pytest.mark.long
def test_every_input_that_moves_another_lab_is_found() -> None:
    """Exactly those that are named, in worlds of all kinds."""
    found = [find_dependence_between_labs(*both) for both in pairs(draws=32, batches=8)]
    assert set().union(*found) == BETWEEN_LABS


def test_an_output_depends_on_the_inputs_of_its_equation_alone() -> None:
    assert depends_on("price_index") == {
        "dynamics": ["token_price_decline", "token_price_volatility"],
        "shocks": ["eps_price"],
    }
    assert depends_on("training_share_below_zero") == {
        "training": ["fine_tune_share"],
        "labs.*": ["inference_share"],
    }


def test_how_a_price_is_split_between_chip_and_memory_moves_no_gigawatt() -> None:
    """It changes sums in their last bits, which is no dependence."""
    assert "hbm_value_share" not in dependence()["gw"]
    assert "hbm_value_share" in dependence()["accelerator_hour_cost"]


def test_what_is_sampled_depends_on_the_spread_that_files_give() -> None:
    assert {"capex_sigma", "capex_growth_sigma"} <= set(
        depends_on("landlord_capex_busd")["buildout"]
    )
    assert "energisation_delay_quarters" in depends_on("gw")["buildout"]
    assert depends_on("gw")["labs.*.host.*"] == ["share_2027"]


def test_a_flag_depends_on_what_its_output_depends_on() -> None:
    assert dependence()["demand_exceeds_capacity"] == dependence()["implied_duty"]
