import math
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcast.errors import DataError
from seqcast.results.origins import Origins, latest_origins, observed_ends, rolling_origins
from tests.panels import make_panel


def test_a_series_ends_after_its_last_observed_value() -> None:
    nan = np.nan
    panel = make_panel(
        [np.array([1.0, nan, 3]), np.array([nan, nan]), np.array([nan, 2, nan, nan, nan]), np.array([7.0])]
    )
    assert observed_ends(panel).tolist() == [3, 0, 2, 1]


def test_the_latest_origins_are_the_ends_of_the_series_that_have_one() -> None:
    panel = make_panel([np.array([1.0, 2]), np.array([np.nan]), np.array([3.0, np.nan])])
    origins = latest_origins(panel)
    assert (origins.series.tolist(), origins.positions.tolist()) == ([0, 2], [2, 1])


def test_a_panel_without_any_observed_value_has_no_origin() -> None:
    with pytest.raises(DataError, match="no series has an observed value to forecast from"):
        latest_origins(make_panel([np.full(3, np.nan)]))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 30)), min_size=1, max_size=5),
    st.integers(1, 7),
    st.none() | st.integers(1, 4),
)
def test_rolling_origins_are_those_of_a_plain_loop(
    pairs: list[tuple[int, int]], stride: int, at_most: int | None
) -> None:
    first, last = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    origins = rolling_origins(first, last, stride, at_most)
    expected = []
    for series, (low, high) in enumerate(pairs):
        newest_first = range(high, low - 1, -stride)[:at_most]
        expected += [(series, position) for position in reversed(newest_first)]
    assert list(zip(origins.series.tolist(), origins.positions.tolist(), strict=True)) == expected


NAN = float("nan")


@given(
    st.lists(st.lists(st.sampled_from([NAN, 1.0, 2.0, 3.0]), min_size=1, max_size=6), min_size=1, max_size=5), st.data()
)
def test_the_newest_value_of_a_window_is_the_last_one_observed_before_it(
    series: list[list[float]], data: st.DataObject
) -> None:
    panel = make_panel([np.array(values) for values in series])
    windows = [(number, end) for number, values in enumerate(series) for end in range(1, len(values) + 1)]
    first = data.draw(st.integers(0, len(windows)))
    chosen = windows[first : data.draw(st.integers(first, len(windows)))]
    origins = Origins(*np.array(chosen, np.int64).reshape(-1, 2).T)
    seen = [[value for value in series[number][:end] if not math.isnan(value)] for number, end in chosen]
    assert np.array_equal(origins.newest_values(panel), [(values or [NAN])[-1] for values in seen], equal_nan=True)


def test_the_earliest_origin_of_each_series_bounds_what_its_scale_is_learned_from() -> None:
    origins = Origins(np.array([0, 0, 2]), np.array([7, 5, 11]))
    assert origins.earliest(np.array([10, 20, 30])).tolist() == [5, 20, 11]
    assert len(origins) == 3


def test_spread_origins_reach_from_the_first_to_the_last() -> None:
    origins = Origins(np.repeat([0, 2], 7), np.tile(np.arange(20, 27), 2))
    found = origins.spread(4)
    assert list(zip(found.series.tolist(), found.positions.tolist(), strict=True)) == [
        (0, 20),
        (0, 24),
        (2, 22),
        (2, 26),
    ]
    assert len(origins.spread(99)) == 14


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(1, 7))
def test_batches_of_some_series_are_those_of_all(counts: list[int], size: int) -> None:
    series = np.repeat(np.arange(len(counts)), counts)
    origins = Origins(series, np.arange(len(series)) + 1)
    batches = [origins.positions[each].tolist() for each in origins.batches(size)]
    assert list(chain.from_iterable(batches)) == origins.positions.tolist()
    assert all(1 <= len(batch) <= size for batch in batches)
    parts = [origins.of_series(first, first + size) for first in range(0, len(counts), size)]
    assert [part.positions[each].tolist() for part in parts for each in part.batches(size)] == batches


def test_a_window_a_series_fills_every_batch_but_the_last() -> None:
    origins = Origins(np.arange(11), np.ones(11, np.int64))
    assert [len(origins[each]) for each in origins.batches(4)] == [4, 4, 3]
