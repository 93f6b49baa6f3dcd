"""`backtest` and `inspect` on Parquet data sets that are read in groups of series: the answers are those of the whole."""

import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqcast.reading import tabular
from seqcast.run.run_table import RunTable
from tests.cli.grouped_tables import LENGTH, NAMES, panel
from tests.running import Trained, done, refused, seqcast


def same(one: Any, two: Any) -> None:
    """Requires that two JSON documents are equal but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            same(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for left, right in zip(one, two, strict=True):
            same(left, right)
    elif isinstance(one, float):
        assert one == pytest.approx(two, rel=2e-4, abs=2e-5)
    else:
        assert one == two


def both_ways(monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[Any, Any]:
    """The documents of a command that reads in groups, and of the same that reads the whole."""
    grouped = done(*words, "--json")
    assert "sales is read in 3 groups of series" in grouped.err
    monkeypatch.undo()
    whole = done(*words, "--json")
    assert "groups of series" not in whole.err
    return grouped.document(), whole.document()


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(
    "words", [("--test",), ("--windows", "2"), ("--stride", "3", "--no-baselines", "--level", "50")]
)
def test_the_scores_of_groups_are_those_of_the_whole(
    folder_run: Trained, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    grouped, whole = both_ways(monkeypatch, "backtest", "--run", folder_run.run, *words)
    assert grouped["num_series"] == len(NAMES)
    assert [each["unique_id"] for each in grouped["metrics"]["seqcast"]["by_series"]] == list(NAMES)
    same(grouped, whole)


@pytest.mark.usefixtures("small_groups")
def test_the_table_of_a_backtest_is_written_group_by_group(
    folder_run: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("backtest", "--run", folder_run.run, "--test", "--output", "-")
    grouped = done(*words).table()
    monkeypatch.undo()
    whole = done(*words).table()
    pd.testing.assert_frame_equal(grouped, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("small_groups")
def test_series_without_a_window_are_left_out_of_the_scores(folder_run: Trained, tmp_path: Path) -> None:
    data = tmp_path / "sales"
    data.mkdir()
    short = pd.concat([panel("x")[:4].assign(unique_id=f"x{number}") for number in range(60)])
    short.to_parquet(data / "0.parquet", index=False, row_group_size=LENGTH)
    panel("a", "b").to_parquet(data / "1.parquet", index=False)
    ran = done("backtest", data, "--run", folder_run.run, "--test", "--json")
    assert "sales is read in 3 groups of series" in ran.err
    assert ran.document()["num_series"] == 2
    (data / "1.parquet").unlink()
    told = refused(3, "backtest", data, "--run", folder_run.run, "--test")
    assert "no series has a test window of 5 steps to score" in told


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(
    "words", [("--windows", "3", "--heatmap"), ("--by", "weekday", "--relative", "origin"), ("--part", "both")]
)
def test_the_lag_report_of_groups_is_that_of_the_whole(
    folder_run: Trained, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    same(*both_ways(monkeypatch, "inspect", "--run", folder_run.run, *words))


@pytest.mark.usefixtures("small_groups")
def test_the_attention_table_is_written_group_by_group(folder_run: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("inspect", "--run", folder_run.run, "--windows", "2", "--format", "csv")
    grouped = done(*words).table()
    assert list(dict.fromkeys(grouped["unique_id"])) == list(NAMES)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(grouped, done(*words).table(), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("words", [("backtest", "--json"), ("inspect", "--json"), ("inspect", "--format", "csv")])
def test_a_stopped_question_says_that_nothing_is_kept(
    folder_run: Trained, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(RunTable, "read_group", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    ran = seqcast(*words, "--run", folder_run.run)
    assert ran.code == 130
    assert ran.err.endswith("error: Stopped by SIGINT. Nothing is kept: start it again.\n")


@pytest.mark.usefixtures("small_groups")
def test_a_single_series_is_read_alone(folder_run: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        tabular, "read_group", lambda group, options: (read.append(group.ids), _read(group, options))[1]
    )
    words = ("inspect", "--run", folder_run.run, "--series", "b", "--windows", "2", "--heatmap")
    grouped = done(*words, "--json").document()
    assert set(read) == {("b",)}
    monkeypatch.undo()
    same(grouped, done(*words, "--json").document())
    assert "there is no series 'z' among 5" in refused(3, "inspect", "--run", folder_run.run, "--series", "z")


_read = tabular.read_group


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("inspect", "--verify"), "--verify looks at all series at once"),
        (("inspect", "--by", "error"), "--by error looks at all series at once"),
        (("backtest", "--refit-every", "9"), "--refit-every trains on all series"),
    ],
)
def test_questions_about_all_series_read_the_whole_and_say_so(
    folder_run: Trained, words: tuple[str, ...], reason: str
) -> None:
    command, *options = words
    ran = done(command, "--run", folder_run.run, *options)
    assert f"sales is read as a whole: {reason}" in ran.err
