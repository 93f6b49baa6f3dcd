"""The time column: formats, numbers, zones, and times that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.assemble import build_panel
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import Table
from seqcast.reading.tabular import table_from_frame
from seqcast.reading.times import read_times
from tests.reading.making_tables import load, read, repairs, rows, times_of


def _table(folder: Path, times: list[str], options: ReadOptions = ReadOptions()) -> Table:
    return read(folder, rows("ds;y", [f"{time};{i}" for i, time in enumerate(times)]), options)


def _read(folder: Path, times: list[str], options: ReadOptions = ReadOptions()) -> list[str]:
    return [str(time) for time in read_times(_table(folder, times, options), "ds").values.astype("datetime64[s]")]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-03-31", "2024-03-31T00:00:00"),
        ("2024-03-31 05", "2024-03-31T05:00:00"),
        ("2024-03-31T05:07", "2024-03-31T05:07:00"),
        ("2024-03-31 05:07:11", "2024-03-31T05:07:11"),
        ("2024/03/31", "2024-03-31T00:00:00"),
        ("31/03/2024", "2024-03-31T00:00:00"),
        ("31.3.2024", "2024-03-31T00:00:00"),
        ("3/31/2024 5:07", "2024-03-31T05:07:00"),
        ("3/31/2024 5:07 PM", "2024-03-31T17:07:00"),
        ("3/31/24", "2024-03-31T00:00:00"),
        ("31-03-2024 05:07:11", "2024-03-31T05:07:11"),
        ("31 Mar 2024", "2024-03-31T00:00:00"),
        ("31-Mar-2024", "2024-03-31T00:00:00"),
        ("Mar 31, 2024", "2024-03-31T00:00:00"),
        ("March 31, 2024 05:07", "2024-03-31T05:07:00"),
        ("2024-03", "2024-03-01T00:00:00"),
        ("Mar 2024", "2024-03-01T00:00:00"),
        ("20240331T050711", "2024-03-31T05:07:11"),
        ("20240331", "2024-03-31T00:00:00"),
        ("2024Q3", "2024-07-01T00:00:00"),
        ("2024-Q3", "2024-07-01T00:00:00"),
        ("2024q3", "2024-07-01T00:00:00"),
        ("Q3 2024", "2024-07-01T00:00:00"),
        ("Q3-2024", "2024-07-01T00:00:00"),
        ("2024-W05", "2024-01-29T00:00:00"),
        ("2024W05", "2024-01-29T00:00:00"),
        ("2024-W05-7", "2024-02-04T00:00:00"),
        ("2024M03", "2024-03-01T00:00:00"),
        ("03/2024", "2024-03-01T00:00:00"),
        ("2024/03", "2024-03-01T00:00:00"),
        (" 2024-03-31 ", "2024-03-31T00:00:00"),
        ("1711861631", "2024-03-31T05:07:11"),
        ("1711861631000", "2024-03-31T05:07:11"),
        ("1711861631000000", "2024-03-31T05:07:11"),
        ("1711861631000000000", "2024-03-31T05:07:11"),
        ("2024-03-31T05:07:11Z", "2024-03-31T05:07:11"),
        ("2024-03-31 05:07:11+02:00", "2024-03-31T03:07:11"),
        ("2024-03-31 05:07:11 +0200", "2024-03-31T03:07:11"),
        ("2024-03-31 05:07:11 UTC", "2024-03-31T05:07:11"),
    ],
)
def test_a_known_format_is_read(tmp_path: Path, text: str, time: str) -> None:
    assert _read(tmp_path, [text, text]) == [time, time]


@pytest.mark.parametrize(
    "text",
    ["2024-01-01T00:00:00.123456", "1500-01-01T00:00:00.5", "9999-12-31", "0001-01-01", "1500-01-01T05:00:00Z"],
)
def test_times_of_four_digit_years_keep_every_microsecond(tmp_path: Path, text: str) -> None:
    time = read_times(_table(tmp_path, [text, text]), "ds").values[0]
    assert (time.dtype, time) == ("datetime64[us]", np.datetime64(text.rstrip("Z"), "us"))


def test_a_given_format_reads_any_year(tmp_path: Path) -> None:
    options = ReadOptions(time_format="%d/%m/%Y")
    assert _read(tmp_path, ["01/02/2500", "01/02/2024"], options) == ["2500-02-01T00:00:00", "2024-02-01T00:00:00"]


@pytest.mark.parametrize(
    "text",
    ["2024-01-01 00:00:00.123456000", "2024-01-01T00:00:00.123456000Z", "01/02/2024 00:00:00.1234560"],
)
def test_zeros_after_the_microseconds_are_read(tmp_path: Path, text: str) -> None:
    options = ReadOptions(time_format="%d/%m/%Y %H:%M:%S.%f") if "/" in text else ReadOptions()
    assert str(read_times(_table(tmp_path, [text], options), "ds").values[0])[-7:] == ".123456"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("2024-01-01 00:00:00.1234567", ReadOptions()),
        ("2024-01-01 00:00:00.123456789Z", ReadOptions()),
        ("31/01/2024 00:00:00.000000001", ReadOptions()),
        ("31/01/2024 00:00:00.000000001", ReadOptions(time_format="%d/%m/%Y %H:%M:%S.%f")),
        ("1704067200000000001", ReadOptions()),
    ],
)
def test_texts_finer_than_a_microsecond_are_refused(tmp_path: Path, text: str, options: ReadOptions) -> None:
    with pytest.raises(DataError, match=r"line 2.* is finer than a microsecond\. 1 of 1 times .* Round them to micro"):
        read_times(_table(tmp_path, [text], options), "ds")


def test_timestamps_finer_than_a_microsecond_are_refused() -> None:
    times = np.datetime64("2024-01-01", "ns") + np.arange(3) * 1500
    with pytest.raises(DataError, match=r"row 2: '2024-01-01 00:00:00.0000015' is finer than a microsecond\. 1 of 3"):
        read_times(table_from_frame(pd.DataFrame({"ds": times, "y": [1.0, 2.0, 3.0]})), "ds")


def test_the_whole_column_decides_between_day_first_and_month_first(tmp_path: Path) -> None:
    assert _read(tmp_path, ["01/02/2024", "01/13/2024"])[0] == "2024-01-02T00:00:00"


def test_a_format_that_was_found_is_said(tmp_path: Path) -> None:
    notices = read_times(_table(tmp_path, ["31.12.2024"]), "ds").notices
    assert [notice.text for notice in notices] == ["times of column 'ds' were read as %d.%m.%Y"]


def test_a_format_that_may_be_day_or_month_first_is_ambiguous(tmp_path: Path) -> None:
    message = r"column 'ds': times such as '01/02/2024' fit more than one format: %d/%m/%Y and %m/%d/%Y\. Say"
    with pytest.raises(DataError, match=message):
        _read(tmp_path, ["01/02/2024", "02/02/2024"])


def test_days_that_equal_their_month_are_not_ambiguous(tmp_path: Path) -> None:
    assert _read(tmp_path, ["01/01/2024", "02/02/2024"])[1] == "2024-02-02T00:00:00"


def test_a_given_format_settles_it(tmp_path: Path) -> None:
    assert _read(tmp_path, ["01/02/2024"], ReadOptions(time_format="%d/%m/%Y")) == ["2024-02-01T00:00:00"]


def test_a_given_format_may_hold_an_offset(tmp_path: Path) -> None:
    options = ReadOptions(time_format="%d/%m/%Y %H:%M %z")
    assert _read(tmp_path, ["01/02/2024 05:00 +0200"], options) == ["2024-02-01T03:00:00"]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            ["2024-01-01", "2024-02-30"],
            r"data\.csv, line 3, column 'ds': '2024-02-30' is not a time in the form 2024-01-31",
        ),
        (["2024-01-01", "01/02/2024"], r"line 3, column 'ds': '01/02/2024' is not a time in the form 2024-01-31"),
        (["2024-01-01", "today"], r"line 3.*'today' is not a time in the form"),
        (["2024-01-01", "ds"], r"line 3.*'ds' repeats the header\. Remove the repeated header lines"),
        (
            ["2024-01-01T00:00Z", "2024-01-01T00:00"],
            r"line 3.*'2024-01-01T00:00' is not a time in the form .*, with an offset",
        ),
        (["2024-01-01", ""], r"line 3, column 'ds': '' is not a time\. 1 rows have no time"),
        (["31.1.2024", "31.2.2024"], r"line 3.*'31\.2\.2024' is not a time in the format %d\.%m\.%Y of the others"),
        (["31.1.2024", "NA"], r"line 3, column 'ds': 'NA' is not a time|line 3, column 'ds': '' is not a time"),
        (
            ["soon", "later"],
            r"line 2.*'soon' is not a time in a time format that is known\. Also 'later' on line 3\. 2 of 2",
        ),
        (["2024Q1", "2024Q5"], r"line 3.*'2024Q5' is not a time in the form 2024Q1"),
        (
            ["1.5", "2.5"],
            r"line 2.*'1\.5' is not a whole number, so it is not a time\. Also '2\.5' on line 3\. Write times",
        ),
    ],
)
def test_a_time_that_does_not_fit_is_named(tmp_path: Path, times: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, times)


def test_a_time_that_does_not_fit_the_given_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3.*'2024' is not a time in the format %d/%m/%Y\. 1 of 2 times"):
        _read(tmp_path, ["01/02/2024", "2024"], ReadOptions(time_format="%d/%m/%Y"))
    with pytest.raises(DataError, match=r"Correct them, or the --time-format\."):
        _read(tmp_path, ["01/02/2024", "2024"], ReadOptions(time_format="%d/%m/%Y"))


def test_a_given_format_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--time-format '%Y %Q' is not a time format: "):
        _read(tmp_path, ["01/02/2024"], ReadOptions(time_format="%Y %Q"))
    with pytest.raises(UsageError, match=r"--time-format '%Y %Y' is not a time format: "):
        _read(tmp_path, ["01/02/2024"], ReadOptions(time_format="%Y %Y"))


@pytest.mark.parametrize("pattern", ["%d", "%H:%M", "abc", "", "mixed", "ISO8601"])
def test_a_given_format_without_a_year_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=rf"--time-format '{pattern}' names no year, %Y or %y\. Give one such as"):
        _read(tmp_path, ["01"], ReadOptions(time_format=pattern))


@pytest.mark.parametrize("times", [["1", "2"], ["2024-01-01", "2024-01-02"]])
def test_a_unit_that_is_none_is_refused_whatever_the_times(tmp_path: Path, times: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--time-unit 'fortnight' is not one of step, s, ms, us, ns, day, excel"):
        _read(tmp_path, times, ReadOptions(time_unit="fortnight"))


def test_months_written_as_numbers_are_months(tmp_path: Path) -> None:
    assert _read(tmp_path, ["202311", "202312", "202401"]) == [
        f"{month}-01T00:00:00" for month in ("2023-11", "2023-12", "2024-01")
    ]


def test_months_of_one_year_are_months_unless_told_otherwise(tmp_path: Path) -> None:
    assert _read(tmp_path, ["202401", "202402"])[1] == "2024-02-01T00:00:00"
    assert read_times(_table(tmp_path, ["202401"], ReadOptions(time_unit="step")), "ds").values.tolist() == [202401]
    assert read_times(_table(tmp_path, ["202412", "202413"]), "ds").values.tolist() == [202412, 202413]


def test_a_day_and_a_year_of_two_digits_may_be_mistaken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'24-01-05' fit more than one format: %d-%m-%y and %y-%m-%d"):
        _read(tmp_path, ["24-01-05", "24-01-06"])


@pytest.mark.parametrize(
    ("number", "unit"),
    [(10**12, "day"), (2**62, "s"), (2**62, "ms"), (-(10**7), "excel"), (-(2**62), "us")],
)
def test_numbers_beyond_the_years_of_four_digits_are_refused(tmp_path: Path, number: int, unit: str) -> None:
    with pytest.raises(DataError, match=rf"line 3.*'{number}' lies outside the years 0 to 9999\. 1 of 2 times"):
        _read(tmp_path, ["0", str(number)], ReadOptions(time_unit=unit))


def test_timestamps_beyond_the_years_of_four_digits_are_refused() -> None:
    frame = pd.DataFrame({"ds": np.array(["2024-01-01", "12024-01-01"], "datetime64[s]"), "y": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"row 2: '317273587200' lies outside the years 0 to 9999"):
        read_times(table_from_frame(frame), "ds")


def test_steps_too_far_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"steps from -9223372036854775807 to 5 are too far apart"):
        _read(tmp_path, ["-9223372036854775807", "5"])


def test_small_whole_numbers_count_steps(tmp_path: Path) -> None:
    times = read_times(_table(tmp_path, ["5", "6"]), "ds")
    assert (times.values.tolist(), times.notices[0].text) == ([5, 6], "column 'ds' counts steps (5 to 6)")


def test_day_numbers_of_excel_are_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"column 'ds': whole numbers such as 45292 may be day numbers of Excel, or steps\. Say"
    ):
        _read(tmp_path, ["45292", "45293"])


@pytest.mark.parametrize(
    ("number", "unit", "time"),
    [
        ("45292", "excel", "2024-01-01"),
        ("19723", "day", "2024-01-01"),
        ("1704067200", "s", "2024-01-01"),
        ("1704067200000", "ms", "2024-01-01"),
        ("60", "s", "1970-01-01T00:01"),
    ],
)
def test_a_given_unit_says_what_numbers_count(tmp_path: Path, number: str, unit: str, time: str) -> None:
    times = read_times(_table(tmp_path, [number], ReadOptions(time_unit=unit)), "ds")
    assert (times.values[0], times.notices) == (np.datetime64(time), ())


def test_large_numbers_may_be_said_to_count_steps(tmp_path: Path) -> None:
    times = read_times(_table(tmp_path, ["1704067200"], ReadOptions(time_unit="step")), "ds")
    assert (times.values.tolist(), times.notices) == ([1704067200], ())


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--time-unit 'fortnight' is not one of step, s, ms, us, ns, day, excel"):
        _read(tmp_path, ["5"], ReadOptions(time_unit="fortnight"))


def test_text_in_a_column_of_numbers_as_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3, column 'ds': 'soon' is not a whole number, as --time-unit"):
        _read(tmp_path, ["5", "soon"], ReadOptions(time_unit="s"))


def test_eight_digits_that_are_no_dates_count_steps(tmp_path: Path) -> None:
    assert read_times(_table(tmp_path, ["20240131", "20240132"]), "ds").values.dtype == np.int64


def test_offsets_are_converted_to_utc_with_a_notice(tmp_path: Path) -> None:
    lines = ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00", "2024-03-31 04:00:00+02:00"]
    loaded = load(tmp_path, rows("ds,y", [f"{time},{i}" for i, time in enumerate(lines)]))
    assert repairs(loaded) == ["times of column 'ds' have an offset; they were converted to UTC"]
    assert times_of(loaded.panel)[1] == "2024-03-31T01:00:00.000000"


def test_a_frame_with_a_zone_is_converted_to_utc() -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin"), "y": [1.0, 2.0, 3.0]})
    loaded = build_panel(table_from_frame(frame), DataConfig())
    assert times_of(loaded.panel)[0] == "2023-12-31T23:00:00.000000"
    assert repairs(loaded) == ["times of column 'ds' have zone Europe/Berlin; they were converted to UTC"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, np.nan], r"row 2: '' is not a time\. 1 rows have no time"),
        ([1.0, 1.5], r"row 2: '1\.5' is not a whole number, so it is not a time\. Write times as"),
        ([pd.Timestamp("2024-01-01"), pd.NaT], r"row 2: '' is not a time"),
        ([True, False], r"the column holds bool, not times\. Name another with --time"),
    ],
)
def test_a_column_of_a_frame_that_is_no_time_is_refused(column: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_times(table_from_frame(pd.DataFrame({"ds": column})), "ds")


def test_whole_floats_count_steps() -> None:
    assert read_times(table_from_frame(pd.DataFrame({"ds": [3.0, 5.0]})), "ds").values.tolist() == [3, 5]


def test_whole_numbers_of_a_frame_count_steps() -> None:
    assert read_times(table_from_frame(pd.DataFrame({"ds": [3, 5]})), "ds").values.tolist() == [3, 5]


BERLIN = ReadOptions(timezone="Europe/Berlin")


def test_the_doubled_hour_of_autumn_is_settled_by_the_zone(tmp_path: Path) -> None:
    hours = ["01:00", "02:00", "02:00", "03:00"]
    content = rows("ds,y", [f"2024-10-27 {hour},{i}" for i, hour in enumerate(hours)])
    loaded = load(tmp_path, content, options=BERLIN)
    assert [time[11:16] for time in times_of(loaded.panel)] == ["23:00", "00:00", "01:00", "02:00"]
    assert repairs(loaded) == ["times of Europe/Berlin were converted to UTC"]


def test_the_skipped_hour_of_spring_is_no_gap_in_the_zone(tmp_path: Path) -> None:
    content = rows("ds,y", [f"2024-03-31 {hour},1" for hour in ("00:00", "01:00", "03:00", "04:00")])
    assert load(tmp_path, content, options=BERLIN).panel.lengths.tolist() == [4]


def test_a_time_in_the_skipped_hour_is_refused(tmp_path: Path) -> None:
    content = rows("ds,y", [f"2024-03-31 {hour},1" for hour in ("01:00", "02:00", "03:00")])
    with pytest.raises(
        DataError, match=r"line 3.*'2024-03-31 02:00:00' does not exist in Europe/Berlin\. The clock skips"
    ):
        load(tmp_path, content, options=BERLIN)


def test_an_unknown_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--timezone 'Europe/Atlantis' is not a known time zone\. Give one such as Europe/Berlin"
    ):
        load(tmp_path, rows("ds,y", ["2024-03-31,1", "2024-04-01,2"]), options=ReadOptions(timezone="Europe/Atlantis"))


def test_zoned_times_are_not_moved_by_the_zone(tmp_path: Path) -> None:
    content = rows("ds,y", [f"2024-01-01T0{i}Z,{i}" for i in range(3)])
    assert times_of(load(tmp_path, content, options=BERLIN).panel) == times_of(load(tmp_path, content).panel)


def test_steps_have_no_zone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"column 'ds': --timezone does not fit: the times are numbers of steps"):
        load(tmp_path, rows("ds,y", ["1,1", "2,2", "3,3"]), options=BERLIN)


def test_steps_at_both_ends_of_counting_are_gaps_too_wide(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"filling the gaps would make 9,223,372,036,854,775,808 rows of 3"):
        load(tmp_path, rows("ds,y", ["0,1", "1,2", f"{2**63 - 2},3"]))


def test_a_given_format_reads_typed_numbers_as_it_does_texts() -> None:
    table = table_from_frame(pd.DataFrame({"ds": [240101, 240102, 240201], "y": [1.0, 2.0, 3.0]}))
    with pytest.raises(DataError, match="Say which with --time-format %y%m%d"):
        read_times(table, "ds")
    told = replace(table, options=ReadOptions(time_format="%y%m%d"))
    assert [str(time)[:10] for time in read_times(told, "ds").values] == ["2024-01-01", "2024-01-02", "2024-02-01"]


def test_a_typed_number_that_the_given_format_cannot_read_is_named() -> None:
    table = table_from_frame(pd.DataFrame({"ds": [240101, 240132], "y": [1.0, 2.0]}))
    with pytest.raises(DataError, match="'240132' is not a time in the format %y%m%d"):
        read_times(replace(table, options=ReadOptions(time_format="%y%m%d")), "ds")
