"""Shares of the series of Parquet files, of which several processes read one each.

The hash of its id tells whose a series is. So it belongs to the same share whenever the table is read by as many
processes, and rows that are added later do not change that.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqcast.config import DataConfig
from seqcast.panel.arrays import BoolArray, IntArray
from seqcast.reading.files import TableFile, TableFiles, is_table, open_table
from seqcast.reading.joining import files_fingerprint
from seqcast.reading.options import ReadOptions
from seqcast.reading.roles import DEFAULT_ID
from seqcast.reading.series_groups import SeriesGroup, has_columns, id_columns, index_series, is_parquet


@dataclass(frozen=True, eq=False)
class SeriesShare:
    """The series of a table that one of several processes reads."""

    series: SeriesGroup
    owner: IntArray
    """(series of the table,) number of the share that each belongs to."""
    number: int
    """That of this share, from 0."""
    size_bytes: int
    """Stored bytes of the whole table."""

    @property
    def is_own(self) -> BoolArray:
        """(series of the table,) True for those of this share."""
        own: BoolArray = self.owner == self.number
        return own


@dataclass(frozen=True)
class Unshared:
    """The answer for a table that every process reads as a whole."""

    reason: str


def owner_of(series_id: str, num_shares: int) -> int:
    """Returns the number of the share that a series belongs to."""
    return zlib.crc32(series_id.encode("utf-8", "surrogatepass")) % num_shares


def find_share(
    data: str, config: DataConfig, options: ReadOptions, number: int, num_shares: int
) -> SeriesShare | Unshared:
    """Finds the series of one share by reading the ids of the table alone.

    Raises:
        DataError: The table is absent or damaged.
    """
    files = _parquet_files(data)
    if files is None:
        return Unshared("it is not Parquet")
    if options.layout == "rows":
        return Unshared("each of its rows is a series")
    ids = id_columns(config.id or DEFAULT_ID, files.keys)
    if not has_columns(files, ids):
        return Unshared("no column of ids names its series")
    index = index_series(files, ids)
    owner = np.array([owner_of(each, num_shares) for each in index.ids], np.int64)
    if np.bincount(owner, minlength=num_shares).min() == 0:
        return Unshared(f"its {len(owner):,} series leave one of {num_shares} processes without any")
    pieces: dict[int, list[int]] = {}
    for each in index.row_groups:
        if (owner[each.members] == number).any():
            pieces.setdefault(each.file, []).append(each.number)
    series = SeriesGroup(
        files,
        files_fingerprint(files, index.file_fingerprints),
        ids,
        tuple(index.ids[i] for i in np.flatnonzero(owner == number)),
        tuple((file, tuple(row_groups)) for file, row_groups in pieces.items()),
        tuple(index.file_fingerprints[file] for file in pieces),
    )
    return SeriesShare(series, owner, number, sum(Path(file.name).stat().st_size for file in files.files))


def _parquet_files(data: str) -> TableFiles | None:
    if not is_table(data):
        open_table(data)  # which tells why it is none
        return None
    path = Path(data)
    files = TableFiles(data, (TableFile(data),)) if path.is_file() else open_table(data)
    return files if isinstance(files, TableFiles) and all(map(is_parquet, files.files)) else None
