"""Forecast steps in groups by the value of a covariate.

A known covariate has a value at each forecast step, a past one at the last step before the forecast, a static one in
each series. Categories and numbers of few values are groups each; other numbers are cut at their quartiles.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from seqcast.attention.lag_report import GROUPINGS, WindowGroups
from seqcast.errors import UsageError, option
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.wording import name_list
from seqcast.results.origins import Origins
from seqcast.tensors.scaling import ROLES, Role

MOST_VALUES = 8
"""Largest number of different numbers that are groups each."""
NUM_PARTS = 4
MISSING = "missing"


class CovariateColumn(NamedTuple):
    """One covariate, as groups."""

    role: Role
    labels: tuple[str, ...]
    codes: IntArray
    """(rows,) index of the label of each row: a step, or a series for a static covariate."""


def covariate_column(panel: Panel, name: str, asked_by: Literal["by", "align"]) -> CovariateColumn:
    """The covariate of that name.

    Raises:
        UsageError: The panel has no such covariate; `asked_by` is the option that named it.
    """
    for role in ROLES:
        covariates: Covariates = getattr(panel, role)
        if name in covariates.numeric_names:
            values = covariates.numeric[:, covariates.numeric_names.index(name)]
            return CovariateColumn(role, *_number_groups(values))
        if name in covariates.categorical_names:
            column = covariates.categorical_names.index(name)
            return CovariateColumn(
                role, *_category_groups(covariates.categories[column], covariates.codes[:, column].astype(np.int64))
            )
    names = (*panel.schema.known, *panel.schema.past, *panel.schema.static)
    covariates_text = f"a covariate of this run ({name_list(names)})" if names else "a covariate: this run has none"
    if asked_by == "align":
        raise UsageError(f"{option('align', name)} is not {covariates_text}.")
    raise UsageError(f"{option('by', name)} is neither one of {name_list(GROUPINGS)}, nor {covariates_text}.")


def covariate_groups(panel: Panel, origins: Origins, horizon: int, name: str) -> WindowGroups:
    """The groups of the forecast steps of each origin; groups without a step are left out of reports.

    Raises:
        UsageError: The panel has no such covariate.
    """
    column = covariate_column(panel, name, "by")
    return WindowGroups(column.labels, codes_of_steps(panel, origins, horizon, column))


def codes_of_steps(panel: Panel, origins: Origins, horizon: int, column: CovariateColumn) -> IntArray:
    """(W, H) code of each forecast step."""
    first = panel.offsets[origins.series] + origins.positions
    if column.role == "known":
        codes: IntArray = column.codes[first[:, None] + np.arange(horizon)]
        return codes
    rows = origins.series if column.role == "static" else first - 1
    return np.repeat(column.codes[rows][:, None], horizon, axis=1)


def _category_groups(categories: tuple[str, ...], codes: IntArray) -> tuple[tuple[str, ...], IntArray]:
    """Labels and codes, with a group for missing ones at the end."""
    return (*categories, MISSING), np.where(codes < 0, len(categories), codes)


def _number_groups(values: FloatArray) -> tuple[tuple[str, ...], IntArray]:
    """Labels and codes of numbers, with a group for missing ones at the end."""
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    if len(distinct) <= MOST_VALUES:
        labels = [f"{value:g}" for value in distinct]
        codes = np.searchsorted(distinct, values)
    else:
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, NUM_PARTS + 1)))
        labels = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
        codes = np.searchsorted(edges[1:-1], values, side="right")
    return (*labels, MISSING), np.where(known, codes, len(labels))
