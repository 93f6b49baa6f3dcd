"""Training that always improves, so that short runs have something to keep and to refit, and its interruption."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest
import torch

from seqcast.config import NAIVE_FORECASTS
from seqcast.errors import StoppedError
from seqcast.model.network import ForecastNetwork
from seqcast.run.record import ResultRecord
from seqcast.training import combination, loop, naive_shares
from seqcast.training.checkpoint import TrainingState, load_state
from seqcast.training.counters import ValidationRecord
from seqcast.training.fit import Fit
from seqcast.training.loop import Hooks, Progress
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import ValidationScore
from seqcast.training.validation_forecasts import ValidationForecasts

Result = TypeVar("Result")


def let_training_improve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let validation like a network the better, the farther it has moved from its start, and let it have one half.

    No naive forecast has a share.
    """

    def score(_setup: TrainingSetup, network: ForecastNetwork) -> ValidationScore:
        moved = float(network.decoder.head.linear.weight.abs().sum())  # which are zeros at the start
        return ValidationScore(1 / (1 + moved), 0.5)

    def share(forecasts: ValidationForecasts, _start: ForecastNetwork, networks: Sequence[ForecastNetwork]) -> float:
        return (0.5 if forecasts.setup.starts_linear else 1.0) if networks else 0.0

    monkeypatch.setattr(loop, "validate", score)
    monkeypatch.setattr(combination, "network_share", share)
    monkeypatch.setattr(naive_shares, "naive_shares", lambda *_: torch.zeros(len(NAIVE_FORECASTS)))


@dataclass
class Interruption:
    """Stops training after so many steps, those of refits and of all members counted; keeps what is saved and told."""

    after: int | None = None
    saved: bytes = b""
    history: tuple[ValidationRecord, ...] = ()

    def __post_init__(self) -> None:
        self.told: list[Progress] = []

    @property
    def hooks(self) -> Hooks:
        return Hooks(
            on_progress=self.told.append,
            save=self._save,
            stop_signal=lambda: signal.SIGTERM if len(self.told) == self.after else None,
        )

    def _save(self, state: bytes, history: tuple[ValidationRecord, ...]) -> None:
        self.saved, self.history = state, history


def stopped_state(
    run: Callable[[TrainingSetup, Hooks, TrainingState | None], object], setup: TrainingSetup, after: int
) -> bytes:
    """The state that a signal after so many steps leaves behind."""
    stop = Interruption(after)
    with pytest.raises(StoppedError):
        run(setup, stop.hooks, None)
    return stop.saved


def stopped_after_every_step(
    run: Callable[[TrainingSetup, Hooks, TrainingState | None], Result], setup: TrainingSetup
) -> tuple[Result, list[bytes]]:
    """The result of a training that is stopped after every step and resumed, and the states it left behind."""
    states: list[bytes] = []
    while True:
        stop = Interruption(after=1)
        torch.manual_seed(len(states))  # the generator of another process may hold anything
        try:
            return run(setup, stop.hooks, load_state(states[-1], setup) if states else None), states
        except StoppedError:
            states.append(stop.saved)


def assert_same_fit(found: Fit, expected: Fit) -> None:
    """Equal to the last bit, but for the clock."""
    weights, expected_weights = found.networks.state_dict(), expected.networks.state_dict()
    assert weights.keys() == expected_weights.keys()
    assert all(torch.equal(value, expected_weights[name]) for name, value in weights.items())
    assert found.history == expected.history
    assert without_clock(found.result) == without_clock(expected.result)


def without_clock(result: ResultRecord) -> ResultRecord:
    return result.model_copy(update={"seconds": 0.0, "windows_per_second": 0.0})
