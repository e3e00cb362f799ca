"""Section 6 of the model: gigawatts by lab and landlord.

Plans of labs are gigawatts as stated; hosts, limits and additions are facility gigawatts.
"""

from __future__ import annotations

from sim.kernels.formulas.hardware import capex, it_capex, it_power_kw
from sim.kernels.formulas.paths import quarterly, raised
from sim.kernels.indices import QUARTERS, REFERENCE
from sim.kernels.jit import jit
from sim.kernels.simd.functions import maximum, minimum
from sim.kernels.simd.vectors import where
from sim.model.inputs import Draw, Host, Lab, Landlord
from sim.model.outputs import LabOutputs
from sim.model.world_records import WorldRecords

# Share of a calendar year's capex, and of the planned additions of 2027, by quarter.
QUARTER_WEIGHTS = (0.22, 0.24, 0.26, 0.28)
CAPEX_LEAD_QUARTERS = 2


@jit
def accelerators_per_gw(it_kw: float, facility_capacity_ratio: float) -> float:
    """Reference accelerators in one facility gigawatt [1/GW] (6.2)."""
    return 1e6 / (it_kw * facility_capacity_ratio)


@jit
def capex_per_gw(it_usd: float, facility_usd: float, accelerators: float) -> float:
    """Purchase cost of a facility gigawatt at the reference quarter [USD bn/GW] (6.2)."""
    return (it_usd + facility_usd) * accelerators / 1e9


@jit
def planned_gw(plan: float, quarters: float, left_by_crunch: float) -> float:
    """Planned additions of 2027 after a number of quarters [GW] (6.3).

    Linear between quarter ends. `left_by_crunch` is the share that a capital crunch leaves of
    quarters 2 to 4 (1 without a crunch).
    """
    share = 0.0
    for i in range(4):
        left = 1.0 if i == 0 else left_by_crunch
        share += QUARTER_WEIGHTS[i] * left * minimum(maximum(quarters - i, 0.0), 1.0)
    return plan * share


@jit
def scale(available: float, wanted: float) -> float:
    """Share that a limit leaves of a want; 1 if nothing is wanted [1] (6.5)."""
    return where(wanted == 0.0, 1.0, minimum(1.0, maximum(available, 0.0) / wanted))


@jit
def capex_in_quarter(landlord: Landlord, quarter: int) -> float:
    """A landlord's capital expenditure in a quarter [USD bn/quarter] (6.4)."""
    year = landlord.capex_2026_busd
    if quarter > REFERENCE:
        year = year * landlord.capex_growth_2027
    return year * QUARTER_WEIGHTS[quarter % 4]


@jit
def left_by_crunch(inputs: Draw) -> float:
    """Share of planned additions that a capital crunch leaves [1] (6.3)."""
    return 1.0 - inputs.shocks.capital_crunch * (1.0 - inputs.buildout.capital_crunch_multiplier)


@jit
def write_2026(lab: Lab, outputs: LabOutputs, facility_per_stated: float) -> None:
    """Write a lab's gigawatts in 2026, geometric between the year ends (6.1, 6.16)."""
    gw_2025 = lab.gw_2025q4
    growth = quarterly(maximum(lab.gw_2026q4, gw_2025) / gw_2025)
    for q in range(REFERENCE + 1):
        gw = gw_2025 * raised(growth, q + 1)
        outputs.gw[q] = gw
        outputs.facility_gw[q] = facility_per_stated * gw


@jit
def host_share(host: Host, quarter: int) -> float:
    """A landlord's share of a lab's gigawatts at a quarter's end in 2026 [1] (6.17).

    Linear between the year ends. Before the first quarter, at -1, it is that of 2025.
    """
    return host.share_2025 + (host.share_2026 - host.share_2025) * ((quarter + 1) / 4.0)


@jit
def is_western(lab: Lab) -> bool:
    """Whether a lab draws on the western power cap (6.5)."""
    return lab.lab_is_china == 0.0


@jit
def open_2027(world: WorldRecords) -> None:
    """Write 2026, and landlords' capex; reset the ledger (6.1, 6.4, 6.6b, 6.17)."""
    labs, landlords, ledger, contracts = world.labs, world.landlords, world.ledger, world.contracts
    for q in range(REFERENCE + 1):
        world.outputs.power_scale[q] = 1.0
        world.outputs.power_binds[q] = 0.0
    for k in range(len(landlords)):
        landlord = world.landlord_outputs[k]
        ledger.buildable[k] = 0.0
        for q in range(REFERENCE + 1):
            landlord.capex_scale[q] = 1.0
            landlord.capex_binds[q] = 0.0
        for q in range(QUARTERS):
            landlord.landlord_capex_busd[q] = capex_in_quarter(landlords[k], q)
            landlord.hosted_gw_landlord[q] = 0.0
    for i in range(len(labs)):
        lab = world.lab_outputs[i]
        write_2026(labs[i], lab, world.inputs.buildout.gw_definition_ratio)
        for c in range(contracts.of_lab[i].begin, contracts.of_lab[i].end):
            k = contracts.by_lab[c].landlord
            ledger.done[c] = 0.0
            for q in range(REFERENCE + 1):
                hosted = host_share(contracts.hosts[c], q) * lab.facility_gw[q]
                world.host_outputs[i, k].hosted_gw[q] = hosted


@jit
def plan_quarter(world: WorldRecords, quarter: int, left_by_crunch: float) -> None:
    """Write what labs have planned and energised by the quarter's end (6.3)."""
    labs = world.labs
    for i in range(len(labs)):
        energised = maximum(0.0, quarter - labs[i].lab_delay_quarters)
        plan = labs[i].planned_additions_2027_gw
        world.ledger.due[i] = planned_gw(plan, energised, left_by_crunch)


@jit
def fund_quarter(world: WorldRecords, quarter: int, usd_per_gw: float) -> None:
    """Add what landlords have paid for by the quarter's end (6.4)."""
    landlords, buildable = world.landlords, world.ledger.buildable
    paid_in = REFERENCE + quarter - CAPEX_LEAD_QUARTERS
    for k in range(len(landlords)):
        paid = world.landlord_outputs[k].landlord_capex_busd[paid_in]
        share = landlords[k].ai_capex_share * landlords[k].lab_capacity_share
        buildable[k] += paid * share / usd_per_gw


@jit
def limit_by_capex(world: WorldRecords, quarter: int) -> None:
    """Write what labs want, and the share that capex leaves (6.5)."""
    ledger, contracts = world.ledger, world.contracts
    facility_per_stated = world.inputs.buildout.gw_definition_ratio
    for k in range(len(world.landlords)):
        built = 0.0
        wanted = 0.0
        for at in range(contracts.of_landlord[k].begin, contracts.of_landlord[k].end):
            c, i = contracts.by_landlord[at].number, contracts.by_landlord[at].lab
            wish = facility_per_stated * ledger.due[i] * contracts.hosts[c].share_2027
            want = maximum(wish - ledger.done[c], 0.0)
            ledger.want[c] = want
            wanted += want
            built += ledger.done[c]
        funded = scale(ledger.buildable[k] - built, wanted)
        world.landlord_outputs[k].capex_scale[REFERENCE + quarter] = funded
        world.landlord_outputs[k].capex_binds[REFERENCE + quarter] = where(funded < 1.0, 1.0, 0.0)


@jit
def limit_by_power(world: WorldRecords, quarter: int) -> float:
    """Share that the power cap leaves of western labs' funded wants [1] (6.5)."""
    ledger, contracts = world.ledger, world.contracts
    built = 0.0
    wanted = 0.0
    for i in range(len(world.labs)):
        western = where(is_western(world.labs[i]), 1.0, 0.0)
        for c in range(contracts.of_lab[i].begin, contracts.of_lab[i].end):
            k = contracts.by_lab[c].landlord
            funded = world.landlord_outputs[k].capex_scale[REFERENCE + quarter]
            built += western * ledger.done[c]
            wanted += western * ledger.want[c] * funded
    cap = world.inputs.buildout.power_additions_cap_gw_per_year
    return scale(cap * quarter / 4.0 - built, wanted)


@jit
def build_quarter(world: WorldRecords, quarter: int, power_scale: float) -> None:
    """Build what both limits leave, and write what each withholds (6.6, 6.6a, 6.6b)."""
    ledger, contracts = world.ledger, world.contracts
    facility_per_stated = world.inputs.buildout.gw_definition_ratio
    q = REFERENCE + quarter
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        powered = where(is_western(world.labs[i]), power_scale, 1.0)
        at_reference = lab.facility_gw[REFERENCE]
        added = 0.0
        by_capex = 0.0
        by_power = 0.0
        for c in range(contracts.of_lab[i].begin, contracts.of_lab[i].end):
            k = contracts.by_lab[c].landlord
            want = ledger.want[c]
            funded = world.landlord_outputs[k].capex_scale[q]
            done = ledger.done[c] + want * funded * powered
            ledger.done[c] = done
            added += done
            by_capex += want * (1.0 - funded)
            by_power += want * funded * (1.0 - powered)
            hosted = contracts.hosts[c].share_2026 * at_reference + done
            world.host_outputs[i, k].hosted_gw[q] = hosted
        lab.facility_gw[q] = at_reference + added
        lab.gw[q] = lab.gw[REFERENCE] + added / facility_per_stated
        lab.withheld_by_capex_gw = by_capex / facility_per_stated
        lab.withheld_by_power_gw = by_power / facility_per_stated


@jit
def close_2027(world: WorldRecords, left_by_crunch: float, per_gw: float) -> None:
    """Write what crunch and delay withhold, accelerators, and totals (6.6a, 6.6b)."""
    contracts = world.contracts
    for q in range(QUARTERS):
        world.outputs.total_gw[q] = 0.0
    for i in range(len(world.labs)):
        lab = world.lab_outputs[i]
        plan = world.labs[i].planned_additions_2027_gw
        left = planned_gw(plan, 4.0, left_by_crunch)
        lab.withheld_by_crunch_gw = plan - left
        lab.withheld_by_delay_gw = left - world.ledger.due[i]
        for q in range(QUARTERS):
            lab.accelerators[q] = lab.facility_gw[q] * per_gw
            world.outputs.total_gw[q] += lab.gw[q]
        for c in range(contracts.of_lab[i].begin, contracts.of_lab[i].end):
            k = contracts.by_lab[c].landlord
            landlord = world.landlord_outputs[k]
            for q in range(QUARTERS):
                landlord.hosted_gw_landlord[q] += world.host_outputs[i, k].hosted_gw[q]


@jit
def average_stock(before: float, after: float) -> float:
    """Average over a quarter of a stock known at its ends [GW] (6.7)."""
    return 0.5 * (before + after)


@jit
def average_gw(lab: Lab, outputs: LabOutputs, quarter: int, facility_per_stated: float) -> float:
    """A lab's facility gigawatts on average over a quarter [GW] (6.7).

    The stock before the first quarter is that of 2025Q4.
    """
    if quarter == 0:
        before = facility_per_stated * lab.gw_2025q4
    else:
        before = outputs.facility_gw[quarter - 1]
    return average_stock(before, outputs.facility_gw[quarter])


@jit
def fill_averages(world: WorldRecords) -> None:
    """Write hosted gigawatts on average over each quarter (6.7, 6.17)."""
    facility_per_stated, contracts = world.inputs.buildout.gw_definition_ratio, world.contracts
    for i in range(len(world.labs)):
        for c in range(contracts.of_lab[i].begin, contracts.of_lab[i].end):
            k = contracts.by_lab[c].landlord
            before = (
                host_share(contracts.hosts[c], -1) * facility_per_stated * world.labs[i].gw_2025q4
            )
            for q in range(QUARTERS):
                after = world.host_outputs[i, k].hosted_gw[q]
                world.ledger.average[c, q] = average_stock(before, after)
                before = after


@jit
def write_build(world: WorldRecords) -> None:
    """Write gigawatts of labs and landlords, and what limited them (6.1-6.7, 1.9)."""
    inputs, outputs = world.inputs, world.outputs
    c = capex(inputs.hardware)
    it_kw = it_power_kw(inputs.hardware.accelerator_tdp_kw, inputs.hardware.it_power_ratio)
    per_gw = accelerators_per_gw(it_kw, inputs.hardware.facility_capacity_ratio)
    usd_per_gw = capex_per_gw(it_capex(c), c.facility, per_gw)
    left = left_by_crunch(inputs)
    open_2027(world)
    cost_growth = quarterly(1.0 + inputs.dynamics.capex_cost_growth)
    for q in range(QUARTERS):
        outputs.capex_per_gw[q] = usd_per_gw * raised(cost_growth, max(q - REFERENCE, 0))
    for quarter in range(1, 5):
        plan_quarter(world, quarter, left)
        fund_quarter(world, quarter, outputs.capex_per_gw[REFERENCE + quarter])
        limit_by_capex(world, quarter)
        powered = limit_by_power(world, quarter)
        outputs.power_scale[REFERENCE + quarter] = powered
        outputs.power_binds[REFERENCE + quarter] = where(powered < 1.0, 1.0, 0.0)
        build_quarter(world, quarter, powered)
    close_2027(world, left, per_gw)
    fill_averages(world)
