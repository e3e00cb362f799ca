"""What is to be drawn: a scenario as the numbers that the kernels' sampler reads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim.distributions import (
    FiscalYears,
    Fixed,
    Law,
    LogitNormal,
    Lognormal,
    Normal,
    SharedSpread,
)
from sim.fields import FACTORS, QUARTERS, REFERENCE_QUARTER, record
from sim.inputs import SPREAD_FROM, Host
from sim.kernels import samplers
from sim.layout import Layout, as_record
from sim.scenario import Scenario


def name_hash(name: str) -> int:
    """The 64-bit number that stands for a quantity's full name in the counter."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _coefficients(law: Law) -> tuple[int, float, float, float, float]:
    """The kernel's number of a law with center, spread, lower end and width."""
    match law:
        case Normal(min=None, max=None):
            return samplers.NORMAL, law.mean, law.sd, 0.0, 0.0
        case Lognormal(min=None, max=None):
            return samplers.LOGNORMAL, law.median, law.sigma, 0.0, 0.0
        case LogitNormal():
            width = law.max - law.min
            return samplers.LOGIT_NORMAL, (law.median - law.min) / width, law.sigma, law.min, width
        case SharedSpread() | FiscalYears():
            return samplers.LOGNORMAL, law.point, math.nan, 0.0, 0.0
    raise NotImplementedError(f"needs tables of quantile functions, to be drawn: {law.said()}")


class Rows:
    """The row that every draw starts from, and the quantities that are sampled into it."""

    def __init__(self, scenario: Scenario, layout: Layout) -> None:
        self.layout = layout
        self.row = np.zeros(layout.width)
        self.quantities: list[NDArray[np.void]] = []
        self.sampled: set[str] = set()
        late: list[NDArray[np.void]] = []  # those that read other columns of the row
        for variable in layout.inputs.values():
            group = variable.full_name.split(".")[0]
            parties = {"labs": scenario.labs, "landlords": scenario.landlords}.get(group)
            if group == "shocks":
                continue
            if parties is None:
                names = {variable.full_name: variable.columns}
            else:
                names = {
                    f"{group}.{party.id}.{variable.name}": variable.columns[i]
                    for i, party in enumerate(parties)
                }
            for name, columns in names.items():
                column = int(columns)
                quantity = scenario.quantities.get(name)
                if quantity is None:
                    self.row[column] = math.nan
                    continue
                if isinstance(quantity.law, Fixed):
                    self.row[column] = quantity.law.point
                    continue
                loads = [quantity.loads.get(factor, 0.0) for factor in FACTORS]
                shared = isinstance(quantity.law, SharedSpread | FiscalYears)
                spread = self._column(".".join(SPREAD_FROM[variable.name])) if shared else -1
                made = self._quantity(name, column, _coefficients(quantity.law), loads, -1, spread)
                (late if shared else self.quantities).append(made)
                self.sampled.add(variable.name)
        self._lab_delays(scenario, late)
        self._shocks()
        self.quantities += late

    def _column(self, full_name: str) -> int:
        return int(self.layout.inputs[full_name.split(".")[-1]].columns)

    def _quantity(
        self,
        name: str,
        column: int,
        law: tuple[int, float, float, float, float],
        loads: Sequence[float] = (0.0,) * len(FACTORS),
        center_column: int = -1,
        spread_column: int = -1,
    ) -> NDArray[np.void]:
        own = math.sqrt(max(0.0, 1.0 - math.fsum(loading**2 for loading in loads)))
        kind, center, spread, lower, width = law
        made = np.zeros((), samplers.QUANTITY)
        made["name"] = name_hash(name)
        made["column"], made["law"] = column, kind
        made["center"], made["spread"], made["lower"], made["width"] = center, spread, lower, width
        made["center_column"], made["spread_column"] = center_column, spread_column
        made["own_weight"], made["loadings"] = own, loads
        return made

    def _lab_delays(self, scenario: Scenario, late: list[NDArray[np.void]]) -> None:
        """Lab delays: the draw's own median and spread, no loadings (model.md 9.2)."""
        columns = self.layout.inputs["lab_delay_quarters"].columns
        center = self._column("buildout.energisation_delay_quarters")
        spread = self._column("buildout.energisation_delay_lab_sigma")
        law = (samplers.LOGNORMAL, 0.0, 0.0, 0.0, 0.0)
        for i, lab in enumerate(scenario.labs):
            name = f"labs.{lab.id}.lab_delay_quarters"
            late.append(
                self._quantity(
                    name, int(columns[i]), law, center_column=center, spread_column=spread
                )
            )
        self.sampled.add("lab_delay_quarters")

    def _shocks(self) -> None:
        """Innovations after the reference quarter, and the capital crunch (model.md 9.3)."""
        after = range(QUARTERS.index(REFERENCE_QUARTER) + 1, len(QUARTERS))
        for shock in ("eps_price", "eps_duty", "eps_power"):
            columns = self.layout.inputs[shock].columns
            for q in after:
                law = (samplers.NORMAL, 0.0, 1.0, 0.0, 0.0)
                self.quantities.append(
                    self._quantity(f"shocks.{shock}.{QUARTERS[q]}", int(columns[q]), law)
                )
        crunch = int(self.layout.inputs["capital_crunch"].columns)
        probability = self._column("buildout.capital_crunch_probability")
        law = (samplers.BERNOULLI, 0.0, 0.0, 0.0, 0.0)
        self.quantities.append(
            self._quantity("shocks.capital_crunch", crunch, law, center_column=probability)
        )
        self.sampled |= {"eps_price", "eps_duty", "eps_power", "capital_crunch"}


def hosts(scenario: Scenario) -> NDArray[np.void]:
    """What each landlord is to each lab, as kernels read it [lab, landlord]."""
    made = np.zeros((len(scenario.labs), len(scenario.landlords)), as_record(record(Host)))
    for i, lab in enumerate(scenario.labs):
        for k, landlord in enumerate(scenario.landlords):
            host = scenario.hosts.get((lab.id, landlord.id))
            if host is not None:
                made[i, k] = (host.share_2026, host.share_2027, host.captive, host.rpo_share)
    return made


def factors(scenario: Scenario) -> NDArray[np.void]:
    """The common factors: drawn, or held at a score."""
    made = np.zeros(len(FACTORS), samplers.FACTOR)
    made["name"] = [name_hash(f"factors.{factor}") for factor in FACTORS]
    made["score"] = [scenario.factors.get(factor, math.nan) for factor in FACTORS]
    return made
