"""One process or several that train one model together: who I am, and what all have to agree on.

Several processes are started by `torchrun --nproc-per-node N -m vidscale.cli run FOLDER`; the environment that it sets
is all that tells them apart. The model is sharded with PyTorch's fully_shard (FSDP2): every layer's weights, gradients
and optimiser state are spread over the processes and gathered when the layer runs.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

#: A process that waits longer than this for the others gives up; reading a large checkpoint takes minutes.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Team:
    """The processes of one run.

    Attributes:
        rank: which of them this is; rank 0 writes files.
        size: how many.
        device: where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def total(self, value: float) -> float:
        """The sum over all processes."""
        if self.size == 1:
            return value
        summed = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(summed)
        return float(summed.item())

    def any(self, flag: bool) -> bool:
        """Whether it is true in any process."""
        return self.total(float(flag)) > 0

    def share(self, items: Sequence[T]) -> list[T | None]:
        """This process's part of some items; None fills up, so that all parts have one length."""
        mine: list[T | None] = list(items[self.rank::self.size])
        return mine + [None] * (-(len(items) // -self.size) - len(mine))

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of all processes, rank by rank."""
        if self.size == 1:
            return list(items)
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, list(items))
        return [item for part in parts for item in part]


@contextmanager
def team() -> Iterator[Team]:
    """The processes of this run, as the launcher's environment says; joined while the context lasts."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    own = size > 1 and not dist.is_initialized()
    if own:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(rank=rank, size=size, device=device)
    finally:
        if own:
            dist.destroy_process_group()


def shard(model: Any, members: Team, low_precision: bool) -> None:
    """Spread a `VideoLanguageModel` over the processes, in place; layer by layer, then what is left.

    Args:
        model: on every process the same.
        members: the processes.
        low_precision: gather weights in bf16; gradients are still reduced in 32 bits.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(members.device.type, (members.size,))
    # Inputs are not cast: token numbers and pixels keep their type, and autocast casts what it should.
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if low_precision else None, reduce_dtype=torch.float32,
                                  cast_forward_inputs=False)
    for layer in layers_of(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def layers_of(model: Any) -> list[nn.Module]:
    """The transformer layers of tower and language model: the members of every list of modules."""
    found: list[nn.Module] = []
    for part in (model.tower, model.lm):
        lists = [each for each in part.modules() if isinstance(each, nn.ModuleList)]
        nested = {id(inner) for each in lists for layer in each for inner in layer.modules() if inner is not layer}
        found += [layer for each in lists if id(each) not in nested for layer in each]
    return found


def whole(tensor: Tensor) -> Tensor:
    """A tensor on the CPU, gathered from all processes where it is spread; all of them have to ask."""
    full = getattr(tensor, "full_tensor", None)
    return (tensor if full is None else full()).detach().cpu()


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor spread and placed as a parameter is."""
    placements = getattr(parameter, "placements", None)
    if placements is None:
        return value.to(parameter.device, copy=True)
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(parameter, DTensor)
    return distribute_tensor(value.to(parameter.device), parameter.device_mesh, placements)
