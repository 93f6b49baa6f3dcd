from pathlib import Path

import pytest
import torch

from seqcast.training import gradients, loop, setup
from tests.reliability.conftest import SMALL
from tests.reliability.hazards import daily, expect, orderly
from tests.running import Trained


def exhausted(*_: object, **__: object) -> float:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def test_training_without_enough_memory_says_which_batch_may_fit(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("d.csv").write_text(daily())
    monkeypatch.setattr(gradients, "window_losses", exhausted)
    monkeypatch.setattr(loop, "_validate_and_keep_best", lambda *_: None)
    ran = orderly("train", "d.csv", *SMALL, "--batch-size", "6", "--run", "run")
    expect(ran, 1, ["ran out of memory at step 1, with batches of 6 windows", "--batch-size 3"])


def test_a_batch_of_one_window_cannot_be_halved(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("d.csv").write_text(daily())
    monkeypatch.setattr(loop, "take_step", exhausted)
    ran = orderly("train", "d.csv", *SMALL, "--batch-size", "1", "--run", "run")
    expect(ran, 1, ["Train again with a shorter --context or a smaller --hidden"])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
def test_memory_that_ends_elsewhere_is_told_in_words(
    error: Exception, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    Path("d.csv").write_text(daily())
    monkeypatch.setattr(setup, "panel_to_tensors", fail)
    expect(orderly("train", "d.csv", *SMALL, "--run", "run"), 1, ["out of memory", "--batch-size"])


def test_memory_that_ends_while_forecasting_is_told_in_words(single: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcast.forecasting.Forecasting.forecast", exhausted)
    expect(orderly("predict", "--run", single.run), 1, ["out of memory"])
