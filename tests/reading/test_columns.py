"""Columns as numbers, texts and categories."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seqcast.errors import DataError
from seqcast.reading.columns import (
    as_text,
    column_kind,
    covariate_notices,
    read_categories,
    read_covariates,
    read_numbers,
    text_column,
)
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import Table
from tests.reading.making_tables import daily, read, rows


def _lines(values: list[str]) -> str:
    return rows("ds;y", [f"{day};{value}" for day, value in zip(daily(len(values)), values, strict=True)])


def read_covariate(table: Table, column: str) -> object:
    return read_covariates(table, (column,))


@pytest.mark.parametrize(
    ("text", "number"),
    [("+5", 5.0), (" 5 ", 5.0), ("1e3", 1e3), (".5", 0.5), ("5.", 5.0), ("18446744073709551616", 2.0**64)],
)
def test_numbers_are_read_however_they_are_spelled(tmp_path: Path, text: str, number: float) -> None:
    assert read_numbers(read(tmp_path, _lines([text, text])), "y").tolist() == [number, number]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["abc", "1", "d", "abc"], r"line 2, column 'y': 'abc' is .* Also 'd' on line 4, 'abc' on line 5\. 3 such"),
        (["1", "1e400"], r"line 3, column 'y': 'inf' is not a finite number\. Remove or correct .* \(1 in all\)"),
        (["1", "1e400"], r"A number beyond 1\.8e308 counts as infinite"),
        (["1", "1\u202f000"], r"is not a number\. Remove currency, percent and thousands signs"),
        (["1", "5\u200b"], r"is not a number\. Remove the characters in it that are not printed"),
        (["1", "#N/D"], r"is not a number\. If it means \"missing\", add --na-value '#N/D'\."),
        (["1", "\x1b[31mred"], r"'\\x1b\[31mred' is not a number"),
        ([f"a{i}" for i in range(7)], r"'a1' on line 3, 'a2' on line 4, 'a3' on line 5, 'a4' on line 6\. 7 such"),
    ],
)
def test_what_is_not_a_number_is_named(tmp_path: Path, values: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_numbers(read(tmp_path, _lines(values)), "y")


@pytest.mark.parametrize("read_column", [read_numbers, read_covariate])
@pytest.mark.parametrize(
    ("values", "decimal", "message"),
    [
        ([*(f"{i},5" for i in range(40)), "1.234,5"], ",", r"'1\.234,5' is not a number"),
        ([*(f"{i},5" for i in range(40)), "soon"], ",", "'soon' is not a number"),
        ([*(f"{i}.5" for i in range(40)), "soon"], ".", "'soon' is not a number"),
        ([*(f"{i}.{i}5" for i in range(7)), "1e999"], None, r"'inf' is not a finite number\. .* counts as infinite\.$"),
        (["1", "inf"], None, r"line 3, column 'y': 'inf' is not a finite number"),
    ],
)
def test_targets_and_covariates_refuse_what_is_not_a_number(
    tmp_path: Path, read_column: Callable[..., object], values: list[str], decimal: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_column(read(tmp_path, _lines(values), ReadOptions(decimal=decimal)), "y")


NOON = datetime(2024, 1, 1, 12)


@pytest.mark.parametrize(
    ("read_column", "column", "message"),
    [
        (read_numbers, [1.0, np.inf], "row 2: 'inf' is not a finite number"),
        (read_numbers, [NOON, NOON], r"the column holds timestamp\[.s\], not numbers"),
        (as_text, [1.5, 2.5], r"the column holds double, not names\. Name another column"),
        (as_text, [NOON, NOON], r"the column holds times, not names\. Name another column"),
        (read_covariate, [NOON, NOON], "a covariate cannot be of type time"),
        (read_covariate, [[1.5], [2.5]], "a covariate cannot be of type list<"),
    ],
)
def test_a_column_of_another_type_is_refused(
    read_column: Callable[..., object], column: list[object], message: str
) -> None:
    with pytest.raises(DataError, match=f"column 'y': {message}"):
        read_column(table_from_frame(pd.DataFrame({"y": column})), "y")


@pytest.mark.parametrize("empty", [[None, None], [np.nan, np.nan], [pd.NaT, pd.NaT]])
def test_a_column_without_any_value_holds_no_category(empty: list[object]) -> None:
    names, codes = read_categories(table_from_frame(pd.DataFrame({"y": empty})), "y")
    assert (names, codes.tolist()) == ((), [-1, -1])


def test_more_categories_than_a_network_can_hold_are_refused() -> None:
    frame = pd.DataFrame({f"c{i}": ["a", "b"] for i in range(1001)})
    with pytest.raises(DataError, match=r"column 'c1000': 1,001 covariates are categories; at most 1,000 can be\."):
        read_covariates(table_from_frame(frame), tuple(frame.columns))


def test_columns_of_a_frame_are_read_as_numbers() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "count": [3, 5],
            "nothing": [None, None],
            "blank": pd.array([None, None], "string"),
            "wide": [2.5, np.nan],
        }
    )
    table = table_from_frame(frame)
    assert [read_numbers(table, name).tolist() for name in ("flag", "count")] == [[1.0, 0.0], [3.0, 5.0]]
    assert np.isnan(
        [*read_numbers(table, "nothing"), *read_numbers(table, "blank"), read_numbers(table, "wide")[1]]
    ).all()


def test_numbers_of_a_frame_are_a_copy() -> None:
    numbers = read_numbers(table_from_frame(pd.DataFrame({"y": [2.5, 3.5]})), "y")
    assert numbers.flags.writeable


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2"], "integer"),
        (["1", "2.5"], "number"),
        (["", "NA"], "empty"),
        (["a", "b"], "text"),
        (["2024-01-01", "2024-01-02"], "time"),
        (["3/31/2024", "4/30/2024"], "time"),
        (["2024Q1", "2024Q2"], "time"),
        (["2024-01-01T00Z", "2024-01-02T00Z"], "time"),
        ([*(str(i) for i in range(11)), "abc"], "integer"),
        ([f"v{i}" for i in range(2_003)], "text"),
    ],
)
def test_a_kind_follows_from_most_of_the_texts(tmp_path: Path, values: list[str], kind: str) -> None:
    assert column_kind(read(tmp_path, _lines(values)), "y") == kind


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ([1, 2], "integer"),
        ([1.5, 2], "number"),
        ([True, False], "number"),
        ([None, None], "empty"),
        ([datetime(2024, 1, 1)] * 2, "time"),
        ([[1], [2]], "other"),
        (["a", "b"], "text"),
    ],
)
def test_a_kind_follows_from_the_type_in_a_frame(column: list[object], kind: str) -> None:
    assert column_kind(table_from_frame(pd.DataFrame({"y": column})), "y") == kind


def test_categories_are_sorted_and_missing_ones_are_minus_one(tmp_path: Path) -> None:
    names, codes = read_categories(read(tmp_path, _lines(["wet", "dry", "NA", "wet"])), "y")
    assert (names, codes.tolist()) == (("dry", "wet"), [1, 0, -1, 1])


@pytest.mark.parametrize(
    ("column", "values", "codes"),
    [
        ([7, 11, 7], ("7", "11"), [0, 1, 0]),
        (pd.Categorical(["c", None, "a"], categories=["a", "b", "c"]), ("c", "a"), [0, -1, 1]),
    ],
)
def test_numbers_and_categories_of_a_frame_are_texts(column: object, values: tuple[str, ...], codes: list[int]) -> None:
    text = as_text(table_from_frame(pd.DataFrame({"id": column})), "id")
    assert (text.values, text.codes.tolist()) == (values, codes)


def test_texts_that_no_row_has_are_left_out() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([2, None, 3, 0], pa.int32()), pa.array(["a", "b", "c", None]))
    text = text_column(Table("table", pa.table({"id": values}), "", 0), "id")
    assert (text.values, text.codes.tolist()) == (("a", "c"), [1, -1, -1, 0])


def test_covariates_are_split_into_numbers_and_categories(tmp_path: Path) -> None:
    content = rows("ds,price,sky,empty", [f"2024-01-0{i + 1},{i}.5,{sky}," for i, sky in enumerate(["b", "a", "b"])])
    covariates = read_covariates(read(tmp_path, content), ("sky", "price", "empty"))
    assert (covariates.numeric_names, covariates.categorical_names) == (("price", "empty"), ("sky",))
    assert covariates.numeric[:, 0].tolist() == [0.5, 1.5, 2.5]
    assert covariates.codes[:, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("lines", "notices"),
    [
        (["1,2,3", "4,5,6"], []),
        (
            ["1,x,5", ",y,5", "3,,5"],
            [
                "decision: covariates read as categories, with their number: 'b' (2)",
                "repair: 1 of 3 values of covariate 'a' are missing; they count as the mean of the column",
                "repair: 1 of 3 values of covariate 'b' are missing; they count as an unknown category",
            ],
        ),
    ],
)
def test_what_covariates_are_and_lack_is_told(tmp_path: Path, lines: list[str], notices: list[str]) -> None:
    covariates = read_covariates(read(tmp_path, rows("a,b,c", lines)), ("a", "b", "c"))
    assert [notice.line for notice in covariate_notices(covariates) if notice.count] == notices


def test_many_categorical_columns_are_counted(tmp_path: Path) -> None:
    table = read(tmp_path, rows("a,b,c,d,e,f,g", [",".join("x" * 7), ",".join("y" * 7)]))
    notice, *others = covariate_notices(read_covariates(table, tuple("abcdefg")))
    assert [other.count for other in others] == [0] * 7
    assert (notice.count, notice.text[-5:]) == (7, ") ...")


def test_a_signalling_nan_is_a_missing_value_like_any_other() -> None:
    bits = np.array([0x7FF0000000000001, 0x4049000000000000], np.uint64)
    values = read_numbers(table_from_frame(pd.DataFrame({"y": bits.view(np.float64)})), "y")
    assert values.view(np.uint64)[0] == np.array(np.nan).view(np.uint64)
    assert values[1] == 50


def test_a_column_that_training_read_as_text_is_a_category_whatever_it_holds(tmp_path: Path) -> None:
    table = read(tmp_path, _lines(["1", "2", "1"]), ReadOptions(text=("y",)))
    assert (read_covariates(table, ("y",)).categorical_names, read_covariates(table, ("y",)).categories) == (
        ("y",),
        (("1", "2"),),
    )
