"""A run with its model on a device and the table to use: where predict, inspect and backtest begin."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.cli.settings import Settings
from seqcast.panel.notices import Notice

if TYPE_CHECKING:
    from seqcast.reading.files import TableFiles
    from seqcast.reading.source import Content
    from seqcast.run.directory import RunDirectory
    from seqcast.run.load import TrainedModel
    from seqcast.run.record import RunRecord
    from seqcast.run.source import Source


@dataclass(frozen=True)
class LoadedRun:
    """A run ready to forecast."""

    directory: "RunDirectory"
    record: "RunRecord"
    model: "TrainedModel"
    source: "Source"


def load_run(
    screen: Screen,
    run: Path | None,
    data: str | None,
    settings: Settings,
    device: str = "auto",
    context: int | None = None,
) -> LoadedRun:
    """Load a run and read its table, or another one under the headings that the settings tell.

    By default the run is the newest finished one, of those that were trained on the columns of the other table.

    Raises:
        UsageError: The model cannot read `context` past steps.
        RunError: There is no such run, or it cannot be used.
        DataError: The table cannot be used.
    """
    from seqcast.attention.context_length import context_notices, with_context
    from seqcast.reading.files import open_table
    from seqcast.run.choice import RunChoice, choose_run, newest_choice
    from seqcast.run.directory import find_run
    from seqcast.run.headings import Given
    from seqcast.run.load import load_trained_model
    from seqcast.run.source import read_run_source
    from seqcast.runtime import resolve_runtime

    given = Given(settings.sections["data"], settings.reading, settings.static_file)
    table: str | Content | TableFiles | None = data
    if run is not None:
        choice = RunChoice(find_run(run), "")
    else:
        choice = newest_choice()
        if data is not None:
            table = open_table(data)
            choice = choose_run(table, given)
    directory = choice.directory
    record = directory.read_record()
    model = load_trained_model(directory, record, resolve_runtime(device, "float32").device)
    trained = model.context
    if context is not None:
        model = with_context(model, context)
    screen.say(f"run: {directory.path}" + (f" {choice.reason}" if choice.reason else ""))
    source = read_run_source(record, model.config, table, given)
    read = [notice for notice in source.notices if notice.line not in record.notices]
    if record.status == "diverged":
        text = "the training of this run diverged; the forecast uses its best weights before that"
        read.append(Notice("repair", text))
    screen.notices([*read, *context_notices(trained, model.context)])
    return LoadedRun(directory, record, model, source)
