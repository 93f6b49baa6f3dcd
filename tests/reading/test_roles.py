"""Which column is what: given, found, or ambiguous."""

from pathlib import Path

import pytest

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.reading.roles import Roles, find_roles
from tests.reading.making_tables import FOUND, daily, read, rows

DAYS = daily(3)
LONG = rows("unique_id,ds,y", ["a,2024-01-01,1", "b,2024-01-01,2"])


def _roles(folder: Path, content: str, config: DataConfig = FOUND) -> Roles:
    return find_roles(read(folder, content), config)


def _repeating(header: str, extra: str) -> str:
    return rows(header, [f"{day},{i}{extra}{name}" for name in "ab" for i, day in enumerate(DAYS)])


def unused(roles: Roles) -> list[str]:
    """The columns of which a notice says that they are not used."""
    told = (notice.text.partition("columns not used: ")[2] for notice in roles.notices)
    return [text.partition(" (")[0] for text in told if text]


def test_the_default_names_are_found_without_a_word(tmp_path: Path) -> None:
    roles = _roles(tmp_path, LONG)
    assert (roles.schema.layout, roles.schema.id, roles.schema.time, roles.schema.target) == (
        "long",
        "unique_id",
        "ds",
        ("y",),
    )
    assert roles.notices == ()


def test_one_numeric_column_is_a_single_series(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows("when,value", [f"{day},{i}" for i, day in enumerate(DAYS)]))
    assert (roles.schema.layout, roles.schema.target, roles.schema.id) == ("single", ("value",), "unique_id")
    assert [notice.text for notice in roles.notices] == ["time column 'when', target column 'value'"]


def test_several_numeric_columns_are_a_wide_table(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows("date,a,b,c", [f"{day},1,2,3" for day in DAYS]))
    assert (roles.schema.layout, roles.schema.target) == ("wide", ("a", "b", "c"))
    assert [notice.text for notice in roles.notices] == ["time column 'date', 3 series from columns 'a', 'b', 'c'"]


def test_given_targets_are_a_wide_table(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows("date,a,b,c", [f"{day},1,2,3" for day in DAYS]), DataConfig(target=("c", "a")))
    assert (roles.schema.layout, roles.schema.target, unused(roles)) == ("wide", ("c", "a"), ["'b'"])


def test_one_given_target_is_a_single_series(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows("date,a,b", [f"{day},1,2" for day in DAYS]), DataConfig(target=("b",), known=("a",)))
    assert (roles.schema.layout, roles.schema.known, unused(roles)) == ("single", ("a",), [])


def test_the_text_column_of_repeating_times_is_the_id(tmp_path: Path) -> None:
    roles = _roles(tmp_path, _repeating("date,sales,shop", ","))
    assert (roles.schema.layout, roles.id_columns) == ("long", ("shop",))
    assert [notice.text for notice in roles.notices] == ["time column 'date', id column 'shop', target column 'sales'"]


def test_a_text_column_beside_unique_times_is_not_the_id(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows("ds,y,sky", [f"{day},1,{sky}" for day, sky in zip(DAYS, "aba", strict=True)]))
    assert (roles.schema.layout, unused(roles)) == ("single", ["'sky'"])


def test_a_text_column_that_never_changes_names_the_only_series(tmp_path: Path) -> None:
    assert _roles(tmp_path, rows("ds,y,station", [f"{day},1,Oslo" for day in DAYS])).id_columns == ("station",)


def test_several_ids_may_be_joined(tmp_path: Path) -> None:
    roles = _roles(tmp_path, _repeating("ds,y,shop,item", ",1,"), DataConfig(id="shop, item"))
    assert (roles.id_columns, roles.schema.id, roles.schema.layout) == (("shop", "item"), "unique_id", "long")


def test_an_id_column_may_hold_a_comma_in_its_name(tmp_path: Path) -> None:
    roles = _roles(tmp_path, _repeating('ds,y,"shop,item"', ","), DataConfig(id="shop,item"))
    assert roles.id_columns == ("shop,item",)


def test_unused_columns_are_named(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows(",unique_id,ds,y,price", ["0,a,2024-01-01,1,2"]))
    text = "columns not used: 'Unnamed: 0', 'price' (name them as known, past or static covariates to use them)"
    assert [(notice.advised_text, notice.count) for notice in roles.notices] == [(text, 2)]


def test_an_unnamed_index_is_not_a_target(tmp_path: Path) -> None:
    roles = _roles(tmp_path, rows(",date,sales", [f"{i},{day},5" for i, day in enumerate(DAYS)]))
    assert roles.schema.target == ("sales",)


@pytest.mark.parametrize("name", ["step", "Year", " t "])
def test_whole_numbers_are_the_time_under_a_usual_name(tmp_path: Path, name: str) -> None:
    assert _roles(tmp_path, rows(f"{name},sales", ["1,5", "2,6"])).schema.time == name


@pytest.mark.parametrize(
    ("content", "config", "message"),
    [
        (rows("date,t,y", ["1,2,1"]), FOUND, r"several columns may be the time: 'date', 't'\. Say which with --time"),
        (
            _repeating("ds,y,shop,item", ",1,"),
            DataConfig(id="shop,item", static=("shop",)),
            r"column 'shop': column 'shop' has two roles; give it one",
        ),
    ],
)
def test_what_is_absent_or_ambiguous_is_named(tmp_path: Path, content: str, config: DataConfig, message: str) -> None:
    with pytest.raises((DataError, UsageError), match=message):
        _roles(tmp_path, content, config)
