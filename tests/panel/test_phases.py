from collections.abc import Callable

import numpy as np
import pytest

from seqcast.panel.arrays import BoolArray, FloatArray
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.panel.phases import unseen_phases
from tests.panels import make_panel

MONDAY = np.datetime64("2024-01-01T00:00", "us")


def panel_with_gaps(
    num_rows: int, alias: str, is_open: Callable[[np.ndarray], BoolArray], num_series: int = 2
) -> Panel:
    """Series of which the first is observed where `is_open` says so, and the others always."""
    frequency = parse_frequency(alias)
    values = [np.arange(num_rows, dtype=np.float64) for _ in range(num_series)]
    times = frequency.advance(np.full(num_rows, MONDAY), np.arange(num_rows))
    values[0][~is_open(times)] = np.nan
    return make_panel(values, frequency=frequency, starts=np.full(num_series, MONDAY))


def weekday(times: np.ndarray) -> np.ndarray:
    return np.array([time.astype("datetime64[D]").item().weekday() for time in times])


def hour(times: np.ndarray) -> np.ndarray:
    return np.array([time.astype("datetime64[s]").item().hour for time in times])


def month(times: np.ndarray) -> np.ndarray:
    return np.array([time.astype("datetime64[D]").item().month for time in times])


CLOSED = {
    "Saturday": (70, "D", lambda times: weekday(times) != 5),
    "03:00": (24 * 20, "h", lambda times: hour(times) != 3),
    "August": (366 + 365, "D", lambda times: month(times) != 8),
    "December": (60, "MS", lambda times: month(times) != 12),
    "Sunday 20:00": (24 * 7 * 20, "h", lambda times: (weekday(times) != 6) | (hour(times) < 20)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_phase_that_was_never_observed_is_found_and_named(name: str) -> None:
    num_rows, alias, is_open = CLOSED[name]
    panel = panel_with_gaps(num_rows, alias, is_open)

    found = unseen_phases(panel, panel.lengths)

    steps = num_rows + np.arange(200)
    times = panel.times(np.array([[0], [1]]), steps[None])
    np.testing.assert_array_equal(found.at(np.array([0, 1]), times)[0], ~is_open(times[0]))
    assert not found.at(np.array([0, 1]), times)[1].any()
    (notice,) = found.notices(panel)
    assert notice.kind == "repair"
    assert name in notice.text
    assert "'s0'" in notice.text
    assert "'s1'" not in notice.text


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
@pytest.mark.parametrize(("num_rows", "alias"), [(21, "D"), (800, "D"), (500, "h"), (30, "MS"), (60, "W")])
def test_gaps_at_random_leave_no_phase_out(num_rows: int, alias: str, share: float) -> None:
    random = np.random.default_rng(3)
    found = 0
    for _ in range(20):
        panel = panel_with_gaps(num_rows, alias, lambda times: random.random(len(times)) > share)
        found += len(unseen_phases(panel, panel.lengths).series)
    assert found <= 1


def test_a_phase_whose_only_row_is_missing_is_not_called_never_observed() -> None:
    panel = panel_with_gaps(9, "D", lambda times: weekday(times) != 5)

    assert not len(unseen_phases(panel, panel.lengths).series)


def test_rows_before_the_first_and_after_the_last_value_are_no_gaps() -> None:
    values: FloatArray = np.full(70, np.nan)
    values[30:35] = 1.0
    panel = make_panel([values])

    assert not len(unseen_phases(panel, panel.lengths).series)


def test_values_behind_the_end_are_not_looked_at() -> None:
    panel = panel_with_gaps(70, "D", lambda times: weekday(times) != 5)
    panel.target[54] = 1.0  # a Saturday

    assert len(unseen_phases(panel, np.array([50, 50])).series) == 1
    assert not len(unseen_phases(panel, panel.lengths).series)


def test_series_without_gaps_and_steps_without_a_calendar_have_no_such_phase() -> None:
    whole = panel_with_gaps(70, "D", lambda times: weekday(times) < 9)
    numbered = make_panel([np.where(np.arange(70) % 7 == 5, np.nan, 1.0)], frequency=parse_frequency("1"))

    for panel in (whole, numbered):
        found = unseen_phases(panel, panel.lengths)
        assert not found.at(np.array([0]), panel.times(np.array([[0]]), np.arange(70)[None])).any()
        assert not list(found.notices(panel))
