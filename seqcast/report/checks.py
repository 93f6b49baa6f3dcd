"""What `check` shows: a table's columns, times and seasons, and the plan of training."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rich.console import Group, RenderableType

from seqcast.panel.notices import Notice
from seqcast.panel.panel import Schema
from seqcast.panel.seasonality import PanelSummary, SeasonStrength
from seqcast.report.summary import key_value_table
from seqcast.training.plan import Plan


@dataclass(frozen=True, eq=False)
class CheckedTable:
    """A table that can be trained on, and how it would be."""

    name: str
    schema: Schema
    frequency: str
    frequency_name: str
    summary: PanelSummary
    notices: tuple[Notice, ...]
    plan: Plan


def check_view(checked: CheckedTable) -> RenderableType:
    """The facts, then the plan."""
    schema, summary, plan = checked.schema, checked.summary, checked.plan
    missing = f"{summary.num_missing:,} of {summary.num_rows:,} steps"
    lengths = f"{summary.shortest:,} to {summary.longest:,} steps, median {summary.median_length:,.0f}"
    if summary.shortest == summary.longest:
        lengths = f"{summary.longest:,} steps"
    rows = [
        ("layout", schema.layout),
        *([("id column", schema.id)] if schema.layout == "long" else []),
        ("time column", schema.time),
        ("target", ", ".join(schema.target)),
        *((f"{role} covariates", ", ".join(names)) for role, names in _covariates(schema) if names),
        ("series", f"{summary.num_series:,}"),
        ("lengths", lengths),
        ("time", f"{summary.first_time} to {summary.last_time}"),
        *_ends(summary),
        ("frequency", f"{checked.frequency_name} ({checked.frequency})"),
        ("missing", missing),
        *((f"season {season.season}", _season_text(season)) for season in summary.seasons),
    ]
    model = plan.config.model
    chosen = {choice.name: f"{choice.value} ({choice.reason})" for choice in plan.choices}
    given = {"horizon": f"{plan.horizon} steps", "context": f"{plan.context} steps"}
    would = [
        *({**given, **chosen}.items()),
        ("attention", f"{model.attention}, {model.score} score, {model.decoding} decoding"),
        ("training windows", f"{plan.num_train_windows:,}"),
    ]
    return Group(key_value_table(checked.name, rows), "", key_value_table("train would use", would))


def check_document(checked: CheckedTable) -> dict[str, object]:
    """The same as one JSON document."""
    return {
        "data": checked.name,
        "columns": asdict(checked.schema),
        "frequency": checked.frequency,
        **asdict(checked.summary),
        "notices": [asdict(notice) for notice in checked.notices],
        "plan": {
            "config": checked.plan.config.model_dump(mode="json"),
            "num_train_windows": checked.plan.num_train_windows,
            "choices": [asdict(choice) for choice in checked.plan.choices],
        },
    }


def _ends(summary: PanelSummary) -> list[tuple[str, str]]:
    """When series begin and end, where they do not do so together."""
    begin = ("series begin", f"{summary.first_time} to {summary.latest_start}")
    end = ("series end", f"{summary.earliest_end} to {summary.last_time}")
    is_common = (summary.first_time == summary.latest_start, summary.earliest_end == summary.last_time)
    return [row for row, common in zip((begin, end), is_common, strict=True) if not common]


def _covariates(schema: Schema) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("known", schema.known), ("past", schema.past), ("static", schema.static))


def _season_text(season: SeasonStrength) -> str:
    if season.autocorrelation is None:
        return f"{season.duration}, too long to be seen here"
    return f"{season.duration}, autocorrelation {season.autocorrelation:.2f}"
