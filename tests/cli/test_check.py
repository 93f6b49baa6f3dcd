import math
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from seqcast.reading import series_groups
from seqcast.run import grouped_summary
from tests.cli.conftest import LENGTHS
from tests.cli.grouped_tables import LENGTH, NAMES, panel
from tests.running import Trained, done, refused, seqcast, write_hourly


def test_roles_frequency_lengths_and_seasons_are_reported(panel_run: Trained) -> None:
    out = done("check", panel_run.data, "--known", "promo", "--static", "region").out
    for told in (
        "layout             long",
        "id column          unique_id",
        "time column        ds",
        "known covariates   promo",
        "static covariates  region",
        "series             3",
        "lengths            113 to 131 steps, median 127",
        "time               2024-01-01 to 2024-01-06 10:00:00",
        "series end         ",
        "frequency          hourly (h)",
        "missing            0 of 371 steps",
        "season 24          1 day, autocorrelation 0.",
        "season 168         1 week, too long to measure here",
    ):
        assert told in out


def test_given_splits_horizon_and_context_are_planned_with(in_tmp_path: Path) -> None:
    words = ("check", write_hourly(in_tmp_path / "h.csv"), "--horizon", 7, "--context", 29)
    given = (*words, "--validation-size", 24, "--test-size", 24)
    usual, plan = (done(*each, "--json").document()["plan"] for each in (words, given))
    assert (plan["config"]["data"]["validation_size"], plan["config"]["data"]["test_size"]) == (24, 24)
    assert (plan["config"]["model"]["horizon"], plan["config"]["model"]["context"]) == (7, 29)
    assert plan["num_train_windows"] < usual["num_train_windows"]
    assert "horizon           7 steps" in done(*words).out


def test_the_time_of_training_is_estimated(in_tmp_path: Path) -> None:
    words = ("check", write_hourly(in_tmp_path / "h.csv"), "--horizon", 7, "--context", 29)
    assert re.search(r"training time +steps at most about \d+ (s|min) on one processor core", done(*words).out)
    plan = done(*words, "--json").document()["plan"]
    model, training = plan["config"]["model"], plan["config"]["training"]
    segments = math.ceil(29 / model["segment"]) + math.ceil(7 / model["segment"])
    step = 10e-3 + training["batch_size"] * (100e-6 + 5e-6 * segments + 4e-9 * 29 * 7)
    lengths = training["max_steps"]  # all rounds together
    assert plan["core_seconds"] == pytest.approx(2 * lengths * step, rel=0.01)


def test_json_is_one_document_with_the_same_facts(panel_run: Trained) -> None:
    document = done("check", panel_run.data, "--json").document()
    assert document["columns"]["target"] == ["y"]
    assert (document["frequency"], document["num_series"], document["num_rows"]) == ("h", 3, sum(LENGTHS.values()))
    assert [season["season"] for season in document["seasons"]] == [24, 168]
    assert document["seasons"][1]["autocorrelation"] is None
    assert any("not used" in notice["text"] for notice in document["notices"])


def test_a_table_that_train_would_refuse_is_refused_in_the_same_words(in_tmp_path: Path) -> None:
    short = write_hourly(in_tmp_path / "short.csv", 7)
    words = (short, "--horizon", 5, "--context", 5)
    message = refused(3, "check", *words)
    assert "the longest series has 7 steps" in message
    assert message == refused(3, "train", *words)


@pytest.mark.parametrize("words", [["nowhere.csv"], ["nowhere.csv", "--horizon", "x"], []])
def test_errors_are_one_json_document_when_json_is_asked_for(in_tmp_path: Path, words: list[str]) -> None:
    ran = seqcast("check", *words, "--json")
    assert ran.code in (2, 3)
    assert set(ran.document()) == {"error", "kind", "file", "line", "column", "value", "hint"}
    assert ran.document()["error"] in ran.err


@pytest.fixture
def spread_series(tmp_path: Path) -> Path:
    """Series of different lengths and starts, with gaps, in two Parquet files under names that are found."""
    data = tmp_path / "sales"
    data.mkdir()
    for number, names in enumerate((NAMES[:2], NAMES[2:])):
        frame = pd.concat([panel(name)[place * 2 : LENGTH - place] for place, name in enumerate(names)])
        frame = frame.drop(frame.index[frame.index == 50 + number]).assign(promo=1.5)
        frame.rename(columns={"unique_id": "shop", "ds": "hour"}).to_parquet(
            data / f"{number}.parquet", index=False, row_group_size=LENGTH
        )
    return data


def test_a_large_table_is_described_in_groups(spread_series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("check", spread_series, "--target", "y", "--known", "promo", "--json")
    whole = done(*words).document()
    monkeypatch.setattr(series_groups, "MOST_ROWS", 2 * LENGTH)
    monkeypatch.setattr(grouped_summary, "MOST_ROWS", 3 * LENGTH)
    grouped = done(*words).document()
    told = [each["text"] for each in grouped["notices"]]
    assert f"{spread_series} is read in 3 groups of series" in told
    assert "the training is planned on 3 of 5 series, evenly spread over the table" in told
    warnings = [[each["text"] for each in told["notices"] if each["kind"] == "repair"] for told in (whole, grouped)]
    assert warnings[0] == warnings[1]
    assert warnings[0][0].startswith("5 time steps have no row, first ")
    assert grouped["num_missing"] == 5
    assert (grouped["num_series"], grouped["num_season_series"], grouped["plan"]["num_series"]) == (5, 5, 3)
    shown = done(*words[:-1]).out
    assert "train would use (planned on 3 of 5 series)\n" in shown
    assert f"training windows  {grouped['plan']['num_train_windows']} in 3 of 5 series" in shown
    assert "season 24         1 day, autocorrelation 0." in shown
    assert "series\n" not in re.findall("season 24.*", shown)[0]
    apart = ("notices", "plan")
    assert {name: value for name, value in grouped.items() if name not in apart} == {
        name: value for name, value in whole.items() if name not in apart
    }


def test_a_large_table_that_cannot_be_grouped_is_read_whole(
    spread_series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_parquet(spread_series).sort_values("hour", kind="stable")
    shutil.rmtree(spread_series)
    frame.assign(day=frame["hour"].dt.day).to_parquet(spread_series, partition_cols=["day"], index=False)
    monkeypatch.setattr(series_groups, "MOST_ROWS", LENGTH)
    ran = done("check", spread_series, "--target", "y", "--id", "shop")
    assert "sales is read as a whole: the rows of each series are spread over many parts of its files" in ran.err
    assert "series            5" in ran.out


def test_a_problem_in_a_later_group_is_placed_in_its_file(spread_series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_groups, "MOST_ROWS", 2 * LENGTH)
    file = spread_series / "1.parquet"
    frame = pd.read_parquet(file)
    frame.loc[170, "hour"] += pd.Timedelta("20min")
    frame.to_parquet(file, index=False, row_group_size=LENGTH)
    told = refused(3, "check", spread_series, "--target", "y", "--known", "promo")
    assert (
        f"{file}, column 'hour': the frequency 'h' of the first series (hourly) contradicts the data: series 'b'"
        in told
    )
    assert "has 2024-01-04 01:20:00" in told
    assert "Leave --freq out" not in told
    assert "Correct that time, or give the shortest step of all series with --freq." in told
