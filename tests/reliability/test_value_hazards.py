"""Hazards of columns, numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.reliability.hazards import (
    Hazard,
    daily,
    dates,
    error,
    lines,
    meet,
    panel,
    repaired,
    rows,
    values,
    works,
)
from tests.running import wave

PLAIN = daily()
WITH_PRICE = rows("ds,y,price,shop", [f"{line},{i % 7},s" for i, line in enumerate(lines(61))])


def numbers(texts: list[str]) -> str:
    return rows("ds,y", [f"{day},{text}" for day, text in zip(dates(len(texts)), texts, strict=True)])


def semicolons(texts: list[str]) -> str:
    return rows("ds;y", [f"{day};{text}" for day, text in zip(dates(len(texts)), texts, strict=True)])


COLUMNS = [
    error(
        "missing target", WITH_PRICE, "no target column 'prize'", "Did you mean 'price'?", options=("--target", "prize")
    ),
    error("missing time", WITH_PRICE, "no time column 'DS'", "Did you mean 'ds'?", options=("--time", "DS")),
    error("missing id", WITH_PRICE, "no id column 'store'", "Columns are 'ds', 'y'", options=("--id", "store")),
    error("missing known", WITH_PRICE, "no known covariate column 'pricee'", "'price'", options=("--known", "pricee")),
    error("missing past", WITH_PRICE, "no past covariate column 'q'", "Columns are", options=("--past", "q")),
    error("missing static", WITH_PRICE, "no static covariate column 'q'", "Columns are", options=("--static", "q")),
    error("duplicate target", rows("ds,y,y", [f"{line},1" for line in lines(61)]), "'y' more than once", "fields 2, 3"),
    error("duplicate time", rows("ds,ds,y", [f"{day},{day},1" for day in dates(61)]), "'ds' more than once"),
    works("unnamed index column", rows(",ds,y", [f"{i},{line}" for i, line in enumerate(lines(61))])),
    error(
        "two unnamed columns", rows(",,ds,y", [f"{i},x,{line}" for i, line in enumerate(lines(61))]), "Unnamed", code=0
    ),
    error("no header", rows(lines(1)[0], lines(61)[1:]), "line 1", "first line is data, not column names"),
    error("no header, long", rows("a," + lines(1)[0], [f"a,{line}" for line in lines(61)[1:]]), "is data, not column"),
    error("no header, numbers", rows("1,5", [f"{i},{i % 7}" for i in range(2, 61)]), "is data, not column names"),
    error("target is time", PLAIN, "'ds' has two roles", options=("--target", "ds", "--time", "ds"), code=2),
    error("target is id", WITH_PRICE, "'shop' has two roles", options=("--target", "shop", "--id", "shop"), code=2),
    error("known is target", WITH_PRICE, "'y' has two roles", options=("--target", "y", "--known", "y"), code=2),
    error("a time as target", PLAIN, "'ds'", options=("--target", "ds")),
    error("text as target", WITH_PRICE, "'shop'", "'s' is not a number", "line 2", options=("--target", "shop")),
    error("header repeated", daily(61, {30: "ds,y"}), "line 30", "repeats the header"),
    error(
        "header repeated in a long table",
        panel(["a", "b"]).replace("b,2024-01-01,50.0\n", "unique_id,ds,y\nb,2024-01-01,50.0\n"),
        "line 43",
        "repeats the header",
    ),
    error("several times", rows("a,b,y", [f"{day},{day},1" for day in dates(61)]), "may be the time", "--time"),
    error(
        "several targets", rows("unique_id,ds,p,q", [f"a,{d},1,2" for d in dates(61)]), "may be the target", "--target"
    ),
    error(
        "several ids",
        rows("u,v,ds,y", [f"{i % 2}x,{i % 3}z,{d},1" for i in range(6) for d in dates(41)]),
        "may name the series",
        "--id",
    ),
    works(
        "two ids joined",
        rows("u,v,ds,y", [f"{i % 2}x,{i % 3}z,{line}" for i in range(6) for line in lines(41)]),
        "6",
        options=("--id", "u,v"),
    ),
    error(
        "long and wide",
        rows("u,ds,p,q", [f"a,{d},1,2" for d in dates(61)]),
        "either long or wide",
        options=("--id", "u", "--target", "p,q"),
        code=2,
    ),
    works("unused columns", WITH_PRICE, "columns not used: 'price'"),
    works("wide", rows("ds,a,b", [f"{line},{i % 5}" for i, line in enumerate(lines(61))]), "2 series from columns"),
    works("a header with spaces", rows("ds, y", lines(61)), "target column ' y'"),
    works("columns in another order", rows("y,ds", [f"{v},{d}" for d, v in zip(dates(61), wave(61), strict=True)])),
    works("upper case", rows("Date,Sales", lines(61)), "time column 'Date', target column 'Sales'"),
    error("one column", rows("y", [str(v) for v in wave(61)]), "no time column was found"),
    error(
        "a static that changes",
        WITH_PRICE,
        "must not change within a series",
        options=("--static", "price", "--target", "y"),
    ),
    works("a bare word as covariate", WITH_PRICE, options=("--known", "shop", "--target", "y")),
    error(
        "a time as covariate",
        rows("ds,y,due", [f"{line},2024-01-01" for line in lines(61)]),
        "cannot be of type time",
        options=("--known", "due", "--time", "ds"),
    ),
]

NUMBERS = [
    error(
        "text",
        values({57: "abc"}),
        "line 57, column 'y': 'abc' is not a number",
        "add --na-value abc",
        options=("--target", "y"),
    ),
    repaired("text that means missing", values({57: "abc"}), "1 of 61", options=("--na-value", "abc")),
    error("text on row 30,001", values({30_002: "x"}, 30_100), "line 30002", "'x' is not a number"),
    error(
        "seven texts",
        values(dict.fromkeys(range(10, 17), "bad")),
        "line 10",
        "Also 'bad' on line 11",
        "7 such values in all",
    ),
    error("a letter O for 0", values({9: "1O"}), "line 9", "'1O' is not a number"),
    *(
        repaired(f"missing as {word!r}", values({33: word}), "1 of 61 target values are missing")
        for word in ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A", "<NA>", " ")
    ),
    *(
        error(f"a stranger's missing {word!r}", values({33: word}), "line 33", "is not a number", "--na-value")
        for word in ("-", "?", "missing", "n.a.")
    ),
    repaired(
        "two words for missing", values({33: "?", 35: "-"}), "2 of 61", options=("--na-value", "?", "--na-value", "-")
    ),
    repaired("a number that means missing", values({33: "-999.5"}), "1 of 61", options=("--na-value", "-999.5")),
    repaired("a whole number that means missing", values({33: "-999"}), "1 of 61", options=("--na-value", "-999")),
    error("thousands separators", semicolons([f"{i},234" for i in range(1, 62)]), "thousands", "--decimal"),
    error(
        "thousands separators in quotes",
        numbers([f'"{i},234"' for i in range(1, 62)]),
        "is not a number",
        "thousands signs",
    ),
    error("currency", numbers([f"${v}" for v in wave(61)]), "line 2", "is not a number", "61 such values", "currency"),
    error("currency in one row", values({12: "$5"}), "line 12", "currency"),
    error("percent in one row", values({12: "5%"}), "line 12", "percent"),
    error("a space between thousands", values({12: "1 234"}), "line 12", "thousands"),
    error("an apostrophe between thousands", values({12: "1'234"}), "line 12", "thousands"),
    error("hexadecimal", values({12: "0x1F"}), "line 12", "is not a number"),
    error("underscores", values({12: "1_000"}), "line 12", "is not a number"),
    error("Arabic digits", values({12: "٣٤"}), "line 12", "is not a number"),
    error("a Unicode minus", values({12: "\u22125"}), "line 12", "is not a number"),
    error("true and false", values({12: "True"}), "line 12", "is not a number"),
    repaired("decimal commas", semicolons([str(v).replace(".", ",") for v in wave(61)]), "read with a decimal comma"),
    works(
        "decimal commas that are announced",
        semicolons([str(v).replace(".", ",") for v in wave(61)]),
        options=("--decimal", ","),
    ),
    works(
        "decimal commas in quotes", numbers([f'"{v}"'.replace(".", ",") for v in wave(61)]), options=("--decimal", ",")
    ),
    error(
        "a point where commas are decimal",
        semicolons(["1,5"] * 60 + ["1.5"]),
        "line 62",
        "'1.5' is not a number",
        options=("--decimal", ","),
    ),
    error("a decimal mark that is none", PLAIN, "--decimal 'x' is no decimal mark", options=("--decimal", "x"), code=2),
    *(
        error(f"infinite as {word}", values({20: word}), "line 20", "is not a finite number")
        for word in ("inf", "-inf", "Infinity", "+INF", "1e999", "-1e400")
    ),
    works("1e300", numbers([f"{1 + i % 7}e300" for i in range(61)])),
    works("beyond 64 bits", numbers([str(2**70 + i % 7) for i in range(61)])),
    works("tiny", numbers([f"{1 + i % 7}e-310" for i in range(61)])),
    works("an outlier", values({40: "1e12"})),
    works("a wave on a billion", numbers([str(1_000_000_000 + v) for v in wave(61)])),
    works("constant", numbers(["5"] * 61)),
    works("zero", numbers(["0"] * 61)),
    works("signs and exponents", values({5: "+3", 6: "-4e0", 7: "5E+00", 8: ".5", 9: "5."})),
    works("padded numbers", values({5: "  7  "})),
    error("all missing", numbers([""] * 61), "every value is missing"),
    error("all missing, named", numbers(["NA"] * 61), "every value is missing", options=("--target", "y")),
    repaired(
        "holes", values(dict.fromkeys((10, 11, 30, 44), "")), "4 of 61 target values are missing; they are masked"
    ),
    repaired("leading missing", values(dict.fromkeys(range(2, 8), "")), "6 of 61"),
    repaired("trailing missing", values(dict.fromkeys(range(56, 63), "")), "7 of 61"),
    repaired(
        "one empty series",
        panel(["a"]) + rows("", [f"b,{d}," for d in dates(41)]).lstrip("\n"),
        "1 series have no value at all: 'b'",
    ),
    error(
        "a covariate with one bad number",
        rows("ds,y,p", [f"{line},{'x' if i == 50 else i}" for i, line in enumerate(lines(61))]),
        "line 52, column 'p'",
        options=("--known", "p", "--target", "y"),
    ),
]

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
NAMES = [
    *(works(f"a series named {name}", panel(["plain", text]), "2") for name, text in STRANGE.items()),
    *(
        works(f"a column named {name}", rows(f"ds,{text}", lines(61)), "daily")
        for name, text in STRANGE.items()
        if name not in ("007", "1e5", "a date")
    ),
    works("a newline in a series name", panel(["plain", '"a\nb"']), "2"),
    works("a comma in a series name", panel(["plain", '"a,b"']), "2"),
    works("quotes in a series name", panel(["plain", '"a""b"']), "2"),
    works("a series named NA", panel(["plain", "NA"]), "2"),
    works("a series named null", panel(["plain", "null"]), "2"),
    repaired("a series without a name", panel(["plain", '""']), "2", "41 rows have an empty id"),
    works("a series with a blank name", panel(["plain", " "]), "2"),
    works("series that differ in case and blanks", panel(["a", "A", "a "]), "3"),
    works("whole numbers as names stay apart", panel(["7", "07", "007"]), "3"),
    works("fractions as names stay apart", panel(["1.0", "1.00", "1"]), "3"),
]


def covered(cells: Sequence[str]) -> str:
    """A daily table with a covariate p."""
    return rows("ds,y,p", [f"{line},{cell}" for line, cell in zip(lines(len(cells)), cells, strict=True)])


COVERED = ("--known", "p", "--target", "y")
COVARIATES = [
    repaired(
        "a covariate with holes",
        covered(["1", "", "2"] * 21),
        "21 of 63 values of covariate 'p' are missing",
        options=COVERED,
    ),
    repaired("a covariate without any value", covered([""] * 61), "61 of 61 values", options=COVERED),
    error("an infinite covariate", covered(["1"] * 60 + ["inf"]), "line 62", "is not a finite number", options=COVERED),
    works(
        "a covariate of words",
        covered(["a", "b"] * 31),
        "read as categories, with their number: 'p' (2)",
        options=COVERED,
    ),
    repaired("a word that is missing", covered(["a", "b", "NA"] * 21), "count as an unknown category", options=COVERED),
    works("a covariate beyond all others", covered(["1e300", "2", "3"] * 21), options=COVERED),
]


@pytest.mark.parametrize("hazard", [*COLUMNS, *NUMBERS, *NAMES, *COVARIATES], ids=lambda hazard: hazard.name)
def test_each_hazard_of_values_gets_what_it_must(hazard: Hazard, tmp_path: Path) -> None:
    meet(hazard, tmp_path)
    assert not Path("marker").exists()
