"""The tests' own cluster leaves nothing on the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cluster.world import World, is_alive, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]

ANOTHER = """
import sys
from pathlib import Path
from tests.cluster.document import Document
from tests.cluster.world import World
with World(Path(sys.argv[1]), Document(Path(sys.argv[2]))):
    print("built", flush=True)
    sys.stdin.read()
"""


def test_a_cluster_ends_with_the_process_that_built_it(world: World, root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANOTHER, str(tmp_path), str(world.document.path)]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "built\n"
        started = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(started) >= 9, "of each host what keeps it, its first process and its supervisor"
    wait_for(lambda: not any(map(is_alive, started)), "the end of the cluster")
