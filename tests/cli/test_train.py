import json
import math
import re
import tomllib
from pathlib import Path

import pytest

from seqcast.run.configuration_file import read_config
from seqcast.training import loop
from tests.running import (
    CONTEXT,
    HORIZON,
    TINY,
    Trained,
    contents,
    done,
    refused,
    seqcast,
    write_hourly,
    write_panel,
    write_rows,
)


def test_what_was_found_and_chosen_is_told_on_stderr(in_tmp_path: Path) -> None:
    write_rows(in_tmp_path / "t.csv", "when,sales", [[f"2024-01-{day:02}" for day in range(1, 32)], range(31)])
    ran = done("train", "t.csv", "--max-steps", 2, "--hidden", 7, "--horizon", 2, "--context", 5)
    for told in ("time column 'when'", "target column 'sales'", "daily (D), inferred", "batch size: 16", "device: cpu"):
        assert told in ran.err
    assert "run: runs/t-1" in ran.err
    assert "step 2/2: loss" in ran.err


def test_quiet_leaves_nothing_but_the_result(in_tmp_path: Path) -> None:
    ran = done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--quiet")
    assert ran.err == ""
    assert ran.out.startswith("Trained")


def test_quiet_keeps_warnings(in_tmp_path: Path) -> None:
    path = write_hourly(in_tmp_path / "h.csv")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:40] + lines[42:]))
    ran = done("train", path, *TINY, "-q")
    assert ran.err.startswith("warning: 2 time steps have no row, first 2024-01-02 15:00:00")
    assert "frequency" not in ran.err


def test_json_is_one_document_that_names_the_run(in_tmp_path: Path) -> None:
    document = done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--json").document()
    assert document["run"] == "runs/h-1"
    assert document["status"] == "finished"
    assert (document["shape"]["horizon"], document["shape"]["context"]) == (HORIZON, CONTEXT)
    assert document["result"]["num_steps"] == 3
    kept = json.loads((in_tmp_path / "runs/h-1/run.json").read_text())
    assert {**kept, **document} == {**kept, "run": "runs/h-1"}


def test_a_configuration_is_accepted_back_unchanged(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--score", "dot", "--decoding", "autoregressive", "--no-copy", "--run", "one")
    done("train", data, "--config", "one/config.toml", "--run", "two")
    assert (in_tmp_path / "one/config.toml").read_bytes() == (in_tmp_path / "two/config.toml").read_bytes()
    assert read_config(Path("one/config.toml")) == read_config(Path("two/config.toml"))
    assert (in_tmp_path / "one/model.safetensors").read_bytes() == (in_tmp_path / "two/model.safetensors").read_bytes()


def test_the_configuration_of_a_run_leaves_nothing_to_choose(hourly_run: Trained) -> None:
    values = tomllib.loads((hourly_run.run / "config.toml").read_text())
    assert values["model"]["context"] == CONTEXT
    assert values["data"]["freq"] == "h"
    for key in ("max_steps", "batch_size", "validate_every"):
        assert values["training"][key] > 0


def test_an_option_wins_over_the_configuration_file(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--run", "one")
    done("train", data, "--config", "one/config.toml", "--cell", "gru", "--run", "two")
    assert read_config(Path("two/config.toml")).model.cell == "gru"


@pytest.mark.parametrize(
    ("words", "section", "values"),
    [
        (["--attention", "none"], "model", {"attention": "none", "copy_gate": False, "lag_bias": False}),
        (["--decoding", "autoregressive", "--input-feeding"], "model", {"input_feeding": True}),
        (["--no-refit", "--ensemble", 2], "training", {"refit": False, "ensemble": 2}),
        (["--validation-size", 7, "--test-size", 11], "data", {"validation_size": 7, "test_size": 11}),
    ],
)
def test_options_reach_the_configuration(
    words: list[object], section: str, values: dict[str, object], in_tmp_path: Path
) -> None:
    done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, *words)
    found = tomllib.loads((in_tmp_path / "runs/h-1/config.toml").read_text())[section]
    assert {key: found[key] for key in values} == values


def test_stdin_is_read_and_its_run_is_named_after_it(in_tmp_path: Path) -> None:
    content = write_hourly(in_tmp_path / "h.csv").read_bytes()
    assert "runs/stdin-1" in done("train", "-", *TINY, stdin=content).out
    message = refused(4, "predict")
    assert message.startswith("<stdin>: the table this run was trained on is not there.")
    assert done("predict", "-", "--output", "-", stdin=content).table().shape == (HORIZON, 7)


def test_overwrite_replaces_the_run_and_leaves_other_files(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--run", "mine")
    before = contents(in_tmp_path / "mine")
    (in_tmp_path / "mine" / "notes.txt").write_text("keep me")
    done("train", data, *TINY, "--seed", 3, "--run", "mine", "--overwrite")
    after = contents(in_tmp_path / "mine")
    assert after.pop("notes.txt") == b"keep me"
    assert after["model.safetensors"] != before["model.safetensors"]
    assert set(after) == set(before)


def test_overwrite_keeps_the_old_run_when_the_data_cannot_be_used(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--run", "mine")
    before = contents(in_tmp_path / "mine")
    refused(3, "train", data, *TINY, "--target", "z", "--run", "mine", "--overwrite")
    assert contents(in_tmp_path / "mine") == before


def test_resuming_a_finished_run_says_so_and_changes_nothing(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    first = done("train", data, *TINY, "--run", "mine")
    before = contents(in_tmp_path / "mine")
    ran = done("train", data, "--run", "mine", "--resume")
    assert ran.err == "this run had finished already; nothing was changed\n"
    assert ran.out == first.out
    assert contents(in_tmp_path / "mine") == before
    document = done("train", data, *TINY, "--run", "mine", "--resume", "--json").document()
    assert (document["run"], document["status"]) == ("mine", "finished")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--hidden", 8, "--target", "y"], "model.hidden was"),
        (["--seed", 5], "training.seed was 0 and is 5 now"),
        (["--seed", 5, "--dropout", 0.3], "model.dropout was 0.1 and is 0.3 now; training.seed was 0 and is 5 now"),
        (["--test-size", 9], "data.test_size was 17 and is 9 now"),
    ],
)
def test_resuming_a_finished_run_with_other_options_is_refused(
    words: list[object], told: str, hourly_run: Trained
) -> None:
    message = refused(4, "train", hourly_run.data, "--run", hourly_run.run, "--resume", *words)
    assert message.startswith(f"{hourly_run.run}: the run was begun with other data or options: {told}")


def test_resume_takes_the_newest_run_of_the_same_table(in_tmp_path: Path) -> None:
    data, other = write_hourly(in_tmp_path / "h.csv"), write_hourly(in_tmp_path / "other.csv", 113)
    done("train", data, *TINY)
    done("train", other, *TINY)
    assert "runs/h-1" in done("train", data, "--resume").out


def test_resume_without_a_run_of_that_table_is_refused(in_tmp_path: Path) -> None:
    data, other = write_hourly(in_tmp_path / "h.csv"), write_hourly(in_tmp_path / "other.csv")
    done("train", other, *TINY)
    (in_tmp_path / "runs/other-1/run.json").write_text("damaged")
    message = refused(4, "train", data, "--resume")
    assert message.startswith(f"there is no run of {data} under runs/ to resume. Name one with --run")


def test_resume_and_overwrite_exclude_each_other(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    assert "--overwrite replaces it. Give one of them." in refused(2, "train", data, "--resume", "--overwrite")


def test_an_ensemble_is_trained_in_one_run_that_is_read_like_any_other(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    ran = done("train", data, *TINY, "--no-lag-bias", "--ensemble", 2)
    lines = [json.loads(line) for line in (in_tmp_path / "runs/h-1/metrics.jsonl").read_text().splitlines()]
    assert [(line["member"], line["step"]) for line in lines] == [
        (member, step) for member in (1, 2) for step in range(4)
    ]
    assert "network 1/2 step 3/3: loss" in ran.err
    assert "network 2/2 step 3/3: loss" in ran.err
    assert [path.name for path in (in_tmp_path / "runs").iterdir()] == ["h-1"]
    assert len(done("predict", "--output", "-").table()) == HORIZON


def test_the_refit_is_told_and_its_end_is_a_line(in_tmp_path: Path) -> None:
    words = ("--no-lag-bias", "--learning-rate", 0.02, "--max-steps", 8, "--refit")
    ran = done("train", write_hourly(in_tmp_path / "h.csv"), *TINY, *words)
    assert re.search(r"\n100 % done: refit step 8/8: loss \d\.\d+ [\d,]+ windows/s\n", ran.err)
    assert "refit" not in done("train", "h.csv", *TINY, *words, "--no-refit").err


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_diverged_training_ends_with_code_5_and_a_run_that_forecasts(
    loss: float, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "take_step", lambda *_: loss)
    ran = seqcast("train", write_hourly(in_tmp_path / "h.csv"), *TINY, "--json")
    assert ran.code == 5
    assert ran.document()["kind"] == "diverged"
    assert re.search(
        r"error: Training diverged: .* step 1 is not finite .* the weights of step 0 are kept.* Train another run with --learning-rate",
        ran.err,
    )
    told = done("predict", "--run", "runs/h-1", "--output", "-")
    assert "warning: the training of this run diverged; the forecast uses its best weights" in told.err
    assert len(told.table()) == HORIZON
    assert done("runs", "show", "h-1", "--json").document()["status"] == "diverged"


@pytest.mark.parametrize("named", [(), ("--static", "size,region")])
def test_a_run_with_a_static_file_can_be_used(named: tuple[str, ...], tmp_path: Path) -> None:
    data = write_panel(tmp_path / "panel.csv", {"a": 67, "b": 71})
    (tmp_path / "static.csv").write_text("unique_id,size\na,1\nb,2\n")
    words = ("--static-file", tmp_path / "static.csv", *named, "--target", "y")
    done("train", data, *TINY, *words, "--run", tmp_path / "run")
    assert done("predict", "--run", tmp_path / "run", "--output", "-").table()["unique_id"].nunique() == 2
    assert "intact" in done("runs", "verify", tmp_path / "run").out


def write_counts(path: Path, length: int = 90, lowest: float = 0.0) -> Path:
    return write_rows(path, "ds,y", [list(range(length)), [lowest + (7 * step) % 5 for step in range(length)]])


TOO_LITTLE_TO_TRAIN = ("--horizon", 3, "--context", 9, "--hidden", 5, "--max-steps", 2)


@pytest.mark.parametrize(
    ("lowest", "words", "expected", "told"),
    [
        (0, (), True, True),
        (-1, (), False, False),
        (0, ("--no-non-negative",), False, False),
        (0, ("--non-negative", "--integer"), True, False),
    ],
)
def test_a_lower_limit_of_zero_is_chosen_announced_kept_and_undone(
    in_tmp_path: Path, lowest: float, words: tuple[str, ...], expected: bool, told: bool
) -> None:
    ran = done("train", write_counts(in_tmp_path / "c.csv", lowest=lowest), *TOO_LITTLE_TO_TRAIN, *words)
    text = "non-negative: on (no training value is below zero, so no forecast will be)"
    assert (text in ran.err) == told
    config = tomllib.loads((in_tmp_path / "runs/c-1/config.toml").read_text())
    assert config["data"]["non_negative"] is expected
    assert config["data"]["integer"] is ("--integer" in words)
    table = done("predict", "--output", "-").table()
    if "--integer" in words:
        assert (table.filter(like="seqcast") % 1 == 0).all(axis=None)
    assert ((table.filter(like="seqcast") >= 0).all(axis=None)) or not expected


def test_values_below_zero_are_told_where_the_limit_was_asked_for(in_tmp_path: Path) -> None:
    path = write_counts(in_tmp_path / "c.csv", lowest=-1)
    ran = done("train", path, *TOO_LITTLE_TO_TRAIN, "--non-negative")
    assert re.search(r"warning: 1\d training values are below zero; where the context has such values", ran.err)


def test_whole_numbers_of_a_table_of_others_are_refused(in_tmp_path: Path) -> None:
    message = refused(2, "train", write_counts(in_tmp_path / "c.csv", lowest=0.5), *TOO_LITTLE_TO_TRAIN, "--integer")
    assert re.search(r"--integer: \d\d training values are not whole numbers, such as 0\.5\.", message)


def test_a_preset_is_printed_and_written_as_plain_settings_and_options_win(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")

    ran = done("train", data, *TINY, "--preset", "fast", "--run", "one")

    assert "preset fast: max_steps = 300, refit = false; options given here win" in ran.err
    training = read_config(Path("one/config.toml")).training
    assert (training.max_steps, training.refit) == (3, False)
    done("train", data, "--config", "one/config.toml", "--run", "two")
    assert (in_tmp_path / "one/config.toml").read_bytes() == (in_tmp_path / "two/config.toml").read_bytes()


@pytest.mark.parametrize("words", [["--resume"], ["--from", "run"]])
def test_a_run_has_its_own_settings_and_takes_no_preset(words: list[str], in_tmp_path: Path) -> None:
    message = refused(2, "train", write_hourly(in_tmp_path / "h.csv"), *words, "--preset", "best")
    assert "--preset best: the settings are those of a run." in message
