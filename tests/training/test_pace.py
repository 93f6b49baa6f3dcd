"""Steps that a time limit leaves."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from seqcast.training import pace
from seqcast.training.pace import settle_steps
from seqcast.training.setup import TrainingSetup
from tests.panels import small_config, small_setup, wave_panel


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], TrainingSetup]:
    """Settles a training of at most 100 seconds, in which a step takes a quarter of a second."""
    ticks = iter([7.0, 7.0 + pace.TRIAL_STEPS / 4])
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    setup = small_setup(wave_panel(), small_config(training={"refit": True, "time_limit": "100s"}))

    def settle(preparation: float) -> TrainingSetup:
        plan = replace(setup.plan, time_limit_seconds=100.0)
        return settle_steps(replace(setup, plan=plan, preparation_seconds=preparation))

    return settle


@pytest.mark.parametrize(
    ("preparation", "steps", "told"),
    [
        (0.0, 160, ""),  # 80 seconds, of which the refit may take a half
        (10.0, 128, ", after 10 s of preparing and as much for calibrating"),
        (60.0, 1, ", after 60 s of preparing and as much for calibrating"),
    ],
)
def test_a_time_limit_counts_the_work_before_and_after_the_steps(
    preparation: float, steps: int, told: str, settled: Callable[[float], TrainingSetup]
) -> None:
    found = settled(preparation)

    assert found.config.training.max_steps == steps
    assert found.plan.time_limit_seconds is None
    assert found.plan.choices[-1].reason == f"what 100s allows at 4.0 steps/s{told}"


def test_preparing_is_timed() -> None:
    assert small_setup(wave_panel(), small_config()).preparation_seconds > 0
