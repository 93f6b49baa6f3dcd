"""What predict and backtest end with when a table is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.config import Format
from seqcast.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from seqcast.output import Destination


def refuse_unless_csv(file_format: Format, *, excel_safe: bool) -> None:
    """Raise when ids are to be made safe in a format whose texts no program takes for formulas.

    Raises:
        UsageError: `excel_safe` is asked for and the format is not CSV.
    """
    if excel_safe and file_format != "csv":
        raise UsageError(f"--excel-safe is for CSV, and this output is {file_format}.", hint="Drop one.")


def write_output(
    screen: Screen, frame: pd.DataFrame, target: Destination, file_format: Format, *, excel_safe: bool
) -> None:
    """Write a forecast or backtest table and say so."""
    from seqcast.output import formula_notices, without_formulas, write_frame

    if excel_safe:
        frame = without_formulas(frame)
    elif file_format == "csv":
        screen.notices(formula_notices(frame))
    write_frame(frame, target, file_format)
    if target != "-":
        screen.say(f"{len(frame):,} rows written to {target}")
