"""A run with its model on a device and the table to use: where predict, inspect and backtest begin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.panel.notices import Notice

if TYPE_CHECKING:
    from seqcast.run.directory import RunDirectory
    from seqcast.run.load import TrainedModel
    from seqcast.run.record import RunRecord
    from seqcast.run.source import Source


@dataclass(frozen=True)
class LoadedRun:
    """A run ready to forecast."""

    directory: RunDirectory
    record: RunRecord
    model: TrainedModel
    source: Source


def load_run(
    screen: Screen, run: Path | None, data: str | None, device: str = "auto", context: int | None = None
) -> LoadedRun:
    """Load a run, by default the newest finished one, and read its table or another one.

    Raises:
        UsageError: The model cannot read `context` past steps.
        RunError: There is no such run, or it cannot be used.
        DataError: The table cannot be used.
    """
    from seqcast.attention.context_length import context_notices, with_context
    from seqcast.run.directory import find_run, newest_finished_run, newest_run
    from seqcast.run.load import load_trained_model
    from seqcast.run.source import read_run_source
    from seqcast.runtime import resolve_runtime

    directory = newest_finished_run() if run is None else find_run(run)
    record = directory.read_record()
    model = load_trained_model(directory, record, resolve_runtime(device, "float32").device)
    trained = model.context
    if context is not None:
        model = with_context(model, context)
    screen.say(f"run: {directory.path}")
    if run is None and directory.path != newest_run().path:
        screen.say(f"({newest_run().path} is newer, but has no finished model)")
    source = read_run_source(record, model.config, data)
    read = [notice for notice in source.notices if notice.line not in record.notices]
    if record.status == "diverged":
        text = "the training of this run diverged; the forecast uses its best weights before that"
        read.append(Notice("repair", text))
    screen.notices([*read, *context_notices(trained, model.context)])
    return LoadedRun(directory, record, model, source)
