"""How tables are written: as CSV, Parquet or JSON.

No pandas here: a forecast from the command line does without it.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from seqcast.config import Format
from seqcast.errors import UsageError, option
from seqcast.panel.clock import offset_texts, utc_offsets
from seqcast.panel.notices import Notice
from seqcast.panel.wording import quoted
from seqcast.storage import output_file

Destination = Path | Literal["-"]
"""A file, or standard output."""

_FORMAT_OF_SUFFIX: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".json": "json"}
_TIME_FORMS = (("date", 86_400 * 10**6), ("s", 10**6), ("ms", 10**3), ("us", 1))
"""Units in which times are written, shortest text first, and their lengths in microseconds."""
_ROWS_AT_ONCE = 100_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a text in a CSV file that a spreadsheet runs as a formula."""


def formula_notices(columns: Iterable[str], ids: Iterable[str]) -> tuple[Notice, ...]:
    """A warning if a spreadsheet might run column names or ids as formulas."""
    texts = [*columns, *dict.fromkeys(ids)]
    risky = [text for text in texts if text.startswith(_FORMULA_STARTS)]
    if not risky:
        return ()
    text = f"a spreadsheet may run {len(risky):,} of the ids and column names as formulas, such as {quoted(risky[0])}"
    return (Notice("repair", text, len(risky)),)


def without_formulas(table: pa.Table) -> pa.Table:
    """The table with an apostrophe before each id (the first column) and column name that looks like a formula."""

    def safe(text: str) -> str:
        return f"'{text}" if text.startswith(_FORMULA_STARTS) else text

    starts = "|".join(map(re.escape, _FORMULA_STARTS))
    ids = _plain_ids(table.select([0])).column(0)
    safe_ids = pc.replace_substring_regex(ids, rf"\A(?:{starts})", r"'\0")
    return table.set_column(0, table.field(0).name, safe_ids).rename_columns([*map(safe, table.column_names)])


def output_format(destination: Destination, chosen: Format | None) -> Format:
    """The chosen format, or else that of the file's suffix; CSV for standard output.

    Raises:
        UsageError: No format is chosen and the suffix names none, or it names another format than the chosen one.
    """
    if destination == "-":
        return chosen or "csv"
    named = _FORMAT_OF_SUFFIX.get(destination.suffix.lower())
    if named is not None and chosen not in (None, named):
        raise UsageError(
            f"The name of {str(destination)!r} says {named}, but {option('format')} says {chosen}.", hint="Drop one."
        )
    if named is None and chosen is None:
        raise UsageError(
            f"The name of {str(destination)!r} does not say which format to write.",
            hint=f"End it in .csv, .parquet or .json, or add {option('format')}.",
        )
    return chosen or named or "csv"


def write_tables(tables: Iterable[pa.Table], destination: Destination, file_format: Format) -> None:
    """Write a stream of at least one table of one schema, end to end; a file appears only when it is complete.

    Numbers keep every bit. Missing values are empty, and null in JSON. Times read `2024-01-01 00:00:00`, or
    `2024-01-01` if all times of the first table are midnights; those of a zone have their offset behind them. JSON has
    a T between date and time.
    """
    write = {"csv": _write_csv, "parquet": _write_parquet, "json": _write_json}[file_format]
    rest = iter(tables)
    first = next(rest, None)
    assert first is not None, "an output needs a table, if one without rows"
    with nullcontext(sys.stdout.buffer) if destination == "-" else output_file(destination) as file:
        write(first, rest, file)
        file.flush()


def _write_parquet(first: pa.Table, rest: Iterator[pa.Table], file: BinaryIO) -> None:
    from pyarrow import parquet

    # A Parquet writer needs a position, which a pipe does not have.
    target = file if file.seekable() else io.BytesIO()
    # Without the stored Arrow schema, dictionary-encoded ids are read back as plain strings; but zones would be lost.
    is_zoned = any(_is_zoned(kind) for kind in first.schema.types)
    first = _plain_ids(first) if is_zoned else first
    with parquet.ParquetWriter(target, first.schema, store_schema=is_zoned) as writer:
        for table in chain([first], rest):
            writer.write_table(_plain_ids(table) if is_zoned else table)
    if isinstance(target, io.BytesIO):
        file.write(target.getbuffer())


def _plain_ids(table: pa.Table) -> pa.Table:
    return _mapped(table, lambda column: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column)


def _write_csv(first: pa.Table, rest: Iterator[pa.Table], file: BinaryIO) -> None:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(first.column_names)
    file.write(header.getvalue().encode())
    first_form = _time_form(first)
    for table in chain([first], rest):
        form = max(first_form, _time_form(table))
        # Arrow quotes all texts or none. Other writers quote none if no value needs it.
        options = arrow_csv.WriteOptions(include_header=False, quoting_style=_quoting_style(table))
        arrow_csv.write_csv(_mapped(table, partial(_csv_column, form=form)), file, options)


def _write_json(first: pa.Table, rest: Iterator[pa.Table], file: BinaryIO) -> None:
    first_form = _time_form(first)
    separator = b"[\n"
    for table in chain([first], rest):
        form = max(first_form, _time_form(table))
        for start in range(0, table.num_rows, _ROWS_AT_ONCE):
            part = _mapped(table.slice(start, _ROWS_AT_ONCE), partial(_json_column, form=form))
            for record in part.to_pylist():
                file.write(separator + json.dumps(record, ensure_ascii=False, allow_nan=False).encode())
                separator = b",\n"
    file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _mapped(table: pa.Table, convert: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    return pa.table([convert(column) for column in table.columns], names=table.column_names)


def _csv_column(column: pa.ChunkedArray, form: int) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return _time_text(column, form)
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "True", "False")
    return column


def _json_column(column: pa.ChunkedArray, form: int) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring(_time_text(column, form), " ", "T")
    if pa.types.is_float32(column.type):
        # The shortest text for the float32, instead of the many digits of the equal float64.
        return column.cast(pa.string()).cast(pa.float64())
    return column


def _time_text(column: pa.ChunkedArray, form: int) -> pa.ChunkedArray:
    unit = _TIME_FORMS[form][0]
    if _is_zoned(column.type):
        return _zoned_text(column, unit)
    return column.cast(pa.date32() if unit == "date" else pa.timestamp(unit)).cast(pa.string())


def _is_zoned(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


def _zoned_text(column: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Times of a zone as its clock shows them, with their offset behind: `2024-03-31 03:00:00+02:00`."""
    utc = column.cast(pa.timestamp("us")).to_numpy()
    offsets, place = np.unique(utc_offsets(column.type.tz, utc), return_inverse=True)
    wall = pa.array(utc + offsets[place].astype("timedelta64[s]")).cast(pa.timestamp(unit)).cast(pa.string())
    written = pa.DictionaryArray.from_arrays(place.astype(np.int32), pa.array(offset_texts(offsets), pa.string()))
    return pa.chunked_array([pc.binary_join_element_wise(wall, written.cast(pa.string()), "")])


def _time_form(table: pa.Table) -> int:
    """Index of the first of `_TIME_FORMS` that is exact for every time of the table."""
    form = int(any(_is_zoned(kind) for kind in table.schema.types))  # a date has no offset
    for column in table.columns:
        if pa.types.is_timestamp(column.type):
            microseconds = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
            while np.any(microseconds % _TIME_FORMS[form][1]):
                form += 1
    return form


def _quoting_style(table: pa.Table) -> str:
    texts = [column for column in table.columns if _is_text(column.type)]
    quoted = any(pc.any(pc.match_substring_regex(column.cast(pa.string()), r'[",\r\n]')).as_py() for column in texts)
    return "needed" if quoted else "none"


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
