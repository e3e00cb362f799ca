"""Names that are gone, and what to use instead."""

from __future__ import annotations

import pytest
from conftest import Command
from parameter_files import Folder

import sim
from sim.expressions.names import CATALOGUE
from sim.model.catalogue import OUTPUTS, REMOVED, quantities
from sim.parameters.describe import find_full_names
from sim.parameters.scenario import Scenario
from sim.statistics import expressions

GONE = "it is gone: a promised speed is now always met; use latency_exponent"
SLACK = "accelerator.min_latency_slack"


def test_an_input_that_is_gone_says_what_to_use_instead(folder: Folder) -> None:
    fault = folder.fault(folder.overlay(f"[{SLACK}]\nvalue = 2\n"))
    assert fault[:3] == ("overlay.toml", 3, SLACK)
    assert GONE in fault.message
    assert GONE in folder.fault(set={f"{SLACK}.value": 2}).message


def test_a_sweep_of_an_input_that_is_gone_says_what_to_use_instead(
    folder: Folder, invoke: Command
) -> None:
    file = folder.overlay(f"[sweep]\n{SLACK}.value = [1, 2]\n")
    done = invoke("check", str(folder.root / file))
    assert done.returncode == 2
    assert GONE in " ".join(done.stderr.split())


def test_an_input_that_is_gone_is_refused_in_a_base_file(folder: Folder) -> None:
    file, line, _ = folder.change(
        "[accelerator.mfu_prefill]", f"[{SLACK}]\nvalue = 2\n[accelerator.mfu_prefill]"
    )
    (fault,) = [f for f in folder.faults() if f.key == SLACK]
    assert (fault.file, fault.line) == (file, line)
    assert GONE in fault.message


@pytest.mark.parametrize("name", REMOVED)
def test_a_name_that_is_gone_names_one_that_exists(name: str, base: Scenario) -> None:
    with pytest.raises(sim.InputError) as caught:
        find_full_names(base, [name])
    message = caught.value.faults[0].message
    assert f"it is gone: {REMOVED[name]}" in message
    assert name not in quantities()
    assert any(word in quantities() for word in REMOVED[name].replace(";", "").split())


@pytest.mark.parametrize("name", [name for name in REMOVED if name != "min_latency_slack"])
def test_an_output_that_is_gone_is_refused_wherever_outputs_are_named(
    name: str, base: Scenario
) -> None:
    with pytest.raises(ValueError, match="it is gone: "):
        sim.simulate(base, draws=32, keep=[name])
    with pytest.raises(sim.InputError, match="it is gone: "):
        expressions.check(expressions.parse(f"mean({name})"), CATALOGUE)
    assert name not in OUTPUTS
