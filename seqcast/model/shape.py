"""The sizes of the network, in a module without torch so that run.json can be read without it."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from seqcast.config import MOST_CATEGORICAL, Length

Width = Annotated[int, Field(ge=0, le=10_000)]
"""Number of inputs of one kind."""
CategoryCounts = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000_000)], ...], Field(max_length=MOST_CATEGORICAL)]
"""Number of codes of each categorical column, 0 (unknown) included."""


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that data and configuration give the network; run.json keeps them, within these bounds."""

    horizon: Length
    context: Length
    season: Annotated[int, Field(ge=1, le=10_000_000)]
    num_past: Width
    num_known: Width
    """Known covariates and calendar features."""
    num_static: Width
    num_calendar: Width = 0
    """How many of the known inputs are calendar features."""
    past_categories: CategoryCounts = ()
    known_categories: CategoryCounts = ()
    static_categories: CategoryCounts = ()
