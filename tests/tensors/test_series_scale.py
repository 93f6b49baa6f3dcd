from dataclasses import replace

import numpy as np
import pytest

from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.tensors.scaling import fit_scalers
from seqcast.tensors.series_scale import SMALLEST_SCALE, SeriesScales, rows_for_scale, series_scales
from tests.panels import make_panel

LONG, FEWEST = 61, 14
"""Rows of a long daily series, and those from which its scale is trusted."""
UNSEEN = np.array([-1])


def noise(level: float, spread: float, length: int = LONG, seed: int = 0) -> FloatArray:
    return level + spread * np.random.default_rng(seed).standard_normal(length)


def panel_of(levels: list[float], spreads: list[float], *others: FloatArray) -> Panel:
    pairs = enumerate(zip(levels, spreads, strict=True))
    return make_panel([*(noise(level, spread, seed=i) for i, (level, spread) in pairs), *others])


def new_series(panel: Panel, values: FloatArray, ends: int | None = None) -> SeriesScales:
    """The scale of a series that training on `panel` never saw."""
    known = None if ends is None else np.array([ends])
    return series_scales(fit_scalers(panel, panel.lengths), make_panel([values], ids=["new"]), UNSEEN, known)


def test_two_seasons_of_rows_show_a_scale_but_at_least_ten_and_at_most_a_hundred() -> None:
    assert [rows_for_scale(season) for season in (1, 7, 12, 1440)] == [10, FEWEST, 24, 100]


def test_long_series_keep_the_numbers_that_were_fitted_bit_for_bit() -> None:
    panel = panel_of([100, 5, -3], [10, 0.1, 7])
    scalers = fit_scalers(panel, np.array([50, 40, 30]))

    for order, ends in (([0, 1, 2], None), ([2, 0, 1], np.array([60, 60, 60]))):
        shown = panel.take_series(np.array(order))
        scales = series_scales(scalers, shown, np.array(order), ends)
        np.testing.assert_array_equal(scales.mean, scalers.target.mean[order])
        np.testing.assert_array_equal(scales.scale, scalers.target.scale[order])
        assert scales.is_known.all()
        assert not scales.has_moved.any()


@pytest.mark.parametrize("num_rows", [0, 1, 2, 3, 7, 13, 14, 40])
def test_a_short_new_series_takes_what_it_lacks_from_the_panel(num_rows: int) -> None:
    panel = panel_of([100, 200, 300, 400], [10, 10, 10, 10])
    values = noise(250, 3, max(num_rows, 1), seed=9)

    scales = new_series(panel, values, num_rows)

    usual = np.exp(np.mean([np.log(np.std(panel.target[i * LONG :][:LONG])) for i in range(4)]))
    missing = max(0.0, 1 - num_rows / FEWEST)
    own = np.var(values[:num_rows]) if num_rows else 0.0
    assert scales.scale[0] == pytest.approx(np.sqrt((1 - missing) * own + missing * usual**2), rel=1e-12)
    assert scales.mean[0] == pytest.approx(values[:num_rows].mean() if num_rows else 0.0, abs=1e-12)
    assert scales.is_known[0] == (num_rows >= FEWEST)


def test_where_scales_follow_levels_so_does_that_of_a_new_series() -> None:
    panel = panel_of([10, 1e3, 1e5], [1, 1e2, 1e4])

    (scale,) = new_series(panel, np.array([5e6])).scale

    ratios = [np.std(each) / np.mean(each) for each in np.split(panel.target, 3)]
    missing = 1 - 1 / FEWEST
    assert scale == pytest.approx(np.sqrt(missing) * 5e6 * np.exp(np.mean(np.log(ratios))), rel=1e-9)


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1e6])
@pytest.mark.parametrize("length", [1, 3, 30])
def test_other_units_change_the_scale_by_their_factor(factor: float, length: int) -> None:
    panel = panel_of([100, 110, 120], [10, 9, 11], np.full(LONG, 5e-6))
    values = noise(105, 10, length, seed=5)

    before = new_series(panel, values)
    after = new_series(replace(panel, target=panel.target * factor), values * factor)

    assert after.scale[0] == pytest.approx(before.scale[0] * factor, rel=1e-9)


def test_a_constant_series_is_judged_by_the_panel_at_its_level_and_not_by_one() -> None:
    panel = panel_of([100, 110], [10, 11], np.full(LONG, 5e-6), np.full(LONG, -3e8), np.zeros(LONG))

    scales = series_scales(fit_scalers(panel, panel.lengths), panel)

    assert 2e-7 < scales.scale[2] < 1e-6
    assert 5 < scales.scale[3] < 20  # no more than any series moves
    assert 5 < scales.scale[4] < 20


def test_a_panel_of_constants_has_scales_greater_than_zero() -> None:
    panel = make_panel([np.zeros(LONG), np.full(LONG, 1e-300), np.full(3, 7.0), np.full(5, np.nan)])

    scale = series_scales(fit_scalers(panel, panel.lengths), panel).scale

    assert (scale >= SMALLEST_SCALE).all()
    assert np.isfinite(scale).all()


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_values_of_any_size_give_finite_scales(size: float) -> None:
    panel = make_panel([size * noise(1, 0.2), size * noise(2, 0.2, 3), size * np.ones(LONG)])

    scales = series_scales(fit_scalers(panel, panel.lengths), panel)

    assert np.isfinite(scales.scale).all()
    assert (scales.scale > 0).all()


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("num_rows", [3, LONG])
def test_a_known_series_in_other_units_is_scaled_by_its_own_history(factor: float, num_rows: int) -> None:
    panel = panel_of([80_000, 100], [500, 5])
    moved = make_panel([panel.target[:num_rows] * factor], ids=["s0"])

    scales = series_scales(fit_scalers(panel, panel.lengths), moved, np.array([0]))

    assert scales.has_moved[0]
    assert scales.mean[0] == pytest.approx(moved.target.mean())
    assert 200 * factor < scales.scale[0] < 5000 * factor


def test_a_known_series_whose_quiet_new_rows_are_near_its_level_has_not_moved() -> None:
    panel = panel_of([100, 200], [10, 20])
    quiet = make_panel([np.full(30, 97.0)], ids=["s0"])

    scales = series_scales(fit_scalers(panel, panel.lengths), quiet, np.array([0]))

    assert not scales.has_moved[0]
    assert scales.scale[0] == fit_scalers(panel, panel.lengths).target.scale[0]


def test_rows_after_the_end_and_the_map_change_nothing() -> None:
    panel, ends = panel_of([100, 200], [10, 20]), np.array([3])
    values, series_map = noise(50, 5, 20, seed=3), np.array([-1])
    spoilt = np.where(np.arange(20) < 3, values, 1e6)

    before, after = (new_series(panel, each, int(ends[0])) for each in (values, spoilt))
    series_scales(fit_scalers(panel, panel.lengths), make_panel([values]), series_map, ends)

    assert (before.scale, before.mean) == (after.scale, after.mean)
    assert series_map.tolist() == [-1]


def test_a_series_that_had_no_training_value_is_scaled_as_a_new_one() -> None:
    panel = make_panel([noise(100, 10), np.append(np.full(30, np.nan), noise(5, 1, 31))])

    scales = series_scales(fit_scalers(panel, np.array([30, 30])), panel)

    assert scales.mean[1] == pytest.approx(panel.target[-31:].mean())
    assert scales.scale[1] == pytest.approx(panel.target[-31:].std())
