from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from tests.cli.conftest import LENGTHS
from tests.running import (
    HORIZON,
    TINY,
    Trained,
    done,
    hours,
    refused,
    wave,
    write_future,
    write_hourly,
    write_panel,
    write_rows,
)

BOUNDS = ["seqcast-lo-80", "seqcast-hi-80", "seqcast-lo-95", "seqcast-hi-95"]


def future_promo(path: Path) -> pd.Series:
    return pd.read_csv(path)["promo"]


def forecast(trained: Trained, *words: object) -> pd.DataFrame:
    return done("predict", "--run", trained.run, "--output", "-", *words).table()


def test_the_table_has_exactly_the_columns_of_the_contract(hourly_run: Trained) -> None:
    assert list(forecast(hourly_run)) == ["unique_id", "ds", "seqcast", *BOUNDS]


def test_each_level_asked_for_has_its_columns_in_the_order_asked(hourly_run: Trained) -> None:
    table = forecast(hourly_run, "--level", "97.5,80,95")
    assert list(table)[3:] == ["seqcast-lo-97.5", "seqcast-hi-97.5", *BOUNDS]
    low, high = table["seqcast-lo-97.5"], table["seqcast-hi-97.5"]
    assert (low <= table["seqcast-lo-95"]).all()
    assert (table["seqcast-lo-80"] <= table["seqcast"]).all()
    assert (table["seqcast"] <= table["seqcast-hi-80"]).all()
    assert (table["seqcast-hi-95"] <= high).all()


def test_no_levels_give_no_intervals(hourly_run: Trained) -> None:
    assert list(forecast(hourly_run, "--level", "")) == ["unique_id", "ds", "seqcast"]


def test_a_point_loss_gives_no_intervals(in_tmp_path: Path) -> None:
    done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--loss", "mae")
    assert list(done("predict", "--output", "-").table()) == ["unique_id", "ds", "seqcast"]
    assert "interval" not in done("predict").out


def test_series_keep_the_order_of_the_data_and_times_rise(panel_run: Trained) -> None:
    table = forecast(panel_run, "--future", panel_run.future)
    expected = [(name, time) for name, length in LENGTHS.items() for time in hours(length + HORIZON)[length:]]
    assert list(zip(table["unique_id"], table["ds"], strict=True)) == expected


def test_a_single_series_is_named_after_its_target(single_run: Trained) -> None:
    table = forecast(single_run)
    assert list(table)[:3] == ["unique_id", "hour", "seqcast"]
    assert set(table["unique_id"]) == {"sales"}


def test_the_series_of_a_wide_table_are_named_after_their_columns(wide_run: Trained) -> None:
    table = forecast(wide_run)
    assert list(table)[:2] == ["unique_id", "when"]
    assert list(table["unique_id"]) == ["north"] * HORIZON + ["east"] * HORIZON


def test_the_users_names_of_id_and_time_are_kept(in_tmp_path: Path) -> None:
    names = ["left"] * 101 + ["right"] * 101
    write_rows(in_tmp_path / "t.csv", "side,at,y", [names, hours(101) * 2, wave(101) + wave(101, 5)])
    done("train", "t.csv", *TINY, "--id", "side", "--time", "at")
    assert list(done("predict", "--output", "-").table())[:3] == ["side", "at", "seqcast"]


def test_a_shorter_horizon_is_a_prefix(hourly_run: Trained) -> None:
    pd.testing.assert_frame_equal(forecast(hourly_run, "--horizon", 2), forecast(hourly_run)[:2])


def test_a_longer_horizon_begins_with_the_trained_one_and_says_where_it_rolls_on(hourly_run: Trained) -> None:
    ran = done("predict", "--run", hourly_run.run, "--horizon", 2 * HORIZON + 1, "--output", "-")
    assert "trained for 5 steps; from step 6 on forecasts build on forecasts" in ran.err
    table = ran.table()
    assert len(table) == 2 * HORIZON + 1
    assert table.notna().all(axis=None)
    pd.testing.assert_frame_equal(table[:HORIZON], forecast(hourly_run))


def test_all_formats_hold_the_same_numbers(panel_run: Trained, in_tmp_path: Path) -> None:
    words = ("predict", "--run", panel_run.run, "--future", panel_run.future)
    for name in ("f.csv", "f.parquet", "f.json"):
        ran = done(*words, "--output", name)
        assert ran.out == ""
        assert f"15 rows written to {name}" in ran.err
    from_csv = pd.read_csv("f.csv", parse_dates=["ds"])
    from_json = pd.DataFrame(json.loads(Path("f.json").read_text())).assign(ds=lambda f: pd.to_datetime(f["ds"]))
    from_parquet = parquet.read_table("f.parquet").to_pandas()
    for other in (from_json, from_parquet):
        pd.testing.assert_frame_equal(from_csv, other, check_dtype=False, check_exact=True)


@pytest.mark.parametrize("words", [["--format", "csv"], ["--output", "-"], ["--output", "-", "--format", "csv"]])
def test_stdout_gets_the_table_when_it_is_asked_for(hourly_run: Trained, words: list[str]) -> None:
    ran = done("predict", "--run", hourly_run.run, *words)
    assert len(ran.table()) == HORIZON
    assert "rows written" not in ran.err


def test_json_on_stdout_is_one_document(hourly_run: Trained) -> None:
    document = done("predict", "--run", hourly_run.run, "--format", "json").document()
    assert [record["ds"] for record in document] == [time.replace(" ", "T") for time in hours(131 + HORIZON)[131:]]


def test_parquet_can_be_piped(hourly_run: Trained, tmp_path: Path) -> None:
    ran = done("predict", "--run", hourly_run.run, "--format", "parquet")
    (tmp_path / "piped.parquet").write_bytes(ran.out_bytes)
    assert parquet.read_table(tmp_path / "piped.parquet").num_rows == HORIZON


def test_without_output_a_person_sees_the_forecast(hourly_run: Trained) -> None:
    ran = done("predict", "--run", hourly_run.run)
    assert "y: 5 steps after 2024-01-06 10:00" in ran.out
    assert "80 % interval" in ran.out
    assert "2024-01-06 15:00" in ran.out


def test_the_plot_is_drawn_when_asked_for_and_not_into_a_pipe(hourly_run: Trained) -> None:
    assert "┤" in done("predict", "--run", hourly_run.run, "--plot").out
    assert "┤" not in done("predict", "--run", hourly_run.run).out


def test_the_table_the_run_was_trained_on_is_read_again_and_named(hourly_run: Trained) -> None:
    ran = done("predict", "--run", hourly_run.run)
    assert ran.err == f"run: {hourly_run.run}\ndata: {hourly_run.data}, as trained on\n"


def test_quiet_shows_the_result_alone(hourly_run: Trained) -> None:
    ran = done("predict", "--run", hourly_run.run, "--quiet")
    assert ran.err == ""
    assert "5 steps after" in ran.out


def test_the_newest_run_is_taken_when_none_is_named(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY)
    done("train", data, *TINY, "--horizon", 3)
    assert len(done("predict", "--output", "-").table()) == 3
    done("train", data, *TINY, "--overwrite", "--run", "runs/h-1")
    assert "run: runs/h-1" in done("predict").err


def test_changed_data_is_a_warning(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY)
    write_hourly(data, 137)
    ran = done("predict", "--quiet", "--output", "-")
    assert ran.err == f"warning: {data} has changed since the run was trained; its present content is used\n"
    assert list(ran.table()["ds"]) == hours(137 + HORIZON)[137:]


def test_another_table_is_said_to_be_another(hourly_run: Trained, in_tmp_path: Path) -> None:
    other = write_hourly(in_tmp_path / "other.csv", 127)
    ran = done("predict", other, "--run", hourly_run.run)
    assert f"data: {other}, not the table the run was trained on" in ran.err


def test_the_table_moved_away_is_told_with_what_to_do(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY)
    data.rename("elsewhere.csv")
    message = refused(4, "predict")
    assert message == f"{data}: the table this run was trained on is not there. Name a table: `seqcast predict DATA`."
    assert len(done("predict", "elsewhere.csv", "--output", "-").table()) == HORIZON


def test_a_run_can_be_moved(hourly_run: Trained, in_tmp_path: Path) -> None:
    shutil.copytree(hourly_run.run, "moved")
    table = done("predict", "--run", "moved", "--output", "-").table()
    pd.testing.assert_frame_equal(table, forecast(hourly_run))


def test_a_series_that_training_never_saw_is_forecast_with_a_notice(panel_run: Trained, in_tmp_path: Path) -> None:
    lengths = {"a": 113, "new": 97}
    data = write_panel(in_tmp_path / "p.csv", lengths)
    future = write_future(in_tmp_path / "f.csv", lengths, HORIZON)
    ran = done("predict", data, "--run", panel_run.run, "--future", future, "--output", "-")
    assert "1 series were not in the training data and are scaled by their own history: 'new'" in ran.err
    assert list(ran.table()["unique_id"].unique()) == ["a", "new"]


def test_a_forecast_starts_after_the_last_observed_value(hourly_run: Trained, in_tmp_path: Path) -> None:
    values: list[object] = [*wave(127), "", ""]
    data = write_rows(in_tmp_path / "open.csv", "ds,y", [hours(129), values])
    ran = done("predict", data, "--run", hourly_run.run, "--output", "-")
    assert "their forecast starts right after the last observed one (the first at 2024-01-06 07:00:00)" in ran.err
    assert ran.table()["ds"][0] == "2024-01-06 07:00:00"


def test_known_values_behind_the_last_observation_are_the_future(panel_run: Trained, in_tmp_path: Path) -> None:
    with_future = pd.concat([pd.read_csv(panel_run.data), pd.read_csv(panel_run.future)])
    with_future["region"] = with_future["region"].fillna(with_future.groupby("unique_id")["region"].transform("first"))
    with_future.to_csv("all.csv", index=False)
    table = done("predict", "all.csv", "--run", panel_run.run, "--output", "-").table()
    pd.testing.assert_frame_equal(table, forecast(panel_run, "--future", panel_run.future))


def test_a_target_in_the_future_file_changes_nothing(panel_run: Trained, in_tmp_path: Path) -> None:
    pd.read_csv(panel_run.future).assign(y=1e6).to_csv("future.csv", index=False)
    expected = forecast(panel_run, "--future", panel_run.future)
    pd.testing.assert_frame_equal(forecast(panel_run, "--future", "future.csv"), expected)


def test_a_known_covariate_matters(in_tmp_path: Path) -> None:
    lengths = {"a": 113}
    data, future = write_panel(in_tmp_path / "p.csv", lengths), write_future(in_tmp_path / "f.csv", lengths, HORIZON)
    # Without lag bias there is no linear forecast to begin with, which would know nothing of covariates.
    done("train", data, *TINY, "--known", "promo", "--no-lag-bias")
    before = done("predict", "--future", future, "--output", "-").table()["seqcast"]
    pd.read_csv(future).assign(promo=2).to_csv("changed.csv", index=False)
    after = done("predict", "--future", "changed.csv", "--output", "-").table()["seqcast"]
    assert (before[future_promo(future) != 2] != after[future_promo(future) != 2]).all()


def test_missing_future_covariates_are_asked_for(panel_run: Trained) -> None:
    message = refused(3, "predict", "--run", panel_run.run)
    assert message == "the forecast needs the future values of 'promo'. Give a table of them with --future."


def test_a_future_file_that_is_too_short_says_how_much_is_missing(panel_run: Trained) -> None:
    message = refused(3, "predict", "--run", panel_run.run, "--future", panel_run.future, "--horizon", 12)
    assert "there is no row for 2024-01-06 22:00:00 of series 'b' (3 of 36 rows are missing)" in message


@pytest.mark.parametrize(
    ("header", "value", "told"),
    [
        ("unique_id,ds,promo", "much", "future.csv, line 2, column 'promo': 'much' is not a number"),
        ("unique_id,ds,promo", "", "future.csv, line 2, column 'promo': there is no value, but the forecast needs"),
        ("unique_id,ds,Promo", "1", "there is no known covariate column 'promo'. Did you mean 'Promo'?"),
        ("unique_id,when,promo", "1", "there is no time column 'ds'. Columns are 'unique_id', 'when', 'promo'."),
    ],
)
def test_a_bad_future_file_is_told_by_line_and_column(
    panel_run: Trained, in_tmp_path: Path, header: str, value: str, told: str
) -> None:
    rows = panel_run.future.read_text().splitlines()[1:]
    rows[0] = rows[0].rpartition(",")[0] + f",{value}"
    Path("future.csv").write_text("\n".join([header, *rows]) + "\n")
    assert told in refused(3, "predict", "--run", panel_run.run, "--future", "future.csv", "--output", "f.csv")
    assert not Path("f.csv").exists()


def test_a_table_of_another_frequency_is_refused(hourly_run: Trained, in_tmp_path: Path) -> None:
    days = [str(day) for day in np.datetime64("2024-01-01", "D") + np.arange(131)]
    data = write_rows(in_tmp_path / "daily.csv", "ds,y", [days, wave(131)])
    message = refused(3, "predict", data, "--run", hourly_run.run)
    assert "its frequency is 'D'; this run was trained on 'h'. Train a run for this frequency." in message


def test_an_output_that_exists_is_replaced_whole(hourly_run: Trained, in_tmp_path: Path) -> None:
    Path("f.csv").write_text("old\n" * 1000)
    done("predict", "--run", hourly_run.run, "--output", "f.csv")
    assert len(pd.read_csv("f.csv")) == HORIZON
    assert [path.name for path in in_tmp_path.iterdir()] == ["f.csv"]
