"""What the loop over draws reads: its plan, and the working space of a thread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.common.memory import aligned
from sim.model.blocks import GROUP, GROUPS, HALF
from sim.model.dims import QUARTERS, REGIMES
from sim.model.inputs import Draw, Lab, Landlord
from sim.model.outputs import HostOutputs, LabOutputs, LandlordOutputs, World
from sim.model.record_layout import RecordLayout, as_record
from sim.model.sampling_records import SOBOL, Array, Sampling, Scores
from sim.model.world_records import Contract, Contracts, Ledger, Span, WorldRecords

QUESTIONABLE, BAD = 1, 2  # bits of a draw's status
ANYTHING, NUMBER, FINITE = range(3)  # the rule for a column's values; NUMBER excludes NaN only


class EvaluationPlan(NamedTuple):
    """What is sampled, how it is evaluated, and what is kept.

    The same for every draw.
    """

    sampling: Sampling
    market: bool  # rents are market prices, else cost plus markup
    accounting: bool  # the view of costs is that of the books, else the economic one
    columns: NDArray[np.uint64]  # columns of which there are only moments, then columns to keep
    moments: int  # number of `columns`, from the first on, of which there are moments
    rules: NDArray[np.int8]  # [entry of `columns`] ANYTHING, NUMBER or FINITE
    drop_bad: bool
    drop_questionable: bool


class GroupSpace(NamedTuple):
    """Working space for the draws of a group, of a block, and of a tile.

    The sums of a block are by halves of a group; those of sequences are zeros between calls.
    """

    values: Array  # [column, draw] of a group
    block: Array  # [group, kept column, draw]
    violation: Array  # [draw]
    doubtful: Array  # [draw]
    counted: Array  # [draw]
    centre: Array  # [moment column]
    sums: Array  # [moment column, HALF]
    squares: Array  # [moment column, HALF]
    sequence_sizes: Array  # [group, sequence]
    sequence_mean: Array  # [group, moment column, sequence]
    sequence_m2: Array  # [group, moment column, sequence]


class Workspace(NamedTuple):
    """Working space of one thread: sampled inputs, and columns of draws."""

    inputs: Array  # [input column, draw]
    columns: Array  # [column, lane]
    world: WorldRecords  # the same memory as `columns`, by lane
    scores: Scores
    group: GroupSpace


def make_workspace(
    plan: EvaluationPlan,
    kept: int,
    layout: RecordLayout,
    template: Array,
    hosts: NDArray[np.void],
    scores: Scores,
    lanes: int,
) -> Workspace:
    """The working space of one thread, with the `template` [column] and `hosts` in every draw.

    Args:
        plan: The plan that is evaluated in it.
        kept: The number of columns whose draws are kept.
        layout: The columns of a draw.
        template: Values of all columns.
        hosts: Records [lab, landlord], the same in every draw.
        scores: The working space of sampling.
        lanes: Draws that kernels compute side by side, 1 or `GROUP`.
    """

    def by_lane(*shape: int) -> Array:
        return aligned(*shape, lanes) if lanes > 1 else aligned(*shape)

    inputs = aligned(layout.input_width, scores.own.size + lanes)
    inputs[:] = template[: layout.input_width, None]
    columns = aligned(layout.width, lanes)
    columns[:] = template[:, None]
    layout.records(columns, HostOutputs)["arr_over_equity"][...] = np.nan  # without equity
    quarters, regimes = len(QUARTERS), len(REGIMES)
    listed = contracts(hosts)
    of_contracts = len(listed.by_lab)
    world = WorldRecords(
        inputs=layout.records(columns, Draw)[0],
        labs=layout.records(columns, Lab),
        landlords=layout.records(columns, Landlord),
        hosts=hosts,
        contracts=listed,
        outputs=layout.records(columns, World)[0],
        lab_outputs=layout.records(columns, LabOutputs),
        landlord_outputs=layout.records(columns, LandlordOutputs),
        host_outputs=layout.records(columns, HostOutputs),
        ledger=Ledger(
            done=by_lane(of_contracts),
            want=by_lane(of_contracts),
            due=by_lane(layout.labs),
            buildable=by_lane(layout.landlords),
            average=by_lane(of_contracts, quarters),
            measured_over_computed=by_lane(regimes),
            electricity=by_lane(quarters, regimes),
            upkeep=by_lane(quarters, regimes),
            load=by_lane(quarters, regimes),
            rent=by_lane(layout.labs, quarters),
            running_cost=by_lane(layout.labs, quarters),
            inference_bill=by_lane(layout.labs, quarters),
            closing_bill=by_lane(layout.labs, regimes),
        ),
    )
    in_sequences = plan.moments if plan.sampling.sampler == SOBOL else 0
    group = GroupSpace(
        values=columns if lanes == GROUP else aligned(layout.width, GROUP),
        block=aligned(GROUPS, kept, GROUP),
        violation=aligned(GROUP),
        doubtful=aligned(GROUP),
        counted=aligned(GROUP),
        centre=aligned(plan.moments),
        sums=aligned(plan.moments, HALF),
        squares=aligned(plan.moments, HALF),
        sequence_sizes=aligned(GROUPS, GROUP),
        sequence_mean=aligned(GROUPS, in_sequences, GROUP),
        sequence_m2=aligned(GROUPS, in_sequences, GROUP),
    )
    return Workspace(inputs, columns, world, scores, group)


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
