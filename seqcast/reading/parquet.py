"""Reads Parquet files and brings the columns of Arrow tables to the few types that the reading of tables knows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from seqcast.errors import DataError, Place
from seqcast.panel.wording import quoted
from seqcast.reading.source import Content, largest_expansion
from seqcast.reading.table import TEXT_TYPE

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

_TEXT_CHECKS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_PLAIN_TYPES = (
    (pa.types.is_decimal, pa.float64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_uint64, pa.float64()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_date, pa.timestamp("s")),
)
"""Types that columns of Parquet files and data frames are cast to; unsigned 64-bit numbers may not fit into int64."""


PERIOD = "pandas.period"
_EXTENSION, _DESCRIPTION = b"ARROW:extension:name", b"ARROW:extension:metadata"
"""What a file tells of a column whose type is not one of Arrow's own."""


def read_parquet(content: Content) -> pa.Table:
    """Reads all rows of a Parquet file.

    Raises:
        DataError: It is damaged, or unpacks to absurdly many bytes.
    """
    from pyarrow import parquet

    schema = parquet_schema(content)
    try:
        file = parquet.ParquetFile(pa.BufferReader(content.data), read_dictionary=text_columns(schema))
        refuse_bomb(file.metadata, content.name, content.stored_bytes)
        return file.read()
    except (OSError, pa.ArrowException) as error:
        raise damaged_parquet(content.name, error) from None


def text_columns(schema: pa.Schema) -> list[str]:
    """Returns the columns of texts; those that repeat take no more memory in dictionaries than the file says."""
    return [field.name for field in schema if any(is_text(field.type) for is_text in _TEXT_CHECKS)]


def parquet_schema(content: Content) -> pa.Schema:
    """Returns the names and types of the columns.

    Raises:
        DataError: The file is damaged.
    """
    from pyarrow import parquet

    try:
        return parquet.read_schema(pa.BufferReader(content.data))
    except (OSError, pa.ArrowException) as error:
        raise damaged_parquet(content.name, error) from None


def damaged_parquet(name: str, error: Exception) -> DataError:
    """Returns the error for a file that cannot be read as Parquet."""
    reason = str(error).splitlines()[0][:200]
    return DataError(f"the Parquet file is damaged ({reason}).", place=Place(name))


def refuse_bomb(metadata: FileMetaData, name: str, stored_bytes: int) -> None:
    """Raises, before anything is unpacked, if the columns would take far more bytes than the file has."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    size = sum(max(8 * chunk.num_values, chunk.total_uncompressed_size) for chunk in chunks)
    if size > largest_expansion(stored_bytes):
        raise DataError(
            f"the Parquet file of {stored_bytes:,} bytes unpacks to {size:,}.",
            place=Place(name),
            hint="Give it as CSV if this is really meant.",
        )


def normalised(arrow: pa.Table, name: str) -> pa.Table:
    """Casts text to dictionaries, numbers to float64 or int64, dates to timestamps; drops the pandas index column."""
    keep = kept_names(arrow.column_names)
    if len(set(keep)) < len(keep):
        twice = next(column for column in keep if keep.count(column) > 1)
        raise DataError(f"two columns are named {quoted(twice)}.", place=Place(name, None, twice))
    columns = [_normalised_column(arrow.column(column), arrow.schema.field(column), name) for column in keep]
    return pa.table(columns, names=keep)


def kept_names(names: list[str]) -> list[str]:
    """Returns the names of the columns without the index that pandas writes."""
    return [name for name in names if not re.fullmatch(r"__index_level_\d+__", name)]


def _normalised_column(values: pa.ChunkedArray, field: pa.Field, name: str) -> pa.ChunkedArray:
    frequency = _period_frequency(field, name)
    if isinstance(values.type, pa.BaseExtensionType):
        values = pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type)
    if frequency is not None:
        values = _period_starts(values, frequency, name)
    kind = values.type
    is_dictionary = pa.types.is_dictionary(kind)
    if is_dictionary and not pa.types.is_string(kind.value_type):
        values = values.cast(kind.value_type)
        kind, is_dictionary = values.type, False
    if is_dictionary or any(is_text(kind) for is_text in _TEXT_CHECKS):
        return values if values.type == TEXT_TYPE else values.cast(pa.string()).dictionary_encode().cast(TEXT_TYPE)
    plain = next((plain for check, plain in _PLAIN_TYPES if check(kind)), kind)
    return values if plain == kind else values.cast(plain, safe=False)


def _period_frequency(field: pa.Field, name: str) -> str | None:
    """The frequency of a column of pandas periods, such as M; None for other columns.

    The type itself is known only to a process that has used periods; otherwise the file tells it beside the numbers.

    Raises:
        DataError: The file does not tell the frequency.
    """
    told = field.metadata or {}
    is_period = told.get(_EXTENSION) == PERIOD.encode()
    if isinstance(field.type, pa.BaseExtensionType):
        is_period = field.type.extension_name == PERIOD
    if not is_period:
        return None
    text = (
        field.type.__arrow_ext_serialize__()
        if isinstance(field.type, pa.ExtensionType)
        else told.get(_DESCRIPTION, b"")
    )
    try:
        return str(json.loads(text)["freq"])
    except (ValueError, TypeError, KeyError):
        raise DataError("the periods have no frequency.", place=Place(name, None, field.name)) from None


def _period_starts(ordinals: pa.ChunkedArray, frequency: str, name: str) -> pa.ChunkedArray:
    """The times at which pandas periods begin.

    Raises:
        DataError: pandas does not know the frequency.
    """
    import pandas as pd

    missing = np.iinfo(np.int64).min  # which is how pandas stores it
    try:
        numbers = ordinals.cast(pa.int64()).fill_null(missing).to_numpy()
        periods = pd.PeriodIndex.from_ordinals(numbers, freq=frequency)  # type: ignore[attr-defined]  # no stub
    except (ValueError, pa.ArrowException) as error:
        raise DataError(f"the periods cannot be read: {str(error)[:200]}.", place=Place(name)) from None
    return pa.chunked_array([pa.Array.from_pandas(periods.to_timestamp())])
