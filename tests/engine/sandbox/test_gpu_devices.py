"""A GPU's devices behind the walls, on a machine that is made to have some: root can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.sandbox.behind import ROOT, SECONDS, World

GPU = ("nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps/nvidia-cap1", "dri/card0")
LOOK = """
import json, os, sys, tempfile
from pathlib import Path
from autograder.engine.sandbox import Policy, enter, system
from autograder.engine.sandbox.mounts import DEVICES
from tests.engine.sandbox.behind import ROOT, become_ordinary

layers, ordinary, shown, gpu = json.loads(sys.argv[1])
system.unshare(system.CLONE_NEWNS)
system.mount("none", Path("/"), "", system.MS_REC | system.MS_PRIVATE)
made = Path(tempfile.mkdtemp())
system.mount("tmpfs", made, "tmpfs", 0, "mode=755")
for name in (*DEVICES, *gpu):
    (made / name).parent.mkdir(exist_ok=True)
    (made / name).touch()
    (made / name).chmod(0o444 if "caps" in name else 0o666)  # as the driver has it: nobody writes to that one
for name in DEVICES:
    system.mount(Path("/dev", name), made / name, "", system.MS_BIND)
system.mount(made, Path("/dev"), "", system.MS_BIND | system.MS_REC)
if ordinary:
    become_ordinary([sys.base_prefix, sys.prefix, str(ROOT)])
enter(Policy(tuple(layers), gpu=shown), Path(tempfile.mkdtemp()))
for name in gpu:
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY))
        print(name)
    except OSError:
        pass
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a machine seem to have a GPU")
@pytest.mark.parametrize("shown", [True, False])
def test_they_are_there_for_whom_they_are_shown_to_and_for_nobody_else(
    world: World, shown: bool, temporary: Path
) -> None:
    temporary.chmod(0o777)
    command = [sys.executable, "-c", LOOK, json.dumps([world.layers, world.ordinary, shown, GPU])]
    own = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.split()) == (GPU if shown else ())
