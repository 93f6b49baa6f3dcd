"""Runs as they are listed and shown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from seqcast.report.summary import key_value_table, list_table, title_text
from seqcast.report.text import SENTENCE_WIDTH, plain
from seqcast.run.record import ResultRecord, RunRecord, SchemaRecord


def training_summary(path: str, record: RunRecord) -> RenderableType:
    """What training ended with, and a plain word when the model should not be trusted."""
    result = record.result
    assert result is not None
    rows = [("run", path), *_result_rows(result)]
    parts: list[RenderableType] = [key_value_table("Trained", rows)]
    doubt = _doubt(result)
    if doubt:
        parts.append(Text(doubt, style="yellow"))
    return Group(*parts)


def _doubt(result: ResultRecord) -> str:
    if result.naive_is_exact:
        return (
            "The seasonal naive forecast makes no error on validation, so this model cannot beat it: prefer that one."
        )
    if result.relative_mae is not None and result.relative_mae >= 1:
        return (
            "This model does not beat the seasonal naive forecast on validation: prefer that one, or give more data, a"
            " longer --context or covariates."
        )
    return ""


def _result_rows(result: ResultRecord) -> list[tuple[str, str]]:
    best = (
        f"at step {result.best_step}" if result.best_step else "at the start, which training did not beat beyond doubt"
    )
    if result.num_members > 1:
        best = f"of all that forecast together; best step {result.best_step}"
    rows = [("validation loss", f"{result.validation_loss:.4f} {best}")]
    if result.relative_mae is not None:
        rows.append(
            (
                "validation error",
                f"{result.relative_mae:.3f} of the seasonal naive forecast's (below 1 is better), over every origin",
            )
        )
    return [
        *rows,
        ("forecast by", forecasters_text(result.num_members, result.linear_share)),
        ("learned from", "the training part" + (", then the validation part too" if result.refitted else "")),
        ("steps", f"{result.num_steps} ({result.ended_by})"),
        ("time", f"{result.seconds:.1f} s, {result.windows_per_second:,.0f} windows/s"),
        ("parameters", f"{result.num_parameters:,}"),
    ]


def forecasters_text(num_members: int, linear_share: float) -> str:
    """The networks whose forecasts are averaged, and what the closed-form start has in that."""
    if linear_share == 1:
        return "the closed-form start alone"
    num_trained = num_members - (linear_share > 0)
    trained = f"{num_trained} trained network{'' if num_trained == 1 else 's'}"
    if linear_share == 0:
        return trained
    return f"{trained} and the closed-form start, which counts {100 * linear_share:.0f} %"


def run_list(runs: Sequence[tuple[str, RunRecord | None]]) -> RenderableType:
    """One line per run, newest first; None marks a record that cannot be read."""
    rows = [_list_row(path, record) for path, record in runs]
    numeric = ("series", "horizon", "context", "error")
    table = list_table("Runs under runs/, newest first", ("run", "status", "data", *numeric), rows, numeric)
    note = "The error is that on validation, as a share of the seasonal naive forecast's."
    return Group(table, Text(note, style="dim"))


def _list_row(path: str, record: RunRecord | None) -> tuple[str, ...]:
    path = path.removeprefix("runs/")
    if record is None:
        return (path, "damaged", "", "", "", "", "")
    result = record.result
    error = "" if result is None or result.relative_mae is None else f"{result.relative_mae:.3f}"
    name = record.data.path.rsplit("/", 1)[-1]
    shape = record.shape
    return (path, record.status, name, f"{record.data.num_series:,}", str(shape.horizon), str(shape.context), error)


def run_detail(path: str, record: RunRecord) -> RenderableType:
    """All that is known of a run."""
    data, columns, shape = record.data, record.columns, record.shape
    roles = [(role, getattr(columns, role)) for role in ("known", "past", "static")]
    rows = [
        ("status", record.status),
        ("written by", f"seqcast {record.program_version}, torch {record.torch_version}, {record.created}"),
        ("device", f"{record.device}, {record.precision}, {_counted_processes(record)}"),
        ("data", data.path),
        ("fingerprint", data.fingerprint),
        ("series", f"{data.num_series:,} with {data.num_rows:,} steps, {data.num_observed:,} observed"),
        ("time", f"{data.first_time} to {data.last_time}, frequency {record.frequency}"),
        ("columns", _columns_text(columns)),
        *((f"{role} covariates", ", ".join(columns_of_role)) for role, columns_of_role in roles if columns_of_role),
        ("horizon, context, season", f"{shape.horizon}, {shape.context}, {shape.season}"),
    ]
    if record.result is not None:
        rows += _result_rows(record.result)
    parts: list[RenderableType] = [key_value_table(path, rows)]
    if record.choices:
        chosen = [(choice.name, f"{choice.value} ({choice.reason})") for choice in record.choices]
        parts += ["", key_value_table("Automatic choices", chosen)]
    if record.notices:
        parts += ["", title_text("Notices")]
    parts += [Text(plain(_as_printed(notice), SENTENCE_WIDTH)) for notice in record.notices]
    return Group(*parts)


def _columns_text(columns: SchemaRecord) -> str:
    has_own_id = columns.layout == "long"
    names = f"time {columns.time}, target {', '.join(columns.target)}"
    return f"{columns.layout}: id {columns.id}, {names}" if has_own_id else f"{columns.layout}: {names}"


def _counted_processes(record: RunRecord) -> str:
    threads = "1 thread" if record.num_threads == 1 else f"{record.num_threads} threads"
    return threads if record.num_processes == 1 else f"{record.num_processes} processes of {threads} each"


def _as_printed(notice: str) -> str:
    """A notice as training printed it: only what was repaired is a warning."""
    kind, _, text = notice.partition(": ")
    return f"warning: {text}" if kind == "repair" else text
