"""The columns of the tables that are made of forecasts and attention."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import Format
from seqcast.errors import UsageError
from seqcast.frames import backtest_frame, forecast_frame
from seqcast.output import write_tables
from seqcast.panel.clock import Clock
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.schema import Schema
from seqcast.results.sample_paths import SamplePaths
from seqcast.tables import attention_table, forecast_table, sample_table
from tests.forecasts import LEVELS, SCHEMA, make_attention, make_forecast
from tests.running import write_frame


class TestFrames:
    @pytest.mark.parametrize(
        ("quantiles", "columns"),
        [(LEVELS, ["seqcast-lo-80", "seqcast-hi-80", "seqcast-lo-97.5", "seqcast-hi-97.5"]), ((), [])],
    )
    def test_the_forecast_table_has_exactly_the_columns_of_the_contract(
        self, quantiles: tuple[float, ...], columns: list[str]
    ) -> None:
        frame = forecast_frame(make_forecast(levels=quantiles), SCHEMA, [80, 97.5])
        assert list(frame.columns) == ["shop", "day", "seqcast", *columns]

    def test_rows_keep_the_order_of_the_windows_and_then_of_time(self) -> None:
        frame = forecast_frame(make_forecast(), SCHEMA, [80])
        assert frame["shop"].tolist() == ["b", "b", "b", "a", "a", "a"]
        assert frame["day"].tolist() == [pd.Timestamp(f"2024-01-01 0{hour}:00") for hour in (1, 2, 3, 1, 2, 3)]
        assert frame["seqcast"].tolist() == [0, 1, 2, 3, 4, 5]
        assert frame["seqcast-lo-80"].tolist() == [-1, 0, 1, 2, 3, 4]
        assert frame["seqcast-hi-80"].tolist() == [2, 3, 4, 5, 6, 7]

    def test_the_backtest_table_adds_the_cutoff_and_the_observed_value(self) -> None:
        actuals = np.array([[7.0, np.nan, 9.0], [1.0, 2.0, 3.0]])
        frame = backtest_frame(make_forecast(), actuals, SCHEMA, [80])
        assert list(frame.columns) == ["shop", "day", "cutoff", "y", "seqcast", "seqcast-lo-80", "seqcast-hi-80"]
        assert frame["cutoff"].unique().tolist() == [pd.Timestamp("2024-01-01")]
        assert np.array_equal(frame["y"], actuals.ravel(), equal_nan=True)

    def test_time_steps_that_are_numbers_stay_numbers(self) -> None:
        counted = replace(make_forecast(ids=("a",)), frequency=parse_frequency("1"), cutoffs=np.array([41]))
        assert forecast_frame(counted, SCHEMA, [])["day"].tolist() == [42, 43, 44]

    def test_a_level_that_is_given_twice_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"two columns named 'seqcast-lo-80'\. Give each level once"):
            forecast_frame(make_forecast(), SCHEMA, [80, 80.0])

    def test_a_data_column_named_like_an_output_column_is_refused(self) -> None:
        with pytest.raises(UsageError, match="two columns named 'cutoff'"):
            backtest_frame(make_forecast(), np.zeros((2, 3)), Schema("long", "id", "cutoff", ("y",)), [])

    @pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
    @pytest.mark.parametrize(
        ("alias", "clock"),
        [
            *((alias, None) for alias in ("1", "500ms", "h", "D", "W-SUN", "MS", "QS")),
            *(("h", Clock(zone, on_wall=False)) for zone in ("Europe/Berlin", "+05:30", "UTC")),
            ("D", Clock("Europe/Berlin", on_wall=True)),
        ],
    )
    def test_the_table_and_the_frame_of_a_forecast_are_written_alike(
        self, tmp_path: Path, alias: str, clock: Clock | None, file_format: Format
    ) -> None:
        forecast = make_forecast(ids=("b", 'a "quoted", one', "b"), alias=alias, start="2024-03-31")
        if alias == "1":
            forecast = replace(forecast, cutoffs=np.arange(41, 44))
        forecast = replace(forecast, frequency=replace(forecast.frequency, clock=clock))
        write_tables([forecast_table(forecast, SCHEMA, [80])], tmp_path / "table", file_format)
        write_frame(forecast_frame(forecast, SCHEMA, [80]), tmp_path / "frame", file_format)
        if file_format == "parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table"), pd.read_parquet(tmp_path / "frame"))
        else:
            assert (tmp_path / "table").read_bytes() == (tmp_path / "frame").read_bytes()


class TestAttentionTable:
    def test_it_has_the_columns_of_the_contract_and_a_row_for_every_number_of_the_map(self) -> None:
        attention = make_attention()
        rows = attention_table(attention).to_pandas()
        assert list(rows.columns) == [
            *("unique_id", "cutoff", "ds", "step", "lag_origin", "lag_target", "attended_ds", "weight", "observed")
        ]
        assert len(rows) == len(rows[["unique_id", "cutoff", "step", "lag_origin"]].drop_duplicates()) == 2 * 3 * 5
        hour = pd.Timedelta("1h")
        for row in rows.itertuples():
            window = attention.series_ids.index(row.unique_id)
            cutoff = pd.Timestamp(attention.cutoffs[window])
            assert row.cutoff == cutoff
            assert row.ds == cutoff + row.step * hour
            assert row.lag_target == row.lag_origin + row.step - 1
            assert row.attended_ds == row.ds - row.lag_target * hour
            assert row.weight == attention.weights[window, row.step - 1, 5 - row.lag_origin]
            assert row.observed == attention.observed[window, 5 - row.lag_origin]

    def test_a_series_with_several_cutoffs_is_named_once_in_the_dictionary(self) -> None:
        column = attention_table(make_attention(num_windows=7)).column("unique_id")
        assert column.chunk(0).dictionary.to_pylist() == ["x", "y", "z"]
        assert column.to_pylist()[::15] == ["x", "y", "z", "x", "y", "z", "x"]


class TestSampleTable:
    @pytest.mark.parametrize("clock", [None, Clock("Europe/Berlin", on_wall=False)])
    def test_it_has_a_row_for_each_window_path_and_step(self, clock: Clock | None) -> None:
        forecast = make_forecast(ids=("b", "a", "b"))
        forecast = replace(forecast, frequency=replace(forecast.frequency, clock=clock))
        rows = sample_table(SamplePaths(forecast, 5, np.arange(18.0).reshape(3, 2, 3)), SCHEMA).to_pandas()
        assert rows["shop"].tolist() == ["b"] * 6 + ["a"] * 6 + ["b"] * 6
        assert rows["sample"].tolist() == [5, 5, 5, 6, 6, 6] * 3
        assert rows["seqcast"].tolist() == list(range(18))
        expected = forecast_frame(forecast, SCHEMA, [])["day"].to_numpy().reshape(3, 1, 3).repeat(2, axis=1)
        assert (rows["day"].to_numpy() == expected.ravel()).all()

    def test_a_data_column_named_like_one_of_the_samples_is_refused(self) -> None:
        paths = SamplePaths(make_forecast(), 1, np.zeros((2, 1, 3)))
        with pytest.raises(UsageError, match="two columns named 'sample'"):
            sample_table(paths, Schema("long", "sample", "day", ("y",)))
