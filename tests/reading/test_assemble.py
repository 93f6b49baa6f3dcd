"""From tables to panels: order, duplicates, gaps, covariates, and the notices about them."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.assemble import build_panel
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.options import ReadOptions
from tests.reading.making_tables import daily, decisions, load, read, repairs, rows, times_of
from tests.running import hours

LONG = DataConfig(known=("price", "promo"), past=("visits",), static=("region", "area"))


def _long(folder: Path) -> str:
    lines = []
    for shop, num_rows in (("b", 5), ("a", 3)):
        for i, day in enumerate(daily(num_rows)):
            promo = "yes" if i % 2 else "no"
            lines.append(f"{shop},{day},{i}.5,{i}{i}.25,{promo},{7 * i},{shop}land,{len(shop) + num_rows}")
    return rows("unique_id,ds,y,price,promo,visits,region,area", lines)


def test_a_long_table_becomes_a_panel(tmp_path: Path) -> None:
    panel = load(tmp_path, _long(tmp_path), LONG).panel
    assert (panel.series_ids, panel.offsets.tolist(), panel.frequency.alias) == (("b", "a"), [0, 5, 8], "D")
    assert panel.target.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 0.5, 1.5, 2.5]
    assert times_of(panel, 1)[-1] == "2024-01-03T00:00:00.000000"


def test_covariates_of_every_role_are_read(tmp_path: Path) -> None:
    panel = load(tmp_path, _long(tmp_path), LONG).panel
    assert [(part.numeric_names, part.categorical_names) for part in (panel.known, panel.past, panel.static)] == [
        (("price",), ("promo",)),
        (("visits",), ()),
        (("area",), ("region",)),
    ]
    assert panel.known.numeric[:3, 0].tolist() == [0.25, 11.25, 22.25]
    assert panel.known.categories == (("no", "yes"),)
    assert panel.known.codes[:3, 0].tolist() == [0, 1, 0]
    assert panel.past.numeric[5:, 0].tolist() == [0, 7, 14]
    assert panel.static.numeric[:, 0].tolist() == [6, 4]
    assert [panel.static.categories[0][code] for code in panel.static.codes[:, 0]] == ["bland", "aland"]


def test_a_wide_table_becomes_one_series_per_column(tmp_path: Path) -> None:
    content = rows(
        "date,a,b,c,sky",
        [f"{day},{i},{i + 10},{i + 20},{sky}" for i, (day, sky) in enumerate(zip(daily(3), "xyx", strict=True))],
    )
    panel = load(tmp_path, content, DataConfig(target=("c", "a"), known=("b", "sky"))).panel
    assert (panel.series_ids, panel.target.tolist(), panel.offsets.tolist()) == (
        ("c", "a"),
        [20, 21, 22, 0, 1, 2],
        [0, 3, 6],
    )
    assert panel.known.numeric[:, 0].tolist() == [10, 11, 12, 10, 11, 12]
    assert panel.known.codes[:, 0].tolist() == [0, 1, 0, 0, 1, 0]
    assert len(panel.starts) == 2


DAYS = daily(5)
BACKWARDS = "rows stood before an earlier time of their series; the rows were sorted by time"


@pytest.mark.parametrize(
    ("lines", "target", "repaired"),
    [
        ([f"{name},{day},{i}" for i, day in enumerate(DAYS) for name in "ba"], [0, 1, 2, 3, 4] * 2, []),
        (
            [f"a,{DAYS[i]},{i}" for i in (0, 2, 1, 4, 3)] + [f"b,{day},0" for day in DAYS],
            [0, 1, 2, 3, 4, 0, 0, 0, 0, 0],
            [f"2 {BACKWARDS}"],
        ),
        ([f"{name},{DAYS[i]},{i}" for i in (2, 0, 1) for name in "ab"], [0, 1, 2] * 2, [f"2 {BACKWARDS}"]),
        (
            [f"{name},{day},{value}" for name in "ab" for day, value in zip(daily(3), ("1", "NA", ""), strict=True)],
            [1, np.nan, np.nan] * 2,
            ["4 of 6 target values are missing; they are masked"],
        ),
        (
            [f"s{i},{day},{'1' if i == 3 else ''}" for i in range(7) for day in daily(2)],
            [*[np.nan] * 6, 1, 1, *[np.nan] * 6],
            [
                "12 of 14 target values are missing; they are masked",
                "6 series have no value at all: 's0', 's1', 's2', 's4', 's5' and 1 more",
            ],
        ),
    ],
    ids=["interleaved", "disordered", "interleaved and disordered", "missing values", "series without values"],
)
def test_repairs_are_counted(tmp_path: Path, lines: list[str], target: list[float], repaired: list[str]) -> None:
    loaded = load(tmp_path, rows("unique_id,ds,y", lines))
    assert np.array_equal(loaded.panel.target, target, equal_nan=True)
    assert repairs(loaded) == repaired


@pytest.mark.parametrize(
    ("lines", "lengths", "frequency", "missing"),
    [
        (["2024-01-01,1", "2024-01-02,", "2024-01-02,", "2024-01-03,3"], 3, "D", [1]),
        (["2024-01-01,1", "2024-01-02,2", "2024-06-01,3"], 153, "D", list(range(2, 152))),
        ([f"2024-{month:02}-29,{month}" for month in (1, 2, 3, 6, 7)], 7, "MS@29", [3, 4]),
        ([f"{year}-01-01,{year}" for year in range(1500, 1511) if year != 1507], 11, "YS-JAN", [7]),
    ],
    ids=["twice missing", "five months", "months", "distant years"],
)
def test_steps_without_a_row_are_missing(
    tmp_path: Path, lines: list[str], lengths: int, frequency: str, missing: list[int]
) -> None:
    panel = load(tmp_path, rows("ds,y", lines)).panel
    assert (panel.lengths.tolist(), panel.frequency.alias) == ([lengths], frequency)
    assert np.flatnonzero(np.isnan(panel.target)).tolist() == missing


def test_integer_steps_make_a_panel(tmp_path: Path) -> None:
    panel = load(tmp_path, rows("step,y", [f"{step},{step}" for step in (3, 4, 7)])).panel
    assert (panel.starts.tolist(), panel.lengths.tolist(), panel.frequency.unit) == ([3], [5], "integer")


@pytest.mark.parametrize(
    ("columns", "first"), [("a,b", ("p/r", "p/s")), ("b,a", ("r/p", "s/p")), ("c,a,b", ("t/p/r", "u/p/r"))]
)
def test_joined_ids_name_the_series(columns: str, first: tuple[str, ...]) -> None:
    names = columns.split(",")
    frame = pd.DataFrame(
        [(day, 1.0, a, b, c) for a in "pq" for b in "rs" for c in ("tuv" if "c" in names else "t") for day in daily(2)],
        columns=["ds", "y", "a", "b", "c"],
    )
    panel = build_panel(table_from_frame(frame), DataConfig(id=columns)).panel
    num_series = 12 if "c" in names else 4
    assert (panel.num_series, panel.series_ids[:2], panel.lengths.tolist()) == (num_series, first, [2] * num_series)


@pytest.mark.parametrize(
    ("content", "config", "message"),
    [
        (
            rows(
                "unique_id,ds,y",
                [*[f"s{i},{day},1" for i in range(101) for day in daily(31)][:-1], "s100,2204-01-31,1"],
            ),
            DataConfig(),
            r"series 's100' jumps from 2024-01-30 to 2204-01-31, .* later \(frequency: daily\)\. Correct that",
        ),
        (
            rows("ds,y,shop,item", ["2024-01-01,1,a/b,c", "2024-01-01,1,a,b/c"]),
            DataConfig(id="shop,item"),
            r"two combinations of 'shop', 'item' give the same series name 'a/b/c'",
        ),
        (
            rows("unique_id,ds,y", [f"{name},{day},{i}" for name in "ab" for day in daily(7) for i in range(2)]),
            DataConfig(),
            r"2024-01-05 of series 'a' \(0 on line 10, 1 on line 11\) \(14 in all\)\. Was an id",
        ),
    ],
)
def test_a_table_that_makes_no_panel_is_refused(tmp_path: Path, content: str, config: DataConfig, message: str) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        load(tmp_path, content, config)


def test_series_of_many_blocks_keep_their_first_appearance(tmp_path: Path) -> None:
    names = [f"s{(7 * i) % 101}" for i in range(101)]
    content = rows("unique_id,ds,y", [f"{name},{day},1" for day in daily(2) for name in names])
    assert load(tmp_path, content).panel.series_ids == tuple(names)


@given(order=st.permutations(range(11)))
def test_unsorted_rows_are_sorted(order: list[int]) -> None:
    days = daily(11)
    shuffled = pd.DataFrame({"ds": [days[i] for i in order], "y": [float(i) for i in order]})
    panel = build_panel(table_from_frame(shuffled), DataConfig()).panel
    assert panel.target.tolist() == list(range(11))


def test_exact_duplicates_are_left_out_with_a_notice(tmp_path: Path) -> None:
    lines = [f"{name},{day},{i}.5,u" for name in "ab" for i, day in enumerate(daily(3))]
    loaded = load(tmp_path, rows("unique_id,ds,y,sky", [*lines, lines[4], lines[4]]), DataConfig(known=("sky",)))
    assert (loaded.panel.target.tolist(), loaded.panel.lengths.tolist()) == ([0.5, 1.5, 2.5, 0.5, 1.5, 2.5], [3, 3])
    assert repairs(loaded)[-1] == "2 rows repeat another row exactly, first on line 8; they were left out"


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("y", "9", "1 on line 3, 9 on line 4"),
        ("price", "9", "'price' 2 on line 3, 9 on line 4"),
        ("sky", "v", "'sky' 'u' on line 3, 'v' on line 4"),
        ("sky", "", "'sky' 'u' on line 3, missing on line 4"),
    ],
)
def test_conflicting_duplicates_ask_for_the_id(tmp_path: Path, column: str, value: str, shown: str) -> None:
    first = {"y": "1", "price": "2", "sky": "u"}
    second = {**first, column: value}
    content = rows(
        "ds,y,price,sky", ["2024-01-01,1,2,u", *[",".join(["2024-01-02", *row.values()]) for row in (first, second)]]
    )
    with pytest.raises(
        DataError, match=rf"line 4: the same time occurs with different values: 2024-01-02 \({shown}\)\. Was"
    ):
        load(tmp_path, content, DataConfig(known=("price",), past=("sky",)))


def test_gaps_become_missing_steps(tmp_path: Path) -> None:
    days = daily(7)
    content = rows(
        "unique_id,ds,y,price,sky", [f"{name},{days[i]},{i},{i},s{i}" for name in "ab" for i in (0, 1, 2, 5, 6)]
    )
    loaded = load(tmp_path, content, DataConfig(known=("price", "sky")))
    assert np.isnan(loaded.panel.target).nonzero()[0].tolist() == [3, 4, 10, 11]
    assert np.isnan(loaded.panel.known.numeric[:, 0]).nonzero()[0].tolist() == [3, 4, 10, 11]
    assert (loaded.panel.known.codes[:, 0] < 0).nonzero()[0].tolist() == [3, 4, 10, 11]
    assert repairs(loaded) == [
        "4 time steps have no row, first 2024-01-04 in series 'a'; they were added as missing and are masked"
    ]


def test_gaps_of_a_wide_table_are_counted_once(tmp_path: Path) -> None:
    content = rows("date,a,b", [f"{day},1,{'' if i == 2 else 5}" for i, day in enumerate(daily(7)) if i != 4])
    loaded = load(tmp_path, content)
    assert [notice.count for notice in loaded.notices if notice.kind == "repair"] == [1, 1]
    assert np.isnan(loaded.panel.target).nonzero()[0].tolist() == [4, 9, 11]


def test_the_frequency_is_said_after_what_was_found_in_reading(tmp_path: Path) -> None:
    content = rows("ds;y", [f"{hour};1" for hour in hours(5)])
    given_frequency = load(tmp_path, content, DataConfig(freq="30min"))
    read_first = "columns are separated by semicolon"
    assert decisions(load(tmp_path, content)) == [read_first, "frequency: hourly (h), inferred"]
    assert decisions(given_frequency) == [read_first, "frequency: every 30 minutes (30min), given"]
    assert given_frequency.panel.lengths.tolist() == [9]


@pytest.mark.parametrize("position", [0, 3, 11])
def test_a_mistyped_year_is_refused(tmp_path: Path, position: int) -> None:
    times = hours(12)
    times[position] = times[position].replace("2024", "2204")
    message = r"filling the gaps would make 1,577,\d{3} rows of 12: series 'y' jumps from 2024-.* to 2204-01-01.* later"
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, rows("ds,y", [f"{hour},{i}" for i, hour in enumerate(times)]))
    assert caught.value.place.value == times[position].removesuffix(" 00:00:00")


def test_options_may_be_given_when_the_panel_is_built(tmp_path: Path) -> None:
    table = read(tmp_path, "ds;y\n2024-01-01;1,5\n2024-01-02;gone\n")
    panel = build_panel(table, DataConfig(), ReadOptions(na_values=("gone",))).panel
    assert (panel.target[0], bool(np.isnan(panel.target[1]))) == (1.5, True)


def test_ids_of_a_frame_must_not_be_missing() -> None:
    frame = pd.DataFrame({"unique_id": ["a", None], "ds": daily(2), "y": [1.0, 2.0]})
    with pytest.raises(
        DataError, match=r"column 'unique_id': row 2 has no id \(1 such rows\)\. Fill the id in or remove"
    ):
        build_panel(table_from_frame(frame), DataConfig())


def test_a_million_rows_with_gaps_take_a_fraction_of_a_second() -> None:
    num_series, num_steps = 1_009, 1_000
    times = np.datetime64("2020-01-01", "s") + np.arange(num_steps) * np.timedelta64(3600, "s")
    codes: NDArray[np.int64] = np.repeat(np.arange(num_series), num_steps)
    ids = pd.Categorical.from_codes(codes, pd.Index([f"s{i}" for i in range(num_series)]))
    kept = np.arange(num_series * num_steps) % 997 != 5
    frame = pd.DataFrame({"unique_id": ids, "ds": np.tile(times, num_series), "y": 1.0})[kept]
    table = table_from_frame(frame)
    del frame, ids
    begin = time.process_time()
    panel = build_panel(table, DataConfig()).panel
    assert time.process_time() - begin < 2
    assert np.isnan(panel.target).sum() == 1_010
