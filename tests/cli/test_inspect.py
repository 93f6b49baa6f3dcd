from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import LENGTHS
from tests.running import CONTEXT, HORIZON, TINY, Trained, done, hours, refused, wave, write_rows

COLUMNS = ["unique_id", "cutoff", "ds", "step", "lag_origin", "lag_target", "attended_ds", "weight", "observed"]


def attention(trained: Trained, *words: object) -> pd.DataFrame:
    table = done("inspect", "--run", trained.run, "--output", "-", *words).table()
    times = {name: pd.to_datetime(table[name]) for name in ("cutoff", "ds", "attended_ds")}
    return table.assign(**times)


def test_the_attention_table_has_a_row_per_series_cutoff_step_and_lag(wide_run: Trained) -> None:
    table = attention(wide_run, "--windows", 3)
    assert list(table) == COLUMNS
    assert len(table) == 2 * 3 * HORIZON * CONTEXT
    assert not table.duplicated(["unique_id", "cutoff", "step", "lag_origin"]).any()
    assert list(table["unique_id"].unique()) == ["north", "east"]


def test_the_report_names_lags_durations_shares_and_defines_its_numbers(hourly_run: Trained) -> None:
    out = done("inspect", "--run", hourly_run.run, "--top", 4).out
    assert " relative to the forecast step" in out.splitlines()[0]
    assert "1 window of 1 series, 5 steps ahead of 2024-01-06 10:00, context of 23." in out
    for heading in ("lag", "duration", "attended time", "weight", "share", "cumulative", "lift"):
        assert heading in out
    for definition in (
        "lag_target = lag_origin + step - 1",
        "lift: share divided by what equal weights",
        "share: part",
    ):
        assert definition in out
    assert sum("█" in line for line in out.splitlines()) <= 4


def test_lags_can_be_counted_from_the_origin(hourly_run: Trained) -> None:
    report = done("inspect", "--run", hourly_run.run, "--json", "--relative", "origin", "--top", 50).document()
    share = attention(hourly_run).groupby("lag_origin")["weight"].sum() / HORIZON
    assert {lag["lag"]: pytest.approx(lag["share"], rel=1e-5) for lag in report["lags"]} == share.to_dict()
    out = done("inspect", "--run", hourly_run.run, "--relative", "origin").out
    assert " relative to the start of the forecast" in out.splitlines()[0]


@pytest.mark.parametrize(
    ("by", "labels"),
    [
        ("horizon", ["steps 1-2", "step 3", "step 4", "step 5"]),
        ("hour", ["11:00", "12:00", "13:00", "14:00", "15:00"]),
        ("weekday", ["Saturday"]),
        ("month", ["January"]),
        ("series", ["y"]),
    ],
)
def test_steps_are_grouped_by_what_was_asked(hourly_run: Trained, by: str, labels: list[str]) -> None:
    report = done("inspect", "--run", hourly_run.run, "--json", "--by", by).document()
    assert report["group_by"] == by
    assert [group["label"] for group in report["groups"]] == labels


def test_groups_are_shown_when_there_are_several(panel_run: Trained) -> None:
    out = done("inspect", "--run", panel_run.run, "--by", "series").out
    shown = [line.split()[0] for line in out[out.index("effective lags   ") :].splitlines()[2:5]]
    assert shown == list(LENGTHS)


def test_one_series_can_be_looked_at_alone(panel_run: Trained) -> None:
    table = attention(panel_run, "--series", "c")
    assert set(table["unique_id"]) == {"c"}
    everything = attention(panel_run)
    np.testing.assert_allclose(table["weight"], everything[everything["unique_id"] == "c"]["weight"], rtol=1e-5)


def test_a_series_that_is_not_there_is_told_with_a_near_one(panel_run: Trained) -> None:
    message = refused(3, "inspect", "--run", panel_run.run, "--series", "zz")
    assert message == "there is no series 'zz' among 3. The first is 'b'."


def test_a_near_name_is_offered(in_tmp_path: Path) -> None:
    data = write_rows(in_tmp_path / "w.csv", "ds,berlin,paris", [hours(101), wave(101), wave(101, 3)])
    done("train", data, *TINY)
    assert "Did you mean 'berlin'?" in refused(3, "inspect", "--series", "Berlin")


@pytest.mark.parametrize("origin", ["2024-01-04T12:00", "2024-01-04 12:00:00", "2024-01-04T14:00+02:00"])
def test_an_origin_can_be_named(hourly_run: Trained, origin: str) -> None:
    table = attention(hourly_run, "--origin", origin)
    assert list(table["cutoff"].unique()) == [pd.Timestamp("2024-01-04 12:00")]


def test_an_origin_of_an_axis_of_steps_is_a_number(in_tmp_path: Path) -> None:
    data = write_rows(in_tmp_path / "s.csv", "t,y", [range(101), wave(101)])
    done("train", data, *TINY, "--time-unit", "step")
    table = done("inspect", "--origin", 61, "--format", "csv").table()
    assert set(table["cutoff"]) == {61}
    assert (table["attended_ds"] == table["ds"] - table["lag_target"]).all()
    assert refused(2, "inspect", "--origin", "2024-01-01") == "--origin '2024-01-01' is not a whole number."
    assert refused(2, "inspect", "--origin", 10**30) == f"--origin '{10**30}' is not a whole number."


@pytest.mark.parametrize("origin", ["NaT", "today", "2024-13-01", "", "12"])
def test_what_is_no_time_is_refused(hourly_run: Trained, origin: str) -> None:
    message = refused(2, "inspect", "--run", hourly_run.run, "--origin", origin)
    assert message == f"--origin {origin!r} is not a time like 2024-01-31 or 2024-01-31T13:00."


def test_the_heatmap_is_drawn_when_asked_for(hourly_run: Trained) -> None:
    plain, drawn = (done("inspect", "--run", hourly_run.run, *words).out for words in ([], ["--heatmap"]))
    assert drawn.startswith(plain)
    assert "Attention: one row per step" in drawn[len(plain) :]


def test_the_heatmap_is_in_the_document_when_asked_for(hourly_run: Trained) -> None:
    words = ("inspect", "--run", hourly_run.run, "--json")
    assert "heatmap" not in done(*words).document()
    heatmap = done(*words, "--heatmap").document()["heatmap"]
    assert (heatmap["rows"], heatmap["columns"]) == ("step", "lag_origin")
    expected = attention(hourly_run).set_index(["step", "lag_origin"])["weight"]
    np.testing.assert_allclose(np.array(heatmap["weights"])[2, 4], expected[3, 5], atol=2e-6)
    assert np.shape(heatmap["weights"]) == (HORIZON, CONTEXT)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--top", 0], "--top 0: at least one lag must be shown."),
        (["--windows", 0], "--windows 0: at least one origin is needed."),
        (["--windows", 2, "--origin", "2024-01-02"], "--origin names one origin, --windows counts several."),
        (["--output", "a.xml"], "The name of 'a.xml' does not say which format to write."),
        (["--output", "a.csv", "--format", "json"], "The name of 'a.csv' says csv, but --format says json. Drop one."),
        (["--output", "a.csv", "--format", "table"], "--format table prints the report"),
        (["--format", "xml"], "'xml' is not one of 'table', 'csv', 'parquet', 'json'"),
        (["--by", "moon"], "--by moon is neither one of 'horizon', 'hour', "),
    ],
)
def test_options_that_make_no_sense_are_refused(
    hourly_run: Trained, in_tmp_path: Path, words: list[object], told: str
) -> None:
    assert told in refused(2, "inspect", "--run", hourly_run.run, *words)
    assert list(in_tmp_path.iterdir()) == []
