"""The sections about the run: what was trained on what, how validation went, and who forecasts."""

from collections.abc import Sequence

import numpy as np

from seqcast.evaluation.backtest import Backtest
from seqcast.pages.blocks import Absent, Chart, Facts, Messages, Section, Shares, Table, Tiles, sentence
from seqcast.pages.figures import MOST_POINTS, line, new_figure
from seqcast.pages.findings import Findings, ReportedRun
from seqcast.pages.palette import MUTED, SERIES_COLOURS
from seqcast.panel.arrays import evenly_spread
from seqcast.panel.notices import Notice
from seqcast.panel.wording import counted, seconds_text
from seqcast.report.runs import result_rows, run_rows
from seqcast.report.text import number_text, percent_text
from seqcast.results.forecast import MODEL
from seqcast.run.load import TrainedModel
from seqcast.run.record import NAIVE_WORDS
from seqcast.training.counters import ValidationRecord


def overview(found: Findings) -> Section:
    """The numbers to look at first."""
    model, data = found.run.model, found.run.record.data
    items = [
        (f"{data.num_series:,}", "series", f"{data.num_observed:,} observed values"),
        (f"{model.horizon:,}", "steps ahead", f"from {counted(model.context, 'past step')}"),
        *([] if isinstance(found.backtest, Absent) else _scores(found.backtest)),
    ]
    result = found.run.record.result
    if result is not None:
        items.append((seconds_text(result.seconds), "of training", counted(result.num_steps, "step")))
    return Section("", (Tiles(tuple(items)),))


def _scores(done: Backtest) -> list[tuple[str, str, str]]:
    """Accuracy and coverage on the part that was scored."""
    own, where = done.scores.of(MODEL).overall, f"{done.part} part"
    measure = "mae" if np.isnan(own.mase) else "mase"
    items = [(number_text(float(getattr(own, measure)), 3), measure, f"{where}; lower is better")]
    widest = list(own.coverage.items())[:1]
    return items + [(percent_text(float(share)), f"within the {level} % interval", where) for level, share in widest]


def run_section(run: ReportedRun) -> Section:
    """What was trained on what, and what was chosen automatically."""
    choices = tuple((choice.name, choice.value, choice.reason) for choice in run.record.choices)
    blocks: tuple[Facts | Table, ...] = (Facts((("run", run.path), *run_rows(run.record))),)
    if choices:
        caption = "Settings that nobody gave, and why they have these values."
        blocks += (Table(("setting", "value", "reason"), choices, caption, num_words=3),)
    return Section("What was trained on what", blocks)


def training_section(run: ReportedRun) -> Section:
    """The validation curve, and the result."""
    blocks: list[Chart | Facts | Messages] = []
    if isinstance(run.history, Absent):
        blocks.append(Messages(((False, sentence(f"No validation curve: {run.history.reason}")),)))
    elif run.history:
        start = None if run.record.result is None else run.record.result.start_loss
        blocks.append(validation_chart(run.history, start))
    if run.record.result is not None:
        blocks.append(Facts(tuple(result_rows(run.record.result))))
    return Section("Training", tuple(blocks))


def validation_chart(history: Sequence[ValidationRecord], start_loss: float | None) -> Chart:
    """The validation loss of each network by step, beside that of the linear start alone."""
    figure = new_figure(280, x_title="step", y_title="validation loss")
    members = sorted({record.member for record in history})
    for member in members:
        own = [record for record in history if record.member == member]
        own = [own[row] for row in evenly_spread(len(own), MOST_POINTS)]
        losses = np.array([record.validation_loss for record in own])
        figure.add_trace(
            line(
                f"network {member}" if len(members) > 1 else "network",
                [record.step for record in own],
                losses,
                SERIES_COLOURS[(member - 1) % len(SERIES_COLOURS)],
                dots=len(own) < 40,
                hovertemplate="%{y:.4f}",
            )
        )
    if start_loss is not None:
        last = max(record.step for record in history)
        figure.add_trace(
            line(
                "linear start alone",
                [0, last],
                np.array([start_loss, start_loss]),
                MUTED,
                dash="dot",
                hovertemplate="%{y:.4f}",
            )
        )
    caption = "Loss on the validation part after so many steps of training; lower is better."
    if len(members) > 1:
        caption += " Each network is trained for longer than the one before, or from another seed."
    return Chart("Validation loss by training step", figure, caption)


def forecaster_section(model: TrainedModel) -> Section:
    """The shares of the networks, the linear start and naive forecasts."""
    caption = (
        "Shares in every forecast, as validation chose them. Networks are trained; the linear start is a closed-form"
        " fit of past values; naive forecasts need no training."
    )
    return Section("Who forecasts", (Shares(forecaster_shares(model), caption),))


def forecaster_shares(model: TrainedModel) -> tuple[tuple[str, float], ...]:
    """Label and share of whatever makes the forecast, the greatest first."""
    naive = [(NAIVE_WORDS[name], share) for name, share in model.network.shares_of_naive() if share > 0]
    learned = 1 - sum(share for _, share in naive)
    trained = len(model.network.networks) - (model.linear_share > 0)
    parts = [
        (counted(trained, "trained network"), learned * (1 - model.linear_share)),
        ("linear start", learned * model.linear_share),
        *naive,
    ]
    return tuple(sorted(((label, share) for label, share in parts if share > 1e-9), key=lambda part: -part[1]))


def notice_section(notices: Sequence[Notice]) -> Section:
    """Every warning, then every remark."""
    ordered = sorted(notices, key=lambda notice: notice.kind != "repair")
    lines = tuple((notice.kind == "repair", sentence(notice.text)) for notice in ordered)
    number = sum(is_warning for is_warning, _ in lines)
    lead = "There is no warning." if not number else f"{counted(number, 'warning')}, most of them about the table."
    return Section("Warnings and remarks", (Messages(lines),), lead if lines else "There are none.")
