"""Tests of tables whose times name a zone or an offset."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from seqcast.config import DataConfig
from seqcast.errors import DataError, UsageError
from seqcast.panel.clock import Clock
from seqcast.panel.frequency import zoned_texts
from seqcast.panel.panel import Panel
from seqcast.reading.assemble import LoadedPanel, build_panel
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.future import extend_panel
from seqcast.reading.tabular import read_table
from tests.reading.making_tables import decisions, load, repairs, rows, times_of

BERLIN = "Europe/Berlin"


def frame_of(times: pd.DatetimeIndex, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"ds": times, "y": np.arange(len(times), dtype=float), **columns})


def from_frame(frame: pd.DataFrame, **data: object) -> LoadedPanel:
    return build_panel(table_from_frame(frame), DataConfig(**data))


def written(folder: Path, times: pd.DatetimeIndex, **data: object) -> LoadedPanel:
    """The panel of a CSV file with these times and their offsets."""
    return load(folder, rows("ds,y", [f"{time.isoformat()},{i}" for i, time in enumerate(times)]), DataConfig(**data))


def shown(panel: Panel) -> list[str]:
    clock = panel.frequency.clock
    assert clock is not None
    return zoned_texts(clock, panel.times(np.zeros(1, np.int64), np.arange(panel.lengths[0])))


@pytest.mark.parametrize(
    ("step", "num_rows", "alias"),
    [
        ("h", 24 * 90, "h"),
        ("15min", 500, "15min"),
        ("D", 200, "D"),
        ("W", 60, "W-SUN"),
        ("MS", 30, "MS"),
        ("B", 90, "B"),
    ],
)
@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Sydney"])
def test_regular_times_of_a_zone_are_regular_over_changes_of_its_clock(
    step: str, num_rows: int, alias: str, zone: str, tmp_path: Path
) -> None:
    times = pd.date_range("2024-02-20", periods=num_rows, freq=step, tz=zone)
    loaded = written(tmp_path, times)
    assert (loaded.panel.frequency.alias, repairs(loaded)) == (alias, [])
    assert loaded.panel.lengths.tolist() == [num_rows]
    expected = [
        str(time) if time.hour or time.minute else f"{time:%Y-%m-%d} 00:00:00{str(time)[-6:]}" for time in times
    ]
    assert shown(loaded.panel) == expected


def test_offsets_without_a_name_are_those_of_a_zone_that_fits(tmp_path: Path) -> None:
    loaded = written(tmp_path, pd.date_range("2024-03-25", periods=300, freq="h", tz="Europe/Rome"))
    assert loaded.panel.frequency.clock == Clock(BERLIN, on_wall=False)
    assert decisions(loaded)[0] == (
        "times of column 'ds' have the offsets +01:00, +02:00 of Europe/Berlin, whose clock is followed"
    )


def test_one_offset_is_kept(tmp_path: Path) -> None:
    loaded = written(tmp_path, pd.date_range("2024-01-01", periods=9, freq="MS", tz="UTC").tz_convert("+05:45"))
    assert loaded.panel.frequency.clock == Clock("+05:45", on_wall=True)
    assert shown(loaded.panel)[0] == "2024-01-01 05:45:00+05:45"


def test_z_and_offsets_mixed_are_those_of_a_zone_that_has_both(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-28", periods=120, freq="h", tz="Europe/London")
    lines = [f"{time.isoformat().replace('+00:00', 'Z')},{i}" for i, time in enumerate(times)]
    loaded = load(tmp_path, rows("ds,y", lines))
    assert loaded.panel.frequency.clock == Clock("Europe/London", on_wall=False)
    assert loaded.panel.lengths.tolist() == [120]


def test_offsets_of_several_places_are_converted_to_utc_with_a_warning(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=9, freq="h", tz="UTC")
    lines = [f"{place},{time.tz_convert(place).isoformat()},1" for place in ("Asia/Tokyo", BERLIN) for time in hours]
    loaded = load(tmp_path, rows("unique_id,ds,y", lines))
    assert loaded.panel.frequency.clock == Clock("UTC", on_wall=True)
    assert repairs(loaded) == [
        "times of column 'ds' have offsets that are not those of one zone (+01:00, +09:00); they were converted to UTC"
    ]


@pytest.mark.parametrize("zone", [BERLIN, "+02:00", "UTC"])
def test_a_parquet_file_keeps_its_zone(zone: str, tmp_path: Path) -> None:
    hours = np.arange(0, 100 * 3600, 3600)
    column = pa.array(hours, pa.timestamp("s", zone))
    parquet.write_table(pa.table({"ds": column, "y": np.arange(100.0)}), tmp_path / "a.parquet")
    loaded = build_panel(read_table(tmp_path / "a.parquet"), DataConfig())
    assert loaded.panel.frequency.clock == Clock(zone, on_wall=zone != BERLIN)
    assert repairs(loaded) == []


LOCAL_DAYS = pd.date_range("2024-01-01", periods=300, freq="D", tz=BERLIN)


@pytest.mark.parametrize("form", ["Z", "bare", "seconds"])
def test_local_midnights_in_utc_need_their_zone_and_the_error_says_which(form: str, tmp_path: Path) -> None:
    utc = LOCAL_DAYS.tz_convert("UTC")
    texts = {
        "Z": [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in utc],
        "bare": [f"{time:%Y-%m-%d %H:%M:%S}" for time in utc],
        "seconds": [f"{time.timestamp():.0f}" for time in utc],
    }[form]
    content = rows("ds,y", [f"{text},1" for text in texts])
    remedy = "--timezone Europe/Berlin and --utc" if form != "Z" else "--timezone Europe/Berlin they"
    with pytest.raises(DataError, match=f"shift by an hour.* with {remedy}"):
        load(tmp_path, content)
    panel = load(tmp_path, content, DataConfig(timezone=BERLIN, utc=form == "bare")).panel
    assert (panel.frequency.alias, panel.lengths.tolist()) == ("D", [300])
    assert shown(panel)[::299] == ["2024-01-01 00:00:00+01:00", "2024-10-26 00:00:00+02:00"]


def test_gaps_of_local_days_are_counted_in_days(tmp_path: Path) -> None:
    loaded = written(tmp_path, LOCAL_DAYS.delete([80, 81, 82, 200]))
    assert loaded.panel.lengths.tolist() == [300]
    assert repairs(loaded)[0].startswith("4 time steps have no row, first 2024-03-21 00:00:00+01:00")


def test_days_of_a_zone_that_skips_midnight_are_days() -> None:
    days = pd.DatetimeIndex(
        [pd.Timestamp(f"2024-04-{day} 01:00" if day == 26 else f"2024-04-{day}") for day in range(20, 31)]
    )
    panel = from_frame(frame_of(days.tz_localize("Africa/Cairo"))).panel
    assert (panel.frequency.alias, panel.lengths.tolist()) == ("D", [11])


def test_utc_days_stay_days_of_utc_whatever_zone_is_named() -> None:
    days = pd.date_range("2024-01-01", periods=300, freq="D", tz="UTC")
    for num_rows in (300, 40):
        panel = from_frame(frame_of(days[:num_rows]), timezone=BERLIN).panel
        assert panel.frequency.clock == Clock(BERLIN, on_wall=False)
        assert panel.lengths.tolist() == [num_rows]


def test_a_named_zone_takes_the_place_of_offsets(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-25", periods=300, freq="h", tz=BERLIN)
    panel = written(tmp_path, times, timezone="Asia/Tokyo").panel
    assert shown(panel)[0] == "2024-03-25 08:00:00+09:00"


def test_bare_times_that_are_utc_are_marked_so() -> None:
    panel = from_frame(frame_of(pd.date_range("2024-01-01", periods=9, freq="h")), utc=True).panel
    assert shown(panel)[1] == "2024-01-01 01:00:00+00:00"


@pytest.mark.parametrize("data", [{"timezone": BERLIN}, {"utc": True}])
def test_a_zone_does_not_fit_numbers_of_steps(data: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(data))} does not fit: the times are numbers of steps"):
        build_panel(table_from_frame(pd.DataFrame({"t": range(9), "y": range(9)})), DataConfig(time="t", **data))


def test_rows_are_aggregated_to_days_of_the_clock() -> None:
    hours = pd.date_range("2024-03-30", periods=24 * 3 - 1, freq="h", tz=BERLIN)
    frame = frame_of(hours).assign(y=1.0)
    panel = from_frame(frame, resample="D:sum").panel
    assert panel.target.tolist() == [24, 23, 24]
    assert shown(panel) == ["2024-03-30 00:00:00+01:00", "2024-03-31 00:00:00+01:00", "2024-04-01 00:00:00+02:00"]
    every_six = from_frame(frame, resample="6h:sum").panel
    assert (np.nansum(every_six.target), len(every_six.target)) == (71, 12)


@pytest.mark.parametrize("future", [BERLIN, "UTC", "Asia/Tokyo", "+02:00", None])
@pytest.mark.parametrize("step", ["h", "D"])
def test_the_future_may_be_written_in_another_offset(step: str, future: str | None) -> None:
    times = pd.date_range("2024-03-25", periods=150, freq=step, tz=BERLIN)
    frame = frame_of(times, p=np.arange(150.0))
    panel = from_frame(frame[:100], known=("p",), target=("y",)).panel
    later = times[100:].tz_localize(None) if future is None else times[100:].tz_convert(future)
    extended = extend_panel(panel, 50, table_from_frame(pd.DataFrame({"ds": later, "p": np.arange(100.0, 150)})))
    assert extended.known.numeric[:, 0].tolist() == list(range(150))


def test_a_future_with_a_zone_fits_data_without_one_by_its_clock() -> None:
    times = pd.date_range("2024-01-01", periods=20, freq="h")
    panel = from_frame(frame_of(times[:10], p=np.arange(10.0)), known=("p",), target=("y",)).panel
    later = pd.DataFrame({"ds": times[10:].tz_localize(BERLIN), "p": np.arange(10.0, 20)})
    assert extend_panel(panel, 10, table_from_frame(later)).known.numeric[:, 0].tolist() == list(range(20))


def test_tables_without_zone_have_no_clock() -> None:
    panel = from_frame(frame_of(pd.date_range("2024-01-01", periods=9))).panel
    assert panel.frequency.clock is None
    assert times_of(panel)[0] == "2024-01-01T00:00:00.000000"


def test_a_time_given_twice_is_told_as_the_clock_shows_it(tmp_path: Path) -> None:
    times = ["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00", "2024-03-31T03:00+02:00"]
    with pytest.raises(DataError, match=r"different values: 2024-03-31 03:00:00\+02:00 \(1 on line 3, 3 on line 5\)"):
        load(tmp_path, rows("ds,y", [f"{time},{i}" for i, time in enumerate(times)]))
