"""Finding the frequency of times, and checking a given one against them."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcast.errors import DataError, UsageError
from seqcast.panel.frequency import parse_frequency
from seqcast.reading.frequency_inference import TimeAxis, check_frequency, infer_frequency


def _axis(*series: list[str] | np.ndarray) -> TimeAxis:
    return _joined([np.asarray(one, "datetime64[us]") for one in series])


def _joined(times: list[np.ndarray]) -> TimeAxis:
    offsets = np.append(0, np.cumsum([len(one) for one in times])).astype(np.int64)
    return TimeAxis(np.concatenate(times), offsets, tuple(f"s{i}" for i in range(len(times))))


def _range(alias: str, num: int = 29, start: str = "2023-01-01") -> np.ndarray:
    return pd.date_range(start, periods=num, freq=alias).to_numpy()


REGULAR = "250ms 7us us s 15min h 2h D 3D W-WED 2W-SUN B MS ME 2MS QS-FEB QE-DEC YS-JAN YE-JUN YS-APR"


@pytest.mark.parametrize("alias", REGULAR.split())
def test_the_frequency_of_a_regular_range_is_found(alias: str) -> None:
    assert infer_frequency(_axis(_range(alias))) == parse_frequency(alias)


@given(gaps=st.sets(st.integers(1, 57), max_size=20))
def test_gaps_do_not_change_the_frequency(gaps: set[int]) -> None:
    times = np.delete(_range("h", 59), sorted(gaps))
    assert infer_frequency(_axis(times)).alias == "h"


@pytest.mark.parametrize(
    ("axis", "alias"),
    [
        (_axis(["2024-01-15", "2024-02-15", "2024-03-15"]), "MS@15"),
        (_axis(["2023-01-30", "2023-02-28", "2023-03-30"]), "MS@30"),
        (_axis(["2023-02-01", "2023-03-01", "2023-03-29"]), "4W-WED"),
        (_axis(np.delete(_range("D"), [7, 11])), "D"),
        (_axis(np.delete(_range("B"), [7, 11])), "B"),
        (_axis(_range("D", 5, "2024-01-01")), "D"),
        (_axis(_range("7D", 5, "2024-01-01"), _range("7D", 5, "2024-01-02")), "7D"),
        (_axis(_range("QS-JAN", 5), _range("QS-FEB", 5)), "QS"),
        (_axis(["2024-01-01T00", "2024-01-01T01", "2024-01-01T03", "2024-01-01T05"]), "h"),
        (_axis(["2024-01-01"], _range("D", 7), ["2024-03-05"]), "D"),
        (_axis(_range("D", 11), _range("2D", 4)), "D"),
    ],
)
def test_the_frequency_of_incomplete_ranges_is_found(axis: TimeAxis, alias: str) -> None:
    assert infer_frequency(axis).alias == alias


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (
            _axis(["2024-01-01"], ["2024-01-02"]),
            r"two different times, so the frequency cannot be found\. Check the id",
        ),
        (_joined([np.array([0, 2**62])]), "the times are too far apart: "),
        (
            _axis(["2023-01-01T05", "2023-02-01T07", "2023-03-01T05", "2023-04-01T06"]),
            "the times are not evenly spaced: ",
        ),
        (
            _axis(["2024-01-01", "2024-03-01", "2024-05-01", "2024-08-01"]),
            r"not evenly spaced: 2 months \(2 times\), 3 months \(1 times\)\.",
        ),
        (
            _axis(_range("h", 11), _range("D", 7), _range("2h", 7)),
            r"different frequencies: 's1' has a row every 1 day, 's2' has a row every 2 hours, others every 1 hour\.",
        ),
        (
            _axis(_range("MS", 11), *[_range("QS-JAN", 7)] * 6),
            r"different frequencies: 's0' has a row every 1 month, others every 3 months\.",
        ),
        (
            _axis(*[_range("MS", 11)] * 7, *[_range("QS-JAN", 7)] * 6),
            r"'s7' has a row every 3 months, .*, 1 more, others every 1 month\.",
        ),
    ],
)
def test_times_without_a_common_frequency_are_refused(axis: TimeAxis, message: str) -> None:
    with pytest.raises(DataError, match=message):
        infer_frequency(axis)


@pytest.mark.parametrize(("values", "alias"), [([0, 1, 2, 5], "1"), ([10, 20, 30, 60], "10"), ([5, 3005], "3000")])
def test_whole_numbers_have_their_step(values: list[int], alias: str) -> None:
    axis = _joined([np.array(values, np.int64)])
    assert infer_frequency(axis).alias == alias


def test_irregular_times_are_refused_with_their_spacings() -> None:
    times = np.cumsum([0, 61, 61, 61, 59, 59, 67, 71, 73, 79, 83]) * np.timedelta64(1, "m") + np.datetime64(
        "2024-01-01", "ns"
    )
    message = (
        "the times are not evenly spaced: 1 hour 1 minute (3 times), 59 minutes (2 times), 1 hour 7 minutes (1 times), "
        "1 hour 11 minutes (1 times), 1 hour 13 minutes (1 times) and 2 other spacings. 2024-01-01 04:02:00 comes "
        "59 minutes after the last. Move each time to the nearest step with --round h, or aggregate rows with "
        "--resample h:mean (or sum, last, median)."
    )
    with pytest.raises(DataError, match=re.escape(message)):
        infer_frequency(_axis(times))


@pytest.mark.parametrize("alias", ["h", "30min", "1h"])
def test_a_given_frequency_may_be_finer_than_the_data(alias: str) -> None:
    assert check_frequency(parse_frequency(alias), _axis(_range("2h"))) == parse_frequency(alias)


@pytest.mark.parametrize(
    ("alias", "times", "hint"),
    [
        ("2h", _range("h"), "Leave --freq out: the data is hourly (h)."),
        ("ME", _range("MS"), "Leave --freq out: the data is monthly at month start (MS)."),
        ("MS", _range("D"), "Leave --freq out: the data is daily (D)."),
        ("B", _range("D"), "Leave --freq out: the data is daily (D)."),
        ("W-MON", _range("W-SUN"), "Leave --freq out: the data is weekly on Sundays (W-SUN)."),
        ("QS-FEB", _range("QS-JAN"), "Leave --freq out: the data is quarterly at month start (QS-JAN)."),
        ("YS-MAR", _range("YS-JAN"), "Leave --freq out: the data is yearly at month start (YS-JAN)."),
        (
            "h",
            np.array(["2024-01-01T00:00", "2024-01-01T00:59", "2024-01-01T02:00"]),
            "Move each time to the nearest step with --round h, or aggregate rows with --resample h:mean",
        ),
    ],
)
def test_a_given_frequency_that_contradicts_the_data_is_refused(alias: str, times: np.ndarray, hint: str) -> None:
    with pytest.raises(
        UsageError, match=rf"--freq {alias} .* contradicts the data: series 's0' begins at .*{re.escape(hint)}"
    ):
        check_frequency(parse_frequency(alias), _axis(times))


def test_a_series_that_begins_between_the_steps_is_named_with_its_begin_alone() -> None:
    with pytest.raises(UsageError, match=r"series 's0' begins at 2024-01-15; spacings found: 1 hour"):
        check_frequency(parse_frequency("MS"), _axis(_range("h", start="2024-01-15")))


def test_the_time_that_contradicts_is_shown() -> None:
    with pytest.raises(
        UsageError, match=r"series 's1' begins at 2024-01-01 and has 2024-01-01 01:00:00; spacings found: 1 hour"
    ):
        check_frequency(parse_frequency("2h"), _axis(["2024-01-01"], ["2024-01-01T00", "2024-01-01T01"]))


@pytest.mark.parametrize(
    ("alias", "axis", "kind"), [("1", _axis(_range("D")), "dates"), ("h", _joined([np.arange(5)]), "whole numbers")]
)
def test_steps_and_dates_do_not_mix(alias: str, axis: TimeAxis, kind: str) -> None:
    with pytest.raises(UsageError, match=f"--freq {alias} does not fit: the times are {kind}"):
        check_frequency(parse_frequency(alias), axis)


def test_uneven_three_hourly_times_are_not_put_down_to_changing_clocks() -> None:
    times = np.cumsum([0, 3, 3, 3, 1, 3, 3, 4, 3, 3]) * np.timedelta64(1, "h") + np.datetime64("2024-01-01", "us")
    with pytest.raises(DataError) as refused:
        infer_frequency(_axis(times))
    assert "clocks" not in str(refused.value)
