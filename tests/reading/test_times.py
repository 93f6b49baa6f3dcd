"""The time column: formats, numbers, zones, and times that are none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.panel.clock import Clock
from seqcast.reading.assemble import build_panel
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import Table
from seqcast.reading.times import read_times
from tests.reading.making_tables import decisions, load, read, repairs, rows, times_of


def _table(folder: Path, times: list[str], options: ReadOptions = ReadOptions()) -> Table:
    return read(folder, rows("ds;y", [f"{time};{i}" for i, time in enumerate(times)]), options)


def _read(folder: Path, times: list[str], options: ReadOptions = ReadOptions()) -> list[str]:
    return [str(time) for time in read_times(_table(folder, times, options), "ds").values.astype("datetime64[s]")]


KNOWN_FORMATS = {
    "2024-03-31T00:00:00": (
        *("2024-03-31", "2024/03/31", "31/03/2024", "31.3.2024", "3/31/24", "31 Mar 2024", "31-Mar-2024"),
        *("Mar 31, 2024", "20240331", " 2024-03-31 "),
    ),
    "2024-03-31T05:00:00": ("2024-03-31 05",),
    "2024-03-31T05:07:00": ("2024-03-31T05:07", "3/31/2024 5:07", "March 31, 2024 05:07"),
    "2024-03-31T17:07:00": ("3/31/2024 5:07 PM",),
    "2024-03-31T05:07:11": (
        *("2024-03-31 05:07:11", "31-03-2024 05:07:11", "20240331T050711", "2024-03-31T05:07:11Z"),
        *("2024-03-31 05:07:11 UTC", *(f"1711861631{zeros}" for zeros in ("", "000", "000000", "000000000"))),
    ),
    "2024-03-31T03:07:11": ("2024-03-31 05:07:11+02:00", "2024-03-31 05:07:11 +0200"),
    "2024-03-01T00:00:00": ("2024-03", "Mar 2024", "2024M03", "03/2024", "2024/03"),
    "2024-07-01T00:00:00": ("2024Q3", "2024-Q3", "2024q3", "Q3 2024", "Q3-2024"),
    "2024-01-29T00:00:00": ("2024-W05", "2024W05"),
    "2024-02-04T00:00:00": ("2024-W05-7",),
}


@pytest.mark.parametrize(("text", "time"), [(text, time) for time, texts in KNOWN_FORMATS.items() for text in texts])
def test_a_known_format_is_read(tmp_path: Path, text: str, time: str) -> None:
    assert _read(tmp_path, [text, text]) == [time, time]


@pytest.mark.parametrize(
    "text", ["2024-01-01T00:00:00.123456", "1500-01-01T00:00:00.5", "9999-12-31", "0001-01-01", "1500-01-01T05:00:00Z"]
)
def test_times_of_four_digit_years_keep_every_microsecond(tmp_path: Path, text: str) -> None:
    time = read_times(_table(tmp_path, [text, text]), "ds").values[0]
    assert (time.dtype, time) == ("datetime64[us]", np.datetime64(text.rstrip("Z"), "us"))


@pytest.mark.parametrize(
    "text", ["2024-01-01 00:00:00.123456000", "2024-01-01T00:00:00.123456000Z", "01/02/2024 00:00:00.1234560"]
)
def test_zeros_after_the_microseconds_are_read(tmp_path: Path, text: str) -> None:
    options = ReadOptions(time_format="%d/%m/%Y %H:%M:%S.%f") if "/" in text else ReadOptions()
    assert str(read_times(_table(tmp_path, [text], options), "ds").values[0])[-7:] == ".123456"


def test_timestamps_finer_than_a_microsecond_are_refused() -> None:
    times = np.datetime64("2024-01-01", "ns") + np.arange(3) * 1500
    with pytest.raises(DataError, match=r"row 2: '2024-01-01 00:00:00.0000015' is finer than a microsecond\. 1 of 3"):
        read_times(table_from_frame(pd.DataFrame({"ds": times, "y": [1.0, 2.0, 3.0]})), "ds")


@pytest.mark.parametrize(
    ("times", "options", "expected"),
    [
        (["01/02/2024", "01/13/2024"], {}, ["2024-01-02", "2024-01-13"]),
        (["01/01/2024", "02/02/2024"], {}, ["2024-01-01", "2024-02-02"]),
        (["01/02/2024"], {"time_format": "%d/%m/%Y"}, ["2024-02-01"]),
        (["01/02/2500", "01/02/2024"], {"time_format": "%d/%m/%Y"}, ["2500-02-01", "2024-02-01"]),
        (["01/02/2024 05:00 +0200"], {"time_format": "%d/%m/%Y %H:%M %z"}, ["2024-02-01T03"]),
        (["202311", "202312", "202401"], {}, ["2023-11", "2023-12", "2024-01"]),
        (["202401", "202402"], {}, ["2024-01", "2024-02"]),
    ],
)
def test_the_whole_column_or_the_options_decide_the_format(
    tmp_path: Path, times: list[str], options: dict[str, str], expected: list[str]
) -> None:
    assert _read(tmp_path, times, ReadOptions(**options)) == [str(np.datetime64(time, "s")) for time in expected]


@pytest.mark.parametrize(
    ("numbers", "options", "notices"),
    [
        (["5", "6"], {}, ["column 'ds' counts steps (5 to 6)"]),
        (["202412", "202413"], {}, ["column 'ds' counts steps (202,412 to 202,413)"]),
        (["20240131", "20240132"], {}, ["column 'ds' counts steps (20,240,131 to 20,240,132)"]),
        (["202401"], {"time_unit": "step"}, []),
        (["1704067200"], {"time_unit": "step"}, []),
    ],
)
def test_other_whole_numbers_count_steps(
    tmp_path: Path, numbers: list[str], options: dict[str, str], notices: list[str]
) -> None:
    times = read_times(_table(tmp_path, numbers, ReadOptions(**options)), "ds")
    assert (times.values.tolist(), [notice.text for notice in times.notices]) == (list(map(int, numbers)), notices)


@pytest.mark.parametrize("column", [[3, 5], [3.0, 5.0]])
def test_whole_numbers_of_a_frame_count_steps(column: list[float]) -> None:
    assert read_times(table_from_frame(pd.DataFrame({"ds": column})), "ds").values.tolist() == [3, 5]


def test_a_format_that_was_found_is_said(tmp_path: Path) -> None:
    notices = read_times(_table(tmp_path, ["31.12.2024"]), "ds").notices
    assert [notice.text for notice in notices] == ["times of column 'ds' were read as %d.%m.%Y"]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-01", "ds"], r"line 3.*'ds' repeats the header\. Remove the repeated header lines"),
        (["31.1.2024", "31.2.2024"], r"line 3.*'31\.2\.2024' is not a time in the format %d\.%m\.%Y of the others"),
        (["soon", "later"], r"'soon' is not a time in a time format that is known\. Also 'later' on line 3\. 2 of 2"),
        (["2024Q1", "2024Q5"], r"line 3.*'2024Q5' is not a time in the form 2024Q1"),
        (["1.5", "2.5"], r"'1\.5' is not a whole number, so it is not a time\. Also '2\.5' on line 3\. Write times"),
        (["24-01-05", "24-01-06"], r"'24-01-05' fit more than one format: %d-%m-%y and %y-%m-%d"),
        (["-9223372036854775807", "5"], r"steps from -9223372036854775807 to 5 are too far apart"),
        *(
            ([text], r"line 2.* is finer than a microsecond\. 1 of 1 times .* Round them to micro")
            for text in (
                *("2024-01-01 00:00:00.1234567", "2024-01-01 00:00:00.123456789Z"),
                *("31/01/2024 00:00:00.000000001", "1704067200000000001"),
            )
        ),
    ],
)
def test_a_time_that_does_not_fit_is_named(tmp_path: Path, times: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, times)


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (
            ["31/01/2024 00:00:00.000000001"],
            {"time_format": "%d/%m/%Y %H:%M:%S.%f"},
            r"line 2.* is finer than a microsecond\. 1 of 1 times",
        ),
        *(
            (["01/02/2024"], {"time_format": pattern}, rf"--time-format '{pattern}' is not a time format: ")
            for pattern in ("%Y %Q", "%Y %Y")
        ),
        *(
            (["01"], {"time_format": pattern}, f"--time-format '{pattern}' names no year, %Y or %y. Give one such as")
            for pattern in ("%d", "%H:%M", "abc", "", "mixed", "ISO8601")
        ),
        (
            ["2024-01-01"],
            {"time_unit": "fortnight"},
            "--time-unit 'fortnight' is not one of step, s, ms, us, ns, day, excel",
        ),
        *(
            (["0", str(number)], {"time_unit": unit}, rf"line 3.*'{number}' lies outside the years 0 to 9999\. 1 of 2")
            for number, unit in (
                *((10**12, "day"), (2**62, "s"), (2**62, "ms")),
                *((-(10**7), "excel"), (-(2**62), "us")),
            )
        ),
    ],
)
def test_times_that_contradict_the_options_are_refused(
    tmp_path: Path, times: list[str], options: dict[str, str], message: str
) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        _read(tmp_path, times, ReadOptions(**options))


def test_timestamps_beyond_the_years_of_four_digits_are_refused() -> None:
    frame = pd.DataFrame({"ds": np.array(["2024-01-01", "12024-01-01"], "datetime64[s]"), "y": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"row 2: '317273587200' lies outside the years 0 to 9999"):
        read_times(table_from_frame(frame), "ds")


@pytest.mark.parametrize(
    ("number", "unit"), [("45292", "excel"), ("19723", "day"), ("1704067200", "s"), ("1704067200000", "ms")]
)
def test_a_given_unit_says_what_numbers_count(tmp_path: Path, number: str, unit: str) -> None:
    times = read_times(_table(tmp_path, [number], ReadOptions(time_unit=unit)), "ds")
    assert (times.values[0], times.notices) == (np.datetime64("2024-01-01"), ())


def test_offsets_of_a_known_zone_are_kept_and_hours_stand_in_utc(tmp_path: Path) -> None:
    lines = ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00", "2024-03-31 04:00:00+02:00"]
    loaded = load(tmp_path, rows("ds,y", [f"{time},{i}" for i, time in enumerate(lines)]))
    assert (repairs(loaded), loaded.panel.frequency.clock) == ([], Clock("Europe/Berlin", on_wall=False))
    assert times_of(loaded.panel)[1] == "2024-03-31T01:00:00.000000"


def test_days_of_a_frame_with_a_zone_follow_its_clock() -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin"), "y": [1.0, 2.0, 3.0]})
    loaded = build_panel(table_from_frame(frame), DataConfig())
    assert times_of(loaded.panel)[0] == "2024-01-01T00:00:00.000000"
    assert (repairs(loaded), loaded.panel.frequency.clock) == ([], Clock("Europe/Berlin", on_wall=True))


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


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%d-%m-%Y %H:%M"])
@pytest.mark.parametrize("step", ["MS", "QS", "B", "h"])
def test_the_one_format_that_spaces_times_evenly_is_taken(form: str, step: str, tmp_path: Path) -> None:
    if step == "h" and "%H" not in form:
        pytest.skip("a day alone cannot tell hours")
    days = pd.date_range("2015-01-01", periods={"MS": 30, "QS": 9, "B": 8, "h": 100}[step], freq=step)
    loaded = load(tmp_path, rows("ds,y", [f"{day.strftime(form)},1" for day in days]))
    assert [pd.Timestamp(time) for time in times_of(loaded.panel)] == list(days)
    assert any(f"were read as {form}, which spaces them evenly" in notice.text for notice in loaded.notices)


def test_a_gap_does_not_make_regular_dates_ambiguous(tmp_path: Path) -> None:
    months = pd.date_range("2015-01-01", periods=40, freq="MS").delete([7, 8, 20])
    loaded = load(tmp_path, rows("ds,y", [f"{month:%d.%m.%Y},1" for month in months]))
    assert loaded.panel.frequency.alias == "MS"
    assert loaded.panel.lengths.tolist() == [40]


BERLIN = DataConfig(timezone="Europe/Berlin")


def test_the_doubled_hour_of_autumn_is_settled_by_the_zone(tmp_path: Path) -> None:
    hours = ["01:00", "02:00", "02:00", "03:00"]
    content = rows("ds,y", [f"2024-10-27 {hour},{i}" for i, hour in enumerate(hours)])
    loaded = load(tmp_path, content, BERLIN)
    assert [time[11:16] for time in times_of(loaded.panel)] == ["23:00", "00:00", "01:00", "02:00"]
    assert decisions(loaded)[0] == "times of column 'ds' are those of the clock of Europe/Berlin"


def test_the_skipped_hour_of_spring_is_no_gap_in_the_zone(tmp_path: Path) -> None:
    content = rows("ds,y", [f"2024-03-31 {hour},1" for hour in ("00:00", "01:00", "03:00", "04:00")])
    assert load(tmp_path, content, BERLIN).panel.lengths.tolist() == [4]


@pytest.mark.parametrize(
    ("times", "zone", "message"),
    [
        (
            [f"2024-03-31 {hour}" for hour in ("01:00", "02:00", "03:00")],
            "Europe/Berlin",
            r"line 3.*'2024-03-31 02:00:00' does not exist in Europe/Berlin\. The clock skips",
        ),
        (
            ["2024-03-31", "2024-04-01"],
            "Europe/Atlantis",
            r"--timezone 'Europe/Atlantis' is not a known time zone\. Give one such as Europe/Berlin",
        ),
        (["1", "2", "3"], "Europe/Berlin", r"column 'ds': --timezone does not fit: the times are numbers of steps"),
    ],
)
def test_times_that_do_not_fit_the_zone_are_refused(tmp_path: Path, times: list[str], zone: str, message: str) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        load(tmp_path, rows("ds,y", [f"{time},1" for time in times]), DataConfig(timezone=zone))


def test_zoned_times_are_not_moved_by_the_zone(tmp_path: Path) -> None:
    content = rows("ds,y", [f"2024-01-01T0{i}Z,{i}" for i in range(3)])
    assert times_of(load(tmp_path, content, BERLIN).panel) == times_of(load(tmp_path, content).panel)


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
