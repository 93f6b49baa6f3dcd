"""Signals during training, and what is left after them."""

import json
import os
import signal
from pathlib import Path

import pytest

from seqcast.cli.signals import stop_signals
from tests.processes import started
from tests.running import TINY, done, interrupted, refused, write_hourly

LONG = [*TINY[:-1], "200000", "--patience", "1000000", "--config", "often.toml"]
"""More steps than any test waits for, each of them saved."""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_signal_saves_the_state_and_says_how_to_go_on(number: signal.Signals, code: int, tmp_path: Path) -> None:
    write_hourly(tmp_path / "h.csv")
    (tmp_path / "often.toml").write_text("[training]\nvalidate_every = 1\n")
    with started(tmp_path, "train", "h.csv", *LONG, "--run", "run") as process:
        process.wait_for(tmp_path / "run" / "checkpoint.safetensors")
        process.send(number)
        assert process.wait() == code
    assert process.out == ""
    assert f"error: Stopped by {number.name}. The state of step" in process.err
    assert process.err.rstrip().endswith("continue with --resume.")
    assert "Traceback" not in process.err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "stopped"
    assert not list((tmp_path / "run").glob("*.tmp"))


def test_a_signal_that_the_caller_ignores_does_not_stop_training() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stop_signal:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop_signal() is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stopped_run_is_finished_by_resume(in_tmp_path: Path) -> None:
    data = write_hourly(in_tmp_path / "h.csv")
    done("train", data, *TINY, "--run", "whole")
    ran = interrupted("train", data, *TINY, "--run", "cut", "--json")
    assert ran.code == 130
    assert ran.document()["kind"] == "stopped"
    assert "The state of step 2 is saved; continue with --resume." in ran.err
    message = refused(4, "predict", "--run", "cut")
    assert "this run has no finished model (its status is 'stopped')" in message
    assert "--resume" in message
    done("train", data, "--run", "cut", "--resume")
    assert Path("cut/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    assert Path("cut/metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_remembered_and_a_second_would_end_at_once(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with stop_signals() as stop_signal:
        assert stop_signal() is None
        os.kill(os.getpid(), number)
        assert stop_signal() == number
        assert signal.getsignal(number) == signal.SIG_DFL
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
