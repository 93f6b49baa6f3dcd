"""Small tables and panels for the tests of the data layer."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from seqcast.config import DataConfig
from seqcast.panel.panel import Panel
from seqcast.reading.assemble import LoadedPanel, build_panel
from seqcast.reading.options import ReadOptions
from seqcast.reading.table import Table
from seqcast.reading.tabular import read_table

FOUND = DataConfig()


def write(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes, options: ReadOptions = ReadOptions()) -> Table:
    """The table of a CSV file with this content."""
    return read_table(write(folder, content), options)


def load(
    folder: Path, content: str | bytes, config: DataConfig = FOUND, options: ReadOptions = ReadOptions()
) -> LoadedPanel:
    """The panel of a CSV file with this content."""
    return build_panel(read(folder, content, options), config)


def rows(header: str, lines: Iterable[str]) -> str:
    """CSV text with a header."""
    return "\n".join([header, *lines]) + "\n"


def daily(num_rows: int, start: str = "2024-01-01") -> list[str]:
    """ISO dates one day apart."""
    return [str(day) for day in np.datetime64(start, "D") + np.arange(num_rows)]


def repairs(loaded: LoadedPanel) -> list[str]:
    """The texts of the repair notices."""
    return [notice.text for notice in loaded.notices if notice.kind == "repair"]


def decisions(loaded: LoadedPanel) -> list[str]:
    """The texts of the decision notices."""
    return [notice.advised_text for notice in loaded.notices if notice.kind == "decision"]


def times_of(panel: Panel, series: int = 0) -> list[str]:
    """The times of one series as texts."""
    length = int(panel.lengths[series])
    return [str(time) for time in panel.times(np.full(length, series), np.arange(length))]
