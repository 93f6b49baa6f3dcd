"""Automatic choices: what training will do with a panel, and why, before anything is computed."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from seqcast.config import Config, ModelConfig, duration_seconds
from seqcast.errors import DataError, UsageError, option
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.calendar import recurring_cycles, resolved_cycles
from seqcast.panel.holidays import holidays_in
from seqcast.panel.notices import Notice, distinct_notices
from seqcast.panel.panel import Panel
from seqcast.panel.phases import unseen_phases
from seqcast.run.record import Choice
from seqcast.training.budget import WindowCost, choose_budget, core_seconds

USUAL_HORIZON = {4: 8, 5: 10, 7: 14, 52: 13}
"""Usual horizon by main season, where it is not one season: quarterly, business-daily, daily and weekly data."""
LONGEST_USEFUL_SEASON = 400
LARGEST_AUTOMATIC_CONTEXT = 720
MANY_SERIES = 20
CONTEXT_OF_MANY, CONTEXT_OF_FEW = 2 / 3, 1 / 2
"""Largest part of a rather short series that the automatic context takes, in a panel of many series and of few."""
FEWEST_SEGMENTS = 6
"""Segments that the automatic length leaves in a context."""
FEWEST_CLUSTERS = 5
"""Independent validation windows, or groups of them, from which something may be concluded."""


@dataclass(frozen=True)
class Split:
    """Each series in time: training rows, then validation rows, then test rows."""

    train_ends: IntArray
    """(series,) rows of the training part."""
    validation_ends: IntArray
    """(series,) rows of training and validation part; the rest is the test part."""

    @classmethod
    def of(cls, lengths: IntArray, validation_size: int, test_size: int) -> Self:
        """The split of series of the given lengths."""
        return cls(np.maximum(lengths - test_size - validation_size, 0), np.maximum(lengths - test_size, 0))


@dataclass(frozen=True)
class Plan:
    """A configuration without automatic values, and the split it means for one panel."""

    config: Config
    split: Split
    season: int
    """Main seasonal period in steps; 1 when there is none."""
    num_train_windows: int
    window_cost: WindowCost
    choices: tuple[Choice, ...]
    notices: tuple[Notice, ...]
    time_limit_seconds: float | None = None
    """Time by which the number of steps is still to be settled; None where it is settled."""

    @property
    def horizon(self) -> int:
        assert self.config.model.horizon is not None
        return self.config.model.horizon

    @property
    def context(self) -> int:
        assert self.config.model.context is not None
        return self.config.model.context

    @property
    def core_seconds(self) -> float:
        """Time that one processor core may take for all steps and refits, if no network stops early."""
        return core_seconds(self.config.training, self.window_cost)

    @property
    def cycles(self) -> tuple[str, ...]:
        """Calendar cycles the network is told the phase of."""
        assert self.config.data.calendar is not None
        return self.config.data.calendar

    def continuing(self, began: Config) -> Self:
        """Returns this plan with the values that `began`, the configuration of a begun run, has settled meanwhile."""
        config, seconds = self.config, self.time_limit_seconds
        if config.model.location is None:
            config = config.override(model={"location": began.model.location})
        if seconds is not None:
            steps = {"max_steps": began.training.max_steps, "validate_every": began.training.validate_every}
            config, seconds = config.override(training=steps), None
        return replace(self, config=config, time_limit_seconds=seconds)


def make_plan(panel: Panel, config: Config) -> Plan:
    """Replace every automatic value of `config` by one that suits `panel`.

    Raises:
        DataError: No series is long enough to train on.
        UsageError: Options contradict each other.
    """
    choices: list[Choice] = []
    config = _settle_mechanism(config, choices)
    horizon = _choose_horizon(panel, config, choices)
    test_size = config.data.test_size
    validation_size = _choose_validation(panel, config, horizon, choices)
    split = Split.of(panel.whole_lengths, validation_size, test_size)
    train_lengths = split.train_ends
    context = _choose_context(panel, config, horizon, train_lengths, choices)
    cycles = _choose_calendar(panel, config, train_lengths, choices)
    if config.data.holidays:
        choices.append(Choice("holidays", *holidays_in(panel, config.data.holidays)))
    segment = _choose_segment(config, main_season(panel), context, horizon, choices)
    num_windows = _count_windows(panel, train_lengths, context, horizon, test_size + validation_size)
    own_queries = bool(panel.known.numeric_names or panel.known.categorical_names or config.data.holidays)
    cost = WindowCost(context, horizon, segment, own_queries)
    batch_size, max_steps, every = choose_budget(config.training, cost, num_windows, choices)
    non_negative = _choose_non_negative(panel, config, train_lengths, choices)
    resolved = config.override(
        data={"validation_size": validation_size, "calendar": cycles, "non_negative": non_negative},
        model={"horizon": horizon, "context": context, "segment": segment},
        training={"batch_size": batch_size, "max_steps": max_steps, "validate_every": every},
    )
    _require_observed(panel, split, validation_size)
    notices = (
        *_short_series(panel, train_lengths, context + horizon),
        *_unjudged(panel, split, context, horizon),
        *_below_zero(panel, resolved, train_lengths),
        *distinct_notices(panel.gathered(tuple(unseen_phases(panel, split.validation_ends).notices(panel)))),
    )
    time_limit = config.training.time_limit if config.training.max_steps is None else None
    seconds = None if time_limit is None else duration_seconds(time_limit)
    return Plan(resolved, split, main_season(panel), num_windows, cost, tuple(choices), notices, seconds)


def _require_observed(panel: Panel, split: Split, validation_size: int) -> None:
    """Check that there is something to learn from, and something to judge by.

    Raises:
        DataError: The training part or the validation part of all series together has no observed value.
    """
    observed = np.isfinite(panel.target)
    if all(panel.gathered(bool(observed.all()))):
        return
    steps = np.arange(len(panel.target)) - np.repeat(panel.offsets[:-1], panel.lengths)
    is_train = steps < np.repeat(split.train_ends, panel.lengths)
    is_validation = ~is_train & (steps < np.repeat(split.validation_ends, panel.lengths))
    if not any(panel.gathered(bool(observed[is_validation].any()))):
        raise DataError(
            f"no value is observed in the {validation_size} steps at the end of each series that validation needs.",
            hint=f"Cut off the end without values, or give a greater {option('validation_size')}.",
        )
    if not any(panel.gathered(bool(observed[is_train].any()))):
        raise DataError(
            f"no value is observed in the training part, before the {validation_size} steps for validation.",
            hint=f"Give more data, or a smaller {option('validation_size')} or {option('test_size')}.",
        )


def main_season(panel: Panel) -> int:
    """Shortest natural season of the frequency in steps, 1 when it has none."""
    return panel.frequency.seasons[0] if panel.frequency.seasons else 1


def _settle_mechanism(config: Config, choices: list[Choice]) -> Config:
    """Switch off the options that have no meaning without attention, and say so."""
    model, attends = config.model, config.model.attention != "none"
    waits = {
        "autoregressive decoding": model.decoding == "autoregressive",
        "input feeding": attends and model.input_feeding,
        "an additive score asked by the previous state": attends
        and (model.score, model.additive_order) == ("additive", "previous"),
        "a hybrid score": attends and model.score == "hybrid",
    }
    if any(waits.values()):
        reason = ", ".join(name for name, applies in waits.items() if applies)
        choices.append(Choice("decoder", "one step after the other", f"{reason}: slower than all steps at once"))
    if not attends and model.score != ModelConfig().score:
        choices.append(Choice("score", "not used", "there is no attention to score"))
    if not attends and (model.copy_gate or model.lag_bias):
        choices.append(Choice("copy, lag bias", "off", "there is no attention to copy by"))
        return config.override(model={"copy_gate": False, "lag_bias": False})
    return config


def _choose_horizon(panel: Panel, config: Config, choices: list[Choice]) -> int:
    if config.model.horizon is not None:
        return config.model.horizon
    frequency, longest = panel.frequency, int(panel.whole_lengths.max())
    season = main_season(panel)
    shortest = 12 if frequency.unit == "integer" else 6
    wanted = USUAL_HORIZON.get(season, max(shortest, min(season, 96)))
    horizon = max(1, min(wanted, longest // 6))
    choices.append(Choice("horizon", str(horizon), f"{frequency.duration(horizon)}, usual for this frequency"))
    return horizon


def _choose_validation(panel: Panel, config: Config, horizon: int, choices: list[Choice]) -> int:
    if config.data.validation_size is not None:
        if config.data.validation_size < horizon:
            raise UsageError(
                f"{option('validation_size', config.data.validation_size)} is shorter than the horizon of {horizon}.",
                hint=f"Give at least {horizon}.",
            )
        return config.data.validation_size
    typical = int(np.median(panel.whole_lengths)) - config.data.test_size
    tenth, fifth = typical // 10, typical // 5
    size, reason = max(tenth, horizon), "a tenth of a series" if tenth >= horizon else "one horizon"
    enough = (FEWEST_CLUSTERS + 1) * horizon  # holds so many windows that do not overlap, wherever they begin
    if panel.num_series * (size // horizon) < FEWEST_CLUSTERS and size < min(enough, fifth):
        size, reason = min(enough, fifth), "a fifth of a series" if fifth < enough else f"{enough // horizon} horizons"
    if size > 10 * horizon:
        size, reason = 10 * horizon, "ten horizons"
    choices.append(Choice("validation size", f"{size} steps", f"{reason}, at the end of each series"))
    return size


def _choose_context(panel: Panel, config: Config, horizon: int, train_lengths: IntArray, choices: list[Choice]) -> int:
    if config.model.context is not None:
        return config.model.context
    useful = [season for season in panel.frequency.seasons if season <= LONGEST_USEFUL_SEASON]
    wanted = max([3 * horizon, 32, *(3 * season for season in useful), *(5 * season for season in useful[:1])])
    reason = "three of the longest season" if useful and wanted == 3 * useful[-1] else "three horizons or five seasons"
    if wanted > LARGEST_AUTOMATIC_CONTEXT:
        reason = "the most that is chosen without being asked"
    # Most series must give several windows, so the context is at most a part of a rather short series.
    part = CONTEXT_OF_MANY if panel.num_series >= MANY_SERIES else CONTEXT_OF_FEW
    room = int((int(np.quantile(train_lengths, 0.2)) - horizon) * part)
    context = max(1, min(wanted, LARGEST_AUTOMATIC_CONTEXT))
    if room < context:
        context, reason = max(1, room), "as long as the series allow"
    choices.append(Choice("context", f"{context} steps", f"{panel.frequency.duration(context)}: {reason}"))
    return context


def _choose_calendar(panel: Panel, config: Config, train_lengths: IntArray, choices: list[Choice]) -> tuple[str, ...]:
    resolved = resolved_cycles(panel.frequency)
    if config.data.calendar is not None:
        unknown = [name for name in config.data.calendar if name not in resolved]
        if unknown:
            known = ", ".join(resolved) or "none"
            name = panel.frequency.name
            raise UsageError(f"calendar: data of this frequency ({name}) has no cycle {unknown[0]!r}; it has: {known}.")
        return config.data.calendar
    cycles = recurring_cycles(panel.frequency, panel.starts, panel.frequency.advance(panel.starts, train_lengths))
    if resolved:
        choices.append(Choice("calendar", ", ".join(cycles) or "none", "the cycles that training sees twice"))
    return cycles


def _choose_non_negative(panel: Panel, config: Config, train_lengths: IntArray, choices: list[Choice]) -> bool:
    """Whether no forecast may be below zero.

    Raises:
        UsageError: Whole numbers are asked for, and training values are not.
    """
    values = _training_values(panel, train_lengths)
    own = values[values != np.rint(values)] if config.data.integer else values[:0]
    num_broken = sum(panel.gathered(len(own)))
    if num_broken:
        example = next(value for values in panel.gathered(own[:1].tolist()) for value in values)
        raise UsageError(
            f"{option('integer')}: {num_broken:,} training values are not whole numbers, such as {example:g}.",
            hint=f"Leave {option('integer')} out.",
        )
    if config.data.non_negative is not None:
        return config.data.non_negative
    least = min(panel.gathered(float(values.min(initial=np.inf))))
    is_on = 0 <= least < np.inf
    if is_on:
        choices.append(Choice("non-negative", "on", "no training value is below zero, so no forecast will be"))
    return is_on


def _training_values(panel: Panel, train_lengths: IntArray) -> FloatArray:
    """The observed targets of the training part."""
    steps = np.arange(len(panel.target)) - np.repeat(panel.offsets[:-1], panel.lengths)
    values: FloatArray = panel.target[(steps < np.repeat(train_lengths, panel.lengths)) & np.isfinite(panel.target)]
    return values


def _below_zero(panel: Panel, config: Config, train_lengths: IntArray) -> tuple[Notice, ...]:
    """A warning where values contradict a lower limit of zero."""
    own = int(np.sum(_training_values(panel, train_lengths) < 0)) if config.data.non_negative else 0
    count = sum(panel.gathered(own))
    text = f"{count:,} training values are below zero; where the context has such values, forecasts may be too"
    return (Notice("repair", text, count),) if count else ()


def _choose_segment(config: Config, season: int, context: int, horizon: int, choices: list[Choice]) -> int:
    if config.model.segment is not None:
        if config.model.segment > context:
            raise UsageError(
                f"a segment of {config.model.segment} steps is longer than the context of {context}.",
                hint=f"Give {option('segment')} of at most {context}, or a greater {option('context')}.",
            )
        return config.model.segment
    longest = max(1, min(horizon, context // FEWEST_SEGMENTS))
    divisors = [length for length in range(1, longest + 1) if season % length == 0]
    segment = divisors[-1] if season > 1 else longest
    reason = f"it divides the season of {season}" if season > 1 else "there is no season to divide"
    parts = f"{-(-context // segment)} in the context, {-(-horizon // segment)} in the horizon"
    choices.append(Choice("segment", f"{segment} steps", f"{parts}; {reason}"))
    return segment


def _count_windows(panel: Panel, train_lengths: IntArray, context: int, horizon: int, held_out: int) -> int:
    """Number of training windows.

    Raises:
        DataError: There is none.
    """
    counts = np.maximum(train_lengths - context - horizon + 1, 0)
    if not counts.sum():
        longest = int(panel.whole_lengths.max())
        needed = context + horizon + held_out
        raise DataError(
            f"the longest series has {longest} steps; a context of {context}, a horizon of {horizon} and "
            f"{held_out} held-out steps need {needed}.",
            hint=f"Give more data, or a smaller {option('context')}, {option('horizon')}, "
            f"{option('validation_size')} or {option('test_size')}.",
        )
    return int(counts.sum())


def _unjudged(panel: Panel, split: Split, context: int, horizon: int) -> tuple[Notice, ...]:
    """A warning where no validation window has something to see and something to be judged by."""
    observed = np.isfinite(panel.target)
    if all(panel.gathered(bool(observed.all()))):
        return ()
    num_seen = np.append(0, np.cumsum(observed))
    start = np.repeat(panel.offsets[:-1], panel.lengths)
    row = np.arange(len(panel.target))
    first, last = (
        start + np.repeat(ends, panel.lengths) for ends in (split.train_ends, split.validation_ends - horizon)
    )
    row, start = (each[(row >= first) & (row <= last) & (row > start)] for each in (row, start))
    past = num_seen[row] - num_seen[np.maximum(row - context, start)]
    if any(panel.gathered(bool(np.any((past > 0) & (num_seen[row + horizon] > num_seen[row]))))):
        return ()
    text = "no validation window has a value both in its context and in its horizon, so no weights can be judged"
    return (Notice("repair", f"{text}; the first ones are kept"),)


def _short_series(panel: Panel, train_lengths: IntArray, needed: int) -> tuple[Notice, ...]:
    short = np.flatnonzero(train_lengths < needed)
    if not len(short):
        return ()
    named = ", ".join(repr(panel.series_ids[i]) for i in short[:5]) + (", ..." if len(short) > 5 else "")
    text = (
        f"{len(short)} of {panel.num_series} series have fewer than {needed} training steps and are not trained on "
        f"(they are still forecast): {named}"
    )
    return (Notice("repair", text, len(short)),)
