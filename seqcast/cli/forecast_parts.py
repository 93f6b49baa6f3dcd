"""Forecasts of a table that is read in groups of series, to one file or to a folder of part files."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.cli.grouped_reading import GroupedReading
from seqcast.cli.loaded_run import OpenedRun
from seqcast.cli.onnx_model import OpenedOnnx
from seqcast.cli.table_output import TableOutput

if TYPE_CHECKING:
    import pandas as pd

    from seqcast.panel.notices import Notice
    from seqcast.panel.panel import Panel
    from seqcast.panel_forecasts import Prediction
    from seqcast.reading.series_groups import SeriesGroup
    from seqcast.reading.table import Table
    from seqcast.run.source import Source


@dataclass(frozen=True)
class ForecastRequest:
    """The forecast that is asked for."""

    opened: OpenedRun | OpenedOnnx
    predict: "Callable[[Panel, Table | None], Prediction]"
    drift: "Callable[[Panel], tuple[Notice, ...]]"
    """Warnings about attention that differs from that in training."""
    future: Path | None
    levels: tuple[float, ...]
    facts: tuple[object, ...]
    """Options that change the forecasts: the model, the horizon, the context."""

    def forecast(self, source: "Source", future: "Table | None", *, with_drift: bool = True) -> "Prediction":
        """Forecast a panel from the end of every series."""
        prediction = self.predict(source.panel, future)
        drift = self.drift(source.panel) if with_drift else ()
        return replace(prediction, notices=(*prediction.notices, *drift))

    def read_future(self, source: "Source") -> "Table | None":
        """Read the table of the future, if one was given, under the headings of another table."""
        return None if self.future is None else source.read_future(str(self.future))


def write_in_parts(screen: Screen, request: ForecastRequest, output: TableOutput) -> bool:
    """Forecast a table group by group where it can be read so; False, with nothing done, where it must be read whole.

    A folder is always written here, as a single part where the table must be read whole.
    """
    parts = _Parts(request, GroupedReading(screen, request.opened.table, request.opened.notices))
    groups = parts.reading.groups()
    if output.is_folder:
        _write_folder(screen, parts, groups, output)
    elif len(groups) > 1:
        import pyarrow as pa

        tables = (pa.Table.from_pandas(frame, preserve_index=False) for frame in parts.forecasts(groups))
        output.write_stream(screen, tables, [name for group in groups for name in group.names])
        parts.reading.tell_rest()
    return output.is_folder or len(groups) > 1


@dataclass
class _Parts:
    """Forecasts of groups of series."""

    request: ForecastRequest
    reading: GroupedReading
    future: "Table | None" = field(default=None, init=False)

    def forecasts(self, groups: "tuple[SeriesGroup, ...]") -> "Iterator[pd.DataFrame]":
        """The forecast tables of the groups that have observed values.

        Raises:
            DataError: None has.
        """
        from seqcast.results.origins import no_values

        has_some = False
        for group in groups:
            frame = self.forecast(group)
            if frame is not None:
                has_some = True
                yield frame
        if not has_some:
            raise no_values()

    def forecast(self, group: "SeriesGroup | None") -> "pd.DataFrame | None":
        """The forecast table of a group, or of the whole table for None; the first group tells of drift for all.

        None for a group without observed values.
        """
        from seqcast.output import forecast_frame

        reading, request = self.reading, self.request
        is_first = not reading.has_begun
        source = request.opened.read(reading.screen).source if group is None else reading.read(group)
        if is_first:
            self.future = request.read_future(source)
        if group is not None and not source.has_values:
            return None
        prediction = request.forecast(source, self.future, with_drift=is_first)
        reading.tell(prediction.notices)
        return forecast_frame(prediction.forecast, request.opened.model.schema, request.levels)

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
    names = [f"part-{number:05}.{output.file_format}" for number in range(len(groups) or 1)]
    num_rows, num_written, there = 0, 0, set()
    with part_folder(output.target, parts.work(output)) as folder:
        for name, group in zip(names, groups or (None,), strict=True):
            known = None if group is None else group.own_fingerprint
            if known is not None and folder.holds(name, known):
                there.add(name)
                continue
            frame = parts.forecast(group)
            if frame is None:
                continue
            part = replace(output, target=output.target / name, is_folder=False)
            part.write(screen, frame)
            folder.keep(name, known or "")
            num_rows, num_written = num_rows + len(frame), num_written + 1
            there.add(name)
        folder.remove_others(there)
    parts.reading.tell_rest()
    kept = len(there) - num_written
    rest = f"; {kept:,} parts were there already" if kept else ""
    screen.say(f"{num_rows:,} rows written to {num_written:,} parts in {output.target}{rest}")
