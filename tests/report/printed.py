"""Finds the tables and sentences of a report, and tells whether a cell shows a number of the JSON document."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqcast.report.lags import LagTable

_NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class PrintedTable:
    """The headings of a table and the texts of its cells; a bar is empty."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def parts_of(view: RenderableType) -> Iterator[RenderableType]:
    """The tables and texts of a report, from top to bottom."""
    if isinstance(view, Group):
        for part in view.renderables:
            yield from parts_of(part)
    elif isinstance(view, Padding):
        yield from parts_of(view.renderable)
    else:
        yield view


def tables_of(view: RenderableType) -> list[PrintedTable]:
    """The tables of a report."""
    found = []
    for part in parts_of(view):
        table = part._table(9) if isinstance(part, LagTable) else part
        if isinstance(table, Table):
            columns = [
                [str(cell) if isinstance(cell, str | Text) else "" for cell in each.cells] for each in table.columns
            ]
            headings = tuple(str(column.header) for column in table.columns)
            found.append(PrintedTable(headings, tuple(zip(*columns, strict=True))))
    return found


def sentences_of(view: RenderableType) -> str:
    """All text of a report outside of its tables."""
    return "\n".join(str(part) for part in parts_of(view) if isinstance(part, str | Text))


def numbers_of(text: str) -> list[str]:
    """The numbers in a text, each with its unit."""
    return [text[found.start() : found.end() + 2].rstrip(" ,.;:)") for found in _NUMBER.finditer(text)]


def shows(cell: str, value: object) -> bool:
    """Whether a cell is this value, as far as its digits tell; a percentage shows a hundredth of itself."""
    if value is None:
        return cell in ("-", "")
    if isinstance(value, str):
        return cell == value
    found = _NUMBER.match(cell)
    assert isinstance(value, int | float)
    if found is None:
        return False
    printed = found[0].replace(",", "")
    decimals = len(printed.partition(".")[2])
    scale = 100 if "%" in cell else 1
    return abs(float(printed) - scale * value) <= 0.5 * 10.0**-decimals + 1e-9
