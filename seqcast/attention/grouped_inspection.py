"""The attended lags of a table that is read in groups of series, equal to those of the whole table.

Lags are summed while the groups pass. Which windows content is compared on, and which series the seasons are found on,
is only known once all have passed; there are few of them, and they are read again.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import numpy as np

from seqcast.attention.content import MOST_WINDOWS, ContentMovement, content_movement, moved_back, num_varied
from seqcast.attention.implied_forecast import ImpliedSums
from seqcast.attention.inspection import Inspection, Question, with_content
from seqcast.attention.lag_report import LagReport, LagSums
from seqcast.attention.seasons import check_seasons
from seqcast.forecasting import find_attention_maps, no_origin
from seqcast.panel.arrays import IntArray, evenly_spread
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.panel.seasonality import MOST_SERIES
from seqcast.results.origins import Origins, known_range, spread_origins
from seqcast.run.load import TrainedModel


@dataclass
class GroupedInspection:
    """Sums over the groups that have passed."""

    model: TrainedModel
    question: Question
    _implied: ImpliedSums | None = field(default=None, init=False)
    _lags: dict[str, LagSums] = field(default_factory=dict, init=False)
    """Of the model itself, under an empty name, and of each part that is wanted apart."""
    _known: list[tuple[IntArray, IntArray]] = field(default_factory=list, init=False)
    """First and last origin with a known truth of each series."""

    def add(self, panel: Panel) -> tuple[Notice, ...]:
        """Add the windows of a group of series; returns what was noticed.

        Raises:
            UsageError: The model has no attention, or two questions contradict each other.
        """
        model, question = self.model, self.question
        self._known.append(known_range(panel, model.horizon, model.context))
        found = find_attention_maps(model, panel, question.num_windows, question.origin)
        if found is None:
            return ()
        if self._implied is None:
            self._implied = ImpliedSums(panel, model.season)
        for attention in self._implied.watch(found.maps):
            if "" not in self._lags:
                self._lags[""] = LagSums(attention, question.relative, question.group_by, None)
            self._lags[""].add(attention)
        for name in model.parts if question.parts else ():
            apart = find_attention_maps(model.part(name), panel, question.num_windows, question.origin)
            for attention in apart.maps if apart is not None else ():
                if name not in self._lags:
                    self._lags[name] = LagSums(attention, question.relative, "horizon", None)
                self._lags[name].add(attention)
        return found.notices

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
