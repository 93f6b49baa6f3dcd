"""Every option that more than one command has, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqcast.errors import UsageError

Data = Annotated[str, typer.Argument(help="CSV (.gz, .zst), Parquet, or - for CSV on stdin.", show_default=False)]
OwnData = Annotated[
    str | None, typer.Argument(help="Another table with the same columns; default: the one the run was trained on.")
]
# What may not be read there is refused like any other run that cannot be used, not like a wrong option.
RunPath = Annotated[
    Path | None, typer.Option("--run", readable=False, help="Run directory; default: the newest under runs/.")
]
RunName = Annotated[Path, typer.Argument(readable=False, help="Run directory, or its name under runs/.")]
UsedContext = Annotated[
    int | None, typer.Option("--context", help="Past steps to look at; default: as many as in training.")
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results, warnings and errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
ExcelSafe = Annotated[
    bool,
    typer.Option("--excel-safe", help="Put an apostrophe before ids that begin like a formula."),
]
Levels = Annotated[str, typer.Option("--level", help="Prediction intervals in percent, such as 80,95.")]

Target = Annotated[str | None, typer.Option("--target", help="Target column; a,b,c of a wide table.")]
Time = Annotated[str | None, typer.Option("--time", help="Time column.")]
Id = Annotated[str | None, typer.Option("--id", help="Series id column; a,b joins two.")]
Freq = Annotated[
    str | None, typer.Option("--freq", help="Frequency, such as h, 15min, D, W-SUN, MS; default: inferred.")
]
Known = Annotated[str | None, typer.Option("--known", help="Covariates known in the future, a,b.")]
Past = Annotated[str | None, typer.Option("--past", help="Covariates known only up to now, a,b.")]
Static = Annotated[str | None, typer.Option("--static", help="Covariates that do not change within a series, a,b.")]
StaticFile = Annotated[
    Path | None, typer.Option("--static-file", help="Table with one row per series: id, static columns.")
]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Field delimiter; default: found.")]
Decimal = Annotated[str | None, typer.Option("--decimal", help="Decimal mark, . or ,")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Text encoding; default: UTF-8.")]
TimeFormat = Annotated[str | None, typer.Option("--time-format", help="strptime format of the time column.")]
TimeUnit = Annotated[
    str | None, typer.Option("--time-unit", help="What numbers as time count: step, s, ms, us, ns, day, excel.")
]
NaValue = Annotated[list[str] | None, typer.Option("--na-value", help="A word that means missing; may be repeated.")]
Timezone = Annotated[str | None, typer.Option("--timezone", help="Zone of times without an offset.")]
READING = frozenset(
    [
        "target",
        "time",
        "id",
        "freq",
        "known",
        "past",
        "static",
        "static_file",
        "delimiter",
        "decimal",
        "encoding",
        "time_format",
        "time_unit",
        "na_value",
        "timezone",
    ]
)
"""Options that say how a table is read; a run remembers them, so that not every command has them."""

ValidationSize = Annotated[int | None, typer.Option("--validation-size", help="Steps per series kept for validation.")]
TestSize = Annotated[int | None, typer.Option("--test-size", help="Last steps per series that training never sees.")]

DEFAULT_LEVELS = "80,95"


def names(text: str | None) -> tuple[str, ...] | None:
    """`a,b` as ("a", "b"); None when not given."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def parse_levels(text: str) -> tuple[float, ...]:
    """`80,95` as (80.0, 95.0).

    Raises:
        UsageError: A level is not a number between 0 and 100, or is given twice.
    """
    try:
        levels = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--level {text!r}: levels are numbers, such as 80,95.") from None
    if not all(0 < level < 100 for level in levels) or len(set(levels)) < len(levels):
        raise UsageError(f"--level {text!r}: levels lie between 0 and 100 and differ.", hint="Give for example 80,95.")
    return levels


def destination(output: str | None) -> Path | Literal["-"]:
    """Where a table goes: a file, or stdout."""
    return "-" if output is None or output == "-" else Path(output)
