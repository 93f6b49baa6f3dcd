"""Groups the rows of a table into series: ids by appearance, times in order, no duplicates."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqcast.errors import DataError, option
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.notices import Example, Notice
from seqcast.panel.panel import Covariates
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.columns import as_text
from seqcast.reading.table import MOST_EXAMPLES, TEXT_TYPE, Table
from seqcast.reading.time_arrays import Times

_RADIX_LIMIT = 2**16


@dataclass(frozen=True)
class SeriesIds:
    """The names of the series and the series of each row."""

    names: tuple[str, ...]
    """In order of first appearance."""
    codes: NDArray[np.int32]
    """(rows,)"""
    columns: tuple[str, ...] = ()
    """Columns that the names come from."""


@dataclass(frozen=True)
class Grouping:
    """The rows of each series, sorted by time, without duplicates."""

    rows: IntArray | None
    """Rows of the table in panel order; None if that is the order of the table."""
    offsets: IntArray
    """(series + 1,) first of `rows` in each series."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class StepValues:
    """The values of each row, in table order."""

    target: FloatArray
    """(rows, targets)"""
    known: Covariates
    past: Covariates
    target_names: tuple[str, ...] = ()


def read_ids(table: Table, columns: tuple[str, ...], joint: str = "/") -> SeriesIds:
    """Reads series names from one column, or from several joined with `/`.

    Raises:
        DataError: An id is missing, or two different combinations give the same name.
    """
    parts = [as_text(table, column) for column in columns]
    for column, part in zip(columns, parts, strict=True):
        absent = np.flatnonzero(part.codes < 0)
        if len(absent):
            row = int(absent[0])
            raise DataError(
                f"{table.missing(row)} no id ({len(absent):,} such rows).",
                place=table.place(column, row),
                hint="Fill the id in or remove the rows.",
            )
    codes = parts[0].codes.astype(np.int64)
    for part in parts[1:]:
        codes = np.unique(codes * len(part.values) + part.codes, return_inverse=True)[1]
    ordered, first_rows = _by_appearance(codes)
    names = tuple(joint.join(part.values[part.codes[row]] for part in parts) for row in first_rows)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"two combinations of {name_list(columns)} give the same series name {quoted(twice)}.", place=table.place()
        )
    return SeriesIds(names, ordered, columns)


def _by_appearance(codes: IntArray) -> tuple[NDArray[np.int32], IntArray]:
    """Renumbers codes in order of first appearance; also returns the first row of each."""
    first = np.full(int(codes.max()) + 1, -1, np.int64)
    # of several writes to one place the last one stays: going backwards, the first row
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    appearance = present[np.argsort(first[present])]
    if np.array_equal(appearance, np.arange(len(first))):
        return codes.astype(np.int32), first
    rank = np.empty(len(first), np.int32)
    rank[appearance] = np.arange(len(appearance))
    return rank[codes], first[appearance]


def group_rows(table: Table, ids: SeriesIds, times: Times, values: StepValues) -> Grouping:
    """Sorts rows by series and time, and drops rows that repeat another exactly.

    Raises:
        DataError: One series has different values at one time.
    """
    ticks = times.values.astype(np.int64, copy=False)
    offsets = _offsets(ids)
    rows, num_disordered = _sorted_rows(ids.codes, ticks)
    notices = []
    if num_disordered:
        told = " rows stood before an earlier time of their series; the rows were sorted by time"
        notices.append(Notice.summable("repair", num_disordered, num_disordered, told))
    sorted_ticks, sorted_codes = (ticks, ids.codes) if rows is None else (ticks[rows], ids.codes[rows])
    same = (sorted_ticks[1:] == sorted_ticks[:-1]) & (sorted_codes[1:] == sorted_codes[:-1])
    repeated = np.flatnonzero(same) + 1
    if not len(repeated):
        return Grouping(rows, offsets, tuple(notices))
    rows = np.arange(len(ticks)) if rows is None else rows
    _refuse_conflicts(table, ids, times, values, (rows[repeated - 1], rows[repeated]))
    example = int(rows[repeated[0]])
    first = (" rows repeat another row exactly, first on ", Example(table.where(example)), "; they were left out")
    notices.append(Notice.summable("repair", len(repeated), len(repeated), *first))
    kept = np.delete(rows, repeated)
    lost = np.bincount(sorted_codes[repeated], minlength=len(ids.names))
    return Grouping(kept, offsets - np.append(0, np.cumsum(lost)), tuple(notices))


def _offsets(ids: SeriesIds) -> IntArray:
    if np.all(ids.codes[1:] >= ids.codes[:-1]):
        return np.searchsorted(ids.codes, np.arange(len(ids.names) + 1, dtype=ids.codes.dtype)).astype(np.int64)
    return np.append(0, np.cumsum(np.bincount(ids.codes, minlength=len(ids.names)))).astype(np.int64)


def _sorted_rows(codes: NDArray[np.int32], ticks: IntArray) -> tuple[IntArray | None, int]:
    """Returns rows by series and time (None if in order), and how many stood before an earlier time."""
    rows, ordered_codes, ordered_ticks = None, codes, ticks
    if not np.all(codes[1:] >= codes[:-1]):
        narrow = codes.astype(np.uint16) if codes.max() < _RADIX_LIMIT else codes
        rows = np.argsort(narrow, kind="stable")
        ordered_codes, ordered_ticks = codes[rows], ticks[rows]
    backwards = (ordered_ticks[1:] < ordered_ticks[:-1]) & (ordered_codes[1:] == ordered_codes[:-1])
    num_disordered = int(np.count_nonzero(backwards))
    return (np.lexsort((ticks, codes)) if num_disordered else rows), num_disordered


def _refuse_conflicts(
    table: Table, ids: SeriesIds, times: Times, values: StepValues, pairs: tuple[IntArray, IntArray]
) -> None:
    """Raises if the two rows of a pair, which share series and time, differ."""
    first, second = pairs
    columns = _columns(values)
    conflicts = np.flatnonzero(~np.logical_and.reduce([column.equal(first, second) for column in columns]))
    if not len(conflicts):
        return
    shown = []
    for i in conflicts[:MOST_EXAMPLES]:
        one, other = int(first[i]), int(second[i])
        series = "" if len(ids.names) == 1 else f" of series {quoted(ids.names[ids.codes[one]])}"
        differing = next(column for column in columns if not column.equal(first[[i]], second[[i]])[0])
        shown.append(
            f"{times.show(one)}{series} ({differing.label}{differing.text_of(one)} on {table.where(one)}, "
            f"{differing.text_of(other)} on {table.where(other)})"
        )
    count = f" ({len(conflicts):,} in all)" if len(conflicts) > len(shown) else ""
    raise DataError(
        f"the same time occurs with different values: {', '.join(shown)}{count}.",
        place=table.place(row=int(second[conflicts[0]])),
        hint=(
            *_forgotten_id(table, ids, pairs, {*values.target_names, *(column.name for column in columns)}),
            f"Where clocks went back an hour, give {option('timezone')}.",
        ),
    )


def _forgotten_id(
    table: Table, ids: SeriesIds, pairs: tuple[IntArray, IntArray], used: Collection[str]
) -> tuple[str, ...]:
    """Returns which column would tell the rows of all pairs apart, and that an id column does not."""
    first, second = pairs
    constant = len(ids.names) == 1 and len(ids.columns) == 1
    telling = [f"Id column {quoted(ids.columns[0])} holds the same text in every row."] if constant else []
    for column in table.columns:
        if (
            column in used
            or column in ids.columns
            or table.arrow.schema.field(column).type not in (TEXT_TYPE, pa.int64())
        ):
            continue
        codes = as_text(table, column).codes
        if (codes[first] != codes[second]).all() and (codes >= 0).all():
            joined = (column,) if constant or not ids.columns else (*ids.columns, column)
            return (*telling, f"Was an id column forgotten ({option('id', shlex.quote(','.join(joined)))})?")
    return (*telling, f"Was an id column forgotten ({option('id')})?")


@dataclass(frozen=True)
class _Column:
    """One column of the values that were read, for comparing its rows."""

    name: str
    """Empty for a target."""
    values: FloatArray | NDArray[np.int32]
    """(rows,)"""
    categories: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """Quoted name of a covariate and a blank."""
        return self.name and f"{quoted(self.name)} "

    def equal(self, first: IntArray, second: IntArray) -> BoolArray:
        """Returns whether the rows of each pair hold the same, or are both missing."""
        one, other = self.values[first], self.values[second]
        equal: BoolArray = (one == other) | (np.isnan(one) & np.isnan(other))
        return equal

    def text_of(self, row: int) -> str:
        """Returns the value in a row for a message."""
        value = self.values[row]
        if np.isnan(value) or (value < 0 and self.categories is not None):
            return "missing"
        return f"{value:g}" if self.categories is None else quoted(self.categories[int(value)])


def _columns(values: StepValues) -> list[_Column]:
    columns = [_Column("", column) for column in values.target.T]
    for part in (values.known, values.past):
        columns += [_Column(name, part.numeric[:, i]) for i, name in enumerate(part.numeric_names)]
        columns += [
            _Column(name, part.codes[:, i], part.categories[i]) for i, name in enumerate(part.categorical_names)
        ]
    return columns
