"""Hazards of time columns, frequencies, sizes and options."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import seqcast.experiments.recorded_training  # noqa: F401  # loading it is no part of what a refusal may cost
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
    works,
)
from tests.running import wave

PLAIN = daily()
NUM = 61


def at(changes: dict[int, str], every: list[str] | None = None) -> str:
    """Daily times, those on the given file lines replaced."""
    moments = every or dates(NUM)
    for line, text in changes.items():
        moments[line - 2] = text
    return timed(moments)


def written(form: str, num_rows: int = NUM, step: str = "D", start: str = "2024-01-01") -> str:
    """Times in a strftime format."""
    origin = np.datetime64(start, "s")
    times = [(origin + np.timedelta64(i, step)).astype(object) for i in range(num_rows)]
    return timed([moment.strftime(form) for moment in times])


def steps(first: int, num_rows: int = NUM, by: int = 1, header: str = "t,y") -> str:
    return timed([str(first + i * by) for i in range(num_rows)], header)


BERLIN_AUTUMN = [*dates(50, "2024-10-26", "h")[:27], *dates(50, "2024-10-26", "h")[26:50]]
BERLIN_SPRING = [time for time in dates(50, "2024-03-30", "h") if time != "2024-03-31 02:00:00"]

TIMES = [
    error("bad text", at({20: "soon"}), "line 20, column 'ds': 'soon' is not a time"),
    error("now is no time", at({20: "now"}), "line 20", "'now' is not a time"),
    error("today is no time", at({20: "today"}), "line 20", "is not a time"),
    error("30 February", at({31: "2024-02-30"}), "line 31", "'2024-02-30' is not a time"),
    error("29 February of a common year", timed([*dates(58, "2023-01-01"), "2023-02-29"]), "line 60", "'2023-02-29'"),
    error("month 13", at({31: "2024-13-01"}), "line 31", "is not a time"),
    error("25 o'clock", timed([*dates(40, "2024-01-01", "h"), "2024-01-02 25:00:00"]), "line 42", "is not a time"),
    error("an empty time", at({20: ""}), "line 20", "is not a time", "1 rows have no time"),
    error("a missing time", at({20: "NA"}), "line 20", "no time"),
    error(
        "ambiguous order",
        timed([f"{day:02}/01/2024" for day in range(1, 13)]),
        "fit more than one format",
        "%d/%m/%Y",
        "--time-format",
    ),
    error(
        "ambiguous order with dots",
        timed([f"{day:02}.01.2024" for day in range(1, 13)]),
        "fit more than one format",
        "--time-format",
    ),
    works("day first, told by one day", written("%d/%m/%Y"), "read as %d/%m/%Y"),
    works("month first, told by one day", written("%m/%d/%Y"), "read as %m/%d/%Y"),
    works(
        "order that is given",
        timed([f"{day:02}/01/2024" for day in range(1, 13)]),
        "daily",
        options=("--time-format", "%d/%m/%Y"),
    ),
    works(
        "the other order that is given",
        timed([f"{day:02}/01/2024" for day in range(1, 13)]),
        "month",
        options=("--time-format", "%m/%d/%Y"),
    ),
    works("German dates", written("%d.%m.%Y"), "%d.%m.%Y"),
    works("slashed ISO", written("%Y/%m/%d")),
    works("words", written("%d %b %Y"), "%d %b %Y"),
    works("an American date", written('"%B %d, %Y"')),
    works("12 o'clock", written("%m/%d/%Y %I:%M %p", step="h", num_rows=24 * 14), "hourly"),
    works("compact days", written("%Y%m%d"), "read as dates"),
    works("compact seconds", written("%Y%m%dT%H%M%S", step="h")),
    works("ISO with T", timed([time.replace(" ", "T") for time in dates(NUM, step="h")])),
    repaired("ISO with Z", timed([t.replace(" ", "T") + "Z" for t in dates(NUM, step="h")]), "converted to UTC"),
    repaired("one offset", timed([time + "+02:00" for time in dates(NUM, step="h")]), "converted to UTC"),
    repaired(
        "two offsets",
        timed(
            [
                time + ("+02:00" if i < 30 else "+01:00")
                for i, time in enumerate(
                    dates(31, step="h")[:30] + dates(31, step="h")[29:30] + dates(NUM, step="h")[30:]
                )
            ]
        ),
        "converted to UTC",
    ),
    error("mixed formats", at({40: "08/02/2024"}), "line 40", "'08/02/2024' is not a time in the form 2024-01-31"),
    error(
        "offsets on some",
        timed([t + ("Z" if i == 7 else "") for i, t in enumerate(dates(NUM, step="h"))]),
        "line 9",
        "without offset",
    ),
    error(
        "offsets missing on some",
        timed([t + ("" if i == 7 else "Z") for i, t in enumerate(dates(NUM, step="h"))]),
        "line 9",
        "with an offset",
    ),
    error("a format that fits nothing", PLAIN, "line 2", "%d/%m/%Y", options=("--time-format", "%d/%m/%Y")),
    error("a format that is none", PLAIN, "--time-format", options=("--time-format", "%Q"), code=2),
    error("a format without fields", PLAIN, "names no year", options=("--time-format", "abc"), code=2),
    error("a format without year", PLAIN, "names no year", options=("--time-format", "%d"), code=2),
    error("a unit that is none, for dates", PLAIN, "--time-unit", options=("--time-unit", "fortnight"), code=2),
    error(
        "days beyond the calendar",
        timed([str(10**12 + i) for i in range(NUM)]),
        "outside the years",
        options=("--time-unit", "day"),
    ),
    error(
        "a zone for steps",
        timed([str(i) for i in range(NUM)]),
        "--timezone does not fit",
        options=("--timezone", "Europe/Berlin"),
        code=2,
    ),
    error("two digits for day or year", timed([time[2:] for time in dates(NUM, "2020-01-01")][:28]), "more than one"),
    works("months of one year as numbers", timed([f"2024{month:02}" for month in range(1, 13)]), "monthly"),
    works("months as numbers", timed([time[:7].replace("-", "") for time in dates(NUM, "2015-01", "M")]), "monthly"),
    works("ISO weeks", timed([f"2024-W{week:02}" for week in range(1, 53)]), "weekly"),
    error("an ISO week that is none", timed([f"2023-W{week:02}" for week in range(1, 54)]), "line 54", "2024-W05"),
    works("quarters first", timed([f"Q{i % 4 + 1} {2000 + i // 4}" for i in range(NUM)]), "quarterly"),
    works("three centuries of days", timed(dates(120_000, "1700-01-01")), "daily"),
    works("quarters", timed([f"{2000 + i // 4}Q{i % 4 + 1}" for i in range(NUM)]), "quarterly"),
    works("months", timed(dates(NUM, "2015-01", "M")), "monthly"),
    works("months without day", timed([time[:7] for time in dates(NUM, "2015-01", "M")]), "monthly"),
    works("years", timed([f"{1900 + i}-01-01" for i in range(NUM)]), "yearly"),
    works(
        "month ends",
        timed([str(d) for d in (np.datetime64("2015-02", "M") + np.arange(NUM)).astype("datetime64[D]") - 1]),
        "monthly",
    ),
    works(
        "quarter ends",
        timed([str(d) for d in (np.datetime64("2015-04", "M") + 3 * np.arange(NUM)).astype("datetime64[D]") - 1]),
        "quarterly",
    ),
    works("weeks", timed(dates(NUM, "2024-01-03", "W")), "weekly"),
    works("business days", timed([d for d in dates(90) if np.is_busday(np.datetime64(d))]), "business"),
    works("a leap day", timed(dates(NUM, "2024-02-01")), "daily"),
    works("quarter hours", timed(dates(97, step="m", every=15)), "15"),
    works("tenths of a second", timed([f"2024-01-01 00:00:{i // 10:02}.{i % 10}" for i in range(NUM)]), "100"),
    works("the year 1500", timed([f"{1500 + i}-01-01" for i in range(NUM)]), "yearly"),
    works("the year 3000", timed(dates(NUM, "3000-01-01")), "3000"),
    repaired(
        "a clock that goes back", timed(BERLIN_AUTUMN), "converted to UTC", options=("--timezone", "Europe/Berlin")
    ),
    error("a clock that goes back, no zone", timed(BERLIN_AUTUMN), "same time", "--timezone"),
    repaired(
        "a clock that goes forward", timed(BERLIN_SPRING), "converted to UTC", options=("--timezone", "Europe/Berlin")
    ),
    repaired("a clock that goes forward, no zone", timed(BERLIN_SPRING), "1 time steps have no row"),
    error(
        "an hour the clock skipped",
        timed(dates(50, "2024-03-30", "h")),
        "line 28",
        "does not exist in Europe/Berlin",
        options=("--timezone", "Europe/Berlin"),
    ),
    error("a zone nobody knows", PLAIN, "--timezone 'Mars/Base'", options=("--timezone", "Mars/Base"), code=2),
    error("a typo year", at({40: "2204-02-08"}), "jumps from", "2204-02-08", "mistyped"),
    error("a typo year in hours", at({40: "2204-01-02 14:00:00"}, dates(NUM, step="h")), "jumps from", "mistyped"),
    error("a typo year of the past", at({2: "1024-01-01"}), "1024-01-01", "jumps"),
    error(
        "a typo year in microseconds",
        at({40: "2204-01-01 00:00:00.0"}, [f"2024-01-01 00:00:00.{i:06}" for i in range(NUM)]),
        "jump",
    ),
    error(
        "steps of nanoseconds",
        timed([f"2024-01-01 00:00:00.{i:09}" for i in range(NUM)]),
        "finer than a microsecond",
    ),
    works("a step index", steps(0), "counts steps (0 to 60)"),
    works("a step index that begins at 1", steps(1), "counts steps"),
    works("a step index by ten", steps(0, by=10), "counts steps"),
    error("Excel day numbers", steps(45_292), "Excel", "--time-unit excel"),
    works("Excel day numbers, told", steps(45_292), "2024-01-01", options=("--time-unit", "excel")),
    works("steps like Excel's, told", steps(45_292), options=("--time-unit", "step")),
    error("Excel day fractions", timed([f"{45_292 + i / 24:.5f}" for i in range(NUM)], "time,y"), "Excel day numbers"),
    works("days since 1970", steps(19_723), "2024-01-01", options=("--time-unit", "day")),
    works("Unix seconds", steps(1_704_067_200, by=3600), "Unix seconds"),
    works("Unix milliseconds", steps(1_704_067_200_000, by=3_600_000), "Unix milliseconds"),
    works("Unix seconds, told", steps(1_704_067_200, by=3600), "2024-01-01", options=("--time-unit", "s")),
    works("small seconds, told", steps(0, by=60), "1970", options=("--time-unit", "s")),
    error(
        "a unit that is none",
        steps(0),
        "--time-unit 'fortnight' is not one of",
        options=("--time-unit", "fortnight"),
        code=2,
    ),
    error("a unit for texts", PLAIN, "--time-unit", options=("--time-unit", "s")),
    error("numbers beyond 64 bits", steps(2**63), "time"),
    works("huge steps", timed([str(i * 10**17) for i in range(NUM)], "t,y"), "counts steps"),
    repaired("disorder", rows("ds,y", [*lines(NUM)[30:], *lines(NUM)[:30]]), "rows were sorted by time"),
    repaired("newest first", rows("ds,y", lines(NUM)[::-1]), "rows were sorted by time"),
    repaired("exact duplicates", rows("ds,y", sorted(lines(NUM) + lines(9))), "9 rows repeat another row exactly"),
    error(
        "conflicting duplicates",
        rows("ds,y", sorted([*lines(NUM), "2024-01-20,1"])),
        "same time occurs with different values",
        "2024-01-20",
        "--id",
    ),
    repaired("gaps", rows("ds,y", lines(NUM)[:20] + lines(NUM)[24:]), "4 time steps have no row, first 2024-01-21"),
    error(
        "irregular",
        timed([f"2024-01-{1 + i:02} {h:02}:00:00" for i, h in enumerate([0, 5, 2, 9, 1, 7, 3, 20, 11, 4, 6, 23, 8])]),
        "not evenly spaced",
        "times)",
    ),
    error(
        "mixed frequencies",
        panel(["a"]) + "".join(f"b,{d} {h:02}:00:00,1\n" for d in dates(3) for h in range(24)),
        "different frequencies",
        "'a' has a row every 1 day",
    ),
    error("a frequency that contradicts", PLAIN, "--freq", options=("--freq", "W"), code=2),
    error("a frequency in months that contradicts", PLAIN, "month", options=("--freq", "MS"), code=2),
    error("a frequency that is none", PLAIN, "--freq", "'often'", options=("--freq", "often"), code=2),
    error("a frequency of nothing", PLAIN, "--freq", options=("--freq", "0D"), code=2),
    error("a frequency too long", PLAIN, "--freq", options=("--freq", "9" * 30 + "D"), code=2),
    works("a frequency that fits", PLAIN, options=("--freq", "D")),
    error("a finer frequency that multiplies", PLAIN, "filling the gaps would make", options=("--freq", "s")),
]

HUGE = "99999999999999999999"
SIZES = [
    *(
        error(f"horizon {value}", PLAIN, "horizon", options=("--horizon", value), code=2)
        for value in ("0", "-1", "abc", "1.5", HUGE, "100001", "nan", "")
    ),
    *(
        error(f"context {value}", PLAIN, "context", options=("--context", value), code=2)
        for value in ("0", "-7", "x", HUGE)
    ),
    error("a context longer than the data", PLAIN, "longest series has 61 steps", "need", options=("--context", "90")),
    error("a horizon longer than the data", PLAIN, "longest series has 61 steps", "need", options=("--horizon", "90")),
    error(
        "one row less than a window",
        daily(17),
        "the longest series has 17 steps",
        "need 18",
        options=("--context", "12", "--horizon", "3"),
    ),
    works("just a window", daily(18), options=("--context", "12", "--horizon", "3")),
    repaired(
        "a series too short",
        panel(["a"]) + "".join(f"b,{d},{v}\n" for d, v in zip(dates(9), wave(9), strict=True)),
        "1 of 2 series have fewer than",
        "'b'",
        options=("--context", "12", "--horizon", "3"),
    ),
    error(
        "every series too short",
        panel(["a", "b"], 9),
        "longest series has 9 steps",
        "need 18",
        options=("--context", "12", "--horizon", "3"),
    ),
    error("an option nobody knows", PLAIN, "No such option", options=("--horizonn", "3"), code=2),
    error("an option without value", PLAIN, "--horizon", options=("--horizon",), code=2),
    error("two tables", PLAIN, "unexpected extra argument", options=("other.csv",), code=2),
]


@pytest.mark.parametrize("hazard", [*TIMES, *SIZES], ids=lambda hazard: hazard.name)
def test_each_hazard_of_times_and_sizes_gets_what_it_must(hazard: Hazard, tmp_path: Path) -> None:
    meet(hazard, tmp_path)


TRAINING = [
    *(
        ((option, value), word)
        for option, value, word in (
            ("--hidden", "0", "hidden"),
            ("--hidden", "-3", "hidden"),
            ("--hidden", "x", "--hidden"),
            ("--hidden", "1000000000", "hidden"),
            ("--layers", "0", "layers"),
            ("--layers", "99", "layers"),
            ("--dropout", "1", "dropout"),
            ("--dropout", "-0.1", "dropout"),
            ("--dropout", "nan", "dropout"),
            ("--batch-size", "0", "batch_size"),
            ("--batch-size", "10000000000", "batch_size"),
            ("--max-steps", "0", "max_steps"),
            ("--max-steps", HUGE, "max_steps"),
            ("--learning-rate", "0", "learning_rate"),
            ("--learning-rate", "-1", "learning_rate"),
            ("--learning-rate", "inf", "learning_rate"),
            ("--learning-rate", "nan", "learning_rate"),
            ("--patience", "0", "patience"),
            ("--seed", "-1", "seed"),
            ("--seed", HUGE, "seed"),
            ("--validation-size", "0", "validation_size"),
            ("--validation-size", "1", "shorter than the horizon"),
            ("--test-size", "-1", "test_size"),
            ("--attention", "everywhere", "'everywhere'"),
            ("--score", "psychic", "'psychic'"),
            ("--loss", "regret", "'regret'"),
            ("--cell", "rnn", "'rnn'"),
            ("--decoding", "backwards", "'backwards'"),
            ("--precision", "float8", "'float8'"),
            ("--precision", "float16", "needs a GPU"),
            ("--device", "cuda:99", "cuda:99"),
            ("--device", "toaster", "device"),
            ("--config", "absent.toml", "no such configuration file"),
        )
    ),
]


@pytest.mark.parametrize(
    ("options", "word"), TRAINING, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_an_absurd_option_of_train_is_refused_before_anything_is_made(
    options: tuple[str, ...], word: str, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text(PLAIN)
    words = (
        "train",
        tmp_path / "data.csv",
        "--horizon",
        "3",
        "--context",
        "12",
        "--device",
        "cpu",
        "--run",
        tmp_path / "run",
    )
    tracemalloc.start()
    expect(orderly(*words, *options), 2, [word])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 2**20
    assert not (tmp_path / "run").exists()
