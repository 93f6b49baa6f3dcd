import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import LENGTHS
from tests.running import HORIZON, Trained, done, hours, refused, seqcast

MEASURES = {"mae", "mse", "rmse", "smape", "mase", "rmsse", "wql", "coverage"}


def table_of(trained: Trained, *words: object) -> pd.DataFrame:
    table = done("backtest", "--run", trained.run, "--output", "-", *words).table()
    return table.assign(ds=pd.to_datetime(table["ds"]), cutoff=pd.to_datetime(table["cutoff"]))


def test_the_table_is_the_forecast_table_with_cutoff_and_truth(hourly_run: Trained) -> None:
    table = table_of(hourly_run, "--level", "90")
    assert list(table) == ["unique_id", "ds", "cutoff", "y", "seqcast", "seqcast-lo-90", "seqcast-hi-90"]
    truth = pd.read_csv(hourly_run.data, parse_dates=["ds"]).set_index("ds")["y"]
    np.testing.assert_array_equal(table["y"], truth[table["ds"]])
    lead = (table["ds"] - table["cutoff"]) / pd.Timedelta(hours=1)
    assert lead.tolist() == [*range(1, HORIZON + 1)] * (len(table) // HORIZON)


def test_json_holds_the_metrics_of_each_model_and_of_each_step(panel_run: Trained) -> None:
    document = done("backtest", "--run", panel_run.run, "--test", "--json").document()
    assert (document["part"], document["stride"], document["horizon"]) == ("test", HORIZON, HORIZON)
    assert document["num_windows"] == 3 * len(LENGTHS)
    assert list(document["metrics"]) == ["seqcast", "naive", "seasonal_naive"]
    for model, numbers in document["metrics"].items():
        assert set(numbers) >= MEASURES
        assert [step["step"] for step in numbers["by_step"]] == [*range(1, HORIZON + 1)]
        assert all(set(step) == {"step"} | MEASURES for step in numbers["by_step"])
        assert [series["unique_id"] for series in numbers["by_series"]] == list(LENGTHS)
        assert all(set(series) == {"unique_id"} | MEASURES for series in numbers["by_series"])
        assert set(numbers["coverage"]) == ({"80", "95"} if model == "seqcast" else set())


def test_the_metrics_are_those_of_the_table(hourly_run: Trained) -> None:
    metrics = done("backtest", "--run", hourly_run.run, "--json").document()["metrics"]["seqcast"]
    table = table_of(hourly_run)
    error = table["y"] - table["seqcast"]
    assert metrics["mae"] == pytest.approx(error.abs().mean())
    assert metrics["mse"] == pytest.approx((error**2).mean())
    inside = (table["seqcast-lo-80"] <= table["y"]) & (table["y"] <= table["seqcast-hi-80"])
    assert metrics["coverage"]["80"] == pytest.approx(inside.mean())
    by_step = error.abs().groupby(np.arange(len(error)) % HORIZON).mean()
    assert [step["mae"] for step in metrics["by_step"]] == pytest.approx(by_step.tolist())


def test_json_says_whether_a_difference_is_more_than_chance(panel_run: Trained) -> None:
    document = done("backtest", "--run", panel_run.run, "--test", "--stride", 1, "--json").document()
    metrics = document["metrics"]
    assert [each["against"] for each in document["comparisons"]] == ["naive", "seasonal_naive"]
    for each in document["comparisons"]:
        assert each["difference"] == pytest.approx(metrics["seqcast"]["mase"] - metrics[each["against"]]["mase"])
        assert (each["verdict"] == "better") == (each["difference"] < 0 and each["p_value"] < 0.05)
        assert each["p_value_over_series"] is None  # of three series


def test_statistical_models_stand_beside_the_others(made_models: None, hourly_run: Trained) -> None:
    ran = done("backtest", "--run", hourly_run.run, "--test", "--models", "AutoETS,MSTL", "--json")
    metrics = ran.document()["metrics"]
    assert list(metrics) == ["seqcast", "naive", "seasonal_naive", "AutoETS", "MSTL"]
    assert set(metrics["AutoETS"]["coverage"]) == {"80", "95"}
    assert metrics["AutoETS"]["mae"] == metrics["naive"]["mae"]
    assert "statistical models: window 3/3" in ran.err
    table = table_of(hourly_run, "--test", "--models", "AutoETS", "--level", "80")
    columns = ["unique_id", "ds", "cutoff", "y", "seqcast", "seqcast-lo-80", "seqcast-hi-80"]
    assert list(table) == [*columns, "AutoETS", "AutoETS-lo-80", "AutoETS-hi-80"]
    np.testing.assert_allclose(table["AutoETS-hi-80"] - table["AutoETS"], 80)


def test_the_run_can_be_trained_anew_on_the_way(made_models: None, hourly_run: Trained) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in hourly_run.run.iterdir())
    ran = done("backtest", "--run", hourly_run.run, "--test", "--refit-every", 2, "--models", "AutoETS", "--json")
    document = ran.document()
    assert document["refit_every"] == 2
    newest = hours(131)[131 - 15 - 1]
    assert f"training 1 of 2, on data up to {newest}" in ran.err
    assert "training 2 of 2" in ran.err
    assert (
        document["metrics"]["naive"]
        == (done("backtest", "--run", hourly_run.run, "--test", "--json").document()["metrics"]["naive"])
    )
    assert sorted((path.name, path.stat().st_mtime_ns) for path in hourly_run.run.iterdir()) == before


def test_a_signal_ends_a_backtest_that_trains(
    made_models: None, hourly_run: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqcast.cli.progress import TrainingProgress

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(TrainingProgress, "show_windows", interrupt)
    words = ["--test", "--refit-every", 9, "--models", "AutoETS"]
    message = refused(143, "backtest", "--run", hourly_run.run, *words)
    assert message == "Stopped by SIGTERM. Nothing is kept: start it again."


def test_baselines_can_be_left_out(hourly_run: Trained) -> None:
    document = done("backtest", "--run", hourly_run.run, "--json", "--no-baselines").document()
    assert list(document["metrics"]) == ["seqcast"]
    assert "skill" not in document["metrics"]["seqcast"]
    assert document["comparisons"] == []
    assert "seasonal_naive" not in done("backtest", "--run", hourly_run.run, "--no-baselines").out


def test_json_and_a_file_can_be_had_together(hourly_run: Trained, in_tmp_path: Path) -> None:
    ran = done("backtest", "--run", hourly_run.run, "--json", "--output", "cv.parquet")
    assert json.loads(ran.out)["num_windows"] == 2
    assert len(pd.read_parquet("cv.parquet")) == 2 * HORIZON
    assert f"{2 * HORIZON} rows written to cv.parquet" in ran.err


def test_a_person_sees_the_scores_and_what_was_scored(hourly_run: Trained) -> None:
    ran = done("backtest", "--run", hourly_run.run, "--test")
    assert "test part, 3 windows, 5 steps apart" in ran.err
    assert "Scores of 15 forecast values: 3 windows of 1 series" in ran.out
    assert "seasonal_naive" in ran.out
    assert "seqcast cannot be told from naive by mase: too few cutoffs and series" in ran.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--windows", 0], "--stride, --windows and --refit-every must be at least 1."),
        (["--test", "--windows", 3], "--windows scores the validation part, --test the test part."),
        (["--output", "scores"], "does not say which format to write"),
        (["--level", "80,x"], "--level '80,x': levels are numbers, such as 80,95."),
    ],
)
def test_options_that_make_no_sense_are_refused(hourly_run: Trained, words: list[object], told: str) -> None:
    assert told in refused(2, "backtest", "--run", hourly_run.run, *words)


def test_two_results_cannot_share_stdout(hourly_run: Trained) -> None:
    ran = seqcast("backtest", "--run", hourly_run.run, "--json", "--output", "-")
    assert ran.code == 2
    assert ran.document()["error"] == "--json and --output - both write to stdout. Give --output a file."


def test_the_scores_of_each_series_are_shown_on_request(panel_run: Trained) -> None:
    metrics = done("backtest", "--run", panel_run.run, "--json").document()["metrics"]["seqcast"]
    result = done("backtest", "--run", panel_run.run, "--by", "series")
    assert "seqcast by series" in result.out
    for each in metrics["by_series"]:
        (line,) = [line.split() for line in result.out.splitlines() if line.split()[:1] == [each["unique_id"]]]
        assert float(line[1]) == pytest.approx(each["mae"], rel=2e-3)
        assert float(line[2]) == pytest.approx(100 * each["coverage"]["80"], abs=0.06)
    shares = [each["coverage"]["80"] for each in metrics["by_series"]]
    assert metrics["coverage_spread"]["80"] == pytest.approx(np.quantile(shares, [0.1, 0.5, 0.9]).tolist())
