"""Tests that forecasts of tables with zones come back as the table came and keep to the clock over its changes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast import Config, Forecaster
from seqcast.run.directory import RunDirectory
from tests.running import done

BERLIN = "Europe/Berlin"
SMALL = Config().override(model={"hidden": 5, "context": 72}, training={"max_steps": 2, "refit": False})


def by_the_clock(times: pd.DatetimeIndex) -> np.ndarray:
    """A daily shape that follows the clock."""
    return np.asarray(100 + 10 * np.sin(2 * np.pi * times.hour / 24) + 4 * np.cos(4 * np.pi * times.hour / 24))


def history(end: str, num_rows: int = 24 * 45) -> pd.DataFrame:
    """Hours of Berlin until `end`, in UTC."""
    times = pd.date_range(end=end, periods=num_rows, freq="h", tz="UTC").tz_convert(BERLIN)
    noise = np.random.default_rng(0).normal(0, 0.01, num_rows)
    return pd.DataFrame({"ds": times, "y": by_the_clock(times) + noise})


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster(horizon=36, config=SMALL).fit(history("2024-02-20"))


@pytest.mark.parametrize("end", ["2024-03-30 12:00", "2024-10-26 12:00"])
def test_the_error_after_a_change_of_the_clocks_is_that_before_it(fitted: Forecaster, end: str) -> None:
    forecast = fitted.predict(frame=history(end))
    times = pd.DatetimeIndex(forecast["ds"])
    assert times.tz is not None
    assert list(times) == list(pd.date_range(end, periods=37, freq="h", tz="UTC")[1:])
    error = np.abs(forecast["seqcast"] - by_the_clock(times)).to_numpy()
    offsets = np.array([time.utcoffset() for time in times])
    is_after = offsets != offsets[0]
    assert is_after.any()
    assert error[is_after].mean() < 1.5 * error[~is_after].mean() + 0.01
    assert error.max() < 0.5


@pytest.mark.parametrize("end", ["2024-03-31 15:00", "2024-10-28 02:00", "2024-11-01 02:00"])
def test_the_error_is_the_same_soon_after_a_change(fitted: Forecaster, end: str) -> None:
    forecast = fitted.predict(frame=history(end))
    error = np.abs(forecast["seqcast"] - by_the_clock(pd.DatetimeIndex(forecast["ds"])))
    assert error.max() < 0.5


def test_longer_forecasts_follow_the_clock_too_and_shorter_ones_are_their_beginning(fitted: Forecaster) -> None:
    frame = history("2024-03-29 12:00")
    long, short = fitted.predict(100, frame=frame), fitted.predict(30, frame=frame)
    pd.testing.assert_frame_equal(long[:30], short)
    error = np.abs(long["seqcast"] - by_the_clock(pd.DatetimeIndex(long["ds"])))
    assert error.max() < 1.0


@pytest.mark.parametrize(
    ("times", "zone", "first"),
    [
        (
            lambda n: pd.date_range("2024-01-01", periods=n, freq="D", tz=BERLIN),
            ("--timezone", BERLIN),
            "2024-04-01 00:00:00+02:00",
        ),
        (lambda n: pd.date_range("2024-01-01", periods=n, freq="D", tz="UTC").tz_convert("-03:00"), (), None),
    ],
)
def test_files_have_the_offset_of_each_time(
    times: Callable[[int], pd.DatetimeIndex], zone: tuple[str, ...], first: str | None, in_tmp_path: Path
) -> None:
    days = times(91)
    text = "\n".join(["ds,y", *(f"{day.isoformat(sep=' ')},{i % 7}" for i, day in enumerate(days))])
    Path("days.csv").write_text(text + "\n")
    done("train", "days.csv", *zone, "--horizon", 3, "--context", 14, "--max-steps", 2, "--hidden", 4, "--quiet")
    expected = [str(day) for day in times(94)[91:]]
    assert first in (None, expected[0])
    for suffix in ("csv", "json", "parquet"):
        done("predict", "--output", f"out.{suffix}")
    assert pd.read_csv("out.csv", dtype=str)["ds"].tolist() == expected
    assert [row["ds"] for row in json.loads(Path("out.json").read_text())] == [t.replace(" ", "T") for t in expected]
    written = pd.read_parquet("out.parquet")["ds"]
    assert [str(time) for time in written] == expected
    screen = done("predict").out
    assert f"{expected[0][:16]}{expected[0][-6:]}" in screen
    table = done("inspect", "--format", "csv").out.splitlines()
    assert all(line.split(",")[1][-6:-3] in ("+01", "+02", "-03") for line in table[1:])
    done("inspect", "--origin", str(days[80]))
    zone = RunDirectory(Path("runs/days-1")).read_record().data.last_time
    assert zone == str(days[-1])
