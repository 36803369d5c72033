"""Count what a program makes and does, so that its cost can be graded without a clock.

Counting happens in the program's own process, so one that means to can lie about it; and what is done outside PyTorch,
in NumPy or in Python, is not seen. A check that demands little work should therefore demand some, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PRODUCTS = {aten.mm: 0, aten.bmm: 0, aten.mv: 0, aten.dot: 0, aten.linear: 0, aten.matmul: 0} | dict.fromkeys(
    (aten.addmm, aten.addmm_, aten.addmv, aten.addmv_, aten.baddbmm, aten.baddbmm_), 1
)
"""Matrix products, each with the place of its left factor, whose last axis is summed over."""


class Cost(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts inside its `with` block, forward and backward.

    peak: the most elements that were alive at one time, of the tensors that operations made. Views and results written
        in place or into a large enough `out=` are not made.
    operations: 2 m n k for the product of matrices (m, k) and (k, n), and 1 for each element of any other tensor made.

    Example:
        >>> with Cost() as cost:
        ...     torch.ones(3, 5) @ torch.ones(5, 7)
        >>> cost.peak, cost.operations
        (85, 260)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self.operations = 0
        self._alive: dict[StorageWeakRef, int] = {}
        self._at_most = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, as nothing here is compiled: skipping it would import it, a second of every process."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = {_memory(tensor) for tensor in _tensors((*args, *kwargs.values()))}
        output = func(*args, **kwargs)
        made = [tensor for tensor in _tensors((output,)) if _memory(tensor) not in known]
        self._watch(made)
        if (place := PRODUCTS.get(func.overloadpacket)) is not None:
            self.operations += 2 * output.numel() * args[place].shape[-1]
        else:
            self.operations += sum(tensor.numel() for tensor in made)
        return output

    def _watch(self, made: list[Tensor]) -> None:
        """Add what was made to what is alive; what has died is looked for only where all together would be a new peak.

        A sparse tensor has no memory of its own to watch: it counts once.
        """
        once = 0
        for tensor in made:
            if tensor.layout is torch.strided:
                memory = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
                self._alive[memory] = max(tensor.numel(), self._alive.get(memory, 0))
                self._at_most += tensor.numel()
            else:
                once += tensor.numel()
        if once + self._at_most > self.peak:
            self._alive = {memory: size for memory, size in self._alive.items() if not memory.expired()}  # type: ignore[no-untyped-call]
            self._at_most = sum(self._alive.values())
            self.peak = max(self.peak, once + self._at_most)


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _tensors(value)
    return found


def _memory(tensor: Tensor) -> tuple[int, int]:
    """What two tensors share where one is a view of the other, and its bytes: an `out=` that grows is made anew."""
    if tensor.layout is not torch.strided:
        return id(tensor), 0
    storage = tensor.untyped_storage()
    return storage._cdata, storage.nbytes()
