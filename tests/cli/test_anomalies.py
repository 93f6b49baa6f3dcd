import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from tests.running import HORIZON, TINY, Trained, done, hours, refused, seqcast, wave, write_hourly, write_rows

EVENT = ["event", "event_start", "event_end", "event_size", "event_score"]
LAGS = ["lag_1", "weight_1", "lag_2", "weight_2", "lag_3", "weight_3"]


def found(trained: Trained, *words: object) -> pd.DataFrame:
    return done("anomalies", "--run", trained.run, "--output", "-", *words).table()


def spiked(path: Path, steps: dict[int, float], num_rows: int = 131) -> Path:
    values = wave(num_rows)
    for step, amount in steps.items():
        values[step] += amount
    return write_rows(path, "ds,y", [hours(num_rows), values])


def test_the_table_has_a_row_for_each_anomaly_with_its_event_and_lags(hourly_run: Trained) -> None:
    table = found(hourly_run, "--level", 50)
    bounds = ["seqcast-lo-50", "seqcast-hi-50"]
    assert list(table) == ["unique_id", "ds", "cutoff", "y", "seqcast", *bounds, "score", "part", *EVENT, *LAGS]
    assert set(table["part"]) <= {"training", "validation", "new"}
    assert ((table["y"] < table["seqcast-lo-50"]) | (table["y"] > table["seqcast-hi-50"])).all()
    assert (table["cutoff"] < table["ds"]).all()
    for _, event in table.groupby("event"):
        assert event["event_start"].unique().tolist() == [event["ds"].min()]
        assert event["event_end"].unique().tolist() == [event["ds"].max()]
        assert event["event_size"].unique().tolist() == [len(event)]
        assert event["score"].abs().max() == event["event_score"].abs().iloc[0]


def test_planted_spikes_in_another_table_are_new_and_found_as_events(hourly_run: Trained, tmp_path: Path) -> None:
    data = spiked(tmp_path / "later.csv", {140: 300, 141: 200, 160: -300}, num_rows=170)
    table = done("anomalies", data, "--run", hourly_run.run, "--level", 99.9, "--output", "-").table()
    times = pd.Series(hours(170))
    spikes = table[table["ds"].isin(times[[140, 141, 160]])]
    assert len(spikes) == 3
    assert (spikes["part"] == "new").all()
    assert spikes["event"].nunique() == 2
    assert spikes["score"].gt(0).tolist() == [True, True, False]
    assert (table.loc[table["ds"] > times[130], "part"] == "new").all()
    assert "new" not in set(table.loc[table["ds"] < times[131 - 17], "part"])


def test_all_formats_hold_the_same_numbers(panel_run: Trained, in_tmp_path: Path) -> None:
    words = ("anomalies", "--run", panel_run.run, "--level", 60)
    for name in ("a.csv", "a.parquet", "a.json"):
        assert f"rows written to {name}" in done(*words, "--output", name).err
    times = ["ds", "cutoff", "event_start", "event_end"]
    from_csv = pd.read_csv("a.csv", parse_dates=times)
    from_json = pd.DataFrame(json.loads(Path("a.json").read_text()))
    from_json[times] = from_json[times].apply(pd.to_datetime)
    for other in (from_json, parquet.read_table("a.parquet").to_pandas()):
        pd.testing.assert_frame_equal(from_csv, other, check_dtype=False, check_exact=True)
    assert len(from_csv) > 0


def test_a_person_reads_the_strongest_events_and_how_they_were_judged(hourly_run: Trained, tmp_path: Path) -> None:
    data = spiked(tmp_path / "later.csv", {140: 900, 160: -300}, num_rows=170)
    out = done("anomalies", data, "--run", hourly_run.run).out
    rows = [line.strip() for line in out.splitlines() if line.strip().startswith("2024-")]
    assert rows[0].startswith("2024-01-06 20:00")
    assert "outside the 99 % interval" in out.splitlines()[0]
    assert f"A forecast 1 to {HORIZON} steps ahead judges each observation; by chance 1.0 % would be outside." in out
    counts = done("anomalies", data, "--run", hourly_run.run, "--json").document()["num_judged"]
    told = " ".join(out.split())
    assert f"Training data: {counts['training']} observations; the model fits them closely, so it reports fewer" in told
    assert f"New to the model: {counts['new']}." in told


def test_json_is_one_document_of_events_by_falling_score(hourly_run: Trained) -> None:
    told = done("anomalies", "--run", hourly_run.run, "--level", 50, "--json").document()
    table = found(hourly_run, "--level", 50)
    assert told["num_anomalies"] == len(table)
    assert told["num_events"] == table["event"].nunique() == len(told["events"])
    scores = [abs(event["score"]) for event in told["events"]]
    assert scores == sorted(scores, reverse=True)
    assert set(told["num_judged"]) == {"training", "validation", "new"}
    assert (told["horizon"], told["stride"]) == (HORIZON, HORIZON)


def test_a_table_without_anomalies_has_its_columns_and_a_report_says_so(hourly_run: Trained) -> None:
    table = found(hourly_run, "--level", 99.9999999)
    assert len(table) == 0
    assert "score" in table
    assert "0 events: 0 of" in done("anomalies", "--run", hourly_run.run, "--level", 99.9999999).out


def test_a_table_that_is_not_there_is_refused_before_torch_is_loaded(
    hourly_run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "seqcast.evaluation.anomalies", None)  # which imports torch
    absent = tmp_path / "absent.csv"
    assert "absent.csv: there is no such file." in refused(3, "anomalies", absent, "--run", hourly_run.run)


def test_wrong_options_are_refused(hourly_run: Trained, in_tmp_path: Path) -> None:
    run = ("anomalies", "--run", hourly_run.run)
    assert "--level 100: a level lies between 0 and 100." in refused(2, *run, "--level", 100)
    assert "--horizon 9: give 1 to 5, the trained horizon." in refused(2, *run, "--horizon", 9)
    assert "do not reach every observation. Give --stride 2 or less." in refused(2, *run, "--horizon", 2, "--stride", 4)
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--loss", "mae", "--run", "points")
    assert "no quantiles, so there are no intervals to be outside of" in refused(2, "anomalies", "--run", "points")


@pytest.mark.parametrize("words", [("--output", "-"), ("--format", "csv")])
def test_one_stream_gets_one_result(hourly_run: Trained, words: tuple[str, ...]) -> None:
    ran = seqcast("anomalies", "--run", hourly_run.run, "--json", *words)
    assert ran.code == 2
    assert "--json prints a document, --output and --format write a table." in ran.err
