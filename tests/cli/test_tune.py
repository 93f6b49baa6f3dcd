import json
import signal
import sys
import time
from pathlib import Path

import pytest

from seqcast.run.configuration_file import read_config
from tests.processes import started
from tests.running import CONTEXT, HORIZON, TINY, done, hours, refused, wave, write_hourly, write_rows

SEARCH = (*TINY, "--layers", 1, "--score", "general", "--loss", "quantile", "--device", "cpu", "--precision", "float32")
"""Leaves dropout and learning rate to be searched."""


def test_a_search_ends_in_a_table_and_a_configuration_that_train_takes(in_tmp_path: Path) -> None:
    write_hourly(Path("shop.csv"))
    ran = done("tune", "shop.csv", *SEARCH, "--trials", 3)
    assert "study: runs/shop-tune" in ran.err
    assert "trial 1 of 3: dropout 0.1, learning rate 0.004" in ran.err
    assert "trial 1 finished: error " in ran.err
    assert "3 trials; the first is what `seqcast train` does by itself" in ran.out
    assert "seqcast train shop.csv --config runs/shop-tune/config.toml" in ran.out
    trained = done("train", "shop.csv", "--config", "runs/shop-tune/config.toml", "--json").document()
    again = done("tune", "shop.csv", *SEARCH, "--trials", 3, "--json").document()
    assert trained["result"]["relative_mae"] == again["best"]["error"]


def test_json_holds_every_trial_and_where_the_best_configuration_is(in_tmp_path: Path) -> None:
    write_hourly(Path("shop.csv"))
    document = done("tune", "shop.csv", *SEARCH, "--trials", 2, "--run", "mine", "--json", "--quiet").document()
    assert (document["run"], document["config"]) == ("mine", "mine/config.toml")
    assert [trial["number"] for trial in document["trials"]] == [1, 2]
    assert document["best"] in document["trials"]
    assert set(document["best"]["values"]) == {"model.dropout", "training.learning_rate"}
    config = read_config(Path("mine/config.toml"))
    assert (config.model.horizon, config.model.context) == (HORIZON, CONTEXT)


def finished_trials(study: Path) -> int:
    """Trials whose end is on the disk."""
    return len(study.read_text().splitlines()) - 1 if study.exists() else 0


@pytest.mark.slow
def test_a_killed_search_loses_the_running_trial_alone(in_tmp_path: Path) -> None:
    write_hourly(Path("shop.csv"), 200)
    words = ["tune", "shop.csv", *map(str, SEARCH), "--max-steps", "10", "--trials", "3", "--run", "study"]
    study = Path("study/study.jsonl")
    with started(in_tmp_path, *words) as process:
        limit = time.monotonic() + 120
        while finished_trials(study) < 1 and time.monotonic() < limit:
            time.sleep(0.02)
        process.send(signal.SIGKILL)
        process.wait()
    kept = finished_trials(study)
    assert 1 <= kept < 3
    killed = study.read_bytes()
    resumed = done(*words, "--json").document()
    assert study.read_bytes().startswith(killed)
    assert len(resumed["trials"]) == 3
    whole = done(*words[:-1], "whole", "--json").document()
    assert [trial["error"] for trial in resumed["trials"]] == [trial["error"] for trial in whole["trials"]]
    assert Path("study/config.toml").read_bytes() == Path("whole/config.toml").read_bytes()


def test_without_optuna_it_says_what_to_install(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    message = refused(2, "tune", "shop.csv")
    assert message == "seqcast tune needs optuna, which is not installed. Run `pip install 'seqcast[tune]'`."


def test_time_names_the_column_and_budget_limits_the_search(in_tmp_path: Path) -> None:
    write_rows(Path("shop.csv"), "hour,day,y", [hours(131), hours(131), wave(131)])
    ran = done(
        "tune", "shop.csv", *SEARCH, "--time", "hour", "--budget", "10m", "--target", "y", "--trials", 1, "--json"
    )
    assert read_config(Path(ran.document()["config"])).data.time == "hour"


def test_a_configuration_is_searched_around(in_tmp_path: Path) -> None:
    write_hourly(Path("shop.csv"))
    Path("mine.toml").write_text("[model]\ndropout = 0.25\n")
    document = done("tune", "shop.csv", *SEARCH, "--config", "mine.toml", "--trials", 1, "--json").document()
    assert document["trials"][0]["values"]["model.dropout"] == 0.25


def test_a_table_on_stdin_has_a_study_too(in_tmp_path: Path) -> None:
    data = write_hourly(Path("shop.csv")).read_bytes()
    done("tune", "-", *SEARCH, "--trials", 1, stdin=data)
    assert Path("runs/stdin-tune/config.toml").exists()


@pytest.mark.parametrize("text", ["5x", "-5m", "0s", "date"])
def test_a_budget_that_is_no_duration_is_refused(in_tmp_path: Path, text: str) -> None:
    told = f"--budget {text!r} is no time to search. Give one such as 600, 90s, 30m or 2h."
    assert refused(2, "tune", "shop.csv", "--budget", text) == told


@pytest.mark.slow
def test_two_processes_share_a_search_and_a_killed_one_leaves_its_trial_to_the_other(in_tmp_path: Path) -> None:
    write_hourly(Path("shop.csv"), 400)
    words = ["tune", "shop.csv", *map(str, SEARCH), "--max-steps", "20", "--trials", "4", "--run", "study"]
    with started(in_tmp_path, *words) as killed:
        killed.wait_for(Path("study/.running-1.json"))
        point = json.loads(Path("study/.running-1.json").read_text())
        with started(in_tmp_path, *words) as other:
            killed.send(signal.SIGKILL)
            assert other.wait() == 0, other.err
            assert other.err.count(", left by a process that has ended: dropout ") == 1
    trials = done(*words, "--json").document()["trials"]
    assert [trial["number"] for trial in trials] == [1, 2, 3, 4]
    assert [trial["values"] for trial in trials].count(point) == 1
    assert len({json.dumps(trial["values"]) for trial in trials}) == 4
