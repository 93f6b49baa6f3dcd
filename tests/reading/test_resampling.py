"""Tests of rounding times and of aggregating the rows of a step."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.assemble import LoadedPanel, build_panel
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.future import extend_panel
from tests.reading.making_tables import load, repairs, rows, times_of

RANDOM = np.random.default_rng(7)
JITTER = pd.date_range("2024-03-01", periods=40, freq="10min") + pd.to_timedelta(RANDOM.integers(-200, 200, 40), "s")


def aggregated(frame: pd.DataFrame, resample: str, **roles: object) -> LoadedPanel:
    return build_panel(table_from_frame(frame), DataConfig(resample=resample, **roles))


@pytest.fixture(scope="module")
def sensors() -> pd.DataFrame:
    """Two sensors at irregular seconds, with missing values."""
    num_rows = 500
    seconds = RANDOM.choice(86_400, num_rows, replace=False)
    values = np.where(RANDOM.random(num_rows) < 0.2, np.nan, RANDOM.normal(size=num_rows))
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(seconds, "s")
    frame = pd.DataFrame({"unique_id": RANDOM.choice(["a", "b"], num_rows), "ds": times, "y": values})
    return frame.sort_values("unique_id", kind="stable")


@pytest.mark.parametrize("function", ["sum", "mean", "last", "median"])
@pytest.mark.parametrize("step", ["10min", "h", "D"])
def test_rows_of_a_step_are_aggregated_as_pandas_does(sensors: pd.DataFrame, step: str, function: str) -> None:
    panel = aggregated(sensors, f"{step}:{function}").panel
    assert panel.frequency.alias == step
    for series, (name, group) in enumerate(sensors.sort_values("ds").groupby("unique_id")):
        expected = group.set_index("ds")["y"].resample(step)
        wanted = expected.sum(min_count=1) if function == "sum" else getattr(expected, function)()
        assert panel.series_ids[series] == name
        assert [pd.Timestamp(time) for time in times_of(panel, series)] == list(wanted.index)
        found = panel.target[panel.offsets[series] : panel.offsets[series + 1]]
        np.testing.assert_allclose(found, wanted.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("step", "first"),
    [("W", "2024-01-01"), ("W-SUN", "2023-12-31"), ("MS", "2024-01-01"), ("ME", "2024-01-31"), ("QS", "2024-01-01")],
)
def test_days_become_weeks_and_months_named_by_their_first_or_last_day(step: str, first: str) -> None:
    days = pd.date_range("2024-01-01", periods=120)
    panel = aggregated(pd.DataFrame({"ds": days, "y": 1.0}), f"{step}:sum").panel
    assert times_of(panel)[0][:10] == first
    assert panel.target.sum() == 120
    assert panel.target[1] == {"W": 7, "W-SUN": 7, "MS": 29, "ME": 29, "QS": 29}[step] or step == "QS"


def test_numbers_of_steps_are_aggregated_too() -> None:
    panel = aggregated(pd.DataFrame({"t": range(12), "y": range(12)}), "4:mean", time="t").panel
    assert panel.target.tolist() == [1.5, 5.5, 9.5]
    assert panel.starts.tolist() == [0]


def test_what_was_aggregated_is_counted() -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01 06:00", periods=100, freq="h"), "y": 1.0})
    assert repairs(aggregated(frame, "D:mean")) == ["100 rows were aggregated to 5 steps (daily) by their mean"]
    first, second = repairs(aggregated(frame, "D:sum"))
    assert first == "100 rows were aggregated to 5 steps (daily) by their sum"
    assert second.startswith("the first or last step of 1 series holds fewer rows than the usual 24, so its sum may be")


def test_covariates_are_averaged_where_the_target_is_summed_and_the_last_category_counts() -> None:
    frame = pd.DataFrame(
        {
            "ds": pd.date_range("2024-01-01", periods=8, freq="12h"),
            "y": np.arange(8.0),
            "price": [1.0, 3.0, 2.0, np.nan, 5.0, 5.0, 1.0, 2.0],
            "kind": ["x", "y", "y", None, "x", "x", "x", "y"],
        }
    )
    panel = aggregated(frame, "D:sum", known=("price", "kind"), target=("y",)).panel
    assert panel.target.tolist() == [1, 5, 9, 13]
    assert panel.known.numeric[:, 0].tolist() == [2.0, 2.0, 5.0, 1.5]
    assert [panel.known.categories[0][code] for code in panel.known.codes[:, 0]] == ["y", "y", "x", "y"]


def test_the_future_table_is_aggregated_like_the_data() -> None:
    times = pd.date_range("2024-01-01", periods=20, freq="6h")
    frame = pd.DataFrame({"ds": times, "y": 1.0, "price": np.arange(20.0)})
    config = DataConfig(resample="D:mean", known=("price",), target=("y",))
    panel = build_panel(table_from_frame(frame), config).panel
    later = pd.DataFrame({"ds": pd.date_range("2024-01-06", periods=8, freq="6h"), "price": [1.0, 2, 3, 4, 5, 6, 7, 8]})
    extended = extend_panel(panel, 2, table_from_frame(later), config=config)
    assert extended.known.numeric[-2:, 0].tolist() == [2.5, 6.5]


def test_times_with_jitter_are_rounded_and_counted() -> None:
    frame = pd.DataFrame({"ds": JITTER, "y": np.arange(40.0)})
    loaded = build_panel(table_from_frame(frame), DataConfig(round="10min"))
    assert times_of(loaded.panel)[::39] == ["2024-03-01T00:00:00.000000", "2024-03-01T06:30:00.000000"]
    assert loaded.panel.target.tolist() == list(range(40))
    moved = [time.round("10min") - time for time in JITTER]
    count = sum(each != pd.Timedelta(0) for each in moved)
    assert repairs(loaded)[0].startswith(f"{count} of 40 times were rounded to every 10 minutes, by at most ")


def test_two_rows_rounded_to_one_step_are_refused_and_aggregation_is_proposed() -> None:
    times = ["2024-03-01 00:00:10", "2024-03-01 00:00:20", "2024-03-01 00:10:00"]
    frame = pd.DataFrame({"ds": pd.to_datetime(times), "y": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match=r"same time occurs with different values.*--resample 10min:mean"):
        build_panel(table_from_frame(frame), DataConfig(round="10min"))


@pytest.mark.parametrize(("step", "jitter"), [("10min", 200), ("h", 900), ("30s", 9), ("D", 9_000)])
def test_the_error_for_jitter_names_the_step_to_round_or_aggregate_to(step: str, jitter: int) -> None:
    times = pd.date_range("2024-03-01", periods=60, freq=step) + pd.to_timedelta(
        RANDOM.integers(-jitter, jitter, 60), "s"
    )
    frame = pd.DataFrame({"ds": times, "y": 1.0})
    with pytest.raises(
        DataError, match=rf"not evenly spaced.* --round {step}, .* --resample {step}:mean \(or sum, last"
    ):
        build_panel(table_from_frame(frame), DataConfig())
    assert build_panel(table_from_frame(frame), DataConfig(round=step)).panel.frequency.alias == step


def test_rounding_is_not_proposed_where_rows_would_fall_together() -> None:
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.cumsum(RANDOM.exponential(600, 90)).round(), "s")
    with pytest.raises(DataError) as error:
        build_panel(table_from_frame(pd.DataFrame({"ds": times, "y": 1.0})), DataConfig())
    assert "--round" not in str(error.value)
    assert "--resample " in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"resample": "10min"}, r"--resample '10min' is not a step and a function\. Write them like 10min:mean"),
        ({"resample": "10min:mode"}, "the functions are sum, mean, last, median"),
        ({"resample": "often:mean"}, "--freq 'often' is not a frequency"),
        ({"resample": "B:sum"}, "rows cannot be aggregated to every business day"),
        ({"resample": "3:sum"}, r"--resample 3 does not fit: the times are dates"),
        ({"resample": "D:sum", "freq": "h"}, r"--freq h contradicts --resample D:sum"),
        ({"round": "MS"}, r"--round MS: only dates can be rounded, to a step of at most a day"),
    ],
)
def test_steps_that_make_no_sense_are_refused(tmp_path: Path, data: dict[str, str], message: str) -> None:
    times = pd.date_range("2024-01-01", periods=9)
    with pytest.raises(UsageError, match=message):
        load(tmp_path, rows("ds,y", [f"{time:%Y-%m-%d},1" for time in times]), DataConfig(**data))
