"""Groups the series of Parquet files, so that a table is read and used group by group in bounded memory.

A first pass reads the ids alone and finds the row groups that hold each series. The groups keep the order in which the
series appear in the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqcast.panel.arrays import IntArray
from seqcast.reading.files import TableFile, TableFiles
from seqcast.reading.joining import files_fingerprint, joined_table, require_same_columns
from seqcast.reading.options import ReadOptions
from seqcast.reading.parquet import damaged_parquet, kept_names, normalised, refuse_bomb, text_columns
from seqcast.reading.table import Table

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

MOST_ROWS = 1_000_000
"""Rows of a group; a longer series is a group of its own."""
LARGE_BYTES = 2**27
"""Stored bytes of a table that is not Parquet from which on it counts as large."""
MOST_READS = 3.0
"""Most times that a row is read on average because the row groups of a file hold series of several groups."""
BETWEEN_PARTS = "\0"
"""Character between the parts of an id that several columns make."""


@dataclass(frozen=True, eq=False)
class SeriesGroup:
    """Some series of a table of Parquet files, and where their rows lie."""

    files: TableFiles
    """All files of the table."""
    fingerprint: str
    """sha256 of the whole table."""
    id_columns: tuple[str, ...]
    ids: tuple[str, ...]
    """Ids of the series in order of first appearance, their parts joined by NUL; empty for all rows of the pieces."""
    pieces: tuple[tuple[int, tuple[int, ...]], ...]
    """Number of each file that holds rows of them, and its row groups that do."""
    file_fingerprints: tuple[str, ...]
    """sha256 of each of those files."""

    @property
    def names(self) -> tuple[str, ...]:
        """The ids as they are shown."""
        return tuple(each.replace(BETWEEN_PARTS, "/") for each in self.ids)

    @cached_property
    def own_fingerprint(self) -> str:
        """sha256 of the series and of the files they are read from; other files of the table do not change it."""
        text = [repr(self.ids), repr(self.pieces), *self.file_fingerprints]
        text += [repr(self.files.files[number].keys) for number, _ in self.pieces]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()


@dataclass(frozen=True)
class SeriesGroups:
    """The groups of all series of a table."""

    groups: tuple[SeriesGroup, ...] = ()
    """In the order of the table; empty where it cannot be read in groups."""
    obstacle: str = ""
    """Reason why it cannot."""
    name: str = ""
    """That of the table."""
    is_large: bool = False
    """Whether the table has more rows than a group, or many bytes where rows cannot be counted."""


def id_columns(named: str | None, keys: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns that the option `id` names: one, or several separated by commas."""
    if named is None:
        return ()
    return (named,) if "," not in named or named in keys else tuple(part.strip() for part in named.split(","))


def group_series(files: TableFiles, ids: tuple[str, ...]) -> SeriesGroups:
    """Finds groups of series that can be read one after the other.

    A group has at most `MOST_ROWS` rows where the rows of a series lie close together, else the rows of whole files.

    Raises:
        DataError: A file is gone or damaged.
    """
    found = _measured(files)
    if not found.is_parquet:
        return found.whole("it is not Parquet")
    if not ids or not has_columns(files, ids):
        return found.whole("no column of ids names its series")
    index = index_series(files, ids)
    for group_of_id in _ways_to_group(index):
        touched = [np.unique(group_of_id[each.members]) for each in index.row_groups]
        num_read = sum(each.num_rows * len(groups) for each, groups in zip(index.row_groups, touched, strict=True))
        if num_read <= MOST_READS * index.num_rows.sum():
            made = _made(files, ids, index, group_of_id, touched)
            return SeriesGroups(made, name=files.name, is_large=found.is_large)
    return found.whole("the rows of each series are spread over many parts of its files")


def ungrouped(files: TableFiles, reason: str) -> SeriesGroups:
    """The answer for a table that is read as a whole for another reason than its files.

    Raises:
        DataError: A file is gone or damaged.
    """
    return _measured(files).whole(reason)


def first_rows(files: TableFiles) -> SeriesGroup | None:
    """Returns the first rows of a large table, at most `MOST_ROWS` or a row group; None for a smaller table.

    Raises:
        DataError: A file is gone or damaged.
    """
    measured = _measured(files)
    if not (measured.is_parquet and measured.is_large):
        return None
    sizes = _row_group_sizes(_opened(files.files[0]))
    num_groups = max(1, int(np.searchsorted(np.cumsum(sizes), MOST_ROWS, side="right")))
    return SeriesGroup(files, "", (), (), ((0, tuple(range(num_groups))),), ("",))


def chosen_series(groups: Sequence[SeriesGroup], numbers: Collection[int]) -> SeriesGroup:
    """Returns a group of some series alone, by their numbers in the table; they keep its order."""
    ids: list[str] = []
    row_groups: dict[int, set[int]] = {}
    fingerprints: dict[int, str] = {}
    first, chosen = 0, set(numbers)
    for group in groups:
        own = [each for number, each in enumerate(group.ids, first) if number in chosen]
        first += len(group.ids)
        if own:
            ids += own
            fingerprints |= zip((file for file, _ in group.pieces), group.file_fingerprints, strict=True)
            for file, there in group.pieces:
                row_groups.setdefault(file, set()).update(there)
    pieces = tuple((file, tuple(sorted(row_groups[file]))) for file in sorted(row_groups))
    own_files = tuple(fingerprints[file] for file, _ in pieces)
    return replace(groups[0], ids=tuple(ids), pieces=pieces, file_fingerprints=own_files)


@dataclass(frozen=True)
class _Measured:
    name: str
    is_parquet: bool
    is_large: bool

    def whole(self, obstacle: str) -> SeriesGroups:
        return SeriesGroups((), obstacle, self.name, self.is_large)


def _measured(files: TableFiles) -> _Measured:
    if not all(map(is_parquet, files.files)):
        num_bytes = sum(Path(file.name).stat().st_size for file in files.files)
        return _Measured(files.name, False, num_bytes > LARGE_BYTES)
    num_rows = sum(_opened(file).metadata.num_rows for file in files.files)
    return _Measured(files.name, True, num_rows > MOST_ROWS)


def read_group(group: SeriesGroup, options: ReadOptions) -> Table:
    """Reads the rows of some series, those of each series in the order of the table.

    Raises:
        DataError: A file is gone or damaged, or the files do not agree.
    """
    tables: list[Table] = []
    wanted = pa.array(group.ids, pa.string())
    for number, row_groups in group.pieces:
        tables.append(_read_rows(group.files.files[number], row_groups, group.id_columns, wanted))
        require_same_columns(tables[-1], tables[0])
    parts = replace(group.files, files=tuple(group.files.files[number] for number, _ in group.pieces))
    joined = joined_table(parts, tables, options)
    return replace(joined, fingerprint=group.fingerprint, notices=(), is_part=True)


@dataclass(frozen=True, eq=False)
class RowGroup:
    """The series in a row group of a file."""

    file: int
    number: int
    num_rows: int
    members: NDArray[np.int32]
    """Numbers of the series that have rows in it."""


@dataclass(frozen=True, eq=False)
class SeriesIndex:
    """The series of a table, numbered in order of first appearance, and where their rows lie."""

    ids: tuple[str, ...]
    num_rows: IntArray
    """(series,)"""
    row_groups: tuple[RowGroup, ...]
    file_fingerprints: tuple[str, ...]


def index_series(files: TableFiles, id_columns: tuple[str, ...]) -> SeriesIndex:
    """Finds the series of Parquet files by reading their ids alone.

    Raises:
        DataError: A file is gone or damaged.
    """
    number_of: dict[str, int] = {}
    row_groups, counted, fingerprints = [], [], []
    for number, file in enumerate(files.files):
        opened = _opened(file)
        refuse_bomb(opened.metadata, file.name, Path(file.name).stat().st_size)
        for row_group in range(opened.num_row_groups):
            ids = _ids(_read_part(opened, file, row_group, id_columns), file, id_columns)
            found = pc.value_counts(ids)
            names, counts = found.field("values").to_pylist(), found.field("counts").to_numpy()
            members = np.array([number_of.setdefault(name, len(number_of)) for name in names], np.int32)
            row_groups.append(RowGroup(number, row_group, len(ids), members))
            counted.append(counts)
        with Path(file.name).open("rb") as stored:
            fingerprints.append(hashlib.file_digest(stored, "sha256").hexdigest())
    num_rows = np.zeros(len(number_of), np.int64)
    for each, counts in zip(row_groups, counted, strict=True):
        num_rows[each.members] += counts
    return SeriesIndex(tuple(number_of), num_rows, tuple(row_groups), tuple(fingerprints))


def _ways_to_group(index: SeriesIndex) -> list[IntArray]:
    """Returns the group of each series, by rows and, where no series lies in two files, by whole files."""
    ways = [_numbered((np.cumsum(index.num_rows) - 1) // MOST_ROWS)]
    first, last = np.full(len(index.ids), -1), np.full(len(index.ids), -1)
    for each in index.row_groups:
        first[each.members] = np.where(first[each.members] < 0, each.file, first[each.members])
        last[each.members] = each.file
    if np.array_equal(first, last):
        rows_of_file = np.bincount(first, weights=index.num_rows)
        by_file = (np.cumsum(rows_of_file) - 1) // MOST_ROWS
        ways.append(_numbered(by_file[first]))
    return ways


def _numbered(groups: NDArray[np.generic]) -> IntArray:
    numbers: IntArray = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return numbers


def _made(
    files: TableFiles,
    id_columns: tuple[str, ...],
    index: SeriesIndex,
    group_of_id: IntArray,
    touched: Sequence[IntArray],
) -> tuple[SeriesGroup, ...]:
    num_groups = int(group_of_id.max(initial=-1)) + 1
    pieces: list[dict[int, list[int]]] = [{} for _ in range(num_groups)]
    for each, groups in zip(index.row_groups, touched, strict=True):
        for group in groups.tolist():
            pieces[group].setdefault(each.file, []).append(each.number)
    edges = np.searchsorted(group_of_id, np.arange(num_groups + 1))
    whole = files_fingerprint(files, index.file_fingerprints)
    return tuple(
        SeriesGroup(
            files,
            whole,
            id_columns,
            index.ids[edges[group] : edges[group + 1]],
            tuple((file, tuple(numbers)) for file, numbers in pieces[group].items()),
            tuple(index.file_fingerprints[file] for file in pieces[group]),
        )
        for group in range(num_groups)
    )


def _read_rows(file: TableFile, row_groups: Sequence[int], id_columns: tuple[str, ...], wanted: pa.Array) -> Table:
    """Reads the rows of the wanted series, or all rows without id columns, from some row groups of a file."""
    opened = _opened(file)
    firsts = np.append(0, np.cumsum(_row_group_sizes(opened)))
    names = kept_names(opened.schema_arrow.names)
    parts, rows = [], []
    for number in row_groups:
        part = _read_part(opened, file, number, names)
        found = np.arange(part.num_rows)
        if id_columns:
            found = np.flatnonzero(pc.is_in(_ids(part, file, id_columns), value_set=wanted))
        parts.append(part if len(found) == part.num_rows else part.take(found))
        rows.append(firsts[number] + found)
    arrow = normalised(pa.concat_tables(parts), file.name)
    return Table(file.name, arrow, "", int(opened.metadata.serialized_size), rows=np.concatenate(rows))


def _row_group_sizes(opened: ParquetFile) -> list[int]:
    return [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]


def is_parquet(file: TableFile) -> bool:
    """Whether a file begins as Parquet files do.

    Raises:
        DataError: It is gone.
    """
    file.require_there()
    with Path(file.name).open("rb") as opened:
        return opened.read(4) == b"PAR1"


def has_columns(files: TableFiles, names: Sequence[str]) -> bool:
    """Whether the first Parquet file, or the keys in its path, have all these columns.

    Raises:
        DataError: The file is gone or damaged.
    """
    return set(names) <= {*_opened(files.files[0]).schema_arrow.names, *files.keys}


def _opened(file: TableFile) -> ParquetFile:
    from pyarrow import parquet

    file.require_there()
    try:
        schema = parquet.read_schema(file.name)
        return parquet.ParquetFile(file.name, read_dictionary=text_columns(schema), pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise damaged_parquet(file.name, error) from None


def _read_part(opened: ParquetFile, file: TableFile, row_group: int, columns: Sequence[str]) -> pa.Table:
    """Reads those of the columns that are in the file; others are keys in its path."""
    there = set(opened.schema_arrow.names)
    try:
        return opened.read_row_group(row_group, [column for column in columns if column in there])
    except (OSError, pa.ArrowException) as error:
        raise damaged_parquet(file.name, error) from None


def _ids(part: pa.Table, file: TableFile, id_columns: tuple[str, ...]) -> pa.Array:
    """Returns the id of each row, its parts joined by NUL; a missing part counts as empty."""
    keys = dict(file.keys)
    columns = []
    for column in id_columns:
        if column in part.column_names:
            values = normalised(part.select([column]), file.name).column(0)
            columns.append(pc.fill_null(values.cast(pa.string()).combine_chunks(), ""))
        else:
            columns.append(pa.repeat(pa.scalar(keys.get(column) or "", pa.string()), part.num_rows))
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, BETWEEN_PARTS)
