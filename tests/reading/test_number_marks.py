"""Marks between thousands: found where a column leaves one reading, refused where it leaves two."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.columns import read_numbers
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.options import ReadOptions
from tests.reading.making_tables import daily, load, read, repairs, rows


def column(values: list[str], separator: str = ";") -> str:
    """A daily table of these texts, quoted where the separator is a comma."""
    quote = '"' if separator == "," else ""
    days = daily(len(values))
    return rows(f"ds{separator}y", [f"{day}{separator}{quote}{v}{quote}" for day, v in zip(days, values, strict=True)])


ONE_READING = {
    "American": (["10,786.76", "9,000", "500.5"], [10786.76, 9000, 500.5]),
    "American, whole": (["1,234,567", "2,000,000", "7"], [1234567, 2000000, 7]),
    "German": (["1.108,31", "2.000,5", "3,25", "-1.000"], [1108.31, 2000.5, 3.25, -1000]),
    "German, whole": (["1.234.567", "2.000.000", "1.234"], [1234567, 2000000, 1234]),
    "French": (["1 234", "12 345,5", "7"], [1234, 12345.5, 7]),
    "narrow blanks": (["1\u202f234", "12\u00a0345", "7"], [1234, 12345, 7]),
    "Swiss": (["1'234.5", "12\u2019345", "7"], [1234.5, 12345, 7]),
    "Indian": (["1,23,456.5", "12,34,567", "7"], [123456.5, 1234567, 7]),
    "some marked": (["1,234.5", "12345.5", "2,000,000"], [1234.5, 12345.5, 2000000]),
    "some missing": (["1,234.5", "NA", "", "+2,000.5"], [1234.5, None, None, 2000.5]),
}


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize(("texts", "numbers"), ONE_READING.values(), ids=ONE_READING.keys())
def test_marks_between_thousands_are_read_where_one_reading_is_left(
    tmp_path: Path, texts: list[str], numbers: list[float | None], separator: str
) -> None:
    panel = load(tmp_path, column(texts, separator)).panel
    assert [None if np.isnan(value) else value for value in panel.target] == numbers


def test_the_marks_that_were_found_are_announced(tmp_path: Path) -> None:
    told = repairs(load(tmp_path, column(["1.108,31", "2.000,5", "3"])))
    assert told == [
        "numbers such as '1.108,31' in column 'y' were read with points between thousands and a decimal comma"
    ]
    assert repairs(load(tmp_path, column(["1 108", "2 000"]), options=ReadOptions(thousands=" "))) == []


TWO_READINGS = {
    "commas": (["1,234", "9,000", "500"], "'1,234' may be a number with a decimal comma or with a comma between"),
    "a slip": (["1 234", "9", "500"], r"'1 234' is not a number\. .* Marks between thousands need --thousands ' '\."),
    "a slip among decimals": (["12.345.678", "12.345", "1.234"], "'12.345.678' is not a number"),
    "wrong groups": (["1 2345", "1 2345"], "'1 2345' is not a number"),
    "both readings": (["1,5", "1.5"], "'1,5' is not a number"),
    "currency": (["$1,234.50", "$2,000.50"], r"Remove currency, percent and thousands signs\."),
    "a leading zero": (["0 123", "0 456"], "'0 123' is not a number"),
}


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize(("texts", "message"), TWO_READINGS.values(), ids=TWO_READINGS.keys())
def test_what_leaves_two_readings_or_none_is_refused(
    tmp_path: Path, texts: list[str], message: str, separator: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, column(texts, separator), DataConfig(target=("y",)))


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize(
    ("options", "texts", "numbers"),
    [
        (ReadOptions(thousands=","), ["1,234", "9,000", "500"], [1234, 9000, 500]),
        (ReadOptions(thousands="comma"), ["1,234", "9,000.5", "500"], [1234, 9000.5, 500]),
        (ReadOptions(decimal="."), ["1,234", "9,000", "500"], [1234, 9000, 500]),
        (ReadOptions(decimal=","), ["1,234", "9,000", "500"], [1.234, 9, 500]),
        (ReadOptions(thousands="."), ["1.234", "9.000", "0,5"], [1234, 9000, 0.5]),
        (ReadOptions(thousands="space"), ["1 234", "9"], [1234, 9]),
    ],
)
def test_a_given_mark_decides(
    tmp_path: Path, options: ReadOptions, texts: list[str], numbers: list[float], separator: str
) -> None:
    table = read(tmp_path, column(texts, separator), options)
    assert read_numbers(table, "y").tolist() == numbers


def test_points_before_three_digits_stay_decimal(tmp_path: Path) -> None:
    loaded = load(tmp_path, column(["1.234", "9.000", "12.345"]))
    assert (loaded.panel.target.tolist(), repairs(loaded)) == ([1.234, 9, 12.345], [])


def test_a_column_with_one_reading_decides_for_the_others(tmp_path: Path) -> None:
    days = daily(3)
    german = rows("ds;a;b", [f"{day};{i}.108,31;{i}.234" for i, day in enumerate(days, 1)])
    american = rows("ds;a;b", [f"{day};{i},108.31;{i},234" for i, day in enumerate(days, 1)])
    for text in (german, american):
        loaded = load(tmp_path, text)
        assert loaded.panel.target.tolist() == [1108.31, 2108.31, 3108.31, 1234, 2234, 3234]
        assert "in column 'a' and 1 more were read with" in repairs(loaded)[0]


def test_columns_of_frames_are_read_alike() -> None:
    frame = pd.DataFrame({"y": ["1,234.5", "2,000.25", None]})
    assert read_numbers(table_from_frame(frame), "y").tolist()[:2] == [1234.5, 2000.25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ReadOptions(thousands="x"), "--thousands 'x' is no mark between thousands"),
        (ReadOptions(thousands=""), "--thousands '' is no mark between thousands"),
        (ReadOptions(thousands=",", decimal=","), "--decimal , and --thousands , are the same mark"),
    ],
)
def test_a_mark_that_cannot_be_one_is_refused(tmp_path: Path, options: ReadOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, column(["1", "2"]), options)
