"""A large table described group by group: its columns, frequency, gaps and lengths in bounded memory."""

from dataclasses import dataclass, replace

import numpy as np

from seqcast.config import Config, DataConfig
from seqcast.errors import option
from seqcast.panel.arrays import IntArray, evenly_spread
from seqcast.panel.notices import Notice, PartNotices, untold
from seqcast.panel.seasonality import MOST_SERIES, PanelSummary, SeriesFacts, autocorrelation
from seqcast.reading.files import TableFiles
from seqcast.reading.options import ReadOptions
from seqcast.reading.series_groups import MOST_ROWS, SeriesGroup, chosen_series, first_rows, group_series, id_columns
from seqcast.run.source import Source, frequency_of, read_source, resolve_roles

_CORRECT_OR_GIVE = f"Correct that time, or give the shortest step of all series with {option('freq')}."


@dataclass(frozen=True)
class TableReading:
    """How a table is read before there is a run."""

    config: Config
    options: ReadOptions
    static_path: str | None

    def read(self, table: TableFiles | SeriesGroup, data: DataConfig | None = None) -> Source:
        """Read a table or some of its series, with the given roles of columns or those of the configuration."""
        return read_source(table, self.config.data if data is None else data, self.options, self.static_path)


@dataclass(frozen=True)
class GroupedSummary:
    """A table that was read in groups."""

    sample: Source
    """Series that are spread evenly over the table, about as many as a group has, and the notices of all groups."""
    summary: PanelSummary
    """Of all series."""


def summarise_in_groups(files: TableFiles, reading: TableReading) -> GroupedSummary | Notice | None:
    """Describe a table of more than `MOST_ROWS` rows; None for a smaller one.

    Columns are found in the first rows of the table, and the frequency in its first group; the others must fit them.
    Where the table cannot be read in groups, a notice says why.

    Raises:
        DataError: The table cannot be used.
        UsageError: The given roles contradict each other or the data.
    """
    head = first_rows(files)
    if head is None:
        return None
    first = reading.read(head)
    data = resolve_roles(reading.config, first.panel).data
    found = group_series(files, id_columns(data.id, files.keys))
    if len(found.groups) < 2:
        reason = found.obstacle or "it is one series"
        return Notice("decision", f"{files.name} is read as a whole: {reason}")
    roles = data.model_copy(update={"freq": reading.config.data.freq})
    facts, told = [], PartNotices()
    notices = [Notice("decision", f"{files.name} is read in {len(found.groups):,} groups of series")]
    notices += told.new(each for each in first.notices if each.kind == "decision")
    for group in found.groups:
        found_freq = roles.freq if reading.config.data.freq is None else None
        with frequency_of("the first series", found_freq, _CORRECT_OR_GIVE):
            source = reading.read(group, roles)
        notices += told.new(each for each in source.notices if each.kind == "repair")
        roles = roles.model_copy(update={"freq": source.panel.frequency.alias})
        facts.append(SeriesFacts.of(source.panel))
    notices += (*told.sums(), *untold(told.num_untold))
    return _described(found.groups, reading, roles, SeriesFacts.joined(facts), tuple(notices))


def _described(
    groups: tuple[SeriesGroup, ...],
    reading: TableReading,
    roles: DataConfig,
    facts: SeriesFacts,
    notices: tuple[Notice, ...],
) -> GroupedSummary:
    """Read a sample of the series again, for the seasons and for the plan of a training."""
    num_series = len(facts.lengths)
    seasonal = evenly_spread(num_series, MOST_SERIES)
    planned = evenly_spread(num_series, max(1, int(MOST_ROWS // facts.lengths.mean())))
    numbers = np.union1d(seasonal, planned)
    read = reading.read(chosen_series(groups, set(numbers.tolist())), roles)

    def series_of(chosen: IntArray) -> Source:
        return replace(read, panel=read.panel.take_series(np.searchsorted(numbers, chosen)), notices=())

    summary = facts.summary(read.panel.frequency, autocorrelation(series_of(seasonal).panel))
    text = f"the training is planned on {len(planned):,} of {num_series:,} series, evenly spread over the table"
    sample = replace(series_of(planned), notices=(*notices, Notice("decision", text)))
    return GroupedSummary(sample, summary)
