"""run.json: all that is known of a run besides its tensors, and its text; readable without torch."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from seqcast.config import MOST_MEMBERS, MOST_ROUNDS, NaiveForecast, Names
from seqcast.errors import Place, RunError
from seqcast.model.shape import NetworkShape
from seqcast.panel.schema import Schema
from seqcast.panel.wording import counted
from seqcast.reading.options import ReadOptions
from seqcast.results.dependence import DependencePart, StepDependence
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.storage import sha256_hex

FORMAT_VERSION = 3
"""Version of the run directory. Raise it when a file or a meaning changes; runs of other versions are refused."""

RUN_FILE = "run.json"
CONFIG_FILE = "config.toml"
MODEL_FILE = "model.safetensors"
SCALERS_FILE = "scalers.joblib"
CHECKPOINT_FILE = "checkpoint.safetensors"
METRICS_FILE = "metrics.jsonl"

CHECKSUM_KEY = "checksum"
LARGEST_RECORD = 32 * 2**20
"""Largest run.json, in bytes. Series names take most of it."""
ROOM_FOR_RESULTS = 4 * 2**20
"""Bytes of it that are kept free for the results of training, so that the record still fits at the end."""
MOST_MARKS = 20_000
"""Largest number of [, { and : outside of strings."""
_LONGEST_SHOWN = 80
ROUNDING = 1e-3
"""Largest excess over 1 of a sum of shares that were rounded one by one."""
NAIVE_WORDS: dict[NaiveForecast, str] = {
    "naive": "last value",
    "seasonal_naive": "seasonal naive forecast",
    "drift": "drift of the context",
    "mean": "mean of the context",
}

Count = Annotated[int, Field(ge=0, le=10**12)]


class Part(BaseModel):
    """A frozen part of the record; unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class DataRecord(Part):
    """The table the run was trained on."""

    path: str
    """Absolute path, or a name such as `<stdin>` if it was not a file."""
    fingerprint: str
    """sha256 of its bytes."""
    size_bytes: Count
    num_series: Count
    num_rows: Count
    num_observed: Count
    first_time: str
    last_time: str
    read_options: ReadOptions
    static_path: str | None = None


class ParentRecord(Part):
    """The run whose networks this one trained further."""

    path: str
    """Absolute path of its directory."""
    checksum: str
    """sha256 of its model.safetensors."""


@dataclass(frozen=True)
class Choice:
    """A value that was chosen automatically, and the reason."""

    name: str
    value: str
    reason: str

    @property
    def line(self) -> str:
        """The choice in one line."""
        return f"{self.name}: {self.value} ({self.reason})"


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
    num_members: Annotated[int, Field(ge=1, le=MOST_MEMBERS + MOST_ROUNDS)]
    """Number of networks that forecast together, the linear start included if it has a share."""
    linear_share: Annotated[float, Field(ge=0, le=1)]
    """Share of the linear start beside the networks."""
    naive_shares: dict[NaiveForecast, Annotated[float, Field(gt=0, le=1)]] = {}
    """Shares of naive forecasts in the whole; networks and linear start have the rest."""
    refitted: bool
    """Whether the networks have learned from the validation part too."""
    start_loss: float | None = None
    """Validation loss of the linear start alone; None where training does not begin with it."""
    parent_loss: float | None = None
    """Validation loss of the best network of the parent before it was trained further; None without one."""
    naive_is_exact: bool
    """Whether the seasonal naive forecast makes no error on the validation part."""
    step_dependence: dict[DependencePart, Annotated[float, Field(gt=0, le=1)]] | None = None
    """How the errors of the steps of a forecast hang together; None without intervals, and in older runs."""

    @field_validator("step_dependence")
    @classmethod
    def _shares_are_of_one_whole(cls, shares: dict[DependencePart, float] | None) -> dict[DependencePart, float] | None:
        if shares is not None and sum(shares.values()) > 1 + ROUNDING:
            raise ValueError("the shares add up to more than one")
        return shares

    def dependence(self, season: int) -> StepDependence | None:
        """How the steps hang together, for sample paths."""
        return None if self.step_dependence is None else StepDependence(self.step_dependence, season)

    @property
    def forecasters(self) -> str:
        """The forecasts that are averaged: networks, the closed-form start among them, a naive forecast beside them."""
        text = self._learned_forecasters
        for name, share in self.naive_shares.items():
            if share == 1:
                return f"the {NAIVE_WORDS[name]} alone"
            text += f"; {100 * share:.0f} % of the whole is the {NAIVE_WORDS[name]}"
        return text

    @property
    def _learned_forecasters(self) -> str:
        if self.linear_share == 1:
            return "the closed-form start alone"
        trained = counted(self.num_members - (self.linear_share > 0), "trained network")
        if self.linear_share == 0:
            return trained
        return f"{trained} and the closed-form start, which has {100 * self.linear_share:.0f} % of the weight"

    @property
    def caution(self) -> str | None:
        """Advice where the seasonal naive forecast is as good on validation; None where this one is better."""
        if self.naive_is_exact and self.naive_shares.get("seasonal_naive", 0.0) < 1:
            return "The seasonal naive forecast makes no error on validation; a longer context may reach it."
        if self.relative_mae is None or self.relative_mae < 1:
            return None
        return (
            "On validation, the seasonal naive forecast is as good: more data, a longer context or covariates may help."
        )


class AttentionRecord(Part):
    """Attention of the model on its validation windows."""

    profile: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(max_length=200_000)]
    """Mean share of each lag before the forecast step, from lag 1 on."""
    usual_distance: Annotated[float, Field(ge=0, le=1)]
    """Total variation distance from the mean within which 95 of 100 single windows stay."""


class RunRecord(Part):
    """Everything in run.json."""

    format_version: int = FORMAT_VERSION
    program_version: str
    torch_version: str
    status: Literal["training", "stopped", "finished", "diverged"]
    """A diverged run forecasts with the best weights before that."""
    created: str
    """UTC, ISO 8601."""
    device: str
    precision: Literal["float32", "bfloat16", "float16"]
    num_threads: Count
    num_processes: Count = 1
    frequency: str
    """pandas alias, or the step of an integer time axis."""
    data: DataRecord
    parent: ParentRecord | None = None
    """None for a run that was trained from the start."""
    columns: Schema
    series_ids: Names
    shape: NetworkShape
    choices: Annotated[tuple[Choice, ...], Field(max_length=1000)] = ()
    notices: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    result: ResultRecord | None = None
    attention: AttentionRecord | None = None
    """None before training has finished, and without attention."""
    files: dict[str, str] = {}
    """sha256 of each of config.toml, model.safetensors and scalers.joblib that has been written."""


def dump_record(record: RunRecord, file: str) -> bytes:
    """Return the bytes of `file`: the record, and a checksum of its content.

    Raises:
        RunError: It would be too large to read back.
    """
    values = record.model_dump(mode="json")
    data = (json.dumps(values | {CHECKSUM_KEY: _checksum(values)}, indent=1) + "\n").encode()
    if len(data) > LARGEST_RECORD - (ROOM_FOR_RESULTS if record.result is None else 0):
        raise RunError(
            f"the names of the series and columns are too long to keep ({len(data):,} bytes).",
            place=Place(file=file),
            hint="Give fewer series, or shorter names.",
        )
    return data


def parse_record(data: bytes, file: str) -> RunRecord:
    """Return the record in the bytes of `file`.

    Raises:
        RunError: It is damaged, contradicts itself, or has another format version.
    """
    return record_from(_parse_object(data, file), file)


def record_from(values: dict[str, Any], file: str) -> RunRecord:
    """Return the record in the JSON object of `file`, which loses its checksum.

    Raises:
        RunError: As `parse_record`.
    """
    _require_known_format(values, file)
    checksum = values.pop(CHECKSUM_KEY, None)
    try:
        record = RunRecord.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RunError(f"damaged at {key[:_LONGEST_SHOWN]!r}: {first['msg']}.", place=Place(file=file)) from None
    if checksum not in (None, _checksum(values)):
        hint = f"If it was changed by hand, take the line {CHECKSUM_KEY!r} out."
        raise _damaged(file, "its checksum is not that of its content", hint)
    if record.status == "finished" and (record.result is None or MODEL_FILE not in record.files):
        raise _damaged(file, "it is said to be finished, but has no result")
    return record


def has_own_checksum(data: bytes, file: str) -> bool:
    """Return whether a readable record has a checksum of its own.

    Raises:
        RunError: It cannot be read.
    """
    return _parse_object(data, file).get(CHECKSUM_KEY) is not None


def _parse_object(data: bytes, file: str) -> dict[str, Any]:
    try:
        values = parse_json(data, MOST_MARKS)
    except ValueError as error:
        raise _damaged(file, f"it is not JSON as seqcast writes it: {error}") from None
    if not isinstance(values, dict):
        raise _damaged(file, "it is not a JSON object")
    return values


def _require_known_format(values: dict[str, Any], file: str) -> None:
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise RunError(
            f"run format {str(version)[:20]} is newer than {FORMAT_VERSION}, which this seqcast reads; it was written"
            f" by seqcast {str(values.get('program_version'))[:20]!r}.",
            place=Place(file=file),
            hint="Update seqcast.",
        )
    if type(version) is not int or version < 1:
        raise _damaged(file, f"{str(version)[:20]!r} is no run format")
    if version < FORMAT_VERSION:
        raise RunError(
            f"run format {version} is older than {FORMAT_VERSION}, the only one this seqcast reads.",
            place=Place(file=file),
            hint="Train again.",
        )


def _damaged(file: str, reason: str, hint: str | None = None) -> RunError:
    return RunError(f"damaged: {reason}.", place=Place(file=file), hint=hint)


def _checksum(values: dict[str, Any]) -> str:
    """Return the checksum of the values as they are in the file: a later version may have more fields."""
    return sha256_hex(json.dumps(values, sort_keys=True).encode())
