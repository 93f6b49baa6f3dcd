"""Hazards of time columns and frequencies."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tests.reliability.hazards import DATA, DONE, USAGE, WARNED, Row, daily, dates, each_of, lines, meet, rows, timed

PLAIN = daily()
NUM = 61
BERLIN = ZoneInfo("Europe/Berlin")
HOURS = dates(NUM, step="h")
TWELVE_DAYS = timed([f"{day:02}/01/2024" for day in range(1, 13)])
MONTH_ENDS = [str(day) for day in (np.datetime64("2024-02") + np.arange(36)).astype("datetime64[D]") - 1]
QUARTER_ENDS = [str(day) for day in (np.datetime64("2015-04") + 3 * np.arange(NUM)).astype("datetime64[D]") - 1]
BUSINESS_MONTH_ENDS = [str(np.busday_offset(day, 0, roll="backward")) for day in MONTH_ENDS]
MONTH_NUMBERS = [time[:7].replace("-", "") for time in dates(NUM, "2020-01", "M")]
CLOCK = "%d/%m/%Y %H:%M"


def changed(times: list[str], line: int, text: str) -> list[str]:
    """The times, the one on a line of the file replaced."""
    return [*times[: line - 2], text, *times[line - 1 :]]


def at(line: int, text: str, times: list[str] | None = None) -> str:
    """A table of daily or other times, the one on a line of the file replaced."""
    return timed(changed(times or dates(NUM), line, text))


def written(form: str, num_rows: int = NUM, step: str = "D") -> list[str]:
    """Times of 2024 in a strftime format."""
    origin = np.datetime64("2024-01-01", "s")
    return [(origin + np.timedelta64(i, step)).astype(object).strftime(form) for i in range(num_rows)]


def steps(first: int, by: int = 1, num_rows: int = NUM) -> str:
    return timed([str(first + i * by) for i in range(num_rows)])


def local(num_rows: int, days: int = 1, hours: int = 0) -> list[str]:
    """Midnights, or other hours, of Berlin with the offset they had."""
    step = timedelta(days=days, hours=hours)
    return [(datetime(2024, 2, 1) + i * step).replace(tzinfo=BERLIN).isoformat() for i in range(num_rows)]


OFFSET_FORMAT = f"--time-format '{CLOCK} %z'"
IN_BERLIN = "--timezone Europe/Berlin"
AUTUMN = [*dates(50, "2024-10-26", "h")[:27], *dates(50, "2024-10-26", "h")[26:]]
SPRING = [time for time in dates(50, "2024-03-30", "h") if time != "2024-03-31 02:00:00"]
TWO_OFFSETS = [f"{time}+02:00" for time in HOURS[:30]] + [f"{time}+01:00" for time in HOURS[29:]]
TWO_FORMATTED = written(f"{CLOCK} +0100", 30, "h") + written(f"{CLOCK} +0000", step="h")[30:]
LOCAL_SECONDS = [f"{datetime.fromisoformat(time).timestamp():.0f}" for time in local(90)]
LOCAL_MONTHS = [datetime(2018 + i // 12, i % 12 + 1, 1, tzinfo=BERLIN).isoformat() for i in range(48)]
FAR_CLOCKS = [str(np.datetime64("2500-01-01", "s") + np.timedelta64(24 * i - (i > 30), "h")) for i in range(NUM)]
CLOCKS_CHANGE = "not evenly spaced ... shift by an hour ... where clocks change ... --timezone"
OF_BERLIN = "+01:00, +02:00 of Europe/Berlin"
IN_UTC = [np.datetime64(datetime.fromisoformat(time).astimezone(UTC).replace(tzinfo=None), "s") for time in local(90)]
IRREGULAR = [f"2024-01-{1 + i:02} {hour:02}:00" for i, hour in enumerate((0, 5, 2, 9, 1, 7, 3, 20, 11, 4, 6, 23, 8))]
FISCAL = [str(np.datetime64("2022-01-03") + np.timedelta64(28 * i + 7 * (i // 3), "D")) for i in range(30)]
ONE_SECOND_LATE = changed(dates(40, step="h"), 12, "2024-01-01 10:00:01")
NANOSECONDS = [f"2024-01-01 00:00:00.{i:09}" for i in range(NUM)]
MICROSECONDS = [f"2024-01-01 00:00:00.{i:06}" for i in range(NUM)]
CONFLICTING = rows("ds,y", sorted([*lines(NUM), "2024-01-20,1"]))
COVERED = "--target y --known p"
DIFFERING = rows("ds,y,p", [*(f"{line},1" for line in lines(61)), f"{lines(61)[60]},2"])
WIDE_TWICE = rows("ds,a,b", [*(f"{day},1,{i}" for i, day in enumerate(dates(61))), "2024-03-01,1,777"])
SECOND_LATE = rows("unique_id,ds,y", [*(f"a,{t},1" for t in HOURS[:40]), *(f"b,{t},1" for t in ONE_SECOND_LATE[::-1])])
MIXED = rows("unique_id,ds,y", [*(f"a,{line}" for line in lines(41)), *(f"b,{time},1" for time in HOURS)])
SPLIT = rows("date,time,y", [f"{time.replace(' ', ',')},{i}" for i, time in enumerate(HOURS)])
OFFSET_AND_ZONE = f"{OFFSET_FORMAT} {IN_BERLIN}"
NO_COMPACT_DAY = (
    "line 32, column 'ds': '20240230' is not a time in the format %Y%m%d of the others ... 1 of 61 times are like this ... "
    "--time-unit step"
)
TEN_MINUTES_LATE = (
    "line 32, column 'ds': the times are not evenly spaced ... 2024-01-02 06:10:00 comes 1 hour 10 minutes after the last "
    "... --freq"
)
A_SECOND_LATE = "line 71, column 'ds' ... 2024-01-01 10:00:01 comes 1 hour 1 second after the last"
OFF = "is on another day of the month than most"

FORMATS: list[Row] = [
    ("bad text", at(20, "soon"), "", DATA, "line 20, column 'ds': 'soon' is not a time"),
    ("now", at(20, "now"), "", DATA, "line 20 ... 'now' is not a time"),
    ("today", at(20, "today"), "", DATA, "line 20 ... is not a time"),
    ("30 February", at(31, "2024-02-30"), "", DATA, "line 31 ... '2024-02-30' is not a time in the form 2024-01-31"),
    ("29 February of 2023", timed([*dates(58, "2023-01-01"), "2023-02-29"]), "", DATA, "line 60 ... '2023-02-29'"),
    ("month 13", at(31, "2024-13-01"), "", DATA, "line 31 ... is not a time"),
    ("25 o'clock", at(42, "2024-01-02 25:00:00", HOURS), "", DATA, "line 42 ... is not a time"),
    ("an empty time", at(20, ""), "", DATA, "line 20 ... is not a time ... 1 rows have no time"),
    ("a missing time", at(20, "NA"), "", DATA, "line 20 ... no time"),
    ("ambiguous order", TWELVE_DAYS, "", DATA, "fit more than one format ... %d/%m/%Y ... --time-format"),
    ("ambiguous dots", TWELVE_DAYS.replace("/", "."), "", DATA, "fit more than one format ... --time-format"),
    ("two digits for day or year", timed(written("%y-%m-%d")[:28]), "", DATA, "more than one"),
    ("day first, told by one day", timed(written("%d/%m/%Y")), "", DONE, "read as %d/%m/%Y"),
    ("month first, told by one day", timed(written("%m/%d/%Y")), "", DONE, "read as %m/%d/%Y"),
    ("day first, by option", TWELVE_DAYS, "--time-format %d/%m/%Y", DONE, "daily"),
    ("month first, by option", TWELVE_DAYS, "--time-format %m/%d/%Y", DONE, "month"),
    ("German dates", timed(written("%d.%m.%Y")), "", DONE, "%d.%m.%Y"),
    ("slashed ISO", timed(written("%Y/%m/%d")), "", DONE, ""),
    ("words", timed(written("%d %b %Y")), "", DONE, "%d %b %Y"),
    ("an American date", timed(written('"%B %d, %Y"')), "", DONE, ""),
    ("12 o'clock", timed(written("%m/%d/%Y %I:%M %p", 24 * 14, "h")), "", DONE, "hourly"),
    ("compact days", timed(written("%Y%m%d")), "", DONE, "read as dates"),
    ("compact seconds", timed(written("%Y%m%dT%H%M%S", step="h")), "", DONE, ""),
    ("ISO with T", timed(written("%Y-%m-%dT%H:%M:%S", step="h")), "", DONE, ""),
    ("mixed formats", at(40, "08/02/2024"), "", DATA, "line 40 ... '08/02/2024' is not a time in the form 2024-01-31"),
    (
        "a format that fits nothing",
        PLAIN,
        "--time-format %d/%m/%Y",
        DATA,
        "line 2 ... %d/%m/%Y. ... or the --time-format.",
    ),
    ("an unknown format", PLAIN, "--time-format %Q", USAGE, "--time-format"),
    ("a format without fields", PLAIN, "--time-format abc", USAGE, "names no year"),
    ("a format without year", PLAIN, "--time-format %d", USAGE, "names no year"),
    ("ISO weeks", timed([f"2024-W{week:02}" for week in range(1, 53)]), "", DONE, "weekly"),
    ("ISO week 53 of 2023", timed([f"2023-W{i:02}" for i in range(1, 54)]), "", DATA, "line 54 ... 2024-W05"),
    ("quarters first", timed([f"Q{i % 4 + 1} {2000 + i // 4}" for i in range(NUM)]), "", DONE, "quarterly"),
    ("quarters", timed([f"{2000 + i // 4}Q{i % 4 + 1}" for i in range(NUM)]), "", DONE, "quarterly"),
    ("days with two digits", timed(written("%y%m%d")), "", DATA, "240101 ... --time-format %y%m%d or --time-unit step"),
    ("days with two digits, by option", timed(written("%y%m%d")), "--time-format %y%m%d", DONE, "daily"),
    ("days of two years", timed(written("%Y%j", 400)), "", DATA, "2024001 ... --time-format %Y%j"),
]

ZONES: list[Row] = [
    ("ISO with Z", timed(written("%Y-%m-%dT%H:%M:%SZ", step="h")), "", DONE, "offset +00:00"),
    ("one offset", timed([time + "+02:00" for time in HOURS]), "", DONE, "offset +02:00"),
    ("days of one offset", timed([f"{day}T00:00+01:00" for day in dates(9)]), "", DONE, "+01:00 ... daily"),
    ("two offsets", timed(TWO_OFFSETS), "", WARNED, "+01:00, +02:00); they were converted to UTC"),
    ("offset on one time", at(9, HOURS[7] + "Z", HOURS), "", DATA, "line 9 ... without offset"),
    ("no offset on one time", at(9, HOURS[7], [t + "Z" for t in HOURS]), "", DATA, "line 9 ... with an offset"),
    (
        "a format, one offset",
        timed(written(f"{CLOCK} +0200", step="h")),
        OFFSET_FORMAT,
        DONE,
        "2024-01-01 00:00:00+02:00",
    ),
    ("a format, two offsets", timed(TWO_FORMATTED), OFFSET_FORMAT, WARNED, "1 time steps have no row"),
    (
        "a format and a zone",
        timed(written(f"{CLOCK} +0100", step="h")),
        OFFSET_AND_ZONE,
        DONE,
        "2024-01-01 00:00:00+01:00",
    ),
    ("a zone for steps", steps(0), IN_BERLIN, USAGE, "--timezone does not fit"),
    ("an unknown zone", PLAIN, "--timezone Mars/Base", USAGE, "--timezone 'Mars/Base'"),
    ("a clock that goes back", timed(AUTUMN), IN_BERLIN, DONE, "clock of Europe/Berlin ... hourly"),
    ("a clock that goes back, no zone", timed(AUTUMN), "", DATA, "same time ... --timezone"),
    ("a clock that goes forward", timed(SPRING), IN_BERLIN, DONE, "clock of Europe/Berlin ... hourly"),
    ("a clock that goes forward, no zone", timed(SPRING), "", WARNED, "1 time steps have no row"),
    (
        "a skipped hour",
        timed(dates(50, "2024-03-30", "h")),
        IN_BERLIN,
        DATA,
        "line 28 ... does not exist in Europe ... --utc",
    ),
    ("local days with their offsets", timed(local(90)), "", DONE, f"{OF_BERLIN} ... daily"),
    ("local weeks with their offsets", timed(local(60, days=7)), "", DONE, f"{OF_BERLIN} ... weekly"),
    ("local months with their offsets", timed(LOCAL_MONTHS), "", DONE, f"{OF_BERLIN} ... monthly"),
    ("local quarters of a day", timed(local(400, days=0, hours=6)), "", DONE, f"{OF_BERLIN} ... every 6 hours"),
    ("local days in Unix seconds", timed(LOCAL_SECONDS), "", DATA, f"{CLOCKS_CHANGE} Europe/Berlin"),
    ("local days of a zone", timed(dates(100)), IN_BERLIN, DONE, "clock of Europe/Berlin ... daily"),
    ("local days and --freq", timed(local(90)), "--freq D", DONE, "daily"),
    ("local days in UTC", timed([f"{time}Z" for time in IN_UTC]), "", DATA, f"{CLOCKS_CHANGE} Europe/Berlin"),
    ("local days in UTC, by option", timed([f"{time}Z" for time in IN_UTC]), IN_BERLIN, DONE, "daily"),
    (
        "local days in bare UTC",
        timed([str(time) for time in IN_UTC]),
        "",
        DATA,
        f"{CLOCKS_CHANGE} Europe/Berlin and --utc",
    ),
    (
        "local days in bare UTC, by option",
        timed([str(time) for time in IN_UTC]),
        f"{IN_BERLIN} --utc",
        DONE,
        "2024-02-01 00:00:00+01:00",
    ),
    ("local seconds, by option", timed(LOCAL_SECONDS), IN_BERLIN, DONE, "daily"),
    ("a contradicting --freq of a zone", timed(local(90)), "--freq W", USAGE, "--freq 7D ... contradicts"),
    ("local days as dates", timed([time[:10] for time in local(90)]), "", DONE, "daily"),
    ("a far future with clocks", timed(FAR_CLOCKS), "", DATA, "23 hours (1 times) ... where clocks change"),
]

NUMBERS: list[Row] = [
    ("months of one year as numbers", timed([f"2024{month:02}" for month in range(1, 13)]), "", DONE, "monthly"),
    ("months as numbers", timed(MONTH_NUMBERS), "", DONE, "monthly"),
    ("months of two years with a gap", timed(["201911", "201912", "202001", "202002"]), "", DONE, "monthly"),
    ("a month 13 among numbers", at(14, "202113", MONTH_NUMBERS), "", DATA, "line 14, column 'ds': '202113' ... %Y%m"),
    ("hours in digits", timed(written("%Y%m%d%H", step="h")), "", DONE, "read as dates, such as 2024-01-01 ... hourly"),
    ("minutes in digits", timed(written("%Y%m%d%H%M", step="m")), "", DONE, "read as dates ... every minute"),
    ("seconds in digits", timed(written("%Y%m%d%H%M%S", step="s")), "", DONE, "read as dates ... every second"),
    ("a 30 February among numbers", at(32, "20240230", written("%Y%m%d")), "", DATA, NO_COMPACT_DAY),
    ("a step index", steps(0), "", DONE, "counts steps (0 to 60)"),
    ("a step index that begins at 1", steps(1), "", DONE, "counts steps"),
    ("a step index by ten", steps(0, by=10), "", DONE, "counts steps"),
    ("negative steps", steps(-30), "", DONE, "counts steps (-30 to 30)"),
    ("steps that begin like dates", steps(20_240_101, num_rows=300), "", DONE, "counts steps"),
    ("steps of six digits", steps(240_101, num_rows=161), "", DONE, "counts steps"),
    ("huge steps", steps(0, by=10**17), "", DONE, "counts steps"),
    ("numbers beyond 64 bits", steps(2**63), "", DATA, "time"),
    ("Excel day numbers", steps(45_292), "", DATA, "45292 may be day numbers of Excel, or steps ... --time-unit excel"),
    ("Excel day numbers, by option", steps(45_292), "--time-unit excel", DONE, "2024-01-01"),
    ("steps like Excel's, by option", steps(45_292), "--time-unit step", DONE, ""),
    ("Excel day fractions", timed([f"{45_292 + i / 24:.5f}" for i in range(NUM)]), "", DATA, "Excel day numbers"),
    ("days since 1970", steps(19_723), "--time-unit day", DONE, "2024-01-01"),
    ("days beyond the calendar", steps(10**12), "--time-unit day", DATA, "outside the years"),
    ("Unix seconds", steps(1_704_067_200, by=3600), "", DONE, "Unix seconds"),
    ("Unix milliseconds", steps(1_704_067_200_000, by=3_600_000), "", DONE, "Unix milliseconds"),
    ("Unix seconds, by option", steps(1_704_067_200, by=3600), "--time-unit s", DONE, "2024-01-01"),
    ("small seconds, by option", steps(0, by=60), "--time-unit s", DONE, "1970"),
    ("an unknown unit", steps(0), "--time-unit fortnight", USAGE, "--time-unit 'fortnight' is not one of"),
    ("an unknown unit for dates", PLAIN, "--time-unit fortnight", USAGE, "--time-unit"),
    ("a unit for texts", PLAIN, "--time-unit s", DATA, "is not a whole number, as --time-unit"),
]

FREQUENCIES: list[Row] = [
    ("three centuries of days", timed(dates(120_000, "1700-01-01")), "", DONE, "daily"),
    ("months", timed(dates(NUM, "2015-01", "M")), "", DONE, "monthly"),
    ("months without day", timed([time[:7] for time in dates(NUM, "2015-01", "M")]), "", DONE, "monthly"),
    ("years", timed([f"{1900 + i}-01-01" for i in range(NUM)]), "", DONE, "yearly"),
    ("month ends", timed(MONTH_ENDS), "", DONE, "monthly"),
    ("quarter ends", timed(QUARTER_ENDS), "", DONE, "quarterly"),
    ("weeks", timed(dates(NUM, "2024-01-03", "W")), "", DONE, "weekly"),
    ("business days", timed([d for d in dates(90) if np.is_busday(np.datetime64(d))]), "", DONE, "business"),
    ("a leap day", timed(dates(NUM, "2024-02-01")), "", DONE, "daily"),
    ("quarter hours", timed(dates(97, step="m", every=15)), "", DONE, "15"),
    ("tenths of a second", timed([f"2024-01-01 00:00:{i // 10:02}.{i % 10}" for i in range(NUM)]), "", DONE, "100"),
    ("the year 1500", timed([f"{1500 + i}-01-01" for i in range(NUM)]), "", DONE, "yearly"),
    ("the year 3000", timed(dates(NUM, "3000-01-01")), "", DONE, "3000"),
    ("a typo year", at(40, "2204-02-08"), "", DATA, "jumps from ... 2204-02-08 ... mistyped"),
    ("a typo year at the end", at(62, "2204-03-01"), "", DATA, "line 62, column 'ds' ... jumps"),
    ("steps of nanoseconds", timed(NANOSECONDS), "", DATA, "finer than a microsecond"),
    ("a typo year in microseconds", at(40, "2204-01-01 00:00:00.0", MICROSECONDS), "", DATA, "jump"),
    ("a typo year in hours", at(40, "2204-01-02 14:00:00", HOURS), "", DATA, "jumps from ... mistyped"),
    ("a typo year of the past", at(2, "1024-01-01"), "", DATA, "1024-01-01 ... jumps"),
    ("disorder", rows("ds,y", [*lines(NUM)[30:], *lines(NUM)[:30]]), "", WARNED, "rows were sorted by time"),
    ("newest first", rows("ds,y", lines(NUM)[::-1]), "", WARNED, "rows were sorted by time"),
    ("exact duplicates", rows("ds,y", sorted(lines(NUM) + lines(9))), "", WARNED, "9 rows repeat another row exactly"),
    ("conflicting duplicates", CONFLICTING, "", DATA, "same time occurs with different values ... 2024-01-20 ... --id"),
    ("covariates that differ", DIFFERING, COVERED, DATA, "line 63 ... 2024-03-01 ('p' 1 on line 62, 2 on line 63)"),
    ("duplicates of a wide table", WIDE_TWICE, "", DATA, "2024-03-01 (60 on line 62, 777 on line 63)"),
    ("gaps", rows("ds,y", lines(NUM)[:20] + lines(NUM)[24:]), "", WARNED, "4 time steps have no row, first 2024-01-21"),
    ("irregular times", timed(IRREGULAR), "", DATA, "not evenly spaced ... times)"),
    ("a fiscal calendar", timed(FISCAL), "", DATA, "4 weeks (20 times), 5 weeks (9 times) ... number them (1, 2"),
    ("last business days", timed(BUSINESS_MONTH_ENDS), "", DATA, "4 weeks ... number them"),
    ("one time off the grid", at(32, "2024-01-02 06:10:00", HOURS), "", DATA, TEN_MINUTES_LATE),
    ("one time off the grid of the second series, unsorted", SECOND_LATE, "", DATA, A_SECOND_LATE),
    ("a month on day 2", at(32, "2020-07-02", dates(48, "2018-01", "M")), "", DATA, f"line 32 ... 2020-07-02 {OFF}"),
    ("a month end without leap day", at(3, "2024-02-28", MONTH_ENDS), "", DATA, f"line 3, ... 2024-02-28 {OFF}"),
    ("mixed frequencies", MIXED, "", DATA, "different frequencies ... 'a' has a row every 1 day"),
    ("clock times beside", SPLIT, "", DATA, "column 'time' holds times of day ... Join both into one column"),
    ("a frequency that contradicts", PLAIN, "--freq W", USAGE, "--freq"),
    ("a frequency in months that contradicts", PLAIN, "--freq MS", USAGE, "month"),
    ("an unknown frequency", PLAIN, "--freq often", USAGE, "--freq ... 'often'"),
    ("a frequency of nothing", PLAIN, "--freq 0D", USAGE, "--freq"),
    ("a frequency too long", PLAIN, f"--freq {'9' * 30}D", USAGE, "--freq"),
    ("a frequency that fits", PLAIN, "--freq D", DONE, ""),
    ("a finer frequency that multiplies", PLAIN, "--freq s", DATA, "filling the gaps would make"),
]


@each_of(FORMATS, ZONES, NUMBERS, FREQUENCIES)
def test_each_hazard_of_times_gets_what_it_must(hazard: Row, tmp_path: Path) -> None:
    meet(hazard, tmp_path)
