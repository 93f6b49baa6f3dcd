"""Reads static covariates: one value per series, from the table itself or from a table of their own."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError, option
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Covariates
from seqcast.panel.schema import Schema
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.columns import column_kind, read_covariates
from seqcast.reading.grouping import SeriesIds, read_ids
from seqcast.reading.number_marks import mark_notices
from seqcast.reading.roles import DEFAULT_ID
from seqcast.reading.table import MOST_EXAMPLES, Table, missing_column

Names = tuple[str, ...]
Number = TypeVar("Number", np.float64, np.int32)


def split_statics(table: Table, config: DataConfig, static_table: Table | None) -> tuple[Names, Names]:
    """Splits static columns into those of the table and those of the static table (all of it if none are named).

    Raises:
        DataError: A named column is in neither.
    """
    if static_table is None:
        return config.static, ()
    ids = _static_ids(static_table, config, ())
    if not config.static:
        return (), tuple(column for column in static_table.columns if column not in ids)
    for column in config.static:
        if column not in static_table.columns and column not in table.columns:
            raise missing_column(static_table, column, "static covariate")
    from_file = tuple(column for column in config.static if column in static_table.columns)
    return tuple(column for column in config.static if column not in from_file), from_file


def _static_ids(static_table: Table, config: DataConfig, id_columns: Names) -> Names:
    """Returns the columns of the static table that name the series."""
    asked: tuple[Names, ...] = (
        () if config.id is None else ((config.id,), tuple(part.strip() for part in config.id.split(",")))
    )
    for candidate in (id_columns, *asked, (DEFAULT_ID,)):
        if candidate and set(candidate) <= set(static_table.columns):
            return candidate
    texts = [column for column in static_table.columns if column_kind(static_table, column) == "text"]
    named = [column for column in texts if column not in config.static]
    if len(named) == 1:
        return (named[0],)
    raise DataError(
        f"no id column was found among {name_list(static_table.columns)}.",
        place=static_table.place(),
        hint=f"Name it {DEFAULT_ID}, or like the id column of the data.",
    )


def static_notices(static_table: Table | None, columns: Names, id_columns: Names) -> tuple[Notice, ...]:
    """Returns the notices about reading static columns from a table of their own."""
    if static_table is None or not columns:
        return ()
    found = [*static_table.notices, *mark_notices(static_table.marks, columns)]
    key = _static_ids(static_table, DataConfig(static=columns), id_columns)
    if key not in (id_columns, (DEFAULT_ID,)):
        found.append(Notice("decision", f"id column {quoted(key[0])}"))
    return tuple(notice.about("static table") for notice in found)


def read_statics(
    table: Table, schema: Schema, columns: tuple[Names, Names], static_table: Table | None, ids: tuple[SeriesIds, Names]
) -> Covariates:
    """Reads the (series,) static covariates, those of the table before those of the static table.

    Raises:
        DataError: A value changes within a series, or a series has no row in the static table.
    """
    series, id_columns = ids
    own, from_file = columns
    names = schema.target if schema.layout == "wide" else series.names
    if own and schema.layout == "wide":
        raise UsageError(
            f"column {quoted(own[0])} cannot be static in a wide table.",
            place=table.place(own[0]),
            hint=f"Use {option('static_file')}.",
        )
    inside = _constant_within(table, read_covariates(table, own), series) if own else Covariates.empty(len(names))
    if static_table is None or not from_file:
        return inside
    config = DataConfig(id=None, static=from_file)
    key = _static_ids(static_table, config, id_columns)
    return _side_by_side(inside, _looked_up(static_table, from_file, key, names))


def _constant_within(table: Table, covariates: Covariates, series: SeriesIds) -> Covariates:
    """Returns the first present value of each series, after checking that the others equal it."""
    numeric = np.empty((len(series.names), len(covariates.numeric_names)))
    codes = np.empty((len(series.names), len(covariates.categorical_names)), np.int32)
    for i, column in enumerate(covariates.numeric_names):
        numeric[:, i] = _one_value(table, column, covariates.numeric[:, i], series, np.float64("nan"))
    for i, column in enumerate(covariates.categorical_names):
        codes[:, i] = _one_value(table, column, covariates.codes[:, i], series, np.int32(-1))
    return replace(covariates, numeric=numeric, codes=codes)


def _one_value(
    table: Table, column: str, values: NDArray[Number], series: SeriesIds, missing: Number
) -> NDArray[Number]:
    """Returns the (series,) value that all rows of a series with a value share; `missing` if it has none."""
    rows = np.flatnonzero(~((values == missing) | np.isnan(values)))
    found = np.full(len(series.names), missing)
    # written backwards, so that the first row of each series stays
    found[series.codes[rows[::-1]]] = values[rows[::-1]]
    changed = rows[values[rows] != found[series.codes[rows]]]
    if len(changed):
        row = int(changed[0])
        owner = int(series.codes[row])
        first = int(rows[np.argmax(series.codes[rows] == owner)])
        num_series = len(np.unique(series.codes[changed]))
        shown = f"{_shown(table, column, first)} on {table.where(first)} and {_shown(table, column, row)}"
        raise DataError(
            f"a static column must not change within a series, but series {quoted(series.names[owner])} has "
            f"{shown} on {table.where(row)} ({num_series:,} series change).",
            place=table.place(column, row),
            hint=f"Give it as {option('known')} or {option('past')} instead.",
        )
    return found


def _shown(table: Table, column: str, row: int) -> str:
    return quoted(str(table.arrow.column(column)[row].as_py()))


def _looked_up(static_table: Table, columns: Names, key: Names, names: Names) -> Covariates:
    """Returns the covariates of the static table for each series name."""
    owners = read_ids(static_table, key)
    covariates = _constant_within(static_table, read_covariates(static_table, columns), owners)
    row_of = {name: row for row, name in enumerate(owners.names)}
    absent = [name for name in names if name not in row_of]
    if absent:
        raise DataError(
            f"{len(absent):,} series have no row: {name_list(absent, MOST_EXAMPLES)}.",
            place=static_table.place(key[0]),
            hint="Add the rows; the id must be written as in the data.",
        )
    return covariates.take(np.array([row_of[name] for name in names]))


def _side_by_side(left: Covariates, right: Covariates) -> Covariates:
    return Covariates(
        left.numeric_names + right.numeric_names,
        np.hstack([left.numeric, right.numeric]),
        left.categorical_names + right.categorical_names,
        left.categories + right.categories,
        np.hstack([left.codes, right.codes]),
    )
