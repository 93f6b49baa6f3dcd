"""Training by several processes, as torchrun starts them."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.distributed import ALONE, World
from seqcast.errors import UsageError
from tests.running import done, refused, seqcast, write_hourly

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
OPTIONS = [
    *("--horizon", "5", "--context", "23", "--hidden", "7"),
    *("--batch-size", "7", "--device", "cpu", "--no-lag-bias"),
]
TOLD = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


def together(folder: Path, *words: object) -> subprocess.Popen[str]:
    command = [*TORCHRUN, "seqcast", "train", "h.csv", *OPTIONS, *map(str, words)]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def history(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


class TestWorld:
    def test_a_process_is_alone_unless_told_otherwise(self) -> None:
        assert World.of_environment({}) == World.of_environment({"WORLD_SIZE": "1", "RANK": "x"}) == ALONE
        assert ALONE.is_first

    def test_torchrun_tells_a_process_its_place(self) -> None:
        assert World.of_environment(TOLD) == World(rank=1, local_rank=1, size=3)
        assert not World.of_environment(TOLD).is_first

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("MASTER_ADDR", "", "MASTER_ADDR is missing"),
            ("RANK", "", "RANK is missing"),
            ("RANK", "first", "they are first, 1, 3"),
            ("WORLD_SIZE", "-3", "they are 1, 1, -3"),
            ("RANK", "3", "RANK 3 is not below WORLD_SIZE 3"),
        ],
    )
    def test_a_wrong_environment_is_told(self, name: str, value: str, told: str) -> None:
        with pytest.raises(UsageError, match=told):
            World.of_environment(TOLD | {name: value})

    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_the_parts_of_all_processes_make_up_the_batch(self, size: int) -> None:
        batch = np.arange(7)
        parts = [World(rank, 0, size).part(batch) for rank in range(size)]
        assert sorted(np.concatenate(parts)) == batch.tolist()

    def test_alone_nothing_is_added_and_nobody_is_followed(self) -> None:
        tensor = torch.arange(3.0)
        with ALONE.joined(tensor.device):
            ALONE.add_up([tensor])
            ALONE.follow_first([tensor])
        assert tensor.tolist() == [0, 1, 2]
        assert (ALONE.first_signal(None, tensor.device), ALONE.first_signal(15, tensor.device)) == (None, 15)


def test_a_batch_that_is_too_small_to_share_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**TOLD, "RANK": "0", "WORLD_SIZE": "17"}.items():
        monkeypatch.setenv(name, value)
    error = refused(2, "train", write_hourly(tmp_path / "h.csv"), *OPTIONS, "--run", tmp_path / "run")
    assert error.startswith("17 processes cannot share batches of 7 windows. Start fewer of them")


def test_what_only_another_process_meets_is_said_with_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    ran = seqcast("train", tmp_path / "nowhere.csv", "--json")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("error: process 1: ")
    assert ran.err.count("\n") == 1


def test_standard_input_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**TOLD, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert refused(2, "train", "-", *OPTIONS).startswith("several processes cannot read one standard input.")


@pytest.mark.slow
def test_processes_with_different_work_are_stopped(tmp_path: Path) -> None:
    script = """
import os, sys
from seqcast.cli.app import main
sys.argv[1:] = ["train", "h.csv", "--max-steps", os.environ["RANK"].replace("0", "9"), *sys.argv[1:]]
main()
"""
    write_hourly(tmp_path / "h.csv")
    (tmp_path / "differ.py").write_text(script)
    command = [*TORCHRUN[:-2], "--", "differ.py", *OPTIONS, "--run", "run"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode != 0
    assert "error: the processes read different tables or options." in ran.stderr


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    data = write_hourly(tmp_path / "h.csv")
    words = ["--max-steps", 6, "--dropout", 0, "--precision", "float32"]
    with together(tmp_path, *words, "--run", "both") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    done("train", data, *OPTIONS, *words, "--run", tmp_path / "one")
    assert out.count("Trained") == err.count("2 processes, each on cpu") == 1
    one, both = history(tmp_path / "one"), history(tmp_path / "both")
    for key in ("train_loss", "validation_loss"):
        assert [row[key] for row in both] == pytest.approx([row[key] for row in one], rel=1e-4)
    shown = done("runs", "show", tmp_path / "both").out
    assert re.search(r"2 processes of \d+ threads? each", shown)
    assert done("predict", "--run", tmp_path / "both", "--output", "-").out.count("\n") == 6


@pytest.mark.slow
def test_two_processes_are_stopped_and_resumed_exactly(tmp_path: Path) -> None:
    write_hourly(tmp_path / "h.csv")
    (tmp_path / "often.toml").write_text("[training]\nvalidate_every = 1\npatience = 1000\n")
    words = ["--max-steps", 40, "--config", "often.toml"]
    with together(tmp_path, *words, "--run", "whole") as process:
        assert process.wait(timeout=120) == 0, process.stderr and process.stderr.read()
    with together(tmp_path, *words, "--run", "parts") as process:
        for _ in range(1200):
            if (tmp_path / "parts" / "checkpoint.safetensors").exists():
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert "Stopped by SIGTERM" in err
    assert json.loads((tmp_path / "parts" / "run.json").read_text())["status"] == "stopped"
    with together(tmp_path, *words, "--run", "parts", "--resume") as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (tmp_path / "parts" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    model = "model.safetensors"
    assert (tmp_path / "parts" / model).read_bytes() == (tmp_path / "whole" / model).read_bytes()
