from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError
from seqcast.reading.options import ReadOptions
from seqcast.reading.shares import SeriesShare, Unshared, find_share, owner_of
from seqcast.reading.tabular import read_table
from tests.reading.making_tables import FOUND, daily

NAMES = [f"s{number}" for number in range(11)]


def write(path: Path, names: list[str], num_rows: int = 3, **columns: object) -> str:
    frame = pd.DataFrame(
        {
            "unique_id": names * num_rows,
            "ds": np.repeat(daily(num_rows), len(names)),
            "y": np.arange(len(names) * num_rows),
        }
    )
    frame.assign(**columns).to_parquet(path, index=False, row_group_size=7)
    return str(path)


def share(data: str, number: int = 0, num_shares: int = 3, config: DataConfig = FOUND) -> SeriesShare:
    found = find_share(data, config, ReadOptions(), number, num_shares)
    assert isinstance(found, SeriesShare)
    return found


def test_the_owner_of_a_series_follows_from_its_id_alone() -> None:
    assert [owner_of(name, 2**32) for name in ("abc", "")] == [0x352441C2, 0]  # published values of CRC-32
    assert [owner_of("abc", size) for size in (1, 2, 7)] == [0, 0, 0x352441C2 % 7]


def test_shares_hold_every_row_once_in_the_order_of_the_table(tmp_path: Path) -> None:
    data = write(tmp_path / "d.parquet", NAMES)
    whole = read_table(data).arrow.to_pandas()
    owner = whole["unique_id"].map(lambda name: owner_of(name, 3))
    for number in range(3):
        own = read_table(share(data, number).series).arrow.to_pandas()
        pd.testing.assert_frame_equal(own, whole[owner == number].reset_index(drop=True), check_categorical=False)


def test_a_share_is_that_of_its_series_in_a_folder_of_files_too(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"{number}.parquet", NAMES[number::2])
    found = share(str(tmp_path), 1, 2)
    assert found.series.names == tuple(name for name in NAMES[::2] + NAMES[1::2] if owner_of(name, 2) == 1)
    assert found.size_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert np.flatnonzero(found.is_own).tolist() == np.flatnonzero(found.owner == 1).tolist()


def test_rows_that_are_added_do_not_move_a_series(tmp_path: Path) -> None:
    before = share(write(tmp_path / "a.parquet", NAMES)).series.ids
    after = share(write(tmp_path / "b.parquet", ["new", *NAMES], num_rows=5)).series.ids
    assert set(before) <= set(after) <= {*before, "new"}


@pytest.mark.parametrize(
    ("names", "columns", "reason"),
    [
        (["a", "c"], {}, "its 2 series leave one of 3 processes without any"),
        (NAMES, {"unique_id": None}, "no column of ids names its series"),
    ],
)
def test_a_table_that_cannot_be_shared_says_why(
    tmp_path: Path, names: list[str], columns: dict[str, object], reason: str
) -> None:
    data = write(tmp_path / "d.parquet", names)
    if columns:
        pd.read_parquet(data).drop(columns=[*columns]).to_parquet(data)
    assert find_share(data, FOUND, ReadOptions(), 0, 3) == Unshared(reason)


def test_a_table_that_is_not_parquet_is_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("unique_id,ds,y\na,2024-01-01,1\n")
    assert find_share(str(path), FOUND, ReadOptions(), 0, 2) == Unshared("it is not Parquet")
    by_row = find_share(write(tmp_path / "d.parquet", NAMES), FOUND, ReadOptions(layout="rows"), 0, 2)
    assert by_row == Unshared("each of its rows is a series")


def test_an_absent_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        find_share(str(tmp_path / "nowhere.parquet"), FOUND, ReadOptions(), 0, 2)
