"""Joins the tables of several files into one, whose rows know the file that they came from."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seqcast.errors import DataError
from seqcast.panel.notices import Notice
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.columns import read_numbers, with_number_marks
from seqcast.reading.files import TableFile, TableFiles
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import TEXT_TYPE, FileRows, Table


def with_numbers(tables: Sequence[Table]) -> list[Table]:
    """Returns the tables of CSV files with numbers in place of texts in the columns that other files read as numbers.

    Each text is a number as its own file writes numbers; a column with any other text stays as it is.
    """
    changed = list(tables)
    for column in mixed_columns(tables):
        texts = [i for i, table in enumerate(tables) if table.arrow.schema.field(column).type == TEXT_TYPE]
        others = {table.arrow.schema.field(column).type for i, table in enumerate(tables) if i not in set(texts)}
        if others == {pa.float64()}:
            try:
                read = {i: read_numbers(with_number_marks(changed[i], tables[i].options), column) for i in texts}
            except DataError:  # which reading all files as text tells with the line in its file
                continue
            for i, values in read.items():
                arrow = changed[i].arrow
                place = arrow.column_names.index(column)
                changed[i] = replace(changed[i], arrow=arrow.set_column(place, column, pa.array(values)))
    return changed


def mixed_columns(tables: Sequence[Table]) -> tuple[str, ...]:
    """Returns the columns that are text in some tables and, already parsed, something else in others."""
    return tuple(
        column
        for column in tables[0].columns
        if len({table.arrow.schema.field(column).type == TEXT_TYPE for table in _with_values(tables, column)}) > 1
    )


def joined_table(files: TableFiles, tables: Sequence[Table], options: ReadOptions) -> Table:
    """Returns the rows of all tables, in their order, with a column for each key in the paths of the files.

    The decimal mark is the one that some file shows to be another than the point.

    Raises:
        DataError: Two tables differ in the type of a column; the message names the file.
    """
    arrow = pa.table({column: _joined_column(tables, column) for column in tables[0].columns})
    keys = [key for key in files.keys if key not in tables[0].columns]
    for key in keys:
        arrow = arrow.append_column(key, _key_column(files.files, key, [table.num_rows for table in tables]))
    marks = [table.options.decimal for table in tables]
    firsts = accumulate((table.num_rows for table in tables[:-1]), initial=0)
    rows = (FileRows(each.name, first, each) for first, each in zip(firsts, map(_without_rows, tables), strict=True))
    return Table(
        files.name,
        arrow,
        files_fingerprint(files, [table.fingerprint for table in tables]),
        sum(table.size_bytes for table in tables),
        tuple(_notices(files, tables, keys)),
        replace(options, decimal=next((mark for mark in marks if mark not in (None, ".")), marks[0])),
        first_line=tables[0].first_line,
        files=tuple(rows),
        keys=tuple(keys),
    )


def require_same_columns(table: Table, first: Table) -> None:
    """Raises if a table lacks a column of the first one or has another one.

    Raises:
        DataError: Names the file and its columns.
    """
    lacking = [column for column in first.columns if column not in set(table.columns)]
    further = [column for column in table.columns if column not in set(first.columns)]
    if lacking or further:
        told = [f"this one lacks {name_list(lacking, 5)} of {first.name}"] if lacking else []
        told += [f"{first.name} lacks {name_list(further, 5)} of this one"] if further else []
        raise DataError(
            f"the files of a table have the same columns, but {' and '.join(told)}.",
            place=table.place(),
            hint=f"Rename the column, or give a pattern for the files of the table{_such_as(table.name)}.",
        )


def _such_as(file: str) -> str:
    suffix = Path(file).suffix
    return f", such as 'folder/*{suffix}'" if suffix else ""


def _without_rows(table: Table) -> Table:
    return replace(table, arrow=table.arrow.schema.empty_table())


def _with_values(tables: Sequence[Table], column: str) -> list[Table]:
    """Returns the tables that hold a value in a column; the others say nothing about its type."""
    return [table for table in tables if not _is_blank(table, column)]


def _is_blank(table: Table, column: str) -> bool:
    values = table.arrow.column(column)
    if values.null_count == len(values):
        return True
    if values.type != TEXT_TYPE:
        return False
    texts = pa.chunked_array([chunk.dictionary for chunk in values.chunks], pa.string())
    blank = pc.is_in(pc.utf8_trim_whitespace(texts), pa.array(sorted(table.options.missing_words)))
    return bool(pc.all(blank).as_py())


def _joined_column(tables: Sequence[Table], column: str) -> pa.ChunkedArray:
    telling = _with_values(tables, column) or list(tables)
    kind = _common_type(telling, column)
    blank = {id(table) for table in tables} - {id(table) for table in telling}
    chunks: list[pa.Array] = []
    for table in tables:
        values = table.arrow.column(column)
        if values.type != kind:
            values = pa.chunked_array([pa.nulls(len(values), kind)]) if id(table) in blank else values.cast(kind)
        chunks += values.chunks
    return pa.chunked_array(chunks, kind)


def _common_type(tables: Sequence[Table], column: str) -> pa.DataType:
    """Returns the type that holds the values of all tables."""
    kinds = [table.arrow.schema.field(column).type for table in tables]
    if all(kind == kinds[0] for kind in kinds):
        return kinds[0]
    families = [_family(kind) for kind in kinds]
    odd = next((i for i, family in enumerate(families) if family != families[0]), None)
    if odd is not None:
        raise DataError(
            f"the column holds {families[odd]}; in {tables[0].name} it holds {families[0]}.",
            place=tables[odd].place(column),
            hint="Write it alike in all files, or give a pattern for those that agree.",
        )
    if families[0] == "numbers":
        return pa.float64()
    units = ("s", "ms", "us", "ns")
    return pa.timestamp(max((kind.unit for kind in kinds), key=units.index), kinds[0].tz)


def _family(kind: pa.DataType) -> str:
    """Returns the name of the types that can be joined with a type."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "numbers"
    if pa.types.is_timestamp(kind):
        return "times" if kind.tz is None else f"times of the zone {kind.tz}"
    return "texts" if kind == TEXT_TYPE else str(kind)


def _key_column(files: Sequence[TableFile], key: str, counts: Sequence[int]) -> pa.ChunkedArray:
    """Returns the value of a key for every row, as text, like a column of a CSV file whose spelling may matter."""
    values = pa.array([dict(file.keys)[key] for file in files], pa.string()).dictionary_encode()
    codes = values.indices.take(pa.array(np.repeat(np.arange(len(files)), counts)))
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes, values.dictionary)])


def files_fingerprint(files: TableFiles, fingerprints: Sequence[str]) -> str:
    """Returns the sha256 of the sha256 of all files, their names and keys; moving the folder does not change it.

    That of a single file is its own.
    """
    if files.is_one_file:
        return fingerprints[0]
    digest = hashlib.sha256()
    for file, each in zip(files.files, fingerprints, strict=True):
        digest.update(f"{Path(file.name).name}\0{file.keys}\0{each}\n".encode())
    return digest.hexdigest()


def _notices(files: TableFiles, tables: Sequence[Table], keys: Sequence[str]) -> Iterator[Notice]:
    told = f"{len(tables):,} files in {files.name}"
    yield Notice("decision", told + (f", with the keys {name_list(keys, 5)}" if keys else ""), len(tables))
    for key in files.keys:
        if key not in keys:
            yield Notice("decision", f"column {quoted(key)} is read from the files, not from the key in their paths")
    yield from dict.fromkeys(notice for table in tables for notice in table.notices)
