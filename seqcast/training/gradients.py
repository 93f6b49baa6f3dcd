"""Loss and gradients of a batch: computed kernel by kernel or, on a CUDA GPU, replayed from a recording.

A step of a small network has hundreds of kernels, and the processor takes longer to start each of them than the GPU
to compute it. A CUDA graph starts all of them at once. It always reads the same memory, so batches are copied there.
What decides by values, such as the end of a training that diverges, and the update of the weights stay outside.

A recording is trusted after it has found the loss and the gradients of two batches that were also computed kernel by
kernel. Where it cannot be made, or finds others, training goes on without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial

import torch
from torch import Tensor

from seqcast.model.network import ForecastNetwork
from seqcast.run.record import Choice
from seqcast.tensors.windows import WindowBatch
from seqcast.training.setup import TrainingSetup, window_losses

TOLERANCE = 1e-3
"""Largest difference between what is recorded and what is computed: a part of the loss, and of the gradients' norm."""
NUM_COMPARED = 2
"""Batches by which a recording is compared; the first one of a training only starts libraries."""

Work = Callable[[], None]
Recorder = Callable[[Work], Work]
"""Does some work and returns what does it again, with the values that are then in the same memory."""


class GradientPass:
    """Computes the loss of batches of one size, and leaves its gradients in the parameters of a network.

    Attributes:
        choice: How gradients are computed from now on; None until it is settled, and where there is only one way.
    """

    def __init__(self, setup: TrainingSetup, network: ForecastNetwork, record: Recorder | None) -> None:
        self.choice: Choice | None = None
        self._setup, self._network = setup, network
        self._record, self._num_done = record, 0
        self._recording: _Recording | None = None

    def __call__(self, batch: WindowBatch, use_truth: Tensor | None) -> Tensor:
        """The loss () of a batch, without waiting for it; `use_truth` as of `ForecastNetwork.forward`."""
        if self._record is None:
            return self._computed(batch, use_truth)
        self._num_done += 1
        if self._recording is not None and self._num_done > 1 + NUM_COMPARED:
            return self._recording(batch, use_truth)
        generator = _generator(self._setup.runtime.device)
        before = generator.get_state()
        loss = self._computed(batch, use_truth)
        if self._num_done > 1:
            self._compare(batch, use_truth, loss, partial(generator.set_state, before))
        return loss

    def _computed(self, batch: WindowBatch, use_truth: Tensor | None) -> Tensor:
        """The loss, kernel by kernel. The gradients are those of the part of it that this process computes."""
        setup = self._setup
        with setup.runtime.autocast():
            output = self._network(batch, use_truth)
        sums, counts = window_losses(setup, output, batch)
        totals = torch.stack([sums.detach().sum(), counts.sum()])
        setup.runtime.world.add_up([totals])
        count = totals[1].clamp(min=1e-6)
        for parameter in self._network.parameters():
            parameter.grad = None
        loss = sums.sum() / count * setup.runtime.loss_scale
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return totals[0] / count

    def _compare(
        self, batch: WindowBatch, use_truth: Tensor | None, loss: Tensor, draw_again: Callable[[], object]
    ) -> None:
        """Make the recording if there is none, and see whether it finds the loss and the gradients just computed."""
        parameters = [each for each in self._network.parameters() if each.grad is not None]
        expected = [parameter.grad for parameter in parameters if parameter.grad is not None]
        try:
            if self._recording is None and self._record is not None:
                draw_again()
                self._recording = _Recording(self._computed, self._record, parameters, batch, use_truth)
            draw_again()
            assert self._recording is not None
            found = self._recording(batch, use_truth)
            same = _are_close([found], [loss]) and _are_close(self._recording.gradients, expected)
            reason = "" if same else "what was recorded differs from what is computed"
        except RuntimeError as error:
            reason = str(error).partition("\n")[0].partition(". ")[0]
        for parameter, gradient in zip(parameters, expected, strict=True):
            parameter.grad = gradient
        if reason:
            self._record = self._recording = None
            self.choice = Choice("training steps", "kernel by kernel", f"no CUDA graph: {reason}")
        elif self._num_done > NUM_COMPARED:
            self.choice = Choice("training steps", "replayed from a CUDA graph", "it finds the same gradients")


class _Recording:
    """Recorded work on a batch. What it reads and what it finds stays in the same memory."""

    def __init__(
        self,
        compute: Callable[[WindowBatch, Tensor | None], Tensor],
        record: Recorder,
        parameters: Sequence[Tensor],
        batch: WindowBatch,
        use_truth: Tensor | None,
    ) -> None:
        self._parameters = parameters
        self._batch = WindowBatch(**{each.name: getattr(batch, each.name).clone() for each in fields(batch)})
        self._use_truth = None if use_truth is None else use_truth.clone()
        self._loss = torch.zeros((), device=batch.least.device)
        self.gradients = [torch.empty_like(parameter) for parameter in parameters]
        self._keep_gradients()  # so that this kernel, too, is loaded before it is recorded

        def work() -> None:
            self._loss.copy_(compute(self._batch, self._use_truth))
            self._keep_gradients()

        self._replay = record(work)

    def __call__(self, batch: WindowBatch, use_truth: Tensor | None) -> Tensor:
        for each in fields(batch):
            getattr(self._batch, each.name).copy_(getattr(batch, each.name))
        if self._use_truth is not None and use_truth is not None:
            self._use_truth.copy_(use_truth)
        self._replay()
        for parameter, gradient in zip(self._parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self._loss

    def _keep_gradients(self) -> None:
        found = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        torch._foreach_copy_(self.gradients, found)


def recorder(setup: TrainingSetup) -> Recorder | None:
    """The recorder of CUDA graphs, where the steps of a training can be recorded; else None.

    Several processes add up losses in the middle of a step. Between layers cuDNN draws the dropout from a state that is
    made anew for each seed, which a recording would leave out.
    """
    runtime, model = setup.runtime, setup.config.model
    stacked = model.layers > 1 and model.dropout > 0
    if runtime.device.type != "cuda" or runtime.world.size > 1 or stacked:
        return None
    return lambda work: _recorded_graph(work, runtime.device)


def _recorded_graph(work: Work, device: torch.device) -> Work:
    """Record work as a CUDA graph; it is not done meanwhile.

    Raises:
        RuntimeError: A part of it cannot be recorded.
    """
    generator = _generator(device)
    untouched = generator.clone_state()
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    try:
        # The outer context comes back from the stream where the inner one fails to end.
        with torch.cuda.device(device), torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
            work()
    except RuntimeError:
        generator.graphsafe_set_state(untouched)  # the other state waits for the end of the recording
        raise
    return graph.replay


def _generator(device: torch.device) -> torch.Generator:
    """The generator from which dropout is drawn on a device."""
    if device.type != "cuda":
        return torch.default_generator
    with torch.cuda.device(device):
        return torch.cuda.default_generators[torch.cuda.current_device()]


def _are_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether all values together differ by a small part of their norm; never where some are not finite."""
    one, other = (torch.cat([each.flatten() for each in values]) for values in (found, expected))
    return bool((one - other).norm() <= TOLERANCE * other.norm())
