import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqcast.errors import UsageError
from seqcast.frames import backtest_frame, forecast_frame
from seqcast.output import Destination, Format, output_format, write_tables
from seqcast.panel.schema import Schema
from seqcast.tables import attention_table
from tests.forecasts import SCHEMA, make_attention, make_forecast
from tests.running import Pipe, write_frame


def written(tmp_path: Path, tables: list[pa.Table] | pd.DataFrame, file_format: Format) -> str:
    """The text of a file with these tables."""
    if isinstance(tables, pd.DataFrame):
        write_frame(tables, tmp_path / "f", file_format)
    else:
        write_tables(iter(tables), tmp_path / "f", file_format)
    return (tmp_path / "f").read_text()


class TestFormat:
    @pytest.mark.parametrize(
        ("destination", "chosen", "expected"),
        [
            (Path("f.csv"), None, "csv"),
            (Path("f.PARQUET"), None, "parquet"),
            (Path("f.pq"), "parquet", "parquet"),
            (Path("f.json"), None, "json"),
            (Path("f.out"), "json", "json"),
            ("-", None, "csv"),
            ("-", "json", "json"),
        ],
    )
    def test_the_suffix_or_the_option_names_it(
        self, destination: Destination, chosen: Format | None, expected: Format
    ) -> None:
        assert output_format(destination, chosen) == expected

    @pytest.mark.parametrize(
        ("name", "chosen", "message"),
        [
            ("f.txt", None, r"'f\.txt' does not say which format to write\. End it in \.csv"),
            ("f.csv", "json", r"'f\.csv' says csv, but --format says json"),
        ],
    )
    def test_a_suffix_that_says_nothing_or_something_else_is_refused(
        self, name: str, chosen: Format | None, message: str
    ) -> None:
        with pytest.raises(UsageError, match=message):
            output_format(Path(name), chosen)


class TestCsv:
    @pytest.mark.parametrize(
        ("alias", "first"),
        [
            ("h", "2024-01-01 01:00:00"),
            ("D", "2024-01-02"),
            ("500ms", "2024-01-01 00:00:00.500"),
            ("5us", "2024-01-01 00:00:00.000005"),
        ],
    )
    def test_times_are_as_short_as_they_can_be(self, tmp_path: Path, alias: str, first: str) -> None:
        text = written(tmp_path, forecast_frame(make_forecast(ids=("a",), alias=alias), SCHEMA, []), "csv")
        assert text.splitlines()[:2] == ["shop,day,seqcast", f"a,{first},0"]
        assert [line.rpartition(",")[2] for line in text.split("\n")] == ["seqcast", "0", "1", "2", ""]

    @given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
    def test_numbers_come_back_bit_for_bit(self, values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
        text = written(tmp_path_factory.mktemp("csv"), pd.DataFrame({"v": values}), "csv")
        assert [float(line) for line in text.splitlines()[1:]] == values

    @pytest.mark.parametrize(
        "name", ['a,"b"', "two\nlines", "=1+1", "007", "NA", " padded ", "naïve 日本", "[red]x[/]"]
    )
    def test_names_are_written_exactly(self, tmp_path: Path, name: str) -> None:
        text = written(tmp_path, forecast_frame(make_forecast(ids=(name,)), SCHEMA, []), "csv")
        assert pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)["shop"].tolist() == [name] * 3

    def test_a_header_that_needs_quotes_gets_them(self, tmp_path: Path) -> None:
        schema = Schema("long", 'a "b", c', "day", ("y",))
        text = written(tmp_path, forecast_frame(make_forecast(), schema, []), "csv")
        assert list(pd.read_csv(io.StringIO(text)).columns) == ['a "b", c', "day", "seqcast"]

    def test_missing_values_are_empty(self, tmp_path: Path) -> None:
        actuals = np.array([[np.nan, 2.5, 3.5]])
        text = written(tmp_path, backtest_frame(make_forecast(ids=("a",)), actuals, SCHEMA, []), "csv")
        assert text.splitlines()[1] == "a,2024-01-01 01:00:00,2024-01-01 00:00:00,,0"

    def test_several_tables_share_one_header(self, tmp_path: Path) -> None:
        tables = [attention_table(make_attention(seed=seed)) for seed in (1, 2)]
        text, expected = written(tmp_path, tables, "csv"), pa.concat_tables(tables).to_pandas()
        found = pd.read_csv(io.StringIO(text), parse_dates=["cutoff", "ds", "attended_ds"])
        assert len(text.splitlines()) == 1 + 2 * 30
        assert np.array_equal(found["weight"].astype(np.float32), expected["weight"])
        assert found["observed"].tolist() == expected["observed"].tolist()
        assert (found["attended_ds"] == expected["attended_ds"]).all()

    def test_a_later_table_with_times_of_day_keeps_them(self, tmp_path: Path) -> None:
        times = ("2024-01-01", "2024-01-01T05:00")
        tables = [pa.table({"ds": np.array([time], "datetime64[us]")}) for time in times]
        assert written(tmp_path, tables, "csv") == "ds\n2024-01-01\n2024-01-01 05:00:00\n"


class TestJson:
    def test_it_is_a_list_of_records_with_iso_times(self, tmp_path: Path) -> None:
        actuals = np.array([[np.nan, 0.1, 3.5]])
        text = written(tmp_path, backtest_frame(make_forecast(ids=("a",)), actuals, SCHEMA, []), "json")
        records = json.loads(text)
        assert len(records) == 3
        assert records[:2] == [
            {"shop": "a", "day": "2024-01-01T01:00:00", "cutoff": "2024-01-01T00:00:00", "y": None, "seqcast": 0.0},
            {"shop": "a", "day": "2024-01-01T02:00:00", "cutoff": "2024-01-01T00:00:00", "y": 0.1, "seqcast": 1.0},
        ]

    def test_weights_have_no_digits_that_float32_does_not_hold(self, tmp_path: Path) -> None:
        table = pa.table({"weight": pa.array([0.1, 0.7], pa.float32()), "observed": [True, False]})
        first, second = {"weight": 0.1, "observed": True}, {"weight": 0.7, "observed": False}
        assert json.loads(written(tmp_path, [table, table.slice(1)], "json")) == [first, second, second]

    def test_a_table_without_rows_is_an_empty_list(self, tmp_path: Path) -> None:
        assert json.loads(written(tmp_path, pd.DataFrame({"a": np.empty(0)}), "json")) == []


class TestParquet:
    def test_everything_comes_back_with_its_type(self, tmp_path: Path) -> None:
        tables = [attention_table(make_attention(num_windows=windows)) for windows in (2, 5)]
        write_tables(tables, tmp_path / "a.parquet", "parquet")
        found = pd.read_parquet(tmp_path / "a.parquet")
        expected = pa.concat_tables(tables, promote_options="default").to_pandas()
        assert len(found) == 7 * 15
        assert not isinstance(found["unique_id"].dtype, pd.CategoricalDtype)
        assert found["unique_id"].tolist() == expected["unique_id"].tolist()
        for name in expected.columns[1:]:
            assert found[name].dtype == expected[name].dtype
            assert found[name].equals(expected[name])

    def test_a_forecast_comes_back_equal(self, tmp_path: Path) -> None:
        frame = forecast_frame(make_forecast(), SCHEMA, [80])
        write_frame(frame, tmp_path / "f.parquet", "parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "f.parquet"), frame)


class TestDestination:
    @pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
    def test_a_pipe_gets_the_bytes_of_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: Format
    ) -> None:
        frame = forecast_frame(make_forecast(), SCHEMA, [80])
        pipe = Pipe()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, write_through=True))
        write_frame(frame, "-", file_format)
        write_frame(frame, tmp_path / "file", file_format)
        assert pipe.getvalue() == (tmp_path / "file").read_bytes()

    @pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
    def test_a_failure_halfway_leaves_the_old_file(self, tmp_path: Path, file_format: Format) -> None:
        def failing() -> Iterator[pa.Table]:
            yield attention_table(make_attention())
            raise RuntimeError("the model stopped")

        path = tmp_path / "a"
        path.write_text("old")
        with pytest.raises(RuntimeError, match="the model stopped"):
            write_tables(failing(), path, file_format)
        assert path.read_text() == "old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["a"]

    def test_what_is_written_is_not_changed(self, tmp_path: Path) -> None:
        attention = make_attention()
        before: NDArray[np.float32] = attention.weights.copy()
        write_tables([attention_table(attention)], tmp_path / "a.csv", "csv")
        assert np.array_equal(attention.weights, before)
