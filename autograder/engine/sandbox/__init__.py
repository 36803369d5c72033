"""The walls around a student's process.

`enter` is called once, in the forked child, before it becomes a kernel. `tier` names the walls that hold on this
machine, `describe` says of each whether it does and what would help.

Bubblewrap is no wall of ours, since it starts a program each time and cannot fork a warm one. It opens the door where a
machine lets it make a user namespace and Python not: the warm parent is started in one, and the walls are the same.

What the walls leave open:

- Memory is limited for each process; together they may take that much times the number of processes. A whole run is
  limited by `systemd-run --user --scope -p MemoryMax=8G autograder grade …`.
- Without namespaces there is no limit on the number of files, names and sizes of the machine's files can be found out
  by guessing them, and a program can start no other process.
- Nothing hides the time, the processor and how busy the machine is.
"""

from autograder.engine.sandbox.policy import LAYERS, SAFE_TIERS, Layer, Place, Policy, tier_of
from autograder.engine.sandbox.probe import Wall, describe, launcher, layers, safe, tier
from autograder.engine.sandbox.walls import enter

__all__ = [
    "LAYERS",
    "SAFE_TIERS",
    "Layer",
    "Place",
    "Policy",
    "Wall",
    "describe",
    "enter",
    "launcher",
    "layers",
    "safe",
    "tier",
    "tier_of",
]
