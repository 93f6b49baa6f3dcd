"""Tables whose headings or spelling are not those of the run, and the run that is taken for a table."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.running import Trained, done, refused, seqcast, write_hourly, write_rows

OTHER = {"unique_id": "shop", "ds": "day", "y": "sold", "promo": "action", "region": "area"}
GIVEN = ("--id", "shop", "--time", "day", "--target", "sold", "--known", "action", "--static", "area")
LIKE_RUN = ("--output", "-", "--quiet")


def renamed(path: Path, target: Path, names: dict[str, str] = OTHER) -> Path:
    pd.read_csv(path, dtype=str).rename(columns=names).to_csv(target, index=False)
    return target


@pytest.fixture
def other(panel_run: Trained, tmp_path: Path) -> Path:
    return renamed(panel_run.data, tmp_path / "other.csv")


@pytest.mark.parametrize("future_is_renamed", [False, True])
def test_a_table_under_other_headings_is_forecast_like_the_same_table(
    panel_run: Trained, other: Path, tmp_path: Path, future_is_renamed: bool
) -> None:
    ahead = renamed(panel_run.future, tmp_path / "ahead.csv") if future_is_renamed else panel_run.future
    words = ("predict", other, "--run", panel_run.run, *LIKE_RUN)
    found = done(*words, *GIVEN, "--future", ahead)
    expected = done("predict", "--run", panel_run.run, "--future", panel_run.future, *LIKE_RUN)
    assert found.out == expected.out
    assert "there is no" in refused(3, *words, "--future", ahead)


def test_backtests_and_reports_of_it_are_the_same_too(panel_run: Trained, other: Path) -> None:
    for command in ("backtest", "inspect"):
        words = (command, "--run", panel_run.run, "--json", "--quiet")
        assert done(*words, other, *GIVEN).document() == done(*words).document()


def test_ids_that_are_joined_name_the_series_of_table_and_future(panel_run: Trained, tmp_path: Path) -> None:
    def split(path: Path, name: str) -> Path:
        frame = pd.read_csv(path, dtype=str)
        frame["town"], frame["shop"] = "x", frame.pop("unique_id")
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    data, ahead = split(panel_run.data, "data.csv"), split(panel_run.future, "ahead.csv")
    found = done("predict", data, "--run", panel_run.run, "--id", "town,shop", "--future", ahead, *LIKE_RUN).table()
    assert list(dict.fromkeys(found["unique_id"])) == ["x/b", "x/a", "x/c"]


def test_a_single_series_under_another_heading_is_that_of_the_run(single_run: Trained, tmp_path: Path) -> None:
    data = renamed(single_run.data, tmp_path / "data.csv", {"hour": "t", "sales": "z"})
    words = ("predict", "--run", single_run.run, *LIKE_RUN)
    assert done(*words, data, "--time", "t", "--target", "z").out == done(*words).out


def test_the_spelling_of_another_table_can_be_told(hourly_run: Trained, tmp_path: Path) -> None:
    text = hourly_run.data.read_text().replace(",", ";").replace(".", ",").replace("50,0\n", "gone\n", 1)
    (tmp_path / "data.csv").write_text(text.replace("2024-01-", "01.2024.").replace(" ", "T"))
    spelling = ("--decimal", ",", "--na-value", "gone", "--time-format", "%m.%Y.%dT%H:%M:%S")
    words = ("predict", tmp_path / "data.csv", "--run", hourly_run.run, "--output", "-")
    ran = done(*words, *spelling)
    assert "1 of 131 target values are missing" in ran.err
    assert ran.table()["ds"].tolist()[0] == "2024-01-06 11:00:00"
    assert seqcast(*words).code == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--known", "a,b"], "--known a,b names 2 columns; the run has 1: 'promo'. Name the columns that stand for"),
        (["--past", "a"], "--past a names 1 columns; the run has 0. Leave it out."),
        (["--time", "y"], "column 'y' has two roles; give it one"),
    ],
)
def test_headings_that_do_not_fit_the_run_are_refused(panel_run: Trained, words: list[str], told: str) -> None:
    assert told in refused(2, "predict", panel_run.data, "--run", panel_run.run, *words)


def test_a_heading_that_the_table_lacks_is_named(panel_run: Trained, other: Path) -> None:
    told = refused(3, "predict", other, "--run", panel_run.run, *GIVEN, "--target", "soled")
    assert "there is no target column 'soled'. Did you mean 'sold'?" in told


@pytest.fixture
def three_runs(hourly_run: Trained, single_run: Trained, panel_run: Trained, in_tmp_path: Path) -> Path:
    """Runs trained on ds,y, on hour,sales and on a panel, the last one being the newest."""
    for age, (name, trained) in enumerate({"p": panel_run, "s": single_run, "h": hourly_run}.items()):
        shutil.copytree(trained.run, Path("runs") / name)
        written = 1_700_000_000 - 100 * age
        os.utime(Path("runs") / name / "run.json", (written, written))
    return in_tmp_path


def test_the_newest_run_trained_on_the_columns_of_a_table_is_taken(three_runs: Path) -> None:
    data = write_hourly(three_runs / "new.csv", 97)
    ran = done("predict", data, "--output", "-")
    assert ran.table()["ds"][0] == "2024-01-05 01:00:00"
    assert "run: runs/h (the newest that was trained on a table with these columns; runs/p is newer, but" in ran.err
    assert "was trained on 'unique_id', 'promo', 'region')" in ran.err
    assert done("predict", "-", "--output", "-", stdin=data.read_bytes()).out == ran.out


def test_given_headings_count_when_a_run_is_taken(three_runs: Path) -> None:
    data = write_rows(three_runs / "new.csv", "when,amount", [["2024-01-01", "2024-01-02"], [1, 2]])
    told = seqcast("inspect", data, "--time", "when", "--target", "amount").err
    assert told.startswith("run: runs/s (the newest that was trained on a table with these columns; runs/p is newer")


def test_where_no_run_has_the_columns_the_newest_says_what_is_missing(three_runs: Path) -> None:
    data = write_rows(three_runs / "new.csv", "a,b", [["2024-01-01", "2024-01-02"], [1, 2]])
    told = seqcast("predict", data)
    assert told.code == 3
    assert told.err.startswith("run: runs/p\n")
    assert "there is no" in told.err
