"""Records that formulas read and write: one draw of the model."""

from __future__ import annotations

from typing import NamedTuple

from sim.model.declarations import Records
from sim.model.inputs import Array, Draw, Host, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World


class Ledger(NamedTuple):
    """Working space of sections 1, 6 and 7 [facility GW].

    The quarters of the first four are those of 2027.
    """

    done: Array  # [contract] built in 2027 so far
    want: Array  # [contract] wanted in the quarter, with the backlog
    due: Array  # [lab] planned and energised by the end of the quarter, as stated
    buildable: Array  # [landlord] paid for by the end of the quarter
    average: Array  # [contract, quarter] in service on average over the quarter
    measured_over_computed: Array  # [regime] owner's cost [1]
    electricity: Array  # [quarter, regime] of an accelerator-hour [USD/h]
    upkeep: Array  # [quarter, regime] maintenance and site operations [USD/h]
    load: Array  # [quarter, regime] average IT draw over nameplate [1]
    rent: Array  # [lab, quarter] without a contract, over the lab's regimes [USD/h]
    running_cost: Array  # [lab, quarter] electricity, maintenance and site, over regimes [USD/h]
    inference_bill: Array  # [lab, quarter] if inference had all hours [USD bn/yr]
    closing_bill: Array  # [lab, regime] of the reference quarter's closing stock [USD bn/yr]


class Contract(NamedTuple):
    """A lab and a landlord that hosts it in some year; numbered by lab, then landlord."""

    number: int
    lab: int
    landlord: int


class Span(NamedTuple):
    """Where the contracts of a lab or landlord stand in a list: `begin` ... `end - 1`."""

    begin: int
    end: int


class Contracts(NamedTuple):
    """The contracts of all labs and landlords, the same in every draw.

    All hosting of other pairs is 0. Sums over a lab's landlords, or a landlord's labs, are in the
    order of the parties. Positions are unsigned: of others numba tests the sign at every access.
    """

    by_lab: Records[Contract]  # [contract]
    of_lab: Records[Span]  # [lab] in `by_lab`
    by_landlord: Records[Contract]
    of_landlord: Records[Span]  # [landlord] in `by_landlord`
    hosts: Records[Host]  # [contract]


class WorldRecords(NamedTuple):
    """Inputs, outputs and working space of one draw."""

    inputs: Draw
    labs: Records[Lab]  # [lab]
    landlords: Records[Landlord]  # [landlord]
    hosts: Records[Host]  # [lab, landlord], the same in every draw
    contracts: Contracts
    outputs: World
    lab_outputs: Records[LabOutputs]  # [lab]
    landlord_outputs: Records[LandlordOutputs]  # [landlord]
    host_outputs: Records[HostOutputs]  # [lab, landlord]
    ledger: Ledger
