"""How many steps a time limit allows: a few are taken on a copy of the network, and their time is measured."""

import time
from dataclasses import replace

import torch

from seqcast.config import MOST_TRAINING_STEPS
from seqcast.run.record import Choice
from seqcast.training.budget import REFIT_SHARE
from seqcast.training.checkpoint import first_state
from seqcast.training.rounds import default_interval
from seqcast.training.setup import TrainingSetup, work_identity
from seqcast.training.step import take_step, training_step

STEPS_SHARE = 0.8
"""Part of the time for the steps of training and refit; validation takes the rest."""
PREPARATIONS = 2
"""The work before the steps, and the one after them, which takes about as long: another linear fit, and calibration."""
WARM_UP_STEPS, TRIAL_STEPS = 3, 5
"""On a GPU, the first three steps are also recorded and compared."""


def settle_steps(setup: TrainingSetup, data_fingerprint: str = "") -> TrainingSetup:
    """Settle the number of steps of a training that has a time limit; others stay as they are.

    The number stands in the configuration from then on, so that a resumed run is the same run.
    """
    limit, training = setup.plan.time_limit_seconds, setup.config.training
    if limit is None:
        return setup
    state = first_state(setup)
    for number in range(1, WARM_UP_STEPS + 1):
        take_step(setup, state, training_step(setup, number))
    started = time.perf_counter()
    for number in range(1, TRIAL_STEPS + 1):
        take_step(setup, state, training_step(setup, number))
    step_seconds = (time.perf_counter() - started) / TRIAL_STEPS
    measured = torch.tensor([step_seconds, setup.preparation_seconds], device=setup.runtime.device)
    setup.runtime.world.follow_first([measured])
    seconds, preparation = measured.tolist()
    with_refit = 1 + REFIT_SHARE * training.refit
    left = max(0.0, limit - PREPARATIONS * preparation)
    allowed = STEPS_SHARE * left / (seconds * with_refit * training.ensemble)
    max_steps = min(MOST_TRAINING_STEPS, max(1, int(allowed)))
    every = min(training.validate_every or max_steps, default_interval(max_steps))
    config = setup.config.override(training={"max_steps": max_steps, "validate_every": every})
    reason = f"what {training.time_limit} allows at {1 / seconds:.1f} steps/s"
    if preparation >= 1:
        reason += f", after {preparation:.0f} s of preparing and as much for calibrating"
    choice = Choice("max steps", f"{max_steps:,}", reason)
    plan = replace(setup.plan, config=config, choices=(*setup.plan.choices, choice), time_limit_seconds=None)
    return replace(setup, plan=plan, identity=work_identity(config, data_fingerprint))
