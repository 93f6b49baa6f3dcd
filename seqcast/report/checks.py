"""The result of `check`: the columns, times and seasons of a table, and the plan of training."""

from dataclasses import asdict, dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType

from seqcast.panel.notices import Notice
from seqcast.panel.seasonality import PanelSummary, SeasonStrength
from seqcast.panel.wording import quoted, seconds_text
from seqcast.report.summary import covariate_rows, key_value_table
from seqcast.run.source import Source
from seqcast.training.plan import Plan


@dataclass(frozen=True, eq=False)
class CheckedTable:
    """A table and the training that would follow from it."""

    source: Source
    """With all series, or with those of them on which the training was planned."""
    summary: PanelSummary
    """Of all series."""
    plan: Plan
    command: str = ""
    """The command that trains on the table."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        return (*self.source.notices, *self._constant_id(), *self.plan.notices)

    def _constant_id(self) -> tuple[Notice, ...]:
        schema = self.source.panel.schema
        if schema.layout != "long" or self.summary.num_series > 1:
            return ()
        text = f"id column {quoted(schema.id)} holds the same text in every row: the table is one series"
        return (Notice("decision", text),)


def check_view(checked: CheckedTable) -> RenderableType:
    """The facts about the table, then the plan."""
    panel, summary, plan = checked.source.panel, checked.summary, checked.plan
    schema, frequency = panel.schema, panel.frequency
    sample = _sample_text(panel.num_series, summary)
    lengths = f"{summary.shortest:,} to {summary.longest:,} steps, median {summary.median_length:,.0f}"
    rows = [
        ("layout", schema.layout),
        *([("id column", schema.id)] if schema.layout == "long" else []),
        ("time column", schema.time),
        ("target", ", ".join(schema.target)),
        *covariate_rows(schema.known, schema.past, schema.static),
        ("series", f"{summary.num_series:,}"),
        ("lengths", f"{summary.longest:,} steps" if summary.shortest == summary.longest else lengths),
        ("time", f"{summary.first_time} to {summary.last_time}"),
        *_ends(summary),
        ("frequency", f"{frequency.name} ({frequency.alias})"),
        ("missing", f"{summary.num_missing:,} of {summary.num_rows:,} steps"),
        *((f"season {season.season}", _season_text(season, summary)) for season in summary.seasons),
    ]
    model = plan.config.model
    chosen = {choice.name: f"{choice.value} ({choice.reason})" for choice in plan.choices}
    given = {"horizon": f"{plan.horizon} steps", "context": f"{plan.context} steps"}
    planned = [
        *(given | chosen).items(),
        ("attention", f"{model.attention}, {model.score} score, {model.decoding} decoding"),
        ("training windows", " in ".join(filter(None, (f"{plan.num_train_windows:,}", sample)))),
        ("training time", time_estimate(plan)),
    ]
    width = max(cell_len(label) for label, _ in (*rows, *planned))
    table = key_value_table(checked.source.table.name, rows, width)
    title = f"train would use (planned on {sample})" if sample else "train would use"
    return Group(table, "", key_value_table(title, planned, width))


def time_estimate(plan: Plan) -> str:
    """How long training may take."""
    if plan.time_limit_seconds is not None:
        return f"about {seconds_text(plan.time_limit_seconds)}, as asked for"
    steps = seconds_text(plan.core_seconds)
    return f"steps at most about {steps} on one processor core; preparing and calibrating come on top"


def check_document(checked: CheckedTable) -> dict[str, object]:
    """The same facts as one JSON document."""
    return {
        "data": checked.source.table.name,
        "columns": asdict(checked.source.panel.schema),
        "frequency": checked.source.panel.frequency.alias,
        **asdict(checked.summary),
        "notices": [{"kind": each.kind, "text": each.advised_text, "count": each.count} for each in checked.notices],
        "command": checked.command,
        "plan": {
            "config": checked.plan.config.model_dump(mode="json"),
            "num_series": checked.source.panel.num_series,
            "num_train_windows": checked.plan.num_train_windows,
            "core_seconds": round(checked.plan.core_seconds, 1),
            "choices": [asdict(choice) for choice in checked.plan.choices],
        },
    }


def _ends(summary: PanelSummary) -> list[tuple[str, str]]:
    """The ranges in which series begin and end, unless all do so at the same time."""
    begin = ("series begin", summary.first_time, summary.latest_start)
    end = ("series end", summary.earliest_end, summary.last_time)
    return [(label, f"{first} to {last}") for label, first, last in (begin, end) if first != last]


def _season_text(season: SeasonStrength, summary: PanelSummary) -> str:
    if season.autocorrelation is None:
        return f"{season.duration}, too long to measure here"
    sample = _sample_text(summary.num_season_series, summary)
    found = f"{season.duration}, autocorrelation {season.autocorrelation:.2f}"
    return f"{found} on {sample}" if sample else found


def _sample_text(num_series: int, summary: PanelSummary) -> str:
    """The series on which something was measured; empty where that is all of them."""
    return "" if num_series == summary.num_series else f"{num_series:,} of {summary.num_series:,} series"
