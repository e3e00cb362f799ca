"""What an input or output is: meaning, unit, law in numbers and as a picture, and its source."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sim.common.errors import Fault, InputError, Location
from sim.common.text import in_words, nearest
from sim.distributions import text_density
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed, Steps
from sim.distributions.domain import probabilities_outside
from sim.distributions.landlord_capex import FiscalYears, SharedSpread
from sim.distributions.moments import moments
from sim.distributions.normal import Lognormal
from sim.distributions.quantile_tables import NEAR_ERROR, TooRoughError, steps_of, table_of
from sim.distributions.text_density import format_number
from sim.model.declarations import Output, declared
from sim.model.inputs import SPREAD_FROM
from sim.model.outputs import ENTITIES
from sim.parameters.scenario import Quantity, Scenario

WIDTH = 80
LEVELS = {"p1": 0.01, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99}
KEPT = {
    "draws": "every draw, by every run",
    "moments": "mean and standard deviation, by every run",
    "": "only where a run is asked for it (keep)",
}
TOLD_FROM = 1e-9  # a smaller share of a law shows in no run
OUTPUTS: dict[str, tuple[Output, tuple[str, ...]]] = {
    name: (output, (*dims, *output.dims))
    for entity, dims in ENTITIES.items()
    for name, output in declared(entity).items()
}


def described(scenario: Scenario, names: list[str]) -> list[dict[str, Any]]:
    """Everything about inputs and outputs as plain data; what is no number is None.

    Names are full, such as `hardware.pue`, or their last part where only one has it.

    Raises:
        InputError: With every name that nothing bears, and the nearest that something does.
    """
    return [
        _input(scenario, scenario.quantities[name])
        if name in scenario.quantities
        else _output(name)
        for name in full_names(scenario, names)
    ]


def full_names(scenario: Scenario, names: list[str]) -> list[str]:
    """Names of inputs and outputs in full.

    Raises:
        InputError: With every name that nothing bears, and the nearest that something does.
    """
    faults: list[Fault] = []
    found = [_full_name(scenario, name, faults) for name in names]
    if faults:
        raise InputError(faults)
    return found


def listed(scenario: Scenario) -> list[dict[str, Any]]:
    """Name, unit, median, p5, p95 and grade of every input, in the order of the model."""
    return [
        {
            "name": name,
            "unit": quantity.field.unit,
            **(
                {"value": distribution.value}
                if isinstance(distribution, Fixed)
                else _quantiles(distribution, _MIDDLE)
            ),
            "grade": _grade(scenario, quantity),
        }
        for name, quantity in scenario.quantities.items()
        for distribution in [draw_density(scenario, quantity)]
    ]


_MIDDLE = {key: LEVELS[key] for key in ("median", "p5", "p95")}


def draw_density(scenario: Scenario, quantity: Quantity) -> Distribution:
    """The law of a quantity, of a shared spread with the median of the scalar that gives it."""
    distribution = quantity.distribution
    if not isinstance(distribution, SharedSpread | FiscalYears):
        return distribution
    spread = scenario.quantities[_spread(quantity)].distribution.point
    return Lognormal(family="lognormal", median=distribution.point, sigma=spread)


def _spread(quantity: Quantity) -> str:
    return ".".join(SPREAD_FROM[quantity.name.split(".")[-1]])


def _full_name(scenario: Scenario, name: str, faults: list[Fault]) -> str:
    known = [*scenario.quantities, *OUTPUTS]
    if name in known:
        return name
    same = [full for full in scenario.quantities if full.split(".")[-1] == name]
    if len(same) == 1:
        return same[0]
    if same:
        some = ", ".join(same[:3]) + (", ..." if len(same) > 3 else "")
        message = f"{len(same)} inputs are called so: {some}"
    elif name.endswith(".toml"):
        message = "no such input or output; a parameter file is named by --file"
    else:
        short = [full.split(".")[-1] for full in known]
        message = f"no such input or output{nearest(name, known if '.' in name else short)}"
    faults.append(Fault(Location(name), "", message))
    return name


def _grade(scenario: Scenario, quantity: Quantity) -> str:
    return str(scenario.sources.get(quantity.source, {}).get("grade", ""))


def _quantiles(distribution: Distribution, levels: Mapping[str, float]) -> dict[str, float]:
    from scipy.special import ndtri

    with np.errstate(all="ignore"):
        found = distribution.quantile(ndtri(list(levels.values())))
    return dict(zip(levels, map(float, found), strict=True))


def _output(name: str) -> dict[str, Any]:
    output, dims = OUTPUTS[name]
    return {
        "name": name,
        "unit": output.unit,
        "meaning": output.meaning,
        "dims": list(dims),
        "kept": output.kept,
        "may_be_infinite": output.may_be_infinite,
        "unbounded": output.unbounded,
    }


def _input(scenario: Scenario, quantity: Quantity) -> dict[str, Any]:
    field, distribution = quantity.field, draw_density(scenario, quantity)
    prefix = f"{quantity.name}."
    data: dict[str, Any] = {
        "name": quantity.name,
        "unit": field.unit,
        "meaning": field.meaning,
        "domain": {"min": _number(field.lo), "max": _number(field.hi), "open": field.lo_open},
        "given": {key: what for key, what in quantity.given.items() if key != "fiscal_year_end"},
        "law": quantity.distribution.as_entry(),
        "spread_from": None if distribution is quantity.distribution else _spread(quantity),
        "loads": quantity.loads,
        "tied": _tied(scenario, quantity.name),
        "source": {"id": quantity.source, **scenario.sources.get(quantity.source, {})},
        "note": quantity.note,
        "as_of": quantity.as_of,
        "overrides": quantity.overrides,
        "changes": [f"{o.by}: {o}" for o in scenario.overrides if o.key.startswith(prefix)],
    }
    if isinstance(distribution, Fixed):
        return data
    outside = sum(probabilities_outside(distribution, field.lo, field.hi))
    return {
        **data,
        "quantiles": {key: _number(x) for key, x in _quantiles(distribution, LEVELS).items()},
        **_tabulated(distribution),
        "cut_off": distribution.cut_share,
        "left": distribution.kept_share,
        "outside_domain": outside if outside > 1e-15 else 0.0,
        "picture": text_density.draw_density(distribution),
    }


def _tied(scenario: Scenario, name: str) -> dict[str, Any] | None:
    """The correlation group of an input and the other inputs in it; None where it is in none."""
    for group in scenario.correlations:
        if name in group.members:
            others = [other for other in group.members if other != name]
            return {"group": group.name, "kind": group.kind, "with": others}
    return None


def _tabulated(distribution: Distribution) -> dict[str, Any]:
    """Mean, sd and the table from which draws are read."""
    if isinstance(distribution, Steps):
        steps = steps_of(distribution)
        size = steps.guide.nbytes + steps.edges.nbytes + steps.values.nbytes
        table: dict[str, Any] = {"bytes": size, "error": 0.0}
    else:
        try:
            made = table_of(distribution)
        except TooRoughError as error:
            return {"mean": None, "sd": None, "table": {"fault": str(error)}}
        table = {"bytes": made.cells.nbytes, "error": made.error + NEAR_ERROR}
    mean, sd = moments(distribution)
    has = {"has_mean": distribution.moment_order > 1, "has_sd": distribution.moment_order > 2}
    return {"mean": _number(mean), "sd": _number(sd), **has, "table": table}


def _number(x: float) -> float | None:
    return x if math.isfinite(x) else None


# As text


def text(data: Mapping[str, Any]) -> str:
    """A description in lines of at most 80 columns."""
    pairs = _output_lines(data) if "dims" in data else _input_lines(data)
    lines = [f"{data['name']}  [{data['unit']}]", *textwrap.wrap(data["meaning"], WIDTH)]
    for label, what in pairs:
        if label == "picture":
            lines += ["", *(f"  {line}".rstrip() for line in what.split("\n")), ""]
            continue
        head = f"  {label:<11}"
        lines += textwrap.wrap(
            what, WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
    return "\n".join(lines)


def _output_lines(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "", "an output of the model"
    yield "dims", ", ".join(["draw", *data["dims"]])
    yield "kept", KEPT[data["kept"]]
    if data["may_be_infinite"]:
        yield "", "may be infinite"
    if data["unbounded"]:
        yield "", "has quantiles and probabilities, and no mean, which may not exist"


def _input_lines(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _distribution_lines(data)
    if "quantiles" in data:
        yield from _number_lines(data)
    if data["loads"]:
        yield "loads", in_words(data["loads"])
    if tied := data["tied"]:
        yield "tied", f'in group "{tied["group"]}" ({tied["kind"]}) with {", ".join(tied["with"])}'
    source = data["source"]
    where = [source.get("publisher"), source.get("date"), f"grade {source.get('grade', 'unknown')}"]
    if source["id"] == "judgement":
        yield "source", "judgement"
    else:
        yield "source", f"{source['id']}: {source.get('title', '')}"
        yield "", ", ".join(str(part) for part in where if part)
        yield "", source.get("url", "")
    yield "as of", data["as_of"] or ""
    yield "note", data["note"] or ""
    if data["overrides"]:
        was = "an earlier" if data["overrides"] == "judgement" else "a number of"
        yield "overrides", f"{was} {data['overrides']}"
    for change in data["changes"]:
        yield "changed by", change


def _distribution_lines(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given, distribution = data["given"], data["law"]
    if list(given) == ["value"]:
        yield "value", f"{format_number(distribution['value'])} (fixed)"
    else:
        family = given.get("family")
        keys = in_words({key: what for key, what in given.items() if key != "family"})
        yield "law", f"{family}: {keys}" if family else keys
        added = {
            key: what
            for key, what in distribution.items()
            if given.get(key) != what and not isinstance(what, list)
        }
        if "file" in given:
            yield "", f"that is, {len(distribution['values']):,} values"
        elif added:
            yield "", f"that is, {in_words(added)}"
        if data["spread_from"]:
            yield "", f"lognormal; its spread is {data['spread_from']}"
    low, high, is_open = (data["domain"][key] for key in ("min", "max", "open"))
    bounds = [
        "" if low is None else f"{'above' if is_open else 'from'} {format_number(low)}",
        "" if high is None else f"to {format_number(high)}",
    ]
    yield "domain", " ".join(filter(None, bounds)) or "any number"


def _number_lines(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    quantiles = {
        key: "infinite" if x is None else format_number(x) for key, x in data["quantiles"].items()
    }
    said = {}
    for key in ("mean", "sd"):
        none = "none" if data.get(f"has_{key}") is False else "not computed"
        said[key] = none if data[key] is None else format_number(data[key])
    yield "median", f"{quantiles.pop('median')}   mean {said['mean']}   sd {said['sd']}"
    yield "quantiles", "   ".join(f"{key} {x}" for key, x in quantiles.items())
    if data["left"] < 0.5:
        left = _percent(data["left"]) if data["left"] else "less than 1e-300"
        yield "cut", f"min and max leave {left} of the law"
    elif data["cut_off"] >= TOLD_FROM:
        yield "cut", f"min and max take {_percent(data['cut_off'])} of the law away"
    if data["outside_domain"] >= TOLD_FROM:
        yield "outside", f"{_percent(data['outside_domain'])} of the mass lies outside the domain"
    yield "picture", data["picture"]
    table = data["table"]
    if "fault" in table:
        yield "table", table["fault"]
    elif table["error"] == 0:
        yield "table", f"{table['bytes'] / 1e3:,.1f} kB, exact"
    else:
        scale = "the distance from the median, or of the interquartile range if that is larger"
        yield "table", f"{table['bytes'] / 1e3:,.1f} kB, exact to {table['error']:.0e} of {scale}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def list_text(rows: list[dict[str, Any]]) -> str:
    """The list of all inputs, grouped, a line each."""
    lines, last = [], ""
    head = f"  {'':<33}{'unit':<14}{'median':>8} {'p5 to p95':<17}grade"
    for row in rows:
        group, _, name = row["name"].rpartition(".")
        if group != last:
            lines += ["", group, head] if not last else ["", group]
            last = group
        if "value" in row:
            middle, spread = format_number(row["value"], 3), "fixed"
        else:
            middle = format_number(row["median"], 3)
            spread = f"{format_number(row['p5'], 3)} to {format_number(row['p95'], 3)}"
        grade = {"judgement": "J"}.get(row["grade"], row["grade"])
        lines.append(f"  {name:<33}{row['unit']:<14}{middle:>8} {spread:<21}{grade}")

    legend = "Grades: A first-party, B research or press, C secondary, J judgement."
    return "\n".join([*lines[1:], "", legend])


def ties_text(data: Mapping[str, Any]) -> str:
    """How inputs are tied (`dependence.described`), in lines of at most 80 columns."""
    lines = [
        f"Correlations asked for, and those of the first {data['draws']:,} draws (sampler",
        f"{data['sampler']}, seed {data['seed']}) with their standard errors.",
    ]
    for group in data["groups"]:
        copula = f"t copula, nu {group['nu']:g}" if "nu" in group else "Gaussian copula"
        kind, drawn = group["kind"], "pearson" if group["kind"] == "pearson" else "spearman"
        asked = {"copula": "scores", "pearson": "values"}.get(kind, "ranks")
        lines += ["", *textwrap.wrap(f"Group {group['name']}: {copula}", WIDTH)]
        lines += [_TIES.format(f"of {asked}", "of values" if drawn == "pearson" else "of ranks")]
        names = group["inputs"]
        for i, j in itertools.combinations(range(len(names)), 2):
            found, error = (group[key][i][j] for key in (drawn, f"{drawn}_error"))
            lines += _tie(group["matrix"][i][j], found, error, (names[i], names[j]))
    if not data["groups"]:
        lines += ["", "No correlation group."]
    if data["factors"]:
        lines += ["", f"Common factors tie {data['pairs']:,} pairs of inputs, the most:"]
        lines += [_TIES.format("of ranks", "of ranks")]
        for pair in data["factors"]:
            error = pair["spearman_error"]
            lines += _tie(pair["asked"], pair["spearman"], error, pair["inputs"])
    return "\n".join(lines)


_TIES = "  asked {:<11}drawn {}"


def _tie(asked: float, drawn: float | None, error: float | None, names: Sequence[str]) -> list[str]:
    found = "-" if drawn is None else f"{drawn:.3f}"
    if error is not None:
        found += f" ± {error:.3f}"
    head = f"  {asked:>6.3f}          {found:<17}"
    return textwrap.wrap(
        ", ".join(names), WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False,
    )  # fmt: skip
