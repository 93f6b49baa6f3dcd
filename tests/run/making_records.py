"""A run.json made by hand, for tests that read and choose run directories."""

from pathlib import Path

from seqcast.model.shape import NetworkShape
from seqcast.panel.schema import Schema
from seqcast.reading.options import ReadOptions
from seqcast.run.directory import RunDirectory
from seqcast.run.record import MODEL_FILE, DataRecord, ResultRecord, RunRecord

READING = ReadOptions(na_values=("?",))
DATA = DataRecord(
    path="/data/sales.csv",
    fingerprint="0" * 64,
    size_bytes=7,
    num_series=2,
    num_rows=11,
    num_observed=9,
    first_time="2024-01-01",
    last_time="2024-01-11",
    read_options=READING,
)
SHAPE = NetworkShape(horizon=5, context=11, season=7, num_past=0, num_known=2, num_static=0)
RECORD = RunRecord(
    program_version="0.1",
    torch_version="2.6",
    status="stopped",
    created="2024-02-01T00:00:00+00:00",
    device="cpu",
    precision="float32",
    num_threads=1,
    frequency="D",
    data=DATA,
    columns=Schema("long", "unique_id", "ds", ("y",)),
    series_ids=("a", "b"),
    shape=SHAPE,
)
RESULT = ResultRecord(
    validation_loss=0.25,
    relative_mae=0.5,
    best_step=3,
    num_steps=5,
    ended_by="budget spent",
    seconds=1.5,
    windows_per_second=7.0,
    num_train_windows=13,
    num_parameters=17,
    num_members=2,
    linear_share=0.5,
    refitted=True,
    naive_is_exact=False,
)
FINISHED = RECORD.model_copy(update={"status": "finished", "result": RESULT, "files": {MODEL_FILE: "0" * 64}})


def bare_run(path: Path, *others: str) -> RunDirectory:
    """A directory with a record and other files."""
    path.mkdir(parents=True)
    RunDirectory(path).write_record(RECORD)
    for name in others:
        (path / name).write_text("x")
    return RunDirectory(path)
