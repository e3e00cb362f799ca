"""Section 6 of the model: gigawatts by lab and landlord, 2026Q1 to 2027Q4."""

from __future__ import annotations

from typing import NamedTuple

from sim.kernels.formulas.hardware import capex, it_capex, it_power_kw
from sim.kernels.formulas.paths import quarterly, raised
from sim.kernels.indices import QUARTERS, REFERENCE
from sim.kernels.jit import jit
from sim.kernels.simd.functions import maximum, minimum
from sim.kernels.simd.vectors import where
from sim.model.declarations import Records
from sim.model.inputs import Array, Buildout, Draw, Host, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World

# Share of a calendar year's capex, and of the planned additions of 2027, by quarter.
QUARTER_WEIGHTS = (0.22, 0.24, 0.26, 0.28)
CAPEX_LEAD_QUARTERS = 2


class Ledger(NamedTuple):
    """Working space [GW]: of the quarters of 2027, what is in service on average, and its rent."""

    done: Array  # [lab, landlord] built in 2027 so far
    want: Array  # [lab, landlord] wanted in the quarter, with what was left over
    due: Array  # [lab] planned and energised by the end of the quarter
    buildable: Array  # [landlord] paid for by the end of the quarter
    average: Array  # [lab, landlord, quarter] in service on average over the quarter
    cost_growth: Array  # [quarter] of what hardware costs, from the reference quarter on [1]
    rent: Array  # [lab, quarter] of an accelerator-hour over the lab's regimes [USD/h]


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
        share += QUARTER_WEIGHTS[i] * left * minimum(maximum(quarters - i, 0.0), 1.0)
    return plan * share


@jit
def scale(available: float, wanted: float) -> float:
    """What a limit leaves of a want; 1 where nothing is wanted [1] (6.5)."""
    return where(wanted == 0.0, 1.0, minimum(1.0, maximum(available, 0.0) / wanted))


@jit
def capex_in_quarter(landlord: Landlord, quarter: int) -> float:
    """A landlord's capital expenditure in a quarter [USD bn/quarter] (6.4)."""
    year = landlord.capex_2026_busd
    if quarter > REFERENCE:
        year = year * landlord.capex_growth_2027
    return year * QUARTER_WEIGHTS[quarter % 4]


@jit
def left_by_crunch(x: Draw) -> float:
    """What a capital crunch, if there is one, leaves of planned additions [1] (6.3)."""
    return 1.0 - x.shocks.capital_crunch * (1.0 - x.buildout.capital_crunch_multiplier)


@jit
def write_2026(lab: Lab, out: LabOutputs) -> None:
    """The lab's gigawatts in 2026: geometric between the two year ends (6.1)."""
    start = lab.gw_2025q4
    growth = quarterly(maximum(lab.gw_2026q4, start) / start)
    for q in range(REFERENCE + 1):
        out.gw[q] = start * raised(growth, q + 1)


@jit
def is_contracted(host: Host) -> bool:
    """Whether the landlord hosts the lab in either year; all else of such a pair stays 0."""
    return host.share_2026 + host.share_2027 > 0.0


@jit
def is_western(lab: Lab) -> bool:
    """Whether the lab draws on the western power cap."""
    return lab.lab_is_china == 0.0


@jit
def open_2027(
    labs: Records[Lab],
    landlords: Records[Landlord],
    hosts: Records[Host],
    out: World,
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    ledger: Ledger,
) -> None:
    """The year 2026, in which nothing limits, capex of both years, and an empty ledger (6.1)."""
    for q in range(REFERENCE + 1):
        out.power_scale[q] = 1.0
        out.power_binds[q] = 0.0
    for k in range(len(landlords)):
        ledger.buildable[k] = 0.0
        for q in range(REFERENCE + 1):
            landlord_out[k].capex_scale[q] = 1.0
            landlord_out[k].capex_binds[q] = 0.0
        for q in range(QUARTERS):
            landlord_out[k].landlord_capex_busd[q] = capex_in_quarter(landlords[k], q)
            landlord_out[k].hosted_gw_landlord[q] = 0.0
    for i in range(len(labs)):
        write_2026(labs[i], lab_out[i])
        for k in range(len(landlords)):
            ledger.done[i, k] = 0.0
            if not is_contracted(hosts[i, k]):
                continue
            for q in range(REFERENCE + 1):
                host_out[i, k].hosted_gw[q] = hosts[i, k].share_2026 * lab_out[i].gw[q]


@jit
def plan_quarter(labs: Records[Lab], quarter: int, left_by_crunch: float, ledger: Ledger) -> None:
    """What every lab has planned and energised by the end of the quarter (6.3)."""
    for i in range(len(labs)):
        energised = maximum(0.0, quarter - labs[i].lab_delay_quarters)
        plan = labs[i].planned_additions_2027_gw
        ledger.due[i] = planned_gw(plan, energised, left_by_crunch)


@jit
def fund_quarter(
    landlords: Records[Landlord],
    quarter: int,
    usd_per_gw: float,
    landlord_out: Records[LandlordOutputs],
    ledger: Ledger,
) -> None:
    """What every landlord has paid for by the end of the quarter (6.4)."""
    for k in range(len(landlords)):
        paid = landlord_out[k].landlord_capex_busd[REFERENCE + quarter - CAPEX_LEAD_QUARTERS]
        share = landlords[k].ai_capex_share * landlords[k].lab_capacity_share
        ledger.buildable[k] += paid * share / usd_per_gw


@jit
def limit_by_capex(
    hosts: Records[Host], quarter: int, landlord_out: Records[LandlordOutputs], ledger: Ledger
) -> None:
    """What every lab wants of every landlord, and what capex leaves of it, f_k (6.5)."""
    for k in range(len(landlord_out)):
        built = 0.0
        wanted = 0.0
        for i in range(len(ledger.due)):
            if not is_contracted(hosts[i, k]):
                continue
            wish = ledger.due[i] * hosts[i, k].share_2027
            want = maximum(wish - ledger.done[i, k], 0.0)
            ledger.want[i, k] = want
            wanted += want
            built += ledger.done[i, k]
        left = scale(ledger.buildable[k] - built, wanted)
        landlord_out[k].capex_scale[REFERENCE + quarter] = left
        landlord_out[k].capex_binds[REFERENCE + quarter] = where(left < 1.0, 1.0, 0.0)


@jit
def limit_by_power(
    b: Buildout,
    labs: Records[Lab],
    hosts: Records[Host],
    quarter: int,
    landlord_out: Records[LandlordOutputs],
    ledger: Ledger,
) -> float:
    """What the power cap leaves of what western labs can pay for, f_P (6.5)."""
    built = 0.0
    wanted = 0.0
    for i in range(len(labs)):
        western = where(is_western(labs[i]), 1.0, 0.0)
        for k in range(len(landlord_out)):
            if is_contracted(hosts[i, k]):
                left = landlord_out[k].capex_scale[REFERENCE + quarter]
                built += western * ledger.done[i, k]
                wanted += western * ledger.want[i, k] * left
    return scale(b.power_additions_cap_gw_per_year * quarter / 4.0 - built, wanted)


@jit
def build_quarter(
    labs: Records[Lab],
    hosts: Records[Host],
    quarter: int,
    power_scale: float,
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    ledger: Ledger,
) -> None:
    """What every lab gets in the quarter after both limits, and what each withholds (6.6)."""
    q = REFERENCE + quarter
    for i in range(len(labs)):
        powered = where(is_western(labs[i]), power_scale, 1.0)
        at_reference = lab_out[i].gw[REFERENCE]
        added = 0.0
        by_capex = 0.0
        by_power = 0.0
        for k in range(len(landlord_out)):
            if not is_contracted(hosts[i, k]):
                continue
            want = ledger.want[i, k]
            paid = landlord_out[k].capex_scale[q]
            done = ledger.done[i, k] + want * paid * powered
            ledger.done[i, k] = done
            added += done
            by_capex += want * (1.0 - paid)
            by_power += want * paid * (1.0 - powered)
            host_out[i, k].hosted_gw[q] = hosts[i, k].share_2026 * at_reference + done
        lab_out[i].gw[q] = at_reference + added
        lab_out[i].withheld_by_capex_gw = by_capex
        lab_out[i].withheld_by_power_gw = by_power


@jit
def close_2027(
    labs: Records[Lab],
    hosts: Records[Host],
    left_by_crunch: float,
    per_gw: float,
    lab_out: Records[LabOutputs],
    landlord_out: Records[LandlordOutputs],
    host_out: Records[HostOutputs],
    ledger: Ledger,
) -> None:
    """What a crunch and delay withhold, accelerators, and every landlord's gigawatts."""
    for i in range(len(labs)):
        plan = labs[i].planned_additions_2027_gw
        left = planned_gw(plan, 4.0, left_by_crunch)
        lab_out[i].withheld_by_crunch_gw = plan - left
        lab_out[i].withheld_by_delay_gw = left - ledger.due[i]
        for q in range(QUARTERS):
            lab_out[i].accelerators[q] = lab_out[i].gw[q] * per_gw
        for k in range(len(landlord_out)):
            if not is_contracted(hosts[i, k]):
                continue
            for q in range(QUARTERS):
                landlord_out[k].hosted_gw_landlord[q] += host_out[i, k].hosted_gw[q]


@jit
def average_stock(before: float, after: float) -> float:
    """Average over a quarter of a stock known at its two ends [GW] (6.7)."""
    return 0.5 * (before + after)


@jit
def average_gw(lab: Lab, out: LabOutputs, quarter: int) -> float:
    """The lab's gigawatts on average over a quarter; 2025Q4 is before the first [GW] (6.7)."""
    before = lab.gw_2025q4 if quarter == 0 else out.gw[quarter - 1]
    return average_stock(before, out.gw[quarter])


@jit
def fill_averages(
    labs: Records[Lab], hosts: Records[Host], host_out: Records[HostOutputs], ledger: Ledger
) -> None:
    """What every landlord has in service for every lab on average over each quarter (6.7)."""
    for i in range(len(labs)):
        for k in range(ledger.average.shape[1]):
            if not is_contracted(hosts[i, k]):
                continue
            before = hosts[i, k].share_2026 * labs[i].gw_2025q4
            for q in range(QUARTERS):
                after = host_out[i, k].hosted_gw[q]
                ledger.average[i, k, q] = average_stock(before, after)
                before = after


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
    ledger: Ledger,
) -> None:
    """Gigawatts of every lab and landlord, and what limited them (6.1-6.6)."""
    c = capex(x.hardware)
    it_kw = it_power_kw(x.hardware.accelerator_tdp_kw, x.hardware.it_power_ratio)
    per_gw = accelerators_per_gw(it_kw, x.hardware.facility_capacity_ratio)
    usd_per_gw = capex_per_gw(it_capex(c), c.facility, per_gw)
    left = left_by_crunch(x)
    open_2027(labs, landlords, hosts, out, lab_out, landlord_out, host_out, ledger)
    cost_growth = quarterly(1.0 + x.dynamics.capex_cost_growth)
    for q in range(QUARTERS):
        ledger.cost_growth[q] = raised(cost_growth, max(q - REFERENCE, 0))
    for quarter in range(1, 5):
        growth = ledger.cost_growth[REFERENCE + quarter]
        plan_quarter(labs, quarter, left, ledger)
        fund_quarter(landlords, quarter, usd_per_gw * growth, landlord_out, ledger)
        limit_by_capex(hosts, quarter, landlord_out, ledger)
        powered = limit_by_power(x.buildout, labs, hosts, quarter, landlord_out, ledger)
        out.power_scale[REFERENCE + quarter] = powered
        out.power_binds[REFERENCE + quarter] = where(powered < 1.0, 1.0, 0.0)
        build_quarter(labs, hosts, quarter, powered, lab_out, landlord_out, host_out, ledger)
    close_2027(labs, hosts, left, per_gw, lab_out, landlord_out, host_out, ledger)
    fill_averages(labs, hosts, host_out, ledger)
