"""A table as read: typed columns, and the line in the file of each row."""

import difflib
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqcast.errors import DataError, Hint, Place
from seqcast.panel.arrays import IntArray
from seqcast.panel.notices import Notice
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.number_marks import NumberMarks
from seqcast.reading.options import ReadOptions

MOST_EXAMPLES = 5
TEXT_TYPE = pa.dictionary(pa.int32(), pa.string())
"""Type of columns kept exactly as written: text, and numbers whose spelling may matter, such as an id 007."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length with the name, fingerprint and line numbers of the file or files they came from."""

    name: str
    """Path or pattern as given, `<stdin>` or `DataFrame`."""
    arrow: pa.Table
    fingerprint: str
    """sha256 of the bytes as stored; of several files, of theirs."""
    size_bytes: int
    notices: tuple[Notice, ...] = ()
    options: ReadOptions = ReadOptions()
    """Options it was read with, including the decimal mark that was found."""
    first_line: int | None = None
    """Line of the first row in a text file; None where rows have no lines."""
    lines: IntArray | None = None
    """Line of each row where rows take several lines or lines are blank."""
    rows: IntArray | None = None
    """Row in the file of each row, where only some rows of the file were read."""
    times_per_row: int = 1
    """Consecutive rows that come from one row of the file."""
    marks: Mapping[str, NumberMarks] = field(default_factory=dict)
    """Marks of the columns whose numbers are written otherwise than the options say."""
    files: "tuple[FileRows, ...]" = ()
    """The files of a table of several, in the order of their rows; empty for any other table."""
    keys: tuple[str, ...] = ()
    """Columns whose values stand in the paths of the files."""
    is_part: bool = False
    """Whether these are some series of a larger table, which has values even where these have none."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.arrow.column_names)

    @property
    def num_rows(self) -> int:
        return int(self.arrow.num_rows)

    def number_marks(self, column: str) -> NumberMarks:
        """Returns the marks with which the numbers of a column are written."""
        usual = NumberMarks(self.options.decimal or ".", self.options.thousands or "")
        return self.marks.get(column, usual)

    def line(self, row: int) -> int | None:
        """Returns the line of the file on which a row begins, counted from 1."""
        row //= self.times_per_row
        if self.files:
            file = self._file_of(row)
            return file.table.line(row - file.first_row)
        if self.lines is not None:
            return int(self.lines[row])
        return None if self.first_line is None else self.first_line + row

    def place(self, column: str | None = None, row: int | None = None, value: str | None = None) -> Place:
        if row is None:
            return Place(self.name, None, column, value)
        name = self._file_of(row // self.times_per_row).name if self.files else self.name
        return Place(name, self.line(row), column, value)

    def where(self, row: int) -> str:
        """Returns `line 57`, or `row 56` (counted from 1) where rows have no lines; of several files, which one."""
        if self.files:
            file = self._file_of(row // self.times_per_row)
            return f"{file.table.where(row // self.times_per_row - file.first_row)} of {file.name}"
        line = self.line(row)
        if line is not None:
            return f"line {line:,}"
        row //= self.times_per_row
        return f"row {1 + (row if self.rows is None else int(self.rows[row])):,}"

    def _file_of(self, row: int) -> "FileRows":
        return self.files[bisect_right(self.files, row, key=lambda file: file.first_row) - 1]

    def missing(self, row: int) -> str:
        """Returns `there is`, or `row 56 has` where the place of the error names no line."""
        return "there is" if self.line(row) is not None else f"{self.where(row)} has"


@dataclass(frozen=True)
class FileRows:
    """The rows of a table that came from one of its files."""

    name: str
    first_row: int
    """Row of the whole table that is the first of the file."""
    table: Table
    """The table of the file alone, without its rows."""


def cell_error(
    table: Table, column: str, rows: NDArray[np.intp], text_of: Callable[[int], str], what: str, hint: Hint
) -> DataError:
    """Returns an error about the cells in some rows of a column: the first is placed, up to five are shown.

    `text_of` returns the text of the cell in a row; `what` says what is wrong with it, such as `is not a number`.
    """
    first, *others = [(int(row), text_of(int(row))) for row in rows[:MOST_EXAMPLES]]
    message = f"{quoted(first[1])} {what}."
    if table.line(first[0]) is None:
        message = f"{table.where(first[0])}: {message}"
    if others:
        message += f" Also {', '.join(f'{quoted(text)} on {table.where(row)}' for row, text in others)}."
    return DataError(message, place=table.place(column, *first), hint=hint)


def share_hint(rows: NDArray[np.intp], num_rows: int, remedy: str) -> Hint:
    """Returns the hint that so many of the times are wrong, and what to do about it."""
    return f"{len(rows):,} of {num_rows:,} times are like this.", remedy


def missing_column(table: Table, column: str, role: str) -> DataError:
    """Returns the error for a column that was asked for and is absent."""
    close = difflib.get_close_matches(column, table.columns, n=1) or [
        name for name in table.columns if name.strip().lower() == column.strip().lower()
    ]
    hint = f"Did you mean {quoted(close[0])}?" if close else f"Columns are {name_list(table.columns)}."
    error = DataError(f"there is no {role} column {quoted(column)}.", place=table.place(column), hint=hint)
    error.instead = (column, close[0] if close else "")
    return error
