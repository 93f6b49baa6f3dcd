"""The whole way, as a person and as a script go it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from seqcast.samples import CO2, PLANTED, PLANTED_FUTURE, sample_path
from tests.reliability.test_environment import COMMAND, require_orderly
from tests.running import done, hours, wave, write_rows

TINY = ("--hidden", 7, "--max-steps", 3)


def command(*words: str) -> str:
    """Run `seqcast` in a process of its own, as a shell does; its stdout."""
    return require_orderly([sys.executable, "-W", "error", "-c", COMMAND, *words])[0]


@pytest.mark.slow
def test_three_commands_lead_from_a_file_to_a_forecast_and_its_lags(in_tmp_path: Path) -> None:
    write_rows(in_tmp_path / "data.csv", "ds,y", [hours(197), wave(197)])
    assert "runs/data-1" in command("train", "data.csv", "--max-steps", "3")
    assert "y: 48 steps after 2024-01-09 04:00" in done("predict", "--horizon", 48).out
    assert "relative to the forecast step" in done("inspect").out
    assert sorted(path.name for path in in_tmp_path.iterdir()) == ["data.csv", "runs"]


def test_the_planted_lags_of_the_sample_are_found_and_the_forecast_is_better_than_naive(in_tmp_path: Path) -> None:
    data, future = sample_path(PLANTED), sample_path(PLANTED_FUTURE)
    words = ("--known", "promo", "--static", "region", "--horizon", 24, "--context", 64, *TINY, "--test-size", 48)
    done("train", data, *words)
    lags = done("inspect", "--json", "--top", 2).document()["lags"]
    assert {lag["lag"] for lag in lags} == {24, 37}
    metrics = done("backtest", "--test", "--json").document()["metrics"]
    assert metrics["seqcast"]["mae"] < metrics["seasonal_naive"]["mae"]
    forecast = done("predict", "--future", future, "--output", "-").table()
    assert forecast["unique_id"].nunique() == 12
    assert forecast["ds"].min() == "2024-02-10 00:00:00"


def test_the_weekly_sample_with_its_missing_weeks_needs_no_options_but_time(in_tmp_path: Path) -> None:
    done("train", sample_path(CO2), *TINY, "--horizon", 13, "--context", 61)
    forecast = done("predict", "--horizon", 29, "--output", "-").table()
    days = pd.to_datetime(forecast["ds"])
    assert set(days.dt.day_name()) == {"Saturday"}
    assert set(days.diff()[1:]) == {pd.Timedelta(weeks=1)}
    assert forecast["seqcast"].between(300, 450).all()


def test_a_run_is_used_on_newer_data_as_a_nightly_job_would(in_tmp_path: Path) -> None:
    table = pd.DataFrame({"ds": hours(163), "y": wave(163)})
    table[:131].to_csv("data.csv", index=False)
    done("train", "data.csv", *TINY, "--horizon", 5, "--context", 23, "--run", "model")
    cutoffs = []
    for night in (139, 151, 163):
        table[:night].to_csv("data.csv", index=False)
        done("predict", "data.csv", "--run", "model", "--output", f"{night}.csv", "--quiet")
        cutoffs.append(pd.read_csv(f"{night}.csv")["ds"][0])
    assert cutoffs == [hours(164)[night] for night in (139, 151, 163)]


def acceptance_script() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "shared" / "acceptance" / "accept.py"
    if not path.is_file():
        pytest.skip(f"the acceptance script is not at {path}")
    spec = importlib.util.spec_from_file_location("accept", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_acceptance_script_accepts_the_backtest_of_every_origin(shared_data: Path, in_tmp_path: Path) -> None:
    accept, horizon, names = acceptance_script(), 6, ["OT", "HUFL"]
    wide = pd.read_csv(shared_data / "ETTh1.csv")[: 8640 + 701][["date", *names]]
    wide.to_csv("ett.csv", index=False)
    sizes = ("--validation-size", 211, "--test-size", 307, "--horizon", horizon, "--context", 29)
    done("train", "ett.csv", "--time", "date", "--target", ",".join(names), *sizes, *TINY, "--run", "run")
    done("backtest", "ett.csv", "--run", "run", "--test", "--stride", 1, "--output", "cv.parquet")
    frame = accept.read(Path("cv.parquet"))
    errors = accept.rolling_errors(frame, wide, names, horizon, 307)
    assert errors["rows"] == (307 - horizon + 1) * horizon * len(names)
    std = wide[names][:8640].std(ddof=0)
    own = (frame["seqcast"] - frame["y"]) / std[frame["unique_id"]].to_numpy()
    assert errors["mse"] == pytest.approx(np.mean(own**2), abs=1e-3)
