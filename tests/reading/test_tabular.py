"""Tables from CSV, Parquet and data frames: parsing, dialects, lines and what is refused."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.errors import DataError, UsageError
from seqcast.panel.wording import name_list
from seqcast.reading import tabular
from seqcast.reading.columns import read_numbers, text_column
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.options import ReadOptions
from seqcast.reading.parquet import normalised
from seqcast.reading.tabular import read_table
from tests.reading.making_tables import daily, read, rows

MANY = tuple(f"c{i}" for i in range(20_011))
LONG = "unique_id,ds,y\nNA,2024-01-01,1.5\n007,2024-01-01,2.5\n"


def test_a_column_of_numbers_named_as_text_keeps_its_spelling(tmp_path: Path) -> None:
    content = rows("store,ds,y", [f"{i}.50,2024-01-01,{i}.25" for i in range(7)])
    table = read(tmp_path, content, ReadOptions(text=("store",)))
    assert text_column(table, "store").values[3] == "3.50"


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30))
@settings(max_examples=60)
def test_every_number_is_read_correctly_rounded(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    content = rows("ds,y", [f"{day},{value!r}" for day, value in zip(daily(len(values)), values, strict=True)])
    assert read_numbers(read(folder, content), "y").tolist() == values


def test_bare_carriage_returns_are_read_beyond_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "_BLOCK_BYTES", 64)
    content = rows("ds,y", [f"{day},{i}" for i, day in enumerate(daily(101))]).replace("\n", "\r")
    assert read_numbers(read(tmp_path, content), "y").tolist() == list(range(101))


def test_another_encoding_is_read_when_it_is_given(tmp_path: Path) -> None:
    table = read(tmp_path, LONG.replace("NA", "Zürich").encode("latin-1"), ReadOptions(encoding="latin-1"))
    assert text_column(table, "unique_id").values[0] == "Zürich"


def test_bytes_that_are_not_utf_8_are_found_behind_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcast.reading.dialect._PIECE", 5)
    with pytest.raises(DataError, match=r"line 4: byte 53 \(0xfc\) is not UTF-8"):
        read(tmp_path, LONG.encode() + "Zürich,2024-01-01,1\n".encode("latin-1"))


@pytest.mark.parametrize("given_delimiter", [":", "tab", "\\t"])
def test_a_given_delimiter_is_taken_without_a_word(tmp_path: Path, given_delimiter: str) -> None:
    character = ":" if given_delimiter == ":" else "\t"
    table = read(tmp_path, LONG.replace(",", character), ReadOptions(delimiter=given_delimiter))
    assert (table.columns, table.notices) == (("unique_id", "ds", "y"), ())


def test_a_given_decimal_comma_is_taken_without_a_word(tmp_path: Path) -> None:
    table = read(tmp_path, 'ds,y\n2024-01-01,"1,250"\n2024-01-02,"2,5"\n', ReadOptions(decimal=","))
    assert (read_numbers(table, "y").tolist(), table.notices) == ([1.25, 2.5], ())


def test_decimal_commas_are_read_with_a_loud_notice(tmp_path: Path) -> None:
    table = read(tmp_path, rows("ds;y", [f"{day};{i},{i}5" for i, day in enumerate(daily(5))]))
    assert read_numbers(table, "y").tolist() == [0.05, 1.15, 2.25, 3.35, 4.45]
    assert [(notice.kind, notice.text) for notice in table.notices][1] == (
        "repair",
        "numbers such as '0,05' were read with a decimal comma",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ds,y\n\n\n", "the file has a header and no rows"),
        ("ds;y\n2024-01-01;1;5\n", r"line 2: the row has 3 fields where the header has 2: '2024-01-01;1;5'"),
        ('ds,y\n"2024\n-01",1\n2024-01-02,1,2\n', r"line 4: the row has 3 fields where the header has 2"),
        ("# a,b\n# c\nds,y\n", r"line 2: the row has 1 field .* Remove the lines above the column names"),
        ("sep=;\nds;y\n2024-01-01;1\n", r"line 1: the first line 'sep=;' is an instruction to Excel.* --delimiter ';'"),
        ('ds,a"b\nc"\n2024-01-01,1\n', r"line 2: the header has a line end inside a quote that does not begin a field"),
        ('ds,"y\n' + "2024-01-01,5\n" * 100_000, "a header and no rows"),
        (
            rows("ds,y,note", ["2024-01-01,1,a", f"2024-01-02,1,{'x' * 200_000}", "2024-01-03,1,b,c"]),
            r"line 4: the row has 4 fields where the header has 3",
        ),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("options", "message"),
    [(ReadOptions(encoding=""), "--encoding '' is not known"), (ReadOptions(delimiter="a"), "cannot separate fields")],
)
def test_an_option_that_makes_no_sense_is_refused(tmp_path: Path, options: ReadOptions, message: str) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        read(tmp_path, LONG.replace("NA", "ü"), options)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"\xef\xbb\xbf" + LONG.encode(), ("unique_id", "ds", "y")),
        (LONG.encode("utf-16"), ("unique_id", "ds", "y")),
        (",ds,y\n0,2024-01-01,1\n", ("Unnamed: 0", "ds", "y")),
        ("month,2023,2024\n2000-01-01,1,2\n", ("month", "2023", "2024")),
        ('ds,y,note\n2024-01-01,1,"a;b;c;d"\n', ("ds", "y", "note")),
        ("ds," + "x" * 200_000 + "\n2024-01-01,1\n", ("ds", "x" * 200_000)),
        (rows(",".join(MANY), [",".join(["1.5"] * 20_011)]), MANY),
    ],
    ids=["byte order mark", "utf-16", "unnamed", "years", "delimiters in a field", "endless name", "very many"],
)
def test_columns_are_named_as_written(tmp_path: Path, content: str | bytes, columns: tuple[str, ...]) -> None:
    table = read(tmp_path, content)
    assert table.columns == columns
    assert [notice.text for notice in table.notices] == (["read as utf-16"] if content[:1] == b"\xff" else [])


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (LONG.replace("\n", "\r"), [2, 3]),
        (LONG.replace("\n", "\r\n"), [2, 3]),
        ("\n\nds,y\n2024-01-01,1\n\n2024-01-02,2\n\n\n", [4, 6]),
        ('"unique\nid",ds,y\n"a\nb",2024-01-01,1\n"c",2024-01-02,2\n', [3, 5]),
        (f"ds,y,note\n2024-01-01,1,{'x' * 2**22}\n2024-01-02,1,y\n", [2, 3]),
        ('ds,y,x\n2024-01-01,1,5" pipe\n2024-01-02,2,"b"\n', [None, None]),
        ('ds,y,x\n2024-01-01,1,"a"b"\n2024-01-02,2,"b"\n', [None, None]),
        *((f'ds,y{end}{end}"2024{end}",1{end}b,2{end}{end}{end}c,"3"{end}', [3, 5, 8]) for end in ("\n", "\r\n", "\r")),
    ],
)
def test_every_row_has_its_line(tmp_path: Path, content: str, lines: list[int | None]) -> None:
    table = read(tmp_path, content)
    assert [table.line(row) for row in range(table.num_rows)] == lines


def test_a_column_name_may_have_several_lines(tmp_path: Path) -> None:
    table = read(tmp_path, 'ds,"two\nlines"\n2024-01-01,1\n2024-01-02,2\n')
    assert (table.columns, table.line(0)) == (("ds", "two\nlines"), 3)


def test_quoted_rows_of_one_line_each_are_counted_by_arithmetic(tmp_path: Path) -> None:
    assert read(tmp_path, '"ds","y"\n"2024-01-01",1\n').lines is None


def test_lines_are_not_guessed_where_quotes_do_not_match(tmp_path: Path) -> None:
    table = read(tmp_path, 'ds,y,size\n2024-01-01,1,5" pipe\n2024-01-02,abc,7\n')
    assert (table.num_rows, table.where(1)) == (2, "row 2")


def test_a_later_row_may_contradict_the_first_ones(tmp_path: Path) -> None:
    lines = [f"{day},{i}.{i}5" for i, day in enumerate(daily(9_001))]
    lines[9_000] = "tomorrow,abc"
    table = read(tmp_path, rows("ds,y", lines))
    assert text_column(table, "y").values[-1] == "abc"


def test_a_field_longer_than_a_block_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "_BLOCK_BYTES", 2**10)
    content = rows("ds,y,note", [f"{day},1,{'x' * 5_000}" for day in daily(3)])
    assert read(tmp_path, content).num_rows == 3


def test_a_field_longer_than_the_largest_block_is_a_short_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "_BLOCK_BYTES", 2**10)
    monkeypatch.setattr(tabular, "_LARGEST_BLOCK", 2**10)
    with pytest.raises(DataError, match=r"data\.csv: the file cannot be read as CSV: straddling object"):
        read(tmp_path, rows("ds,y,note", [f"{day},1,{'x' * 5_000}" for day in daily(3)]))


def test_parquet_columns_become_text_numbers_and_times(tmp_path: Path) -> None:
    frame = pa.table(
        {
            "unique_id": pa.array(["a", "b"]).dictionary_encode(),
            "code": pa.array([1, 2]).dictionary_encode(),
            "ds": pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
            "y": pa.array([1.5, 2.5], pa.float32()),
            "price": pa.array([Decimal("1.25"), None]),
            "big": pa.array([2**64 - 1, 1], pa.uint64()),
            "few": pa.array([1, 2], pa.int8()),
            "__index_level_0__": pa.array([0, 1]),
        }
    )
    pa.parquet.write_table(frame, tmp_path / "data.parquet")
    table = read_table(tmp_path / "data.parquet")
    assert dict(zip(table.columns, map(str, table.arrow.schema.types), strict=True)) == {
        "unique_id": "dictionary<values=string, indices=int32, ordered=0>",
        "code": "int64",
        "ds": "timestamp[s]",
        "y": "double",
        "price": "double",
        "big": "double",
        "few": "int64",
    }


def test_rows_of_parquet_have_no_lines(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"y": [1.0]}), tmp_path / "data.parquet")
    table = read_table(tmp_path / "data.parquet")
    assert (table.line(0), table.where(0)) == (None, "row 1")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pa.table({"y": pa.array([], pa.float64())}), r"data\.parquet: the table has no rows"),
        (pa.table([pa.array([1]), pa.array([2])], names=["y", "y"]), r"two columns are named 'y'"),
    ],
)
def test_a_parquet_file_that_is_no_table_is_refused(tmp_path: Path, frame: pa.Table, message: str) -> None:
    pa.parquet.write_table(frame, tmp_path / "data.parquet")
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "data.parquet")


def test_a_parquet_file_that_unpacks_beyond_proportion_is_refused(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"y": np.zeros(9_000_000)}), tmp_path / "data.parquet", compression="zstd")
    with pytest.raises(DataError, match=r"the Parquet file of [\d,]+ bytes unpacks to 72,000,000\. Give it as CSV"):
        read_table(tmp_path / "data.parquet")


def test_a_long_text_that_repeats_is_held_once(tmp_path: Path) -> None:
    text = "x" * 10**6
    pa.parquet.write_table(pa.table({"id": [text] * 50}), tmp_path / "data.parquet")
    held = read_table(tmp_path / "data.parquet").arrow.nbytes
    assert held < 2 * len(text)


@pytest.mark.parametrize("text_type", [pa.string(), pa.large_string()])
def test_texts_of_any_width_are_read(tmp_path: Path, text_type: pa.DataType) -> None:
    pa.parquet.write_table(pa.table({"id": pa.array(["b", "a", "b"], text_type)}), tmp_path / "data.parquet")
    assert text_column(read_table(tmp_path / "data.parquet"), "id").values == ("b", "a")


def test_periods_are_the_times_they_begin_at(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ds": pd.period_range("2024-01", periods=2, freq="M"), "y": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "data.parquet")
    for table in (table_from_frame(frame), read_table(tmp_path / "data.parquet")):
        assert [str(time)[:10] for time in table.arrow.column("ds").to_pylist()] == ["2024-01-01", "2024-02-01"]


def periods_of_a_fresh_process(told: bytes) -> pa.Table:
    """A column of periods where no period has been used yet: numbers, and beside them what they are."""
    metadata = {"ARROW:extension:name": "pandas.period", "ARROW:extension:metadata": told}
    return pa.table([pa.array([600, None])], schema=pa.schema([pa.field("ds", pa.int64(), metadata=metadata)]))


def test_periods_are_known_before_pandas_is() -> None:
    read = normalised(periods_of_a_fresh_process(b'{"freq": "M"}'), "data.parquet")
    assert read.column("ds").to_pylist() == [datetime(2020, 1, 1), None]


@pytest.mark.parametrize("told", [b"", b"[]", b'{"freq": "fortnight"}'])
def test_periods_without_a_frequency_are_refused(told: bytes) -> None:
    with pytest.raises(DataError, match=r"data\.parquet.*the periods"):
        normalised(periods_of_a_fresh_process(told), "data.parquet")


def test_an_extension_type_is_what_it_is_stored_as() -> None:
    frame = pd.DataFrame({"y": pd.arrays.ArrowExtensionArray(pa.array([b"x" * 16] * 2, pa.uuid()))})
    assert table_from_frame(frame).arrow.schema.field("y").type == pa.binary(16)


def test_a_data_frame_is_read_without_changing_it() -> None:
    frame = pd.DataFrame({"unique_id": [7, 8], 5: [1.0, 2.0]})
    before = frame.copy(deep=True)
    table = table_from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert (table.columns, table.name, table.num_rows) == (("unique_id", "5"), "DataFrame", 2)


@pytest.mark.parametrize(("index_name", "column"), [(None, "ds"), ("day", "day")])
def test_an_index_of_dates_becomes_a_column(index_name: str | None, column: str) -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0]}, index=pd.date_range("2024-01-01", periods=2, name=index_name))
    assert table_from_frame(frame).columns == (column, "y")


def test_the_fingerprint_of_a_frame_follows_its_values() -> None:
    frame = pd.DataFrame({"unique_id": ["a", "b"], "y": [1.0, 2.0]})
    same, other = frame.copy(), frame.assign(y=[1.0, 3.0])
    prints = [table_from_frame(one).fingerprint for one in (frame, same, other)]
    assert (prints[0] == prints[1], prints[0] == prints[2]) == (True, False)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"y": []}), "DataFrame: the table has no rows"),
        (pd.DataFrame(np.ones((2, 2)), columns=["y", "y"]), "DataFrame, column 'y': two columns are named 'y'"),
        (pd.DataFrame({"y": [1, "a"]}), "DataFrame: a column cannot be read: .*y"),
    ],
)
def test_a_frame_that_is_no_table_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table_from_frame(frame)


def test_long_lists_of_names_are_cut_and_counted() -> None:
    assert name_list([f"c{i}" for i in range(7)], most=3) == "'c0', 'c1', 'c2' and 4 more"
