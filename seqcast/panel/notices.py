"""Notices of decisions and repairs: printed for a person and kept in the run."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """One line about the data.

    A `decision` is something found without being told (printed plainly); a `repair` changed or skipped something
    (printed as `warning:`).
    """

    kind: Literal["decision", "repair"]
    text: str
    count: int = 1
    """Number of rows, values or series concerned."""

    @property
    def line(self) -> str:
        """The notice as run.json keeps it."""
        return f"{self.kind}: {self.text}"
