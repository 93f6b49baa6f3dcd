"""The roles of a table's columns, in a module without numpy so that run.json can be read at once."""

from dataclasses import dataclass
from typing import Literal

from seqcast.config import Names

Layout = Literal["long", "wide", "single"]


@dataclass(frozen=True)
class Schema:
    """The role of each column of the table."""

    layout: Layout
    id: str
    """Id column of the table, or `unique_id` where the table has none."""
    time: str
    target: Names
    known: Names = ()
    past: Names = ()
    static: Names = ()
