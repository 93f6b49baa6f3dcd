"""All questions about a model's attention, and the answers to them."""

from dataclasses import asdict, dataclass, replace

from seqcast.attention.comparison import ProfileComparison, compare_parts, compare_profiles
from seqcast.attention.content import ContentMovement, content_movement
from seqcast.attention.contributions import Contributions, contributions
from seqcast.attention.covariate_groups import covariate_groups
from seqcast.attention.error_tenths import ErrorGroup, ErrorTenths, tenths_by_error
from seqcast.attention.faithfulness import verify
from seqcast.attention.implied_forecast import ImpliedForecast, ImpliedSums
from seqcast.attention.lag_report import GROUPINGS, LagReport, Relative, WindowGroups, lag_report
from seqcast.attention.occurrences import Occurrences, OccurrenceSums
from seqcast.attention.seasons import SeasonFinding, check_seasons
from seqcast.attention.shorter_context import ContextSuggestion, suggest_context
from seqcast.attention.states import WORTH_TELLING
from seqcast.attention.verdict import Faithfulness
from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.errors import UsageError, option
from seqcast.forecasting import AttentionMaps, attention_maps
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import LagProfile
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
    group_by: str = "horizon"
    """A `GroupBy`, or the name of a covariate."""
    top: int = 10
    """Number of lags to compare with the other run."""
    verify: bool = False
    suggest: bool = False
    other: TrainedModel | None = None
    """Model to compare with, on the same windows."""
    other_run: str = ""
    parts: bool = False
    """Whether the lags of the networks and of the linear start are wanted apart."""
    align: str | None = None
    """Covariate to whose occurrences attention is counted back."""
    explain: bool = False
    """Whether the parts of covariates, calendar, level and lags in the forecast are wanted."""

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
    lags_of: str
    """Whose lags the report shows."""
    linear_share: float
    """Share of the linear start in the forecast."""
    content: ContentMovement | None
    """None for too few past windows."""
    parts: dict[str, LagProfile] | None
    """Profile of each `Part` that has a share in the forecast."""
    occurrences: Occurrences | None
    contributions: Contributions | None
    notices: tuple[Notice, ...]

    def as_dict(self, top: int | None = None) -> dict[str, object]:
        """The numbers of the printed report under the same names; questions that were not asked are left out."""
        state_lags = self.report.overall.state_lags()
        asked = {
            "compare": self.comparison,
            "suggest": self.context,
            "explain": self.contributions,
        }
        return {
            **self.report.as_dict(top),
            "lags_of": self.lags_of,
            "linear_share": self.linear_share,
            "content": None if self.content is None else self.content.as_dict(),
            "state_lags": None if state_lags is None else asdict(state_lags),
            "level": None if self.content is None else asdict(self.content.level),
            **({} if self.parts is None else _parts_dict(self.parts, top)),
            "seasons": [asdict(finding) for finding in self.seasons],
            "attention_implied": self.implied.as_dict(),
            **({} if self.faithfulness is None else {"verify": self.faithfulness.as_dict()}),
            **({} if self.occurrences is None else {"align": self.occurrences.as_dict()}),
            **{name: asdict(answer) for name, answer in asked.items() if answer is not None},
            **({} if self.errors is None else {"errors": self._errors_dict(self.errors, top)}),
        }

    def _errors_dict(self, errors: tuple[ErrorGroup, ...], top: int | None) -> list[dict[str, object]]:
        """The groups by error, each with its shares of the strongest lags of all."""
        rows = self.report.overall.rows(top)
        return [
            asdict(group)
            | {"effective_lags": profile.effective_lags}
            | {"lags": [{"lag": row.lag, "share": float(profile.share[row.lag - 1])} for row in rows]}
            for group, profile in zip(errors, self.report.groups, strict=True)
        ]


def _parts_dict(parts: dict[str, LagProfile], top: int | None) -> dict[str, object]:
    """The profile of each part, and all of them side by side."""
    profiles = {name: part.as_dict(top) for name, part in parts.items()}
    return {"parts": profiles, "parts_compared": asdict(compare_parts(parts, top))}


def inspect(
    model: TrainedModel, panel: Panel, question: Question = Question(), engine: Engine = SINGLE_PROCESS
) -> Inspection:
    """Answer the questions about a model's attention. Memory does not grow with the number of windows.

    The workers of the engine compute the attention of the report; all else is done here.

    Raises:
        UsageError: The model has no attention, or two questions contradict each other.
        DataError: No series has such an origin.
    """
    found, ranked = _windows(model, panel, question, engine)
    implied = ImpliedSums(panel, model.season)
    groups = _groups(model, panel, question, found, ranked)
    events = None
    maps = implied.watch(found.maps)
    if question.align is not None:
        events = OccurrenceSums(panel, found.origins, model.horizon, question.align)
        maps = events.watch(maps)
    report = lag_report(maps, question.relative, question.group_by, groups)
    content = content_movement(model, panel)
    if content is not None:
        report = replace(report, overall=with_content(report.overall, content, question.relative))
    scored = max(question.num_windows, FEWEST_ORIGINS)
    return Inspection(
        report=report,
        seasons=check_seasons(report, panel),
        implied=implied.result(),
        faithfulness=verify(model, panel, scored) if question.verify else None,
        comparison=_compare(report, panel, question),
        context=suggest_context(model, panel, report, scored) if question.suggest else None,
        errors=None if ranked is None else ranked.groups,
        lags_of=model.judged_lags,
        linear_share=model.linear_share,
        content=content,
        parts=_parts(model, panel, question, engine) if question.parts else None,
        occurrences=None if events is None else events.result(),
        contributions=contributions(model, panel) if question.explain else None,
        notices=found.notices,
    )


def with_content(profile: LagProfile, content: ContentMovement, relative: Relative) -> LagProfile:
    """The profile with the part of each lag that content decides and, if they carry enough, that the states read."""
    read = content.states.by_lag(relative) if content.states.share >= WORTH_TELLING else None
    return replace(profile, moving=content.by_lag(relative), through_states=read)


def _windows(
    model: TrainedModel, panel: Panel, question: Question, engine: Engine
) -> tuple[AttentionMaps, ErrorTenths | None]:
    """The attention of the windows, and their ranking for grouping by error."""
    if question.group_by != "error":
        return attention_maps(model, panel, question.num_windows, question.origin, engine), None
    if question.origin is not None:
        raise UsageError(
            f"{option('by', 'error')} ranks many origins, {option('origin')} names one.", hint="Drop one of them."
        )
    forecasting, ranked = tenths_by_error(model.as_validated, panel, question.windows)
    maps = forecasting.attention(ranked.origins)
    return AttentionMaps(maps, ranked.origins, forecasting.notices()), ranked


def _groups(
    model: TrainedModel, panel: Panel, question: Question, found: AttentionMaps, ranked: ErrorTenths | None
) -> WindowGroups | None:
    """The groups that the maps themselves do not tell: those by error and by a covariate."""
    if ranked is not None:
        return ranked.windows
    if question.group_by in GROUPINGS:
        return None
    return covariate_groups(panel, found.origins, model.horizon, question.group_by)


def _parts(model: TrainedModel, panel: Panel, question: Question, engine: Engine) -> dict[str, LagProfile]:
    """The profile of each part of the forecast on the windows of the report."""
    profiles: dict[str, LagProfile] = {}
    for name in model.parts:
        found, _ = _windows(model.part(name), panel, question, engine)
        profiles[name] = lag_report(found.maps, question.relative).overall
    return profiles


def _compare(report: LagReport, panel: Panel, question: Question) -> ProfileComparison | None:
    if question.other is None:
        return None
    maps = attention_maps(question.other, panel, question.num_windows, question.origin).maps
    return compare_profiles(report.by_target(), lag_report(maps).overall, question.other_run, question.top)
