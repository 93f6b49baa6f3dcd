"""Attention by the value of a covariate, and by occurrences of an event."""

import numpy as np
import pytest

from seqcast.attention.covariate_groups import MISSING, covariate_column, covariate_groups
from seqcast.attention.inspection import Question, inspect
from seqcast.attention.lag_report import lag_report
from seqcast.attention.occurrences import LABELS, OccurrenceSums
from seqcast.errors import UsageError
from seqcast.panel.panel import Covariates, Panel
from seqcast.results.origins import Origins
from tests.forecasts import make_map
from tests.panels import full_panel, make_panel, random_model

ORIGINS = Origins(np.array([0, 1]), np.array([5, 7]))


def with_numbers(role: str, values: list[float]) -> Panel:
    """Two series of ten steps with one numeric covariate `x`."""
    numbers = Covariates(("x",), np.array(values)[:, None], (), (), np.empty((len(values), 0), np.int32))
    return make_panel([np.arange(10.0), np.arange(10.0)], **{role: numbers})


class TestGroups:
    def test_a_known_covariate_has_a_value_at_each_forecast_step(self) -> None:
        panel = with_numbers("known", [float(step % 2) for step in range(10)] * 2)
        groups = covariate_groups(panel, ORIGINS, 3, "x")
        assert groups.labels == ("0", "1", MISSING)
        assert groups.codes.tolist() == [[1, 0, 1], [1, 0, 1]]  # steps 5, 6, 7 and 7, 8, 9

    def test_a_past_one_has_that_of_the_last_step_before_the_forecast(self) -> None:
        panel = with_numbers("past", [float(step) if step != 6 else np.nan for step in range(10)] * 2)
        groups = covariate_groups(panel, ORIGINS, 3, "x")
        assert groups.labels == ("0 to 2", "2 to 4", "4 to 7", "7 to 9", MISSING)
        assert groups.codes.tolist() == [[2] * 3, [4] * 3]

    def test_a_static_one_has_that_of_the_series(self) -> None:
        panel = with_numbers("static", [3.5, 7.0])
        assert covariate_groups(panel, ORIGINS, 2, "x").codes.tolist() == [[0, 0], [1, 1]]

    def test_categories_are_groups(self) -> None:
        column = covariate_column(full_panel(), "size kind", "by")
        assert (column.role, column.labels) == ("static", ("a", "b", "c", MISSING))

    @pytest.mark.parametrize("name", ["price", "price kind", "visits", "size", "size kind"])
    def test_the_report_has_a_profile_for_each_group_with_steps(self, name: str) -> None:
        panel = full_panel()
        model = random_model(panel)
        report = inspect(model, panel, Question(windows=4, group_by=name)).report
        assert report.group_by == name
        assert MISSING not in [group.label for group in report.groups]
        for group in report.groups:
            assert group.share.sum() == pytest.approx(1, abs=1e-5)

    def test_a_name_that_is_none_is_refused_with_those_there_are(self) -> None:
        told = "--by cost is neither one of 'horizon', .*'error', nor a covariate of this run .'price', 'price kind', 'visits'"
        with pytest.raises(UsageError, match=told):
            covariate_column(full_panel(), "cost", "by")
        with pytest.raises(UsageError, match="--align cost is not a covariate: this run has none"):
            covariate_column(make_panel([np.arange(9.0)]), "cost", "align")


class TestOccurrences:
    def test_the_weight_on_the_last_occurrence_is_counted_at_occurring_steps_and_others(self) -> None:
        flags = [0.0, 1, 0, 1, 0, 1, 0, 0, 0, 0] * 2  # steps 1, 3 and 5
        panel = with_numbers("known", flags)
        origins = Origins(np.array([0]), np.array([5]))  # the forecast steps are 5 (an occurrence) and 6
        weights = np.zeros((1, 2, 5), np.float32)
        weights[0, 0, [3, 1, 0]] = 0.7, 0.2, 0.1
        weights[0, 1, 4] = 1.0
        sums = OccurrenceSums(panel, origins, 2, "x")
        lag_report(sums.watch([make_map(weights)]))
        found = sums.result()
        assert (found.num_occurring, found.num_other) == (1, 1)
        assert [row.label for row in found.rows] == list(LABELS)
        assert [row.at_occurrences for row in found.rows] == pytest.approx([0.7, 0.2, 0, 0, 0.1])
        assert [row.at_others for row in found.rows] == pytest.approx([0, 0, 0, 0, 1])
        assert [row.equal_weights for row in found.rows] == pytest.approx([0.2, 0.2, 0, 0, 0.6])

    def test_a_past_covariate_has_no_value_at_forecast_steps(self) -> None:
        panel = with_numbers("past", [0.0, 1, 0, 0, 0, 0, 0, 0, 0, 0] * 2)
        sums = OccurrenceSums(panel, Origins(np.array([0]), np.array([5])), 2, "x")
        lag_report(sums.watch([make_map(np.full((1, 2, 5), 0.2))]))
        assert sums.result().rows[0].at_occurrences is None
        assert sums.result().rows[0].at_others == pytest.approx(0.2)

    def test_what_does_not_occur_is_refused(self) -> None:
        with pytest.raises(UsageError, match="--align x: a static covariate does not occur at single steps"):
            OccurrenceSums(with_numbers("static", [1.0, 2.0]), ORIGINS, 2, "x")
        with pytest.raises(UsageError, match="--align x: the covariate has no usual value"):
            OccurrenceSums(with_numbers("known", list(np.arange(20.0))), ORIGINS, 2, "x")
