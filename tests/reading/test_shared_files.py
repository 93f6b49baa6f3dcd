"""Every real data set beside the checkout becomes a panel with the options its README suggests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqcast.config import DataConfig
from seqcast.reading.assemble import LoadedPanel, build_panel
from seqcast.reading.future import extend_panel
from seqcast.reading.tabular import read_table

CONFIGS = {
    "epf_short.csv": DataConfig(known=("Exogenous1", "Exogenous2")),
    "vic_elec_30min.csv.gz": DataConfig(target=("demand",), known=("temperature", "holiday")),
    "tourism_quarterly.csv.gz": DataConfig(static=("State", "Region", "Purpose")),
    "stallion.parquet": DataConfig(
        id="agency,sku",
        target=("volume",),
        known=("price_regular", "discount", "easter_day"),
        past=("industry_volume",),
        static=("avg_population_2017",),
    ),
}


def _load(folder: Path, name: str) -> LoadedPanel:
    return build_panel(read_table(folder / name), CONFIGS.get(name, DataConfig()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ETTh1.csv", ("wide", 7, 7 * 17_420, "h", 0)),
        ("air_passengers.csv", ("single", 1, 144, "MS", 0)),
        ("epf_short.csv", ("long", 3, 5_040, "h", 0)),
        ("exchange_rate.csv", ("wide", 8, 8 * 7_588, "D", 0)),
        ("m4_hourly.csv.gz", ("long", 414, 353_500, "h", 0)),
        ("m4_hourly_test.csv", ("long", 414, 414 * 48, "h", 0)),
        ("nn5_daily.csv.gz", ("long", 111, 87_801, "D", 1_677)),
        ("nyc_taxi.csv", ("single", 1, 10_320, "30min", 0)),
        ("peyton_manning.csv", ("single", 1, 2_964, "D", 59)),
        ("stallion.parquet", ("long", 350, 21_000, "MS", 0)),
        ("sunspots_monthly.csv", ("single", 1, 2_820, "MS", 0)),
        ("tourism_quarterly.csv.gz", ("long", 304, 24_320, "QS-JAN", 0)),
        ("vic_elec_30min.csv.gz", ("single", 1, 52_608, "30min", 0)),
        ("yosemite_temps.csv", ("single", 1, 18_721, "5min", 12)),
    ],
)
def test_a_real_file_becomes_a_panel(shared_data: Path, name: str, expected: tuple[str, int, int, str, int]) -> None:
    panel = _load(shared_data, name).panel
    found = (
        panel.schema.layout,
        panel.num_series,
        len(panel.target),
        panel.frequency.alias,
        int(np.isnan(panel.target).sum()),
    )
    assert found == expected


def test_the_channels_of_etth1_are_said(shared_data: Path) -> None:
    texts = [notice.text for notice in _load(shared_data, "ETTh1.csv").notices]
    assert texts[0] == "time column 'date', 7 series from columns 'HUFL', 'HULL', 'MUFL', 'MULL', 'LUFL', 'LULL', 'OT'"


def test_series_of_several_id_columns_are_joined(shared_data: Path) -> None:
    panel = _load(shared_data, "stallion.parquet").panel
    assert (panel.series_ids[0], panel.schema.id, panel.static.numeric[0, 0]) == (
        "Agency_22/SKU_01",
        "unique_id",
        48_151,
    )


def test_categories_of_the_tourism_hierarchy_are_static(shared_data: Path) -> None:
    static = _load(shared_data, "tourism_quarterly.csv.gz").panel.static
    assert [len(names) for names in static.categories] == [8, 76, 4]


def test_the_future_file_of_the_power_prices_extends_them(shared_data: Path) -> None:
    panel = _load(shared_data, "epf_short.csv").panel
    longer = extend_panel(panel, 24, read_table(shared_data / "epf_short_future.csv"))
    assert longer.known.numeric[1_680].tolist() == [70_318, 64_108]
    assert not np.isnan(longer.known.numeric).any()
