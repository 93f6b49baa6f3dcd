"""Tables of many files: which files are read, how their rows and keys come together, and which disagreements are named."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError
from seqcast.panel.panel import Panel
from seqcast.reading.assemble import build_panel
from seqcast.reading.files import TableFiles, is_table, open_table
from seqcast.reading.table import Table
from seqcast.reading.tabular import read_table
from tests.reading.making_tables import daily, rows, times_of, write

FIRST = rows("unique_id,ds,y", ["a,2024-01-01,1", "a,2024-01-02,2", "b,2024-01-01,5"])
SECOND = rows("unique_id,ds,y", ["a,2024-01-03,3", "b,2024-01-02,6", "b,2024-01-03,7"])


def put(root: Path, **contents: str | bytes) -> Path:
    """A folder of files; `_csv` in a name stands for the suffix."""
    for name, content in contents.items():
        path = root / name.replace("_csv", ".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path.parent, content, path.name)
    return root


def partitioned(root: Path, frame: pd.DataFrame, *keys: str) -> Path:
    """A hive-partitioned Parquet data set."""
    frame.to_parquet(root, partition_cols=list(keys), index=False)
    return root


def names(source: Path | str) -> list[str]:
    found = open_table(source)
    assert isinstance(found, TableFiles)
    return [Path(file.name).name for file in found.files]


def panel_of(source: Path | str, config: DataConfig = DataConfig()) -> Panel:
    return build_panel(read_table(source), config).panel


def in_series(panel: Panel) -> dict[str, list[float]]:
    return {
        name: panel.target[panel.offsets[i] : panel.offsets[i + 1]].tolist() for i, name in enumerate(panel.series_ids)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put(tmp_path / "sales", a_csv=FIRST, b_csv=SECOND)


def test_rows_of_a_series_may_lie_in_several_files(folder: Path) -> None:
    panel = panel_of(folder)
    assert in_series(panel) == {"a": [1, 2, 3], "b": [5, 6, 7]}
    assert times_of(panel)[0].startswith("2024-01-01")


def test_a_pattern_reads_the_files_that_fit_it(folder: Path) -> None:
    write(folder, "notes\n", "readme.txt")
    assert in_series(panel_of(f"{folder}/*.csv")) == {"a": [1, 2, 3], "b": [5, 6, 7]}
    assert names(f"{folder}/b*") == ["b.csv"]
    assert names(f"{folder.parent}/**/*.csv") == ["a.csv", "b.csv"]
    assert names(f"{folder.parent}/s*") == ["a.csv", "b.csv", "readme.txt"]


def test_hidden_files_and_those_of_running_jobs_are_left_out(folder: Path) -> None:
    put(folder, _SUCCESS="", **{".part.crc": b"\0", "_temporary/x.csv": "q\n", ".git/y.csv": "q\n"})
    assert names(folder) == names(f"{folder.parent}/*") == names(f"{folder}/*") == ["a.csv", "b.csv"]


def test_each_file_has_a_dialect_of_its_own(tmp_path: Path) -> None:
    values = [1.25, 2.5, 3.75, 4.125]
    point = rows("unique_id,ds,y", [f"a,{day},{value}" for day, value in zip(daily(4), values, strict=True)])
    comma = point.replace(",", ";").replace(".", ",").replace("a;", "b;")
    whole = rows("y,unique_id,ds", [f"{i},c,{day}" for i, day in enumerate(daily(4))])
    folder = put(tmp_path / "many", a_csv=point, b_csv=comma, c_csv=whole)
    assert in_series(panel_of(folder)) == {"a": values, "b": values, "c": [0, 1, 2, 3]}


def test_ids_that_look_like_numbers_in_one_file_keep_their_spelling(tmp_path: Path) -> None:
    one = rows("shop,ds,y", [f"{shop}.50,{day},1" for shop in range(9) for day in daily(1)])
    two = rows("shop,ds,y", [f"{shop},{day},1" for shop in ("007", "x") for day in daily(2)])
    panel = panel_of(put(tmp_path / "many", a_csv=one, b_csv=two), DataConfig(id="shop"))
    assert panel.series_ids == (*(f"{shop}.50" for shop in range(9)), "007", "x")


def test_a_column_without_values_in_one_file_has_the_type_of_the_others(tmp_path: Path) -> None:
    one = rows("unique_id,ds,y", [f"a,{day}," for day in daily(3)])
    two = rows("unique_id,ds,y", [f"b,{day},{i + 0.5}" for i, day in enumerate(daily(3))])
    table = read_table(put(tmp_path / "many", a_csv=one, b_csv=two))
    assert str(table.arrow.schema.field("y").type) == "double"
    np.testing.assert_array_equal(table.arrow.column("y").to_numpy(), [np.nan] * 3 + [0.5, 1.5, 2.5])


def test_keys_in_the_paths_become_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"ds": pd.to_datetime(daily(3) * 2), "y": [1.0, 2, 3, 4, 5, 6], "shop": ["x y"] * 3 + ["z"] * 3}
    )
    table = read_table(partitioned(tmp_path / "set", frame, "shop"))
    assert table.keys == ("shop",)
    assert table.arrow.column("shop").to_pylist() == ["x y"] * 3 + ["z"] * 3
    panel = build_panel(table, DataConfig()).panel
    assert in_series(panel) == {"x y": [1, 2, 3], "z": [4, 5, 6]}
    assert panel.schema.id == "shop"


def test_keys_that_only_split_the_rows_do_not_disturb_the_roles(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.date_range("2023-12-30", periods=4), "sales": [1.5, 2.5, 3.5, 4.5]})
    frame["year"] = frame["date"].dt.year
    panel = panel_of(partitioned(tmp_path / "set", frame, "year"))
    assert in_series(panel) == {"sales": [1.5, 2.5, 3.5, 4.5]}
    assert (panel.schema.time, panel.schema.target) == ("date", ("sales",))


def test_a_key_without_value_is_missing(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", **{"k=__HIVE_DEFAULT_PARTITION__/a.csv": FIRST, "k=1%2F2/b.csv": SECOND})
    assert read_table(folder).arrow.column("k").to_pylist() == ["1/2"] * 3 + [None] * 3


def test_parquet_files_may_differ_in_the_width_of_numbers_and_in_the_unit_of_times(tmp_path: Path) -> None:
    for name, number, unit in (("a", "int32", "s"), ("b", "float32", "ns")):
        times = pd.date_range("2024-01-01", periods=3).as_unit(unit)
        frame = pd.DataFrame({"unique_id": name, "ds": times, "y": np.array([1, 2, 3], number)})
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)
    pd.DataFrame({"unique_id": [], "ds": [], "y": []}).to_parquet(tmp_path / "empty.parquet", index=False)
    assert in_series(panel_of(tmp_path)) == {"a": [1, 2, 3], "b": [1, 2, 3]}


def test_a_fault_is_placed_in_its_file(folder: Path) -> None:
    write(folder, SECOND.replace("6", "six"), "b.csv")
    with pytest.raises(DataError, match=r"b\.csv, line 3, column 'y': 'six' is not a number"):
        panel_of(folder)
    write(folder, SECOND.replace("a,2024-01-03,3", "a,2024-01-02,9"), "b.csv")
    with pytest.raises(DataError, match=r"2 on line 3 of .*a\.csv, 9 on line 2 of .*b\.csv"):
        panel_of(folder)


def test_a_file_of_another_frequency_is_named(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=9, freq="h")
    hourly = rows("unique_id,ds,y", [f"h,{time},1" for time in hours])
    daily_rows = rows("unique_id,ds,y", [f"d,{day},1" for day in daily(9)])
    with pytest.raises(DataError, match=r"b\.csv, column 'ds': series have different frequencies: 'd' has a row every"):
        panel_of(put(tmp_path / "many", a_csv=hourly, b_csv=daily_rows))


def test_a_file_with_other_columns_is_named(folder: Path) -> None:
    write(folder, rows("unique_id,ds,z", ["a,2024-01-04,1"]), "c.csv")
    with pytest.raises(
        DataError, match=r"c\.csv: .* this one lacks 'y' of .*a\.csv and .*a\.csv lacks 'z' of this one"
    ):
        read_table(folder)


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    pd.DataFrame({"ds": [1, 2], "y": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet", index=False)
    pd.DataFrame({"ds": [3, 4], "y": ["x", "y"]}).to_parquet(tmp_path / "b.parquet", index=False)
    with pytest.raises(DataError, match=r"b\.parquet, column 'y': the column holds texts; in .*a\.parquet .* numbers"):
        read_table(tmp_path)


def test_files_of_two_kinds_are_refused(folder: Path) -> None:
    pd.DataFrame({"unique_id": ["a"], "ds": [1], "y": [1.0]}).to_parquet(folder / "c.parquet", index=False)
    with pytest.raises(DataError, match=r"c\.parquet: this file is Parquet, and .*a\.csv is CSV\. Give a pattern"):
        read_table(folder)


def test_paths_with_other_keys_are_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", **{"k=1/a.csv": FIRST, "b.csv": SECOND})
    with pytest.raises(DataError, match=r"a\.csv: the path has the keys 'k'; that of .*b\.csv has none"):
        read_table(folder)


def test_a_folder_or_a_pattern_without_files_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "empty", **{".hidden": FIRST})
    with pytest.raises(DataError, match="empty: there are no files in the folder"):
        open_table(tmp_path / "empty")
    with pytest.raises(DataError, match="no file fits this pattern"):
        open_table(str(tmp_path / "*.csv"))


def test_a_link_in_a_folder_is_refused_and_followed_by_a_pattern(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, SECOND.replace("a,", "c,"), "outside.csv")
    (folder / "c.csv").symlink_to(tmp_path / "outside.csv")
    with pytest.raises(DataError, match=r"c\.csv: this is a link, and links in a folder are not followed"):
        open_table(folder)
    assert "c" in in_series(panel_of(f"{folder}/*"))


def test_more_files_than_a_table_may_have_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcast.reading.files.MOST_FILES", 1)
    for name in (folder, folder / "*"):
        with pytest.raises(DataError, match="there are more than 1 files"):
            open_table(name)


def test_a_pipe_in_a_folder_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    for source in (folder, f"{folder}/*.csv"):
        with pytest.raises(DataError, match=r"pipe\.csv: this is not a plain file"):
            open_table(source)


def test_a_file_that_is_removed_while_the_table_is_read_is_named(folder: Path) -> None:
    found = open_table(folder)
    (folder / "b.csv").unlink()
    with pytest.raises(DataError, match=r"b\.csv: the file was removed while the table was read\. Try again"):
        read_table(found)


def test_the_fingerprint_covers_every_file_its_keys_and_nothing_else(tmp_path: Path) -> None:
    def fingerprint(**contents: str) -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        return read_table(put(root, **contents)).fingerprint

    one = fingerprint(**{"k=1/a.csv": FIRST, "k=2/b.csv": SECOND})
    assert one == fingerprint(**{"k=1/a.csv": FIRST, "k=2/b.csv": SECOND})
    assert len({one, fingerprint(**{"k=1/a.csv": FIRST, "k=3/b.csv": SECOND})}) == 2
    assert len({one, fingerprint(**{"k=1/a.csv": FIRST, "k=2/b.csv": SECOND.replace("7", "8")})}) == 2


def test_a_name_with_the_characters_of_a_pattern_is_that_of_a_file(tmp_path: Path) -> None:
    table: Table = read_table(write(tmp_path, FIRST, "a[1]*.csv"))
    assert (table.num_rows, table.files) == (3, ())


def test_what_is_a_table_can_be_told_without_reading_it(folder: Path) -> None:
    told = [is_table(str(each)) for each in (folder, folder / "a.csv", f"{folder}/*", f"{folder}/*.no", "/dev/zero")]
    assert told == [True, True, True, False, False]
