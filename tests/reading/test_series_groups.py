"""Series of Parquet files in groups: which rows a group reads, and what cannot be grouped."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import Table as ArrowTable
from pyarrow import parquet

from seqcast.errors import DataError
from seqcast.reading import series_groups
from seqcast.reading.files import TableFiles, open_table
from seqcast.reading.options import ReadOptions
from seqcast.reading.series_groups import SeriesGroup, SeriesGroups, group_series
from seqcast.reading.tabular import read_table
from tests.reading.making_tables import write

DAYS = pd.date_range("2024-01-01", periods=7)


def series(*names: str) -> pd.DataFrame:
    """Seven days of each series, with values that tell the series and the days apart."""
    parts = [pd.DataFrame({"unique_id": name, "ds": DAYS, "y": 100.0 * ord(name[0]) + np.arange(7)}) for name in names]
    return pd.concat(parts, ignore_index=True)


def put(folder: Path, *frames: pd.DataFrame, row_group_size: int = 1000) -> TableFiles:
    folder.mkdir(exist_ok=True)
    for number, frame in enumerate(frames):
        table = ArrowTable.from_pandas(frame, preserve_index=False)
        parquet.write_table(table, folder / f"{number}.parquet", row_group_size=row_group_size)
    found = open_table(folder)
    assert isinstance(found, TableFiles)
    return found


def grouped(files: TableFiles, most_rows: int, *ids: str) -> SeriesGroups:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_groups, "MOST_ROWS", most_rows)
        return group_series(files, ids or ("unique_id",))


def rows_of(group: SeriesGroup) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in read_table(group).arrow.columns), strict=True))


def test_groups_hold_every_row_once_in_the_order_of_the_table(tmp_path: Path) -> None:
    files = put(tmp_path, series("d", "a"), series("c"), series("b", "e"), row_group_size=5)
    found = grouped(files, 14).groups
    assert [group.ids for group in found] == [("d", "a"), ("c", "b"), ("e",)]
    whole = read_table(files).arrow
    expected = list(zip(*(column.to_pylist() for column in whole.columns), strict=True))
    assert [row for group in found for row in rows_of(group)] == expected


def test_a_group_reads_only_the_row_groups_of_its_series(tmp_path: Path) -> None:
    found = grouped(put(tmp_path, series("a", "b"), series("c"), row_group_size=7), 7).groups
    assert [group.pieces for group in found] == [((0, (0,)),), ((0, (1,)),), ((1, (0,)),)]


def test_files_of_whole_series_are_groups_where_days_follow_each_other(tmp_path: Path) -> None:
    by_day = [series(*names).sort_values("ds", kind="stable") for names in ("abcdef", "ghijkl", "mnopqr")]
    found = grouped(put(tmp_path, *by_day, row_group_size=6), 7).groups
    assert [group.ids for group in found] == [tuple("abcdef"), tuple("ghijkl"), tuple("mnopqr")]
    assert [len(rows_of(group)) for group in found] == [42, 42, 42]


def test_series_that_are_spread_over_all_files_are_not_grouped(tmp_path: Path) -> None:
    frame = series(*"abcdefgh")
    found = grouped(put(tmp_path, *(frame[frame["ds"] == day] for day in DAYS)), 7)
    assert found.groups == ()
    assert found.obstacle == "the rows of each series are spread over many parts of its files"


def test_a_series_in_two_files_is_one_series(tmp_path: Path) -> None:
    frame = series("a")
    first, *others = grouped(put(tmp_path, frame[:4], frame[4:], series("b")), 7).groups
    assert first.ids == ("a",)
    assert len(rows_of(first)) == 7
    assert [group.ids for group in others] == [("b",)]


def test_ids_may_come_from_keys_and_from_several_columns(tmp_path: Path) -> None:
    frame = pd.concat([series("a", "b").assign(shop="x"), series("a").assign(shop="y")])
    frame.to_parquet(tmp_path, partition_cols=["shop"], index=False)
    files = open_table(tmp_path)
    assert isinstance(files, TableFiles)
    found = grouped(files, 7, "shop", "unique_id").groups
    assert [group.ids for group in found] == [("x\0a",), ("x\0b",), ("y\0a",)]
    assert {row[-1] for row in rows_of(found[1])} == {"x"}


def test_whole_numbers_may_be_ids(tmp_path: Path) -> None:
    frame = series("a", "b").assign(unique_id=np.repeat([7, 5], 7))
    assert [group.ids for group in grouped(put(tmp_path, frame), 7).groups] == [("7",), ("5",)]


def test_a_table_without_ids_or_of_another_format_is_not_grouped(tmp_path: Path) -> None:
    files = put(tmp_path / "set", series("a"))
    assert grouped(files, 7, "store").obstacle == "no column of ids names its series"
    assert group_series(files, ()).obstacle == "no column of ids names its series"
    (tmp_path / "csv").mkdir()
    write(tmp_path / "csv", "unique_id,ds,y\na,1,2\n")
    csv = open_table(tmp_path / "csv")
    assert isinstance(csv, TableFiles)
    assert grouped(csv, 7).obstacle == "it is not Parquet"


def test_groups_carry_the_fingerprint_of_the_table_and_one_of_their_own(tmp_path: Path) -> None:
    files = put(tmp_path, series("a"), series("b"))
    before = grouped(files, 7).groups
    assert {group.fingerprint for group in before} == {read_table(files).fingerprint}
    put(tmp_path, series("a"), series("b").assign(y=0.0))
    after = grouped(files, 7).groups
    assert before[0].fingerprint != after[0].fingerprint
    changed = [one.own_fingerprint != two.own_fingerprint for one, two in zip(before, after, strict=True)]
    assert changed == [False, True]


def test_a_fault_in_a_group_is_placed_in_its_file_and_row(tmp_path: Path) -> None:
    frame = series("a", "b").assign(y=[*map(str, range(11)), "oops", "12", "13"])
    group = grouped(put(tmp_path, frame), 7).groups[1]
    table = read_table(group, ReadOptions())
    assert table.where(4) == f"row 12 of {tmp_path}/0.parquet"


def test_a_file_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    files = put(tmp_path, series("a"), series("b"))
    group = grouped(files, 7).groups[1]
    (tmp_path / "1.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"1\.parquet: the Parquet file is damaged"):
        read_table(group)
    (tmp_path / "1.parquet").unlink()
    with pytest.raises(DataError, match=r"1\.parquet: the file was removed while the table was read"):
        read_table(group)
