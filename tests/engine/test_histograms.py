from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import ROOT
from histogram_datasets import COLUMNS, histograms_of, make_draws, with_histograms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import sim
from sim.engine.events import indicator_set
from sim.engine.histograms import (
    CHUNK,
    DRAWS_AT_ENDS,
    HistogramPart,
    Histograms,
    bins_at_ends,
    count_indicators,
    edge_levels,
    write_edges,
)
from sim.model.blocks import BLOCK, replicate_of
from sim.model.histogram_bins import BINS, PER_COARSE
from sim.model.outputs import PROBABILITIES
from sim.parameters.scenario import Scenario
from sim.statistics.datasets import indicators


def assert_same_bits(actual: Histograms, expected: Histograms) -> None:
    arrays, expected_arrays = actual.to_arrays(), expected.to_arrays()
    assert list(arrays) == list(expected_arrays)
    for name, values in arrays.items():
        assert values.tobytes() == expected_arrays[name].tobytes(), name


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
def test_every_draw_is_counted_in_its_bin_and_in_its_replicate(sampler: str) -> None:
    values = make_draws(4_000)
    some = np.random.default_rng(2).random(4_000) < 0.9
    for counted in (some, np.ones(4_000, bool)):
        histograms = Histograms.begin(values[:, :1_000], counted[:1_000], sampler)
        part = histograms.empty_part()
        ends = part.add(values, counted, 2_048).sum(axis=0)
        replicate = replicate_of(2_048 + np.arange(4_000), sampler)
        for column, row in enumerate(values):
            edges = histograms.edges[column]
            good = counted & np.isfinite(row)
            bins = np.searchsorted(edges, row)
            expected = np.bincount(bins[good], minlength=BINS)
            np.testing.assert_array_equal(part.counts[column], expected)
            coarse = np.zeros((32, BINS // PER_COARSE), np.int64)
            np.add.at(coarse, (replicate[good], bins[good] // PER_COARSE), 1)
            np.testing.assert_array_equal(part.coarse[column], coarse)
            np.testing.assert_allclose(
                ends[:, column, 0],
                np.bincount(
                    replicate, np.where(good & (bins < histograms.grid.at_ends), row, 0.0), 32
                ),
                rtol=1e-12, atol=1e-12,
            )  # fmt: skip
            for kind, mask in enumerate((np.isnan(row), row == -np.inf, row == np.inf)):
                expected = np.bincount(replicate[counted & mask], minlength=32)
                np.testing.assert_array_equal(part.special[column, :, kind], expected)


def test_bins_are_equally_wide_in_standard_errors() -> None:
    values = np.random.default_rng(3).normal(size=(1, 65_536))
    histograms = Histograms.begin(values, np.ones(65_536, bool), "random")
    below = np.cumsum(histograms.counts[0]) / 65_536
    held = histograms.counts[0] / 65_536 / np.sqrt(below * (1 - below) + 1e-9)
    inner = (below > 0.01) & (below < 0.99)
    np.testing.assert_allclose(held[inner], np.pi / BINS, rtol=0.25)


def test_an_atom_has_a_bin_of_its_own() -> None:
    values = make_draws(20_000)
    histograms = histograms_of(values, 10_000)
    column = list(COLUMNS).index("whole numbers")
    edges = histograms.edges[column]
    for number in range(8):
        at = np.searchsorted(edges, float(number))
        assert edges[at] == number
        assert edges[at - 1] == np.nextafter(number, -np.inf)
        assert histograms.counts[column, at] == (values[column] == number).sum()


def test_parts_merge_in_any_order_to_the_same_bits() -> None:
    values = make_draws(9 * CHUNK + 100)
    counted = np.ones(values.shape[1], bool)
    expected = histograms_of(values, CHUNK)
    merged = Histograms.begin(values[:, :CHUNK], counted[:CHUNK], "stratified")
    chunks = np.arange(1, 10)
    parts = [merged.empty_part() for _ in range(3)]
    ends = {}
    for chunk in np.random.default_rng(5).permutation(chunks):
        cut = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        ends[chunk] = parts[chunk % 3].add(values[:, cut], counted[cut], chunk * CHUNK)
    for part in reversed(parts):
        merged.merge(pickle.loads(pickle.dumps(part)))
    for chunk in chunks:
        merged.fold(ends[chunk])
    merged.close_span()
    assert_same_bits(merged, expected)


def test_restored_histograms_have_the_same_bits_and_can_be_continued() -> None:
    values = make_draws(3 * CHUNK)
    counted = np.ones(values.shape[1], bool)
    uninterrupted = histograms_of(values, CHUNK)
    interrupted = histograms_of(values[:, : 2 * CHUNK], CHUNK, closed=False)
    restored = Histograms.from_arrays(interrupted.to_arrays())
    assert_same_bits(restored, interrupted)
    part = restored.empty_part()
    restored.fold(part.add(values[:, 2 * CHUNK :], counted[2 * CHUNK :], 2 * CHUNK))
    restored.merge(part)
    restored.close_span()
    assert_same_bits(restored, uninterrupted)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.integers(1, 70), elements=st.floats(allow_subnormal=True)),
    st.integers(1, 70),
)
def test_any_column_of_floats_is_counted_completely(row: np.ndarray, kept: int) -> None:
    values = row[None]
    histograms = histograms_of(values, min(kept, row.size))
    good = np.isfinite(row)
    bins = np.searchsorted(histograms.edges[0], row[good])
    np.testing.assert_array_equal(histograms.counts[0], np.bincount(bins, minlength=BINS))
    assert histograms.special.sum() == row.size - good.sum()
    if good.any():
        assert histograms.lowest[0] == row[good].min()
        assert histograms.highest[0] == row[good].max()


def test_counts_of_declared_probabilities_are_those_of_all_draws(base: Scenario) -> None:
    ds = sim.simulate(base, draws=4_000, keep=list(PROBABILITIES))
    histogram_ds = with_histograms(ds, base, 2_048)
    by_name = indicators(ds)
    assert set(by_name) == set(PROBABILITIES)
    for name, (happens, valid) in by_name.items():
        events = histogram_ds[f"{name}_replicate_happens"].sum("replicate").values
        np.testing.assert_array_equal(events, (happens & valid).sum(axis=-1))
        known = histogram_ds[f"{name}_replicate_valid"].sum("replicate").values
        np.testing.assert_array_equal(known, valid.sum(axis=-1))


def test_a_sampled_hurdle_is_compared_draw_by_draw() -> None:
    hurdle = {"family": "uniform", "min": 0.6, "max": 0.8}
    changes = {f"finance.hurdle_margin.{key}": value for key, value in hurdle.items()}
    uncertain = sim.load(ROOT / "params" / "base.toml", set=changes)
    ds = sim.simulate(uncertain, draws=2_048)
    histogram_ds = with_histograms(ds, uncertain, 1_024)
    name = "p_lab_margin_above_hurdle"
    happens, valid = indicators(ds)[name]
    events = histogram_ds[f"{name}_replicate_happens"].sum("replicate").values
    np.testing.assert_array_equal(events, (happens & valid).sum(axis=-1))


def test_rows_that_only_events_need_have_no_bins() -> None:
    """Nor do they change those of others, and NaN in them are seen."""
    values = make_draws(3_000)
    values[0, 2_500] = np.nan  # beyond the kept draws
    counted = np.random.default_rng(3).random(3_000) < 0.9
    counted[2_500] = True
    columns = {"gw": np.arange(len(values)).reshape(-1, 1)}
    labs = [f"lab{k}" for k in range(len(values))]
    indicators = indicator_set(columns, {}, labs, [], [0.5])
    both = []
    for others in (0, 4):
        histograms = Histograms.begin(
            values[:, :1_024], counted[:1_024], "stratified", indicators, others=others
        )
        part = histograms.empty_part()
        histograms.fold(part.add(values[:, 1_024:], counted[1_024:], 1_024))
        histograms.merge(part)
        both.append(histograms.to_arrays())
    everything, some = both
    assert len(some["counts"]) == len(values) - 4
    for name, array in some.items():
        expected = everything[name]
        if name in ("edges", "counts", "coarse", "special", "lowest", "highest"):
            expected = expected[4:]
        elif name in ("ends", "span_ends"):
            expected = expected[:, 4:]
        assert array.tobytes() == np.ascontiguousarray(expected).tobytes(), name
    first = some["valid"][0].sum()
    assert first == (counted & ~np.isnan(values[0])).sum() < counted.sum()


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
@pytest.mark.parametrize("left_out", [0.0, 0.1])
def test_events_are_counted_by_replicate_and_without_nan(sampler: str, left_out: float) -> None:
    rng = np.random.default_rng(5)
    draws = CHUNK + 1_234
    lab_quarter = rng.normal(10.0, 3.0, size=(3, 8, draws))
    margins, hurdle = rng.normal(0.7, 0.1, size=(8, draws)), rng.normal(0.7, 0.01, size=draws)
    for values in (lab_quarter, margins, hurdle):
        values[rng.random(values.shape) < 0.1] = np.nan  # in some draws
    counted = rng.random(draws) >= left_out
    columns = {
        "gw": np.arange(24).reshape(3, 8),
        "inference_gross_margin": np.arange(24, 32),
        "hurdle_margin": np.array(32),
    }
    declared = indicator_set(columns, {}, ["a", "b", "c"], ["a", "c"], [10.0, 5.0])
    store = np.concatenate([lab_quarter.reshape(24, -1), margins, hurdle[None]])
    unknown = np.isnan(store).any(axis=1)
    counts = count_indicators(store, counted, sampler, declared.events, unknown)
    shapes = {name: indices.shape for name, indices in columns.items()}
    known = ~np.isnan(lab_quarter)
    with np.errstate(invalid="ignore"):
        expected = {
            "p_gw_above": (
                lab_quarter > np.array([10.0, 5.0])[:, None, None, None],
                np.stack([known, known]),
            ),
            "p_both_named": ((lab_quarter[[0, 2]] > 10.0).all(axis=0), known.all(axis=0)),
            "p_top_two": ((lab_quarter > 10.0).sum(axis=0) >= 2, known.all(axis=0)),
            "p_margin_above_hurdle": (margins >= hurdle, ~np.isnan(margins + hurdle)),
        }
    replicate = replicate_of(np.arange(draws), sampler)
    for name, chosen, shape in declared.by_name(shapes):
        happens, valid = expected.pop(name)
        for count, mask in zip(counts, (happens & valid, valid), strict=True):
            by_replicate = [(mask & counted)[..., replicate == r].sum(axis=-1) for r in range(32)]
            np.testing.assert_array_equal(
                count[chosen].reshape(*shape, 32), np.moveaxis(by_replicate, 0, -1)
            )
    assert not expected


# First and last bins, edges and ranks


def count_in(part: HistogramPart, edges: np.ndarray, rows: np.ndarray, counted: np.ndarray) -> None:
    """Add draws [column, draw], and assert that counts, sums and extremes are those of NumPy."""
    first = 2_048
    ends = part.add(rows, counted, first).sum(axis=0)
    replicate = replicate_of(first + np.arange(rows.shape[1]), part.sampler)
    for column, row in enumerate(rows):
        bins = np.searchsorted(edges[column], row)
        good = counted & np.isfinite(row)
        np.testing.assert_array_equal(part.counts[column], np.bincount(bins[good], minlength=BINS))
        coarse = np.zeros((32, BINS // PER_COARSE), np.int64)
        np.add.at(coarse, (replicate[good], bins[good] // PER_COARSE), 1)
        np.testing.assert_array_equal(part.coarse[column], coarse)
        at_ends = (good & (bins < part.grid.at_ends), good & (bins >= BINS - part.grid.at_ends))
        for end, mask in enumerate(at_ends):
            sums = np.bincount(replicate[mask], row[mask], 32)
            np.testing.assert_allclose(ends[:, column, end], sums, rtol=1e-12, atol=1e-12)
        outer = row[at_ends[0] | at_ends[1]]
        assert part.lowest[column] == outer.min(initial=np.inf)
        assert part.highest[column] == outer.max(initial=-np.inf)
        kinds = (np.isnan(row), row == -np.inf, row == np.inf)
        for kind, mask in enumerate(kinds):
            special = np.bincount(replicate[mask & counted], minlength=32)
            np.testing.assert_array_equal(part.special[column, :, kind], special)


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
@pytest.mark.parametrize("left_out", [0.0, 0.1])
@pytest.mark.parametrize("draws", [1, BLOCK + 1, 1_500])
def test_draws_on_every_outer_edge_are_counted_summed_and_the_extremes(
    sampler: str, left_out: float, draws: int
) -> None:
    """On an edge or a bit beside it, alone in a chunk or among others, at both ends."""
    rng = np.random.default_rng(7)
    kept = rng.normal(size=(1, 1_024))
    of_draws = Histograms.begin(kept, np.ones(1_024, bool), sampler).to_arrays()
    # Of so few draws, edges are equal where the ends begin: bins there are empty.
    distinct = of_draws | {"edges": np.linspace(-4.0, 4.0, BINS - 1)[None], "at_ends": np.array(48)}
    for stored in (of_draws, distinct):
        at_ends, edges = int(stored["at_ends"]), stored["edges"][0]
        outer = np.array([0, 1, at_ends - 2, at_ends - 1, at_ends, BINS // 2])
        numbers = edges[[*outer, *(BINS - 2 - outer)]]
        beside = np.nextafter(numbers, -np.inf), numbers, np.nextafter(numbers, np.inf)
        numbers = np.concatenate([np.unique(beside), [-99.0, 99.0, -np.inf, np.inf, np.nan]])
        constant = np.repeat(numbers[:, None], draws, axis=1)
        others = rng.normal(size=constant.shape)
        mixed = np.where(rng.random(constant.shape) < 0.5, constant, others)
        wide = {
            name: np.repeat(values, len(numbers), axis=int(name == "ends"))
            if values.ndim
            else values
            for name, values in stored.items()
            if not name.startswith("event_") and name != "order"
        }
        histograms = Histograms.from_arrays(stored | wide)
        for rows in (constant, mixed):
            counted = rng.random(draws) >= left_out
            count_in(histograms.empty_part(), histograms.edges, rows, counted)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 31, 500, 3_000, 20_000])
def test_edges_are_draws_from_the_smallest_to_the_largest_and_symmetric(n: int) -> None:
    """Draws that all differ are no atoms, however many edges fall on one of them."""
    draws = np.sort(np.random.default_rng(n).normal(size=n))
    edges, mirrored = np.empty((2, BINS - 1))
    write_edges(draws, edges)
    write_edges(-draws[::-1], mirrored)
    assert (edges[0], edges[-1]) == (draws[0], draws[-1])
    assert (np.diff(edges) >= 0).all()
    assert np.isin(edges, draws).all()
    middle = BINS // 2 - 1  # lies between two draws, and is the lower one either way
    for part in (slice(middle), slice(middle + 1, None)):
        np.testing.assert_array_equal(mirrored[part], -edges[::-1][part])
    below = np.searchsorted(draws, edges) / n
    assert (np.abs(below - edge_levels()) <= 1 / n).all()


def test_draws_that_are_left_out_move_no_edge() -> None:
    values = make_draws(3_000)
    counted = np.random.default_rng(8).random(3_000) < 0.6
    values[0, ~counted] = 1e6
    histograms = Histograms.begin(values, counted, "random")
    alone = Histograms.begin(values[:, counted], np.ones(counted.sum(), bool), "random")
    np.testing.assert_array_equal(histograms.edges, alone.edges)
    for name in ("lowest", "highest", "counts"):
        np.testing.assert_array_equal(getattr(histograms, name), getattr(alone, name))


@pytest.mark.parametrize("kept", [1, 30, 40, 41, 100, 1_024, 8_192, 106_496, 10**7])
def test_ends_hold_ten_kept_draws_or_a_quarter_of_all(kept: int) -> None:
    """Whole coarse bins, no more than are needed, at least one; never half of all bins."""
    at_ends, levels = bins_at_ends(kept), edge_levels()
    assert at_ends % PER_COARSE == 0
    assert 0 < at_ends < BINS // 2
    wanted = min(DRAWS_AT_ENDS / kept, 0.25)
    assert levels[at_ends - 1] >= wanted * (1 - 1e-12)
    assert at_ends == PER_COARSE or levels[at_ends - PER_COARSE - 1] < wanted


@pytest.mark.parametrize("sampler", ["stratified", "random", "sobol"])
def test_restored_histograms_count_on_by_the_replicates_of_their_sampler(sampler: str) -> None:
    values, counted = make_draws(3_072), np.ones(3_072, bool)
    whole = Histograms.begin(values[:, :1_024], counted[:1_024], sampler)
    restored = Histograms.from_arrays(whole.to_arrays())
    for histograms in (whole, restored):
        part = histograms.empty_part()
        histograms.fold(part.add(values[:, 1_024:], counted[1_024:], 1_024))
        histograms.merge(part)
    assert_same_bits(restored, whole)
