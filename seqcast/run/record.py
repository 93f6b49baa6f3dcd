"""run.json: all that is known of a run beside its tensors, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from seqcast.config import MOST_CATEGORICAL, MOST_MEMBERS

FORMAT_VERSION = 2
"""Version of the run directory. Raise it when a file or a meaning changes; runs of other versions are refused."""

RUN_FILE = "run.json"
CONFIG_FILE = "config.toml"
MODEL_FILE = "model.safetensors"
SCALERS_FILE = "scalers.joblib"
CHECKPOINT_FILE = "checkpoint.safetensors"
METRICS_FILE = "metrics.jsonl"

Count = Annotated[int, Field(ge=0, le=10**12)]
Names = Annotated[tuple[str, ...], Field(fail_fast=True)]
"""Of any number; only the first that is no text is complained of."""
CategoryCounts = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000_000)], ...], Field(max_length=MOST_CATEGORICAL)]
"""Per categorical column, the number of its codes."""


class Part(BaseModel):
    """A frozen part of the record; an unknown key and a number that is not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class ReadOptionsRecord(Part):
    """How the table was read; the fields of `reading.options.ReadOptions`."""

    delimiter: str | None
    decimal: str | None
    encoding: str | None
    time_format: str | None
    time_unit: str | None
    na_values: Names
    timezone: str | None
    text: Names


class DataRecord(Part):
    """The table the run was trained on."""

    path: str
    """Absolute path, or a name in angle brackets when it was no file."""
    fingerprint: str
    """sha256 of its bytes."""
    size_bytes: Count
    num_series: Count
    num_rows: Count
    num_observed: Count
    first_time: str
    last_time: str
    read_options: ReadOptionsRecord
    static_path: str | None = None


class SchemaRecord(Part):
    """Which column plays which role; the fields of `panel.panel.Schema` as text."""

    layout: Literal["long", "wide", "single"]
    id: str
    time: str
    target: Names
    known: Names
    past: Names
    static: Names


class ShapeRecord(Part):
    """The sizes the network was built with; the fields of `model.network.NetworkShape`."""

    horizon: Annotated[int, Field(ge=1, le=100_000)]
    context: Annotated[int, Field(ge=1, le=100_000)]
    season: Annotated[int, Field(ge=1, le=10_000_000)]
    num_past: Annotated[int, Field(ge=0, le=10_000)]
    num_known: Annotated[int, Field(ge=0, le=10_000)]
    num_static: Annotated[int, Field(ge=0, le=10_000)]
    past_categories: CategoryCounts
    known_categories: CategoryCounts
    static_categories: CategoryCounts


class ChoiceRecord(Part):
    """An automatic value and its reason."""

    name: str
    value: str
    reason: str


class ResultRecord(Part):
    """How training went."""

    validation_loss: float
    relative_mae: float | None
    best_step: Count
    num_steps: Count
    ended_by: str
    seconds: float
    windows_per_second: float
    num_train_windows: Count
    num_parameters: Count
    num_members: Annotated[int, Field(ge=1, le=MOST_MEMBERS + 1)]
    """Networks that forecast together, the linear start among them where it has a share."""
    linear_share: Annotated[float, Field(ge=0, le=1)]
    """Part of the linear start in the forecast."""
    refitted: bool
    """Whether what forecasts has learned from the validation part too."""
    naive_is_exact: bool
    """Whether the seasonal naive forecast makes no error on the validation part."""


class AttentionRecord(Part):
    """What the model attended to on its validation windows."""

    profile: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(max_length=200_000)]
    """Mean share of each lag before the forecast step, from lag 1 on."""
    usual_distance: Annotated[float, Field(ge=0, le=1)]
    """Total variation from the mean that 95 of 100 single windows stay within."""


class RunRecord(Part):
    """Everything in run.json."""

    format_version: int = FORMAT_VERSION
    program_version: str
    torch_version: str
    status: Literal["training", "stopped", "finished", "diverged"]
    """A run that diverged forecasts with the best weights before that."""
    created: str
    """UTC, ISO 8601."""
    device: str
    precision: Literal["float32", "bfloat16", "float16"]
    num_threads: Count
    num_processes: Count = 1
    frequency: str
    """pandas alias, or the step of an integer time axis."""
    data: DataRecord
    columns: SchemaRecord
    series_ids: Names
    shape: ShapeRecord
    choices: Annotated[tuple[ChoiceRecord, ...], Field(max_length=1000)] = ()
    notices: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    result: ResultRecord | None = None
    attention: AttentionRecord | None = None
    """None before training has finished, and without attention."""
    files: dict[str, str] = {}
    """sha256 of each file a forecast depends on."""
