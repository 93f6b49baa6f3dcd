"""Progress of training and scoring: a bar on a terminal, plain lines where output is piped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from seqcast.cli.console import Screen

if TYPE_CHECKING:
    from seqcast.training.loop import Progress


class TrainingProgress:
    """Context manager with hooks for the training loop (`show`) and for a backtest (`show_windows`)."""

    def __init__(self, screen: Screen, *, validations: bool = True) -> None:
        """`validations`: whether each validation is a line where there is no bar."""
        self.screen, self.validations, self.validation = screen, validations, ""
        self.is_drawn = screen.err.is_terminal and not screen.quiet
        self.bar = Bar(
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TimeRemainingColumn(),
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
        """Move the bar; without one, print a line for each validation and for the end of a refit."""
        record = progress.validation
        if progress.step == 1:
            self.validation = ""
        if record is not None:
            relative = "" if record.relative_mae is None else f" ({record.relative_mae:.3f} of seasonal naive)"
            self.validation = f" val {record.validation_loss:.4f}{relative}"
        numbers = f"loss {progress.loss:.4f}{self.validation} {progress.windows_per_second:,.0f}/s"
        phase = _phase(progress)
        self._move(progress.step, progress.max_steps, f"{phase} {numbers}".strip())
        is_line = record is not None or (progress.refit and progress.step == progress.max_steps)
        if not self.is_drawn and self.validations and is_line:
            place = f"{phase} step {progress.step}/{progress.max_steps}".strip()
            self.screen.say(f"{place}: {numbers.replace('/s', ' windows/s')}")

    def show_windows(self, done: int, total: int) -> None:
        """Move the bar by the windows that statistical models have forecast; without a bar, print ten lines."""
        self._move(done, total, "windows of statistical models")
        if not self.is_drawn and (done == total or done % max(1, total // 10) == 0):
            self.screen.say(f"statistical models: window {done}/{total}")

    def _move(self, completed: int, total: int, numbers: str) -> None:
        if not self.bar.task_ids:
            self.bar.add_task("", total=total, numbers=numbers)
        self.bar.update(self.bar.task_ids[0], completed=completed, total=total, numbers=numbers)


def _phase(progress: Progress) -> str:
    """The network of the ensemble that is trained, and whether this is its refit."""
    network = f"network {progress.member}/{progress.num_members}" if progress.num_members > 1 else ""
    return f"{network} {'refit' if progress.refit else ''}".strip()
