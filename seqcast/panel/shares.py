"""The share of a panel that one of several processes holds."""

from dataclasses import dataclass
from typing import TypeVar

from seqcast.panel.arrays import IntArray
from seqcast.panel.panel import Gathering, Panel

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class PanelShare(Panel):
    """A panel of which only some series have their rows here; the others have none, but a name, a start and statics.

    So the numbers of the series are those of the whole panel in every process.
    """

    length_in_all: IntArray
    """(series,) rows of each series where it is held."""
    observed_in_all: int
    """Observed targets of all series."""
    exchange: Gathering
    """Returns the values that all holders give, in the order of their ranks; all of them have to call it."""

    @property
    def whole_lengths(self) -> IntArray:
        return self.length_in_all

    @property
    def num_observed(self) -> int:
        return self.observed_in_all

    def gathered(self, value: Value) -> list[Value]:
        return self.exchange(value)
