"""Training speed beside a bare LSTM encoder and decoder of the same hidden size, in one process on one thread.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.training_speed --segment 24 --segment 12 --segment 1

A step of seqcast holds attention, copy gate, quantile head, loss, clipping, optimiser and running average; the bare
one holds two step-wise LSTMs, a linear layer, an absolute error and the optimiser. Denormal numbers are flushed in both.
"""

import argparse
import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from seqcast.config import QUANTILES, ModelConfig
from seqcast.model.network import ForecastNetwork
from seqcast.model.shape import NetworkShape
from seqcast.runtime import flushed_denormals, keep_freed_memory
from seqcast.tensors.windows import WindowBatch
from seqcast.training.losses import loss_sums, step_weights

BATCH, CONTEXT, HORIZON, HIDDEN, SEASON = 256, 168, 24, 64, 24


def bare_step(
    batch: int = BATCH,
    device: torch.device | str = "cpu",
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Callable[[], None]:
    encoder, decoder = (nn.LSTM(1, HIDDEN, batch_first=True).to(device) for _ in range(2))
    output = nn.Linear(HIDDEN, 1).to(device)
    parameters = [*encoder.parameters(), *decoder.parameters(), *output.parameters()]
    optimizer = torch.optim.AdamW(parameters, fused=True)
    past, known = torch.randn(batch, CONTEXT, 1, device=device), torch.randn(batch, HORIZON, 1, device=device)
    truth = torch.randn(batch, HORIZON, device=device)

    def step() -> None:
        with autocast():
            _, state = encoder(past)
            states, _ = decoder(known, state)
            forecast = output(states)[..., 0]
        loss = (forecast.float() - truth).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def seqcast_step(segment: int) -> Callable[[], None]:
    shape = NetworkShape(HORIZON, CONTEXT, SEASON, num_past=0, num_known=0, num_static=0)
    network = ForecastNetwork(ModelConfig(segment=segment, location="last", hidden=HIDDEN), "quantile", shape).train()
    averaged = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    levels = torch.tensor(QUANTILES)
    batch = random_batch()

    def step() -> None:
        output = network(batch)
        units, seen = output.standardisation, batch.context_observed
        past, truth = units.apply(batch.context_target, seen), units.apply(batch.future_target, batch.future_observed)
        weights = step_weights(past, seen, units.scale, SEASON, batch.least, HORIZON)
        sums, counts = loss_sums("quantile", output.values.float(), truth, batch.future_observed, levels, weights)
        optimizer.zero_grad(set_to_none=True)
        (sums.sum() / counts.sum()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 0.01)

    return step


def random_batch() -> WindowBatch:
    nothing, codes = torch.empty(BATCH, CONTEXT + HORIZON, 0), torch.empty(BATCH, CONTEXT + HORIZON, 0).long()
    return WindowBatch(
        context_target=torch.randn(BATCH, CONTEXT).double(),
        context_observed=torch.ones(BATCH, CONTEXT, dtype=torch.bool),
        past_features=nothing[:, :CONTEXT],
        past_codes=codes[:, :CONTEXT],
        known_features=nothing,
        known_codes=codes,
        static_features=nothing[:, 0],
        static_codes=codes[:, 0],
        future_target=torch.randn(BATCH, HORIZON).double(),
        future_observed=torch.ones(BATCH, HORIZON, dtype=torch.bool),
        scale_known=torch.ones(BATCH, dtype=torch.bool),
        least=torch.full((BATCH, 1), -torch.inf).double(),
    )


@flushed_denormals()
def seconds_of(step: Callable[[], None], repeats: int = 10) -> float:
    """Processor time of one step, after one that is not counted."""
    step()
    started = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - started) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segment", type=int, action="append")
    keep_freed_memory()
    bare = seconds_of(bare_step())
    print(f"bare LSTM encoder and decoder: {BATCH / bare:,.0f} windows/s")
    for segment in parser.parse_args().segment or [24, 12, 1]:
        seconds = seconds_of(seqcast_step(segment))
        print(f"seqcast, segments of {segment}: {BATCH / seconds:,.0f} windows/s, {bare / seconds:.2f} of the bare one")


if __name__ == "__main__":
    main()
