"""The verdict on attended lags: what was measured about them, and what follows from it, in words.

Every effect is in units of the forecast's own spread, the mean distance of a forecast from the mean of its context, so
that it is never a part of an error that may be zero.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from seqcast.attention.changed_weights import Effect, LastValue
from seqcast.panel.wording import counted

Verdict = Literal["faithful", "weak", "contradicted", "the last value", "nothing to attend"]

SIGNIFICANCE = 0.01
"""Largest two-sided p-value of an effect that is more than chance."""
CLEAR_RATIO = 2.0
"""Faithful attention moves the forecast at least this many times as much as other lags do."""
CLEAR_LOSS = 0.1
"""Smallest clear increase of the error, in units of the forecast's spread."""
SMALL_LOSS = 0.02
"""Largest increase of the error that costs nothing, in the same units."""
REPEATED = 0.9
"""Part of the forecast's variation that the last value explains, at least, in a forecast that repeats it."""
SMALL_PART = 0.1
"""A lag is interchangeable with others when removing it alone costs at most this part of removing all of them."""
_LARGEST_RATIO = 100


@dataclass(frozen=True)
class BandEffect:
    """The effects of one attended band."""

    first_lag: int
    last_lag: int
    peak_duration: str
    share: float
    removed: Effect
    """Without the weights of the band."""
    moved: Effect
    """With these weights on random bands of equal width that were not attended."""
    replaced: Effect
    """Without the values of the band."""
    replaced_control: Effect
    """Without the values of random bands of equal width that were not attended."""
    equivalent: tuple[int, ...] = ()
    """Multiples and parts of the lag to which its weights can move without cost, as in an exact season."""

    @property
    def name(self) -> str:
        """The lags in words."""
        return f"lag {self.first_lag}" if self.first_lag == self.last_lag else f"lags {self.first_lag}-{self.last_lag}"


@dataclass(frozen=True)
class Ranking:
    """Whether the effect of a lag rises with its weight, over the lags whose weight is worth ranking."""

    correlation: float
    """Spearman's, of mean weight and effect of replacing the value."""
    p_value: float
    num_lags: int


@dataclass(frozen=True)
class Faithfulness:
    """What was measured about the attended lags."""

    judged: str
    """Whose lags they are, such as "the linear fit"."""
    spread: float
    """The unit of all effects: mean distance of a forecast from the mean of its context, in standard deviations of the
    window."""
    without: Effect
    """The effect of forecasting the mean of the context instead, as if nothing were attended."""
    last_value: LastValue
    bands: tuple[BandEffect, ...]
    """By falling share."""
    together: Effect
    """Without the weights of all bands."""
    shuffled: Effect
    """Mean effect of shuffling all weights."""
    shuffles_beaten: float
    """Part of the shuffles that increase the error."""
    ranking: Ranking | None
    """None where too few lags carry weight, or all have the same effect."""
    num_windows: int
    repeats_after: int | None = None
    """Lag after which the changes of the data repeat most; None if they do not."""

    @property
    def rank_correlation(self) -> float | None:
        """The correlation of the ranking, if there is one."""
        return None if self.ranking is None else self.ranking.correlation

    @property
    def interchangeable(self) -> tuple[BandEffect, ...]:
        """Bands that are not missed alone, although removing all of them together costs clearly."""
        if not _clearly_worse(self.together):
            return ()
        small = [band for band in self.bands if band.removed.error_change <= SMALL_PART * self.together.error_change]
        return tuple(small) if len(small) > 1 else ()

    @property
    def verdict(self) -> Verdict:
        """What the numbers say."""
        return judge(self)[0]

    @property
    def reason(self) -> str:
        """Why, in words."""
        return judge(self)[1]

    def as_dict(self) -> dict[str, object]:
        """The numbers of the printed report under the same names."""
        verdict, reason = judge(self)
        names = [band.name for band in self.interchangeable]
        found = {"verdict": verdict, "reason": reason, "rank_correlation": self.rank_correlation}
        found["ratio"] = ratio(self) if self.bands else None
        return {**found, **asdict(self), "interchangeable": names}


def judge(found: Faithfulness) -> tuple[Verdict, str]:
    """The verdict and its numbers in words. Only differences that chance rarely produces count.

    *the last value*: the forecast repeats the last observed value, and is no better. *nothing to attend*: the mean of
    the context is as good a forecast, and the data do not repeat. *contradicted*: the forecast is better without what
    is attended, or other lags matter clearly more, or the mean is as good although the data repeat. *faithful*: values
    in the attended bands move the forecast `CLEAR_RATIO` times as much as others, the error grows by `CLEAR_LOSS` when
    the weights of all bands are removed, and every shuffle increases it. *weak*: anything else, and why is said first.
    """
    simple = _judged_without_bands(found)
    if simple is not None:
        return simple
    against = _against(found)
    if against:
        return "contradicted", f"{'; '.join(against)}; {_numbers(found)}"
    lacking = _lacking(found)
    return ("weak", f"{'; '.join(lacking)}; {_numbers(found)}") if lacking else ("faithful", _numbers(found))


def _judged_without_bands(found: Faithfulness) -> tuple[Verdict, str] | None:
    """The verdict of a forecast that is as simple as one without attention; None if its bands decide."""
    without, spread = found.without, "of the forecast's spread"
    if _repeats_last_value(found.last_value):
        return "the last value", (
            f"the forecast repeats it (lag 1 by origin): it explains {100 * found.last_value.explained:.0f} % of the "
            "forecast's variation and is as good a forecast; lags by target are that one value seen from each step"
        )
    if without.p_value is None:
        return "weak", f"{counted(found.num_windows, 'window')} of so few series and times cannot be told from chance"
    if not _more_than_chance(without) or abs(without.error_change) <= SMALL_LOSS:
        if found.repeats_after is not None:
            return "contradicted", (
                "the forecast is no better than the mean of the context, although the data repeat after lag "
                f"{found.repeats_after}"
            )
        larger = "larger" if without.error_change >= 0 else "smaller"
        return "nothing to attend", (
            "removing everything costs nothing: the mean of the context is as good a forecast (its error is "
            f"{percent(abs(without.error_change))} {spread} {larger}{_told_chance(without)})"
        )
    if without.error_change < 0:
        return "contradicted", (
            "the forecast is worse than the mean of the context: without attending to anything the error is "
            f"{percent(-without.error_change)} {spread} smaller"
        )
    return None if found.bands else ("weak", "no lag stands out of equal weights, so there is none to verify")


def ratio(found: Faithfulness) -> float:
    """How many times as much as others the attended values move the forecast, weighted by the share of the bands."""
    moved = _mean(found.bands, [band.replaced.forecast_change for band in found.bands])
    others = _mean(found.bands, [band.replaced_control.forecast_change for band in found.bands])
    return moved / max(others, 1e-9)


def percent(change: float) -> str:
    """An effect as a part of the forecast's spread."""
    return f"{100 * change:.0f} %"


def _grows(change: float) -> str:
    """A change of the error in words."""
    return f"{'grows' if change >= 0 else 'shrinks'} by {percent(abs(change))}"


def _against(found: Faithfulness) -> list[str]:
    """What speaks against the attended lags beyond chance, in words."""
    told = []
    if ratio(found) <= 1 / CLEAR_RATIO:
        told.append("other values move the forecast clearly more")
    changed = (("without the attended weights", found.together), ("with shuffled weights", found.shuffled))
    told += [
        f"the forecast is better {how}"
        for how, effect in changed
        if effect.error_change < -SMALL_LOSS and _more_than_chance(effect)
    ]
    if found.ranking is not None and found.ranking.correlation < 0 and found.ranking.p_value < SIGNIFICANCE:
        told.append("lags with more weight have less effect")
    return told


def _lacking(found: Faithfulness) -> list[str]:
    """What faithful attention would show beyond chance and this one does not, in words."""
    told = []
    if ratio(found) < CLEAR_RATIO:
        told.append("attended values move the forecast little more than others do")
    changed = (("removing the attended weights", found.together), ("shuffling the weights", found.shuffled))
    for what, effect in changed:
        if effect.error_change < CLEAR_LOSS:
            told.append(f"{what} costs little")
        elif not _more_than_chance(effect):
            few = "too few windows tell whether" if effect.p_value is None else "it may be chance that"
            told.append(f"{few} {what} costs anything")
    if found.shuffles_beaten < 1:
        told.append("some shuffled weights are as good")
    return told


def _numbers(found: Faithfulness) -> str:
    """The numbers in words."""
    times = ratio(found)
    shown = f"more than {_LARGEST_RATIO}" if times > _LARGEST_RATIO else f"{times:.1f}"
    worse = f"the error {_grows(found.together.error_change)} of the forecast's spread without the weights of"
    shuffled = f"it {_grows(found.shuffled.error_change)} with shuffled ones"
    beaten = f"own weights beat {100 * found.shuffles_beaten:.0f} % of those"
    parts = [
        f"attended values move the forecast {shown} times as much as others",
        f"{worse} the bands{_told_chance(found.together)}, {shuffled} ({beaten})",
        *_interchangeable(found),
    ]
    if found.ranking is None:
        parts.append("too few lags carry weight to rank them")
    else:
        rank = found.ranking
        sign = "beyond chance" if rank.p_value < SIGNIFICANCE else "which may be chance"
        parts.append(f"rank correlation of weight and effect {rank.correlation:.2f} over {rank.num_lags} lags, {sign}")
    return "; ".join(parts)


def _interchangeable(found: Faithfulness) -> list[str]:
    """The lags that can stand for each other, in words."""
    told = []
    if found.interchangeable:
        names = ", ".join(band.name.split()[1] for band in found.interchangeable)
        told.append(f"lags {names} are interchangeable: one alone is not missed, all together are")
    for band in found.bands:
        if band.equivalent and band not in found.interchangeable:
            others = " or ".join(map(str, band.equivalent))
            told.append(f"{band.name} is interchangeable with {others}: the same weights there cost nothing")
    return told


def _repeats_last_value(found: LastValue) -> bool:
    """Whether the forecast is the last value, and no better than it."""
    better = _more_than_chance(found.instead) and found.instead.error_change > SMALL_LOSS
    return found.explained >= REPEATED and not better


def _clearly_worse(effect: Effect) -> bool:
    return effect.error_change >= CLEAR_LOSS and _more_than_chance(effect)


def _more_than_chance(effect: Effect) -> bool:
    """Whether the error changes beyond chance; too few windows to tell count as chance."""
    return effect.p_value is not None and effect.p_value < SIGNIFICANCE


def _told_chance(effect: Effect) -> str:
    if effect.p_value is None:
        return ", too few windows to tell from chance"
    return "" if effect.p_value < SIGNIFICANCE else ", no more than chance"


def _mean(bands: tuple[BandEffect, ...], values: list[float]) -> float:
    total = sum(band.share for band in bands)
    return sum(value * band.share for value, band in zip(values, bands, strict=True)) / total
