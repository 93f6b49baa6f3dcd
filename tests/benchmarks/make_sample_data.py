"""Makes sample_data/planted_hourly.csv and planted_hourly_future.csv, byte for byte.

    python tests/benchmarks/make_sample_data.py [FOLDER]

Twelve hourly series; in units of 5 around the level of its region each follows

    z_t = 0.55 z_{t-24} + 0.40 z_{t-37} + 0.6 promo_t + 0.3 noise_t

so a good forecast attends to the lags 24 and 37 and uses the known covariate. The standard library's generator is used
because its numbers do not change from release to release.
"""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

SEED = 37
NUM_SERIES = 12
NUM_HOURS = 960
NUM_FUTURE_HOURS = 48
BURN_IN = 300
LAGS = {24: 0.55, 37: 0.40}
PROMO_EFFECT, NOISE, UNIT = 0.6, 0.3, 5.0
LEVELS = {"coast": 40.0, "north": 65.0, "south": 90.0}
FIRST = datetime(2024, 1, 1)


@dataclass(frozen=True)
class Series:
    """One made series, future hours of its covariate included."""

    name: str
    region: str
    values: list[float]
    promo: list[int]
    absent: set[int]
    """Hours without a row."""
    empty: set[int]
    """Hours with a row but no value."""


def make_series(index: int, random: Random) -> Series:
    promo = make_promo(BURN_IN + NUM_HOURS + NUM_FUTURE_HOURS, random)
    region = list(LEVELS)[index % len(LEVELS)]
    deviations: list[float] = [random.gauss(0, 1) for _ in range(max(LAGS))]
    for hour in range(len(deviations), BURN_IN + NUM_HOURS):
        planted = sum(weight * deviations[hour - lag] for lag, weight in LAGS.items())
        deviations.append(planted + PROMO_EFFECT * promo[hour] + NOISE * random.gauss(0, 1))
    return Series(
        name=f"s{index + 1:02d}",
        region=region,
        values=[LEVELS[region] + UNIT * deviation for deviation in deviations[BURN_IN:]],
        promo=promo[BURN_IN:],
        absent=make_absent(index, random),
        empty={random.randrange(NUM_HOURS - 50) for _ in range(2)},
    )


def make_promo(num_hours: int, random: Random) -> list[int]:
    """Campaigns of 4 to 12 hours, one in a few days."""
    promo = [0] * num_hours
    hour = random.randrange(72)
    while hour < num_hours:
        length = random.randint(4, 12)
        promo[hour : hour + length] = [1] * len(promo[hour : hour + length])
        hour += length + random.randint(24, 96)
    return promo


def make_absent(index: int, random: Random) -> set[int]:
    """One gap of up to 30 hours in most series; every fifth series begins later."""
    begin = 96 if index % 5 == 4 else 0
    start = random.randrange(200, NUM_HOURS - 200)
    gap = range(start, start + random.randint(0, 30))
    return {*range(begin), *gap}


def make_tables() -> tuple[str, str]:
    """The text of the sample and of its future file."""
    random = Random(SEED)
    rows, future = ["unique_id,ds,y,promo,region"], ["unique_id,ds,promo"]
    for series in (make_series(index, random) for index in range(NUM_SERIES)):
        for hour in sorted(set(range(NUM_HOURS)) - series.absent):
            value = "" if hour in series.empty else f"{series.values[hour]:.3f}"
            rows.append(f"{series.name},{stamp(hour)},{value},{series.promo[hour]},{series.region}")
        for hour in range(NUM_HOURS, NUM_HOURS + NUM_FUTURE_HOURS):
            future.append(f"{series.name},{stamp(hour)},{series.promo[hour]}")
    return "\n".join(rows) + "\n", "\n".join(future) + "\n"


def stamp(hour: int) -> str:
    return f"{FIRST + timedelta(hours=hour)}"


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "sample_data")
    table, future_table = make_tables()
    (folder / "planted_hourly.csv").write_text(table, encoding="utf-8", newline="")
    (folder / "planted_hourly_future.csv").write_text(future_table, encoding="utf-8", newline="")
