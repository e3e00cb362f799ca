from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sketched import COLUMNS, make_draws, sketch_of, sketched
from worlds import BASE

import sim
from sim.engine.events import indicator_set
from sim.engine.histograms import CHUNK, Histograms, count_indicators
from sim.model.blocks import replicate_of
from sim.model.histogram_bins import BINS, PER_COARSE
from sim.parameters.scenario import Scenario
from sim.statistics.datasets import indicators


def assert_same_bits(one: Histograms, other: Histograms) -> None:
    mine, theirs = one.arrays(), other.arrays()
    assert list(mine) == list(theirs)
    for name, values in mine.items():
        assert values.tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
def test_every_draw_is_counted_in_its_bin_and_in_its_replicate(sampler: str) -> None:
    values = make_draws(4_000)
    counted = np.random.default_rng(2).random(4_000) < 0.9
    for every in (counted, np.ones(4_000, bool)):
        histograms = Histograms.begin(values[:, :1_000], every[:1_000], sampler)
        part = histograms.part()
        ends = part.add(values, every, 2_048).sum(axis=0)
        replicate = replicate_of(2_048 + np.arange(4_000), sampler)
        for column, row in enumerate(values):
            edges = histograms.edges[column]
            good = every & np.isfinite(row)
            bins = np.searchsorted(edges, row)
            expected = np.bincount(bins[good], minlength=BINS)
            np.testing.assert_array_equal(part.counts[column], expected)
            where = replicate[good], bins[good] // PER_COARSE
            by_replicate = np.zeros((32, BINS // PER_COARSE), np.int64)
            np.add.at(by_replicate, where, 1)
            np.testing.assert_array_equal(part.coarse[column], by_replicate)
            np.testing.assert_allclose(
                ends[:, column, 0],
                np.bincount(
                    replicate, np.where(good & (bins < histograms.grid.at_ends), row, 0.0), 32
                ),
                rtol=1e-12, atol=1e-12,
            )  # fmt: skip
            for kind, odd in enumerate((np.isnan(row), row == -np.inf, row == np.inf)):
                found = np.bincount(replicate[every & odd], minlength=32)
                np.testing.assert_array_equal(part.special[column, :, kind], found)


def test_bins_of_kept_draws_hold_as_many_standard_errors_each() -> None:
    values = np.random.default_rng(3).normal(size=(1, 65_536))
    histograms = Histograms.begin(values, np.ones(65_536, bool), "random")
    below = np.cumsum(histograms.counts[0]) / 65_536
    held = histograms.counts[0] / 65_536 / np.sqrt(below * (1 - below) + 1e-9)
    inner = (below > 0.01) & (below < 0.99)
    np.testing.assert_allclose(held[inner], np.pi / BINS, rtol=0.25)


def test_an_atom_has_a_bin_of_its_own() -> None:
    values = make_draws(20_000)
    histograms = sketch_of(values, 10_000)
    column = list(COLUMNS).index("whole numbers")
    edges = histograms.edges[column]
    for number in range(8):
        at = np.searchsorted(edges, float(number))
        assert edges[at] == number
        assert edges[at - 1] == np.nextafter(number, -np.inf)
        assert histograms.counts[column, at] == (values[column] == number).sum()


def test_parts_may_be_cut_and_merged_in_any_way() -> None:
    values = make_draws(9 * CHUNK + 100)
    every = np.ones(values.shape[1], bool)
    one = sketch_of(values, CHUNK)
    other = Histograms.begin(values[:, :CHUNK], every[:CHUNK], "stratified")
    chunks = np.arange(1, 10)
    parts = [other.part() for _ in range(3)]
    ends = {}
    for chunk in np.random.default_rng(5).permutation(chunks):
        cut = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        ends[chunk] = parts[chunk % 3].add(values[:, cut], every[cut], chunk * CHUNK)
    for part in reversed(parts):
        other.merge(pickle.loads(pickle.dumps(part)))
    for chunk in chunks:
        other.fold(ends[chunk])
    assert_same_bits(one, other)


def test_a_stored_sketch_comes_back_and_goes_on() -> None:
    values = make_draws(3 * CHUNK)
    every = np.ones(values.shape[1], bool)
    whole = sketch_of(values, CHUNK)
    stopped = sketch_of(values[:, : 2 * CHUNK], CHUNK)
    back = Histograms.of_arrays(stopped.arrays())
    assert_same_bits(back, stopped)
    part = back.part()
    back.fold(part.add(values[:, 2 * CHUNK :], every[2 * CHUNK :], 2 * CHUNK))
    back.merge(part)
    assert_same_bits(back, whole)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.integers(1, 70), elements=st.floats(allow_subnormal=True)),
    st.integers(1, 70),
)
def test_no_column_is_too_strange_to_be_counted(row: np.ndarray, kept: int) -> None:
    values = row[None]
    histograms = sketch_of(values, min(kept, row.size))
    good = np.isfinite(row)
    bins = np.searchsorted(histograms.edges[0], row[good])
    np.testing.assert_array_equal(histograms.counts[0], np.bincount(bins, minlength=BINS))
    assert histograms.special.sum() == row.size - good.sum()
    if good.any():
        assert histograms.lowest[0] == row[good].min()
        assert histograms.highest[0] == row[good].max()


def test_declared_probabilities_are_counted_as_the_draws_have_them(
    base: Scenario, ds: xr.Dataset
) -> None:
    found = sketched(ds, base, 2_048)
    by_name = indicators(ds)
    assert len(by_name) == 10
    for name, (happens, valid) in by_name.items():
        events = found[f"{name}_replicate_happens"].sum("replicate").values
        np.testing.assert_array_equal(events, (happens & valid).sum(axis=-1))
        known = found[f"{name}_replicate_valid"].sum("replicate").values
        np.testing.assert_array_equal(known, valid.sum(axis=-1))


def test_a_hurdle_that_is_drawn_is_compared_draw_by_draw() -> None:
    hurdle = {"family": "uniform", "min": 0.6, "max": 0.8}
    changes = {f"finance.hurdle_margin.{key}": said for key, said in hurdle.items()}
    uncertain = sim.load(BASE, set=changes)
    ds = sim.simulate(uncertain, draws=2_048)
    found = sketched(ds, uncertain, 1_024)
    name = "p_lab_margin_above_hurdle"
    happens, valid = indicators(ds)[name]
    events = found[f"{name}_replicate_happens"].sum("replicate").values
    np.testing.assert_array_equal(events, (happens & valid).sum(axis=-1))


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
@pytest.mark.parametrize("left_out", [0.0, 0.1])
def test_what_happens_is_counted_in_its_replicate_where_draws_can_tell(
    sampler: str, left_out: float
) -> None:
    rng = np.random.default_rng(5)
    draws = CHUNK + 1_234
    lab_quarter = rng.normal(10.0, 3.0, size=(3, 8, draws))
    margins, hurdle = rng.normal(0.7, 0.1, size=(8, draws)), rng.normal(0.7, 0.01, size=draws)
    for values in (lab_quarter, margins, hurdle):
        values[rng.random(values.shape) < 0.1] = np.nan  # in some draws, here and there
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
    shapes = {name: places.shape for name, places in columns.items()}
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
        for count, there in zip(counts, (happens & valid, valid), strict=True):
            by_replicate = [(there & counted)[..., replicate == r].sum(axis=-1) for r in range(32)]
            np.testing.assert_array_equal(
                count[chosen].reshape(*shape, 32), np.moveaxis(by_replicate, 0, -1)
            )
    assert not expected
