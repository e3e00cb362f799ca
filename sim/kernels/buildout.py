"""Section 6 of the model: gigawatts by lab and landlord, 2026Q1 to 2027Q4."""

from __future__ import annotations

import numpy as np

from sim.fields import Records
from sim.inputs import Array, Buildout, Draw, Host, Lab, Landlord
from sim.kernels.hardware import capex, it_capex, it_power_kw
from sim.kernels.jit import jit
from sim.kernels.paths import compound, years_from_reference
from sim.kernels.places import QUARTERS, REFERENCE
from sim.outputs import HostOutputs, LabOutputs, LandlordOutputs, World

# Share of a calendar year's capex, and of the planned additions of 2027, by quarter.
QUARTER_WEIGHTS = (0.22, 0.24, 0.26, 0.28)
CAPEX_LEAD_QUARTERS = 2


@jit
def accelerators_per_gw(it_kw: float, facility_capacity_ratio: float) -> float:
    """Reference accelerators in one facility gigawatt [1/GW] (6.2)."""
    return 1e6 / (it_kw * facility_capacity_ratio)


@jit
def capex_per_gw(it_usd: float, facility_usd: float, accelerators: float) -> float:
    """Purchase cost of one facility gigawatt at the reference quarter [USD bn/GW] (6.2)."""
    return (it_usd + facility_usd) * accelerators / 1e9


@jit
def planned_gw(plan: float, quarters: float, left_by_crunch: float) -> float:
    """Planned additions of 2027 after so many quarters, linear between quarter ends [GW] (6.3).

    `left_by_crunch` is what a capital crunch leaves of quarters 2 to 4 (1 without a crunch).
    """
    share = 0.0
    for i in range(4):
        left = 1.0 if i == 0 else left_by_crunch
        share += QUARTER_WEIGHTS[i] * left * min(max(quarters - i, 0.0), 1.0)
    return plan * share


@jit
def scale(available: float, wanted: float) -> float:
    """What a limit leaves of a want; 1 where nothing is wanted [1] (6.5)."""
    if wanted == 0.0:
        return 1.0
    return min(1.0, max(available, 0.0) / wanted)


@jit
def capex_in_quarter(landlord: Landlord, quarter: int) -> float:
    """A landlord's capital expenditure in a quarter [USD bn/quarter] (6.4)."""
    year = landlord.capex_2026_busd
    if quarter > REFERENCE:
        year *= landlord.capex_growth_2027
    return year * QUARTER_WEIGHTS[quarter % 4]


@jit
def left_by_crunch(x: Draw) -> float:
    """What a capital crunch, if there is one, leaves of planned additions [1] (6.3)."""
    return 1.0 - x.shocks.capital_crunch * (1.0 - x.buildout.capital_crunch_multiplier)


@jit
def write_2026(lab: Lab, out: LabOutputs) -> None:
    """The lab's gigawatts in 2026: geometric between the two year ends (6.1)."""
    start = lab.gw_2025q4
    growth = np.sqrt(np.sqrt(max(lab.gw_2026q4, start) / start))
    gw = start
    for q in range(REFERENCE + 1):
        gw *= growth
        out.gw[q] = gw


@jit
def power_left(b: Buildout, quarter_of_2027: int, built: float) -> float:
    """Power that western labs can still add by the end of a quarter of 2027 [GW] (6.5)."""
    return b.power_additions_cap_gw_per_year * quarter_of_2027 / 4.0 - built


@jit
def write_build(
    x: Draw,
    labs: Records[Lab],
    landlords: Records[Landlord],
    hosts: Records[Host],
    out: World,
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    done: Array,
    want: Array,
) -> None:
    """Gigawatts of every lab and landlord, and what limited them (6.1-6.6).

    `done` and `want` [lab, landlord] are working space: gigawatts of 2027 built, and wanted now.
    """
    c = capex(x.hardware)
    it_kw = it_power_kw(x.hardware.accelerator_tdp_kw, x.hardware.it_power_ratio)
    per_gw = accelerators_per_gw(it_kw, x.hardware.facility_capacity_ratio)
    usd_per_gw = capex_per_gw(it_capex(c), c.facility, per_gw)
    left = left_by_crunch(x)

    out.power_scale[: REFERENCE + 1] = 1.0
    out.power_binds[: REFERENCE + 1] = 0.0
    for k in range(len(landlords)):
        landlord_out[k].capex_scale[: REFERENCE + 1] = 1.0
        landlord_out[k].capex_binds[: REFERENCE + 1] = 0.0
        for q in range(QUARTERS):
            landlord_out[k].landlord_capex_busd[q] = capex_in_quarter(landlords[k], q)
            landlord_out[k].hosted_gw_landlord[q] = 0.0
    for i in range(len(labs)):
        write_2026(labs[i], lab_out[i])
        for k in range(len(landlords)):
            done[i, k] = 0.0
            for q in range(REFERENCE + 1):
                host_out[i, k].hosted_gw[q] = hosts[i, k].share_2026 * lab_out[i].gw[q]

    for quarter in range(1, 5):
        q = REFERENCE + quarter
        built = 0.0
        wanted = 0.0
        for i in range(len(labs)):
            for k in range(len(landlords)):
                if labs[i].lab_is_china == 0.0:
                    built += done[i, k]
        for k in range(len(landlords)):
            landlord = landlords[k]
            share = landlord.ai_capex_share * landlord.lab_capacity_share / usd_per_gw
            buildable = 0.0
            for j in range(1, quarter + 1):
                paid = landlord_out[k].landlord_capex_busd[REFERENCE + j - CAPEX_LEAD_QUARTERS]
                inflation = compound(
                    x.dynamics.capex_cost_growth, years_from_reference(REFERENCE + j)
                )
                buildable += paid * share / inflation
            built_here = 0.0
            wanted_here = 0.0
            for i in range(len(labs)):
                due = planned_gw(
                    labs[i].planned_additions_2027_gw,
                    max(0.0, quarter - labs[i].lab_delay_quarters),
                    left,
                )
                want[i, k] = max(due * hosts[i, k].share_2027 - done[i, k], 0.0)
                wanted_here += want[i, k]
                built_here += done[i, k]
            capex_scale = scale(buildable - built_here, wanted_here)
            landlord_out[k].capex_scale[q] = capex_scale
            landlord_out[k].capex_binds[q] = 1.0 if capex_scale < 1.0 else 0.0
            for i in range(len(labs)):
                if labs[i].lab_is_china == 0.0:
                    wanted += want[i, k] * capex_scale
        power_scale = scale(power_left(x.buildout, quarter, built), wanted)
        out.power_scale[q] = power_scale
        out.power_binds[q] = 1.0 if power_scale < 1.0 else 0.0
        for i in range(len(labs)):
            powered = power_scale if labs[i].lab_is_china == 0.0 else 1.0
            added = 0.0
            by_capex = 0.0
            by_power = 0.0
            for k in range(len(landlords)):
                capex_scale = landlord_out[k].capex_scale[q]
                by_capex += want[i, k] * (1.0 - capex_scale)
                by_power += want[i, k] * capex_scale * (1.0 - powered)
                done[i, k] += want[i, k] * capex_scale * powered
                added += done[i, k]
                host_out[i, k].hosted_gw[q] = (
                    hosts[i, k].share_2026 * lab_out[i].gw[REFERENCE] + done[i, k]
                )
            lab_out[i].gw[q] = lab_out[i].gw[REFERENCE] + added
            lab_out[i].withheld_by_capex_gw = by_capex
            lab_out[i].withheld_by_power_gw = by_power

    for i in range(len(labs)):
        plan = labs[i].planned_additions_2027_gw
        due = planned_gw(plan, max(0.0, 4.0 - labs[i].lab_delay_quarters), left)
        lab_out[i].withheld_by_crunch_gw = plan - planned_gw(plan, 4.0, left)
        lab_out[i].withheld_by_delay_gw = planned_gw(plan, 4.0, left) - due
        for q in range(QUARTERS):
            lab_out[i].accelerators[q] = lab_out[i].gw[q] * per_gw
            for k in range(len(landlords)):
                landlord_out[k].hosted_gw_landlord[q] += host_out[i, k].hosted_gw[q]
