"""How the errors of the steps of one forecast belong together: a Gaussian copula of few parts.

The normal scores of the truths of one window (its probability integral transforms on the normal scale) have a
correlation matrix that is a mixture of known ones, each with a share:

    common        1                      one error of the whole forecast, such as a wrong level
    walk          sqrt(s / t), s < t     errors that add up from step to step, as those of a random walk
    season        1 if t - s is a whole number of seasons, else 0
    cycle, half_cycle   cos(2 pi (t - s) / season), and the same of half a season
    decay_n       exp(-(t - s) / n)      errors of the first order autoregression that forget within n steps

The rest is independent from step to step. A mixture with shares is a correlation matrix whatever the shares are, and
its paths are sums of simple processes, so no matrix of the size of the horizon is ever needed.

A Gaussian copula over forecast steps: Pinson, Madsen, Nielsen, Papaefthymiou and Klöckl (2009). Over series: Salinas,
Bohlke-Schneider, Callot, Medico and Gasthaus (2019). Beside other ways to join marginal distributions: Schefzik,
Thorarinsdottir and Gneiting (2013).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from seqcast.panel.arrays import FloatArray, IntArray

DependencePart = Literal[
    "common", "walk", "season", "cycle", "half_cycle",
    "decay_1", "decay_2", "decay_4", "decay_8", "decay_16",
    "decay_32", "decay_64", "decay_128", "decay_256", "decay_512",
]  # fmt: skip
PARTS: tuple[DependencePart, ...] = get_args(DependencePart)


@dataclass(frozen=True)
class StepDependence:
    """The shares of the parts in the correlation of the steps of a forecast."""

    shares: Mapping[DependencePart, float]
    """Positive, with a sum of at most 1; steps are independent for the rest."""
    season: int
    """Steps of one season; 1 for none."""

    def correlation(self, steps: IntArray) -> FloatArray:
        """(n, n) correlation of the steps (n,), which count from 1."""
        found = (1 - sum(self.shares.values())) * np.eye(len(steps))
        for part, share in self.shares.items():
            found += share * part_correlation(part, steps, self.season)
        return found

    def paths(self, seed: tuple[int, ...], horizon: int) -> "PathStream":
        """An endless stream of paths of `horizon` steps that is a function of the seed."""
        return PathStream(self, seed, horizon)


def part_correlation(part: DependencePart, steps: IntArray, season: int) -> FloatArray:
    """(n, n) correlation of the steps (n,), which count from 1, in one part alone."""
    apart: IntArray = np.abs(steps[:, None] - steps)
    found: FloatArray
    if part == "common":
        found = np.ones(apart.shape)
    elif part == "walk":
        found = np.sqrt(np.minimum(steps[:, None], steps) / np.maximum(steps[:, None], steps))
    elif part == "season":
        found = (apart % season == 0).astype(np.float64)
    elif part.endswith("cycle"):
        found = np.cos(2 * np.pi * apart / _cycle_steps(part, season))
    else:
        found = np.exp(-apart / _memory(part))
    return found


class PathStream:
    """Standard normal scores of path after path, whose steps correlate as a `StepDependence` says.

    Each part of the dependence has a random generator of its own, so paths do not depend on how many are taken at once.
    """

    def __init__(self, dependence: StepDependence, seed: tuple[int, ...], horizon: int) -> None:
        self.season, self.horizon = dependence.season, horizon
        rest = max(0.0, 1 - sum(dependence.shares.values()))
        self.shares: dict[DependencePart | None, float] = dict(dependence.shares.items())
        self.shares[None] = rest
        number = {part: place for place, part in enumerate((None, *PARTS))}
        self.generators = {
            part: np.random.Generator(np.random.PCG64(np.random.SeedSequence((*seed, number[part]))))
            for part in self.shares
        }

    def take(self, num_paths: int) -> FloatArray:
        """(num_paths, horizon) the next paths."""
        found = np.zeros((num_paths, self.horizon))
        for part, share in self.shares.items():
            if share > 0:
                found += np.sqrt(share) * self._draw(part, num_paths)
        return found

    def _draw(self, part: DependencePart | None, num_paths: int) -> FloatArray:
        """Standard normal scores (num_paths, horizon or 1) of one part alone; None: independent steps."""
        steps = np.arange(1, self.horizon + 1)
        if part == "common":
            return self._normal(part, num_paths, 1)
        if part == "season":
            return self._normal(part, num_paths, self.season)[:, (steps - 1) % self.season]
        if part is not None and part.endswith("cycle"):
            both = self._normal(part, num_paths, 2)
            angle = 2 * np.pi * steps / _cycle_steps(part, self.season)
            turned: FloatArray = both[:, :1] * np.cos(angle) + both[:, 1:] * np.sin(angle)
            return turned
        drawn = self._normal(part, num_paths, self.horizon)
        if part == "walk":
            drawn = np.cumsum(drawn, axis=1) / np.sqrt(steps)
        elif part is not None:
            kept = np.exp(-1 / _memory(part))
            drawn[:, 1:] *= np.sqrt(1 - kept**2)
            for step in range(1, self.horizon):
                drawn[:, step] += kept * drawn[:, step - 1]
        return drawn

    def _normal(self, part: DependencePart | None, num_paths: int, num_values: int) -> FloatArray:
        return self.generators[part].standard_normal((num_paths, num_values))


def usable_parts(season: int, horizon: int) -> Iterator[DependencePart]:
    """The parts that differ from each other within a horizon."""
    for part in PARTS:
        is_seasonal = part == "season" or part.endswith("cycle")
        if not is_seasonal or (season < horizon and _cycle_steps(part, season) >= 2):
            yield part


def _cycle_steps(part: DependencePart, season: int) -> float:
    """Steps of one round of a cycle."""
    return season / 2 if part == "half_cycle" else season


def _memory(part: DependencePart) -> int:
    """Steps after which a part that decays has forgotten all but 1 / e of an error."""
    return int(part.removeprefix("decay_"))
