"""Tables as people export them: local days, numbers as dates, decorated numbers, and faults that a hint must fit."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.reliability.hazards import (
    Hazard,
    daily,
    dates,
    error,
    expect,
    lines,
    meet,
    orderly,
    panel,
    repaired,
    rows,
    timed,
    values,
    works,
)
from tests.running import wave

BERLIN = ZoneInfo("Europe/Berlin")
MONTH_ENDS = (np.datetime64("2024-02") + np.arange(36)).astype("datetime64[D]") - 1
LAST_BUSINESS_DAYS = np.busday_offset(MONTH_ENDS + 1, -1, roll="forward")
CLOCKS_CHANGE = ("not evenly spaced", "shift by an hour", "where clocks change", "without offset", "--timezone")


def local(num_rows: int, days: int = 1, hours: int = 0) -> list[str]:
    """Midnights, or other hours, of Berlin with the offset they had."""
    step = timedelta(days=days, hours=hours)
    return [(datetime(2024, 2, 1) + i * step).replace(tzinfo=BERLIN).isoformat() for i in range(num_rows)]


def local_months(num_rows: int) -> list[str]:
    return [datetime(2018 + i // 12, i % 12 + 1, 1, tzinfo=BERLIN).isoformat() for i in range(num_rows)]


def stamps(form: str, num_rows: int = 61, step: str = "D") -> list[str]:
    """Times of 2024 in a strftime format."""
    origin = np.datetime64("2024-01-01", "s")
    return [(origin + np.timedelta64(i, step)).astype(object).strftime(form) for i in range(num_rows)]


def changed(every: list[str], row: int, text: str) -> list[str]:
    return [*every[:row], text, *every[row + 1 :]]


CLOCKS = [
    error("local days with their offsets", timed(local(90)), *CLOCKS_CHANGE),
    error("local weeks with their offsets", timed(local(60, days=7)), *CLOCKS_CHANGE),
    error("local months with their offsets", timed(local_months(48)), *CLOCKS_CHANGE),
    error("local quarters of a day", timed(local(400, days=0, hours=6)), *CLOCKS_CHANGE),
    error(
        "local days in Unix seconds",
        timed([f"{datetime.fromisoformat(t).timestamp():.0f}" for t in local(90)]),
        *CLOCKS_CHANGE,
    ),
    error("local days of a zone", timed(dates(100)), *CLOCKS_CHANGE, options=("--timezone", "Europe/Berlin")),
    error(
        "local days with a frequency",
        timed(local(90)),
        "line 62",
        "contradicts the data",
        "where clocks change",
        options=("--freq", "D"),
        code=2,
    ),
    repaired("days of one offset", timed([f"{day}T00:00+01:00" for day in dates(61)]), "converted to UTC", "daily"),
    works("local days as dates", timed([time[:10] for time in local(90)]), "daily"),
    repaired(
        "a format with an offset",
        timed([f"{time} +0200" for time in stamps("%d/%m/%Y %H:%M", step="h")]),
        "converted to UTC",
        "2023-12-31 22:00",
        options=("--time-format", "%d/%m/%Y %H:%M %z"),
    ),
    repaired(
        "a format with two offsets",
        timed([f"{t} {'+0100' if i < 30 else '+0000'}" for i, t in enumerate(stamps("%d/%m/%Y %H", step="h"))]),
        "converted to UTC",
        "1 time steps have no row",
        options=("--time-format", "%d/%m/%Y %H %z"),
    ),
    repaired(
        "a format with an offset, and a zone",
        timed([f"{time} +0100" for time in stamps("%d/%m/%Y %H:%M", step="h")]),
        "2023-12-31 23:00",
        options=("--time-format", "%d/%m/%Y %H:%M %z", "--timezone", "Europe/Berlin"),
    ),
]

NUMBERED = [
    works("hours as numbers", timed(stamps("%Y%m%d%H", step="h")), "read as dates, such as 2024-01-01", "hourly"),
    works("minutes as numbers", timed(stamps("%Y%m%d%H%M", step="m")), "read as dates", "every minute"),
    works("seconds as numbers", timed(stamps("%Y%m%d%H%M%S", step="s")), "read as dates", "every second"),
    error(
        "a day that is none among numbers",
        timed(changed(stamps("%Y%m%d"), 30, "20240230")),
        "line 32, column 'ds': '20240230' is not a time in the format %Y%m%d of the others",
        "1 of 61 times are like this",
        "--time-unit step",
    ),
    error(
        "a month that is none among numbers",
        timed(changed([time[:7].replace("-", "") for time in dates(48, "2020-01", "M")], 12, "202113")),
        "line 14, column 'ds': '202113' is not a time in the format %Y%m",
    ),
    works("steps that begin like dates", timed([str(20_240_101 + i) for i in range(300)]), "counts steps"),
    works("months of two years with a gap", timed(["201911", "201912", "202001", "202002"]), "monthly"),
    error("days with two digits", timed(stamps("%y%m%d")), "240101", "--time-format %y%m%d or --time-unit step"),
    works("days with two digits, told", timed(stamps("%y%m%d")), "daily", options=("--time-format", "%y%m%d")),
    works("steps of six digits", timed([str(240_101 + i) for i in range(161)]), "counts steps"),
    error("days of two years", timed(stamps("%Y%j", 400)), "2024001", "--time-format %Y%j"),
    works("negative steps", timed([str(i - 30) for i in range(61)]), "counts steps (-30 to 30)"),
]

PLACES = [
    error(
        "one time off the grid",
        timed(changed(dates(61, step="h"), 30, "2024-01-02 06:10:00")),
        "line 32, column 'ds': the times are not evenly spaced",
        "2024-01-02 06:10:00 comes 1 hour 10 minutes after the last",
        "--freq",
    ),
    error(
        "one time off the grid of the second series, unsorted",
        rows("unique_id,ds,y", [f"a,{t},1" for t in dates(40, step="h")])
        + "".join(f"b,{t},1\n" for t in reversed(changed(dates(40, step="h"), 10, "2024-01-01 10:00:01"))),
        "line 71, column 'ds'",
        "2024-01-01 10:00:01 comes 1 hour 1 second after the last",
    ),
    error(
        "an irregular calendar",
        timed([str(np.datetime64("2022-01-03") + np.timedelta64(28 * i + 7 * (i // 3), "D")) for i in range(30)]),
        "4 weeks (20 times), 5 weeks (9 times)",
        "number them (1, 2, 3, ...)",
    ),
    error(
        "one month on its second day",
        timed(changed(dates(48, "2018-01", "M"), 30, "2020-07-02")),
        "line 32, column 'ds'",
        "2020-07-02 is on another day of the month than most",
    ),
    error(
        "a month end that forgets the leap day",
        timed(changed([str(day) for day in MONTH_ENDS], 1, "2024-02-28")),
        "line 3, column 'ds'",
        "2024-02-28 is on another day of the month than most",
    ),
    error(
        "the last business day of each month", timed([str(day) for day in LAST_BUSINESS_DAYS]), "4 weeks", "number them"
    ),
    error("a typo year names its line", timed(changed(dates(61), 60, "2204-03-01")), "line 62, column 'ds'", "jumps"),
    error(
        "duplicates that differ in a covariate",
        rows("ds,y,p", [*(f"{line},1" for line in lines(61)), f"{lines(61)[60]},2"]),
        "line 63",
        "2024-03-01 ('p' 1 on line 62, 2 on line 63)",
        options=("--target", "y", "--known", "p"),
    ),
    error(
        "duplicates of a wide table",
        rows("ds,a,b", [*(f"{day},1,{i}" for i, day in enumerate(dates(61))), "2024-03-01,1,777"]),
        "2024-03-01 (60 on line 62, 777 on line 63)",
    ),
    error(
        "a quote that is never closed", daily().replace("2024-01-20,", '"2024-01-20,'), "line 21: a quote is opened and"
    ),
    error(
        "the time of day in a column of its own",
        rows("date,time,y", [f"{time.replace(' ', ',')},{i}" for i, time in enumerate(dates(72, step="h"))]),
        "times repeat, and column 'time' holds times of day",
        "Join both into one column",
    ),
    repaired(
        "rows without an id",
        panel(["a", "b"]).replace("b,2024-01-05", ",2024-01-05"),
        "1 rows have an empty id; they are read as a series named ''",
    ),
    error("more columns than can be read", ("," * 200_000 + "\n") * 2, "names 200,001 columns; at most 200,000"),
]


def prices(texts: list[str], column: str = "sales") -> str:
    return rows(f"date,{column}", [f"{day},{text}" for day, text in zip(dates(len(texts)), texts, strict=True)])


DECORATED = "Remove currency, percent and thousands signs."
PLAIN_DIGITS = "Write it with the digits 0 to 9, a point, and a minus sign in front."
NUMBERS = [
    error("a column of prices", prices([f'"$1,{i:03}.50"' for i in range(61)]), "line 2, column 'sales'", DECORATED),
    error("a column of percents", prices([f"{i} %" for i in range(61)]), "line 2, column 'sales'", "'0 %'", DECORATED),
    error("a column of brackets", prices([f"({i})" for i in range(61)]), "line 2, column 'sales'", PLAIN_DIGITS),
    error(
        "a column of commas beside one of points",
        rows("ds;a;b", [f"{day};{i},5;{i}.5" for i, day in enumerate(dates(61))]),
        "line 2, column 'a': '0,5' is not a number",
        "A decimal comma needs --decimal ,",
    ),
    error(
        "a fifth of a column is words",
        prices([f"n/d{i}" if i % 5 == 0 else str(i) for i in range(61)]),
        "line 2, column 'sales': 'n/d0' is not a number",
        "13 such values",
    ),
    *(
        error(f"{text!r} as a number", values({12: text}), "line 12", PLAIN_DIGITS)
        for text in ("(12)", "12-", "\u22125")
    ),
    *(error(f"{text!r} as a number", values({12: text}), "line 12", "Write 1 and 0.") for text in ("true", "No")),
    error("a dash as a number", values({12: "-"}), "line 12", "add --na-value '-'."),
    repaired(
        "a number for missing in another spelling",
        values({33: "-999.0", 40: "-999"}),
        "2 of 61",
        options=("--na-value", "-999"),
    ),
    repaired(
        "a decimal number for missing",
        values({33: "-9.50"}).replace(",", ";").replace(".", ","),
        "1 of 61",
        options=("--na-value", "-9,5", "--decimal", ","),
    ),
    error(
        "one word in a covariate of few values",
        rows("ds,y,p", [f"{line},{'x' if i == 50 else i % 2}" for i, line in enumerate(lines(61))]),
        "line 52, column 'p': 'x' is not a number",
        "If the column names categories, none of them may be a number",
        options=("--known", "p", "--target", "y"),
    ),
    works(
        "a covariate of words and some numbers",
        rows("ds,y,p", [f"{line},{('x', '1', '2')[i % 3]}" for i, line in enumerate(lines(61))]),
        "read as categories, with their number: 'p' (3)",
        options=("--known", "p", "--target", "y"),
    ),
]


@pytest.mark.parametrize("hazard", [*CLOCKS, *NUMBERED, *PLACES, *NUMBERS], ids=lambda hazard: hazard.name)
def test_each_odd_table_gets_what_it_must(hazard: Hazard, tmp_path: Path) -> None:
    meet(hazard, tmp_path)


def test_what_was_found_in_the_static_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(panel(["a", "b"]))
    (tmp_path / "static.csv").write_text("shop;size\na;1\nb;2\n")
    ran = orderly("check", tmp_path / "data.csv", "--static-file", tmp_path / "static.csv", "--static", "size")
    expect(ran, 0, ["static table: columns are separated by semicolon", "static table: id column 'shop'"])


def test_a_static_table_as_it_should_be_needs_no_word(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(panel(["a", "b"]))
    (tmp_path / "static.csv").write_text("unique_id,size\na,1\nb,2\n")
    ran = orderly("check", tmp_path / "data.csv", "--static-file", tmp_path / "static.csv", "--static", "size")
    expect(ran, 0, ["daily"])
    assert "static table" not in ran.err


@pytest.mark.parametrize("address", ["http://example.com/d.csv", "https:/example.com/d.csv", "s3:/bucket/d.csv"])
def test_an_address_is_no_file_however_many_slashes_are_left(address: str) -> None:
    expect(orderly("check", address), 3, ["this is an address", "Download it first"])


def test_a_far_future_is_read_in_seconds_and_still_told_from_clocks(tmp_path: Path) -> None:
    times = [str(np.datetime64("2500-01-01", "s") + np.timedelta64(24 * i - (i > 30), "h")) for i in range(61)]
    (tmp_path / "data.csv").write_text(rows("ds,y", [f"{t},{v}" for t, v in zip(times, wave(61), strict=True)]))
    expect(orderly("check", tmp_path / "data.csv"), 3, ["23 hours (1 times)", "where clocks change"])
