"""Pairs of labs and landlords, and the build-out, for the peers (section 6; see `reference`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from bench.peers.reference import Q_STAR, Array, Inputs, quarterly

WEIGHTS = (0.22, 0.24, 0.26, 0.28)  # of a year's quarters
PLANNED = 1.0 - WEIGHTS[0]


class Pairs(NamedTuple):
    """The pairs of a lab and a landlord that exist, and what is the same in every draw of them.

    `lab` and `landlord` [pair] are indices, `share_*` [pair, 1, 1], `captive` [pair] flags, `rpo`
    [landlord, lab] shares. `contract` [landlord] says who has a rent of their own, `reporting` are
    the indices of labs that report revenue, and `points` the published ones among theirs
    [lab, quarter of 2026].
    """

    labs: int
    landlords: int
    lab: list[int]
    landlord: list[int]
    share_2025: Array
    share_2026: Array
    share_2027: Array
    captive: list[bool]
    rpo: Array
    contract: list[bool]
    reporting: list[int]
    points: list[list[bool]]

    def by(self, xp: Any, whose: str, values: Array, only: list[bool] | None = None) -> Array:
        """Sums of `values` [pair, ...] by "lab" or "landlord"; `only` are the pairs that count."""
        size = self.labs if whose == "lab" else self.landlords
        sums: list[Array] = [None] * size
        for pair, party in enumerate(getattr(self, whose)):
            if only is None or only[pair]:
                before = sums[party]
                sums[party] = values[pair] if before is None else before + values[pair]
        return xp.stack([xp.zeros_like(values[0]) if total is None else total for total in sums])

    def of(self, xp: Any, whose: str, values: Array) -> Array:
        """Values [party, ...] of each pair's lab or landlord."""
        return chosen(xp, values, getattr(self, whose))


def chosen(xp: Any, values: Array, indices: list[int]) -> Array:
    """Rows of an array; XLA fuses slices, and not gathers."""
    if isinstance(values, np.ndarray):
        return values[indices]
    return xp.stack([values[index] for index in indices])


class BuildOut(NamedTuple):
    """Gigawatts [.., quarter, draw], of pairs in facility GW, and purchase costs in USD bn a GW."""

    gw: Array
    facility: Array
    hosted: Array
    at_first: Array  # [pair, draw], at the end of 2025
    outputs: dict[str, Array]


def scale(xp: Any, available: Array, wanted: Array) -> Array:
    """What is left of wants, (6.5)."""
    some = xp.where(wanted == 0.0, 1.0, wanted)
    return xp.where(wanted == 0.0, 1.0, xp.minimum(1.0, xp.maximum(available, 0.0) / some))


def build_out(xp: Any, pairs: Pairs, x: Inputs, capex: Array) -> BuildOut:
    """Gigawatts and what limits them, (6.1) to (6.6), (6.16), (6.17); `capex` by facility GW."""
    ratio, first = x["gw_definition_ratio"], x["gw_2025q4"]
    last = xp.maximum(x["gw_2026q4"], first)
    gw_2026 = first[:, None] * quarterly(xp, last / first, 1, 4)
    draws = gw_2026.shape[-1]
    moved = np.array([[0.25], [0.5], [0.75], [1.0]])
    share = pairs.share_2025 + (pairs.share_2026 - pairs.share_2025) * moved
    hosted_2026 = pairs.of(xp, "lab", ratio * gw_2026) * share
    base = hosted_2026[:, Q_STAR]

    capex_2026 = x["capex_2026_busd"]
    capex_2027 = capex_2026 * x["capex_growth_2027"]
    for_labs = x["ai_capex_share"] * x["lab_capacity_share"]
    spent = [w * year * for_labs for year in (capex_2026, capex_2027) for w in WEIGHTS]
    left = 1.0 - x["capital_crunch"] * (1.0 - x["capital_crunch_multiplier"])
    western = x["lab_is_china"] == 0.0
    west = [bool(western[lab].all()) for lab in pairs.lab]
    planned, delay = x["planned_additions_2027_gw"], x["lab_delay_quarters"]

    done: Array = np.zeros((len(pairs.lab), 1))
    buildable: Array = 0.0
    hosted, added, f_ks, f_ps = [], [], [], []
    for j in (1, 2, 3, 4):
        t = xp.maximum(0.0, j - delay)
        due = WEIGHTS[0] * xp.clip(t, 0.0, 1.0)
        if j > 1:
            later = [w * xp.clip(t - i, 0.0, 1.0) for i, w in enumerate(WEIGHTS) if 0 < i < j]
            due = due + left * sum(later)
        due = planned * due
        wish = pairs.of(xp, "lab", ratio * due) * pairs.share_2027[:, 0]
        buildable = buildable + spent[Q_STAR + j - 2] / capex[Q_STAR + j]  # (6.4)
        want = xp.maximum(wish - done, 0.0)
        room = buildable - pairs.by(xp, "landlord", done)
        f_k = scale(xp, room, pairs.by(xp, "landlord", want))
        f_pair = pairs.of(xp, "landlord", f_k)
        inc = want * f_pair
        before = sum(done[p] for p, is_west in enumerate(west) if is_west)
        wanted = sum(inc[p] for p, is_west in enumerate(west) if is_west)
        f_p = scale(xp, x["power_additions_cap_gw_per_year"] * (j / 4.0) - before, wanted)
        of_lab = xp.where(western, f_p, 1.0)
        of_pair = pairs.of(xp, "lab", of_lab)
        cut = inc
        inc = inc * of_pair
        cut = cut - inc if j == 4 else cut
        done = done + inc
        hosted.append(base + done)
        added.append(pairs.by(xp, "lab", done) / ratio)
        f_ks.append(f_k)
        f_ps.append(f_p)
    after_crunch = planned * (WEIGHTS[0] + left * PLANNED)
    closing = gw_2026[:, Q_STAR]
    gw = xp.concatenate([gw_2026, xp.stack([closing + more for more in added], 1)], 1)
    all_hosted = xp.concatenate([hosted_2026, xp.stack(hosted, 1)], 1)
    none = np.zeros((Q_STAR + 1, draws), bool)
    binds = xp.stack(f_ks, 1) < 1.0
    never = np.zeros((pairs.landlords, *none.shape), bool)
    return BuildOut(gw, ratio * gw, all_hosted, first_hosted(xp, pairs, x), {
        "gw": gw,
        "total_gw": xp.sum(gw, 0),
        "facility_gw": ratio * gw,
        "hosted_gw_landlord": pairs.by(xp, "landlord", all_hosted),
        "landlord_capex_busd": xp.stack(
            [w * year for year in (capex_2026, capex_2027) for w in WEIGHTS], 1
        ),
        "capex_binds": xp.concatenate([never, binds], 1),
        "power_binds": xp.concatenate([none, xp.stack(f_ps) < 1.0]),
        "withheld_by_crunch_gw": planned - after_crunch,
        "withheld_by_delay_gw": after_crunch - due,
        "withheld_by_capex_gw": pairs.by(xp, "lab", want * (1.0 - f_pair)) / ratio,
        "withheld_by_power_gw": pairs.by(xp, "lab", cut) / ratio,
    })  # fmt: skip


def first_hosted(xp: Any, pairs: Pairs, x: Inputs) -> Array:
    """Facility GW of pairs at the end of 2025, (6.17)."""
    return x["gw_definition_ratio"] * (
        chosen(xp, x["gw_2025q4"], pairs.lab) * pairs.share_2025[:, 0]
    )


def mean_of_quarter(xp: Any, closing: Array, before: Array) -> Array:
    """Mean of a stock [.., quarter, draw] over each quarter, (6.7)."""
    shape = (*closing.shape[:-2], closing.shape[-1])
    opening = xp.concatenate([xp.broadcast_to(before, shape)[..., None, :], closing[..., :-1, :]],
                             -2)  # fmt: skip
    return (opening + closing) / 2.0
