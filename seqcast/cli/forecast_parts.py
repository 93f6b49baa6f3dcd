"""Forecasts of a table that is read in groups of series, to one file or to a folder of part files."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.cli.grouped_reading import GroupedReading, GroupToRead
from seqcast.cli.loaded_run import OpenedRun
from seqcast.cli.onnx_model import OpenedOnnx
from seqcast.cli.table_output import TableOutput
from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.panel.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from seqcast.panel.notices import Notice
    from seqcast.panel.panel import Panel
    from seqcast.panel_forecasts import Prediction
    from seqcast.part_files import PartFolder
    from seqcast.reading.series_groups import SeriesGroup
    from seqcast.reading.table import Table
    from seqcast.run.source import Source


@dataclass(frozen=True)
class ForecastRequest:
    """The forecast that is asked for."""

    opened: OpenedRun | OpenedOnnx
    predict: "Callable[[Panel, Table | None, Engine], Prediction]"
    drift: "Callable[[Panel], tuple[Notice, ...]]"
    """Warnings about attention that differs from that in training."""
    future: Path | None
    levels: tuple[float, ...]
    facts: tuple[object, ...]
    """Options that change the forecasts: the model, the horizon, the context."""

    def forecast(self, source: "Source", future: "Table | None", engine: Engine) -> "Prediction":
        """Forecast a panel from the end of every series."""
        prediction = self.predict(source.panel, future, engine)
        return replace(prediction, notices=(*prediction.notices, *self.drift(source.panel)))

    def read_future(self, source: "Source") -> "Table | None":
        """Read the table of the future, if one was given, under the headings of another table."""
        return None if self.future is None else source.read_future(str(self.future))

    def table_of(self, prediction: "Prediction") -> "pa.Table":
        """The forecast table."""
        from seqcast.tables import forecast_table

        return forecast_table(prediction.forecast, self.opened.model.schema, self.levels)


def write_in_parts(screen: Screen, request: ForecastRequest, output: TableOutput, engine: Engine) -> bool:
    """Forecast a table group by group where it can be read so; False, with nothing done, where it must be read whole.

    A folder is always written here, as a single part where the table must be read whole.
    """
    parts = _Parts(request, GroupedReading(screen, request.opened.table, request.opened.notices), engine)
    groups = parts.reading.groups()
    if output.is_folder:
        _write_folder(screen, parts, groups, output)
    elif len(groups) > 1:
        tables = parts.with_rows(groups)
        output.write_stream(screen, tables, [name for group in groups for name in group.names])
    return output.is_folder or len(groups) > 1


@dataclass(frozen=True)
class GroupTable:
    """The forecast table of a group of series."""

    read: "tuple[Notice, ...]"
    """Notices of reading it."""
    predicted: "tuple[Notice, ...]"
    table: "pa.Table | None"
    """None for a group without observed values."""


@dataclass
class GroupForecasting:
    """Forecasts groups of series; the first one tells of drift for all."""

    request: ForecastRequest
    _future: "tuple[Table | None] | None" = field(default=None, init=False)
    """The table of the future, once it was read."""

    def __call__(self, asked: GroupToRead) -> GroupTable:
        """Read a group and forecast it."""
        from seqcast.panel_forecasts import coverage_notices
        from seqcast.results.origins import observed_ends

        request = self.request
        source = request.opened.table.read_group(asked.group, is_first=asked.is_first)
        if self._future is None:
            self._future = (request.read_future(source),)
        if not source.has_values:
            return GroupTable(source.notices, tuple(coverage_notices(source.panel, observed_ends(source.panel))), None)
        prediction = request.predict(source.panel, self._future[0], SINGLE_PROCESS)
        drift = request.drift(source.panel) if asked.is_first else ()
        told = (*prediction.notices, *(each.about("in the first group of series") for each in drift))
        return GroupTable(source.notices, told, request.table_of(prediction))


@dataclass(frozen=True)
class _Parts:
    """Forecasts of groups of series."""

    request: ForecastRequest
    reading: GroupedReading
    engine: Engine

    def with_rows(self, groups: "tuple[SeriesGroup, ...]") -> "Iterator[pa.Table]":
        """The forecast tables of the groups that have observed values.

        Raises:
            DataError: None has.
        """
        from seqcast.results.origins import no_values

        has_some = False
        for table in self.tables(groups):
            if table is not None:
                has_some = True
                yield table
        if not has_some:
            raise no_values()
        self.reading.tell_rest()

    def tables(self, groups: "tuple[SeriesGroup, ...]") -> "Iterator[pa.Table | None]":
        """The forecast table of each group; None for a group without observed values."""
        for done in self.engine.map(GroupForecasting(self.request), GroupToRead.of(groups)):
            self.reading.tell_read(done.read)
            self.reading.tell(done.predicted)
            yield done.table

    def whole(self) -> "pa.Table":
        """The forecast table of a table that is read as a whole."""
        request = self.request
        source = request.opened.read(self.reading.screen).source
        prediction = request.forecast(source, request.read_future(source), self.engine)
        self.reading.tell(prediction.notices)
        return request.table_of(prediction)

    def work(self, output: TableOutput) -> str:
        """sha256 of the model and of all options that change the forecasts or the files."""
        from seqcast import __version__
        from seqcast.reading.tabular import read_table

        request, table = self.request, self.request.opened.table
        files = (request.future, table.static_path)
        tables = [None if file is None else read_table(str(file)).fingerprint for file in files]
        options: list[object] = [__version__, *request.facts, request.levels, tables, table.given.reading]
        options += [output.file_format, output.excel_safe, sorted(table.given.roles.items())]
        return hashlib.sha256(repr([table.record.model_dump(mode="json"), *options]).encode()).hexdigest()


def _write_folder(screen: Screen, parts: _Parts, groups: "tuple[SeriesGroup, ...]", output: TableOutput) -> None:
    """Write the parts that are not there yet."""
    from seqcast.part_files import part_folder

    assert isinstance(output.target, Path)
    with part_folder(output.target, parts.work(output)) as folder:
        written = _Written(screen, output, folder)
        if groups:
            named = {written.name(number): group for number, group in enumerate(groups)}
            kept = {name for name, group in named.items() if folder.holds(name, group.own_fingerprint)}
            missing = {name: group for name, group in named.items() if name not in kept}
            folder.expect({name: group.own_fingerprint for name, group in missing.items()})
            for (name, group), table in zip(missing.items(), parts.tables((*missing.values(),)), strict=True):
                written.add(name, table, group.own_fingerprint)
        else:
            kept = set()
            folder.expect({written.name(0): ""})
            written.add(written.name(0), parts.whole(), "")
        folder.remove_others(kept | written.names)
    parts.reading.tell_rest()
    rest = f"; {counted(len(kept), 'part')} there already" if kept else ""
    added = f"{counted(written.num_rows, 'row')} written to {counted(len(written.names), 'part')}"
    screen.say(f"{added} in {output.target}{rest}")


@dataclass
class _Written:
    """The parts that this command has written."""

    screen: Screen
    output: TableOutput
    folder: "PartFolder"
    num_rows: int = 0
    names: set[str] = field(default_factory=set)

    def name(self, number: int) -> str:
        """The file of a part."""
        return f"part-{number:05}.{self.output.file_format}"

    def add(self, name: str, table: "pa.Table | None", fingerprint: str) -> None:
        """Write a part and enter it; a group without rows has none."""
        if table is None:
            return
        part = replace(self.output, target=self.folder.path / name, is_folder=False)
        part.write(self.screen, table)
        self.folder.keep(name, fingerprint)
        self.num_rows += table.num_rows
        self.names.add(name)
