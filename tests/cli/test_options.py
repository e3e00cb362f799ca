"""Every option of every command does what it names: nothing that a user asks for is dropped."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT, Command, runs_in
from stored_runs import ALTERED, Sim

from sim.cli.app import app
from sim.common.errors import RunError
from sim.engine import dask_backend
from sim.store import run as store_run
from sim.store import sweep as store_sweep
from sim.store.headline import make_headline
from sim.tables.table import Headline, Selection

BASE = str(ROOT / "params" / "base.toml")
UNTIL = ("--until", "p50(tps_decode) +- 20")
DISCOVER = ("discover", "base", "--when", "inference_gross_margin@2026Q4 >= 0.7")
KEY = "hardware.pue.median"

# Arguments of `sim run` -> what of the engine's options and of the store's changes, and to what.
RUN: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("--draws", "1e3"), {"draws": 1_000}),
    (("--seed", "77"), {"seed": 77}),
    (("--sampler", "sobol"), {"sampler": "sobol"}),
    (("--threads", "3"), {"threads": 3, "figures threads": 3}),
    (("--bad-draws", "keep"), {"bad_draws": "keep"}),
    (("--drop-questionable",), {"drop_questionable": True}),
    (("--cluster", "local:2"), {"cluster": "local:2"}),
    (("--out", "elsewhere"), {"out": "elsewhere"}),
    (("--no-figures",), {"figures": False}),
    (("--force",), {"force": True}),
    (("--set", f"{KEY}=1.25"), {KEY: 1.25}),
    (UNTIL, {"until": ["p50(tps_decode)"], "max_draws": 10**7}),
    ((*UNTIL, "--draws", "2048"), {"until": ["p50(tps_decode)"], "max_draws": 10**7,
     "first_draws": 2_048, "draws": 2_048}),
    ((*UNTIL, "--max-draws", "65536"), {"until": ["p50(tps_decode)"], "max_draws": 65_536}),
]  # fmt: skip
SWEEP: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("--draws", "1e3"), {"draws": 1_000}),
    (("--seed", "77"), {"seed": 77}),
    (("--sampler", "sobol"), {"sampler": "sobol"}),
    (("--threads", "3"), {"threads": 3}),
    (("--bad-draws", "drop"), {"bad_draws": "drop"}),
    (("--drop-questionable",), {"drop_questionable": True}),
    (("--out", "elsewhere"), {"out": "elsewhere"}),
    (("--no-figures",), {"figures": False}),
    (("--force",), {"force": True}),
    (("--set", "hardware.it_power_ratio.median=1.4"), {"it_power_ratio": 1.4}),
    (("--over", "buildout.capital_crunch_probability.value=0.1,0.2"),
     {"over": [KEY, "buildout.capital_crunch_probability.value"]}),
    (("--output", "p50(tps_decode)"),
     {"outputs": ["mean(gw[xai]@2027Q4)", "p50(tps_decode)"], "keep": ("gw", "tps_decode")}),
]  # fmt: skip
known: dict[tuple[str, ...], dict[str, Any]] = {}  # what arguments ask for


class AskedError(RunError):
    """What a command asks for, in place of its result."""


def median(scenario: Any, key: str) -> float:
    return float(scenario.quantities[key.removesuffix(".median")].distribution.point)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, invoke: Command) -> Callable[..., dict[str, Any]]:
    """What `sim run` or `sim sweep` with some arguments asks of the store."""
    found: dict[str, Any] = {}

    def run(scenario: Any, out: Path, options: Any, **given: Any) -> None:
        found.update(asdict(options), out=str(out), **{KEY: median(scenario, KEY)})
        found["until"] = [target.expression.text for target in given.get("until", [])]
        for name in ("figures", "force", "max_draws", "first_draws"):
            found[name] = given.get(name)
        raise AskedError("asked")

    def sweep(plan: Any, out: Path, **given: Any) -> None:
        found.update(asdict(plan.options), out=str(out))
        found["it_power_ratio"] = median(plan.grid.scenarios[0], "hardware.it_power_ratio")
        found["over"] = [axis.key for axis in plan.grid.axes]
        found["outputs"] = [expression.text for expression in plan.expressions]
        found.update(figures=given["figures"], force=given["force"])
        raise AskedError("asked")

    @contextmanager
    def connected(address: str | None) -> Iterator[None]:
        found["cluster"] = address
        yield None

    @contextmanager
    def figures_process(threads: int | None) -> Iterator[None]:
        found["figures threads"] = threads
        yield None

    for command in ("run", "sweep"):  # which say so where nothing is compiled yet
        monkeypatch.setattr(f"sim.cli.{command}.announce_compiling", lambda: None)
    monkeypatch.setattr(store_run, "run", run)
    monkeypatch.setattr(store_sweep, "run", sweep)
    monkeypatch.setattr(dask_backend, "connected", connected)
    monkeypatch.setattr("sim.store.figures_process.FiguresProcess", figures_process)

    def ask(*arguments: str) -> dict[str, Any]:
        if arguments not in known:
            found.clear()
            done = invoke(*arguments)
            assert (done.returncode, done.stderr) == (1, "asked\n")
            known[arguments] = dict(found)
        return known[arguments]

    return ask


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if value != before.get(name)}


@pytest.mark.parametrize(("arguments", "expected"), RUN, ids=lambda x: " ".join(map(str, x)))
def test_an_option_of_run_changes_what_it_names_and_nothing_else(
    asked: Callable[..., dict[str, Any]], arguments: tuple[str, ...], expected: dict[str, Any]
) -> None:
    plain = asked("run", BASE)
    found = changed(plain, asked("run", BASE, *arguments))
    assert {name: value for name, value in found.items() if value is not None} == expected


@pytest.mark.parametrize(("arguments", "expected"), SWEEP, ids=lambda x: " ".join(map(str, x)))
def test_an_option_of_sweep_changes_what_it_names_and_nothing_else(
    asked: Callable[..., dict[str, Any]], arguments: tuple[str, ...], expected: dict[str, Any]
) -> None:
    common = ("--over", f"{KEY}=1.2,1.3", "--output", "mean(gw[xai]@2027Q4)")
    plain = asked("sweep", BASE, *common)
    found = changed(plain, asked("sweep", BASE, *common, *arguments))
    assert found == expected


OTHER, SELECTING = "elsewhere", ("--lab", "--landlord", "--quarter")
STORED = (BASE, "--draws", "1100", "--seed", "7", "--set", f"{ALTERED}=0.6", "--no-figures")
EDITED = ("compare", BASE, "--set", f"{KEY}=1.3")
# Arguments of a command, an option, and what it prints then: the option's own value is in it.
CONDITION = ("condition", "base")
GIVEN = ("--on", "gw[openai]@2026Q4 = 7 +- 2")
SOLVE = ("solve", BASE)
SOLVED = ("--vary", "pue", "--target", "P(pue > 1.2) = 0.5")
NAMED: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
    (("show", "base"), ("--lab", "nobody"), "no such lab: 'nobody'"),
    (("show", "base"), ("--landlord", "nobody"), "no such landlord: 'nobody'"),
    (("show", "base"), ("--quarter", "2031Q1"), "no such quarter: '2031Q1'"),
    (("show", "base-"), ("--out", OTHER), f"no such run in {OTHER}/"),
    *(
        (command, (option, value), sign)
        for command in (
            ("show", "base"),
            ("plot", "base", "margin", "--to", "n.png"),
            ("export", "base", "--to", "n.csv"),
        )
        for option, value, sign in (
            ("--draws", "1e3", "--draws: the run has draws 1100"),
            ("--seed", "77", "--seed: the run has seed 7"),
            ("--sampler", "sobol", "--sampler: the run has sampler stratified"),
            ("--set", f"{KEY}=1.3", "--set: a run is drawn already"),
            ("--threads", "0", "--threads: expected a whole number"),
        )
    ),
    *(
        (command, (option, value), sign)
        for command in (
            ("compare", "base-", "base-"),
            ("sensitivity", "base-"),
            ("trace", "base-"),
            ("voi", "base-"),
        )
        for option, value, sign in (
            ("--draws", "x", "--draws: expected a whole number"),
            ("--seed", "77", "--seed: the run has seed 7"),
            ("--sampler", "sobol", "--sampler: the run has sampler stratified"),
            ("--set", f"{KEY}=1.3", "--set: a run is drawn already"),
            ("--threads", "0", "--threads: expected a whole number"),
        )
    ),
    *(
        (command, ("--out", OTHER), f"no such run in {OTHER}/")
        for command in (("compare", "base-", "base"), ("sensitivity", "base-"), ("trace", "base-"))
    ),
    (("voi", "base-"), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("voi", "base"), ("--payoff", "a=gww"), "unknown output or input 'gww'"),
    (("voi", "base"), ("--when", "gww > 1"), "unknown output or input 'gww'"),
    (("voi", "base"), ("--odds", "1.5"), "--odds: expected the price of a bet"),
    (("voi", "base"), ("--study", "gww +- 1"), "unknown output or input 'gww'"),
    (("voi", "base"), ("--group", "name"), "--group: name: expected NAME=KEY"),
    (("voi", "base"), ("--to", "a.bmp"), "--to: a.bmp: expected a file that ends in"),
    (("compare", "base", "base"), ("--output", "p50(gww@2026Q4)"), "unknown output or input 'gww'"),
    (("compare", "base", "base"), ("--group", "name"), "--group: name: expected NAME=KEY"),
    (("compare", "base", "base"), ("--lab", "nobody"), "no such lab: 'nobody'"),
    (("compare", "base", "base"), ("--landlord", "nobody"), "no such landlord: 'nobody'"),
    (("compare", "base", "base"), ("--quarter", "2031Q1"), "no such quarter: '2031Q1'"),
    (("compare", "base", "base"), ("--to", "a.bmp"), "--to: a.bmp: expected a file that ends in"),
    (("discover", "base"), ("--when", "gww > 1"), "unknown output or input 'gww'"),
    (DISCOVER, ("--on", "labs"), "on: expected inputs or factors, got 'labs'"),
    (DISCOVER, ("--conditions", "0"), "conditions: expected 1 to 12, got 0"),
    (DISCOVER, ("--to", "a.bmp"), "--to: a.bmp: expected a file that ends in"),
    (DISCOVER, ("--set", f"{KEY}=1.3"), "--set: a run is drawn already"),
    (DISCOVER, ("--draws", "1e3"), "--draws: the run has draws 1100"),
    (DISCOVER, ("--seed", "77"), "--seed: the run has seed 7"),
    (DISCOVER, ("--sampler", "sobol"), "--sampler: the run has sampler stratified"),
    (DISCOVER, ("--threads", "0"), "--threads: expected"),
    (("discover", "base-", *DISCOVER[2:]), ("--out", OTHER), f"no such run in {OTHER}/"),
    ((*SOLVE, "--target", "P(pue > 1) +- 1"), ("--vary", "pue"), "asks for an error"),
    ((*SOLVE, "--vary", "pue"), ("--target", "pue > 1"), "'pue > 1' is an event"),
    ((*SOLVE, *SOLVED), ("--to", "a.bmp"), "--to: a.bmp: expected a file that ends in"),
    ((*SOLVE, *SOLVED), ("--set", "hardware.peu=1"), "did you mean 'pue'"),
    ((*SOLVE, *SOLVED), ("--draws", "many"), "--draws: expected a whole number"),
    ((*SOLVE, *SOLVED), ("--seed", "-1"), "--seed: expected"),
    ((*SOLVE, *SOLVED), ("--sampler", "sobl"), "--sampler: unknown sampler"),
    ((*SOLVE, *SOLVED), ("--threads", "0"), "--threads: expected"),
    (("solve", "base-", *SOLVED), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("condition", "base"), ("--on", "gww = 1 +- 1"), "unknown output or input 'gww'"),
    ((*CONDITION, *GIVEN), ("--output", "p50(gww)"), "unknown output or input 'gww'"),
    ((*CONDITION, *GIVEN), ("--to", "a.bmp"), "--to: a.bmp: expected a file that ends in"),
    ((*CONDITION, *GIVEN), ("--set", f"{KEY}=1.3"), "--set: a run is drawn already"),
    ((*CONDITION, *GIVEN), ("--draws", "1e3"), "--draws: the run has draws 1100"),
    ((*CONDITION, *GIVEN), ("--seed", "77"), "--seed: the run has seed 7"),
    ((*CONDITION, *GIVEN), ("--sampler", "sobol"), "--sampler: the run has sampler stratified"),
    ((*CONDITION, *GIVEN), ("--threads", "0"), "--threads: expected"),
    ((*CONDITION, *GIVEN), ("--lab", "opnai"), "did you mean 'openai'"),
    ((*CONDITION, *GIVEN), ("--landlord", "orcle"), "did you mean 'oracle'"),
    ((*CONDITION, *GIVEN), ("--quarter", "2026Q5"), "2026Q5"),
    (("condition", "base-", *GIVEN), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("sensitivity", "base"), ("--output", "gww"), "unknown output or input 'gww'"),
    (("sensitivity", "base"), ("--tail", "200"), "tail: expected a level"),
    (("sensitivity", "base"), ("--when", "gww > 1"), "unknown output or input 'gww'"),
    (("sensitivity", "base"), ("--scale", "rang"), "scale: expected rank or raw, got 'rang'"),
    (("sensitivity", "base"), ("--method", "sobol"), "method: expected regression, shapley"),
    (("sensitivity", "base"), ("--to", "a.bmp"), "--to: a.bmp: expected a file that ends in"),
    (("trace", "base"), ("--draw", "999999"), "draw: expected 0 to 1,099, got 999,999"),
    (("trace", "base"), ("--at", "p1(gww)"), "unknown output or input 'gww'"),
    (("trace", "base"), ("--lab", "nobody"), "no such lab: 'nobody'"),
    (("trace", "base"), ("--quarter", "2031Q1"), "no such quarter: '2031Q1'"),
    (("cite", "base"), ("--format", "endnote"), "no such format: 'endnote'"),
    (("cite", "base"), ("--to", "/dev/null/b.bib"), "--to: /dev/null: is no folder"),
    (("cite", "base"), ("--set", f"{KEY}=1.3"), "--set: a run is drawn already"),
    (("cite", "base"), ("--draws", "1e3"), "--draws: the run has draws 1100"),
    (("cite", "base"), ("--seed", "77"), "--seed: the run has seed 7"),
    (("cite", "base"), ("--sampler", "sobol"), "--sampler: the run has sampler stratified"),
    (("cite", "base-"), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("describe", "--file", BASE, "gw"), ("--run", "nowhere"), "no such run in outputs/"),
    (("describe", "--file", BASE, "gw", "--run", "base-"), ("--out", OTHER), "no such run in"),
    (("check", BASE), ("--format", "xml"), "no such format: 'xml'"),
    (("check",), ("--explain", "SIM777"), "no such code: 'SIM777'"),
    (("schema",), ("--kind", "labb"), "no such kind: 'labb'; did you mean 'lab'?"),
    *(
        (("watch", BASE), (option, value), sign)
        for option, value, sign in (
            ("--draws", "0", "--draws: expected a whole number"),
            ("--seed", "x", "--seed: expected a whole number"),
            ("--sampler", "sobl", "unknown sampler 'sobl'"),
            ("--threads", "0", "--threads: expected a whole number"),
        )
    ),
    (("list",), ("--out", OTHER), f"no runs in {OTHER}/"),
    (("rm", "--yes"), ("--older-than", "week"), "--older-than: expected a time such as"),
    (("rm", "--yes"), ("--keep-last", "x"), "--keep-last: expected a whole number of runs"),
    (("rm", "base", "--yes"), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("plot", "base-", "margin"), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("plot", "base", "margn"), ("--to", "/dev/null/b.png"), "--to: /dev/null: is no folder"),
    (("export", "base-", "--format", "csv"), ("--out", OTHER), f"no such run in {OTHER}/"),
    (("export", "base", "--format", "csv"), ("--to", "/dev/null/b.csv"), "/dev/null: is no folder"),
    (("export", "base"), ("--format", "XML"), "unknown format 'XML'"),
    (("export", "base", "--to", "y.csv"), ("--output", "gww"), "no such output: 'gww'"),
    (("schema",), ("--out", "t.json"), "t.json"),
    (("check", BASE), ("--set", f"{KEY}=1.2345"), "1.2345"),
    (("describe", "--file", BASE, "hardware.pue"), ("--set", f"{KEY}=1.2345"), "1.2345"),
    (("describe", "hardware.pue"), ("--file", "nowhere.toml"), "nowhere.toml"),
    (("trace", "base", "--at", "min(pue)"), ("--draw", "5"), "--at: cannot stand beside --draw"),
    (("trace", "base"), ("--at", "mode(pue)"), "mode(pue)"),
    (("trace", "base"), ("--landlord", "nobody"), "no such landlord: 'nobody'"),
    (("trace", "base"), ("--regime", "inference"), "no such regime: 'inference'"),
    (("trace", "base"), ("--to", "/dev/null/b.png"), "/dev/null: is no folder"),
    (("selftest", BASE), ("--set", f"{KEY}=1.2345"), "pue 1.2345"),
]
# The same, of what is not printed without the option.
PRINTED: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
    (("plot", "base", "margin", "--to", "mine.png"), ("--force",), "mine.png\n"),
    (("schema", "--out", "mine.csv"), ("--force",), "mine.csv\n"),
    (("show", "base", "--landlord", "oracle"), ("--json",), '"tables"'),
    (("show", "base", "--landlord", "oracle"), ("--csv",), "table,row,column,value,error,unit"),
    (("show", "base", "--draws", "1100"), ("--errors",), "±0.0"),
    (("run", *STORED), ("--errors",), "±0."),
    (("run", *STORED), ("--csv",), "table,row,column,value,error,unit"),
    (("run", *STORED), ("--table", "limits"), "What limited the build of 2027"),
    (("show", "base", "--landlord", "oracle"), ("--list",), "the claims of the source document"),
    (("compare", "base", "base"), ("--json",), '"version": 1'),
    (("compare", "base", "base"), ("--csv",), "table,row,column,value,error,unit"),
    ((*EDITED, "--draws", "320"), ("--all",), "Why it differs: Loaded 2026Q4"),
    ((*EDITED, "--draws", "64", "--to", "mine.png"), ("--force",), "mine.png\n"),
    (DISCOVER, ("--json",), '"version": 1'),
    ((*DISCOVER, "--to", "mine.png"), ("--force",), "mine.png\n"),
    (DISCOVER, ("--csv",), "table,row,column,value,error,unit"),
    ((*SOLVE, *SOLVED, "--draws", "64"), ("--json",), '"version": 1'),
    ((*SOLVE, *SOLVED, "--draws", "64"), ("--csv",), "table,row,column,value,error,unit"),
    ((*SOLVE, *SOLVED, "--draws", "64"), ("--curve",), "What it takes to be so sure"),
    ((*SOLVE, *SOLVED, "--draws", "64", "--to", "mine.png"), ("--force",), "mine.png\n"),
    ((*CONDITION, *GIVEN), ("--json",), '"version": 1'),
    ((*CONDITION, *GIVEN), ("--csv",), "table,row,column,value,error,unit"),
    ((*CONDITION, *GIVEN, "--to", "mine.png"), ("--force",), "mine.png\n"),
    (("sensitivity", "base"), ("--json",), '"version": 1'),
    (("sensitivity", "base"), ("--csv",), "table,row,column,value,error,unit"),
    (("sensitivity", "base"), ("--all",), "landlords.softbank."),
    (("sensitivity", "base", "--to", "mine.png"), ("--force",), "mine.png\n"),
    (("voi", "base"), ("--json",), '"version": 1'),
    (("voi", "base"), ("--csv",), "table,row,column,value,error,unit"),
    (("voi", "base"), ("--all",), "landlords.softbank."),
    (("voi", "base", "--to", "mine.png"), ("--force",), "mine.png\n"),
    (("trace", "base", "--draw", "7"), ("--json",), '"version": 1'),
    (("trace", "base", "--draw", "7"), ("--csv",), "table,row,column,value,error,unit"),
    (("trace", "base", "--draw", "7"), ("--all",), "landlords.softbank."),
    (("cite", "base", "--to", "mine.csv"), ("--force",), "mine.csv\n"),
    (("check", "nowhere.toml"), ("--json",), '"version": 1'),
    (("list",), ("--json",), '"state": "whole"'),
    (("list",), ("--csv",), "run,name,folder,"),
    (("cite", "base"), ("--json",), '"version": 1'),
    (("cite", "base"), ("--csv",), "id,type,title,publisher,date,url,accessed,note"),
    (("rm", "base"), ("--yes",), "removed base-"),
    (("rm", "base"), ("--dry-run",), "would remove base-"),
    (("export", "base", "--to", "mine.csv", "--output", "gw"), ("--force",), "mine.columns.csv"),
    (("describe", "--file", BASE, "hardware.pue"), ("--json",), '"unit"'),
    (("describe", "--file", BASE, "hardware.pue"), ("--csv",), "name,unit,"),
    (("describe", "--file", BASE, "hardware.pue"), ("--correlations",), "No correlation group"),
    (("trace", "base", "--draw", "5", "--to", "mine.png"), ("--force",), "mine.png\n"),
    (("selftest", BASE), ("--json",), '"parts"'),
]


@pytest.fixture
def tried(run_sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """All that a command prints; the self test shows its scenario, and checks nothing."""

    def parts(scenario: Any) -> dict[str, Any]:
        return {f"pue {median(scenario, KEY)}": lambda: iter(())}

    monkeypatch.setattr("sim.selftest.parts", parts)
    Path(OTHER).mkdir()
    for name in ("mine.csv", "mine.png"):
        Path(name).write_text("mine")
    return lambda *arguments: "".join(run_sim(*arguments)[1:])


@pytest.mark.parametrize(("command", "option", "sign"), NAMED)
def test_an_option_of_a_command_is_read(
    tried: Callable[..., str], command: tuple[str, ...], option: tuple[str, ...], sign: str
) -> None:
    assert sign in tried(*command, *option)


@pytest.mark.parametrize(("command", "option", "sign"), PRINTED)
def test_an_option_of_what_is_shown_or_written_makes_a_difference(
    tried: Callable[..., str], command: tuple[str, ...], option: tuple[str, ...], sign: str
) -> None:
    assert sign not in tried(*command)
    assert sign in tried(*command, *option)


@pytest.mark.parametrize("command", [("run", *STORED), ("show", "base")])
def test_rows_that_are_shown_are_those_that_options_name(
    tried: Callable[..., str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    shown: list[Any] = []

    def make(*given: Any, **others: Any) -> Headline:
        shown.append(given[2])
        return make_headline(*given, **others)

    monkeypatch.setattr("sim.store.headline.make_headline", make)
    for number in (1, 2):
        labs, landlords, quarters = ("xai", "meta"), ("oracle", "microsoft"), ("2027Q2", "2027Q1")
        options = [
            word
            for option, names in zip(SELECTING, (labs, landlords, quarters), strict=True)
            for name in names[:number]
            for word in (option, name)
        ]
        tried(*command, *options)
        expected = Selection(labs[:number], landlords[:number], quarters[:number])
        assert shown[-1] == expected


def test_quiet_prints_the_folder_and_json_a_document(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    assert run_sim("run", *STORED, "--quiet") == (0, f"{folder}\n", "")
    sweep = ("sweep", BASE, "--over", f"{KEY}=1.2,1.3", "--draws", "64", "--no-figures")
    assert json.loads(run_sim("run", *STORED, "--json", "--lab", "xai")[1])[0]["draws"] == 1_100
    code, out, errors = run_sim(*sweep, "--quiet")
    assert (code, errors) == (0, "")
    assert Path(out.strip()).parent == Path("outputs")
    document = json.loads(run_sim(*sweep, "--json")[1])
    assert document["folder"] == out.strip()
    assert [point["at"] for point in document["points"]] == [{KEY: 1.2}, {KEY: 1.3}]
    head, *cells = csv.reader(run_sim(*sweep, "--csv")[1].splitlines())
    assert head[:4] == ["table", "row", "column", "value"]
    assert len(cells) == 2 * len(document["points"][0]["values"])


def test_every_option_of_every_command_is_tried_here() -> None:
    tried: dict[str, set[str]] = {"run": set(), "sweep": {"--over", "--output"}}
    for command, table in (("run", RUN), ("sweep", SWEEP)):
        tried[command] |= {word for arguments, _ in table for word in arguments if word[0] == "-"}
        tried[command] |= {"--quiet", "--json", "--csv"}
    tried["run"] |= {*SELECTING, "--name", "--no-store"}  # the last two in test_run
    tried["compare"] = {"--no-attribution"}  # in test_analyses
    tried["condition"] = {"--all"}  # in test_condition
    tried["watch"] = {"--out"}  # in test_watch
    for (command, *_), option, _ in [*NAMED, *PRINTED]:
        tried.setdefault(command, set()).add(option[0])
    options = {
        name: {p.opts[0] for p in command.params if p.param_type_name == "option"}
        for name, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    differing = {name: found ^ tried.get(name, set()) for name, found in options.items()}
    assert {name: found for name, found in differing.items() if found} == {}
