"""Panels made longer by a future table, and shorter."""

from pathlib import Path

import numpy as np
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError
from seqcast.panel.panel import Panel
from seqcast.reading.future import extend_panel, future_notices, head_panel
from seqcast.reading.options import ReadOptions
from tests.reading.making_tables import daily, load, read, rows, times_of

CONFIG = DataConfig(known=("price", "sky"), past=("visits",))
LENGTHS = {"b": 5, "a": 3}


def _panel(folder: Path) -> Panel:
    lines = [f"{name},{day},{i},{i}.5,s{i % 2},7" for name, num in LENGTHS.items() for i, day in enumerate(daily(num))]
    return load(folder, rows("unique_id,ds,y,price,sky,visits", lines), CONFIG).panel


def _future(num_steps: int = 2, header: str = "unique_id,ds,price,sky") -> str:
    lines = [
        f"{name},{day},{10 * i + num}.5,s{i % 2}"
        for name, num in LENGTHS.items()
        for i, day in enumerate(daily(num + num_steps)[num:])
    ]
    return rows(header, lines)


def test_every_series_grows_by_the_steps(tmp_path: Path) -> None:
    panel = _panel(tmp_path)
    longer = extend_panel(panel, 2, read(tmp_path, _future()))
    assert (longer.lengths.tolist(), longer.series_ids) == ([7, 5], ("b", "a"))
    assert np.isnan(longer.target).nonzero()[0].tolist() == [5, 6, 10, 11]
    assert np.isnan(longer.past.numeric[:, 0]).nonzero()[0].tolist() == [5, 6, 10, 11]
    assert times_of(longer, 1)[-1] == "2024-01-05T00:00:00.000000"


def test_known_covariates_come_from_the_future_table(tmp_path: Path) -> None:
    longer = extend_panel(_panel(tmp_path), 2, read(tmp_path, _future()))
    assert longer.known.numeric[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 15.5, 0.5, 1.5, 2.5, 3.5, 13.5]
    assert longer.known.codes[:, 0].tolist() == [0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1]


def test_rows_of_other_times_and_series_are_ignored(tmp_path: Path) -> None:
    extra = "b,2024-01-01,99,s9\nz,2024-01-06,99,s0\nb,2024-01-06 05:00:00,99,s0\n"
    content = _future(5) + extra
    known = extend_panel(_panel(tmp_path), 2, read(tmp_path, content)).known
    assert known.numeric[5:7, 0].tolist() == [5.5, 15.5]


def test_the_target_of_the_future_table_is_never_read(tmp_path: Path) -> None:
    content = (
        "\n".join(line + (",y" if i == 0 else ",nonsense") for i, line in enumerate(_future().splitlines())) + "\n"
    )
    longer = extend_panel(_panel(tmp_path), 2, read(tmp_path, content))
    assert np.isnan(longer.target).sum() == 4


def test_a_new_category_is_added_to_the_others(tmp_path: Path) -> None:
    known = extend_panel(_panel(tmp_path), 2, read(tmp_path, _future().replace("s0", "fog"))).known
    assert known.categories == (("fog", "s0", "s1"),)
    assert [known.categories[0][code] for code in known.codes[4:8, 0]] == ["s0", "fog", "s1", "s0"]


def test_exact_duplicates_in_the_future_table_are_accepted(tmp_path: Path) -> None:
    content = _future() + _future().splitlines()[1] + "\n"
    assert extend_panel(_panel(tmp_path), 2, read(tmp_path, content)).known.numeric[5, 0] == 5.5


def test_a_wide_panel_shares_the_future_rows(tmp_path: Path) -> None:
    content = rows("date,a,b,price", [f"{day},1,2,{i}" for i, day in enumerate(daily(3))])
    panel = load(tmp_path, content, DataConfig(target=("a", "b"), known=("price",))).panel
    future = read(tmp_path, rows("date,price", ["2024-01-04,7", "2024-01-05,11"]))
    assert extend_panel(panel, 2, future).known.numeric[:, 0].tolist() == [0, 1, 2, 7, 11, 0, 1, 2, 7, 11]


def test_a_long_panel_of_one_series_needs_no_id_in_the_future(tmp_path: Path) -> None:
    content = rows("unique_id,ds,y,price", [f"a,{day},1,{i}" for i, day in enumerate(daily(3))])
    panel = load(tmp_path, content, DataConfig(known=("price",))).panel
    assert extend_panel(panel, 1, read(tmp_path, rows("ds,price", ["2024-01-04,7"]))).known.numeric[-1, 0] == 7


def test_joined_ids_and_another_time_column_are_found_by_the_configuration(tmp_path: Path) -> None:
    config = DataConfig(id="shop,item", time="day", known=("price",))
    content = rows("shop,item,day,y,price", [f"{shop},x,{day},1,2" for shop in "ab" for day in daily(3)])
    panel = load(tmp_path, content, config).panel
    future = read(tmp_path, rows("item,shop,day,price", ["x,b,2024-01-04,7", "x,a,2024-01-04,5"]))
    assert extend_panel(panel, 1, future, config=config).known.numeric[[3, 7], 0].tolist() == [5, 7]


def test_months_are_continued(tmp_path: Path) -> None:
    content = rows("ds,y,price", [f"2024-{month:02}-01,1,{month}" for month in (1, 2, 3)])
    panel = load(tmp_path, content, DataConfig(known=("price",))).panel
    future = read(tmp_path, rows("ds,price", [f"2024-{month:02}-01,{month}" for month in (5, 4)]))
    assert extend_panel(panel, 2, future).known.numeric[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_options_apply_to_the_future_table(tmp_path: Path) -> None:
    future = read(tmp_path, _future().replace("-01-", "/01/"))
    options = ReadOptions(time_format="%Y/%m/%d")
    assert extend_panel(_panel(tmp_path), 2, future, options).known.numeric[5, 0] == 5.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_future(2, "unique_id,ds,price,clouds"), r"there is no known covariate column 'sky'"),
        (_future(2, "unique_id,date,price,sky"), r"there is no time column 'ds'"),
        (_future(2, "shop,ds,price,sky"), r"there is no id column 'unique_id'"),
        (_future(1), r"column 'ds': there is no row for 2024-01-07 of series 'b' \(2 of 4 rows are missing\)\. Every"),
        (_future().replace("a,", "A,"), r"there is no row for 2024-01-04 of series 'a' \(2 of 4 rows are missing\)"),
        (_future().replace("15.5", "late"), r"data\.csv, line 3, column 'price': 'late' is not a number"),
        (
            _future().replace("15.5", ""),
            r"line 3, column 'price': there is no value, but the forecast needs it \(1 such rows\)\. Fill the value in",
        ),
        (
            _future().replace("s1", "NA"),
            r"line 3, column 'sky': there is no value, but the forecast needs it \(2 such rows\)",
        ),
        (
            _future() + "b,2024-01-06,1,s0\n",
            r"line [26] and line [26] give different values for one time\. Keep one of them",
        ),
        (
            rows("unique_id,ds,price,sky", ["b,5,1,s0", "a,5,1,s0"]),
            r"column 'ds': the times are of another kind than those",
        ),
    ],
)
def test_a_future_table_that_does_not_fit_is_refused(tmp_path: Path, content: str, message: str) -> None:
    panel = _panel(tmp_path)
    with pytest.raises(DataError, match=message):
        extend_panel(panel, 2, read(tmp_path, content))


def test_known_covariates_without_future_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"the forecast needs the future values of 'price', 'sky'\. Give a table of them with --future"
    ):
        extend_panel(_panel(tmp_path), 2, None)


def test_the_head_of_a_panel_keeps_the_first_rows(tmp_path: Path) -> None:
    head = head_panel(_panel(tmp_path), np.array([2, 3]))
    assert (head.target.tolist(), head.offsets.tolist()) == ([0, 1, 0, 1, 2], [0, 2, 5])
    assert head.known.numeric[:, 0].tolist() == [0.5, 1.5, 0.5, 1.5, 2.5]


def test_the_head_of_a_panel_may_be_empty(tmp_path: Path) -> None:
    assert head_panel(_panel(tmp_path), np.array([0, 0])).lengths.tolist() == [0, 0]


def test_the_head_of_an_extended_panel_is_the_panel(tmp_path: Path) -> None:
    panel = _panel(tmp_path)
    head = head_panel(extend_panel(panel, 2, read(tmp_path, _future())), panel.lengths)
    assert np.array_equal(head.known.numeric, panel.known.numeric)
    assert np.array_equal(head.target, panel.target)


def test_a_series_without_rows_needs_no_future(tmp_path: Path) -> None:
    panel = head_panel(_panel(tmp_path), np.array([5, 0]))
    content = "\n".join(line for line in _future().splitlines() if not line.startswith("a,"))
    longer = extend_panel(panel, 2, read(tmp_path, content))
    assert longer.lengths.tolist() == [7, 2]
    assert longer.known.numeric[5:7, 0].tolist() == [5.5, 15.5]


def test_what_was_found_in_the_future_table_is_told(tmp_path: Path) -> None:
    future = read(tmp_path, _future().replace(",", ";").replace("-", "/"))
    assert [notice.text for notice in future_notices(future, _panel(tmp_path), CONFIG)] == [
        "future table: columns are separated by semicolon",
        "future table: times of column 'ds' were read as %Y/%m/%d",
    ]


def test_a_future_table_that_is_not_needed_is_not_told_of(tmp_path: Path) -> None:
    panel = load(tmp_path, rows("ds,y", [f"{day},1" for day in daily(3)])).panel
    assert future_notices(read(tmp_path, "a;b\n1;2\n"), panel, DataConfig()) == ()
