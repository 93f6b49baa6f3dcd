"""The panel: many series of unequal length on one regular time axis, held as contiguous arrays."""

from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.schema import Schema

Value = TypeVar("Value")


class Gathering(Protocol):
    """Returns the values of all holders of a panel for the value of one of them."""

    def __call__(self, value: Value, /) -> list[Value]: ...


@dataclass(frozen=True)
class Covariates:
    """Covariate columns of one role; rows are steps (known, past) or series (static)."""

    numeric_names: tuple[str, ...]
    numeric: FloatArray
    """(rows, numeric columns); NaN where missing."""
    categorical_names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    """Text of each code of each categorical column, in sorted order."""
    codes: NDArray[np.int32]
    """(rows, categorical columns); -1 where missing."""

    def __post_init__(self) -> None:
        assert self.numeric.shape[1] == len(self.numeric_names)
        assert self.codes.shape[1] == len(self.categorical_names) == len(self.categories)
        assert len(self.numeric) == len(self.codes)

    @classmethod
    def empty(cls, num_rows: int) -> Self:
        """Returns covariates without columns for `num_rows` rows."""
        return cls((), np.empty((num_rows, 0)), (), (), np.empty((num_rows, 0), np.int32))

    def take(self, rows: IntArray) -> Self:
        """Returns the given rows, in the given order; a row of -1 gives missing values."""
        if not self.numeric_names and not self.categorical_names:
            return self.empty(len(rows))
        absent = rows < 0
        numeric, codes = self.numeric[rows], self.codes[rows]
        numeric[absent], codes[absent] = np.nan, -1
        return replace(self, numeric=numeric, codes=codes)


@dataclass(frozen=True, eq=False)
class Panel:
    """Series of one frequency, end to end: series i owns rows `offsets[i]:offsets[i + 1]` of every step array.

    Gaps of the table are rows here, with a missing (NaN) target, so row distance is time distance.
    """

    schema: Schema
    frequency: Frequency
    series_ids: tuple[str, ...]
    """In order of first appearance in the table."""
    starts: TimeArray
    """(series,) time of the first row of each series; integers when the time column counts steps."""
    offsets: IntArray
    """(series + 1,) first row of each series, and the number of rows."""
    target: FloatArray
    """(rows,); NaN where not observed."""
    known: Covariates
    past: Covariates
    static: Covariates

    def __post_init__(self) -> None:
        assert self.starts.dtype in (np.dtype("datetime64[us]"), np.dtype(np.int64))
        num_rows = int(self.offsets[-1])
        assert len(self.target) == len(self.known.numeric) == len(self.past.numeric) == num_rows
        assert len(self.static.numeric) == len(self.starts) == len(self.series_ids) == len(self.offsets) - 1

    @property
    def num_series(self) -> int:
        return len(self.series_ids)

    @property
    def lengths(self) -> IntArray:
        """(series,) rows of each series, missing ones included."""
        return np.diff(self.offsets)

    @property
    def whole_lengths(self) -> IntArray:
        """(series,) rows of each series, also of those whose rows another process holds."""
        return self.lengths

    @property
    def num_observed(self) -> int:
        """Number of observed targets, also of those that another process holds."""
        return int(np.isfinite(self.target).sum())

    def gathered(self, value: Value) -> list[Value]:
        """Returns the values that all processes which hold a share of this panel give: here, the given one alone."""
        return [value]

    @property
    def series_of_row(self) -> IntArray:
        """(rows,) index of the series that owns each row."""
        return np.repeat(np.arange(self.num_series), self.lengths)

    def times(self, series: IntArray, positions: IntArray) -> TimeArray:
        """Returns the times at `positions` (0 = first row; any integer) of `series`; the arrays broadcast."""
        return self.frequency.advance(self.starts[series], positions)

    def take_series(self, series: IntArray, lengths: IntArray | None = None) -> Self:
        """Returns the given series alone, in the given order; of each the first `lengths` rows, or all."""
        lengths = self.lengths[series] if lengths is None else lengths
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[series] - offsets[:-1], lengths)
        return replace(
            self,
            series_ids=tuple(self.series_ids[i] for i in series),
            starts=self.starts[series],
            offsets=offsets,
            target=self.target[rows],
            known=self.known.take(rows),
            past=self.past.take(rows),
            static=self.static.take(series),
        )
