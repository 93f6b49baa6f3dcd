import json
import os
import shutil
from pathlib import Path

import pytest

from tests.running import CONTEXT, HORIZON, Trained, done, refused, seqcast


def keep(trained: Trained, name: str, written: int) -> Path:
    """A copy of the run under runs/, whose record seems to be of the time `written`."""
    copied = shutil.copytree(trained.run, Path("runs") / name)
    os.utime(copied / "run.json", (written, written))
    return copied


def list_rows() -> list[list[str]]:
    states = {"training", "stopped", "finished", "diverged", "damaged"}
    return [line.split() for line in done("runs").out.splitlines() if states & set(line.split())]


def test_runs_are_listed_newest_first(hourly_run: Trained, panel_run: Trained, in_tmp_path: Path) -> None:
    keep(hourly_run, "old-1", 1000)
    keep(panel_run, "new-1", 2000)
    assert [row[:6] for row in list_rows()] == [
        ["new-1", "finished", "panel.csv", "3", str(HORIZON), str(CONTEXT)],
        ["old-1", "finished", "hourly.csv", "1", str(HORIZON), str(CONTEXT)],
    ]
    assert "error: validation error divided by the seasonal naive forecast's." in done("runs").out


def test_the_list_as_json_is_one_document(hourly_run: Trained, in_tmp_path: Path) -> None:
    keep(hourly_run, "h-1", 1000)
    (listed,) = done("runs", "--json").document()
    assert listed["run"] == "runs/h-1"
    assert listed["data"] == str(hourly_run.data)
    assert listed["status"] == "finished"
    assert listed["shape"]["horizon"] == HORIZON


def test_no_runs_are_an_empty_list_and_a_hint(in_tmp_path: Path) -> None:
    ran = done("runs")
    assert (ran.out, ran.err) == ("", "there are no runs under runs/ yet; `seqcast train DATA` makes one\n")
    assert done("runs", "--json").document() == []


def test_a_damaged_run_is_listed_as_such(hourly_run: Trained, in_tmp_path: Path) -> None:
    (keep(hourly_run, "bad-1", 1000) / "run.json").write_text('{"format_version": 1}')
    Path("runs/not-a-run").mkdir()
    assert list_rows() == [["bad-1", "damaged"]]
    assert done("runs", "--json").document() == [{"run": "runs/bad-1", "status": "damaged"}]


def test_all_of_one_run_is_shown(panel_run: Trained) -> None:
    out = done("runs", "show", panel_run.run).out
    for told in (
        "status                    finished",
        f"data                      {panel_run.data}"[:60],
        "steps                     3 (budget spent)",
        "Automatic choices",
        "frequency: hourly (h), inferred over all series",
    ):
        assert told in out
    assert "decision:" not in out


def test_one_run_as_json_is_its_record(panel_run: Trained) -> None:
    document = done("runs", "show", panel_run.run, "--json").document()
    kept = json.loads((panel_run.run / "run.json").read_text())
    assert len(kept.pop("checksum")) == 64
    assert document == kept


def test_verifying_an_intact_run_says_so_of_every_file(hourly_run: Trained) -> None:
    files = done("runs", "verify", hourly_run.run, "--json").document()["files"]
    assert {file["name"]: file["state"] for file in files} == {
        "run.json": "intact",
        "config.toml": "intact",
        "model.safetensors": "intact",
        "scalers.joblib": "intact",
        "checkpoint.safetensors": "intact",
        "metrics.jsonl": "unchecked",
    }
    assert "it has no checksum; its 4 lines can be read" in done("runs", "verify", hourly_run.run).out


def test_verifying_names_the_file_that_is_damaged_and_fails(hourly_run: Trained, in_tmp_path: Path) -> None:
    path = keep(hourly_run, "h-1", 1000) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    ran = seqcast("runs", "verify", "runs/h-1", "--json")
    assert ran.code == 4
    assert [file["name"] for file in ran.document()["files"] if file["state"] == "damaged"] == ["model.safetensors"]
    path.unlink()
    assert seqcast("runs", "verify", "runs/h-1").code == 4


NAME_OF_A_STRANGER = "\x1b]0;owned\x07\x9b31m\u202e[bold]"


def test_the_name_of_a_run_cannot_write_to_the_terminal(hourly_run: Trained, in_tmp_path: Path) -> None:
    run = keep(hourly_run, NAME_OF_A_STRANGER, 1000)
    resumed = ["train", hourly_run.data, "--resume"]
    for words in (["predict"], ["runs"], ["runs", "show", run], ["runs", "verify", run], resumed):
        ran = done(*words)
        assert not set(NAME_OF_A_STRANGER) & {"\x1b", "\x07", "\x9b", "\u202e"} & set(ran.out + ran.err)
        assert "\\x1b]0;owned" in ran.out + ran.err
    document = seqcast("runs", "--json")
    assert "\\u001b]0;owned\\u0007\\u009b31m\\u202e" in document.out
    assert document.document()[0]["run"] == f"runs/{NAME_OF_A_STRANGER}"


def test_runs_that_may_not_be_looked_into_are_passed_over_or_refused(
    hourly_run: Trained, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(hourly_run, "mine", 1000)
    closed = keep(hourly_run, "theirs", 2000)
    is_file = Path.is_file

    def guarded(path: Path) -> bool:
        if path.parent.name == closed.name:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", guarded)
    assert [row[0] for row in list_rows()] == ["mine"]
    assert refused(4, "runs", "show", closed) == f"{closed}: cannot be used: Permission denied. Give another --run."
    monkeypatch.setattr(Path, "iterdir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert refused(4, "predict") == "runs: cannot be used: Permission denied. Give another --run."
