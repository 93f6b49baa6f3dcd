"""Lines of progress where output is piped."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from seqcast.cli import progress as progress_module
from seqcast.cli.console import Screen
from seqcast.cli.progress import LINES, TrainingProgress
from seqcast.training.counters import ValidationRecord
from seqcast.training.loop import Progress


def lines_of(
    shares: list[float], monkeypatch: pytest.MonkeyPatch, *, validations: bool = True, seconds: float = 1.0
) -> list[str]:
    """The lines told while this is the share done at each validation, and every validation takes so many seconds."""
    clock = iter(seconds * number for number in range(10_000))
    told: list[object] = []
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    screen = Screen()
    monkeypatch.setattr(screen, "say", told.append)
    with TrainingProgress(screen, validations=validations) as shown:
        for step, share in enumerate(shares, start=1):
            record = ValidationRecord(step, 1.0, 0.5, 0.9, 0.1, 1)
            shown.show(Progress(step, len(shares), share, 0.25, 1234.5, record))
    return [str(line) for line in told]


def test_however_many_validations_there_are_ten_lines_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines_of([number / 200 for number in range(1, 201)], monkeypatch)

    assert len(lines) <= LINES + 1
    assert lines[-1] == "100 % done: step 200/200: loss 0.2500 val 0.5000 (0.900 of seasonal naive) 1,234 windows/s"


def test_few_validations_have_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(lines_of([0.2, 0.5, 1.0], monkeypatch)) == 3


def test_the_time_left_follows_from_the_share_and_the_time_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines_of([0.1, 0.25, 0.5, 1.0], monkeypatch, seconds=30)

    assert "25 % done, 3 min left: " in lines[1]  # 60 s for a quarter
    assert "50 % done, 2 min left: " in lines[2]  # 90 s for one half
    assert "left" not in lines[3]


def test_the_next_training_of_several_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(lines_of([0.5, 1.0, 0.5, 1.0], monkeypatch)) == 4


def test_without_lines_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_of([0.5, 1.0], monkeypatch, validations=False) == []
