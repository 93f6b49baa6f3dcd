"""Finds the role of each column: given by the user, or beyond doubt."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError, option
from seqcast.panel.notices import Notice
from seqcast.panel.schema import Layout, Schema
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.cell_patterns import CLOCK
from seqcast.reading.columns import Kind, column_kind, first_distinct, holds_some_numbers, read_numbers, text_column
from seqcast.reading.table import Table, missing_column
from seqcast.reading.times import read_times

DEFAULT_ID = "unique_id"
DEFAULT_TIME = "ds"
DEFAULT_TARGET = "y"
TIME_NAMES = frozenset({"time", "timestamp", "date", "datetime", "t", "step", "ts", "period", "year"})
"""Names that make a column of whole numbers the time."""
_ID_JOIN = ","


@dataclass(frozen=True)
class Roles:
    """The schema of the panel and the columns its ids come from."""

    schema: Schema
    id_columns: tuple[str, ...]
    """Columns whose joined texts name the series; empty where the table has none."""
    notices: tuple[Notice, ...]


def find_roles(table: Table, config: DataConfig) -> Roles:
    """Decides the role of every column; static columns that were given and the table lacks belong to another table.

    Raises:
        DataError: A column is absent, or what was not given is ambiguous.
        UsageError: The given roles contradict each other.
    """
    _require(table, config)
    given = {*config.target, *config.known, *config.past, *config.static, *filter(None, (config.time,))}
    given_ids = split_id(table, config.id)
    free = [column for column in table.columns if column not in given and column not in given_ids]
    kinds = {column: column_kind(table, column) for column in free}
    time = config.time or _find_time(table, kinds)
    kinds.pop(time, None)
    ids = given_ids or _find_id(table, config, time, kinds)
    for column in ids:
        kinds.pop(column, None)
    target = config.target or _find_target(table, ids, kinds)
    if len(target) > 1 and ids:
        raise UsageError(
            f"{len(target)} target columns and the id column {name_list(ids)}: a table is either long or wide.",
            place=table.place(),
            hint=f"Give one {option('target')}, or a table without id column.",
        )
    layout: Layout = "long" if ids else "wide" if len(target) > 1 else "single"
    schema = Schema(
        layout, ids[0] if len(ids) == 1 else DEFAULT_ID, time, target, config.known, config.past, config.static
    )
    targets = set(target)
    unused = tuple(column for column in kinds if column not in targets)
    return Roles(schema, ids, _decisions(schema, ids, unused, config))


def split_id(table: Table, id_option: str | None) -> tuple[str, ...]:
    """Returns the columns that the option `id` names: one, or several separated by commas.

    Raises:
        DataError: The table lacks one of them.
    """
    if id_option is None:
        return ()
    columns = (id_option,) if id_option in table.columns else tuple(part.strip() for part in id_option.split(_ID_JOIN))
    for column in columns:
        if column not in table.columns:
            raise missing_column(table, column, "id")
    return columns


def has_columns(columns: Collection[str], name: str) -> bool:
    """Returns whether columns hold one of that name, or all that it joins with commas."""
    return name in columns or all(part.strip() in columns for part in name.split(_ID_JOIN))


def _require(table: Table, config: DataConfig) -> None:
    """Raises for the first column that was given and is absent."""
    given = {"target": config.target, "time": filter(None, (config.time,)), "known covariate": config.known}
    given |= {"past covariate": config.past, "static covariate": config.static}
    asked = [(role, column) for role, columns in given.items() for column in columns]
    for role, column in asked:
        if column not in table.columns:
            raise missing_column(table, column, role)
    twice = sorted(set(split_id(table, config.id)) & {column for _, column in asked})
    if twice:
        raise UsageError(f"column {quoted(twice[0])} has two roles; give it one.", place=table.place(twice[0]))


def _find_time(table: Table, kinds: dict[str, Kind]) -> str:
    if DEFAULT_TIME in kinds:
        return DEFAULT_TIME
    kinds = {column: kind for column, kind in kinds.items() if column not in table.keys}
    candidates = [column for column, kind in kinds.items() if kind == "time"]
    if not candidates:
        candidates = [
            column for column, kind in kinds.items() if column.strip().lower() in TIME_NAMES and kind != "empty"
        ]
    if len(candidates) > 1:
        raise _undecided("time", candidates, candidates[0], table)
    if candidates:
        return candidates[0]
    delimiter = f"Name it with {option('time')}, and the delimiter with {option('delimiter')} if there is one column."
    rows = f"If each row holds a whole series, give {option('layout', 'rows')}."
    raise DataError(
        f"no time column was found among {name_list(table.columns)}.",
        place=table.place(),
        hint=(delimiter, rows) if len(table.columns) > 1 else delimiter,
    )


def _undecided(role: Literal["time", "target"], candidates: list[str], likely: str, table: Table) -> DataError:
    error = DataError(
        f"several columns may be the {role}: {name_list(candidates)}.",
        place=table.place(),
        hint=f"Say which with {option('time') if role == 'time' else option('target')}.",
    )
    error.remedy = (role, likely)
    return error


def _find_id(table: Table, config: DataConfig, time: str, kinds: dict[str, Kind]) -> tuple[str, ...]:
    """Returns the default id column, or the only text column of a table in which times repeat.

    Keys in the paths of files may name the series where no other text does.
    """
    if DEFAULT_ID in kinds:
        return (DEFAULT_ID,)
    texts = [column for column, kind in kinds.items() if kind == "text" and column not in table.keys]
    if not texts and table.keys and _times_repeat(table, time):
        texts = [column for column in table.keys if column in kinds]
    if len(config.target) > 1 or not texts:
        return ()
    if not _times_repeat(table, time):
        constant = [column for column in texts if len(text_column(table, column).values) == 1]
        return (constant[0],) if len(constant) == len(texts) == 1 else ()
    _refuse_clock(table, time, texts)
    varied = [column for column in texts if len(text_column(table, column).values) > 1]
    if len(texts) == 1 or len(varied) == 1:
        return tuple(varied or texts)
    one, two = (shlex.quote(name) for name in (texts[0], _ID_JOIN.join(texts[:2])))
    raise DataError(
        f"times repeat, and several columns may name the series: {name_list(texts)}.",
        place=table.place(),
        hint=f"Say which with {option('id', one)}, or join several: {option('id', two)}.",
    )


def _refuse_clock(table: Table, time: str, texts: list[str]) -> None:
    """Raises if days repeat because the time of day has a column of its own."""
    clock = next((each for each in texts if all(map(CLOCK.fullmatch, first_distinct(table, each)))), None)
    if clock is not None:
        raise DataError(
            f"times repeat, and column {quoted(clock)} holds times of day.",
            place=table.place(time),
            hint=(
                "Join both into one column such as 2024-01-31 23:59.",
                f"If {quoted(clock)} names the series, give {option('id')}.",
            ),
        )


def _times_repeat(table: Table, time: str) -> bool:
    ticks = read_times(table, time).values.astype(np.int64, copy=False)
    return not bool(np.all(np.diff(ticks) > 0)) and len(np.unique(ticks)) < len(ticks)


def _find_target(table: Table, ids: tuple[str, ...], kinds: dict[str, Kind]) -> tuple[str, ...]:
    if DEFAULT_TARGET in kinds:
        return (DEFAULT_TARGET,)
    numeric = [column for column, kind in kinds.items() if kind in ("number", "integer")]
    # "Unnamed: 0" is the index that pandas writes.
    numeric = [column for column in numeric if not column.startswith("Unnamed: ") and column not in table.keys]
    if len(numeric) == 1 or (numeric and not ids):
        return tuple(numeric)
    if numeric:
        likely = next((column for column in numeric if kinds[column] == "number"), None) or max(
            numeric, key=lambda column: len(first_distinct(table, column))
        )
        raise _undecided("target", numeric, likely, table)
    nearly = [column for column, kind in kinds.items() if kind == "text" and holds_some_numbers(table, column)]
    if len(nearly) == 1:
        read_numbers(table, nearly[0])  # which says what is in the way
    raise DataError(
        f"no numeric column to forecast was found among {name_list(table.columns)}.",
        place=table.place(),
        hint=f"Name it with {option('target')}.",
    )


def _decisions(schema: Schema, ids: tuple[str, ...], unused: tuple[str, ...], config: DataConfig) -> tuple[Notice, ...]:
    found = []
    if config.time is None and schema.time != DEFAULT_TIME:
        found.append(f"time column {quoted(schema.time)}")
    if config.id is None and ids and ids != (DEFAULT_ID,):
        found.append(f"id column {quoted(ids[0])}")
    if not config.target and schema.layout == "wide":
        found.append(f"{len(schema.target)} series from columns {name_list(schema.target)}")
    elif not config.target and schema.target != (DEFAULT_TARGET,):
        found.append(f"target column {quoted(schema.target[0])}")
    notices = [Notice("decision", ", ".join(found))] if found else []
    if unused:
        advice = "name them as known, past or static covariates to use them"
        notices.append(Notice("decision", f"columns not used: {name_list(unused)}", len(unused), advice=advice))
    return tuple(notices)
