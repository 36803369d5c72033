"""How much memory a function needs at its peak, from the tensors that it makes and how long they live."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_memory(function: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """Return the most bytes that tensors made by `function` take at one time, its result included.

    What was there before does not count. On a GPU the allocator is asked. On the CPU every operation is watched; what
    an operation takes and gives back within itself is not seen there.

    Example:
        >>> peak_memory(lambda: torch.zeros(1000) + torch.ones(1000))
        12000
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated()) - before
    watch = _Watch()
    with watch:
        function()
    return watch.peak


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees the output of every operation; what shares the memory of an input is no new tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: list[tuple[StorageWeakRef, int]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, as nothing here is compiled: skipping it would import it, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        known = {storage._cdata for storage in _storages((args, kwargs))}
        new = [storage for storage in _storages(output) if storage._cdata not in known]
        self._alive = [(memory, size) for memory, size in self._alive if not memory.expired()]  # type: ignore[no-untyped-call]
        self._alive += [(StorageWeakRef(storage), storage.nbytes()) for storage in new]  # type: ignore[no-untyped-call]
        self.peak = max(self.peak, sum(size for _, size in self._alive))
        return output


def _storages(value: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
