"""Networks of a finished run, trained further."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from seqcast.config import Config, Freeze
from seqcast.errors import RunError, UsageError
from seqcast.experiments.recorded_training import TrainingJob, fine_tuning_job, train_in_directory
from seqcast.model.network import ForecastNetwork
from seqcast.run.directory import RunDirectory
from seqcast.run.parent import Parent, load_parent
from seqcast.run.record import MODEL_FILE
from seqcast.run.source import read_source_like
from seqcast.storage import sha256_hex
from seqcast.training import loop, rounds
from seqcast.training.fine_tuning import FEWEST_STEPS, LEARNING_RATE_SHARE, inherited_config
from seqcast.training.fit import Fit, fit
from seqcast.training.loop import Hooks, refit_length
from seqcast.training.setup import TrainingSetup, prepare
from seqcast.training.validation import ValidationScore
from tests.panels import CPU, one_thread, small_config
from tests.run.making_runs import COVARIATES, daily_frame, make_job, write_table
from tests.training.improvement import assert_same_fit, let_training_improve, stopped_after_every_step

LONGER = {"one": 71, "two": 63, "new": 57}


def let_all_networks_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    let_training_improve(monkeypatch)
    monkeypatch.setattr(rounds, "NEARLY_BEST", 10.0)


@pytest.fixture(autouse=True)
def _improving(monkeypatch: pytest.MonkeyPatch) -> None:
    let_all_networks_forecast(monkeypatch)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parent]:
    """A run of two networks beside the linear start, refitted on its validation part."""
    folder = tmp_path_factory.mktemp("parent")
    (folder / "run").mkdir()
    config = small_config(
        data=COVARIATES, model={"dropout": 0.3}, training={"ensemble": 2, "refit": True, "learning_rate": 0.03}
    )
    job = make_job(write_table(folder / "data.csv", {"one": 61, "two": 53}), config)
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        let_all_networks_forecast(patch)
        train_in_directory(job, RunDirectory(folder / "run"), Hooks(), resume=False)
        yield load_parent(RunDirectory(folder / "run"), CPU.device)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("longer") / "longer.csv", LONGER)


def further(parent: Parent, data: Path, **training: Any) -> TrainingJob:
    """The job of `train data --from parent`, of few steps, all of them taken, unless told otherwise."""
    given = {"training": {"max_steps": 4, "patience": 4} | training}
    config, choices = inherited_config("run", parent.record, parent.model.config, given)
    return fine_tuning_job(read_source_like(parent.record, config, str(data)), config, CPU, parent, choices)


def setup_of(job: TrainingJob) -> TrainingSetup:
    return prepare(job.source.panel, job.plan, CPU, job.fingerprint, job.parent)


@pytest.fixture(scope="module")
def fitted(parent: Parent, longer: Path) -> Fit:
    with pytest.MonkeyPatch.context() as patch:
        let_all_networks_forecast(patch)
        torch.manual_seed(1)
        return fit(setup_of(further(parent, longer)))


@pytest.mark.parametrize(
    ("lengths", "seen"),
    [
        ({"one": 71, "two": 68}, False),
        ({"new": 57}, False),
        (LONGER, True),  # "two" may have ended with the table of the parent
        ({"one": 67, "two": 71}, True),
    ],
)
def test_every_network_goes_on_from_its_newest_weights_that_have_not_seen_the_validation_part(
    lengths: dict[str, int], seen: bool, parent: Parent, tmp_path: Path
) -> None:
    job = further(parent, write_table(tmp_path / "t.csv", lengths))
    setup = setup_of(job)
    assert parent.model.validated is not None
    before, after = parent.model.validated.networks[1:], parent.model.network.networks[1:]  # first, the linear start

    begun = [setup.of_member(number, 4).network for number in range(2)]

    assert setup.config.training.ensemble == len(before) == len(after) == 2
    expected, others = (before, after) if seen else (after, before)
    for network, same, other in zip(begun, expected, others, strict=True):
        weights = network.state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in same.state_dict().items())
        assert any(not torch.equal(value, weights[name]) for name, value in other.state_dict().items())
    assert ("from the weights before the refit" in job.plan.choices[0].reason) == seen


def test_both_networks_are_trained_and_the_linear_start_is_fitted_anew(fitted: Fit, parent: Parent) -> None:
    assert fitted.result.num_steps == 2 * 4
    assert fitted.result.num_members == 3
    assert fitted.result.parent_loss is not None
    start, *networks = fitted.networks.final.networks
    begun = parent.validated_networks
    for network, before in zip(networks, begun, strict=True):
        assert not torch.equal(network.decoder.head.linear.weight, before.decoder.head.linear.weight)
    assert not start.decoder.head.linear.weight.any()  # which no training has touched


def test_covariates_keep_the_units_of_the_parent_and_targets_are_scaled_anew(parent: Parent, longer: Path) -> None:
    job = further(parent, longer)
    scalers, own = setup_of(job).scalers, parent.model.scalers

    assert scalers.known.numeric.mean.tolist() == own.known.numeric.mean.tolist()
    assert [names.tolist() for names in scalers.known.categories] == [names.tolist() for names in own.known.categories]
    frame = daily_frame(LONGER)
    for series, name in enumerate(LONGER):
        values = frame.loc[frame["unique_id"] == name, "y"].to_numpy()[: LONGER[name] - 7]
        assert scalers.target.mean[series] == pytest.approx(values.mean())


def test_a_first_validation_without_a_gain_is_the_last_and_the_refit_follows(
    parent: Parent, longer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = count(1.0)
    monkeypatch.setattr(loop, "validate", lambda *_: ValidationScore(next(losses), 0.5))

    found = fit(setup_of(further(parent, longer, max_steps=21, patience=None)))

    assert [record.step for record in found.history] == [0, 10, 0, 10]
    assert (found.result.best_step, found.result.num_steps, found.result.refitted) == (0, 20, True)
    network, before = found.networks.final.networks[1], parent.validated_networks[0]
    assert not torch.equal(network.decoder.head.linear.weight, before.decoder.head.linear.weight)
    assert refit_length(setup_of(further(parent, longer, max_steps=21)), found.result.best_step) == 10


@pytest.mark.parametrize("freeze", ["encoder", "attention"])
def test_a_frozen_part_stays_and_the_rest_moves(freeze: Freeze, parent: Parent, longer: Path) -> None:
    parts: dict[str, Callable[[ForecastNetwork], torch.nn.Module | None]] = {
        "encoder": lambda network: network.encoder,
        "attention": lambda network: network.decoder.attention,
    }

    found = fit(setup_of(further(parent, longer, freeze=freeze)))

    for network, before in zip(found.networks.final.networks[1:], parent.validated_networks, strict=True):
        for name, part in parts.items():
            now, then = part(network), part(before)
            assert now is not None
            assert then is not None
            values = zip(now.parameters(), then.parameters(), strict=True)
            stays = all(torch.equal(*pair) for pair in values)
            assert stays == (name == freeze), name


def test_stopped_after_every_step_and_resumed_it_is_the_uninterrupted_one(
    parent: Parent, longer: Path, fitted: Fit
) -> None:
    found, states = stopped_after_every_step(fit, setup_of(further(parent, longer)))

    best_steps = [
        min((each for each in fitted.history if each.member == member), key=lambda each: each.validation_loss).step
        for member in (1, 2)
    ]
    assert len(states) == 2 * 4 + sum(refit_length(setup_of(further(parent, longer)), step) for step in best_steps)
    assert_same_fit(found, fitted)


def test_steps_and_learning_rate_are_parts_of_those_of_the_parent_and_a_second_time_the_same(
    parent: Parent, longer: Path, tmp_path: Path
) -> None:
    config, choices = inherited_config("run", parent.record, parent.model.config, {})
    assert config.training.learning_rate == pytest.approx(0.03 * LEARNING_RATE_SHARE)
    assert config.training.max_steps == FEWEST_STEPS
    assert [choice.name for choice in choices] == ["max steps", "learning rate"]

    child = parent.record.model_copy(update={"parent": parent.reference})
    again, unchanged = inherited_config("run", child, config, {})

    assert again.training == config.training
    assert unchanged == ()


def test_the_run_names_its_parent_and_is_a_parent_itself(parent: Parent, longer: Path, tmp_path: Path) -> None:
    job = further(parent, longer)
    directory = RunDirectory(tmp_path)

    train_in_directory(job, directory, Hooks(), resume=False)

    told = directory.read_record().parent
    assert told is not None
    assert Path(told.path) == parent.directory.path.resolve()
    assert told.checksum == sha256_hex((parent.directory.path / MODEL_FILE).read_bytes())
    child = load_parent(directory, CPU.device)
    assert len(child.final_networks) == 2
    assert fit(setup_of(further(child, longer))).result.num_steps == 8


@pytest.mark.parametrize(
    ("section", "values", "told"),
    [
        ("model", {"horizon": 7}, r"model\.horizon is 5 in this run and cannot become 7: its networks are made for it"),
        ("model", {"hidden": 11}, r"model\.hidden is 7 in this run and cannot become 11"),
        ("training", {"loss": "mae"}, r"training\.loss is 'quantile' in this run"),
        ("training", {"ensemble": 3}, r"training\.ensemble is 2 in this run"),
    ],
)
def test_settings_that_need_other_networks_are_refused(
    section: str, values: dict[str, Any], told: str, parent: Parent
) -> None:
    with pytest.raises(UsageError, match=told):
        inherited_config("run", parent.record, parent.model.config, {section: values})


def test_settings_that_are_repeated_are_no_change(parent: Parent) -> None:
    given = {"model": {"horizon": 5, "hidden": 7}, "training": {"ensemble": 2}}
    config, _ = inherited_config("run", parent.record, parent.model.config, given)
    assert config.training.ensemble == 2


def test_a_run_whose_networks_have_no_share_trains_a_new_one(parent: Parent, longer: Path) -> None:
    assert parent.record.result is not None
    alone = parent.record.model_copy(
        update={"result": parent.record.result.model_copy(update={"linear_share": 1.0, "num_members": 1})}
    )
    start = replace(parent, record=alone, model=replace(parent.model.part("start"), linear_share=1.0))
    job = further(start, longer)

    found = fit(setup_of(job))

    assert job.plan.config.training.learning_rate == 0.03
    assert found.result.parent_loss is None
    assert found.result.num_steps == 4


def test_a_validation_part_from_which_the_parent_has_learned_is_told(parent: Parent, longer: Path) -> None:
    given = {"data": {"validation_size": 29}, "training": {"max_steps": 4}}
    config, _ = inherited_config("run", parent.record, parent.model.config, given)
    job = fine_tuning_job(read_source_like(parent.record, config, str(longer)), config, CPU, parent)

    assert any("has learned from a part of this validation or test part" in each.text for each in job.notices)
    assert not any("has learned from" in each.text for each in further(parent, longer).notices)


def test_a_record_with_an_impossible_time_is_damaged(parent: Parent, longer: Path) -> None:
    data = parent.record.data.model_copy(update={"last_time": "no time"})
    damaged = replace(parent, record=parent.record.model_copy(update={"data": data}))
    with pytest.raises(RunError, match=r"run\.json: damaged: 'no time' is no time"):
        further(damaged, longer)


def test_new_categories_count_as_unknown_and_are_told(parent: Parent, tmp_path: Path) -> None:
    frame = daily_frame(LONGER)
    frame.loc[frame["unique_id"] == "new", "region"] = "east"
    frame.to_csv(tmp_path / "t.csv", index=False)

    job = further(parent, tmp_path / "t.csv")

    assert any(
        "categories that were not in the training data count as unknown: " in notice.text for notice in job.notices
    )
    assert setup_of(job).tensors.static_codes[:, 0].tolist() == [1, 2, 0]


def test_freezing_needs_a_parent(longer: Path) -> None:
    job = make_job(longer, small_config(data=COVARIATES, training={"freeze": "encoder"}))
    with pytest.raises(UsageError, match="a training from the start has nothing to freeze"):
        prepare(job.source.panel, job.plan, CPU)


def test_attention_cannot_be_frozen_where_there_is_none(parent: Parent) -> None:
    config: Config = parent.model.config.override(model={"attention": "none", "copy_gate": False, "lag_bias": False})
    with pytest.raises(UsageError, match="run has no attention"):
        inherited_config("run", parent.record, config, {"training": {"freeze": "attention"}})


def test_the_validation_part_does_not_reach_the_weights_that_are_validated(parent: Parent, longer: Path) -> None:
    job = further(parent, longer)
    panel = job.source.panel
    target = panel.target.copy()
    for end in panel.offsets[1:]:
        target[end - 7 : end] += 1e3
    changed = replace(job, source=replace(job.source, panel=replace(panel, target=target)))

    first, second = (fit(setup_of(each)).networks.validated for each in (job, changed))

    assert first is not None
    assert second is not None
    weights = [each.networks[1].state_dict() for each in (first, second)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
