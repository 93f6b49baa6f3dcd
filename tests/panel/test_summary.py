from __future__ import annotations

import warnings

import numpy as np
import pytest

from seqcast.panel.frequency import parse_frequency
from seqcast.panel.summary import MOST_SERIES, summarise
from tests.panels import make_panel

HOURLY = parse_frequency("h")


def test_steps_series_and_missing_values_are_counted() -> None:
    series = [np.arange(7.0), np.arange(5.0), np.arange(11.0)]
    series[1][[2, 3]] = np.nan
    summary = summarise(make_panel(series))
    assert (summary.num_series, summary.num_rows, summary.num_missing) == (3, 23, 2)
    assert (summary.shortest, summary.median_length, summary.longest) == (5, 7.0, 11)


def test_the_first_and_the_last_time_are_those_of_all_series() -> None:
    starts = np.array(["2024-01-05", "2024-01-01", "2024-01-03"], "datetime64[us]")
    summary = summarise(make_panel([np.arange(7.0), np.arange(2.0), np.arange(3.0)], starts=starts))
    assert (summary.first_time, summary.last_time) == ("2024-01-01", "2024-01-11")
    assert (summary.latest_start, summary.earliest_end) == ("2024-01-05", "2024-01-02")


def test_a_repeating_series_has_a_strong_season_and_noise_has_none() -> None:
    wave = np.sin(2 * np.pi * np.arange(241) / 24)
    noise = np.random.default_rng(0).normal(size=241)
    strong, weak = (summarise(make_panel([values], frequency=HOURLY)).seasons[0] for values in (wave, noise))
    assert (strong.season, strong.duration) == (24, "1 day")
    assert strong.autocorrelation is not None
    assert strong.autocorrelation > 0.95
    assert weak.autocorrelation is not None
    assert abs(weak.autocorrelation) < 0.3


def test_a_trend_alone_is_no_season() -> None:
    noise = np.random.default_rng(0).normal(size=241)
    rising = summarise(make_panel([100.0 * np.arange(241) + noise], frequency=HOURLY)).seasons[0].autocorrelation
    assert rising is not None
    assert abs(rising) < 0.3


def test_a_season_of_which_no_series_holds_two_is_unknown() -> None:
    seasons = summarise(make_panel([np.arange(50.0)], frequency=HOURLY)).seasons
    assert [season.season for season in seasons] == [24, 168]
    assert seasons[1].autocorrelation is None


def test_the_season_is_the_median_over_the_series_that_are_long_enough() -> None:
    wave = np.sin(2 * np.pi * np.arange(240) / 24)
    opposite = np.sin(2 * np.pi * np.arange(240) / 48)
    panel = make_panel([wave, wave, opposite, wave[:30]], frequency=HOURLY)
    strength = summarise(panel).seasons[0].autocorrelation
    assert strength is not None
    assert strength > 0.9


def test_pairs_with_a_missing_value_are_left_out() -> None:
    wave = np.sin(2 * np.pi * np.arange(240) / 24)
    holes = wave.copy()
    holes[::5] = np.nan
    whole, partly = (summarise(make_panel([each], frequency=HOURLY)).seasons[0] for each in (wave, holes))
    assert whole.autocorrelation == pytest.approx(partly.autocorrelation, abs=0.05)


@pytest.mark.parametrize(
    "values",
    [np.full(100, 7.0), np.full(100, np.nan), np.r_[1.0, 2.0, np.full(98, np.nan)], np.full(100, 0.0)],
    ids=["constant", "missing", "two values", "zero"],
)
def test_a_series_without_change_has_no_season_and_raises_no_warning(values: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert summarise(make_panel([values], frequency=HOURLY)).seasons[0].autocorrelation is None


def test_values_of_any_size_are_measured() -> None:
    wave = np.sin(2 * np.pi * np.arange(241) / 24)
    for size in (1e-300, 1e300):
        strength = summarise(make_panel([size * wave], frequency=HOURLY)).seasons[0].autocorrelation
        assert strength == pytest.approx(0.97, abs=0.05)


def test_a_frequency_without_seasons_has_none_to_measure() -> None:
    assert summarise(make_panel([np.arange(9.0)], frequency=parse_frequency("YS"))).seasons == ()


def test_many_series_are_looked_at_in_part_and_counted_in_full() -> None:
    flat, wave = np.full(48, 1.0), np.sin(2 * np.pi * np.arange(48) / 24)
    summary = summarise(make_panel([flat, *[wave] * (MOST_SERIES + 7)], frequency=HOURLY))
    assert summary.num_series == MOST_SERIES + 8
    assert summary.seasons[0].autocorrelation is not None
