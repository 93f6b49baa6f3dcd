"""Hazards of columns, numbers and names."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.reliability.hazards import (
    DATA,
    DONE,
    USAGE,
    WARNED,
    Row,
    daily,
    dates,
    each_of,
    expect,
    lines,
    meet,
    orderly,
    panel,
    rows,
    values,
)
from tests.running import wave

PLAIN = daily()
WITH_PRICE = rows("ds,y,price,shop", [f"{line},{i % 7},s" for i, line in enumerate(lines(61))])
TWO_IDS = rows("u,v,ds,y", [f"{i % 2}x,{i % 3}z,{line}" for i in range(6) for line in lines(41)])
EMPTY_SECOND = panel(["a"]) + rows("", [f"b,{day}," for day in dates(41)])[1:]
TWO_TARGETS = rows("u,ds,p,q", [f"a,{day},1,2" for day in dates(61)])


def numbers(texts: Sequence[str], header: str = "ds,y") -> str:
    """A daily table of these numbers, separated as its header is."""
    return rows(header, [f"{day}{header[2]}{text}" for day, text in zip(dates(len(texts)), texts, strict=True)])


def covered(cells: Sequence[str], name: str = "p") -> str:
    """A daily table with a covariate."""
    return rows(f"ds,y,{name}", [f"{line},{cell}" for line, cell in zip(lines(len(cells)), cells, strict=True)])


DECORATED = "Remove currency, percent and thousands signs."
PLAIN_DIGITS = "Write it with the digits 0 to 9, a point, and a minus sign in front."
DECIMAL_COMMAS = numbers([str(v).replace(".", ",") for v in wave(61)], "ds;y")
TWO_DECIMALS = rows("ds;a;b", [f"{day};{i},5;{i}.5" for i, day in enumerate(dates(61))])

COLUMNS: list[Row] = [
    ("missing target", WITH_PRICE, "--target prize", DATA, "no target column 'prize' ... Did you mean 'price'?"),
    ("missing time", WITH_PRICE, "--time DS", DATA, "no time column 'DS' ... Did you mean 'ds'?"),
    ("missing id", WITH_PRICE, "--id store", DATA, "no id column 'store' ... Columns are 'ds', 'y'"),
    ("missing known", WITH_PRICE, "--known pricee", DATA, "no known covariate column 'pricee' ... 'price'"),
    ("missing past", WITH_PRICE, "--past q", DATA, "no past covariate column 'q' ... Columns are"),
    ("missing static", WITH_PRICE, "--static q", DATA, "no static covariate column 'q' ... Columns are"),
    ("duplicate target", covered(["1"] * 61, "y"), "", DATA, "'y' more than once ... fields 2, 3"),
    ("duplicate time", rows("ds,ds,y", [f"{day},{day},1" for day in dates(61)]), "", DATA, "'ds' more than once"),
    ("unnamed index column", rows(",ds,y", [f"{i},{line}" for i, line in enumerate(lines(61))]), "", DONE, ""),
    ("two unnamed columns", rows(",,ds,y", [f"{i},x,{line}" for i, line in enumerate(lines(61))]), "", DONE, "Unnamed"),
    ("no header", rows(lines(1)[0], lines(61)[1:]), "", DATA, "line 1 ... first line is data, not column names"),
    ("headless panel", rows("a," + lines(1)[0], [f"a,{line}" for line in lines(61)]), "", DATA, "Add a header line"),
    ("no header, numbers", rows("1,5", [f"{i},{i % 7}" for i in range(2, 61)]), "", DATA, "is data, not column names"),
    ("target is time", PLAIN, "--target ds --time ds", USAGE, "'ds' has two roles"),
    ("target is id", WITH_PRICE, "--target shop --id shop", USAGE, "'shop' has two roles"),
    ("known is target", WITH_PRICE, "--target y --known y", USAGE, "'y' has two roles"),
    ("a time as target", PLAIN, "--target ds", DATA, "'ds'"),
    ("text as target", WITH_PRICE, "--target shop", DATA, "'shop' ... 's' is not a number ... line 2"),
    ("header repeated", daily(61, {30: "ds,y"}), "", DATA, "line 30 ... repeats the header"),
    ("header repeated, panel", panel(["a"]) + panel(["b"]), "", DATA, "line 43 ... repeats the header"),
    ("several times", rows("a,b,y", [f"{day},{day},1" for day in dates(61)]), "", DATA, "may be the time: 'a', 'b'"),
    ("several targets", TWO_TARGETS.replace("u,", "unique_id,", 1), "", DATA, "'p', 'q'. Say which with --target"),
    ("several ids", TWO_IDS, "", DATA, "may name the series: 'u', 'v'. Say which with --id u, or join ... --id u,v"),
    ("two ids joined", TWO_IDS, "--id u,v", DONE, "6"),
    ("long and wide", TWO_TARGETS, "--id u --target p,q", USAGE, "column 'u': a table is either long or wide. Give"),
    ("unused columns", WITH_PRICE, "", DONE, "columns not used: 'price'"),
    ("wide", covered("12345" * 12).replace("y,p", "a,b"), "", DONE, "2 series from columns"),
    ("a header with spaces", rows("ds, y", lines(61)), "", DONE, "target column ' y'"),
    ("the target first", rows("y,ds", [f"{v},{d}" for d, v in zip(dates(61), wave(61), strict=True)]), "", DONE, ""),
    ("upper case", rows("Date,Sales", lines(61)), "", DONE, "time column 'Date', target column 'Sales'"),
    ("one column", rows("y", [str(v) for v in wave(61)]), "", DATA, "no time column ... 'y'. Name it with --time"),
    ("a static that changes", WITH_PRICE, "--static price --target y", DATA, "must not change within a series"),
    ("a bare word as covariate", WITH_PRICE, "--known shop --target y", DONE, ""),
    ("due dates", covered(["2024-01-01"] * 61, "due"), "--known due --time ds", DATA, "cannot be of type time"),
]

NUMBERS: list[Row] = [
    ("text", values({57: "abc"}), "", DATA, "line 57, column 'y': 'abc' is not a number ... add --na-value abc"),
    ("text that means missing", values({57: "abc"}), "--na-value abc", WARNED, "1 of 61"),
    ("text on row 30,001", values({30_002: "x"}, 30_100), "", DATA, "line 30002 ... 'x' is not a number"),
    ("seven texts", values(dict.fromkeys(range(10, 17), "bad")), "", DATA, "line 10 ... 'bad' on line 11 ... 7 such"),
    ("a letter O for 0", values({9: "1O"}), "", DATA, "line 9 ... '1O' is not a number"),
    *(
        (f"missing as {word!r}", values({33: word}), "", WARNED, "1 of 61 target values are missing")
        for word in ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A", "<NA>", " ")
    ),
    *(
        (f"a stranger's missing {word!r}", values({33: word}), "", DATA, "line 33 ... is not a number ... --na-value")
        for word in ("?", "missing", "n.a.")
    ),
    ("a dash", values({33: "-"}), "", DATA, "line 33 ... is not a number ... add --na-value '-'."),
    ("two words for missing", values({33: "?", 35: "-"}), "--na-value '?' --na-value -", WARNED, "2 of 61"),
    ("a number that means missing", values({33: "-999.5"}), "--na-value -999.5", WARNED, "1 of 61"),
    ("a whole number that means missing", values({33: "-999"}), "--na-value -999", WARNED, "1 of 61"),
    ("-999 and -999.0", values({33: "-999.0", 40: "-999"}), "--na-value -999", WARNED, "2 of 61"),
    ("-9,50", DECIMAL_COMMAS.replace("50,0", "-9,50", 1), "--na-value -9,5 --decimal ,", WARNED, "1 of 61"),
    ("thousands", numbers([f"{i},234" for i in range(1, 62)], "ds;y"), "", DATA, "or with a comma between thousands"),
    ("quoted thousands", numbers([f'"{i},234"' for i in range(1, 62)]), "", DATA, "thousands signs"),
    ("currency", numbers([f"${v}" for v in wave(61)]), "", DATA, "line 2 ... 61 such values ... currency"),
    ("quoted prices", numbers([f'"$1,{i:03}.50"' for i in range(61)]), "", DATA, f"line 2, column 'y' ... {DECORATED}"),
    ("a column of percents", numbers([f"{i} %" for i in range(61)]), "", DATA, f"line 2 ... '0 %' ... {DECORATED}"),
    ("a column of brackets", numbers([f"({i})" for i in range(61)]), "", DATA, f"line 2 ... {PLAIN_DIGITS}"),
    ("two decimal marks", TWO_DECIMALS, "", DATA, "line 2, column 'a': '0,5' ... comma needs --decimal ,"),
    ("a fifth is words", numbers(["n/d", "1", "2", "3", "4"] * 13), "", DATA, "'n/d' is not a number ... 13 such"),
    ("currency in one row", values({12: "$5"}), "", DATA, "line 12 ... currency"),
    ("percent in one row", values({12: "5%"}), "", DATA, "line 12 ... percent"),
    ("a space between thousands", values({12: "1 234"}), "", DATA, "line 12 ... thousands"),
    ("an apostrophe between thousands", values({12: "1'234"}), "", DATA, "line 12 ... thousands"),
    ("hexadecimal", values({12: "0x1F"}), "", DATA, "line 12 ... is not a number"),
    ("underscores", values({12: "1_000"}), "", DATA, "line 12 ... is not a number"),
    ("Arabic digits", values({12: "٣٤"}), "", DATA, "line 12 ... is not a number"),
    *(
        (f"{text!r} as a number", values({12: text}), "", DATA, f"line 12 ... is not a number ... {PLAIN_DIGITS}")
        for text in ("(12)", "12-", "\u22125")
    ),
    *(
        (f"{text!r} as a number", values({12: text}), "", DATA, "line 12 ... is not a number ... Write 1 and 0.")
        for text in ("True", "true", "No")
    ),
    ("decimal commas", DECIMAL_COMMAS, "", WARNED, "read with a decimal comma"),
    ("decimal commas that are announced", DECIMAL_COMMAS, "--decimal ,", DONE, ""),
    ("decimal commas in quotes", numbers([f'"{v}"'.replace(".", ",") for v in wave(61)]), "--decimal ,", DONE, ""),
    ("a point", numbers(["1,5"] * 60 + ["1.5"], "ds;y"), "--decimal ,", DATA, "line 62 ... '1.5' is not a number"),
    ("a decimal mark that is none", PLAIN, "--decimal x", USAGE, "--decimal 'x' is no decimal mark"),
    *(
        (f"infinite as {word}", values({20: word}), "", DATA, "line 20 ... is not a finite number ... orrect the value")
        for word in ("inf", "-inf", "Infinity", "+INF", "1e999", "-1e400")
    ),
    ("1e300", numbers([f"{1 + i % 7}e300" for i in range(61)]), "", DONE, ""),
    ("beyond 64 bits", numbers([str(2**70 + i % 7) for i in range(61)]), "", DONE, ""),
    ("tiny", numbers([f"{1 + i % 7}e-310" for i in range(61)]), "", DONE, ""),
    ("an outlier", values({40: "1e12"}), "", DONE, ""),
    ("a wave on a billion", numbers([str(1_000_000_000 + v) for v in wave(61)]), "", DONE, ""),
    ("constant", numbers(["5"] * 61), "", DONE, ""),
    ("zero", numbers(["0"] * 61), "", DONE, ""),
    ("signs and exponents", values({5: "+3", 6: "-4e0", 7: "5E+00", 8: ".5", 9: "5."}), "", DONE, ""),
    ("padded numbers", values({5: "  7  "}), "", DONE, ""),
    ("all missing", numbers([""] * 61), "", DATA, "every value is missing. Name another column with --target"),
    ("all missing, named", numbers(["NA"] * 61), "--target y", DATA, "every value is missing"),
    ("holes", values(dict.fromkeys((10, 11, 30, 44), "")), "", WARNED, "4 of 61 target values ... they are masked"),
    ("leading missing", values(dict.fromkeys(range(2, 8), "")), "", WARNED, "6 of 61"),
    ("trailing missing", values(dict.fromkeys(range(56, 63), "")), "", WARNED, "7 of 61"),
    ("one empty series", EMPTY_SECOND, "", WARNED, "1 series have no value at all: 'b'"),
]

NO_ID = "1 rows have an empty id; they are read as a series named ''"
STRANGE = {
    "markup": "[bold red]x[/bold red]",
    "half markup": "[/]",
    "emoji code": ":smile:",
    "emoji": "🙂",
    "ANSI": "\x1b[31mred",
    "bell": "a\x07b",
    "right to left": "abc\u202edef",
    "zero width": "a\u200bb",
    "formula": "=HYPERLINK(1)",
    "plus formula": "+1+1",
    "at formula": "@SUM(1)",
    "path": "../../etc/passwd",
    "device": "/dev/null",
    "007": "007",
    "1e5": "1e5",
    "a date": "2024-01-01",
    "padded": "  padded  ",
    "2,000 letters": "n" * 2000,
    "template": "{0.__class__} %s %n",
    "shell": "$(touch marker); `touch marker`",
    "backslash": "a\\nb",
    "inf": "inf",
    "True": "True",
}
NAMES: list[Row] = [
    *((f"a series named {name}", panel(["plain", text]), "", DONE, "2") for name, text in STRANGE.items()),
    *(
        (f"a column named {name}", rows(f"ds,{text}", lines(61)), "", DONE, "daily")
        for name, text in STRANGE.items()
        if name not in ("007", "1e5", "a date")
    ),
    ("a newline in a series name", panel(["plain", '"a\nb"']), "", DONE, "2"),
    ("a comma in a series name", panel(["plain", '"a,b"']), "", DONE, "2"),
    ("quotes in a series name", panel(["plain", '"a""b"']), "", DONE, "2"),
    ("a series named NA", panel(["plain", "NA"]), "", DONE, "2"),
    ("a series named null", panel(["plain", "null"]), "", DONE, "2"),
    ("rows without an id", panel(["a", "b"]).replace("b,2024-01-05", ",2024-01-05"), "", WARNED, NO_ID),
    ("a series without a name", panel(["plain", '""']), "", WARNED, "2 ... 41 rows have an empty id"),
    ("a series with a blank name", panel(["plain", " "]), "", DONE, "2"),
    ("series that differ in case and blanks", panel(["a", "A", "a "]), "", DONE, "3"),
    ("whole numbers as names stay apart", panel(["7", "07", "007"]), "", DONE, "3"),
    ("fractions as names stay apart", panel(["1.0", "1.00", "1"]), "", DONE, "3"),
]

NOT_A_CATEGORY = "'x' is not a number ... If the column names categories, none of them may be a number"
COVERED = "--known p --target y"
COVARIATES: list[Row] = [
    ("one bad number in a covariate", covered([*map(str, range(60)), "x"]), COVERED, DATA, "line 62, column 'p'"),
    ("one word in a covariate of few values", covered(["0", "1"] * 30 + ["x"]), COVERED, DATA, NOT_A_CATEGORY),
    ("words and some numbers", covered(["x", "1", "2"] * 21), COVERED, DONE, "categories, with their number: 'p' (3)"),
    ("a covariate with holes", covered(["1", "", "2"] * 21), COVERED, WARNED, "21 of 63 values of covariate 'p'"),
    ("a covariate without any value", covered([""] * 61), COVERED, WARNED, "61 of 61 values"),
    ("an infinite covariate", covered(["1"] * 60 + ["inf"]), COVERED, DATA, "line 62 ... is not a finite number"),
    ("a covariate of words", covered(["a", "b"] * 31), COVERED, DONE, "read as categories, with their number: 'p' (2)"),
    ("a word that is missing", covered(["a", "b", "NA"] * 21), COVERED, WARNED, "count as an unknown category"),
    ("a covariate beyond all others", covered(["1e300", "2", "3"] * 21), COVERED, DONE, ""),
]


@each_of(COLUMNS, NUMBERS, NAMES, COVARIATES)
def test_each_hazard_of_values_gets_what_it_must(hazard: Row, tmp_path: Path) -> None:
    meet(hazard, tmp_path)
    assert not Path("marker").exists()


@pytest.mark.parametrize(
    ("static", "words"),
    [
        (
            "shop;size\na;1\nb;2\n",
            ["static table: columns are separated by semicolon", "static table: id column 'shop'"],
        ),
        ("unique_id,size\na,1\nb,2\n", []),
    ],
)
def test_what_was_found_in_the_static_table_is_told(static: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(panel(["a", "b"]))
    (tmp_path / "static.csv").write_text(static)
    ran = orderly("check", tmp_path / "data.csv", "--static-file", tmp_path / "static.csv", "--static", "size")
    expect(ran, 0, ["daily", *words])
    assert ran.err.count("static table: ") == len(words)
