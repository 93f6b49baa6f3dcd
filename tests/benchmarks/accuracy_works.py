"""What tests/benchmarks/accuracy.py measures: a file, what a person would say about it, and what is held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

EVENTS = (
    "easter_day,good_friday,new_year,christmas,labor_day,independence_day,revolution_day_memorial,regional_games,"
    "fifa_u_17_world_cup,football_gold_cup,beer_capital,music_fest"
)
DAYS = ",".join(f"day_{number}" for number in range(7))
ETT = "HUFL,HULL,MUFL,MULL,LUFL,LULL,OT"


@dataclass(frozen=True)
class Work:
    """One row of a table."""

    name: str
    """`group, variant`."""
    kind: Literal["z", "m4", "mase"]
    """z: errors over every test origin in units of the training part's deviation, as in the long-horizon papers.
    m4: forecast of a test file, as in the M4 competition. mase: `seqcast backtest`, beside other models."""
    file: str
    horizon: int
    test_size: int = 0
    stride: int = 1
    validation_size: int | None = None
    rows: int | None = None
    """First rows of the file that are used."""
    options: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return self.name.partition(",")[0]

    def with_options(self, variant: str, *options: str) -> Work:
        """The same work with other options of training."""
        return replace(self, name=f"{self.name}, {variant}", options=(*self.options, *options))


STALLION = ("--id", "agency,sku", "--time", "date", "--target", "volume")
STALLION_COVARIATES = (
    *("--known", f"price_regular,price_actual,discount,{EVENTS}"),
    *("--past", "industry_volume,soda_volume,avg_max_temp"),
    *("--static", "avg_population_2017,avg_yearly_household_income_2017"),
)
VIC = ("--target", "demand")
VIC_COVARIATES = ("--known", "temperature,holiday")
EPF_COVARIATES = ("--known", f"Exogenous1,Exogenous2,{DAYS}")
TOURISM = ("--static", "State,Region,Purpose")


def _ett(name: str, target: str, horizon: int) -> Work:
    """12 months of training, 4 of validation, 4 of test; the rest of the file is not used."""
    options = ("--time", "date", "--target", target)
    return Work(name, "z", "ETTh1.csv", horizon, 2880, 1, 2880, 14_400, options)


def _last_and_rolling(
    name: str, file: str, horizon: int, rolling: tuple[int, int], *options: str, fewest: str = ""
) -> Iterator[Work]:
    """The newest window alone, with all before it to learn from; and a longer test part at a stride."""
    test_size, stride = rolling
    yield Work(f"{name}, last window{fewest}", "mase", file, horizon, horizon, horizon, options=options)
    yield Work(f"{name}, rolling{fewest}", "mase", file, horizon, test_size, stride, options=options)


def works() -> tuple[Work, ...]:
    """Every row, in the order of the tables."""
    ot24, ot96 = _ett("etth1-ot, horizon 24", "OT", 24), _ett("etth1-ot, horizon 96", "OT", 96)
    m4 = Work("m4-hourly", "m4", "m4_hourly.csv.gz", 48)
    # 70, 10 and 20 percent of 7,588 days.
    exchange = Work("exchange_rate", "z", "exchange_rate.csv", 96, 1517, 1, 760, None, ("--time", "date"))
    return (
        _ett("etth1", ETT, 96),
        *(_ett(f"etth1, horizon {horizon}", ETT, horizon) for horizon in (192, 336, 720)),
        ot24,
        ot24.with_options("autoregressive", "--decoding", "autoregressive"),
        ot96,
        exchange,
        m4,
        m4.with_options("ensemble of 5", "--ensemble", "5"),
        m4.with_options("autoregressive", "--decoding", "autoregressive"),
        *_tables(),
    )


def _tables() -> Iterator[Work]:
    """Rows that are scored beside other models."""
    yield from _with_variants(_last_and_rolling("tourism", "tourism_quarterly.csv.gz", 8, (16, 4), *TOURISM))
    yield from _with_variants(_last_and_rolling("nn5", "nn5_daily.csv.gz", 56, (112, 28)))
    for covariates, variant in ((VIC_COVARIATES, ""), ((), ", no covariates")):
        file = "vic_elec_30min.csv.gz"
        yield from _last_and_rolling("vic_elec", file, 336, (1344, 336), *VIC, *covariates, fewest=variant)
    for covariates, variant in ((STALLION_COVARIATES, ""), ((), ", no covariates")):
        yield from _last_and_rolling("stallion", "stallion.parquet", 6, (12, 1), *STALLION, *covariates, fewest=variant)
    for covariates, variant in ((EPF_COVARIATES, ""), ((), ", no covariates")):
        found = _last_and_rolling("epf_short", "epf_short.csv", 24, (168, 24), *covariates, fewest=variant)
        yield from found if variant else _with_variants(found)
    yield Work("air_passengers, rolling", "mase", "air_passengers.csv", 12, 24, 1)
    yield Work("peyton_manning, rolling", "mase", "peyton_manning.csv", 90, 365, 7)
    yield Work("yosemite_temps, rolling", "mase", "yosemite_temps.csv", 288, 2016, 288)
    yield Work("nyc_taxi, rolling", "mase", "nyc_taxi.csv", 48, 1344, 48)
    yield Work("sunspots, rolling", "mase", "sunspots_monthly.csv", 132, 264, 12)


def _with_variants(found: Iterator[Work]) -> Iterator[Work]:
    """Each row, and the rolling ones with the other decoding too."""
    for work in found:
        yield work
        if "rolling" in work.name:
            yield work.with_options("autoregressive", "--decoding", "autoregressive")
