"""The claims of the source document beside what a run and other sources say."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import xarray as xr

from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.expressions.parse import parse_any
from sim.expressions.tree import references
from sim.statistics.datasets import json_attribute
from sim.statistics.values import unknown_labels
from sim.tables.cells import Reader, share_of_draws
from sim.tables.table import NOT_KEPT, Cell, Selection, Table

NAMES = {"claims": "the claims of the source document, and what of them holds"}
HOLDS, FAILS = 0.8, 0.2  # probabilities from which on a claim holds, up to which it does not
LEVELS = (0.5, 0.05, 0.95)
OPEN, NOT_IN_MODEL, NOT_IN_RUN = "open", "not in the model", "not in this run"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run says about a claim, and what other sources say.

    `median`, `p5`, `p95` are of the claim's expression in `unit`, `probability` is that of its
    event: each a value and its Monte Carlo error, NaN where there is none. `verdict` is "holds" (a
    probability of 0.8 or more), "does not hold" (0.2 or less), "open", "not in the model", "not in
    this run", or in tables "not kept" by a run that cannot be drawn again. `others` are texts with
    source, date and grade.
    """

    number: str
    text: str
    expression: str
    unit: str
    event: str
    note: str
    median: tuple[float, float]
    p5: tuple[float, float]
    p95: tuple[float, float]
    probability: tuple[float, float]
    verdict: str
    others: tuple[str, ...]


def claims(ds: xr.Dataset) -> tuple[Answer, ...]:
    """Hold a run against the claims of the source document.

    Args:
        ds: What `simulate` or `open_run` gives for one scenario, whose `claims.toml` it holds.

    Returns:
        An answer to each claim, in the order of the file. Draws that `ds` lacks are made again.

    Raises:
        InputError: If it holds no claims, or if draws that they need cannot be made again.
    """
    reader = Reader(ds, xr.Dataset(), Selection())
    lines: list[str] = []
    found = list(_answers(reader))
    if not found:
        message = "this Dataset holds no claims: there was no claims.toml"
        raise InputError([Fault(Location("claims"), "", message)])
    if reader.asked.answer(lines.append):
        found = list(_answers(reader))
    if reader.asked.lacking_values:
        raise InputError([Fault(Location("claims"), "", "; ".join(lines))])
    return tuple(answer for answer, _ in found)


def tables(reader: Reader) -> list[Table]:
    """Every claim with the run's answer, its verdict, and what other sources say."""
    heads = ["claim, what is asked", "p50", "p5", "p95", "P %", "verdict"]
    table = Table("Claims of the source document", heads, name="claims")
    counts: dict[str, int] = {}
    remarks: list[str] = []
    for answer, cells in _answers(reader):
        counts[answer.verdict] = counts.get(answer.verdict, 0) + 1
        unit = f" ({answer.unit})" if answer.unit else ""
        label = f"{answer.number}. {plain(answer.text)}{plain(unit)}"
        verdict = "\n".join(textwrap.wrap(answer.verdict, 10))
        table.rows.append((label, [*cells, verdict]))
        if lines := [*([plain(answer.note)] if answer.note else []), *answer.others]:
            remarks.append(f"{answer.number}. {'; '.join(lines)}.")
    if not table.rows:
        return []
    table.remarks = [
        *remarks,
        f"Of {sum(counts.values())} claims: {', '.join(f'{v} {n}' for v, n in counts.items())}."
        f" Holds: P >= {100 * HOLDS:g} %; does not hold: P <= {100 * FAILS:g} %. P: of the event"
        " that the claim asks for, see above where that is not plain. In brackets: what other"
        " sources say, with their date and grade.",
    ]
    evaluated = int(reader.ds.attrs.get("draws", 0))
    if reader.ds.sizes["draw"] < evaluated and not reader.ds.attrs["drop_questionable"]:
        table.remarks.append(f"Of the first {reader.ds.sizes['draw']:,} of {evaluated:,} draws.")
    return [table]


def _answers(reader: Reader) -> Iterator[tuple[Answer, list[Cell | str]]]:
    """The answer to each claim of a selection, and its cells: quantiles and probability."""
    chosen = {*reader.selection.labs, *reader.selection.landlords}
    for claim in json_attribute(reader.ds, "claims", []):
        texts = [text for text in (claim["expression"], claim["event"]) if text]
        trees = [parse_any(text) for text in texts]
        labels = {label for tree in trees for ref in references(tree) for label in ref.labels}
        if chosen and not chosen & labels:
            continue
        unknown = dict.fromkeys(x for tree in trees for x in unknown_labels(tree, reader.ds))
        yield _answer(reader, claim, list(unknown))


def _answer(
    reader: Reader, claim: dict[str, Any], unknown: list[str]
) -> tuple[Answer, list[Cell | str]]:
    """The answer to a claim and its cells; `unknown` are labs and landlords that the run lacks."""
    nothing = (math.nan, math.nan)
    numbers, probability = [nothing] * len(LEVELS), nothing
    cells: list[Cell | str] = ["-"] * (len(LEVELS) + 1)
    scale, unit = (100.0, "1") if claim["unit"] == "%" else (1.0, claim["unit"])
    if claim["expression"] and not unknown:
        quantiles = reader.values([claim["expression"]], LEVELS, unit, scale)[0]
        numbers = [(scale * cell.value, scale * cell.error) for cell in quantiles]
        cells[:-1] = quantiles
    value = reader.asked.value(claim["event"]) if claim["event"] and not unknown else None
    if value is not None:
        probability = value.probability()
        draws = share_of_draws(reader.ds, value.draws.size) if value.draws.size > 1 else math.inf
        cells[-1] = Cell(*probability, "1", draws=draws)
    others = tuple(
        f"{plain(other['text'])} ({', '.join(map(plain, filter(None, cited)))})"
        for other in claim["others"]
        if (cited := (other["source"], other["date"], other["grade"]))
    )
    note = f"{NOT_IN_RUN}: {', '.join(unknown)}" if unknown else claim["note"]
    plain_keys = {key: claim[key] for key in ("number", "text", "expression", "unit", "event")}
    verdict = _verdict(probability[0])
    if not claim["event"]:
        verdict = NOT_IN_MODEL
    if unknown:
        verdict = NOT_IN_RUN
    elif claim["event"] and value is None:
        verdict = NOT_KEPT
    answer = Answer(
        **plain_keys,
        note=note,
        median=numbers[0],
        p5=numbers[1],
        p95=numbers[2],
        probability=probability,
        verdict=verdict,
        others=others,
    )
    return answer, cells


def _verdict(probability: float) -> str:
    """A probability in words; NaN is that of what the run does not have."""
    if math.isnan(probability):
        return NOT_IN_RUN
    if probability >= HOLDS:
        return "holds"
    return "does not hold" if probability <= FAILS else OPEN
