"""Arguments and options that several commands share and that are not settings of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcast.config import LEVELS
from seqcast.errors import UsageError

OUTPUT = "Output"
"""The panel of `--help` with options on what is written and shown."""

Data = Annotated[str, typer.Argument(help="CSV (.gz, .zst), Parquet, or - for CSV on stdin.", show_default=False)]
OwnData = Annotated[str | None, typer.Argument(help="Another table with the same columns as the training table.")]
# typer must not check whether it can be read: a run that cannot be used has an exit code of its own.
RunPath = Annotated[
    Path | None, typer.Option("--run", readable=False, help="Run directory; the newest under runs/ if not given.")
]
RunName = Annotated[Path, typer.Argument(readable=False, help="Run directory, or its name under runs/.")]
UsedContext = Annotated[
    int | None, typer.Option("--context", help="Past steps to read; as many as in training if not given.")
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
OutputFile = Annotated[
    str | None, typer.Option("--output", help="File for the table, or - for stdout.", rich_help_panel=OUTPUT)
]
ExcelSafe = Annotated[
    bool,
    typer.Option(
        "--excel-safe", help="Put an apostrophe before ids that begin like a formula.", rich_help_panel=OUTPUT
    ),
]
Levels = Annotated[str, typer.Option("--level", help="Prediction intervals in percent, a,b,c.", rich_help_panel=OUTPUT)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=OUTPUT)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only results, warnings and errors.", rich_help_panel=OUTPUT)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=OUTPUT)]

DEFAULT_LEVELS = ",".join(f"{level:g}" for level in LEVELS)


def names(text: str | None) -> tuple[str, ...]:
    """`a,b` as ("a", "b"); empty if not given."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_levels(text: str) -> tuple[float, ...]:
    """`80,95` as (80.0, 95.0).

    Raises:
        UsageError: A level is not a number between 0 and 100, or is given twice.
    """
    try:
        levels = tuple(map(float, names(text)))
    except ValueError:
        raise UsageError(f"--level {text!r}: levels are numbers, such as 80,95.") from None
    if not all(0 < level < 100 for level in levels) or len(set(levels)) < len(levels):
        raise UsageError(f"--level {text!r}: levels lie between 0 and 100 and differ.", hint="Give for example 80,95.")
    return levels
