import csv
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from seqcast import samples
from seqcast.errors import UsageError
from seqcast.samples import CO2, PLANTED, PLANTED_FUTURE, SAMPLES, sample_path
from tests.benchmarks.make_sample_data import NUM_SERIES, make_tables


def rows_of(name: str) -> list[dict[str, str]]:
    with sample_path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def planted_series() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per series, value and promo of every hour from the first to the last, NaN where there is none."""
    origin, series = datetime(2024, 1, 1), {}
    for row in rows_of(PLANTED):
        hour = round((datetime.fromisoformat(row["ds"]) - origin) / timedelta(hours=1))
        value, promo = series.setdefault(row["unique_id"], (np.full(960, np.nan), np.full(960, np.nan)))
        value[hour], promo[hour] = float(row["y"] or "nan"), float(row["promo"])
    return series


def test_the_script_reproduces_the_planted_files_byte_for_byte() -> None:
    table, future = make_tables()
    assert table.encode() == sample_path(PLANTED).read_bytes()
    assert future.encode() == sample_path(PLANTED_FUTURE).read_bytes()


def test_the_planted_panel_has_gaps_empty_values_and_late_series() -> None:
    series = planted_series()
    assert len(series) == NUM_SERIES
    assert sum(np.isnan(promo[0]) for _, promo in series.values()) == 2
    assert all(np.isfinite(value[-1]) for value, _ in series.values())
    absent = sum(np.isnan(promo[96:]).sum() for _, promo in series.values())
    empty = sum((np.isnan(value) & np.isfinite(promo)).sum() for value, promo in series.values())
    assert (absent > 50, 10 < empty < 50) == (True, True)


def test_the_co2_record_is_weekly_with_missing_weeks() -> None:
    rows = rows_of(CO2)
    days = [date.fromisoformat(row["ds"]) for row in rows]
    assert {day.weekday() for day in days} == {5}
    weeks = (days[-1] - days[0]).days // 7 + 1
    assert (weeks, weeks - len(rows), sum(not row["y"] for row in rows)) == (2284, 45, 14)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_small_and_has_its_origin_and_licence_told(name: str, repository: Path) -> None:
    assert sample_path(name).stat().st_size < 500_000
    told = (repository / "sample_data" / "README.md").read_text(encoding="utf-8")
    assert any(f"`{name}`" in line and "public domain" in line for line in told.splitlines())


def test_an_installed_package_finds_the_samples_inside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "seqcast" / "sample_data" / CO2
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"")
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "seqcast" / "samples.py"))
    assert sample_path(CO2) == inside


@pytest.mark.parametrize("name", ["weekly.csv", "../pyproject.toml"])
def test_an_unknown_sample_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(UsageError, match=r"there is no sample .* The samples are planted_hourly\.csv, "):
        sample_path(name)
