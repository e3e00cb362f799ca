"""Published figures come out where the inputs are those of their sources.

A case is a TOML file beside this one: settings over the base case, as `--set` takes them, and
expressions, as `sim sweep --output` takes them, with what was published. `sim help calculator`
shows how to run one by hand.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import sim
from sim.common.shipped import DOCS
from sim.model.catalogue import OUTPUTS
from sim.parameters.scenario import Scenario
from sim.statistics.expressions import evaluate, parse

HERE = Path(__file__).parent
BASE = ROOT / "params" / "base.toml"
PAGE = DOCS / "calculator.md"
BENCHMARK = "inferencex.toml"
CASES = sorted(path.name for path in HERE.glob("*.toml") if path.name != BENCHMARK)
MOST_SETTINGS = 8
SPEED = "workload.user_speed_tokens_per_s.value"
NO_DRAFTS = {"workload.draft_tokens.value": 0}
SECONDS = "p50(paid_seconds_per_token[online_inference]@2026Q4)"
BLACKWELL = ("GB200", "GB300", "B200", "B300")

Settings = dict[str, Any]


def read(name: str) -> dict[str, Any]:
    """The case of a file."""
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


def settings_of(case: dict[str, Any]) -> Settings:
    """The settings of a case, over those of the case that it stands on."""
    below = settings_of(read(case["over"])) if "over" in case else {}
    return below | case["settings"]


def compute(settings: Settings, expression: str) -> float:
    """An expression of the base case's point estimate with these settings."""
    scenario = sim.load(BASE, settings)
    ds = sim.simulate(scenario, draws=1, keep=[parse(expression).variable], uncertainty=0)
    return evaluate(expression, ds)[0]


def printed(number: float) -> str:
    """A number as the guide prints it: four digits."""
    return f"{number:.4g}".replace("e+0", "e").replace("e+", "e")


def figures() -> list[Any]:
    """Settings and figure of every published figure."""
    return [
        pytest.param(settings_of(case) | figure.get("at", {}), figure, id=f"{name[:-5]}-{number}")
        for name in CASES
        for case in [read(name)]
        for number, figure in enumerate(case["figure"], start=1)
    ]


@pytest.mark.parametrize(("settings", "figure"), figures())
def test_a_published_figure_comes_out(settings: Settings, figure: dict[str, Any]) -> None:
    value = compute(settings, figure["expression"])
    assert value == pytest.approx(figure["published"], rel=figure["within"])


def test_the_guide_prints_what_comes_out() -> None:
    expected = []
    for name in CASES:
        case = read(name)
        for figure in case["figure"]:
            value = compute(settings_of(case) | figure.get("at", {}), figure["expression"])
            unit = OUTPUTS[parse(figure["expression"]).variable].unit
            assert figure["unit"] == unit
            published = f"{printed(figure['published'])} {unit}".removesuffix(" 1")
            expected.append((name.removesuffix(".toml"), published, printed(value)))
    rows = re.findall(r"^\| `([\w-]+)` \|[^|]*\| ([^|]*) \| ([^|]*) \|", PAGE.read_text(), re.M)
    assert rows == expected


@pytest.fixture(scope="module")
def ratios() -> dict[tuple[str, str, int], float]:
    """Measured over computed throughput, by stack, kind of point and tokens/s per user."""
    benchmark = read(BENCHMARK)
    found = {}
    for stack in benchmark["stack"]:
        settings = benchmark["settings"] | stack["settings"]
        for kind in ("drafting", "without", "decode", "prefill"):
            for speed, measured in stack.get(kind, []):
                at = settings | {SPEED: speed} | (NO_DRAFTS if kind == "without" else {})
                if kind in ("decode", "prefill"):
                    computed = compute(at, f"p50(tps_{kind})")
                else:
                    computed = 1.0 / compute(at, SECONDS)
                found[stack["name"], kind, speed] = measured / computed
    return found


def spread(ratios: list[float]) -> float:
    """Standard deviation of the logarithms."""
    return float(np.log(ratios).std(ddof=1))


def test_drafting_blackwell_and_deepseeks_fleet_are_near_their_measurements(
    ratios: dict[tuple[str, str, int], float],
) -> None:
    benchmark = read(BENCHMARK)
    modern = {
        point: ratio
        for point, ratio in ratios.items()
        if point[1] != "without" and point[0].startswith((*BLACKWELL, "H800"))
    }
    near = [r for r in modern.values() if 1 / benchmark["factor"] <= r <= benchmark["factor"]]
    assert len(near) >= benchmark["share"] * len(modern)
    assert f"Of {len(modern)} points" in PAGE.read_text()
    assert f"{len(near)} lie within a factor of {benchmark['factor']}" in PAGE.read_text()
    far = {f"{name} @{speed}" for (name, _, speed), r in modern.items() if r not in near}
    assert far == set(benchmark["far"])


def test_stacks_without_drafts_scatter_by_far_more(
    ratios: dict[tuple[str, str, int], float],
) -> None:
    """So `draft_tokens` says which stack it is, and costs an interval of its own."""
    without = [ratio for (_, kind, _), ratio in ratios.items() if kind == "without"]
    drafting = [ratio for (_, kind, _), ratio in ratios.items() if kind == "drafting"]
    assert spread(without) > 2 * spread(drafting)
    assert spread(drafting) < 0.32  # the base case's sigma of throughput_multiplier
    assert min(without) > 0.1
    assert max(without) < 10


@pytest.mark.parametrize("name", [*CASES, BENCHMARK])
def test_a_case_has_a_graded_source_and_few_settings(name: str, base: Scenario) -> None:
    case = read(name)
    for part in (case, *case.get("figure", []), *case.get("stack", [])):
        source = base.sources[part.get("source", case["source"])]
        assert source["date"]
        assert source["grade"] in "ABC"
    own = [len(case["settings"])]
    own += [len(case["settings"] | figure.get("at", {})) for figure in case.get("figure", [])]
    for stack in case.get("stack", []):
        added = {SPEED: 1} | (NO_DRAFTS if "without" in stack else {})
        own.append(len(stack["settings"] | added))
    assert max(own) <= MOST_SETTINGS


def test_the_command_line_gives_what_a_case_asks_for(tmp_path: Path) -> None:
    """As the guide has it: a sweep over one key, of the point estimate."""
    case = read("epoch-gigawatt.toml")
    asked = [figure for figure in case["figure"] if "at" in figure]
    (key,) = asked[0]["at"]
    lives = [figure["at"][key] for figure in asked]
    expression = asked[0]["expression"]
    point = case["settings"] | {"model.uncertainty": 0}
    swept = sim.sweep(BASE, over={key: lives}, outputs=[expression], set=point, draws=1)
    expected = [compute(case["settings"] | figure["at"], expression) for figure in asked]
    assert swept[expression].values.tolist() == expected
