"""Progress of training and scoring: a bar on a terminal, plain lines where output is piped."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from seqcast.cli.console import Screen
from seqcast.panel.wording import seconds_text

if TYPE_CHECKING:
    from seqcast.training.loop import Progress

LINES = 10
"""Most lines of progress where there is no bar."""
FIRST_SECONDS = 2.0
"""Time after which the pace says how long the rest takes."""


class TrainingProgress:
    """Context manager with hooks for the training loop (`show`) and for a backtest (`show_windows`)."""

    def __init__(self, screen: Screen, *, validations: bool = True) -> None:
        """`validations`: whether training prints lines where there is no bar."""
        self.screen, self.validations, self.validation = screen, validations, ""
        self.relative_mae: float | None = None
        self.started, self.share, self.next_line = 0.0, math.inf, 0.0
        self.is_drawn = screen.err.is_terminal and not screen.quiet
        self.bar = Bar(
            TextColumn("{task.percentage:>3.0f} %"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[numbers]}"),
            console=screen.err,
            transient=True,
            expand=True,
            disable=not self.is_drawn,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_drawn:  # elsewhere it would print a blank line
            self.bar.stop()

    def show(self, progress: Progress) -> None:
        """Move the bar; without one, print a line for each tenth of the training, at the next validation."""
        record = progress.validation
        if progress.share < self.share:
            self.started, self.next_line = time.monotonic(), 0.0
        self.share = progress.share
        if progress.step == 1:
            self.validation, self.relative_mae = "", None
        if record is not None:
            self.validation, self.relative_mae = f" val {record.validation_loss:.4f}", record.relative_mae
        left = self._time_left(progress.share)
        place = f"{_phase(progress)} step {progress.step}/{progress.max_steps}".strip()
        pace = f"{progress.windows_per_second:,.0f}"
        self._move(progress.share, f"{place}{self.validation} {pace}/s", left)
        is_place_for_line = record is not None or (progress.refit and progress.step == progress.max_steps)
        if not self.is_drawn and self.validations and is_place_for_line and progress.share >= self.next_line:
            self.next_line = (math.floor(LINES * progress.share) + 1) / LINES
            done = f"{100 * progress.share:.0f} % done{left and f', {left}'}"
            relative = "" if self.relative_mae is None else f" ({self.relative_mae:.3f} of seasonal naive)"
            self.screen.say(f"{done}: {place}: loss {progress.loss:.4f}{self.validation}{relative} {pace} windows/s")

    def show_windows(self, done: int, total: int) -> None:
        """Move the bar by the windows that statistical models have forecast; without a bar, print ten lines."""
        self._move(done / total, f"window {done}/{total} of statistical models", "")
        if not self.is_drawn and (done == total or done % max(1, total // LINES) == 0):
            self.screen.say(f"statistical models: window {done}/{total}")

    def _move(self, share: float, numbers: str, left: str) -> None:
        if not self.bar.task_ids:
            self.bar.add_task("", total=1.0, numbers=numbers, left=left)
        self.bar.update(self.bar.task_ids[0], completed=share, numbers=numbers, left=left)

    def _time_left(self, share: float) -> str:
        """The time that the rest takes at most, at the pace so far; empty until there is one."""
        seconds = time.monotonic() - self.started
        if not 0 < share < 1 or seconds < FIRST_SECONDS:
            return ""
        return f"{seconds_text(seconds * (1 - share) / share)} left"


def _phase(progress: Progress) -> str:
    """The network of the ensemble that is trained, and whether this is its refit."""
    network = f"network {progress.member}/{progress.num_members}" if progress.num_members > 1 else ""
    return f"{network} {'refit' if progress.refit else ''}".strip()
