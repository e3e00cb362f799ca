"""Landlords' books for the peers (section 7; see `reference`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from bench.peers.buildout import BuildOut, Pairs, mean_of_quarter
from bench.peers.reference import Q_STAR, Array, Hour, Inputs


class Sparse(NamedTuple):
    """Values of some pairs; one of `like` for the shape where a sum has none."""

    parts: list[Array]
    like: Array

    def __getitem__(self, pair: Any) -> Array:
        part = self.parts[pair]
        return self.like[pair] if part is None else part


def landlords(
    xp: Any, pairs: Pairs, x: Inputs, hour: Hour, built: BuildOut, of_labs: dict[str, Array],
    capex: Array, it_usd: Array, facility_usd: Array,
) -> dict[str, Array]:  # fmt: skip
    """Books of landlords, (7.1) to (7.12)."""
    external = [not captive for captive in pairs.captive]
    h_bar, shares, hours = of_labs["h_bar"], of_labs["shares"], of_labs["hours"]
    relative = x["relative_cost"]
    k_it, facility = it_usd * (of_labs["per_gw"] / 1e9), facility_usd * (of_labs["per_gw"] / 1e9)
    facility = facility / x["facility_life_years"]
    life = x["it_book_life_years"] + x["book_life_offset_years"]
    booked = (k_it / life + facility)[:, None] * (hour.cost_index / 4.0)
    economic = k_it * (1.0 - x["it_residual_fraction"]) / x["it_economic_life_years"] + facility
    economic = economic * (hour.cost_index / 4.0)

    of_reference = h_bar * pairs.of(xp, "lab", relative)[:, None]
    hc = pairs.by(xp, "landlord", of_reference)
    he = pairs.by(xp, "landlord", of_reference, external)
    hx = pairs.by(xp, "landlord", h_bar, external)
    by_books, by_economics = hc * booked, hc * economic
    rented = he * booked

    energy = xp.sum(shares * hour.energy, 1)  # [lab, quarter, draw]
    owner = energy + relative[:, None] * hour.capital
    running = energy + relative[:, None] * (hour.upkeep * hour.cost_index)
    marked_up = (1.0 + x["landlord_markup"]) * owner
    received, operated = [], []
    for p, (lab, k) in enumerate(zip(pairs.lab, pairs.landlord, strict=True)):
        rent = x["rent_busd_per_gw_year"][k] * 1e9 / hours if pairs.contract[k] else marked_up[lab]
        received.append(h_bar[p] * rent if external[p] else None)
        operated.append(h_bar[p] * running[lab] if external[p] else None)
    rent = pairs.by(xp, "landlord", Sparse(received, h_bar), external) * (hours / 4e9)
    operation = pairs.by(xp, "landlord", Sparse(operated, h_bar), external) * (hours / 4e9)
    other = (x["other_cost_busd_per_gw_year"] / 4.0)[:, None] * hx
    cost = rented + operation + other

    opening = xp.concatenate(
        [xp.broadcast_to(built.at_first, built.hosted[:, 0].shape)[:, None], built.hosted[:, :-1]],
        1,
    )
    by_lab = pairs.of(xp, "lab", relative)
    added = (built.hosted - opening) * capex - h_bar * pairs.of(xp, "landlord", booked)
    price = capex[Q_STAR] * x["opening_nbv_fraction"]
    start = by_lab * built.at_first * price
    closing = start[:, None] + xp.cumsum(by_lab[:, None] * added, 1)
    mean = mean_of_quarter(xp, closing, start)
    debt = (x["debt_share"] * x["interest_rate"] / 4.0)[:, None]
    interest = debt * pairs.by(xp, "landlord", mean, external)

    under = of_labs["paid_margin"] < x["hurdle_margin"]  # of labs that report
    owed = x["rpo_busd"][:, :, None] * pairs.rpo[:, pairs.reporting, None]
    at_risk = [
        xp.where(under[pairs.reporting.index(lab)], closing[p, Q_STAR], 0.0)
        if external[p] and lab in pairs.reporting
        else None
        for p, lab in enumerate(pairs.lab)
    ]
    exposed = [part is not None for part in at_risk]
    firm = x["rpo_busd"] * x["firm_share"]
    return {
        "depreciation_booked": by_books,
        "depreciation_economic": by_economics,
        "depreciation_gap": by_economics - by_books,
        "rent_received": rent,
        "depreciation_booked_rented": rented,
        "depreciation_coverage": rent / rented,
        "external_cost_busd": cost,
        "landlord_gross_margin": 1.0 - cost / rent,
        "net_book_value": pairs.by(xp, "landlord", closing),
        "interest_busd": interest,
        "landlord_margin_after_interest": 1.0 - (cost + interest) / rent,
        "lab_dependence": np.sum(pairs.rpo, 1)[:, None],
        "rpo_under_hurdle": xp.sum(owed * under, 1),
        "rpo_shortfall": xp.sum(owed * of_labs["shortfall"], 1),
        "nbv_under_hurdle": pairs.by(xp, "landlord", Sparse(at_risk, closing[:, Q_STAR]), exposed),
        "rpo_firm_busd": firm,
        "rpo_due_12m_busd": firm * np.minimum(1.0, 1.0 / x["duration_years"]),
    }
