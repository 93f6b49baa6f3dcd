from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqcast.config import DataConfig
from seqcast.panel.calendar import calendar_features, resolved_cycles
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.tensors.scaling import PanelScalers, encode, fit_scalers, scale_target, transform_numeric
from seqcast.tensors.series_scale import series_scales
from seqcast.tensors.windows import PanelTensors, WindowRange, panel_to_tensors
from tests.panels import covariates, full_panel, make_panel, wave_panel, waves

CONTEXT, HORIZON = 7, 5


def tensors_of(panel: Panel, scalers: PanelScalers | None = None) -> PanelTensors:
    scalers = scalers or fit_scalers(panel, panel.lengths)
    data = DataConfig(calendar=resolved_cycles(panel.frequency))
    return panel_to_tensors(panel, scalers, np.arange(panel.num_series), panel.lengths, data)


def weekly_panel() -> Panel:
    """Weekly series on Mondays and on Thursdays that start in different weeks."""
    starts = np.array(["2024-01-15", "2024-01-04", "2024-01-01", "2024-02-08"], "datetime64[us]")
    lengths = (13, 11, 17, 12)
    num_rows = sum(lengths)
    return make_panel(
        waves(lengths),
        frequency=parse_frequency("W"),
        starts=starts,
        known=covariates(num_rows, 1, "price"),
        past=covariates(num_rows, 2, "visits"),
        static=covariates(len(lengths), 3, "size"),
    )


@pytest.mark.parametrize("make", [full_panel, weekly_panel])
def test_a_gathered_batch_equals_a_plain_loop(make: Callable[[], Panel]) -> None:
    panel = make()
    panel.target[[3, 20]] = np.nan
    scalers = fit_scalers(panel, panel.lengths)
    windows = [(0, 8), (2, 3), (1, 6), (2, 0), (0, 1)]  # the last three reach back before the series begins
    series, origins = (torch.tensor(column) for column in zip(*windows, strict=True))
    batch = tensors_of(panel, scalers).gather(series, origins, CONTEXT, HORIZON)
    scales = series_scales(scalers, panel)
    scaled = scale_target(panel, scales.mean, scales.scale)
    known, past = transform_numeric(scalers.known, panel.known), transform_numeric(scalers.past, panel.past)
    known_codes = encode(scalers.known, panel.known)
    past_codes = encode(scalers.past, panel.past)
    for b, (number, origin) in enumerate(windows):
        for step in range(CONTEXT + HORIZON):
            position = origin - CONTEXT + step
            row = int(panel.offsets[number]) + max(position, 0)
            seen = position >= 0 and bool(np.isfinite(panel.target[row]))
            is_past, at = (True, step) if step < CONTEXT else (False, step - CONTEXT)
            target = batch.context_target[b, at] if is_past else batch.future_target[b, at]
            observed = batch.context_observed[b, at] if is_past else batch.future_observed[b, at]
            assert bool(observed) == seen
            assert float(target) == pytest.approx(scaled[row] if seen else 0.0, abs=1e-6)
            time = panel.times(np.array([number]), np.array([max(position, 0)]))
            expected = np.concatenate([known[row], calendar_features(resolved_cycles(panel.frequency), time)[0]])
            np.testing.assert_allclose(batch.known_features[b, step].numpy(), expected, atol=1e-6)
            assert batch.known_codes[b, step].tolist() == known_codes[row].tolist()
            if is_past:
                np.testing.assert_allclose(batch.past_features[b, step].numpy(), past[row], atol=1e-6)
                assert batch.past_codes[b, step].tolist() == past_codes[row].tolist()
        np.testing.assert_allclose(
            batch.static_features[b].numpy(), transform_numeric(scalers.static, panel.static)[number], atol=1e-6
        )
        assert batch.static_codes[b].tolist() == encode(scalers.static, panel.static)[number].tolist()


def test_steps_before_the_series_are_not_observed_and_hold_nothing_of_the_series_before() -> None:
    panel = wave_panel()
    batch = tensors_of(panel).gather(torch.tensor([1]), torch.tensor([2]), CONTEXT, HORIZON)
    assert batch.context_observed[0].tolist() == [False] * 5 + [True] * 2
    assert batch.context_target[0, :5].tolist() == [0.0] * 5


def test_a_missing_value_is_zero_and_not_observed() -> None:
    batch = tensors_of(wave_panel()).gather(torch.tensor([0]), torch.tensor([7]), CONTEXT, HORIZON)
    assert batch.context_observed[0].tolist() == [True] * 4 + [False, False, True]
    assert batch.context_target[0, 4:6].tolist() == [0.0, 0.0]


def test_series_on_one_grid_share_their_calendar() -> None:
    starts = np.array(["2024-01-03", "2024-01-01", "2024-01-20"], "datetime64[us]")
    tensors = tensors_of(make_panel(waves((11, 13, 7)), starts=starts))
    assert len(tensors.calendar) == 26  # 1 to 26 January
    assert tensors.calendar_offsets.tolist() == [2, 0, 19]


def test_series_on_different_weekdays_have_a_calendar_each() -> None:
    panel = weekly_panel()
    tensors = tensors_of(panel)
    for number in range(panel.num_series):
        length = int(panel.lengths[number])
        times = panel.times(np.full(length, number), np.arange(length))
        first = int(tensors.calendar_offsets[number])
        expected = calendar_features(resolved_cycles(panel.frequency), times)
        np.testing.assert_allclose(tensors.calendar[first : first + length].numpy(), expected, atol=1e-6)
    assert len(tensors.calendar) == 17 + 17  # Mondays to 22 April; Thursdays to 25 April


def test_a_frequency_without_cycles_has_no_calendar() -> None:
    tensors = tensors_of(make_panel(waves(), frequency=parse_frequency("1")))
    batch = tensors.gather(torch.tensor([0, 2]), torch.tensor([9, 9]), CONTEXT, HORIZON)
    assert batch.known_features.shape == (2, CONTEXT + HORIZON, 0)


def test_only_the_cycles_asked_for_are_in_the_calendar() -> None:
    panel = wave_panel()
    scalers = fit_scalers(panel, panel.lengths)
    tensors = panel_to_tensors(panel, scalers, np.arange(3), panel.lengths, DataConfig(calendar=("week",)))
    np.testing.assert_allclose(tensors.calendar[:7].square().sum(dim=1).numpy(), 1, atol=1e-6)
    assert tensors.calendar.shape[1] == 2


def test_a_small_wave_on_a_level_of_a_billion_survives() -> None:
    wave = np.where(np.arange(20) % 2, 1.0, -1.0)
    tensors = tensors_of(make_panel([1e9 + wave]))
    np.testing.assert_allclose(tensors.target.numpy(), wave, atol=1e-6)
    back = tensors.target.double().numpy() * tensors.scale + tensors.mean
    np.testing.assert_allclose(back, 1e9 + wave, atol=1e-6, rtol=0)


def test_scaling_does_not_change_the_panel() -> None:
    panel = full_panel()
    before = panel.target.copy(), panel.known.numeric.copy(), panel.past.codes.copy()
    tensors_of(panel)
    np.testing.assert_array_equal(panel.target, before[0])
    np.testing.assert_array_equal(panel.known.numeric, before[1])
    np.testing.assert_array_equal(panel.past.codes, before[2])


RANGES = st.lists(st.tuples(st.integers(0, 20), st.integers(-5, 30)), min_size=1, max_size=7)


def listed(pairs: list[tuple[int, int]]) -> tuple[WindowRange, list[tuple[int, int]]]:
    """A range and every one of its windows, written out."""
    first, last = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    windows = [(series, origin) for series, (low, high) in enumerate(pairs) for origin in range(low, high + 1)]
    return WindowRange(first, last), windows


@given(RANGES)
def test_a_window_number_finds_the_window_of_the_written_out_list(pairs: list[tuple[int, int]]) -> None:
    windows, expected = listed(pairs)
    series, origins = windows.locate(np.arange(len(windows), dtype=np.int64))
    assert len(windows) == len(expected)
    assert list(zip(series.tolist(), origins.tolist(), strict=True)) == expected


@given(RANGES, st.integers(1, 60))
def test_spread_windows_are_in_order_distinct_and_reach_from_the_first_to_the_last(
    pairs: list[tuple[int, int]], at_most: int
) -> None:
    windows, everything = listed(pairs)
    series, origins = windows.spread(at_most)
    places = [everything.index(window) for window in zip(series.tolist(), origins.tolist(), strict=True)]
    assert len(places) == min(at_most, len(everything))
    assert places == sorted(set(places))
    if len(places) > 1:
        assert (places[0], places[-1]) == (0, len(everything) - 1)
        assert max(np.diff(places)) - min(np.diff(places)) <= 1


def test_windows_are_drawn_by_the_square_root_of_their_number_in_a_series() -> None:
    windows = WindowRange(np.array([5, 3, 9, 7]), np.array([404, 2, 9, 31]))  # 400, none, 1 and 25 windows

    series, origins = windows.draw(np.random.default_rng(0), 20_000)

    assert ((origins >= windows.first[series]) & (origins <= windows.last[series])).all()
    frequency = np.bincount(series, minlength=4) / 20_000
    np.testing.assert_allclose(frequency, np.array([20, 0, 1, 5]) / 26, atol=0.01)
    assert len(np.unique(origins[series == 3])) == 25
    again = windows.draw(np.random.default_rng(0), 20_000)
    assert (again[0] == series).all()
    assert (again[1] == origins).all()
