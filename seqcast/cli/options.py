"""Arguments and options that several commands share and that are not settings of the configuration."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from seqcast.config import LEVELS
from seqcast.errors import UsageError

OutputOption = partial(typer.Option, rich_help_panel="Output")
"""An option on what is written and shown, in a panel of its own."""

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="CSV (.gz, .zst) or Parquet: a file, a folder, a pattern; or - for CSV on stdin.",
        show_default=False,
    ),
]
OwnData = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="Another table (file, folder or pattern); options say where its headings differ from those in training.",
    ),
]
# Typer must not check whether it can be read: a run that cannot be used has an exit code of its own.
RunPath = Annotated[
    Path | None, typer.Option(readable=False, help="Run directory; the newest run (that fits DATA) if not given.")
]
RunName = Annotated[Path, typer.Argument(metavar="RUN", readable=False, help="Run directory, or its name under runs/.")]
UsedContext = Annotated[int | None, typer.Option(help="Past steps to read; as many as in training if not given.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
OutputFile = Annotated[str | None, OutputOption(help="File for the table, or - for stdout.")]
OutputFileOrFolder = Annotated[
    str | None, OutputOption("--output", help="File for the table, a folder for part files, or - for stdout.")
]
ExcelSafe = Annotated[bool, OutputOption("--excel-safe", help="Put an apostrophe before ids that look like formulas.")]
Levels = Annotated[str, OutputOption(help="Prediction intervals in percent, a,b,c.")]
Json = Annotated[bool, OutputOption("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, OutputOption("--quiet", "-q", help="Print only results, warnings and errors.")]
Debug = Annotated[bool, OutputOption("--debug", help="Show the traceback of an error.")]

EngineOption = partial(typer.Option, rich_help_panel="Engine")
EngineName = Annotated[
    Literal["single", "ray"],
    EngineOption(help="A single process, or the workers of a Ray cluster.", case_sensitive=False),
]
Address = Annotated[
    str | None, EngineOption(help="host:port of a Ray cluster that runs; one on this machine if not given.")
]
Workers = Annotated[
    int | None, EngineOption(min=1, metavar="<int>", help="Workers of Ray; one for each core or GPU if not given.")
]

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
