"""Everything that is asked of a model's attention in one go."""

from __future__ import annotations

from dataclasses import dataclass

from seqcast.attention.comparison import ProfileComparison, compare_profiles
from seqcast.attention.error_tenths import ErrorGroup, ErrorTenths, tenths_by_error
from seqcast.attention.faithfulness import Faithfulness, verify
from seqcast.attention.implied_forecast import ImpliedForecast, ImpliedSums
from seqcast.attention.lag_report import GroupBy, LagReport, Relative, lag_report
from seqcast.attention.seasons import SeasonCheck, check_seasons
from seqcast.attention.shorter_context import ContextSuggestion, suggest_context
from seqcast.errors import UsageError, option
from seqcast.forecasting import AttentionMaps, attention_maps
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel

FEWEST_ORIGINS = 16
"""Origins per series that are scored, at least, where windows with a known truth are asked for."""


@dataclass(frozen=True)
class Question:
    """What to ask."""

    windows: int | None = None
    """Newest origins per series; None: 1, or what grouping by error needs."""
    origin: TimeArray | None = None
    """(1,) the only origin, instead."""
    relative: Relative = "target"
    group_by: GroupBy = "horizon"
    top: int = 10
    """Lags to compare."""
    verify: bool = False
    suggest: bool = False
    other: TrainedModel | None = None
    """Model to compare with, on the same windows."""
    other_run: str = ""

    @property
    def num_windows(self) -> int:
        """Origins per series where not the errors decide."""
        return 1 if self.windows is None else self.windows


@dataclass(frozen=True, eq=False)
class Inspection:
    """The answers."""

    report: LagReport
    seasons: SeasonCheck
    implied: ImpliedForecast
    faithfulness: Faithfulness | None
    comparison: ProfileComparison | None
    context: ContextSuggestion | None
    errors: tuple[ErrorGroup, ...] | None
    """The groups of a report by error."""
    notices: tuple[Notice, ...]

    def as_dict(self, top: int | None = None) -> dict[str, object]:
        """The numbers of the printed report under the same names; questions that were not asked are left out."""
        asked = {"verify": self.faithfulness, "compare": self.comparison, "suggest": self.context}
        return {
            **self.report.as_dict(top),
            "seasons": self.seasons.as_dict(),
            "attention_implied": self.implied.as_dict(),
            **{name: answer.as_dict() for name, answer in asked.items() if answer is not None},
            **({} if self.errors is None else {"errors": [group.as_dict() for group in self.errors]}),
        }


def inspect(model: TrainedModel, panel: Panel, question: Question = Question()) -> Inspection:
    """Look at a model's attention, as it streams by; memory does not grow with the number of windows.

    Raises:
        UsageError: The model has no attention, or the question makes no sense.
        DataError: No series has such an origin.
    """
    found, ranked = _windows(model, panel, question)
    implied = ImpliedSums(panel, model.season)
    groups = None if ranked is None else ranked.windows
    report = lag_report(implied.watch(found.maps), question.relative, question.group_by, groups)
    scored = max(question.num_windows, FEWEST_ORIGINS)
    return Inspection(
        report=report,
        seasons=check_seasons(report, panel),
        implied=implied.result(),
        faithfulness=verify(model, panel, scored) if question.verify else None,
        comparison=_compare(report, panel, question),
        context=suggest_context(model, panel, report, scored) if question.suggest else None,
        errors=None if ranked is None else ranked.groups,
        notices=found.notices,
    )


def _windows(model: TrainedModel, panel: Panel, question: Question) -> tuple[AttentionMaps, ErrorTenths | None]:
    """The attention that is asked for, and how its windows rank where they are to be grouped by error."""
    if question.group_by != "error":
        return attention_maps(model, panel, question.num_windows, question.origin), None
    if question.origin is not None:
        raise UsageError(
            f"{option('by', 'error')} ranks many origins, {option('origin')} names one.", hint="Drop one of them."
        )
    forecasting, ranked = tenths_by_error(model.as_validated, panel, question.windows)
    maps = forecasting.attention(ranked.origins)
    return AttentionMaps(maps, len(ranked.origins), forecasting.notices()), ranked


def _compare(report: LagReport, panel: Panel, question: Question) -> ProfileComparison | None:
    if question.other is None:
        return None
    maps = attention_maps(question.other, panel, question.num_windows, question.origin).maps
    return compare_profiles(report.by_target(), lag_report(maps).overall, question.other_run, question.top)
