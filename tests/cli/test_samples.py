import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from seqcast.run.directory import RunDirectory
from tests.cli.conftest import LENGTHS
from tests.running import HORIZON, TINY, Trained, done, hours, refused, seqcast, write_hourly


def sampled(trained: Trained, *words: object) -> pd.DataFrame:
    return done("predict", "--run", trained.run, "--output", "-", *words).table()


def test_the_long_table_has_a_row_for_each_series_path_and_step(panel_run: Trained) -> None:
    table = sampled(panel_run, "--future", panel_run.future, "--samples", 3)
    assert list(table) == ["unique_id", "ds", "sample", "seqcast"]
    times = {name: hours(length + HORIZON)[length:] for name, length in LENGTHS.items()}
    expected = [(name, time, number) for name in LENGTHS for number in (1, 2, 3) for time in times[name]]
    assert list(zip(table["unique_id"], table["ds"], table["sample"], strict=True)) == expected
    assert table["seqcast"].nunique() == len(table)


def test_all_formats_hold_the_same_paths_whatever_the_size_of_a_piece(
    panel_run: Trained, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("predict", "--run", panel_run.run, "--future", panel_run.future, "--samples", 7)
    assert "105 rows written to p.csv" in done(*words, "--output", "p.csv").err
    monkeypatch.setattr("seqcast.results.sample_paths.VALUES_AT_ONCE", 2 * HORIZON)
    for name in ("p.parquet", "p.json"):
        done(*words, "--output", name)
    from_csv = pd.read_csv("p.csv", parse_dates=["ds"])
    from_json = pd.DataFrame(json.loads(Path("p.json").read_text())).assign(ds=lambda f: pd.to_datetime(f["ds"]))
    from_parquet = parquet.read_table("p.parquet").to_pandas()
    for other in (from_json, from_parquet):
        pd.testing.assert_frame_equal(from_csv, other, check_dtype=False, check_exact=True)


def test_a_seed_gives_the_same_paths_and_another_one_others(hourly_run: Trained) -> None:
    first, again, other = (sampled(hourly_run, "--samples", 4, *seed) for seed in ((), ("--seed", 0), ("--seed", 1)))
    pd.testing.assert_frame_equal(first, again)
    assert (first["seqcast"] != other["seqcast"]).all()


def test_paths_agree_with_the_intervals_beyond_the_trained_horizon_too(hourly_run: Trained) -> None:
    horizon = ("--horizon", 2 * HORIZON + 1)
    paths = sampled(hourly_run, "--samples", 2000, *horizon)
    forecast = sampled(hourly_run, *horizon)
    by_step = paths["seqcast"].to_numpy().reshape(2000, -1)
    inside = (forecast["seqcast-lo-80"].to_numpy() <= by_step) & (by_step <= forecast["seqcast-hi-80"].to_numpy())
    np.testing.assert_allclose(inside.mean(axis=0), 0.8, atol=0.04)


@pytest.mark.parametrize("aggregate", ["sum", "mean", "min", "max"])
def test_a_total_over_the_horizon_is_a_row_for_each_series_with_intervals(hourly_run: Trained, aggregate: str) -> None:
    totals = sampled(hourly_run, "--aggregate", aggregate, "--samples", 50, "--level", "80,95")
    bounds = ["seqcast-lo-80", "seqcast-hi-80", "seqcast-lo-95", "seqcast-hi-95"]
    assert list(totals) == ["unique_id", "cutoff", "ds", "aggregate", "seqcast", *bounds]
    assert totals.loc[0, ["cutoff", "ds", "aggregate"]].tolist() == [*hours(131)[-1:], *hours(136)[-1:], aggregate]
    paths = sampled(hourly_run, "--samples", 50)
    numbers = paths.groupby("sample")["seqcast"].agg(aggregate)
    expected = np.quantile(numbers, [0.5, 0.1, 0.9, 0.025, 0.975])
    np.testing.assert_allclose(totals.loc[0, ["seqcast", *bounds]].astype(float), expected)


def test_a_person_sees_the_first_paths_or_the_totals_and_how_many_samples_there_are(hourly_run: Trained) -> None:
    shown = done("predict", "--run", hourly_run.run, "--samples", 9).out
    assert "y: sample paths after 2024-01-06 10:00" in shown
    assert "sample 5" in shown
    assert "sample 6" not in shown
    assert "9 samples of each series; --output writes all of them." in shown
    totals = done("predict", "--run", hourly_run.run, "--aggregate", "max").out
    assert "Largest value of the next 5 steps" in totals
    assert "95 % interval" in totals
    assert "From 1,000 sample paths of each series." in totals


def test_options_that_say_nothing_are_refused(hourly_run: Trained) -> None:
    run = ("predict", "--run", hourly_run.run)
    assert "--seed is for sample paths." in refused(2, *run, "--seed", 3)
    assert "--samples 0: the number of sample paths must be at least 1." in refused(2, *run, "--samples", 0)
    assert "--level is for intervals, and sample paths have none." in refused(
        2, *run, "--samples", 3, "--level", "90", "--output", "-"
    )
    naive = refused(2, *run, "--samples", 3, "--model", "naive")
    assert "Naive forecasts and runs of older versions have none." in naive


def test_a_run_without_quantiles_is_refused(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--loss", "mae", "--run", "points")
    assert "forecasts no quantiles, so there are no sample paths." in refused(
        2, "predict", "--run", "points", "--samples", 3
    )


def changed_record(trained: Trained, folder: Path, shares: dict[str, float] | None) -> Path:
    copy = trained.copied(folder)
    directory = RunDirectory(copy)
    record = directory.read_record()
    assert record.result is not None
    result = record.result.model_copy(update={"step_dependence": shares})
    directory.write_record(record.model_copy(update={"result": result}))
    return copy


def test_a_run_from_before_sample_paths_still_forecasts_and_refuses_paths(hourly_run: Trained, tmp_path: Path) -> None:
    run = changed_record(hourly_run, tmp_path, None)
    done("predict", "--run", run)
    assert "nothing is known of how the errors of the steps" in refused(2, "predict", "--run", run, "--samples", 3)


@pytest.mark.parametrize("shares", [{"common": 0.7, "walk": 0.4}, {"common": -0.1}, {"other": 0.5}])
def test_a_forged_dependence_is_refused(hourly_run: Trained, tmp_path: Path, shares: dict[str, float]) -> None:
    run = changed_record(hourly_run, tmp_path, shares)
    ran = seqcast("predict", "--run", run, "--samples", 3)
    assert ran.code == 4
    assert "damaged at 'result.step_dependence" in ran.err
