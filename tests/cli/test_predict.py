import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from tests.cli.conftest import LENGTHS
from tests.running import HORIZON, TINY, Trained, done, hours, seqcast, write_hourly

BOUNDS = ["seqcast-lo-80", "seqcast-hi-80", "seqcast-lo-95", "seqcast-hi-95"]


def forecast(trained: Trained, *words: object) -> pd.DataFrame:
    return done("predict", "--run", trained.run, "--output", "-", *words).table()


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


def test_a_run_can_be_moved(hourly_run: Trained, in_tmp_path: Path) -> None:
    shutil.copytree(hourly_run.run, "moved")
    table = done("predict", "--run", "moved", "--output", "-").table()
    pd.testing.assert_frame_equal(table, forecast(hourly_run))


def test_a_naive_forecast_is_had_under_its_name_with_the_same_columns(hourly_run: Trained) -> None:
    values = pd.read_csv(hourly_run.data)["y"].to_numpy()
    expected = {"naive": [values[-1]] * HORIZON, "mean": [values[-23:].mean()] * HORIZON}

    for name, points in expected.items():
        table = forecast(hourly_run, "--model", name)
        assert list(table) == list(forecast(hourly_run))
        assert table["seqcast"].tolist() == pytest.approx(list(points), rel=1e-5)
        assert (table["seqcast-lo-95"] < table["seqcast-hi-95"]).all()
        assert (table["seqcast-lo-95"] <= table["seqcast"]).all()
        assert (table["seqcast"] <= table["seqcast-hi-95"]).all()


def test_a_context_without_a_whole_season_is_refused_to_the_seasonal_naive_forecast(hourly_run: Trained) -> None:
    for longer in ((), ("--context", 48)):  # the residuals behind its intervals were those of the shorter one
        ran = seqcast("predict", "--run", hourly_run.run, "--model", "seasonal-naive", *longer)
        assert ran.code == 2
        assert "the run was trained on a context of 23 steps, which holds no season of 24" in ran.err
        assert "Train with --context 24 or more." in ran.err


def test_an_unknown_model_is_refused_with_the_names_that_there_are(hourly_run: Trained) -> None:
    ran = seqcast("predict", "--run", hourly_run.run, "--model", "prophet")
    assert ran.code == 2
    assert "--model prophet: there is no such forecast." in ran.err
    assert "seqcast, naive, seasonal-naive, drift, mean" in ran.err
