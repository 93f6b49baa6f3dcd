"""The attended lags of a table that is read in groups of series, equal to those of the whole table.

Lags are summed while the groups pass. Which windows content is compared on, and which series the seasons are found on,
is only known once all have passed; there are few of them, and they are read again.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from seqcast.attention.content import MOST_WINDOWS, ContentMovement, content_movement, moved_back, num_varied
from seqcast.attention.implied_forecast import ImpliedSums, ImpliedTotals
from seqcast.attention.inspection import Inspection, Question, with_content
from seqcast.attention.lag_report import LagReport, LagSums
from seqcast.attention.seasons import check_seasons
from seqcast.forecasting import find_attention_maps, no_origin
from seqcast.panel.arrays import IntArray, evenly_spread
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.seasonality import MOST_SERIES
from seqcast.results.forecast import AttentionMap
from seqcast.results.origins import Origins, known_range, spread_origins
from seqcast.run.load import TrainedModel


@dataclass(frozen=True, eq=False)
class GroupSums:
    """The sums over the windows of a group of series."""

    known: tuple[IntArray, IntArray]
    """First and last origin with a known truth of each series."""
    implied: ImpliedTotals | None
    """None for a group without an origin to look at."""
    lags: dict[str, LagSums]
    """Of the model itself, under an empty name, and of each part that is wanted apart."""
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, model: TrainedModel, panel: Panel, question: Question) -> Self:
        """Look at the windows of a group.

        Raises:
            UsageError: The model has no attention, or two questions contradict each other.
        """
        known = known_range(panel, model.horizon, model.context)
        found = find_attention_maps(model, panel, question.num_windows, question.origin)
        if found is None:
            return cls(known, None, {}, ())
        implied = ImpliedSums(panel, model.season)
        lags = {"": _lag_sums(implied.watch(found.maps), question, question.group_by)}
        for name in model.parts if question.parts else ():
            apart = find_attention_maps(model.part(name), panel, question.num_windows, question.origin)
            assert apart is not None, "the windows are those of the model"
            lags[name] = _lag_sums(apart.maps, question, "horizon")
        return cls(known, implied.totals(), lags, found.notices)


def _lag_sums(maps: Iterable[AttentionMap], question: Question, group_by: str) -> LagSums:
    """The sums over at least one map."""
    sums: LagSums | None = None
    for attention in maps:
        sums = sums or LagSums(attention, question.relative, group_by, None)
        sums.add(attention)
    assert sums is not None, "an origin has a map"
    return sums


@dataclass
class GroupedInspection:
    """Sums over the groups that have passed."""

    model: TrainedModel
    question: Question
    _implied: ImpliedTotals | None = field(default=None, init=False)
    _lags: dict[str, LagSums] = field(default_factory=dict, init=False)
    _known: list[tuple[IntArray, IntArray]] = field(default_factory=list, init=False)

    def add(self, group: GroupSums) -> None:
        """Add the sums of the next group."""
        self._known.append(group.known)
        if group.implied is None:
            return
        self._implied = group.implied if self._implied is None else self._implied.plus(group.implied)
        for name, sums in group.lags.items():
            if name in self._lags:
                self._lags[name].join(sums)
            else:
                self._lags[name] = sums

    def result(self, read_series: Callable[[Collection[int]], Panel]) -> Inspection:
        """The answers; `read_series` reads the series of some numbers again, in the order of the table.

        Raises:
            DataError: No group has an origin to look at.
        """
        if self._implied is None:
            raise no_origin()
        parts = {name: sums.report().overall for name, sums in self._lags.items() if name}
        first, last = (np.concatenate(column) for column in zip(*self._known, strict=True))
        seasonal = evenly_spread(len(first), MOST_SERIES)
        compared = spread_origins(first, last, self.model.horizon, num_varied(self.model, MOST_WINDOWS))
        numbers = np.union1d(seasonal, compared.series)
        sample = read_series(set(numbers.tolist()))
        content = self._content(sample, numbers, compared)
        report = self._report(content)
        return Inspection(
            report=report,
            seasons=check_seasons(report, sample.take_series(np.searchsorted(numbers, seasonal))),
            implied=self._implied.result(),
            faithfulness=None,
            comparison=None,
            context=None,
            errors=None,
            lags_of=self.model.judged_lags,
            linear_share=self.model.linear_share,
            content=content,
            parts=parts if self.question.parts else None,
            occurrences=None,
            contributions=None,
            notices=(),
        )

    def _content(self, sample: Panel, numbers: IntArray, compared: Origins) -> ContentMovement | None:
        """Compare the windows of a sample of the series, whose numbers in the table are given."""
        if not len(compared):
            return None
        own = np.unique(compared.series)
        panel = sample.take_series(np.searchsorted(numbers, own))
        origins = Origins(np.searchsorted(own, compared.series), compared.positions)
        return content_movement(self.model, panel, moved_back(self.model, origins))

    def _report(self, content: ContentMovement | None) -> LagReport:
        report = self._lags[""].report()
        if content is None:
            return report
        return replace(report, overall=with_content(report.overall, content, self.question.relative))
