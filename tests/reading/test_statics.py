"""Static covariates from the table and from a table of their own."""

from pathlib import Path

import numpy as np
import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.assemble import LoadedPanel, build_panel
from tests.reading.making_tables import daily, load, read, rows

SERIES = rows(
    "unique_id,ds,y,region", [f"{name},{day},{i}.5,{name}land" for name in "cab" for i, day in enumerate(daily(2))]
)


def _load(folder: Path, series: str, statics: str, config: DataConfig = DataConfig()) -> LoadedPanel:
    table = read(folder, series)
    return build_panel(table, config, static_table=read(folder, statics))


def test_every_column_of_the_static_table_is_used_when_none_is_named(tmp_path: Path) -> None:
    panel = _load(tmp_path, SERIES, "unique_id,size,kind\na,1.5,x\nb,2.5,y\nc,3.5,x\nd,9,z\n").panel
    assert (panel.static.numeric_names, panel.static.categorical_names) == (("size",), ("kind",))
    assert panel.static.numeric[:, 0].tolist() == [3.5, 1.5, 2.5]
    assert [panel.static.categories[0][code] for code in panel.static.codes[:, 0]] == ["x", "x", "y"]


def test_named_columns_come_from_both_tables(tmp_path: Path) -> None:
    config = DataConfig(static=("size", "region"))
    panel = _load(tmp_path, SERIES, "unique_id,size,kind\na,1,x\nb,2,y\nc,3,x\n", config).panel
    assert (panel.static.numeric_names, panel.static.categorical_names) == (("size",), ("region",))
    assert panel.static.numeric[:, 0].tolist() == [3, 1, 2]


def test_the_columns_of_a_wide_table_are_the_ids_of_the_static_table(tmp_path: Path) -> None:
    content = rows("date,p,q", [f"{day},1,2" for day in daily(3)])
    assert _load(tmp_path, content, "unique_id,size\nq,7\np,5\n").panel.static.numeric[:, 0].tolist() == [5, 7]


def test_the_only_text_column_of_the_static_table_is_its_id(tmp_path: Path) -> None:
    panel = _load(tmp_path, SERIES, "name,size\na,1\nb,2\nc,3\n", DataConfig(static=("size",))).panel
    assert panel.static.numeric[:, 0].tolist() == [3, 1, 2]


def test_joined_ids_find_their_static_row(tmp_path: Path) -> None:
    content = rows("shop,item,ds,y", [f"{shop},{item},{day},1" for shop in "ab" for item in "xy" for day in daily(2)])
    statics = "item,shop,size\nx,a,1\ny,a,2\nx,b,3\ny,b,4\n"
    panel = _load(tmp_path, content, statics, DataConfig(id="shop,item")).panel
    assert (panel.schema.static, panel.static.numeric[:, 0].tolist()) == (("size",), [1, 2, 3, 4])


def test_missing_values_do_not_change_a_static_column(tmp_path: Path) -> None:
    content = rows("unique_id,ds,y,size,kind", ["a,2024-01-01,1,,", "a,2024-01-02,1,5,u", "b,2024-01-01,1,,"])
    panel = load(tmp_path, content, DataConfig(static=("size", "kind"))).panel
    assert panel.static.numeric[0, 0] == 5
    assert np.isnan(panel.static.numeric[1, 0])
    assert panel.static.codes[:, 0].tolist() == [0, -1]


@pytest.mark.parametrize(("column", "first", "second"), [("kind", "u", "v"), ("size", "5", "7")])
def test_a_static_column_that_changes_is_refused(tmp_path: Path, column: str, first: str, second: str) -> None:
    content = rows(
        f"unique_id,ds,y,{column}", [f"a,2024-01-01,1,{first}", f"b,2024-01-01,1,{first}", f"b,2024-01-02,1,{second}"]
    )
    message = (
        rf"line 4, column '{column}': a static column must not change within a series, but series 'b' has "
        rf"'{first}' on line 3 and '{second}' on line 4 \(1 series change\)\. Give it as --known or --past instead"
    )
    with pytest.raises(DataError, match=message):
        load(tmp_path, content, DataConfig(static=(column,)))


def test_a_wide_table_has_no_static_columns(tmp_path: Path) -> None:
    content = rows("date,p,q,kind", [f"{day},1,2,u" for day in daily(3)])
    with pytest.raises(UsageError, match=r"column 'kind' cannot be static in a wide table\. Use --static-file"):
        load(tmp_path, content, DataConfig(target=("p", "q"), static=("kind",)))


@pytest.mark.parametrize(
    ("statics", "config", "message"),
    [
        ("unique_id,size\na,1\n", DataConfig(), r"column 'unique_id': 2 series have no row: 'c', 'b'\. Add the rows"),
        ("unique_id,size\na,1\n", DataConfig(static=("kind",)), r"there is no static covariate column 'kind'"),
        (
            "p,q,size\na,x,1\n",
            DataConfig(static=("size",)),
            r"no id column was found among 'p', 'q', 'size'\. Name it unique_id",
        ),
        ("unique_id,size\na,1\nb,1\nc,1\na,2\n", DataConfig(), r"series 'a' has '1' on line 2 and '2' on line 5"),
    ],
)
def test_a_static_table_that_does_not_fit_is_refused(
    tmp_path: Path, statics: str, config: DataConfig, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _load(tmp_path, SERIES, statics, config)
