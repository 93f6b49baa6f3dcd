"""Tables with one series in each row and one column for each time, turned to one row for each series and time."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pyarrow as pa

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError, option
from seqcast.panel.notices import Notice
from seqcast.panel.wording import counted, name_list, quoted
from seqcast.reading.cell_patterns import looks_like_time
from seqcast.reading.columns import as_text, column_kind, read_numbers
from seqcast.reading.number_marks import mark_notices
from seqcast.reading.roles import DEFAULT_ID, DEFAULT_TARGET, DEFAULT_TIME, TIME_NAMES, split_id
from seqcast.reading.table import TEXT_TYPE, Table
from seqcast.reading.time_texts import strptime

_FEWEST = 3
"""Columns named by times from which a table is recognised; fewer may be so by chance."""
_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>[0-9]+)")
_MOST_JOINED = 3
_MAJORITY = 0.5
"""Share of columns of numbers from which the others hold misspelt ones."""
_NUMERIC = ("number", "integer", "empty")


@dataclass(frozen=True)
class TimeHeadings:
    """Columns that are named by times, in the order of the table."""

    columns: tuple[str, ...]
    texts: tuple[str, ...]
    """The time of each column, as text; the number alone where names such as d_1 count steps."""
    are_dates: bool


def time_headings(columns: Sequence[str], time_format: str | None = None) -> TimeHeadings | None:
    """Returns the columns whose names are dates, numbers, or numbers after a common beginning; None if they are few."""
    names = [column.strip() for column in columns]
    if time_format is not None:
        is_time = ~np.isnat(strptime(names, time_format))
        dated = [column for column, each in zip(columns, is_time, strict=True) if each]
    else:
        dated = [column for column, name in zip(columns, names, strict=True) if looks_like_time(name)]
    if len(dated) >= _FEWEST or time_format is not None:
        return TimeHeadings(tuple(dated), tuple(map(str.strip, dated)), are_dates=True) if dated else None
    groups: dict[str, list[tuple[str, str]]] = {}
    for column, name in zip(columns, names, strict=True):
        found = _NUMBERED.fullmatch(name)
        if found is not None:
            groups.setdefault(found["prefix"], []).append((column, str(int(found["number"]))))
    largest = max(groups.values(), key=len, default=[])
    if len(largest) < _FEWEST or len({text for _, text in largest}) < len(largest):
        return None
    return TimeHeadings(tuple(column for column, _ in largest), tuple(text for _, text in largest), are_dates=False)


def one_row_per_time(table: Table, config: DataConfig) -> tuple[Table, DataConfig]:
    """Returns a table with one series in each row with a row for each series and time, and the roles of its columns.

    Any other table stays as it is. Without option such a table is recognised by its headings, if none of its columns
    holds times.

    Raises:
        DataError: No columns are named by times, or none names the series.
        UsageError: Covariates of single steps are asked for, which such a table does not have.
    """
    if table.options.layout == "columns":
        return table, config
    ids = split_id(table, config.id) if table.options.layout == "rows" else ()
    free = [column for column in table.columns if column not in {*ids, *config.static}]
    headings = time_headings(free, table.options.time_format)
    if headings is not None:
        headings = _without_id(table, headings)
    if table.options.layout is None and not _is_recognised(table, config, headings):
        return table, config
    if headings is None:
        raise DataError(
            f"no columns are named by times such as 2024-01-31, 2024 or d_1: {name_list(free, 5)}.",
            place=table.place(),
            hint=f"Name their format with {option('time_format')}, or leave {option('layout')} out.",
        )
    if config.known or config.past:
        raise UsageError(
            f"column {quoted((*config.known, *config.past)[0])}: a table with one series in each row has no "
            "covariates of single steps.",
            place=table.place(),
            hint=f"Name columns that describe the series with {option('static')}.",
        )
    ids = ids or split_id(table, config.id) or _find_ids(table, headings.columns)
    return _turned(table, config, headings, ids)


def _is_recognised(table: Table, config: DataConfig, headings: TimeHeadings | None) -> bool:
    if headings is None or config.time is not None or config.target:
        return False
    others = [column for column in table.columns if column not in set(headings.columns)]
    kinds = {column: column_kind(table, column) for column in others}
    has_time = any(
        kind == "time" or name == DEFAULT_TIME or (name.strip().lower() in TIME_NAMES and kind != "empty")
        for name, kind in kinds.items()
    )
    named = bool(others) if headings.are_dates else "text" in kinds.values() or DEFAULT_ID in kinds
    if has_time or not named:
        return False
    num_numeric = sum(column_kind(table, column) in _NUMERIC for column in headings.columns)
    return num_numeric >= max(_FEWEST, _MAJORITY * len(headings.columns))


def _without_id(table: Table, headings: TimeHeadings) -> TimeHeadings:
    """Returns the headings without a first column of text, which names the series and is only named like the steps."""
    if headings.are_dates or column_kind(table, headings.columns[0]) != "text":
        return headings
    return replace(headings, columns=headings.columns[1:], texts=headings.texts[1:])


def _find_ids(table: Table, times: Collection[str]) -> tuple[str, ...]:
    """Returns the column whose text differs in all rows; raises if there is none."""
    taken = set(times)
    kinds = {column: column_kind(table, column) for column in table.columns if column not in taken}
    if DEFAULT_ID in kinds:
        return (DEFAULT_ID,)
    texts = [column for column, kind in kinds.items() if kind == "text"]
    whole = [column for column, kind in kinds.items() if kind == "integer"]
    found = next((column for column in (*texts, *whole) if _names_every_row(table, (column,))), None)
    if found is not None:
        return (found,)
    sizes = range(2, _MOST_JOINED + 1)
    joined = (each for size in sizes for each in combinations((*texts, *whole)[:10], size))
    several = next((each for each in joined if _names_every_row(table, each)), None)
    hint = f"Say which with {option('id')}." if several is None else f"Give {option('id', ','.join(several))}."
    raise DataError(f"no column names every row: {name_list(kinds)}.", place=table.place(), hint=hint)


def _names_every_row(table: Table, columns: tuple[str, ...]) -> bool:
    parts = [as_text(table, column) for column in columns]
    codes = np.column_stack([part.codes for part in parts])
    return bool((codes >= 0).all()) and len(np.unique(codes, axis=0)) == table.num_rows


def _turned(table: Table, config: DataConfig, headings: TimeHeadings, ids: tuple[str, ...]) -> tuple[Table, DataConfig]:
    num_rows, num_times = table.num_rows, len(headings.columns)
    own = {*ids, *config.static} & set(table.columns)
    time = config.time or DEFAULT_TIME
    target = (
        config.target[0]
        if config.target
        else next(name for name in (DEFAULT_TARGET, "value", "target value") if name not in own)
    )
    values = np.empty((num_rows, num_times))
    for i, column in enumerate(headings.columns):
        values[:, i] = read_numbers(table, column)
    rows = pa.array(np.repeat(np.arange(num_rows, dtype=np.int32), num_times))
    arrow = {column: table.arrow.column(column).take(rows) for column in table.columns if column in own}
    codes = np.tile(np.arange(num_times, dtype=np.int32), num_rows)
    arrow[time] = pa.chunked_array(
        [pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(headings.texts))], TEXT_TYPE
    )
    arrow[target] = pa.chunked_array([pa.array(values.ravel())])
    turned = replace(
        table,
        arrow=pa.table(arrow),
        options=replace(table.options, layout="rows"),
        notices=(*table.notices, *_notices(table, headings, ids, own)),
        marks={column: marks for column, marks in table.marks.items() if column in own},
        times_per_row=num_times,
    )
    return turned, config.model_copy(update={"time": time, "target": (target,), "id": config.id or ids[0]})


def _notices(table: Table, headings: TimeHeadings, ids: tuple[str, ...], own: Collection[str]) -> tuple[Notice, ...]:
    columns = headings.columns
    named = f"id column {quoted(ids[0])}" if len(ids) == 1 else f"id columns {name_list(ids)}"
    first, last = quoted(columns[0]), quoted(columns[-1])
    told = (
        f"{counted(table.num_rows, 'row')} with one series each: {named}, {len(columns):,} times from {first} to {last}"
    )
    found = [Notice("decision", told), *mark_notices(table.marks, columns)]
    unused = [column for column in table.columns if column not in own and column not in set(columns)]
    if unused:
        advice = "name them as static covariates to use them"
        found.append(Notice("decision", f"columns not used: {name_list(unused)}", len(unused), advice=advice))
    return tuple(found)
