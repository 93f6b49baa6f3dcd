"""Reads tables from CSV and Parquet files, standard input and data frames."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from seqcast.errors import DataError, Place
from seqcast.panel.arrays import IntArray
from seqcast.panel.wording import quoted
from seqcast.reading.columns import with_number_marks
from seqcast.reading.dialect import (
    Dialect,
    find_dialect,
    header_names,
    record_lines,
    refuse_bad_record,
    refuse_open_quote,
    to_utf8,
)
from seqcast.reading.files import TableFiles, open_table
from seqcast.reading.joining import joined_table, mixed_columns, require_same_columns, with_numbers
from seqcast.reading.options import ReadOptions
from seqcast.reading.source import Bytes, Content, largest_expansion
from seqcast.reading.table import TEXT_TYPE, Table

_BLOCK_BYTES = 4 * 2**20
_LARGEST_BLOCK = 2**30

_KINDS = {"csv": "CSV", "parquet": "Parquet"}
_TEXT_CHECKS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_PLAIN_TYPES = (
    (pa.types.is_decimal, pa.float64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_uint64, pa.float64()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_date, pa.timestamp("s")),
)
"""Types that columns of Parquet files and data frames are cast to; unsigned 64-bit numbers may not fit into int64."""


def read_table(source: str | Path | Content | TableFiles, options: ReadOptions = ReadOptions()) -> Table:
    """Reads a table: CSV (plain, gzip, zstd) or Parquet, one file or all of a folder or a pattern, or bytes.

    The source `-` is CSV from standard input. The values of keys in the paths of files become columns.

    Raises:
        DataError: The source cannot be read, or is not a table with a header and rows of equal length, or its files
            do not agree.
        UsageError: An option that says how to read makes no sense.
    """
    found = source if isinstance(source, Content | TableFiles) else open_table(source)
    table = _read_file(found, options) if isinstance(found, Content) else _read_files(found, options)
    _require_rows(table.arrow, table.name)
    return with_number_marks(table, options)


def _read_file(content: Content, options: ReadOptions) -> Table:
    if content.format == "csv":
        return _read_csv(content, options)
    arrow = _normalised(_read_parquet(content), content.name)
    return Table(content.name, arrow, content.fingerprint.result(), content.stored_bytes, options=options)


def _read_files(found: TableFiles, options: ReadOptions) -> Table:
    """Reads every file as it would be read alone, but as text the columns that are text in another one."""
    tables: list[Table] = []
    kind = ""
    for file in found.files:
        content = file.read()
        kind = kind or content.format
        if content.format != kind:
            raise DataError(
                f"this file is {_KINDS[content.format]}, and {found.files[0].name} is {_KINDS[kind]}.",
                place=Place(file.name),
                hint="Give a pattern for the files of one kind.",
            )
        tables.append(_read_file(content, options))
        require_same_columns(tables[-1], tables[0])
    tables = with_numbers(tables) if kind == "csv" else tables
    mixed = mixed_columns(tables) if kind == "csv" else ()
    if mixed:
        as_text = replace(options, text=(*options.text, *mixed))
        typed = [any(table.arrow.schema.field(name).type != TEXT_TYPE for name in mixed) for table in tables]
        again = (
            _read_file(file.read(), as_text) for file, is_typed in zip(found.files, typed, strict=True) if is_typed
        )
        tables = [next(again) if is_typed else table for table, is_typed in zip(tables, typed, strict=True)]
    return joined_table(found, tables, options)


def column_names(content: Content, options: ReadOptions) -> tuple[str, ...]:
    """Returns the names of the columns of a file, without reading its rows.

    Raises:
        DataError: There is no header.
        UsageError: An option that says how to read makes no sense.
    """
    if content.format == "parquet":
        return tuple(_kept_names(_read_parquet_schema(content).names))
    data, _ = to_utf8(content.data, options.encoding, content.name)
    return header_names(data, options, content.name)


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


def table_from_arrow(arrow: pa.Table, name: str) -> Table:
    """Returns a table of the columns of an Arrow table.

    Raises:
        DataError: It has no rows, or two columns of one name.
    """
    _require_rows(arrow, name)
    arrow = _normalised(arrow, name)
    return with_number_marks(Table(name, arrow, _fingerprint(arrow), int(arrow.nbytes)), ReadOptions())


def _fingerprint(arrow: pa.Table) -> str:
    """Returns the sha256 of names, types and values."""
    digest = hashlib.sha256()
    for column, values in zip(arrow.column_names, arrow.columns, strict=True):
        plain = values.combine_chunks()
        if pa.types.is_dictionary(values.type):
            plain = plain.cast(pa.string())
        digest.update(f"{column}\0{values.type}\0".encode())
        sink = pa.BufferOutputStream()
        batch = pa.record_batch([plain], names=["values"])
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _read_parquet(content: Content) -> pa.Table:
    schema = _read_parquet_schema(content)
    try:
        # Texts that repeat stay in their dictionaries, where they take no more memory than the file says.
        texts = [field.name for field in schema if any(is_text(field.type) for is_text in _TEXT_CHECKS)]
        file = pa.parquet.ParquetFile(pa.BufferReader(content.data), read_dictionary=texts)
        _refuse_bomb(file.metadata, content)
        return file.read()
    except (OSError, pa.ArrowException) as error:
        raise _damaged_parquet(content, error) from None


def _read_parquet_schema(content: Content) -> pa.Schema:
    try:
        return pa.parquet.read_schema(pa.BufferReader(content.data))
    except (OSError, pa.ArrowException) as error:
        raise _damaged_parquet(content, error) from None


def _damaged_parquet(content: Content, error: Exception) -> DataError:
    reason = str(error).splitlines()[0][:200]
    return DataError(f"the Parquet file is damaged ({reason}).", place=Place(content.name))


def _refuse_bomb(metadata: pa.parquet.FileMetaData, content: Content) -> None:
    """Raises, before anything is unpacked, if the columns would take far more bytes than the file has."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    size = sum(max(8 * chunk.num_values, chunk.total_uncompressed_size) for chunk in chunks)
    if size > largest_expansion(content.stored_bytes):
        raise DataError(
            f"the Parquet file of {content.stored_bytes:,} bytes unpacks to {size:,}.",
            place=Place(content.name),
            hint="Give it as CSV if this is really meant.",
        )


def _normalised(arrow: pa.Table, name: str) -> pa.Table:
    """Casts text to dictionaries, numbers to float64 or int64, dates to timestamps; drops the pandas index column."""
    keep = _kept_names(arrow.column_names)
    if len(set(keep)) < len(keep):
        twice = next(column for column in keep if keep.count(column) > 1)
        raise DataError(f"two columns are named {quoted(twice)}.", place=Place(name, None, twice))
    columns = [_normalised_column(arrow.column(column)) for column in keep]
    return pa.table(columns, names=keep)


def _require_rows(arrow: pa.Table, name: str) -> None:
    if not arrow.num_rows:
        raise DataError("the table has no rows.", place=Place(name))


def _kept_names(names: list[str]) -> list[str]:
    return [name for name in names if not re.fullmatch(r"__index_level_\d+__", name)]


def _normalised_column(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(values.type, pa.BaseExtensionType):
        values = _without_extension(values)
    kind = values.type
    is_dictionary = pa.types.is_dictionary(kind)
    if is_dictionary and not pa.types.is_string(kind.value_type):
        values = values.cast(kind.value_type)
        kind, is_dictionary = values.type, False
    if is_dictionary or any(is_text(kind) for is_text in _TEXT_CHECKS):
        return values if values.type == TEXT_TYPE else values.cast(pa.string()).dictionary_encode().cast(TEXT_TYPE)
    plain = next((plain for check, plain in _PLAIN_TYPES if check(kind)), kind)
    return values if plain == kind else values.cast(plain, safe=False)


def _without_extension(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Converts pandas periods to the times they begin at, and any other extension type to its storage."""
    series = values.to_pandas()
    if isinstance(series.dtype, pd.PeriodDtype):
        return pa.chunked_array([pa.Array.from_pandas(series.dt.to_timestamp())])
    return pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type)


def _read_csv(content: Content, options: ReadOptions) -> Table:
    data, encoding_notices = to_utf8(content.data, options.encoding, content.name)
    dialect = find_dialect(data, options, content.name)
    resolved = replace(options, decimal=dialect.decimal)
    arrow = _parse(data, dialect, resolved, content.name, ignore_blank=False)
    refuse_open_quote(data, dialect, content.name)
    has_blank_lines = _may_have_blank_lines(arrow)
    if has_blank_lines:
        arrow = _parse(data, dialect, resolved, content.name, ignore_blank=True)
    first_line, lines = _find_lines(data, dialect, arrow.num_rows, has_blank_lines)
    notices = encoding_notices + dialect.notices
    fingerprint = content.fingerprint.result()
    return Table(content.name, arrow, fingerprint, content.stored_bytes, notices, resolved, first_line, lines)


def _find_lines(
    data: Bytes, dialect: Dialect, num_rows: int, has_blank_lines: bool
) -> tuple[int | None, IntArray | None]:
    """Returns the line of the first row, and the line of every row if they are not consecutive."""
    if not has_blank_lines and not dialect.has_quotes:
        return dialect.first_line, None
    lines = record_lines(data, dialect)
    if len(lines) != num_rows:
        # a quote inside an unquoted field hides which line ends are inside quotes
        return None, None
    follow_each_other = int(lines[-1] - lines[0]) == num_rows - 1 and int(lines[0]) == dialect.first_line
    return dialect.first_line, None if follow_each_other else lines


def _may_have_blank_lines(arrow: pa.Table) -> bool:
    """Returns whether every column has a null or an empty text, as a blank line would give."""

    def holds_empty_text(column: pa.ChunkedArray) -> bool:
        return column.type == TEXT_TYPE and any(pc.index(part.dictionary, "").as_py() >= 0 for part in column.chunks)

    typed_first = sorted(arrow.columns, key=lambda column: column.type == TEXT_TYPE)
    return all(column.null_count or holds_empty_text(column) for column in typed_first)


def _parse(data: Bytes, dialect: Dialect, options: ReadOptions, name: str, ignore_blank: bool) -> pa.Table:
    """Parses all rows in the types of the dialect, or as text where a later row contradicts them."""
    types = dialect.types
    block = _BLOCK_BYTES
    while True:
        try:
            return _parse_as(data, dialect, types, options, ignore_blank, block)
        except pa.ArrowInvalid as error:
            reason = str(error)
        if "straddling" in reason and block < min(_LARGEST_BLOCK, len(data)):
            block = block * 8
        elif "conversion error" in reason and any(kind != TEXT_TYPE for kind in types):
            column = re.search(r"In CSV column #(\d+)", reason)
            contradicted = int(column.group(1)) if column else None
            types = tuple(TEXT_TYPE if contradicted in (None, i) else kind for i, kind in enumerate(types))
        else:
            refuse_open_quote(data, dialect, name)
            refuse_bad_record(data, dialect, name)
            raise DataError(f"the file cannot be read as CSV: {reason[:200]}.", place=Place(name))


def _parse_as(
    data: Bytes, dialect: Dialect, types: tuple[pa.DataType, ...], options: ReadOptions, ignore_blank: bool, block: int
) -> pa.Table:
    # columns travel under their number, because names may be anything
    numbers = [str(i) for i in range(len(dialect.names))]
    end = len(data)
    while end > dialect.body_start and data[end - 1] in b"\r\n":
        end -= 1
    body = pa.py_buffer(data).slice(dialect.body_start, end - dialect.body_start)
    missing = sorted(options.missing_words)
    table = pyarrow.csv.read_csv(
        pa.BufferReader(body),
        pyarrow.csv.ReadOptions(column_names=numbers, block_size=block),
        pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter, newlines_in_values=dialect.has_quotes, ignore_empty_lines=ignore_blank
        ),
        pyarrow.csv.ConvertOptions(
            column_types=dict(zip(numbers, types, strict=True)),
            null_values=missing,
            strings_can_be_null=False,
            decimal_point=dialect.decimal,
            timestamp_parsers=[pyarrow.csv.ISO8601],
        ),
    )
    return table.rename_columns(list(dialect.names))
