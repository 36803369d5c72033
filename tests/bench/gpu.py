"""Kernels that share a GPU: how much 1, 2, 4 and 8 of them do together, and how much memory each takes.

Each trains a small Transformer layer, in a slot of its own. Example: `python -m tests.bench.gpu --seconds 10`.
Where there is no GPU it says so.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from autograder.engine.gpu import NoDevice, devices, lease
from autograder.engine.kernel import Kernel
from autograder.engine.limits import MIB, Limits
from autograder.engine.warm import WarmParent

COUNTS = (1, 2, 4, 8)
LIMITS = Limits(cell_seconds=300.0)
MADE = """
import time
import torch

layer = torch.nn.TransformerEncoderLayer(256, 8, 1024, batch_first=True, device="cuda")
optimiser = torch.optim.Adam(layer.parameters())
x = torch.randn(16, 64, 256, device="cuda")


def train(seconds):
    steps, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        optimiser.zero_grad()
        layer(x).square().mean().backward()
        optimiser.step()
        torch.cuda.synchronize()
        steps += 1
    return steps


train(1)
"""
MEASURED = "(train({seconds}), torch.cuda.mem_get_info(), torch.cuda.max_memory_reserved())"


@dataclass(frozen=True)
class Figures:
    """Of so many kernels: steps a second of all, bytes in use on their device, the most that PyTorch has in one."""

    kernels: int
    rate: float
    used: int
    reserved: int


def figures(parents: Sequence[WarmParent], device: str, seconds: float) -> Figures:
    """Run a kernel of each parent, at a time. Raises RuntimeError where CUDA does not work in one."""
    count = len(parents)
    with ExitStack() as stack:
        kernels = []
        for parent in parents:
            slot = stack.enter_context(lease([device], count))
            kernel = Kernel(parent, LIMITS, seed=0, device="cuda", environment=slot.environment)
            kernels.append(stack.enter_context(closing(kernel)))
            told(kernel, MADE)
        workers = stack.enter_context(ThreadPoolExecutor(count))
        results = list(workers.map(lambda kernel: told(kernel, MEASURED.format(seconds=seconds)), kernels))
    found = [ast.literal_eval(result) for result in results]
    used = max(total - free for _, (free, total), _ in found)
    return Figures(count, sum(steps for steps, _, _ in found) / seconds, used, max(most for _, _, most in found))


def told(kernel: Kernel, code: str) -> str:
    """The value of a cell, as text."""
    run = kernel.execute(code, LIMITS)
    if run.error:
        raise RuntimeError(run.error)
    return run.result or ""


def main() -> None:
    """Print a table of what the kernels do."""
    options = argparse.ArgumentParser(description="Measure kernels that share a GPU.")
    options.add_argument("--seconds", type=float, default=5.0, help="How long each number of kernels is measured.")
    seconds = options.parse_args().seconds
    found: list[Figures] = []
    try:
        device = devices()[0]
        with ExitStack() as stack:
            parents: list[WarmParent] = []
            for count in COUNTS:
                parents += [stack.enter_context(WarmParent()) for _ in range(count - len(parents))]
                found.append(figures(parents, device, seconds))
    except (NoDevice, RuntimeError) as reason:
        print(f"no GPU was measured: {reason}")
        return
    table = Table("kernels", "steps/s", "of one", "MiB in use", "MiB a kernel", "of it PyTorch's", title=device)
    table.box = MARKDOWN
    for one in found:
        memory = (f"{size / MIB:,.0f}" for size in (one.used, one.used / one.kernels, one.reserved))
        table.add_row(str(one.kernels), f"{one.rate:,.0f}", f"{one.rate / found[0].rate:.2f}", *memory)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
