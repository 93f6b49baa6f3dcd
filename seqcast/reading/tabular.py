"""Reads tables from CSV and Parquet files, standard input and Arrow tables."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from seqcast.errors import DataError, Place
from seqcast.panel.arrays import IntArray
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
from seqcast.reading.parquet import kept_names, normalised, parquet_schema, read_parquet
from seqcast.reading.series_groups import SeriesGroup, read_group
from seqcast.reading.source import Bytes, Content
from seqcast.reading.table import TEXT_TYPE, Table

_BLOCK_BYTES = 4 * 2**20
_LARGEST_BLOCK = 2**30

TableSource = Content | TableFiles | SeriesGroup
"""The bytes of a file, the files of a table, or some of its series."""
_KINDS = {"csv": "CSV", "parquet": "Parquet"}


def read_table(source: str | Path | TableSource, options: ReadOptions = ReadOptions()) -> Table:
    """Reads a table: CSV (plain, gzip, zstd) or Parquet, one file or all of a folder or a pattern, or bytes.

    The source `-` is CSV from standard input. The values of keys in the paths of files become columns.

    Raises:
        DataError: The source cannot be read, or is not a table with a header and rows of equal length, or its files
            do not agree.
        UsageError: An option that says how to read makes no sense.
    """
    found = source if isinstance(source, TableSource) else open_table(source)
    if isinstance(found, SeriesGroup):
        table = read_group(found, options)
    else:
        table = _read_file(found, options) if isinstance(found, Content) else _read_files(found, options)
    _require_rows(table.arrow, table.name)
    return with_number_marks(table, options)


def _read_file(content: Content, options: ReadOptions) -> Table:
    if content.format == "csv":
        return _read_csv(content, options)
    arrow = normalised(read_parquet(content), content.name)
    return Table(content.name, arrow, content.fingerprint.result(), content.stored_bytes, options=options)


def _read_files(found: TableFiles, options: ReadOptions) -> Table:
    """Reads every file as it would be read alone, but as text the columns that are text in another one."""
    if found.is_one_file:
        return _read_file(found.files[0].read(), options)
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
        return tuple(kept_names(parquet_schema(content).names))
    data, _ = to_utf8(content.data, options.encoding, content.name)
    return header_names(data, options, content.name)


def table_from_arrow(arrow: pa.Table, name: str) -> Table:
    """Returns a table of the columns of an Arrow table.

    Raises:
        DataError: It has no rows, or two columns of one name.
    """
    _require_rows(arrow, name)
    arrow = normalised(arrow, name)
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


def _require_rows(arrow: pa.Table, name: str) -> None:
    if not arrow.num_rows:
        raise DataError("the table has no rows.", place=Place(name))


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
