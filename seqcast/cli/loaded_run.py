"""A run with its model on a device and the table to use: where predict, inspect and backtest begin."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.cli.settings import Settings
from seqcast.panel.notices import Notice

if TYPE_CHECKING:
    import torch

    from seqcast.reading.files import TableFiles
    from seqcast.reading.source import Content
    from seqcast.run.choice import RunChoice
    from seqcast.run.directory import RunDirectory
    from seqcast.run.headings import Given
    from seqcast.run.load import TrainedModel
    from seqcast.run.record import RunRecord
    from seqcast.run.run_table import RunTable
    from seqcast.run.source import Source


@dataclass(frozen=True)
class LoadedRun:
    """A run ready to forecast."""

    directory: "RunDirectory"
    record: "RunRecord"
    model: "TrainedModel"
    source: "Source"


@dataclass(frozen=True)
class OpenedRun:
    """A run with its model on a device, and the table to use, which is not read yet."""

    directory: "RunDirectory"
    record: "RunRecord"
    model: "TrainedModel"
    table: "RunTable"
    notices: tuple[Notice, ...]
    """Those about the run."""

    @property
    def device(self) -> "torch.device":
        """The device of the model."""
        return next(self.model.network.parameters()).device

    def read(self, screen: Screen) -> LoadedRun:
        """Read the table and print what is new about it.

        Raises:
            RunError: The table of the run is gone.
            DataError: The table cannot be used.
        """
        source = self.table.read()
        read = [notice for notice in source.notices if notice.line not in self.record.notices]
        screen.notices([*read, *self.notices])
        return LoadedRun(self.directory, self.record, self.model, source)


def load_run(
    screen: Screen,
    run: Path | None,
    data: str | None,
    settings: Settings,
    device: str = "auto",
    context: int | None = None,
) -> LoadedRun:
    """Load a run and read its table, or another one under the headings that the settings tell.

    Raises:
        UsageError, RunError, DataError: As `find_run_and_table` and `FoundRun.open`.
    """
    return find_run_and_table(run, data, settings).open(screen, device, context).read(screen)


@dataclass(frozen=True)
class FoundRun:
    """A run that is not loaded yet, and the table to use."""

    choice: "RunChoice"
    record: "RunRecord"
    table: "str | Content | TableFiles | None"
    given: "Given"

    def open(self, screen: Screen, device: str = "auto", context: int | None = None) -> OpenedRun:
        """Load the run without reading the table.

        Raises:
            UsageError: The model cannot read `context` past steps.
            RunError: The run cannot be used.
        """
        from seqcast.attention.context_length import context_notices, with_context
        from seqcast.run.load import load_trained_model
        from seqcast.run.run_table import RunTable
        from seqcast.runtime import keep_freed_memory, resolve_runtime

        directory, reason = self.choice.directory, self.choice.reason
        model = load_trained_model(directory, self.record, resolve_runtime(device, "float32").device)
        keep_freed_memory()
        trained = model.context
        if context is not None:
            model = with_context(model, context)
        screen.say(f"run: {directory.path}" + (f" {reason}" if reason else ""))
        notices = context_notices(trained, model.context)
        if self.record.status == "diverged":
            text = "the training of this run diverged; the forecast uses its best weights before that"
            notices = (Notice("repair", text), *notices)
        table = RunTable(self.record, model.config, self.table, self.given)
        return OpenedRun(directory, self.record, model, table, notices)


def find_run_and_table(run: Path | None, data: str | None, settings: Settings) -> FoundRun:
    """Find a run and a table, without importing torch.

    By default the run is the newest finished one, of those that were trained on the columns of the other table.

    Raises:
        RunError: There is no such run, or it cannot be used.
        DataError: There is no such table.
    """
    from seqcast.reading.files import open_table
    from seqcast.run.choice import RunChoice, choose_run, newest_choice
    from seqcast.run.directory import find_run
    from seqcast.run.headings import Given

    given = Given(settings.sections["data"], settings.reading, settings.static_file)
    table = None if data is None else open_table(data)
    if run is not None:
        choice = RunChoice(find_run(run), "")
    else:
        choice = newest_choice() if table is None else choose_run(table, given)
    return FoundRun(choice, choice.directory.read_record(), table, given)
