"""One grammar of values, events, statistics, targets and evidence."""

from __future__ import annotations

import contextlib
import string
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.expressions.names import CATALOGUE, Names
from sim.expressions.parse import (
    parse_any,
    parse_event,
    parse_evidence,
    parse_statistic,
    parse_target,
    parse_value,
    unit,
)
from sim.expressions.tree import (
    Evidence,
    ExpressionError,
    Operation,
    Reference,
    Statistic,
    write,
)

MARGIN = "inference_gross_margin@2026Q4"
KINDS: dict[str, Callable[..., Any]] = {
    "value": parse_value,
    "event": parse_event,
    "statistic": parse_statistic,
    "target": parse_target,
    "evidence": parse_evidence,
}


class Party(NamedTuple):
    id: str
    name: str


PARTIES = Names.of_parties(
    [Party("openai", "OpenAI"), Party("google_deepmind", "Google DeepMind")],
    [Party("microsoft", "Microsoft"), Party("openai", "OpenAI, the landlord")],
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2 - (3 - 4) * -5", "2 - (3 - 4) * -5"),
        ("--gw[openai]@2027Q4", "--gw[openai]@2027Q4"),
        ("hardware.pue", "pue"),
        ("factor.demand", "factor.demand"),
        ("gw[ openai ] @ 2027Q4/2", "gw[openai]@2027Q4 / 2"),
        ("unit_cost[hbm_depreciation, online_inference]@2026Q4",
         "unit_cost[online_inference, hbm_depreciation]@2026Q4"),
        ("total_gw[2026Q4]", "total_gw@2026Q4"),
        (f"not ({MARGIN} > .5 and {MARGIN} < 0.6) or p_top_two@2027Q4",
         f"not ({MARGIN} > 0.5 and {MARGIN} < 0.6) or p_top_two@2027Q4"),
        (f"max({MARGIN}, 0) >= hurdle_margin", f"max({MARGIN}, 0) >= hurdle_margin"),
    ],
)  # fmt: skip
def test_a_value_or_event_is_written_as_it_is_read(text: str, written: str) -> None:
    tree = parse_any(text)
    assert write(tree) == written
    assert parse_any(written) == tree


def test_statistics_bind_as_numbers_do() -> None:
    text = f"p99.5({MARGIN}) - 2 * median({MARGIN}) / abs(cvar5({MARGIN}))"
    tree = parse_statistic(text).tree
    assert write(tree) == f"p99.5({MARGIN}) - 2 * p50({MARGIN}) / abs(cvar5({MARGIN}))"
    assert isinstance(tree, Operation)
    assert tree.operands[0] == Statistic("quantile", Reference(*MARGIN_PARTS), 99.5)
    plain = parse_statistic(f"P(0.7 <= {MARGIN})")
    assert (plain.statistic, plain.variable, plain.relation, plain.number) == (
        "P", "inference_gross_margin", ">=", 0.7,
    )  # fmt: skip
    assert parse_statistic(f"P({MARGIN} >= hurdle_margin)").variable == ""


MARGIN_PARTS = ("inference_gross_margin", (), "2026Q4")


def test_targets_and_evidence_hold_their_numbers() -> None:
    target = parse_target(f"p5({MARGIN}) ± 2e-3")
    assert (target.relation, target.number) == ("+-", 0.002)
    assert target.statistic.text == f"p5({MARGIN})"
    assert parse_target(f"P({MARGIN} >= 0.7) = 0.25").number == 0.25
    gw = Reference("gw", ("openai",), "2026Q4")
    about = parse_evidence("gw[openai]@2026Q4 = 2.2 +- 0.2")
    assert about == Evidence(about.text, gw, "=", 2.2, 0.2, about.high)
    between = parse_evidence("-1 <= gw[openai]@2026Q4 <= 2.5")
    assert (between.relation, between.number, between.high) == ("between", -1.0, 2.5)
    least = parse_evidence("gw[openai]@2026Q4 - gw[meta]@2026Q4 >= 2 +/- .1")
    assert (least.relation, least.number, least.error) == (">=", 2.0, 0.1)
    for text in (target, about, between, least):
        again = parse_target(str(text)) if text is target else parse_evidence(str(text))
        assert str(again) == str(text)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("event", MARGIN, "takes an event: inference_gross_margin@2026Q4 >= 0.7; 'inference_gross"),
        ("event", MARGIN, "is a value: say what it is compared with"),
        ("event", f"p5({MARGIN})", "is a statistic: an event is true or false in each draw"),
        ("value", f"{MARGIN} > 0.7", "takes a value: gw[openai]@2027Q4; "),
        ("value", f"P({MARGIN} > 0.7)", "is a statistic"),
        ("statistic", MARGIN, "say which of its statistics, such as mean, sd, p5 or median"),
        ("statistic", f"{MARGIN} > 0.7", "is an event: P(...) is its probability"),
        ("statistic", f"p5({MARGIN}) +- 0.002", "takes a statistic: p5(inf"),
        ("statistic", "2", "is a value"),
        ("target", f"p5({MARGIN})", "'= number', or '+- number' with its largest error, is miss"),
        ("target", MARGIN, "takes a target"),
        ("target", f"p5({MARGIN}) +- 0", "expected a standard error above 0, got 0"),
        ("evidence", MARGIN, "takes evidence: gw[openai]@2026Q4 = 2.2 +- 0.2; "),
        ("evidence", f"{MARGIN} >= 0.7", "how sharp it is, '+- number', is missing"),
        ("evidence", f"0.8 <= {MARGIN} <= 0.7", "expected the lower number first"),
        ("evidence", f"p5({MARGIN}) = 0.7 +- 0.1", "evidence is on a value"),
        ("evidence", f"{MARGIN} = 0.7 +- -1", "expected a standard error above 0"),
    ],
)  # fmt: skip
def test_another_kind_is_refused_with_what_is_missing(kind: str, text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        KINDS[kind](text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("value", "run_cost_usd + 1", "'+' adds equal units, got USD ('run_cost_usd') and 1 ('1')"),
        ("value", "gw[openai]@2027Q4 - arr[openai]@2027Q4", "got GW ('gw[openai]@2027Q4') and USD"),
        ("value", "min(run_days, payback_months[xai])", "'min' compares equal units"),
        ("event", "gw[openai]@2027Q4 > run_cost_usd", "'>' compares equal units, got GW"),
        ("value", "exp(run_cost_usd)", "'exp' takes a number of unit 1"),
        ("statistic", "p50(gw[xai]@2027Q4) - 1", "'-' adds equal units"),
        ("statistic", f"P({MARGIN} >= 70)", "is a fraction of 1, got 70: fractions: 0.70"),
        ("event", f"not 2.5 < {MARGIN}", "fractions: 0.025"),
        ("event", f"{MARGIN} - hurdle_margin > 10", "fractions: 0.10"),
        ("target", f"p50({MARGIN}) = 70", "fractions: 0.70"),
        ("target", "P(gw[xai]@2027Q4 > 5) +- 2", "fractions: 0.02"),
        ("evidence", f"{MARGIN} = 0.7 +- 5", "fractions: 0.05"),
        ("evidence", f"0.6 <= {MARGIN} <= 80", "fractions: 0.80"),
    ],
)
def test_units_and_fractions_are_checked(kind: str, text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        KINDS[kind](text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "hardware.pue > 1.6",  # a ratio, not a share
        "implied_duty[openai]@2026Q4 > 2",
        "training_moic[openai] >= 3",
        "final_run_share[openai] > 2",
        "0 < gw[openai]@2027Q4",
        "2 * gw[openai]@2027Q4 / gw[xai]@2027Q4 - 1 > 3",
        "accelerator_hour_cost[online_inference, maintenance]@2026Q4 < 70",
        f"{MARGIN} > -5",
    ],
)
def test_numbers_of_any_size_are_compared_with_what_is_no_fraction(text: str) -> None:
    assert write(parse_event(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gw[openai]@2027Q4", "GW"),
        ("arr[openai]@2027Q4 / gw[openai]@2027Q4", "USD bn/GW/yr"),
        ("gw[openai]@2027Q4 / gw[xai]@2027Q4 - 1", "1"),
        ("2 * run_cost_usd / run_days", "USD/day"),
        ("log(gw[openai]@2027Q4)", "1"),
        ("host_equity_busd[openai, microsoft] + lifetime_gross_profit_busd[openai]", "USD bn"),
    ],
)
def test_units_follow_from_those_of_the_parts(text: str, expected: str) -> None:
    assert unit(parse_value(text)) == expected


def test_labels_are_ids_or_display_names() -> None:
    expected = Reference("gw", ("google_deepmind",), "2027Q4")
    for label in ("google_deepmind", "Google DeepMind", "google  deepmind", '"Google DeepMind"'):
        assert parse_value(f"gw[{label}]@2027Q4", PARTIES) == expected
    # A lab and a landlord share an id: the first label is that of the first dim.
    text = "hosted_gw[openai, openai]@2026Q4"
    assert parse_value(text, PARTIES) == Reference("hosted_gw", ("openai", "openai"), "2026Q4")
    text = 'hosted_gw["OpenAI, the landlord", Google DeepMind]@2026Q4'
    swapped = parse_value(text, PARTIES)
    assert swapped == Reference("hosted_gw", ("google_deepmind", "openai"), "2026Q4")
    with pytest.raises(ExpressionError, match="unknown lab 'google_mind'; did you mean 'google_"):
        parse_value("gw[google_mind]@2027Q4", PARTIES)
    with pytest.raises(ExpressionError, match="did you mean 'Google DeepMind'"):
        parse_value("gw[Gogle Deep Mind]@2027Q4", PARTIES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gww[openai]@2026Q4", "unknown output or input 'gww'; did you mean 'gw'?"),
        ("slo_missed", "it is gone: a promised speed is now always met"),
        ("gw@2026Q4", "say a lab: gw[<lab>]"),
        ("gw[openai]", "say a quarter, e.g. @2026Q4"),
        ("gw[openai, xai]@2026Q4", "expected at most 1 labels, got openai, xai"),
        ("gw[]@2026Q4", "expected a label, got []"),
        ("gw[openai]@2029Q4", "unknown quarter '2029Q4'"),
        ("pue@2026Q4", "'pue' has no quarter"),
        ("pue[openai]", "'pue' has no labels"),
        ("rent_per_hour[inference]@2026Q4", "unknown regime 'inference'; did you mean 'online_inf"),
        ("p_gw_above[openai]@2026Q4", "several thresholds: say gw[...]@2026Q4 > x"),
        ("factor.demnd", "unknown output or input 'factor.demnd'; did you mean 'factor.demand'"),
        ("min(1)", "'min' takes two values or more, got 1"),
        ("abs(1, 2)", "'abs' takes one value, got 2"),
        ("meen(pue)", "unknown statistic or function 'meen'; did you mean 'mean'?"),
        ("prob(pue > 1)", "did you mean 'P(EVENT)'?"),
        ("p0(pue)", "expected a level between 0 and 100, got p0"),
        ("cvar100(pue)", "expected a level between 0 and 100, got cvar100"),
        ("p5()", "expected p5(VALUE), got nothing"),
        ("P(pue)", "P takes an event, and 'pue' is a value: expected P(pue >= number)"),
        ("mean(pue > 1)", "'mean' takes a value, and 'pue > 1' is an event"),
        ("mean(p5(pue))", "'mean' of a statistic"),
        ("p5(pue) - pue", "joins a statistic, one number, with a value, one a draw"),
        ("p5(pue) > 1", "'>' takes values, which differ by draw, got a statistic"),
        ("max(p5(pue), 1)", "'max' takes values"),
        ("mean(training_moic[openai] - 1)", "is an unbounded ratio, of which no mean need exist"),
        ("1 +", "expected a value, got the end"),
        ("2 +-3", "unexpected '+-' in '2 +-3': a standard error has no place here"),
        ("(1", "expected ')', got the end"),
        ("1 2", "unexpected '2'"),
        ("1 $ 2", "unexpected '$ 2'"),
        ("1e999", "expected a finite number"),
        ("1 < pue < 2", "two relations are joined by 'and'"),
        ("pue and pue > 1", "'and' joins events"),
        ("(pue > 1) + 1", "'+' takes values, got an event"),
        ("__import__('os')", "unexpected '(' in"),
        ("(" * 31 + "1" + ")" * 31, "expected at most 30 parentheses in one another"),
        ("+".join(["1"] * 201), "expected at most 200 operations in one another"),
        ("1" * 4_001, "expected at most 4,000 characters"),
    ],
)
def test_a_text_with_a_fault_is_refused(text: str, message: str) -> None:
    kind = parse_statistic if any(word in text for word in ("(p", "mean", "p5(")) else parse_any
    with pytest.raises(ExpressionError) as caught:
        kind(text)
    assert message in str(caught.value) or "__import__" in text


def test_a_bounded_ratio_has_a_mean() -> None:
    assert parse_statistic("mean(min(training_moic[openai], 5))").statistic == "mean"


NUMBERS = st.floats(0, 1e300, allow_nan=False).map(float)
LEAVES = st.one_of(
    NUMBERS,
    st.just(Reference("total_gw", (), "2027Q4")),
    st.just(Reference("gw", ("Google DeepMind, Inc.",), "2026Q4")),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda o, a, b: Operation(o, (a, b)), st.sampled_from("+-*/"), inner, inner),
        st.builds(lambda a, b: Operation("min", (a, b)), inner, inner),
        st.builds(
            lambda a: -a if isinstance(a, float) else Operation("negative", (a,)),
            inner,
        ),
    ),
    max_leaves=8,
)
EVENTS = st.recursive(
    st.builds(lambda o, a, b: Operation(o, (a, b)), st.sampled_from([">=", "<"]), VALUES, VALUES),
    lambda inner: st.one_of(
        st.builds(
            lambda o, a, b: Operation(o, (a, b)), st.sampled_from(["and", "or"]), inner, inner
        ),
        st.builds(lambda a: Operation("not", (a,)), inner),
    ),
    max_leaves=4,
)
QUANTILES = st.builds(lambda a, p: Statistic("quantile", a, p), VALUES, st.floats(0.01, 99.99))
STATISTICS = st.recursive(
    st.one_of(QUANTILES, st.builds(lambda e: Statistic("P", e), EVENTS)),
    lambda inner: st.builds(
        lambda o, a, b: Operation(o, (a, b)), st.sampled_from("+-*/"), inner,
        st.one_of(inner, NUMBERS),
    ),
    max_leaves=3,
)  # fmt: skip


@given(st.one_of(VALUES, EVENTS))
@settings(max_examples=30, deadline=None)
def test_every_tree_is_read_from_its_text(tree: Any) -> None:
    assert parse_any(write(tree), names=None) == tree


@given(STATISTICS)
@settings(max_examples=20, deadline=None)
def test_every_statistic_is_read_from_its_text(tree: Any) -> None:
    assert parse_statistic(write(tree), names=None).tree == tree


PIECES = st.sampled_from(
    [*"()[]@,+-*/<>=\"' ", ">=", "+-", "±", "and", "or", "not", "gw", "pue", "[openai]", "@2027Q4",
     "P(", "p5(", "cvar", "mean(", "min(", "factor.demand", "0.7", "1e9", "9" * 400, "p_top_two",
     "\u0663", "\x00", "gw[openai]@2027Q4", "é"],
)  # fmt: skip


@given(st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(string.printable)))
@settings(max_examples=100, deadline=None)
def test_no_text_ends_in_another_error(text: str) -> None:
    for parse in KINDS.values():
        for names in (CATALOGUE, PARTIES, None):
            with contextlib.suppress(ExpressionError):
                parse(text, names)
