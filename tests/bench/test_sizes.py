"""Cost of a draw against the number of labs, landlords and inputs, in the same run.

    pytest tests/bench/test_sizes.py -n 0 --benchmark-enable -s

An exponent of 1 is linear; it is that of a line through all sizes on logarithmic scales, and of
the last doubling, where what does not grow counts least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import sim
from sim.parameters.options import run_options
from sim.parameters.scenario import Hosting, Party, Quantity, Scenario
from sim.selftest.speed import shortest_times
from sim.selftest.workload import FAMILIES
from sim.simulation.simulate import run_engine

PARTIES = (2, 4, 8, 16, 32)
INPUTS = (10, 30, 100, 300, 1_000, 2_000)


def copies(parties: tuple[Party, ...], count: int) -> list[tuple[Party, Party]]:
    """So many parties, each with the one of which it is a copy; the first copy keeps its id."""
    made = []
    for i in range(count):
        of = parties[i % len(parties)]
        again = i // len(parties)
        made.append((replace(of, id=f"{of.id}_{again}") if again else of, of))
    return made


def quantities(
    scenario: Scenario, group: str, made: list[tuple[Party, Party]]
) -> dict[str, Quantity]:
    """All quantities, those of a group as often as there are copies of their party."""
    start = f"{group}."
    kept = {name: q for name, q in scenario.quantities.items() if not name.startswith(start)}
    for party, of in made:
        for name, quantity in scenario.quantities.items():
            if name.startswith(f"{start}{of.id}."):
                full_name = f"{start}{party.id}.{name.rsplit('.', 1)[1]}"
                kept[full_name] = replace(quantity, name=full_name)
    return kept


def with_labs(scenario: Scenario, count: int) -> Scenario:
    """The scenario with so many labs, copies of its own, each housed like its original."""
    made = copies(scenario.labs, count)
    hosts = {
        (party.id, landlord): host
        for party, of in made
        for (lab, landlord), host in scenario.hosts.items()
        if lab == of.id
    }
    return replace(
        scenario,
        labs=tuple(party for party, _ in made),
        quantities=quantities(scenario, "labs", made),
        hosts=hosts,
    )


def with_landlords(scenario: Scenario, count: int) -> Scenario:
    """The scenario with so many landlords; a lab's share of one is spread over its copies.

    Where there are fewer than before, the first ones take over the labs of the others.
    """
    made = copies(scenario.landlords, count)
    before = [landlord.id for landlord in scenario.landlords]
    hosts: dict[tuple[str, str], Hosting] = {}
    for (lab, landlord), host in scenario.hosts.items():
        heirs = [party.id for party, of in made if of.id == landlord]
        heirs = heirs or [before[before.index(landlord) % count]]
        part = replace(
            host,
            share_2026=host.share_2026 / len(heirs),
            share_2027=host.share_2027 / len(heirs),
        )
        for heir in heirs:
            there = hosts.get((lab, heir))
            hosts[lab, heir] = part if there is None else replace(
                there,
                share_2026=there.share_2026 + part.share_2026,
                share_2027=there.share_2027 + part.share_2027,
            )  # fmt: skip
    return replace(
        scenario,
        landlords=tuple(party for party, _ in made),
        quantities=quantities(scenario, "landlords", made),
        hosts=hosts,
    )


def report(what: str, seconds: Mapping[int, float], draws: int) -> None:
    """The cost of a draw at each size, and how it grows."""
    sizes, costs = (np.log(list(part)) for part in (seconds, seconds.values()))
    overall = np.polyfit(sizes, costs, 1)[0]
    last = (costs[-1] - costs[-2]) / (sizes[-1] - sizes[-2])
    told = "".join(f"{n:>8,} {what}: {1e6 * s / draws:8.2f} us\n" for n, s in seconds.items())
    print(
        f"\n{told}exponent {overall:.2f} over all, {last:.2f} at the end (target: at most 1)",
    )


@pytest.mark.parametrize("what", ["labs", "landlords"])
def test_cost_against_parties(benchmark: BenchmarkFixture, base: Scenario, what: str) -> None:
    many: Callable[[Scenario, int], Scenario] = {
        "labs": with_labs, "landlords": with_landlords
    }[what]  # fmt: skip
    sizes, draws = (PARTIES, 16_384) if benchmark.enabled else ((2, 9), 64)
    scenarios = {size: many(base, size) for size in sizes}
    for size, scenario in scenarios.items():
        ds = sim.simulate(scenario, draws=64, keep=["gw", "hosted_gw"], bad_draws="keep")
        assert ds.sizes["lab" if what == "labs" else "landlord"] == size
        np.testing.assert_allclose(ds["hosted_gw"].sum("landlord"), ds["gw"], rtol=1e-9)

    def work(scenario: Scenario) -> Callable[[], object]:
        wanted = run_options(scenario, draws, threads=1, bad_draws="keep")
        return lambda: run_engine(scenario, wanted)

    seconds = benchmark.pedantic(
        shortest_times,
        tuple(map(work, scenarios.values())),
        {"times": 3 if benchmark.enabled else 1},
    )
    if benchmark.enabled:
        report(what, dict(zip(sizes, seconds, strict=True)), draws)


def test_cost_against_inputs(benchmark: BenchmarkFixture) -> None:
    sizes, draws = (INPUTS, 20_000) if benchmark.enabled else ((10, 30), 64)
    distributions: list[dict[str, Any]] = list(FAMILIES.values())
    inputs = {
        n: {f"input {i}": distributions[i % len(distributions)] for i in range(n)} for n in sizes
    }

    def work(which: dict[str, dict[str, Any]]) -> Callable[[], object]:
        return lambda: sim.sample(which, draws=draws, threads=1)

    work(inputs[sizes[0]])()  # compiled
    seconds = benchmark.pedantic(
        shortest_times, tuple(map(work, inputs.values())), {"times": 5 if benchmark.enabled else 1}
    )
    if benchmark.enabled:
        report("inputs", dict(zip(sizes, seconds, strict=True)), draws)
