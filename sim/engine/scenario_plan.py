"""A scenario as the template of a draw and a plan of sampling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sim.distributions.discrete import Fixed
from sim.distributions.landlord_capex import FiscalYears, SharedSpread
from sim.engine.sampling_plan import (
    STANDARD_NORMAL,
    SamplingPlan,
    factor_name,
    own_factor_name,
)
from sim.kernels.formulas.records import Contract, Contracts, Span
from sim.kernels.sampling import quantities
from sim.model.declarations import record
from sim.model.dims import FACTORS, LOADINGS, OWN_FACTOR, QUARTERS, REFERENCE_QUARTER
from sim.model.inputs import HOST_MATRICES, SPREAD_FROM, Host
from sim.model.record_layout import RecordLayout, Variable, as_record
from sim.parameters.scenario import Scenario


class ScenarioPlan:
    """The template of a draw, and the plan of its sampled inputs.

    `template` [column] holds the fixed inputs, and the default of an optional one that a file
    leaves out. `sampled` are the names of the variables that `sampling` writes. `columns` maps the
    full name of an input of the files to its column, `hosts` are records [lab, landlord].
    """

    def __init__(self, scenario: Scenario, layout: RecordLayout, uncertainty: float = 1.0) -> None:
        self.layout = layout
        self.hosts = hosts(scenario)
        self.template = np.zeros(layout.width)
        self.sampled: set[str] = set()
        self.columns: dict[str, int] = {}
        self.sampling = SamplingPlan(uncertainty)
        for factor in FACTORS:
            self.sampling.factor(factor_name(factor), scenario.factors.get(factor, math.nan))
        distributions = {
            name: quantity.distribution for name, quantity in scenario.quantities.items()
        }
        for correlation in scenario.correlations:
            self.sampling.group(correlation, distributions)
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
        """The column of a scalar input, by its full name."""
        return int(self.layout.inputs[full_name.split(".")[-1]].columns)

    def _input(self, scenario: Scenario, variable: Variable, name: str, column: int) -> None:
        """Write a fixed input to the template, or plan its sampling.

        `name` is the full name of the input with its lab or landlord. Every input has a dimension
        of Sobol' sequences, so that one which becomes fixed moves no other.
        """
        dimension = self.sampling.dimension()
        self.columns[name] = column
        quantity = scenario.quantities.get(name)
        if quantity is None or isinstance(quantity.distribution, Fixed):
            missing = variable.default
            self.template[column] = missing if quantity is None else quantity.distribution.point
            return
        distribution = quantity.distribution
        loads = [quantity.loads.get(factor, 0.0) for factor in LOADINGS]
        own_factor = -1
        if quantity.loads.get(OWN_FACTOR):  # an input of a lab, by `rules`
            own_factor = self.sampling.own_factor(own_factor_name(name.split(".")[1]))
        if isinstance(distribution, SharedSpread | FiscalYears):
            self.sampling.of_columns(
                name,
                column,
                quantities.LOGNORMAL,
                center=distribution.point,
                spread_column=self._column(".".join(SPREAD_FROM[variable.name])),
                loads=loads,
                dimension=dimension,
                own_factor=own_factor,
            )
        else:
            self.sampling.add(name, column, distribution, loads, dimension, own_factor)
        self.sampled.add(variable.name)

    def _lab_delays(self, scenario: Scenario, variable: Variable) -> None:
        """Plan the delays of labs: lognormal, of the draw's median and spread.

        Delays have no loadings on common factors.
        """
        for lab, column in zip(scenario.labs, variable.columns, strict=True):
            self.sampling.of_columns(
                f"labs.{lab.id}.{variable.name}",
                int(column),
                quantities.LOGNORMAL,
                center_column=self._column("buildout.energisation_delay_quarters"),
                spread_column=self._column("buildout.energisation_delay_lab_sigma"),
            )
        self.sampled.add(variable.name)

    def _shocks(self, variable: Variable) -> None:
        """Plan the capital crunch, and innovations after the reference quarter."""
        if variable.name == "capital_crunch":
            probability = self._column("buildout.capital_crunch_probability")
            self.sampling.of_columns(
                "shocks.capital_crunch",
                int(variable.columns),
                quantities.BERNOULLI,
                center_column=probability,
            )
        else:
            for quarter in range(QUARTERS.index(REFERENCE_QUARTER) + 1, len(QUARTERS)):
                name = f"shocks.{variable.name}.{QUARTERS[quarter]}"
                self.sampling.add(name, int(variable.columns[quarter]), STANDARD_NORMAL)
        self.sampled.add(variable.name)


def hosts(scenario: Scenario) -> NDArray[np.void]:
    """Records of `Host` [lab, landlord] for kernels; 0 for other pairs."""
    records = np.zeros((len(scenario.labs), len(scenario.landlords)), as_record(record(Host)))
    for i, lab in enumerate(scenario.labs):
        for k, landlord in enumerate(scenario.landlords):
            host = scenario.hosts.get((lab.id, landlord.id))
            if host is not None:
                records[i, k] = tuple(getattr(host, field) for field in HOST_MATRICES)
    return records


def contracts(hosts: NDArray[np.void]) -> Contracts:
    """List the pairs of `hosts` [lab, landlord] in which the landlord hosts the lab in any year."""
    shares = hosts["share_2025"] + hosts["share_2026"] + hosts["share_2027"]
    labs, landlords = np.nonzero(shares > 0)
    numbers = np.arange(labs.size)
    order = np.argsort(landlords, kind="stable")
    return Contracts(
        by_lab=_records(Contract, numbers, labs, landlords),
        of_lab=_spans(labs, len(hosts)),
        by_landlord=_records(Contract, numbers[order], labs[order], landlords[order]),
        of_landlord=_spans(landlords, hosts.shape[1]),
        hosts=hosts[labs, landlords],
    )


def _spans(parties: NDArray[np.int64], count: int) -> NDArray[np.void]:
    """Records of `Span` [party] in a list that is sorted by party."""
    ends = np.cumsum(np.bincount(parties, minlength=count))
    return _records(Span, np.array([0, *ends[:-1]]), ends)


def _records(group: type, *fields: NDArray[np.int64]) -> NDArray[np.void]:
    """Records of a group of positions for kernels."""
    kind = np.dtype([(name, np.uint64) for name in group.__annotations__])
    records = np.zeros(len(fields[0]), as_record(kind))
    for name, values in zip(kind.names or (), fields, strict=True):
        records[name] = values
    return records
