"""All questions about a model's attention, and the answers to them."""

from dataclasses import asdict, dataclass

from seqcast.attention.comparison import ProfileComparison, compare_profiles
from seqcast.attention.error_tenths import ErrorGroup, ErrorTenths, tenths_by_error
from seqcast.attention.faithfulness import verify
from seqcast.attention.implied_forecast import ImpliedForecast, ImpliedSums
from seqcast.attention.lag_report import GroupBy, LagReport, Relative, lag_report
from seqcast.attention.seasons import SeasonFinding, check_seasons
from seqcast.attention.shorter_context import ContextSuggestion, suggest_context
from seqcast.attention.verdict import Faithfulness
from seqcast.errors import UsageError, option
from seqcast.forecasting import AttentionMaps, attention_maps
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel

FEWEST_ORIGINS = 16
"""Smallest number of origins per series for answers that need a known truth."""


@dataclass(frozen=True)
class Question:
    """The questions to answer."""

    windows: int | None = None
    """Newest origins per series; None: 1, or as many as grouping by error needs."""
    origin: TimeArray | None = None
    """(1,) last observed time of the only origin, instead of the newest ones."""
    relative: Relative = "target"
    group_by: GroupBy = "horizon"
    top: int = 10
    """Number of lags to compare with the other run."""
    verify: bool = False
    suggest: bool = False
    other: TrainedModel | None = None
    """Model to compare with, on the same windows."""
    other_run: str = ""

    @property
    def num_windows(self) -> int:
        """Origins per series, except for grouping by error."""
        return 1 if self.windows is None else self.windows


@dataclass(frozen=True, eq=False)
class Inspection:
    """The answers; None for a question that was not asked."""

    report: LagReport
    seasons: tuple[SeasonFinding, ...]
    implied: ImpliedForecast
    faithfulness: Faithfulness | None
    comparison: ProfileComparison | None
    context: ContextSuggestion | None
    errors: tuple[ErrorGroup, ...] | None
    """Groups of a report by error."""
    notices: tuple[Notice, ...]

    def as_dict(self, top: int | None = None) -> dict[str, object]:
        """The numbers of the printed report under the same names; questions that were not asked are left out."""
        asked = {"compare": self.comparison, "suggest": self.context}
        return {
            **self.report.as_dict(top),
            "seasons": [asdict(finding) for finding in self.seasons],
            "attention_implied": self.implied.as_dict(),
            **({} if self.faithfulness is None else {"verify": self.faithfulness.as_dict()}),
            **{name: asdict(answer) for name, answer in asked.items() if answer is not None},
            **({} if self.errors is None else {"errors": [asdict(group) for group in self.errors]}),
        }


def inspect(model: TrainedModel, panel: Panel, question: Question = Question()) -> Inspection:
    """Answer the questions about a model's attention. Memory does not grow with the number of windows.

    Raises:
        UsageError: The model has no attention, or two questions contradict each other.
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
    """The attention of the windows, and their ranking for grouping by error."""
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
