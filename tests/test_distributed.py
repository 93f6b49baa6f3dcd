"""Training by several processes, as torchrun starts them."""

import json
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig

from seqcast.cli.app import main
from seqcast.distributed import ALONE, World
from seqcast.errors import UsageError
from tests.processes import Command, started
from tests.running import done, refused, seqcast, write_hourly, write_panel

TORCHRUN = ["--standalone", "--nproc-per-node", "2", "--redirects", "3", "--log-dir"]
OPTIONS = [
    *("--horizon", "5", "--context", "23", "--hidden", "7"),
    *("--batch-size", "7", "--device", "cpu", "--no-lag-bias", "--location", "last"),
]
ROLES = ("--known", "promo", "--static", "region")
TOLD = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@contextmanager
def together(
    folder: Path, data: str, *words: object, second: Sequence[object] | None = None
) -> Iterator[tuple[Command, Command]]:
    """Two processes that train together, told by the environment what torchrun tells them; the second one may differ."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        world = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}

    def process(rank: int, words: Sequence[object]) -> AbstractContextManager[Command]:
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        return started(folder, "train", data, *OPTIONS, *words, environment=world | place)

    with process(0, words) as first, process(1, words if second is None else second) as other:
        yield first, other


def write_shares(path: Path) -> Path:
    """A Parquet table of series that two processes share."""
    lengths = {f"shop {number}": 71 + 7 * number for number in range(6)}
    table = pa.csv.read_csv(write_panel(path.with_suffix(".csv"), lengths))
    pa.parquet.write_table(table, path, row_group_size=100)
    return path


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


def test_the_last_lines_of_torchrun_say_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    told = refused(3, "train", tmp_path / "nowhere.csv")
    assert told.endswith("nowhere.csv: there is no such file.")
    failure = ProcessFailure(local_rank=0, pid=7, exitcode=3, error_file=str(file))
    assert ChildFailedError("seqcast", {0: failure}).format_msg().splitlines()[-2] == f"  traceback : {told}"
    assert failure.timestamp == pytest.approx(time.time(), abs=60)


def test_standard_input_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**TOLD, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert refused(2, "train", "-", *OPTIONS).startswith("several processes cannot read one standard input.")


@pytest.mark.slow
def test_processes_with_different_work_are_stopped(tmp_path: Path) -> None:
    write_hourly(tmp_path / "h.csv")
    with together(
        tmp_path, "h.csv", "--max-steps", 9, "--run", "run", second=("--max-steps", 1, "--run", "run")
    ) as both:
        assert all(process.wait() for process in both)
        assert "error: the processes read different tables or options." in both[0].err


@pytest.fixture
def forking_torchrun(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `torchrun` fork its processes from one that has imported the libraries, and undo what it sets here."""
    launch = torchrun.elastic_launch

    def forked(config: LaunchConfig, entrypoint: str) -> Callable[..., object]:
        assert entrypoint == sys.executable
        return launch(replace(config, start_method="forkserver"), seqcast_as_module)

    monkeypatch.setattr(torchrun, "elastic_launch", forked)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def seqcast_as_module(unbuffered: str, option: str, module: str, *words: str) -> None:
    """Do what Python does when `torchrun` starts it."""
    assert (unbuffered, option, module) == ("-u", "-m", "seqcast")
    sys.argv = ["seqcast", *words]
    with pytest.raises(SystemExit, match="0"):
        main()


@pytest.mark.slow
@pytest.mark.usefixtures("forking_torchrun")
def test_two_processes_of_torchrun_train_what_one_does(tmp_path: Path) -> None:
    data, logs = write_shares(tmp_path / "p.parquet"), tmp_path / "logs"
    words = ["train", data, *OPTIONS, *ROLES, "--max-steps", "6", "--dropout", "0", "--precision", "float32"]
    torchrun.main([*TORCHRUN, str(logs), "-m", "--", "seqcast", *map(str, words), "--run", str(tmp_path / "both")])
    done(*words, "--run", tmp_path / "one")
    out, err = ("".join(path.read_text() for path in logs.rglob(f"{name}.log")) for name in ("stdout", "stderr"))
    assert out.count("Trained") == err.count("2 processes, each on cpu") == 1
    assert "each of 2 processes reads a share of the 6 series" in err
    one, both = history(tmp_path / "one"), history(tmp_path / "both")
    for key in ("train_loss", "validation_loss"):
        assert [row[key] for row in both] == pytest.approx([row[key] for row in one], rel=1e-4)
    shown = done("runs", "show", tmp_path / "both").out
    assert re.search(r"2 processes of \d+ threads? each", shown)
    assert done("backtest", "--run", tmp_path / "both", "--windows", "1", "--json").document()["metrics"]["seqcast"]
    assert (tmp_path / "both" / "config.toml").read_bytes() == (tmp_path / "one" / "config.toml").read_bytes()


@pytest.mark.slow
def test_two_processes_are_stopped_and_resumed_exactly(tmp_path: Path) -> None:
    write_shares(tmp_path / "p.parquet")
    (tmp_path / "often.toml").write_text("[training]\nvalidate_every = 1\npatience = 1000\n")
    words = ["--max-steps", 20, "--config", "often.toml"]
    parts = tmp_path / "parts"
    with together(tmp_path, "p.parquet", *words, "--run", "whole") as both:
        assert [process.wait() for process in both] == [0, 0], both[0].err
    with together(tmp_path, "p.parquet", *words, "--run", "parts") as both:
        both[0].wait_for(parts / "checkpoint.safetensors")
        for process in both:
            process.send(signal.SIGTERM)
        assert [process.wait() for process in both] == [143, 143]
        assert "Stopped by SIGTERM" in both[0].err
    assert json.loads((parts / "run.json").read_text())["status"] == "stopped"
    with together(tmp_path, "p.parquet", *words, "--run", "parts", "--resume") as both:
        assert [process.wait() for process in both] == [0, 0], both[0].err
    for name in ("metrics.jsonl", "model.safetensors"):
        assert (parts / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
