"""The table of a run, read as training read it and compared with what training read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from seqcast.config import Config, DataConfig
from seqcast.errors import DataError, Place, RunError, UsageError, option, options_in
from seqcast.panel.clock import is_fixed
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.reading.assemble import build_panel
from seqcast.reading.files import is_table, open_table
from seqcast.reading.options import ReadOptions
from seqcast.reading.series_groups import SeriesGroup
from seqcast.reading.table import Table
from seqcast.reading.tabular import TableSource, read_table
from seqcast.run.headings import Given, future_under_run_names, under_run_names
from seqcast.run.record import CONFIG_FILE, RUN_FILE, DataRecord, RunRecord

TRAIN_ANOTHER = "Train a run for the frequency of this table."
"""What to do about a table that does not have the frequency of the run."""


@dataclass(frozen=True)
class Source:
    """A panel, the table it was read from, and the notices of reading."""

    panel: Panel
    table: Table
    """Name, fingerprint and options of the table, without its rows, which the panel holds."""
    static_path: str | None
    notices: tuple[Notice, ...]
    headings: Mapping[str, str] = field(default_factory=dict)
    """The run's column for each heading of the table that was said to stand for one."""

    @property
    def fingerprint(self) -> str:
        """sha256 of the bytes that were read."""
        return self.table.fingerprint

    @property
    def has_values(self) -> bool:
        """Whether some target was observed."""
        return bool(np.isfinite(self.panel.target).any())

    def read_future(self, path: str) -> Table:
        """Read a table of the future, which has the headings of this table or those of the run.

        Raises:
            DataError: It cannot be read.
        """
        text = dict.fromkeys(
            name for heading in self.table.options.text for name in (heading, self.headings.get(heading))
        )
        options = replace(self.table.options, text=tuple(name for name in text if name is not None))
        return future_under_run_names(read_table(path, options), self.headings)

    def record(self) -> DataRecord:
        """Return what run.json keeps of the table."""
        panel = self.panel
        last = panel.times(np.arange(panel.num_series), panel.whole_lengths - 1)
        return DataRecord(
            path=absolute_name(self.table.name),
            fingerprint=self.fingerprint,
            size_bytes=self.table.size_bytes,
            num_series=panel.num_series,
            num_rows=int(panel.whole_lengths.sum()),
            num_observed=panel.num_observed,
            first_time=panel.frequency.show(panel.starts.min()),
            last_time=panel.frequency.show(last.max()),
            read_options=replace(self.table.options, text=self._text_columns()),
            static_path=None if self.static_path is None else absolute_name(self.static_path),
        )

    def _text_columns(self) -> tuple[str, ...]:
        """Return the columns that must be read as text from other tables too: ids and categories."""
        roles = (self.panel.known, self.panel.past, self.panel.static)
        return tuple(
            dict.fromkeys((*self.table.options.text, *(name for role in roles for name in role.categorical_names)))
        )


def absolute_name(name: str) -> str:
    """Return the absolute path of a file, a folder or a pattern, and any other name (`<stdin>`, `DataFrame`) as it is.

    The links in a pattern stay, because its parts after the first `*` are no paths.
    """
    if Path(name).exists():
        return str(Path(name).resolve())
    return str(Path(name).absolute()) if is_table(name) else name


def read_source(
    data: str | TableSource, config: DataConfig, options: ReadOptions = ReadOptions(), static_path: str | None = None
) -> Source:
    """Read a table and turn it into a panel.

    Raises:
        DataError: The table cannot be used.
        UsageError: The given roles contradict each other or the data.
    """
    ids = () if config.id is None else (config.id, *(part.strip() for part in config.id.split(",")))
    options = replace(options, text=tuple(dict.fromkeys((*ids, *options.text))))
    table = read_table(data, options)
    static_table = None if static_path is None else read_table(static_path, options)
    loaded = build_panel(table, config, static_table=static_table)
    emptied = replace(
        table, arrow=table.arrow.schema.empty_table(), lines=None, rows=None, files=(), options=loaded.options
    )
    return Source(loaded.panel, emptied, static_path, loaded.notices)


def frame_source(
    table: Table, static_table: Table | None, data: DataConfig, options: ReadOptions | None = None
) -> Source:
    """Turn a table that was made of a data frame into a panel.

    Raises:
        DataError, UsageError: As `read_source`.
    """
    loaded = build_panel(table, data, options, static_table)
    return Source(loaded.panel, replace(table, options=loaded.options), None, loaded.notices)


def resolve_roles(config: Config, panel: Panel) -> Config:
    """Return the configuration with the columns and the frequency that were found."""
    schema = panel.schema
    has_own_id = schema.layout == "long"
    return config.override(
        data={
            "target": schema.target,
            "time": schema.time,
            "id": config.data.id or (schema.id if has_own_id else None),
            "freq": panel.frequency.alias,
            "timezone": config.data.timezone or _named_zone(panel),
            "known": schema.known,
            "past": schema.past,
        }
    )


def _named_zone(panel: Panel) -> str | None:
    """Return the zone of the panel; None if it has none but an offset, which other tables may have otherwise."""
    clock = panel.frequency.clock
    return None if clock is None or is_fixed(clock.zone) else clock.zone


def read_run_source(
    record: RunRecord, config: Config, data: str | TableSource | None, given: Given = Given()
) -> Source:
    """Read the run's own table again, or another one with the same columns under the same or the given headings.

    Another table must have the frequency that the run was trained on, or be too short to tell.

    Raises:
        RunError: The run's own table is gone or never was a file, or the reading options in the run do not fit it.
        DataError: The table cannot be used, or has another frequency.
        UsageError: The given table contradicts the options of the run.
    """
    try:
        return _read_run_source(record, config, data, given)
    except UsageError as error:
        if data is not None or given != Given():
            raise
        message = f"{RUN_FILE} or {CONFIG_FILE} does not fit the table of the run: {error}"
        raise RunError(message, place=Place(file=record.data.path)) from None


def _read_run_source(record: RunRecord, config: Config, data: str | TableSource | None, given: Given) -> Source:
    own = record.data
    static_path = given.static_path or own.static_path
    _require_tables(own, data, static_path)
    named = own.path if data is None else data
    table = open_table(named) if isinstance(named, str) else named
    headings, options = given.headings(record.columns), given.options(record)
    source = at_trained_frequency(lambda roles: read_source(table, roles, options, static_path), record, config, given)
    panel = under_run_names(source.panel, record.columns, headings)
    notices = source.notices
    if not isinstance(table, SeriesGroup):  # about groups, it is told once for all of them
        notices = (*whose_data(record, source.table.name, source.fingerprint, is_own=data is None), *notices)
    return Source(panel, source.table, static_path, notices, headings)


def read_source_like(record: RunRecord, config: Config, data: str, given: Given = Given()) -> Source:
    """Read a table under its own headings, with the columns, the frequency and the options of reading of a run.

    Raises:
        RunError: The static table of the run is not there.
        DataError: The table cannot be used, or has another frequency.
        UsageError: The given roles do not fit the run.
    """
    static_path = given.static_path or record.data.static_path
    _require_tables(record.data, data, static_path)
    given.headings(record.columns)
    table, options = open_table(data), given.options(record)
    return at_trained_frequency(lambda roles: read_source(table, roles, options, static_path), record, config, given)


def at_trained_frequency(
    read: Callable[[DataConfig], Source], record: RunRecord, config: Config, given: Given = Given()
) -> Source:
    """Read a table that must have the frequency of a run, or be too short to tell.

    Args:
        read: Reads the table with these roles; called again with the frequency of the run where the table shows none.
        record: The run.
        config: That of the run.
        given: Roles that take the place of those of the run.

    Raises:
        DataError: The table cannot be used, or has another frequency.
    """
    roles = given.config(config)
    try:
        source = read(roles.model_copy(update={"freq": given.roles.get("freq")}))
        as_trained = source.panel.frequency.alias == record.frequency
    except DataError:  # such as a table of one row, which has no frequency of its own
        as_trained = False
    else:
        if not as_trained and source.fingerprint != record.data.fingerprint:
            _require_same_frequency(source.panel, record, source.table.name)
    if not as_trained:
        with frequency_of("the run", config.data.freq, TRAIN_ANOTHER):
            source = read(roles.model_copy(update={"freq": config.data.freq}))
    return replace(source, notices=tuple(replace(notice, advice="") for notice in source.notices))


def has_table(record: RunRecord) -> bool:
    """Return whether the table that a run was trained on is there."""
    return is_table(record.data.path)


def _require_tables(own: DataRecord, data: str | TableSource | None, static_path: str | None) -> None:
    """Raise if a table named in run.json is no plain file or files; reading a pipe or a device might never end."""
    if data is None and not is_table(own.path):
        raise RunError(
            "the table this run was trained on is not there.",
            place=Place(file=own.path),
            hint="Name a table: `seqcast predict DATA`.",
        )
    if static_path is not None and static_path == own.static_path and not is_table(static_path):
        raise RunError("the static table of this run is not there.", place=Place(file=static_path))


def _require_same_frequency(panel: Panel, record: RunRecord, name: str) -> None:
    """Raise, unless the table is so short that it may look coarser than it is; then the run's frequency is tried."""
    if _may_tell_frequency(panel, record):
        raise DataError(
            f"{name}: its frequency is {panel.frequency.alias!r}; this run was trained on {record.frequency!r}.",
            hint=TRAIN_ANOTHER,
        )


def _may_tell_frequency(panel: Panel, record: RunRecord) -> bool:
    """Return whether a series is long enough to show the frequency of its table."""
    return bool(panel.lengths.max() > 3 * max(2, record.shape.context))


def require_steps_of(record: RunRecord, source: Source) -> None:
    """Raise if series that were read with the frequency of a run have rows several of its steps apart throughout.

    Series so short that they may look coarser than they are pass, as they do where the frequency is found.

    Raises:
        DataError: No two observations of any series follow each other.
    """
    panel = source.panel
    observed, series = np.isfinite(panel.target), panel.series_of_row
    follow = observed[1:] & observed[:-1] & (series[1:] == series[:-1])
    if observed.any() and _may_tell_frequency(panel, record) and not follow.any():
        raise DataError(
            f"{source.table.name}: no two of its rows are one step apart; this run was trained on "
            f"{record.frequency!r}.",
            hint=TRAIN_ANOTHER,
        )


@contextmanager
def frequency_of(whose: str, alias: str | None, advice: str) -> Iterator[None]:
    """Turn an error about a frequency that no option gave into one that says whose it is.

    Sentences of its hint that speak of the option make way for `advice`.

    Raises:
        DataError: In place of a UsageError about the option `freq` with this alias.
    """
    try:
        yield
    except UsageError as error:
        spelled = option("freq", alias or "")
        if alias is None or spelled not in error.message:
            raise
        message = error.message.replace(spelled, f"the frequency {alias!r} of {whose}")
        others = (sentence for sentence in error.hint if "freq" not in options_in(sentence))
        raise DataError(message, place=error.place, hint=(*others, advice)) from None


def whose_data(record: RunRecord, name: str, fingerprint: str, *, is_own: bool) -> tuple[Notice, ...]:
    """Say whether a table is that of the training; `is_own`: it was taken because the run names it."""
    if fingerprint == record.data.fingerprint:
        return (Notice("decision", f"data: {name}, as trained on"),) if is_own else ()
    if is_own:
        return (Notice("repair", f"{name} has changed since the run was trained; its present content is used"),)
    return (Notice("decision", f"data: {name}, not the table the run was trained on"),)
