"""A hostile checkpoint.safetensors, resumed from."""

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from seqcast.config import parse_config
from seqcast.run.untrusted.bounded_toml import parse_toml
from seqcast.training.checkpoint import _fingerprint
from seqcast.training.setup import work_identity
from tests.reliability.attacks import MARKER, bounded, change_record, sign
from tests.reliability.conftest import SMALL
from tests.reliability.hazards import expect
from tests.running import Trained
from tests.running import contents as files_of
from tests.training.states import contents

NAME = "checkpoint.safetensors"


def sealed(tensors: dict[str, Tensor], text: str) -> bytes:
    """A checkpoint whose own checksum agrees."""
    return save(tensors, {"state": f"{_fingerprint(tensors, text)} {text}"})


def forged(change: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        tensors, counters = contents(data)
        change(tensors, counters)
        return sealed(tensors, json.dumps(counters))

    return spoil


def counter(name: str, value: object) -> Callable[[bytes], bytes]:
    return forged(lambda _, counters: counters.update({name: value}))


def with_text(text: str) -> Callable[[bytes], bytes]:
    return lambda data: sealed(contents(data)[0], text)


def tensors_with(change: Callable[[Tensor], Tensor], prefix: str = "") -> Callable[[bytes], bytes]:
    """Change all tensors whose names begin with `prefix`."""
    return forged(lambda found, _: found.update({k: change(v) for k, v in found.items() if k.startswith(prefix)}))


NAN, INFINITE = float("nan"), float("inf")
ATTACKS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "half": lambda data: data[: len(data) // 2],
    "a header without end": lambda data: struct.pack("<Q", 2**60) + data[8:],
    "a pickle": lambda _: b"\x80\x04cposix\nsystem\n(S'touch marker'\ntR.",
    "a flipped weight": lambda data: data[:-9] + bytes([data[-9] ^ 64]) + data[-8:],
    "no metadata": lambda data: save(contents(data)[0]),
    "text that is no JSON": with_text("hello"),
    "a list for counters": with_text("[]"),
    "deep nesting": with_text("[" * 100_000),
    "an endless number": with_text('{"format": ' + "9" * 10_000 + "}"),
    "a newer format": counter("format", 99),
    "another identity": counter("identity", "x"),
    "no identity": forged(lambda _, counters: counters.pop("identity")),
    "a negative step": counter("step", -1),
    "a step that is a text": counter("step", "x"),
    "an endless step": counter("step", 10**400),
    "a step that is a list": counter("step", [4]),
    "a best step without record": counter("best_step", 99),
    "an infinite loss": counter("loss_sum", INFINITE),
    "a negative count": counter("loss_count", -5),
    "a history of texts": counter("history", ["x"]),
    "a history with other keys": counter("history", [{"__class__": 1}]),
    "a history with wrong types": counter(
        "history", [{"step": "x", "train_loss": [], "validation_loss": {}, "relative_mae": "", "learning_rate": None}]
    ),
    "moments that are missing": forged(lambda found, _: [found.pop(name) for name in [*found] if "exp_avg" in name]),
    "parameters said to have no moments": counter("without_moments", 5),
    "a tensor less": forged(lambda found, _: found.pop(next(name for name in found if name.startswith("network.")))),
    "a tensor of another shape": tensors_with(lambda value: value.reshape(-1)),
    "a tensor of another type": tensors_with(lambda value: value.to(torch.int64)),
    "weights that are not finite": tensors_with(lambda value: value * NAN),
    "an average that is not finite": tensors_with(lambda value: value * NAN, "averaged."),
    "best weights that are not finite": tensors_with(lambda value: value * INFINITE, "best."),
    "a step beyond the last": counter("step", 5),
    "a refit of ten million steps": counter("refit_step", 10_000_000),
    "a loss that is NaN": forged(lambda _, counters: counters["history"][0].update(validation_loss=NAN)),
    "a loss without end": lambda data: sealed(
        contents(data)[0],
        re.sub(r'"validation_loss": [0-9.e-]+', '"validation_loss": 1e999', json.dumps(contents(data)[1])),
    ),
    "a best loss without end": counter("best_loss", INFINITE),
    "a best step of ten million": forged(
        lambda _, counters: (
            counters["history"].append(counters["history"][0] | {"step": 10_000_000}),
            counters.update(best_step=10_000_000),
        )
    ),
    "a history out of order": forged(lambda _, counters: counters["history"].reverse()),
    "a history of another network": forged(lambda _, counters: counters["history"][0].update(member=2)),
    "a history of a million numbers": counter("history", [1] * 1_000_000),
    "a key twice": lambda data: sealed(contents(data)[0], json.dumps(contents(data)[1])[:-1] + ', "step": 4}'),
    "a million lists": with_text('{"format": 1, "a": [' + "[]," * 1_000_000 + "1]}"),
    "a finished network that nobody asked for": forged(
        lambda tensors, counters: (
            counters.update(
                finished=[{"history": counters["history"], "best_step": 0, "num_steps": 4, "ended_by": ""}]
            ),
            tensors.update(
                {
                    f"finished.0.{part}.{name.removeprefix('network.')}": value.clone()
                    for part in ("weights", "selected")
                    for name, value in list(tensors.items())
                    if name.startswith("network.")
                }
            ),
        )
    ),
    "a tensor more": forged(lambda tensors, _: tensors.update(evil=torch.zeros(3))),
    "20,000 tensors more": forged(lambda found, _: found.update({f"e{i}": torch.zeros(0) for i in range(20_000)})),
    "parameters without moments that are none": counter("without_moments", ["x"]),
    "moments of 64 bits": tensors_with(lambda value: value.double(), "optimizer."),
    "negative moments": tensors_with(lambda value: value - 9, "optimizer.exp_avg_sq."),
    "moments that are not finite": tensors_with(lambda value: value * NAN, "optimizer."),
}


def stopped(trained: Trained, folder: Path) -> Path:
    run = trained.copied(folder)
    change_record(run, lambda found: found.update(status="stopped"))
    return run


def resume(trained: Trained, run: Path) -> Any:
    roles = ("--known", "price,weather", "--static", "region", "--target", "y")
    return bounded("train", trained.data, *SMALL, *roles, "--run", run, "--resume")


def test_an_honest_checkpoint_is_resumed(shops: Trained, tmp_path: Path) -> None:
    run = stopped(shops, tmp_path)
    expect(resume(shops, run), 0, ["Trained"])
    assert (run / "model.safetensors").read_bytes() == (shops.run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_by_a_checkpoint_is_refused(name: str, shops: Trained, in_tmp_path: Path) -> None:
    run = stopped(shops, in_tmp_path)
    (run / NAME).write_bytes(ATTACKS[name]((run / NAME).read_bytes()))
    before = files_of(run)
    expect(resume(shops, run), 4, [NAME])
    assert files_of(run) == before
    assert not Path(MARKER).exists()


def test_a_stopped_run_whose_state_is_gone_is_refused(shops: Trained, tmp_path: Path) -> None:
    run = stopped(shops, tmp_path)
    (run / NAME).unlink()
    expect(resume(shops, run), 4, [NAME, "there is no such file"])


def test_a_network_larger_than_its_state_is_refused_before_it_is_built(shops: Trained, tmp_path: Path) -> None:
    run = stopped(shops, tmp_path)
    config = (
        (run / "config.toml").read_text().replace("hidden = 4", "hidden = 4096").replace("layers = 1", "layers = 8")
    )
    (run / "config.toml").write_text(config)
    sign(run)
    fingerprint = json.loads((run / "run.json").read_text())["data"]["fingerprint"]
    identity = work_identity(parse_config(parse_toml(config.encode()), "config.toml"), fingerprint)
    (run / NAME).write_bytes(counter("identity", identity)((run / NAME).read_bytes()))
    expect(bounded("train", shops.data, "--run", run, "--resume", "-q"), 4, [NAME, "does not fit the network"])


@pytest.mark.parametrize("name", ["metrics.jsonl", "model.safetensors"])
def test_nothing_is_trained_that_could_not_be_written(name: str, shops: Trained, tmp_path: Path) -> None:
    run = stopped(shops, tmp_path)
    (run / name).unlink()
    (run / name).mkdir()
    before = (run / "run.json").read_bytes()
    expect(resume(shops, run), 4, [name, "it is a folder, not a plain file"])
    assert (run / "run.json").read_bytes() == before


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_a_checkpoint_that_is_no_file_is_refused(kind: str, shops: Trained, tmp_path: Path) -> None:
    run = stopped(shops, tmp_path)
    path = run / NAME
    path.rename(tmp_path / "elsewhere")
    {
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "dangling link": lambda: path.symlink_to(tmp_path / "nowhere"),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    expect(resume(shops, run), 4, [NAME])


def test_the_lock_of_a_stranger_cannot_direct_a_write_elsewhere(shops: Trained, tmp_path: Path) -> None:
    run = stopped(shops, tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run / ".lock").unlink(missing_ok=True)
    (run / ".lock").symlink_to(victim)
    ran = resume(shops, run)
    assert victim.read_text() == "precious"
    assert ran.code in (0, 4)
