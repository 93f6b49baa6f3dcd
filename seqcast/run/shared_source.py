"""The table of a training of which each of several processes reads a share of the series."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.errors import DataError, option
from seqcast.panel.arrays import IntArray
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.notices import Notice, distinct_notices
from seqcast.panel.panel import Covariates, Gathering
from seqcast.panel.schema import Schema
from seqcast.panel.shares import PanelShare
from seqcast.panel.wording import quoted
from seqcast.reading.options import ReadOptions
from seqcast.reading.shares import SeriesShare
from seqcast.run.source import Source, read_source


@dataclass(frozen=True, eq=False)
class _Facts:
    """All that a process tells the others about its share."""

    schema: Schema
    frequency: Frequency
    categorical: tuple[tuple[str, ...], ...]
    """Names of the categorical columns of known, past and static covariates."""
    time_format: str | None
    series_ids: tuple[str, ...]
    starts: TimeArray
    lengths: IntArray
    static: Covariates
    num_observed: int
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, source: Source) -> "_Facts":
        panel = source.panel
        return cls(
            panel.schema,
            panel.frequency,
            tuple(role.categorical_names for role in (panel.known, panel.past, panel.static)),
            source.table.options.found_format,
            panel.series_ids,
            panel.starts,
            panel.lengths,
            panel.static,
            panel.num_observed,
            source.notices,
        )


def read_own_share(
    share: SeriesShare, config: DataConfig, options: ReadOptions = ReadOptions(), static_path: str | None = None
) -> Source:
    """Read the series of a share, without a word to the other processes.

    Raises:
        DataError, UsageError: As `read_source`.
    """
    return read_source(share.series, config, options, static_path)


def whole_source(own: Source, share: SeriesShare, gathered: Gathering) -> Source:
    """The table as all processes know it, with the rows of this one's share.

    Args:
        own: The share that this process has read.
        share: Which series those are.
        gathered: Returns what all processes tell, in the order of their shares.

    Raises:
        DataError: The shares do not fit together; all processes raise.
    """
    facts = gathered(_Facts.of(own))
    name = own.table.name
    _require_agreement(facts, name)
    rows = [np.flatnonzero(share.owner == number) for number in range(len(facts))]
    series_ids = np.empty(len(share.owner), object)
    lengths = np.zeros(len(share.owner), np.int64)
    starts = facts[0].starts[lengths]  # filled below
    for there, each in zip(rows, facts, strict=True):
        if len(there) != len(each.series_ids):
            raise _unlike_ids(name)
        series_ids[there], starts[there], lengths[there] = each.series_ids, each.starts, each.lengths
    if len(set(series_ids)) < len(series_ids):
        raise _unlike_ids(name)
    panel = own.panel
    whole = PanelShare(
        schema=panel.schema,
        frequency=panel.frequency,
        series_ids=tuple(series_ids),
        starts=starts,
        offsets=np.append(0, np.cumsum(np.where(share.is_own, lengths, 0))),
        target=panel.target,
        known=panel.known,
        past=panel.past,
        static=_joined([each.static for each in facts], rows),
        length_in_all=lengths,
        observed_in_all=sum(each.num_observed for each in facts),
        exchange=gathered,
    )
    told = Notice("decision", f"each of {len(facts)} processes reads a share of the {len(series_ids):,} series")
    notices = (told, *distinct_notices([each.notices for each in facts]))
    return replace(own, panel=whole, table=replace(own.table, size_bytes=share.size_bytes), notices=notices)


def _require_agreement(facts: list[_Facts], name: str) -> None:
    """Raise if the shares of a table look unlike each other."""
    first = facts[0]
    for number, each in enumerate(facts[1:], start=2):
        if each.frequency != first.frequency:
            raise DataError(
                f"{name}: share 1 of its series has the frequency {first.frequency.alias!r}, and share {number} has "
                f"{each.frequency.alias!r}.",
                hint=f"Give {option('freq')}.",
            )
        if each.time_format != first.time_format:
            raise DataError(
                f"{name}: the times of share 1 of its series read as {first.time_format}, and those of share {number} "
                f"as {each.time_format}.",
                hint=f"Give {option('time_format')}.",
            )
        odd = sorted({*sum(each.categorical, ())} ^ {*sum(first.categorical, ())})
        if odd:
            raise DataError(
                f"{name}: column {quoted(odd[0])} holds numbers in one share of its series and categories in another.",
                hint="Write it alike for all series, or train with one process.",
            )
        if each.schema != first.schema:
            raise DataError(
                f"{name}: the columns have other roles in share {number} of its series than in share 1.",
                hint=f"Give {option('time')} and {option('target')}.",
            )


def _unlike_ids(name: str) -> DataError:
    text = f"{name}: some ids are not the same as text and as they are stored, so the series cannot be shared out."
    return DataError(text, hint="Store the ids as texts, or train with one process.")


def _joined(parts: list[Covariates], rows: list[IntArray]) -> Covariates:
    """Static covariates of all series, of which each part has those in some rows."""
    first, num_series = parts[0], sum(map(len, rows))
    numeric = np.empty((num_series, len(first.numeric_names)))
    codes = np.full((num_series, len(first.categorical_names)), -1, np.int32)
    categories = tuple(
        tuple(sorted(set().union(*(part.categories[column] for part in parts))))
        for column in range(len(first.categorical_names))
    )
    for part, there in zip(parts, rows, strict=True):
        numeric[there] = part.numeric
        for column, names in enumerate(categories):
            codes[there, column] = _recoded(part.codes[:, column], part.categories[column], names)
    return replace(first, numeric=numeric, categories=categories, codes=codes)


def _recoded(codes: NDArray[np.int32], texts: tuple[str, ...], names: tuple[str, ...]) -> NDArray[np.int32]:
    place = {name: number for number, name in enumerate(names)}
    table = np.array([*(place[text] for text in texts), -1], np.int32)  # the code -1 of a missing value picks the last
    found: NDArray[np.int32] = table[codes]
    return found
