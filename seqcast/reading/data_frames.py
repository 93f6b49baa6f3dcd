"""Data frames of the caller's library: read as tables, and made of answers, through narwhals."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
from narwhals.exceptions import DuplicateError

from seqcast.errors import DataError, Place, UsageError
from seqcast.panel.wording import quoted
from seqcast.reading.table import Table
from seqcast.reading.tabular import table_from_arrow

Frame = Any
"""A data frame of pandas, polars, pyarrow, or of another library that narwhals knows and that holds its rows."""
Library = nw.Implementation
"""The library of a data frame."""
PANDAS = nw.Implementation.PANDAS


def library_of(frame: Frame, name: str = "DataFrame") -> Library:
    """Returns the library of a data frame.

    Raises:
        UsageError: It is none, or has no rows yet.
    """
    if isinstance(frame, pd.DataFrame | pd.Series):
        return PANDAS
    library: Library = _eager(frame, name).implementation
    return library


def read_frame(frame: Frame, name: str = "DataFrame") -> Table:
    """Returns a table of the columns of a data frame, which is not changed; `name` is for messages.

    Raises:
        DataError: The frame has no rows, two columns of one name, or a column that cannot be read.
        UsageError: It is no data frame, or has no rows yet.
    """
    if isinstance(frame, pd.DataFrame | pd.Series):
        return table_from_frame(frame, name)
    eager = _eager(frame, name)
    for column, kind in eager.schema.items():
        if isinstance(kind, nw.Object):
            text = "its values are Python objects, which have no type to read them by."
            raise DataError(text, place=Place(name, None, column), hint="Cast the column.")
    return table_from_arrow(eager.to_arrow(), name)


def table_from_frame(frame: pd.DataFrame | pd.Series[Any], name: str = "DataFrame") -> Table:
    """Returns a table of the columns of a data frame; the frame is not changed.

    The index is left out, unless it holds dates: then it is a column under its own name, or `ds`.

    Raises:
        DataError: The frame has no rows, two columns of one name, or a column of mixed types.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("y" if frame.name is None else frame.name)
    if isinstance(frame.index, pd.DatetimeIndex):
        index_name = "ds" if frame.index.name is None else str(frame.index.name)
        frame = frame.rename_axis(index=index_name).reset_index()
    frame = frame.set_axis([str(column) for column in frame.columns], axis="columns")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"two columns are named {quoted(twice[0])}.", place=Place(name, None, twice[0]))
    try:
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"a column cannot be read: {'; '.join(map(str, error.args))[:200]}.", place=Place(name)
        ) from None
    return table_from_arrow(arrow, name)


def to_library(table: pd.DataFrame | pa.Table, library: Library) -> Frame:
    """Returns a table as a data frame of a library; only pandas keeps texts that repeat as categories."""
    if library is PANDAS:
        return table if isinstance(table, pd.DataFrame) else table.to_pandas()
    arrow = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else table
    backend: Any = library  # one that holds rows, as `_eager` makes sure
    return nw.from_arrow(plain_texts(arrow), backend=backend).to_native()


def plain_texts(arrow: pa.Table) -> pa.Table:
    """Returns the table with every text column in the simplest type, and without metadata of pandas."""
    fields = [pa.field(each.name, pa.string() if _is_text(each.type) else each.type) for each in arrow.schema]
    return arrow.cast(pa.schema(fields))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_large_string(kind))


def _eager(frame: Frame, name: str) -> nw.DataFrame[Any]:
    """The frame behind the interface of narwhals.

    Raises:
        DataError: Two of its columns have the same name.
        UsageError: It is no data frame, or has no rows yet.
    """
    try:
        known = nw.from_native(frame, pass_through=True)
    except DuplicateError:
        raise DataError("several columns have the same name.", place=Place(name)) from None
    if isinstance(known, nw.LazyFrame):
        raise UsageError(f"{name}: a lazy frame has no rows yet.", hint="Collect it first.")
    if not isinstance(known, nw.DataFrame):
        raise UsageError(f"{name}: a table of pandas, polars or pyarrow is needed, not {type(frame).__name__}.")
    return known
