"""Tables whose headings or spelling differ from those of the table that a run was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pyarrow as pa

from seqcast.config import Config, DataConfig
from seqcast.errors import UsageError, option
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.schema import Schema
from seqcast.panel.wording import name_list
from seqcast.reading.grouping import read_ids
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import TEXT_TYPE, Table
from seqcast.run.record import RunRecord

_POSITIONAL = ("known", "past", "static")
"""Roles whose columns stand for those of the run in the order in which they are given."""


@dataclass(frozen=True)
class Given:
    """How a command says that its table is to be read; where it says nothing, as the table of the run."""

    roles: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the section `data` of the configuration."""
    reading: ReadOptions = ReadOptions()
    static_path: str | None = None

    def config(self, config: Config) -> DataConfig:
        """Return the roles of the columns of the table.

        Raises:
            UsageError: A column has two roles.
        """
        return config.override(data=dict(self.roles)).data if self.roles else config.data

    def headings(self, columns: Schema) -> dict[str, str]:
        """Return the run's column for each given column that stands for one.

        Raises:
            UsageError: More or fewer covariates are given than the run has.
        """
        found: dict[str, str] = {}
        for role in _POSITIONAL:
            own, given = getattr(columns, role), self.roles.get(role)
            if given is not None and len(given) != len(own):
                text = ",".join(given)
                spelled = {
                    "known": option("known", text),
                    "past": option("past", text),
                    "static": option("static", text),
                }
                raise UsageError(
                    f"{spelled[role]} names {len(given):,} columns; the run has {len(own):,}"
                    f"{': ' + name_list(own) if own else ''}.",
                    hint="Name the columns that stand for them, in this order." if own else "Leave it out.",
                )
            found |= dict(zip(given or (), own, strict=False))
        if self.roles.get("time"):
            found[self.roles["time"]] = columns.time
        if self.roles.get("id"):
            found[self.roles["id"]] = columns.id
        if len(self.roles.get("target", ())) == len(columns.target) == 1:
            found[self.roles["target"][0]] = columns.target[0]
        return found

    def columns(self, record: RunRecord, config: Config) -> tuple[str, ...]:
        """Return the columns that a table must have for the run to forecast it.

        Raises:
            UsageError: The given roles do not fit the run.
        """
        self.headings(record.columns)
        roles = self.config(config)
        ids = () if roles.id is None else (roles.id,)
        static = () if (self.static_path or record.data.static_path) else roles.static
        if self.options(record).layout == "rows":
            return (*ids, *static)
        return (*ids, *filter(None, (roles.time,)), *roles.target, *roles.known, *roles.past, *static)

    def options(self, record: RunRecord) -> ReadOptions:
        """Return the options for reading the table: those of the run, and the given ones in their place."""
        own, given = record.data.read_options, self.reading
        changes = {each.name: getattr(given, each.name) for each in fields(given)}
        changes = {name: value for name, value in changes.items() if value not in (None, ())}
        if "decimal" in changes or "thousands" in changes:
            changes = {"decimal": None, "thousands": None} | changes
        heading_of = {column: heading for heading, column in self.headings(record.columns).items()}
        text = tuple(heading_of.get(column, column) for column in own.text)
        words = tuple(dict.fromkeys((*own.na_values, *given.na_values)))
        return replace(own, **changes | {"text": text, "na_values": words})


def under_run_names(panel: Panel, columns: Schema, headings: Mapping[str, str]) -> Panel:
    """Return a panel with the column names of the run in place of the given headings."""
    if not headings:
        return panel
    known, past, static = (_renamed(each, headings) for each in (panel.known, panel.past, panel.static))
    own = panel.schema
    is_renamed = own.layout != "wide" and own.target[0] in headings
    schema = replace(
        own,
        id=columns.id,
        time=columns.time,
        target=columns.target if is_renamed else own.target,
        known=columns.known,
        past=columns.past,
        static=columns.static,
    )
    series_ids = columns.target if is_renamed and own.layout == columns.layout == "single" else panel.series_ids
    return replace(panel, schema=schema, series_ids=series_ids, known=known, past=past, static=static)


def _renamed(covariates: Covariates, headings: Mapping[str, str]) -> Covariates:
    numeric, categorical = (
        tuple(headings.get(name, name) for name in names)
        for names in (covariates.numeric_names, covariates.categorical_names)
    )
    return replace(covariates, numeric_names=numeric, categorical_names=categorical)


def future_under_run_names(future: Table, headings: Mapping[str, str]) -> Table:
    """Return a table of the future with the column names of the run in place of the given headings that it has."""
    arrow = future.arrow
    for heading, column in headings.items():
        joined = tuple(part.strip() for part in heading.split(","))
        if column in arrow.column_names:
            continue
        if heading in arrow.column_names:
            arrow = arrow.rename_columns([column if name == heading else name for name in arrow.column_names])
        elif len(joined) > 1 and set(joined) <= set(arrow.column_names):
            ids = read_ids(future, joined)
            texts = pa.DictionaryArray.from_arrays(pa.array(ids.codes), pa.array(ids.names))
            arrow = arrow.append_column(column, pa.chunked_array([texts], TEXT_TYPE))
    marks = {headings.get(column, column): each for column, each in future.marks.items()}
    return replace(future, arrow=arrow, marks=marks)
