"""Tables with one series in each row: recognised by their headings, and equal to the same table written long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.assemble import LoadedPanel, build_panel
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.options import ReadOptions
from seqcast.reading.tabular import read_table
from tests.reading.making_tables import daily, decisions

DAYS = daily(7, "2015-07-01")
VALUES = np.arange(21).reshape(3, 7) * 10 + 0.5
VALUES[0, 2] = VALUES[2, 6] = np.nan
NAMES = ["b", "a", "c"]


def by_rows(headings: list[str], **attributes: list[object]) -> pd.DataFrame:
    return pd.DataFrame(attributes | dict(zip(headings, VALUES.T, strict=True)))


def read_frame(folder: Path, frame: pd.DataFrame, config: DataConfig = DataConfig(), **options: str) -> LoadedPanel:
    frame.to_csv(folder / "rows.csv", index=False)
    return build_panel(read_table(folder / "rows.csv", ReadOptions(**options)), config)  # type: ignore[arg-type]


def require_equal(one: LoadedPanel, other: LoadedPanel) -> None:
    assert (one.panel.schema, one.panel.series_ids) == (other.panel.schema, other.panel.series_ids)
    assert one.panel.frequency == other.panel.frequency
    np.testing.assert_array_equal(one.panel.target, other.panel.target)
    np.testing.assert_array_equal(one.panel.starts, other.panel.starts)
    np.testing.assert_array_equal(one.panel.offsets, other.panel.offsets)


HEADINGS = {
    "dates": (DAYS, DAYS),
    "other dates": ([f"{d[8:]}/{d[5:7]}/{d[:4]}" for d in daily(7, "2015-07-10")], daily(7, "2015-07-10")),
    "times": ([f"{d} 12:00:00" for d in DAYS], [f"{d} 12:00:00" for d in DAYS]),
    "quarters": ([f"{2015 + i // 4}Q{i % 4 + 1}" for i in range(7)],) * 2,
    "years": ([str(1960 + i) for i in range(7)],) * 2,
    "steps": ([f"d_{i}" for i in range(1, 8)], [str(i) for i in range(1, 8)]),
    "plain steps": ([str(i) for i in range(1, 8)],) * 2,
    "dates as numbers": ([d.replace("-", "") for d in DAYS],) * 2,
}


@pytest.mark.parametrize(("headings", "times"), HEADINGS.values(), ids=HEADINGS.keys())
def test_a_series_in_each_row_is_read_like_the_same_table_written_long(
    tmp_path: Path, headings: list[str], times: list[str]
) -> None:
    frame = by_rows(headings, Page=NAMES)
    long = pd.DataFrame({"Page": np.repeat(NAMES, 7), "ds": times * 3, "y": VALUES.ravel()})
    expected = read_frame(tmp_path, long)
    require_equal(read_frame(tmp_path, frame), expected)
    require_equal(read_frame(tmp_path, frame, layout="rows"), expected)
    require_equal(build_panel(table_from_frame(frame), DataConfig()), expected)


def test_it_is_read_like_its_transpose(tmp_path: Path) -> None:
    wide = pd.DataFrame(VALUES.T, columns=NAMES).assign(ds=DAYS)
    one, other = read_frame(tmp_path, by_rows(DAYS, Page=NAMES)).panel, read_frame(tmp_path, wide).panel
    assert one.series_ids == other.series_ids
    np.testing.assert_array_equal(one.target, other.target)


def test_the_id_is_the_first_column_that_names_every_row(tmp_path: Path) -> None:
    frame = by_rows([f"d_{i}" for i in range(7)], state=["x", "x", "y"], item=["p", "q", "p"], id=NAMES)
    loaded = read_frame(tmp_path, frame, DataConfig(static=("state",)))
    assert loaded.panel.series_ids == ("b", "a", "c")
    assert loaded.panel.static.codes[:, 0].tolist() == [0, 0, 1]
    assert loaded.options.layout == "rows"
    assert decisions(loaded)[:2] == [
        "3 rows with one series each: id column 'id', 7 times from 'd_0' to 'd_6'",
        "columns not used: 'item' (name them as static covariates to use them)",
    ]


def test_an_id_column_may_be_named_like_the_steps(tmp_path: Path) -> None:
    loaded = read_frame(tmp_path, by_rows([f"V{i}" for i in range(2, 9)], V1=NAMES))
    assert (loaded.panel.series_ids, loaded.panel.lengths.tolist()) == (("b", "a", "c"), [7, 7, 7])


def test_several_columns_that_name_the_rows_together_are_suggested(tmp_path: Path) -> None:
    frame = by_rows(DAYS, shop=["s", "s", "t"], sku=["p", "q", "p"])
    with pytest.raises(DataError, match=r"no column names every row: 'shop', 'sku'\. Give --id shop,sku\."):
        read_frame(tmp_path, frame)
    assert read_frame(tmp_path, frame, DataConfig(id="shop,sku")).panel.series_ids == ("s/p", "s/q", "t/p")


def test_errors_name_the_row_and_the_time_of_the_file(tmp_path: Path) -> None:
    frame = by_rows(DAYS, Page=NAMES).astype(object)
    frame.loc[1, DAYS[3]] = "abc"
    with pytest.raises(DataError, match="line 3, column '2015-07-04': 'abc' is not a number"):
        read_frame(tmp_path, frame)
    twice = by_rows(DAYS, Page=["a", "b", "a"])
    with pytest.raises(
        DataError, match=r"line 4: the same time occurs .* series 'a' \(0\.5 on line 2, 140\.5 on line 4\)"
    ):
        read_frame(tmp_path, twice, DataConfig(id="Page"))


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (by_rows(DAYS, Page=NAMES), {"layout": "columns"}, "no time column was found .* give --layout rows"),
        (by_rows(list("tuvwxyz"), Page=NAMES), {"layout": "rows"}, "no columns are named by times such as 2024-01-31"),
        (by_rows([f"s{i}" for i in range(7)], n=[1, 2, 3]), {}, "no time column was found"),
    ],
)
def test_what_is_no_such_table_is_refused(
    tmp_path: Path, frame: pd.DataFrame, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_frame(tmp_path, frame, **options)


def test_covariates_of_single_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"column 'kind': a table with one series in each row has no covariates"):
        read_frame(tmp_path, by_rows(DAYS, Page=NAMES, kind=NAMES), DataConfig(known=("kind",)))


@pytest.mark.parametrize("name", ["ds", "Date", "hour"])
def test_a_table_with_a_time_column_stays_wide(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({name: daily(5), "s_1": range(5), "s_2": range(5), "s_3": range(5)})
    loaded = read_frame(tmp_path, frame)
    assert (loaded.panel.schema.layout, loaded.panel.series_ids) == ("wide", ("s_1", "s_2", "s_3"))


def test_the_format_of_the_headings_can_be_given(tmp_path: Path) -> None:
    frame = by_rows([f"week of {d[8:]}.{d[5:7]}.{d[2:4]}" for d in DAYS], Page=NAMES)
    loaded = read_frame(tmp_path, frame, layout="rows", time_format="week of %d.%m.%y")
    assert str(loaded.panel.starts[0])[:10] == "2015-07-01"
