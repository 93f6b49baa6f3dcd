"""Scalers and category tables, fitted on the training part of a panel.

Targets are scaled per series, numeric covariates per column; categories become codes, 0 for unknown and missing.
All arithmetic is in float64, so a wave of 1 on a level of 1e9 survives the later step to float32.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import DataError, Place
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.notices import Names, Notice
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.wording import name_list, quoted
from seqcast.reading.table import MOST_EXAMPLES

LARGEST_SCALED_TARGET = 1e15
"""Scaled targets are limited to this size, whose square is still finite in float32."""
LARGEST_SCALED_COVARIATE = 1e6
"""Scaled covariates are limited to this size."""
MAX_CATEGORY_LENGTH = 10_000
"""Largest number of letters in a category name."""
MAX_CATEGORY_BYTES = 2**28
"""Size limit of one column's category names, in bytes: four for each letter, all names as wide as the longest."""
Role = Literal["known", "past", "static"]
ROLES: tuple[Role, ...] = ("known", "past", "static")
"""The roles of covariates, as the fields of `Panel` and `PanelScalers` call them."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Number, mean, population variance and scale of the values of each group: a series or a column."""

    count: IntArray
    mean: FloatArray
    variance: FloatArray
    scale: FloatArray

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, groups: IntArray) -> Self:
        """The moments of the given groups; those of an empty group where -1 is given."""
        absent = groups < 0
        if len(self) == 0 or absent.all():
            nothing = np.zeros(len(groups))
            return type(self)(nothing.astype(np.int64), nothing, nothing, nothing + 1)
        count = self.count[groups]
        mean, variance, scale = (each[groups] for each in (self.mean, self.variance, self.scale))
        count[absent], mean[absent], variance[absent], scale[absent] = 0, 0.0, 0.0, 1.0
        return type(self)(count, mean, variance, scale)


@dataclass(frozen=True, eq=False)
class CovariateScalers:
    """Scalers and categories of the covariates of one role."""

    numeric: Moments
    """One group per numeric column."""
    categories: tuple[NDArray[np.str_], ...]
    """The fitted names of each categorical column, sorted; the code of a name is its position + 1."""

    @property
    def num_codes(self) -> tuple[int, ...]:
        """Number of codes of each categorical column, including 0 for unknown and missing."""
        return tuple(len(names) + 1 for names in self.categories)


@dataclass(frozen=True, eq=False)
class PanelScalers:
    """Everything fitted on the training part."""

    target: Moments
    """One group per series, in the order of the panel."""
    known: CovariateScalers
    past: CovariateScalers
    static: CovariateScalers


def fit_scalers(panel: Panel, train_ends: IntArray) -> PanelScalers:
    """Fit on the first `train_ends[i]` rows of each series i; no other row is looked at.

    Raises:
        DataError: A categorical column is too large to keep.
    """
    rows = leading_rows(panel, train_ends)
    return PanelScalers(
        target=fit_target(panel, rows),
        known=_fit_covariates(panel.known, rows),
        past=_fit_covariates(panel.past, rows),
        static=_fit_covariates(panel.static, train_ends > 0),
    )


def leading_rows(panel: Panel, ends: IntArray) -> BoolArray:
    """(rows,) True on the first `ends[i]` rows of each series i."""
    return np.arange(len(panel.target)) < np.repeat(panel.offsets[:-1] + ends, panel.lengths)


def fit_target(panel: Panel, rows: BoolArray) -> Moments:
    """The moments of the observed targets of each series among `rows`."""
    used = rows & np.isfinite(panel.target)
    counts = np.bincount(panel.series_of_row[used], minlength=panel.num_series)
    return grouped_moments(panel.target[used], counts)


def grouped_moments(values: FloatArray, counts: IntArray) -> Moments:
    """Moments of groups that lie end to end in `values`, the first `counts[0]` values being group 0, and so on.

    Two passes: the mean, then the squares of the distances to it; neither cancels digits nor overflows. The scale is
    1 where the values do not differ by more than rounding; an empty group has mean 0, variance 0 and scale 1.
    """
    filled = counts > 0
    sizes = counts[filled]
    starts = np.cumsum(sizes) - sizes
    mean, variance, scale = np.zeros(len(counts)), np.zeros(len(counts)), np.ones(len(counts))
    if len(values) == 0:
        return Moments(counts, mean, variance, scale)
    highest, lowest = np.maximum.reduceat(values, starts), np.minimum.reduceat(values, starts)
    largest = np.maximum(np.abs(highest), np.abs(lowest))
    # Divided by a power of two, which is exact, values of any size have squares in range.
    exponent = np.frexp(largest)[1]
    scaled = np.ldexp(values, -np.repeat(exponent, sizes))
    center = np.add.reduceat(scaled, starts) / sizes
    center += np.add.reduceat(scaled - np.repeat(center, sizes), starts) / sizes  # what the first sum rounded away
    scaled -= np.repeat(center, sizes)
    spread = np.sqrt(np.add.reduceat(np.square(scaled, out=scaled), starts) / sizes)
    constant = np.ldexp(highest, -exponent) - np.ldexp(lowest, -exponent) <= 4 * np.finfo(np.float64).eps
    deviation = np.where(constant, 0.0, np.ldexp(spread, exponent))
    mean[filled] = np.ldexp(center, exponent)
    variance[filled] = np.square(np.minimum(deviation, np.sqrt(np.finfo(np.float64).max)))
    scale[filled] = np.where(deviation > 0, deviation, 1.0)
    return Moments(counts, mean, variance, scale)


def _fit_covariates(covariates: Covariates, rows: BoolArray) -> CovariateScalers:
    columns = [column[rows & np.isfinite(column)] for column in covariates.numeric.T]
    counts = np.array([len(column) for column in columns], dtype=np.int64)
    categorical = zip(covariates.categorical_names, covariates.categories, covariates.codes.T, strict=True)
    return CovariateScalers(
        grouped_moments(np.concatenate([np.empty(0), *columns]), counts),
        tuple(
            category_table(name, {texts[code] for code in np.unique(codes[rows & (codes >= 0)])})
            for name, texts, codes in categorical
        ),
    )


def category_table(name: str, texts: Collection[str]) -> NDArray[np.str_]:
    """The names that occur, sorted, as one array of fixed width.

    Raises:
        DataError: They are too large to keep.
    """
    # An empty name, which no table holds, stands in where none occurs: scikit-learn cannot use an empty list.
    used = sorted({*texts} - {""}) or [""]
    longest = max(map(len, used))
    if longest > MAX_CATEGORY_LENGTH or len(used) * longest * 4 > MAX_CATEGORY_BYTES:
        raise DataError(
            f"{len(used):,} categories of up to {longest:,} letters are too many to keep.",
            place=Place(column=name),
            hint="Leave this column out, or give it fewer and shorter categories.",
        )
    return np.array(used, dtype=f"U{max(longest, 1)}")


def scale_target(panel: Panel, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """(rows,) scaled targets in float64, NaN where not observed; mean and scale as in `SeriesScales`."""
    with np.errstate(over="ignore"):  # what overflows is limited just below
        scaled = panel.target - np.repeat(mean, panel.lengths)
        scaled /= np.repeat(scale, panel.lengths)
    return np.clip(scaled, -LARGEST_SCALED_TARGET, LARGEST_SCALED_TARGET, out=scaled)


def transform_numeric(scalers: CovariateScalers, covariates: Covariates) -> FloatArray:
    """(rows, numeric columns) scaled covariates in float64; a missing value becomes 0, the mean."""
    with np.errstate(over="ignore"):  # what overflows is limited just below
        scaled: FloatArray = (covariates.numeric - scalers.numeric.mean) / scalers.numeric.scale
    scaled[np.isnan(scaled)] = 0.0
    return np.clip(scaled, -LARGEST_SCALED_COVARIATE, LARGEST_SCALED_COVARIATE, out=scaled)


def encode(scalers: CovariateScalers, covariates: Covariates) -> IntArray:
    """(rows, categorical columns) fitted code of each category; 0 where unknown or missing."""
    codes = np.zeros(covariates.codes.shape, np.int64)
    for column, names in enumerate(scalers.categories):
        position = {text: index + 1 for index, text in enumerate(names.tolist())}
        # The code -1 of a missing value picks the extra entry at the end.
        table = np.array([*(position.get(text, 0) for text in covariates.categories[column]), 0])
        codes[:, column] = table[covariates.codes[:, column]]
    return codes


def require_fitted_kinds(scalers: PanelScalers, panel: Panel) -> None:
    """Check that covariates are numbers and categories where training found them so.

    Raises:
        DataError: A role has more or fewer categorical columns than in training.
    """
    for role in ROLES:
        covariates: Covariates = getattr(panel, role)
        fitted: CovariateScalers = getattr(scalers, role)
        if len(covariates.numeric_names) != len(fitted.numeric):
            texts = f" ({name_list(covariates.categorical_names)})" if covariates.categorical_names else ""
            raise DataError(
                f"{len(covariates.categorical_names)} of the {role} covariates are categories here{texts}, and "
                f"{len(fitted.categories)} were in the training data.",
                hint="Write numbers as numbers and categories as the same words.",
            )


def unknown_categories(scalers: PanelScalers, panel: Panel) -> tuple[Notice, ...]:
    """One notice for each column in which the panel has categories that were not fitted."""
    notices = []
    for role in ROLES:
        covariates: Covariates = getattr(panel, role)
        fitted: CovariateScalers = getattr(scalers, role)
        for name, texts, codes, names in zip(
            covariates.categorical_names, covariates.categories, covariates.codes.T, fitted.categories, strict=True
        ):
            strange = sorted({texts[code] for code in np.unique(codes[codes >= 0])} - set(names.tolist()))
            if strange:
                told = f"column {quoted(name)}: categories that were not in the training data count as unknown: "
                named = Names(tuple(strange), MOST_EXAMPLES)
                notices.append(Notice.summable("repair", len(strange), told, named))
    return tuple(notices)
