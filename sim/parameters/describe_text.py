"""Descriptions of inputs, outputs and correlations as text of 80 columns."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.common.text import in_words, paragraph, plain
from sim.distributions.text_density import format_number

WIDTH = 80
LABEL_WIDTH = 13
KEPT = {
    "draws": "every draw, by every run",
    "moments": "mean and standard deviation, by every run",
    "": "only where a run is asked for it (keep)",
}
SHOWN_FROM = 1e-9  # a smaller share of a distribution shows in no run
Line = tuple[str, str]  # a label and a text, which is wrapped


def format_description(data: Mapping[str, Any]) -> str:
    """The text of a description, as `describe_quantities` gives it."""
    if "threshold" in data:
        pairs = _probability_lines(data)
    elif "missing" in data:
        pairs = _missing_lines(data)
    elif "matrix" in data:
        pairs = _matrix_lines(data)
    elif "host" in data:
        pairs = _host_lines(data)
    else:
        pairs = _output_lines(data) if "dims" in data else _input_lines(data)
    lines = [f"{data['name']}  [{data['unit']}]", *textwrap.wrap(data["meaning"], WIDTH)]
    for label, text in pairs:
        if label in ("picture", "formula"):
            lines += ["", *(f"  {line}".rstrip() for line in text.split("\n")), ""]
            continue
        head = f"  {label:<{LABEL_WIDTH}}"
        lines += textwrap.wrap(
            paragraph(text), WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
    return "\n".join(lines)


def _output_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    yield "", "an output of the model"
    yield "dims", ", ".join(["draw", *data["dims"]])
    yield "kept", KEPT[data["kept"]]
    if data["may_be_infinite"]:
        yield "", "may be infinite"
    if data["unbounded"]:
        yield "", "has quantiles and probabilities, and no mean, which may not exist"
    equation = data["equation"]
    number = f", equation ({equation['number']})" if equation["number"] else ""
    yield "section", f"{equation['section']}{number} (sim help model)"
    is_code = "\n" in equation["text"] or "=" in equation["text"]
    yield ("formula" if is_code else "in words"), equation["text"]
    yield "code", ", ".join(equation["code"])
    tables = data["depends_on"]
    yield "depends on", f"{sum(map(len, tables.values()))} inputs"
    for table, names in tables.items():
        yield "", f"{table}: {', '.join(names)}"
    for line in data.get("rests_on", []):
        yield "rests on", line


def _host_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    """Lines on what a landlord is to a lab."""
    for key, value in data["host"].items():
        yield key, in_words(value)
    source = data["source"]
    yield "source", f"{source['id']}, grade {source.get('grade', 'none')}"
    if data["note"]:
        yield "note", data["note"]


def _matrix_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    """Lines on a number of each pair of lab and landlord."""
    yield "", "a fixed input of each pair of lab and landlord; 0 of others"
    yield "dims", ", ".join(data["matrix"])
    yield "files", data["key"]
    for key, of in data["values"].items():
        value = of["value"]
        if value:
            shown = "true" if value is True else format_number(value)
            yield "", f"{key} {shown}, {of['source']}"


def _probability_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    yield "", "a probability, the share of draws"
    yield "dims", ", ".join(data["dims"])
    yield "output", data["of"]
    threshold = data["threshold"]
    values = ", ".join(map(format_number, threshold["values"]))
    unit = "" if threshold["unit"] == "1" else f" {threshold['unit']}"
    if threshold["parameter"] is None:
        yield "threshold", f"{values}{unit}"
    else:
        drawn = "" if threshold["fixed"] else "that of each draw, median "
        yield "threshold", f"{threshold['parameter']}: {drawn}{values}{unit}"


def _missing_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    """Lines on an optional input that the scenario leaves out."""
    default = data["missing"]
    instead = "the model does without" if default is None else f"counts as {default:g}"
    yield "", f"an optional input, which no file gives: {instead}"


def _input_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    """Lines on an input: distribution, numbers, ties, source, and what changed it."""
    yield from _distribution_lines(data)
    if "quantiles" in data:
        yield from _number_lines(data)
    if data["loads"]:
        yield "loads", in_words(data["loads"])
    if tied := data["tied"]:
        yield "tied", f'in group "{tied["group"]}" ({tied["kind"]}) with {", ".join(tied["with"])}'
    source = data["source"]
    details = [
        source.get("publisher"), source.get("date"), f"grade {source.get('grade', 'unknown')}",
    ]  # fmt: skip
    if source["id"] == "judgement":
        yield "source", "judgement"
    else:
        yield "source", f"{source['id']}: {source.get('title', '')}"
        yield "", ", ".join(str(detail) for detail in details if detail)
        yield "", source.get("url", "")
    yield "as of", data["as_of"] or ""
    yield "note", data["note"] or ""
    if data["overrides"]:
        origin = "an earlier" if data["overrides"] == "judgement" else "a number of"
        yield "overrides", f"{origin} {data['overrides']}"
    for change in data["changes"]:
        yield "changed by", plain(change)


def _distribution_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    """Lines on a distribution, as given and as solved, and its domain."""
    given, distribution = data["given"], data["law"]
    if list(given) == ["value"]:
        yield "value", f"{format_number(distribution['value'])} (fixed)"
    else:
        family = given.get("family")
        keys = in_words({key: value for key, value in given.items() if key != "family"})
        yield "distribution", f"{family}: {keys}" if family else keys
        added = {
            key: value
            for key, value in distribution.items()
            if given.get(key) != value and not isinstance(value, list)
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


def _number_lines(data: Mapping[str, Any]) -> Iterator[Line]:
    """Lines on quantiles, moments, cuts, picture and table of a distribution."""
    quantiles = {
        key: "infinite" if x is None else format_number(x) for key, x in data["quantiles"].items()
    }
    moments = {}
    for key in ("mean", "sd"):
        none = "none" if data.get(f"has_{key}") is False else "not computed"
        moments[key] = none if data[key] is None else format_number(data[key])
    yield "median", f"{quantiles.pop('median')}   mean {moments['mean']}   sd {moments['sd']}"
    yield "quantiles", "   ".join(f"{key} {x}" for key, x in quantiles.items())
    if data["left"] < 0.5:
        left = _percent(data["left"]) if data["left"] else "less than 1e-300"
        yield "cut", f"min and max leave {left} of the distribution"
    elif data["cut_off"] >= SHOWN_FROM:
        yield "cut", f"min and max take {_percent(data['cut_off'])} of the distribution away"
    if data["outside_domain"] >= SHOWN_FROM:
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


def format_list(
    rows: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The list of all inputs, grouped, then of outputs, a line each.

    `rows` are those of `describe.list_inputs` and `list_hosts`, `outputs` of `list_outputs`.
    """
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

    lines += ["", "outputs", f"  {'':<38}{'unit':<19}equation"] if outputs else []
    lines += [f"  {of['name']:<38}{of['unit']:<19}{of['equation']}".rstrip() for of in outputs]
    legend = "Grades: A first-party, B research or press, C secondary, J judgement."
    return "\n".join([*lines[1:], "", legend])


def format_correlations(data: Mapping[str, Any]) -> str:
    """Correlations asked for and those of draws, from `rank_correlation`."""
    lines = [
        f"Correlations asked for, and those of the first {data['draws']:,} draws (sampler",
        f"{data['sampler']}, seed {data['seed']}) with their standard errors.",
    ]
    for group in data["groups"]:
        copula = f"t copula, nu {group['nu']:g}" if "nu" in group else "Gaussian copula"
        kind, estimate = group["kind"], "pearson" if group["kind"] == "pearson" else "spearman"
        target = {"copula": "scores", "pearson": "values"}.get(kind, "ranks")
        estimated = "of values" if estimate == "pearson" else "of ranks"
        lines += ["", *textwrap.wrap(paragraph(f"Group {group['name']}: {copula}"), WIDTH)]
        lines += [_CORRELATION_HEAD.format(f"of {target}", estimated)]
        names = group["inputs"]
        for i, j in itertools.combinations(range(len(names)), 2):
            value, error = (group[key][i][j] for key in (estimate, f"{estimate}_error"))
            lines += _format_correlation(group["matrix"][i][j], value, error, (names[i], names[j]))
    if not data["groups"]:
        lines += ["", "No correlation group."]
    if data["factors"]:
        lines += ["", f"Common factors tie {data['pairs']:,} pairs of inputs, the most:"]
        lines += [_CORRELATION_HEAD.format("of ranks", "of ranks")]
        for pair in data["factors"]:
            lines += _format_correlation(
                pair["asked"], pair["spearman"], pair["spearman_error"], pair["inputs"]
            )
    return "\n".join(lines)


_CORRELATION_HEAD = "  asked {:<11}drawn {}"


def _format_correlation(
    target: float, value: float | None, error: float | None, names: Sequence[str]
) -> list[str]:
    """Lines with a correlation asked for, its estimate, and the inputs."""
    estimate = "-" if value is None else f"{value:.3f}"
    if error is not None:
        estimate += f" ± {error:.3f}"
    head = f"  {target:>6.3f}          {estimate:<17}"
    return textwrap.wrap(
        ", ".join(names), WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False,
    )  # fmt: skip
