"""What is odd in a run, in words, and how much of a number rests on it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import OUTPUTS
from sim.model.dims import REFERENCE_QUARTER
from sim.statistics.datasets import display_names, draws_of, last, named_labs
from sim.statistics.estimators import probability_with_error
from sim.statistics.replicates import fewest_draws, replicates_of, sampler_of
from sim.statistics.tails import WORST, WORST_SHARE
from sim.tables import published
from sim.tables.cells import LARGEST_ERROR_OF_SPREAD, Reader, hurdle_label, share_of_draws
from sim.tables.table import OWNED, Cell

QUESTIONABLE = {  # output -> the reason for which a draw is questionable
    "speed_unreachable": "promised speed out of reach",
    "demand_exceeds_capacity": "demand above capacity",
    "pue_above_capacity_ratio": "pue above capacity ratio",
}
FEWEST_FOR_SPREAD = 1024  # draws from which on an sd should have settled
LARGE_JUDGEMENT = 0.5  # of the spread, beyond which it is odd
MOST_OWNED = 2  # numbers that a few draws own, which are named
CLEAR = 2.0  # standard errors by which a number is told apart from another


def find_oddities(reader: Reader, drivers: xr.Dataset | None, number: str) -> list[str]:
    """What is odd, in sentences, what matters most first; some of them once draws are made again.

    `drivers` are those of the number that is named, None where they are not known.
    """
    return [
        *_not_finite(reader.ds),
        *_too_few(reader.ds),
        *_questionable(reader),
        *_judgement(drivers, number),
        *_outside(reader),
        *_heavy_tails(reader.ds, reader.summary),
        *_overfull(reader),
    ]


def warnings(ds: xr.Dataset) -> list[str]:
    """Warnings of draws that are not finite."""
    bad, draws = int(ds.attrs["draws_not_finite"]), int(ds.attrs["draws"])
    if not bad:
        return []
    fate = "they are left out of the draws and of every statistic."
    if ds.attrs["bad_draws"] == "keep":
        fate = "statistics of the outputs that they affect are nan."
    line = f"WARNING: {bad:,} of {draws:,} draws gave a value that is not finite; {fate}"
    return [f"{line} {ds.attrs['draws_not_finite_why']}".rstrip()]


def describe_errors(draws: int, sampler: str) -> str:
    """A remark on errors, or on why there are none.

    They depend on the number of draws and the sampler.
    """
    fewest = fewest_draws(sampler)
    if draws < fewest:
        return f"{draws} draws are too few for a Monte Carlo error ({fewest} are needed)."
    return "±: Monte Carlo standard error, from independent replicates."


def _not_finite(ds: xr.Dataset) -> Iterator[str]:
    """Draws that are not finite, and how far they could move a probability."""
    bad, draws = int(ds.attrs["draws_not_finite"]), int(ds.attrs["draws"])
    if not bad:
        return
    text = f"{bad:,} of {draws:,} draws are not finite"
    if ds.attrs["bad_draws"] == "keep":
        yield f"{text}: statistics that they affect are nan."
        return
    yield (
        f"{text} and left out: they could move a probability by {100 * bad / draws:.2g} points at"
        " most."
    )


def _too_few(ds: xr.Dataset) -> Iterator[str]:
    """That draws are too few for errors."""
    if ds.sizes["draw"] < fewest_draws(sampler_of(ds)):
        yield describe_errors(ds.sizes["draw"], sampler_of(ds))


def _questionable(reader: Reader) -> Iterator[str]:
    """The number and reasons of questionable draws, and what they move or that they are left out.

    Of the probabilities of the headline that which they move most. It is not known of a run that
    cannot be drawn again.
    """
    ds = reader.ds
    count = int(ds.attrs["draws_questionable"])
    if count and ds.attrs["drop_questionable"]:
        reasons = ", ".join(QUESTIONABLE.values())
        yield f"{count:,} questionable draws are left out ({reasons})."
    elif count:
        yield f"{count:,} draws are questionable{_reasons_and_moves(reader)}."


def _reasons_and_moves(reader: Reader) -> str:
    """Counts of questionable draws by reason, and probabilities with and without them.

    "" where draws are neither kept nor can be made again.
    """
    ds, selection = reader.ds, reader.selection
    quarter = reader.quarters(REFERENCE_QUARTER)[0]
    at, hurdle = f"@{quarter} >= hurdle_margin", hurdle_label(ds)
    moved = {f"P(inference >= {hurdle})": f"inference_gross_margin{at}"}
    for lab, name in display_names(ds, "lab").items():
        if lab in (selection.labs or named_labs(ds)):
            moved[f"{name}'s P(paid >= {hurdle})"] = f"lab_paid_margin[{lab}]{at}"
    events = {text: reader.asked.value(event) for text, event in moved.items()}
    drawn = reader.asked.draws([*QUESTIONABLE])
    if drawn is None:
        return ""
    flags = {name: last(drawn, name) for name in QUESTIONABLE}
    reasons = {name: flag.reshape(-1, flag.shape[-1]).any(axis=0) for name, flag in flags.items()}
    some = np.logical_or.reduce([*reasons.values()])
    kept = "" if some.size == draws_of(ds) else f" of the first {some.size:,}"
    counts = ", ".join(
        f"{what} {np.count_nonzero(reasons[name]):,}{kept}"
        for name, what in QUESTIONABLE.items()
        if reasons[name].any()
    )
    moves: list[tuple[float, str]] = []
    for text, event in events.items():
        if event is None:
            continue
        happens, valid = (np.broadcast_to(x, some.shape) for x in (event.draws, event.known))
        cells = []
        for known in (valid & ~some, valid):
            value, error = probability_with_error(happens, known, replicates_of(ds))
            of = share_of_draws(ds, some.size)
            cells.append(Cell(float(value), float(error), "1", draws=of))
        if not any(math.isnan(cell.value) for cell in cells):
            without, with_them = map(_value_and_error, cells)
            by = abs(cells[0].value - cells[1].value)
            moves.append((by, f"{text} is {without}, not {with_them} %"))
    return f" ({counts})" + (f": without them {max(moves)[1]}" if moves else "")


def _value_and_error(cell: Cell) -> str:
    """A probability rounded by its error, which is shown where that is large."""
    value, _ = cell.rounded()
    _, error = cell.brief()
    return f"{value} ± {error}" if error else value


def _judgement(drivers: xr.Dataset | None, number: str) -> Iterator[str]:
    """That more than half of the spread of the first number rests on judgement."""
    if drivers is None:
        return
    share, error = (float(drivers[name]) for name in ("judgement", "judgement_error"))
    if share - LARGE_JUDGEMENT > (CLEAR * error if math.isfinite(error) else 0.0):
        yield f"{100 * share:.0f} % of the spread of {number} rests on judgement."


def _outside(reader: Reader) -> Iterator[str]:
    """How many graded figures lie outside the intervals, and the best graded of them."""
    figures = published.compared_figures(reader)
    outside = sorted((f for f in figures if not f.is_inside), key=lambda figure: figure.grade)
    if not outside:
        return
    shown = [
        f"{figure.quantity} {figure.published.split(' (')[0]} ({figure.grade}, here"
        f" {figure.p5:.3g} to {figure.p95:.3g})"
        for figure in outside[:1]
    ]
    others = f", and {len(outside) - 1} more" if len(outside) > 1 else ""
    lie = "lies" if len(outside) == 1 else "lie"
    yield (
        f"{len(outside)} of {len(figures)} graded published figures {lie} outside 5 to 95 %:"
        f" {', '.join(shown)}{others} (table published)."
    )


def _overfull(reader: Reader) -> Iterator[str]:
    """Draws in which fine-tuning and inference leave no hours for training."""
    hours = round(draws_of(reader.ds) * float(reader.summary["training_share_below_zero_mean"]))
    if hours:
        yield (
            f"In {hours:,} draws inference and fine-tuning need more hours than a lab's"
            " accelerators have."
        )


def _heavy_tails(ds: xr.Dataset, summary: xr.Dataset) -> Iterator[str]:
    """Numbers that a few draws own, with the labels where that is worst.

    Of outputs without draws it shows in an sd whose own error stays large, whatever the number of
    draws: of the replicates, the one with the largest draw outweighs the rest.
    """
    if draws_of(ds) < FEWEST_FOR_SPREAD:
        return
    owned, unsettled = [], []
    for name, output in OUTPUTS.items():
        if output.kind == "bool":  # events may well be rare
            continue
        shares = {}
        for statistic in ("mean", "cvar"):
            variable = summary.variables.get(f"{name}_{statistic}{WORST_SHARE}")
            if variable is not None and variable.size:
                share, labels = _largest(summary, variable.dims, variable.values)
                shares[statistic, labels] = share
        large = {key: share for key, share in shares.items() if share > OWNED}
        if large:
            texts = [
                f"{100 * share:.0f} % of the {'mean' if statistic == 'mean' else 'tail mean'} of"
                f" {name}{labels}"
                for (statistic, labels), share in large.items()
            ]
            owned.append((max(large.values()), " and ".join(texts)))
        elif not shares and f"{name}_sd" in summary:
            sd = summary.variables[f"{name}_sd"]
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = summary.variables[f"{name}_sd_error"].values / sd.values
            share, labels = _largest(summary, sd.dims, ratio)
            if share > LARGEST_ERROR_OF_SPREAD:
                unsettled.append(f"{name}{labels}")
    if owned:
        texts = [text for _, text in sorted(owned, reverse=True)]
        more = f", and more than {OWNED:.0%} of {len(texts) - MOST_OWNED} others".replace("%", " %")
        yield (
            f"{100 * WORST:.2g} % of draws hold {', '.join(texts[:MOST_OWNED])}"
            f"{more if len(texts) > MOST_OWNED else ''}: read medians; such means are marked by *."
        )
    if unsettled:
        yield (
            "A few draws own the sd, which does not settle, and no draws are kept:"
            f" {', '.join(unsettled)}."
        )


def _largest(
    summary: xr.Dataset, dims: tuple[Hashable, ...], values: NDArray[np.float64]
) -> tuple[float, str]:
    """The largest value, and its labels as text; 0 where all are NaN."""
    known = np.nan_to_num(values)
    worst = np.unravel_index(int(known.argmax()), known.shape)
    labels = [str(summary.variables[dim].values[i]) for dim, i in zip(dims, worst, strict=True)]
    return float(known[worst]), f" ({', '.join(labels)})" if labels else ""
