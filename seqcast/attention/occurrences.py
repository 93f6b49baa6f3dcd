"""Attention counted back to the occurrences of an event instead of steps.

A forecast that looks up the last event attends to a different lag each time, so a profile by lag smears it. An
occurrence is a context step at which the covariate does not have its usual value, the most frequent one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from seqcast.attention.covariate_groups import codes_of_steps, covariate_column
from seqcast.errors import UsageError, option
from seqcast.panel.arrays import BoolArray, FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.forecast import AttentionMap
from seqcast.results.origins import Origins

LABELS = ("the last occurrence", "the second last", "the third last", "earlier occurrences", "other steps")
NUM_COUNTED = 3
"""Occurrences that have a row each."""
MOST_OCCURRENCES = 0.5
"""Largest part of the steps without the usual value; more of them are no occurrences."""


@dataclass(frozen=True)
class OccurrenceRow:
    """The shares of the attention on one kind of context step."""

    label: str
    at_occurrences: float | None
    """At forecast steps that are occurrences themselves; None without any, and for a past covariate."""
    at_others: float | None
    """At all other forecast steps; None without any."""
    equal_weights: float
    """Under equal weights on all context steps."""


@dataclass(frozen=True)
class Occurrences:
    """The attention by occurrences of one covariate."""

    covariate: str
    num_occurring: int
    """Forecast steps that are occurrences themselves."""
    num_other: int
    rows: tuple[OccurrenceRow, ...]

    @property
    def num_steps(self) -> int:
        """All forecast steps."""
        return self.num_occurring + self.num_other

    def as_dict(self) -> dict[str, object]:
        """The printed numbers."""
        return asdict(self) | {"num_steps": self.num_steps}


class OccurrenceSums:
    """Sums over streaming attention maps."""

    def __init__(self, panel: Panel, origins: Origins, horizon: int, name: str) -> None:
        """Prepare to count occurrences of a covariate; the maps will be those of the origins, in their order.

        Raises:
            UsageError: There is no such covariate, or it is static, or has no usual value.
        """
        column = covariate_column(panel, name, "align")
        if column.role == "static":
            raise UsageError(f"{option('align', name)}: a static covariate does not occur at single steps.")
        counts = np.bincount(column.codes, minlength=len(column.labels))
        usual = int(np.argmax(counts))
        if counts[usual] < (1 - MOST_OCCURRENCES) * counts.sum():
            raise UsageError(
                f"{option('align', name)}: the covariate has no usual value, so no step of it is an occurrence.",
                hint="Name one that marks events, such as a flag that is mostly 0.",
            )
        self._name, self._panel, self._origins = name, panel, origins
        self._occurs = column.codes != usual
        self._asked = np.zeros((len(origins), horizon), bool)
        if column.role == "known":
            self._asked = codes_of_steps(panel, origins, horizon, column) != usual
        self._seen = 0
        self._sums, self._steps = np.zeros((2, len(LABELS))), np.zeros(2, np.int64)
        self._equal = np.zeros(len(LABELS))

    def watch(self, maps: Iterable[AttentionMap]) -> Iterator[AttentionMap]:
        """Yield the same maps and add each of them."""
        for attention in maps:
            self._add(attention)
            yield attention

    def result(self) -> Occurrences:
        """The shares of all maps that have passed."""
        shares = self._sums / np.maximum(self._steps, 1)[:, None]
        equal = self._equal / max(self._seen, 1)
        asked, other = (
            row.tolist() if count else [None] * len(LABELS) for row, count in zip(shares, self._steps, strict=True)
        )
        rows = tuple(map(OccurrenceRow, LABELS, asked, other, equal.tolist()))
        return Occurrences(self._name, int(self._steps[0]), int(self._steps[1]), rows)

    def _add(self, attention: AttentionMap) -> None:
        num_windows, _, context = attention.weights.shape
        part = slice(self._seen, self._seen + num_windows)
        kinds = self._kinds(self._origins[part], context)  # (windows, context, kinds)
        by_kind = attention.weights.astype(np.float64) @ kinds  # (windows, horizon, kinds)
        asked = self._asked[part]
        for row, steps in enumerate((asked, ~asked)):
            self._sums[row] += by_kind[steps].sum(axis=0)
            self._steps[row] += steps.sum()
        seen = attention.observed[..., None]
        self._equal += ((kinds * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)).sum(axis=0)
        self._seen += num_windows

    def _kinds(self, origins: Origins, context: int) -> FloatArray:
        """(W, S, kinds) 1 for the kind of each context step, in the order of `LABELS`."""
        positions = origins.positions[:, None] + np.arange(-context, 0)
        rows = self._panel.offsets[origins.series][:, None] + np.maximum(positions, 0)
        occurs: BoolArray = self._occurs[rows] & (positions >= 0)
        rank = np.cumsum(occurs[:, ::-1], axis=1)[:, ::-1] - 1  # 0 for the last occurrence
        kind = np.where(occurs, np.minimum(rank, NUM_COUNTED), len(LABELS) - 1)
        return np.eye(len(LABELS))[kind]
