"""Monte Carlo simulation of AI-lab token economics, from the substation to the token.

    scenario = sim.load("params/base.toml")
    ds = sim.simulate(scenario, draws=10_000, seed=1)

`ds` is a plain `xarray.Dataset`. Names are loaded when they are first used, so that
`import sim` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim import plots as plots
    from sim.batch import of_scenario as of_scenario
    from sim.batch import simulate_many as simulate_many
    from sim.files import InputError as InputError
    from sim.files import RunError as RunError
    from sim.params import load as load
    from sim.results import simulate as simulate
    from sim.sampling import sample as sample
    from sim.scenario import Scenario as Scenario
    from sim.statistics import summarise as summarise
    from sim.stored import open_run as open_run
    from sim.sweeps import sweep as sweep
    from sim.until import simulate_until as simulate_until

_HOMES = {
    "load": "sim.params",
    "open_run": "sim.stored",
    "of_scenario": "sim.batch",
    "sample": "sim.sampling",
    "simulate": "sim.results",
    "simulate_many": "sim.batch",
    "simulate_until": "sim.until",
    "summarise": "sim.statistics",
    "sweep": "sim.sweeps",
    "Scenario": "sim.scenario",
    "InputError": "sim.files",
    "RunError": "sim.files",
    "plots": "sim.plots",
}
__all__ = [
    "InputError",
    "RunError",
    "Scenario",
    "load",
    "of_scenario",
    "open_run",
    "plots",
    "sample",
    "simulate",
    "simulate_many",
    "simulate_until",
    "summarise",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute '{name}'")
    home = import_module(_HOMES[name])
    found = home if name == "plots" else getattr(home, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
