"""Cost of a draw against the number of labs, landlords and inputs, in the same run.

    pytest tests/bench/test_sizes.py -m long -n 0 --benchmark-enable -s

An exponent of 1 is linear. It is fitted to all sizes on logarithmic scales, and to the last
doubling, in which constant costs matter least.
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

pytestmark = pytest.mark.long  # a benchmark, of which a small run shows that it works

PARTIES = (2, 4, 8, 16, 32)
INPUTS = (10, 30, 100, 300, 1_000, 2_000)


def copies(parties: tuple[Party, ...], count: int) -> list[tuple[Party, Party]]:
    """`count` copies of parties, each with its original; the first copies keep their ids."""
    pairs = []
    for i in range(count):
        original = parties[i % len(parties)]
        number = i // len(parties)
        copy = replace(original, id=f"{original.id}_{number}") if number else original
        pairs.append((copy, original))
    return pairs


def quantities(
    scenario: Scenario, group: str, pairs: list[tuple[Party, Party]]
) -> dict[str, Quantity]:
    """Quantities of a scenario by name, those of a group repeated for every copy."""
    prefix = f"{group}."
    kept = {name: q for name, q in scenario.quantities.items() if not name.startswith(prefix)}
    for party, original in pairs:
        for name, quantity in scenario.quantities.items():
            if name.startswith(f"{prefix}{original.id}."):
                full_name = f"{prefix}{party.id}.{name.rsplit('.', 1)[1]}"
                kept[full_name] = replace(quantity, name=full_name)
    return kept


def with_labs(scenario: Scenario, count: int) -> Scenario:
    """The scenario with `count` labs, copies of its own, each hosted like its original."""
    pairs = copies(scenario.labs, count)
    hosts = {
        (party.id, landlord): host
        for party, original in pairs
        for (lab, landlord), host in scenario.hosts.items()
        if lab == original.id
    }
    return replace(
        scenario,
        labs=tuple(party for party, _ in pairs),
        quantities=quantities(scenario, "labs", pairs),
        hosts=hosts,
    )


def with_landlords(scenario: Scenario, count: int) -> Scenario:
    """The scenario with `count` landlords, whose copies divide the shares of labs.

    With fewer landlords than before, the first ones take over the labs of the others.
    """
    pairs = copies(scenario.landlords, count)
    before = [landlord.id for landlord in scenario.landlords]
    hosts: dict[tuple[str, str], Hosting] = {}
    for (lab, landlord), host in scenario.hosts.items():
        heirs = [party.id for party, original in pairs if original.id == landlord]
        heirs = heirs or [before[before.index(landlord) % count]]
        part = replace(
            host,
            share_2025=host.share_2025 / len(heirs),
            share_2026=host.share_2026 / len(heirs),
            share_2027=host.share_2027 / len(heirs),
        )
        for heir in heirs:
            present = hosts.get((lab, heir))
            hosts[lab, heir] = part if present is None else replace(
                present,
                share_2025=present.share_2025 + part.share_2025,
                share_2026=present.share_2026 + part.share_2026,
                share_2027=present.share_2027 + part.share_2027,
            )  # fmt: skip
    return replace(
        scenario,
        landlords=tuple(party for party, _ in pairs),
        quantities=quantities(scenario, "landlords", pairs),
        hosts=hosts,
    )


def report(kind: str, seconds: Mapping[int, float], draws: int) -> None:
    """Print the cost of a draw at each size, and the exponents of its growth."""
    sizes, costs = (np.log(list(part)) for part in (seconds, seconds.values()))
    overall = np.polyfit(sizes, costs, 1)[0]
    last = (costs[-1] - costs[-2]) / (sizes[-1] - sizes[-2])
    lines = "".join(f"{n:>8,} {kind}: {1e6 * s / draws:8.2f} us\n" for n, s in seconds.items())
    print(
        f"\n{lines}exponent {overall:.2f} over all, {last:.2f} at the end (target: at most 1)",
    )


@pytest.mark.parametrize("kind", ["labs", "landlords"])
def test_cost_of_a_draw_against_number_of_parties(
    benchmark: BenchmarkFixture, base: Scenario, kind: str
) -> None:
    resize: Callable[[Scenario, int], Scenario] = {
        "labs": with_labs, "landlords": with_landlords
    }[kind]  # fmt: skip
    sizes, draws = (PARTIES, 16_384) if benchmark.enabled else ((2, 9), 64)
    scenarios = {size: resize(base, size) for size in sizes}
    for size, scenario in scenarios.items():
        ds = sim.simulate(scenario, draws=64, keep=["facility_gw", "hosted_gw"], bad_draws="keep")
        assert ds.sizes["lab" if kind == "labs" else "landlord"] == size
        np.testing.assert_allclose(ds["hosted_gw"].sum("landlord"), ds["facility_gw"], rtol=1e-9)

    def work(scenario: Scenario) -> Callable[[], object]:
        options = run_options(scenario, draws, threads=1, bad_draws="keep")
        return lambda: run_engine(scenario, options)

    seconds = benchmark.pedantic(
        shortest_times,
        tuple(map(work, scenarios.values())),
        {"times": 3 if benchmark.enabled else 1},
    )
    if benchmark.enabled:
        report(kind, dict(zip(sizes, seconds, strict=True)), draws)


def test_cost_of_a_draw_against_number_of_inputs(benchmark: BenchmarkFixture) -> None:
    sizes, draws = (INPUTS, 20_000) if benchmark.enabled else ((10, 30), 64)
    distributions: list[dict[str, Any]] = list(FAMILIES.values())
    inputs = {
        n: {f"input {i}": distributions[i % len(distributions)] for i in range(n)} for n in sizes
    }

    def work(sampled: dict[str, dict[str, Any]]) -> Callable[[], object]:
        return lambda: sim.sample(sampled, draws=draws, threads=1)

    work(inputs[sizes[0]])()  # compile
    seconds = benchmark.pedantic(
        shortest_times, tuple(map(work, inputs.values())), {"times": 5 if benchmark.enabled else 1}
    )
    if benchmark.enabled:
        report("inputs", dict(zip(sizes, seconds, strict=True)), draws)
