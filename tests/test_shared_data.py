"""Every real data set beside the checkout trains, predicts and is inspected with the options a person would give."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.running import done

HORIZON, CONTEXT = 6, 23
TINY = ("--horizon", HORIZON, "--context", CONTEXT, "--hidden", 7, "--max-steps", 3, "--location", "last")
STALLION_EVENTS = "easter_day,good_friday,new_year,christmas,labor_day,independence_day,revolution_day_memorial"
STALLION_KNOWN = f"price_regular,price_actual,discount,{STALLION_EVENTS}"

Ahead = Callable[[Path, Path], Path]


def next_rows(data: Path, made: Path, ids: list[str], time: str, step: pd.DateOffset) -> Path:
    """A future table that repeats the last known covariates of each series over the steps after its end."""
    table = pd.read_parquet(data) if data.suffix == ".parquet" else pd.read_csv(data, parse_dates=[time])
    grouped = table.sort_values(time).groupby(ids, observed=True) if ids else None
    last = table.tail(HORIZON) if grouped is None else grouped.tail(HORIZON)
    last.assign(**{time: last[time] + step}).to_csv(made, index=False)
    return made


def stallion_future(data: Path, made: Path) -> Path:
    return next_rows(data, made, ["agency", "sku"], "date", pd.DateOffset(months=HORIZON))


def vic_future(data: Path, made: Path) -> Path:
    return next_rows(data, made, [], "ds", pd.DateOffset(minutes=30 * HORIZON))


def epf_future(data: Path, made: Path) -> Path:
    return data.with_name("epf_short_future.csv")


@dataclass(frozen=True)
class Case:
    """What a person would say of one file, and what must come out."""

    layout: str
    frequency: str
    series: int
    rows: int
    missing: int = 0
    options: tuple[str, ...] = ()
    future: Ahead | None = None
    columns: tuple[str, str] = ("unique_id", "ds")


EPF = ("--known", "Exogenous1,Exogenous2,day_0,day_1,day_2,day_3,day_4,day_5,day_6")
STALLION = (
    *("--id", "agency,sku", "--time", "date", "--target", "volume", "--known", STALLION_KNOWN),
    *("--past", "industry_volume,soda_volume,avg_max_temp"),
    *("--static", "avg_population_2017,avg_yearly_household_income_2017"),
)
TOURISM = ("--static", "State,Region,Purpose")
VIC = ("--target", "demand", "--known", "temperature,holiday")
CASES = {
    "air_passengers.csv": Case("single", "MS", 1, 144),
    "epf_short.csv": Case("long", "h", 3, 5_040, 0, EPF, epf_future),
    "ETTh1.csv": Case("wide", "h", 7, 7 * 17_420, columns=("unique_id", "date")),
    "exchange_rate.csv": Case("wide", "D", 8, 8 * 7_588, columns=("unique_id", "date")),
    "m4_hourly.csv.gz": Case("long", "h", 414, 353_500),
    "m4_hourly_test.csv": Case("long", "h", 414, 414 * 48, 0, ("--context", "11")),
    "nn5_daily.csv.gz": Case("long", "D", 111, 87_801, 1_677),
    "nyc_taxi.csv": Case("single", "30min", 1, 10_320, columns=("unique_id", "timestamp")),
    "peyton_manning.csv": Case("single", "D", 1, 2_964, 59),
    "stallion.parquet": Case("long", "MS", 350, 21_000, 0, STALLION, stallion_future, ("unique_id", "date")),
    "sunspots_monthly.csv": Case("single", "MS", 1, 2_820),
    "tourism_quarterly.csv.gz": Case("long", "QS-JAN", 304, 24_320, 0, TOURISM),
    "vic_elec_30min.csv.gz": Case("single", "30min", 1, 52_608, 0, VIC, vic_future),
    "yosemite_temps.csv": Case("single", "5min", 1, 18_721, 12),
}


def test_every_file_but_the_future_one_is_covered(shared_data: Path) -> None:
    present = {path.name for path in shared_data.iterdir() if path.name not in ("README.md", "epf_short_future.csv")}
    assert present == set(CASES)


@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES.keys())
def test_a_real_file_trains_predicts_and_is_inspected(
    name: str, case: Case, shared_data: Path, in_tmp_path: Path
) -> None:
    data = shared_data / name
    record = done("train", data, *TINY, *case.options, "--run", "run", "--json").document()
    found, layout = record["data"], record["columns"]["layout"]
    assert (layout, record["frequency"], found["num_series"]) == (case.layout, case.frequency, case.series)
    assert (found["num_rows"], found["num_rows"] - found["num_observed"]) == (case.rows, case.missing)
    future = () if case.future is None else ("--future", case.future(data, in_tmp_path / "future.csv"))
    done("predict", "--run", "run", *future, "--output", "forecast.parquet")
    forecast = pd.read_parquet("forecast.parquet")
    assert list(forecast.columns[:3]) == [*case.columns, "seqcast"]
    assert len(forecast) == case.series * HORIZON
    assert np.isfinite(forecast.select_dtypes("number")).all(axis=None)
    assert forecast.groupby("unique_id", sort=False).size().eq(HORIZON).all()
    report = done("inspect", "--run", "run", "--json").document()
    assert report["num_series"] == case.series
    assert report["lags"]
