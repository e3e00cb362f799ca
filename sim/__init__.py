"""Monte Carlo simulation of AI-lab token economics, from the substation to the token.

    scenario = sim.load("params/base.toml")
    ds = sim.simulate(scenario, draws=10_000, seed=1)

`ds` is a plain `xarray.Dataset`. Names are loaded when they are first used, so that
`import sim` is quick.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as that of `typing`, whose import would come before all of a command
if TYPE_CHECKING:
    from typing import Any

    __version__: str
    from sim import plots as plots
    from sim.common.errors import InputError as InputError
    from sim.common.errors import RunError as RunError
    from sim.parameters.loading import load as load
    from sim.parameters.scenario import Scenario as Scenario
    from sim.simulation.many import simulate_many as simulate_many
    from sim.simulation.redraw import redraw as redraw
    from sim.simulation.sample import sample as sample
    from sim.simulation.simulate import simulate as simulate
    from sim.simulation.sweep import sweep as sweep
    from sim.simulation.until import simulate_until as simulate_until
    from sim.statistics.scenarios import of_scenario as of_scenario
    from sim.statistics.summary import summarise as summarise
    from sim.store.analyses import cite as cite
    from sim.store.analyses import compare as compare
    from sim.store.analyses import compare_all as compare_all
    from sim.store.analyses import sensitivity as sensitivity
    from sim.store.analyses import trace as trace
    from sim.store.condition import condition as condition
    from sim.store.discover import discover as discover
    from sim.store.reader import open_run as open_run
    from sim.store.solve import solve as solve
    from sim.store.voi import voi as voi
    from sim.tables.claims import claims as claims

_HOMES = {
    "claims": "sim.tables.claims",
    "cite": "sim.store.analyses",
    "compare": "sim.store.analyses",
    "compare_all": "sim.store.analyses",
    "condition": "sim.store.condition",
    "sensitivity": "sim.store.analyses",
    "trace": "sim.store.analyses",
    "discover": "sim.store.discover",
    "voi": "sim.store.voi",
    "load": "sim.parameters.loading",
    "open_run": "sim.store.reader",
    "of_scenario": "sim.statistics.scenarios",
    "redraw": "sim.simulation.redraw",
    "sample": "sim.simulation.sample",
    "simulate": "sim.simulation.simulate",
    "simulate_many": "sim.simulation.many",
    "simulate_until": "sim.simulation.until",
    "solve": "sim.store.solve",
    "summarise": "sim.statistics.summary",
    "sweep": "sim.simulation.sweep",
    "Scenario": "sim.parameters.scenario",
    "InputError": "sim.common.errors",
    "RunError": "sim.common.errors",
    "plots": "sim.plots",
}
__all__ = [
    "InputError",
    "RunError",
    "Scenario",
    "__version__",
    "cite",
    "claims",
    "compare",
    "compare_all",
    "condition",
    "discover",
    "load",
    "of_scenario",
    "open_run",
    "plots",
    "redraw",
    "sample",
    "sensitivity",
    "simulate",
    "simulate_many",
    "simulate_until",
    "solve",
    "summarise",
    "sweep",
    "trace",
    "voi",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("token-economics-sim")
    elif name in _HOMES:
        home = import_module(_HOMES[name])
        value = home if name == "plots" else getattr(home, name)
    else:
        raise AttributeError(f"module 'sim' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
