"""The summary of a training, the list of runs, and all that is known of one run."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from seqcast.panel.wording import counted
from seqcast.report.summary import covariate_rows, key_value_table, list_table, note_text, title_text
from seqcast.report.text import CAUTION, SENTENCE_WIDTH, plain
from seqcast.run.record import ResultRecord, RunRecord


def training_summary(path: str, record: RunRecord) -> RenderableType:
    """The result of a training, with a hint where the seasonal naive forecast is as good."""
    result = record.result
    assert result is not None
    table = key_value_table("Trained", [("run", path), *result_rows(result)])
    return table if result.caution is None else Group(table, Text(result.caution, style=CAUTION))


def result_rows(result: ResultRecord) -> list[tuple[str, str]]:
    """How training went: labels and values."""
    best = f"at step {result.best_step}" if result.best_step else "at the start; training did not improve on it"
    if result.num_members > 1:
        best = f"of the combined forecast; best step {result.best_step}"
    relative, reference = result.relative_mae, "of the seasonal naive forecast's (below 1 is better), over every origin"
    return [
        ("validation loss", f"{result.validation_loss:.4f} {best}"),
        *([] if relative is None else [("validation error", f"{relative:.3f} {reference}")]),
        ("forecast by", result.forecasters),
        *([] if result.start_loss is None else [("start alone", f"{result.start_loss:.4f} validation loss")]),
        *(
            []
            if result.parent_loss is None
            else [("parent's best network", f"{result.parent_loss:.4f} validation loss")]
        ),
        ("learned from", "the training part" + (", then the validation part too" if result.refitted else "")),
        ("steps", f"{result.num_steps} ({result.ended_by})"),
        ("time", f"{result.seconds:.1f} s, {result.windows_per_second:,.0f} windows/s"),
        ("parameters", f"{result.num_parameters:,}"),
    ]


def run_list(runs: Sequence[tuple[str, RunRecord | None]]) -> RenderableType:
    """One line per run, in the order given; None marks a record that cannot be read."""
    rows = [_list_row(path, record) for path, record in runs]
    numeric = ("series", "horizon", "context", "error")
    table = list_table("Runs under runs/, newest first", ("run", "status", "data", *numeric), rows, numeric)
    return Group(table, note_text("error: validation error divided by the seasonal naive forecast's."))


def _list_row(path: str, record: RunRecord | None) -> tuple[str, ...]:
    path = path.removeprefix("runs/")
    if record is None:
        return (path, "damaged", "", "", "", "", "")
    result = record.result
    error = "" if result is None or result.relative_mae is None else f"{result.relative_mae:.3f}"
    name = record.data.path.rsplit("/", 1)[-1]
    shape = record.shape
    return (path, record.status, name, f"{record.data.num_series:,}", str(shape.horizon), str(shape.context), error)


def run_rows(record: RunRecord) -> list[tuple[str, str]]:
    """What was trained on what, and by which program: labels and values, which may be data text."""
    data, columns, shape = record.data, record.columns, record.shape
    id_column = f"id {columns.id}, " if columns.layout == "long" else ""
    threads = counted(record.num_threads, "thread")
    processes = threads if record.num_processes == 1 else f"{record.num_processes} processes of {threads} each"
    return [
        ("status", record.status),
        ("written by", f"seqcast {record.program_version}, torch {record.torch_version}, {record.created}"),
        ("device", f"{record.device}, {record.precision}, {processes}"),
        ("data", data.path),
        ("fingerprint", data.fingerprint),
        *(
            []
            if record.parent is None
            else [("goes on from", record.parent.path), ("its weights", record.parent.checksum)]
        ),
        ("series", f"{data.num_series:,} with {data.num_rows:,} steps, {data.num_observed:,} observed"),
        ("time", f"{data.first_time} to {data.last_time}, frequency {record.frequency}"),
        ("columns", f"{columns.layout}: {id_column}time {columns.time}, target {', '.join(columns.target)}"),
        *covariate_rows(columns.known, columns.past, columns.static),
        ("horizon, context, season", f"{shape.horizon}, {shape.context}, {shape.season}"),
    ]


def run_detail(path: str, record: RunRecord) -> RenderableType:
    """Everything known about a run."""
    rows = run_rows(record)
    if record.result is not None:
        rows += result_rows(record.result)
    chosen = [(choice.name, f"{choice.value} ({choice.reason})") for choice in record.choices]
    width = max(cell_len(label) for label, _ in (*rows, *chosen))
    parts: list[RenderableType] = [key_value_table(path, rows, width)]
    if chosen:
        parts += ["", key_value_table("Automatic choices", chosen, width)]
    if record.notices:
        parts += ["", title_text("Notices")]
    parts += [Text(plain(_as_printed(notice), SENTENCE_WIDTH)) for notice in record.notices]
    return Group(*parts)


def _as_printed(notice: str) -> str:
    """A notice as training printed it: repairs are warnings."""
    kind, _, text = notice.partition(": ")
    return f"warning: {text}" if kind == "repair" else text
