"""Training from a panel to a trained model: every member of the ensemble, their combination, its calibration."""

import math
from dataclasses import dataclass

from seqcast.errors import DivergedError
from seqcast.model.ensemble import Networks
from seqcast.panel.panel import Panel
from seqcast.results.dependence import StepDependence
from seqcast.run.load import TrainedModel
from seqcast.run.parent import Parent
from seqcast.run.record import ResultRecord
from seqcast.runtime import Runtime
from seqcast.training.calibration import calibrate
from seqcast.training.checkpoint import TrainedMember, TrainingState, first_state
from seqcast.training.combination import Combination, combine
from seqcast.training.counters import ValidationRecord
from seqcast.training.loop import DIVERGENCE, Hooks, train
from seqcast.training.naive_shares import with_naive
from seqcast.training.pace import settle_steps
from seqcast.training.plan import Plan
from seqcast.training.rounds import next_length, steps_before
from seqcast.training.setup import TrainingSetup, prepare
from seqcast.training.validation import ValidationScore


@dataclass(frozen=True, eq=False)
class Fit:
    """Trained networks and how they came about."""

    setup: TrainingSetup
    networks: Networks
    result: ResultRecord
    history: tuple[ValidationRecord, ...]
    """The validations of every member, one after the other."""
    failure: DivergedError | None = None
    """The error that ended training before its time."""

    @property
    def model(self) -> TrainedModel:
        """The model, ready to forecast."""
        setup, networks = self.setup, self.networks
        panel = setup.panel
        return TrainedModel(
            setup.config,
            panel.schema,
            panel.frequency,
            panel.series_ids,
            setup.scalers,
            networks.final,
            validated=networks.validated,
            linear_share=self.result.linear_share,
            dependence=self.result.dependence(self.networks.final.shape.season),
        )


def train_model(
    panel: Panel, plan: Plan, runtime: Runtime, hooks: Hooks = Hooks(), parent: Parent | None = None
) -> Fit:
    """Prepare and train in memory, from the start or from the networks of a parent.

    Raises:
        DivergedError: A loss was not finite.
        StoppedError: As `training.loop.train`.
    """
    fitted = fit(settle_steps(prepare(panel, plan, runtime, parent=parent)), hooks)
    if fitted.failure is not None:
        raise fitted.failure
    return fitted


def fit(setup: TrainingSetup, hooks: Hooks = Hooks(), resume_from: TrainingState | None = None) -> Fit:
    """Train every member, combine them with the linear start and the best naive forecast, and calibrate.

    A member that diverges is the last one; if it has best weights, they count beside those of the others.

    Raises:
        DivergedError: There are no weights to keep.
        StoppedError: As `training.loop.train`.
    """
    members, failure = _train_members(setup, hooks, resume_from)
    training = setup.config.training
    newest = setup.refit_linear() if training.refit and setup.starts_linear else None
    combination = with_naive(setup, combine(setup, newest, members))
    validated = combination.validated
    score = combination.forecasts.score(validated)
    if not math.isfinite(score.loss):
        raise DivergedError("the loss of the networks together is not finite.", hint="Train another run.")
    dependence = calibrate(combination.forecasts, validated)
    combination.final.calibration.load_state_dict(validated.calibration.state_dict())
    return Fit(
        setup,
        Networks(combination.final, validated if training.refit else None).eval(),
        _result(setup, members, combination, score, failure, dependence),
        tuple(record for member in members for record in member.record.history),
        failure,
    )


def _train_members(
    setup: TrainingSetup, hooks: Hooks, resume_from: TrainingState | None
) -> tuple[tuple[TrainedMember, ...], DivergedError | None]:
    """Train one member after the other until all are trained or one diverges."""
    members = () if resume_from is None else resume_from.finished
    failure: DivergedError | None = None
    while failure is None:
        records = [member.record for member in members]
        length = next_length(setup.config.training, records)
        if length is None:
            break
        own = setup.of_member(len(members), length, steps_before(setup.config.training, records))
        try:
            member = train(own, hooks, resume_from or first_state(own, members))
        except DivergedError as error:
            if not members:
                raise
            failure = error
        else:
            members, resume_from, failure = (*members, member), None, member.failure
    return members, failure


def _result(
    setup: TrainingSetup,
    members: tuple[TrainedMember, ...],
    combination: Combination,
    score: ValidationScore,
    failure: DivergedError | None,
    dependence: StepDependence | None,
) -> ResultRecord:
    best = min((member.record.best for member in members), key=lambda record: record.validation_loss)
    learned = setup.config.training.refit and setup.starts_linear and combination.linear_share > 0
    return ResultRecord(
        validation_loss=score.loss,
        relative_mae=score.relative_mae,
        best_step=best.step,
        num_steps=sum(member.record.num_steps for member in members),
        ended_by=members[-1].record.ended_by if failure is None else DIVERGENCE,
        seconds=round(sum(member.seconds for member in members), 3),
        windows_per_second=round(members[-1].windows_per_second, 1),
        num_train_windows=setup.plan.num_train_windows,
        num_parameters=sum(parameter.numel() for parameter in setup.network.parameters()),
        num_members=len(combination.final.networks),
        linear_share=combination.linear_share if setup.starts_linear else 0.0,
        naive_shares={name: share for name, share in combination.final.shares_of_naive() if share > 0},
        refitted=learned or any(member.refitted for member in members),
        start_loss=combination.start_loss,
        parent_loss=min(m.record.history[0].validation_loss for m in members) if setup.begun else None,
        naive_is_exact=score.naive_is_exact,
        step_dependence=None if dependence is None else dict(dependence.shares),
    )
