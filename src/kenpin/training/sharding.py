"""A network whose weights, gradients and optimiser states are divided among processes, and the whole one that ships."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from kenpin.errors import OptionError, RunError
from kenpin.models.checkpoints import learned_tensors, read_learned
from kenpin.models.contract import Inspector, Trainable
from kenpin.training.precision import Precision
from kenpin.training.processes import Processes
from kenpin.training.step import SummedLoss

OPTIMISER = "optimiser"
"""Folder of a checkpoint with the optimiser's states, a safetensors file a process."""
_STEPS = "steps"


class Sharded:
    """A network that is trained in shards, and beside it, in the main process, the same as a whole.

    The whole one is what is scored and saved; it takes over what was learned when it is `gathered`. In other processes
    it has no weights.
    """

    def __init__(self, learner: Trainable, ships: Inspector, processes: Processes) -> None:
        """learner: on the CPU, as `ships` is but for being another; each process keeps its shards of it."""
        self._learner, self._ships, self._processes = learner, ships, processes
        across = processes.world_size // processes.shards
        # within a machine, where exchanging is fast; its shards are those of every other machine
        shape = (processes.shards,) if across == 1 else (across, processes.shards)
        names = ("machine", "shard")[-len(shape) :]
        mesh: Any = init_device_mesh(processes.device.type, shape, mesh_dim_names=names)
        ships.module.to("cpu" if processes.is_main else "meta")
        self.summed = SummedLoss(learner)
        for block in blocks_of(learner.module):
            fully_shard(block, mesh=mesh)
        fully_shard(self.summed, mesh=mesh)
        for buffer in learner.module.buffers():
            buffer.data = buffer.data.to(processes.device)

    @property
    def whole(self) -> nn.Module:
        """The whole network."""
        return self._ships.module

    def gather(self) -> None:
        """Let the whole network take over what was learned."""
        for part in self.summed.modules():
            if isinstance(part, FSDPModule):
                part.reshard()  # the last pass may have been one that only looked
        with torch.no_grad():
            own = learned_tensors(self._ships.module)
            for name, value in learned_tensors(self._learner.module).items():
                whole = value.full_tensor() if isinstance(value, DTensor) else value  # all processes give theirs
                if self._processes.is_main:
                    own[name].copy_(whole)

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Meanwhile the whole network is on the main process's device, where else nothing but shards are."""
        if not self._processes.is_main or self._processes.device.type == "cpu":
            yield
            return
        self._ships.module.to(self._processes.device)
        try:
            yield
        finally:
            self._ships.module.to("cpu")

    def load(self, folder: Path) -> None:
        """Load what `save_learned` wrote. Raises RunError where it is not the network's."""
        with torch.no_grad():
            saved = read_learned(self._learner.module, folder)
            for name, shard in learned_tensors(self._learner.module).items():
                _take(shard, saved[name])
        self.gather()


def _take(shard: Tensor, whole: Tensor) -> None:
    """Take a tensor, or this process's shard of it, from the whole one."""
    if isinstance(shard, DTensor):
        whole = whole.to(shard.device)
        whole = distribute_tensor(whole, shard.device_mesh, shard.placements, src_data_rank=None)
    shard.copy_(whole)


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The layers that are brought together one after the other, inner ones first: those of transformers. What shares a
    weight with others stays with all the rest, which is brought together for a whole pass."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    uses: dict[int, int] = {}
    for _, weight in module.named_parameters(remove_duplicate=False):
        uses[id(weight)] = uses.get(id(weight), 0) + 1
    found = []
    for part in module.modules():
        if isinstance(part, GradientCheckpointingLayer):
            own = [id(weight) for _, weight in part.named_parameters(remove_duplicate=False)]
            if own and all(own.count(key) == uses[key] for key in set(own)):
                found.append(part)
    return found[::-1]


def refuse_unshardable(module: nn.Module, precision: Precision) -> None:
    """Refuse what cannot be divided. Raises OptionError."""
    if precision == "fp16":
        raise OptionError(
            "option `shard`: gradients of fp16 are scaled, which is not done in shards; give --precision fp32, or "
            "leave --shard out."
        )
    if any(not weights.is_floating_point() for weights in module.parameters()):
        raise OptionError(
            "option `shard`: weights of 4 bits are not divided; take tuning lora in place of qlora, or leave --shard "
            "out."
        )


# ---- optimiser states ----


def write_optimiser(folder: Path, module: nn.Module, optimiser: Optimizer) -> None:
    """Write the states of the shards of each process; all of them call this."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    tensors: dict[str, Tensor] = {}
    steps = 0.0
    for parameter, states in optimiser.state.items():
        for kind, value in states.items():
            if kind == "step":
                steps = float(value)
            elif isinstance(value, Tensor):
                tensors[f"{kind}/{names[parameter]}"] = value
    tensors[_STEPS] = torch.tensor([steps])
    writer = HuggingFaceStorageWriter(str(folder / OPTIMISER), save_distributed=True)
    save(tensors, storage_writer=writer)


def read_optimiser(folder: Path, module: nn.Module, optimiser: Optimizer) -> None:
    """Take up what `write_optimiser` wrote, by however many processes, in shards or as a whole. Raises RunError."""
    parameters = dict(module.named_parameters())
    known = HuggingFaceStorageReader(str(folder / OPTIMISER)).read_metadata().state_dict_metadata
    tensors: dict[str, Tensor] = {}
    for key in known:
        kind, _, name = key.partition("/")
        if key == _STEPS:
            tensors[key] = torch.zeros(1)
        elif name in parameters:
            tensors[key] = torch.zeros_like(parameters[name], requires_grad=False)
        else:
            raise RunError(f"{folder}: does not fit the network, first at {name}; start the run again.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that one process loads alone
        load(
            tensors,
            storage_reader=HuggingFaceStorageReader(str(folder / OPTIMISER)),
            no_dist=not torch.distributed.is_initialized(),
        )
    steps = tensors.pop(_STEPS)[0]
    for key, value in tensors.items():
        kind, _, name = key.partition("/")
        states: dict[str, Tensor] = optimiser.state[parameters[name]]
        states.setdefault("step", steps.clone())
        states[kind] = value


def divide_states(optimiser: Optimizer) -> None:
    """Divide states that were loaded as a whole as the optimiser's weights are."""
    for parameter, states in optimiser.state.items():
        for kind, value in list(states.items()):
            if isinstance(parameter, DTensor) and isinstance(value, Tensor) and value.ndim == parameter.ndim > 0:
                states[kind] = torch.zeros_like(parameter, requires_grad=False)
                _take(states[kind], value)
