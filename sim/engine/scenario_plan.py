"""A scenario as a row of numbers that every draw starts from, and what is sampled into it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sim.distributions import FiscalYears, Fixed, SharedSpread
from sim.engine.sampling_plan import STANDARD_NORMAL, SamplingPlan, factor_name
from sim.kernels.sampling import quantities
from sim.model.declarations import record
from sim.model.dims import FACTORS, QUARTERS, REFERENCE_QUARTER
from sim.model.inputs import SPREAD_FROM, Host
from sim.model.record_layout import Layout, Variable, as_record
from sim.parameters.scenario import Scenario


class Rows:
    """The row and hosts that every draw starts from, and the plan of what is sampled into it."""

    def __init__(self, scenario: Scenario, layout: Layout, uncertainty: float = 1.0) -> None:
        self.layout = layout
        self.row = np.zeros(layout.width)
        self.hosts = hosts(scenario)
        self.sampled: set[str] = set()
        self.columns: dict[str, int] = {}  # of quantities of files, by full name
        self.plan = SamplingPlan(uncertainty)
        for factor in FACTORS:
            self.plan.factor(factor_name(factor), scenario.factors.get(factor, math.nan))
        distributions = {
            name: quantity.distribution for name, quantity in scenario.quantities.items()
        }
        for correlation in scenario.correlations:
            self.plan.group(correlation, distributions)
        for variable in layout.inputs.values():
            group = variable.full_name.split(".")[0]
            parties = {"labs": scenario.labs, "landlords": scenario.landlords}.get(group)
            if group == "shocks":
                self._shocks(variable)
            elif variable.name == "lab_delay_quarters":
                self._lab_delays(scenario, variable)
            elif parties is None:
                self._input(scenario, variable, variable.full_name, int(variable.columns))
            else:
                for party, column in zip(parties, variable.columns, strict=True):
                    name = f"{group}.{party.id}.{variable.name}"
                    self._input(scenario, variable, name, int(column))

    def _column(self, full_name: str) -> int:
        return int(self.layout.inputs[full_name.split(".")[-1]].columns)

    def _input(self, scenario: Scenario, variable: Variable, name: str, column: int) -> None:
        dimension = self.plan.dimension()  # whether it is fixed or not
        self.columns[name] = column
        quantity = scenario.quantities.get(name)
        if quantity is None or isinstance(quantity.distribution, Fixed):
            self.row[column] = math.nan if quantity is None else quantity.distribution.point
            return
        distribution = quantity.distribution
        loads = [quantity.loads.get(factor, 0.0) for factor in FACTORS]
        if isinstance(distribution, SharedSpread | FiscalYears):
            self.plan.of_columns(
                name,
                column,
                quantities.LOGNORMAL,
                center=distribution.point,
                spread_column=self._column(".".join(SPREAD_FROM[variable.name])),
                loads=loads,
                dimension=dimension,
            )
        else:
            self.plan.add(name, column, distribution, loads, dimension)
        self.sampled.add(variable.name)

    def _lab_delays(self, scenario: Scenario, variable: Variable) -> None:
        """Lab delays: the draw's own median and spread, no loadings (model.md 9.2)."""
        for lab, column in zip(scenario.labs, variable.columns, strict=True):
            self.plan.of_columns(
                f"labs.{lab.id}.{variable.name}",
                int(column),
                quantities.LOGNORMAL,
                center_column=self._column("buildout.energisation_delay_quarters"),
                spread_column=self._column("buildout.energisation_delay_lab_sigma"),
            )
        self.sampled.add(variable.name)

    def _shocks(self, variable: Variable) -> None:
        """Innovations after the reference quarter, and the capital crunch (model.md 9.3)."""
        if variable.name == "capital_crunch":
            probability = self._column("buildout.capital_crunch_probability")
            self.plan.of_columns(
                "shocks.capital_crunch",
                int(variable.columns),
                quantities.BERNOULLI,
                center_column=probability,
            )
        else:
            for q in range(QUARTERS.index(REFERENCE_QUARTER) + 1, len(QUARTERS)):
                name = f"shocks.{variable.name}.{QUARTERS[q]}"
                self.plan.add(name, int(variable.columns[q]), STANDARD_NORMAL)
        self.sampled.add(variable.name)


def hosts(scenario: Scenario) -> NDArray[np.void]:
    """What each landlord is to each lab, as kernels read it [lab, landlord]."""
    made = np.zeros((len(scenario.labs), len(scenario.landlords)), as_record(record(Host)))
    for i, lab in enumerate(scenario.labs):
        for k, landlord in enumerate(scenario.landlords):
            host = scenario.hosts.get((lab.id, landlord.id))
            if host is not None:
                made[i, k] = (host.share_2026, host.share_2027, host.captive, host.rpo_share)
    return made
