"""Slots of GPUs that are only listed: which there are, and that no device ever has more holders than slots."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.engine import gpu
from autograder.engine.gpu import NoDevice, Slot, devices, lease, listing, parts_of_gpus, visible
from tests.engine.drivers import GPUS, PARTS, gpu_line, install, part_line

uuids = st.lists(st.uuids(), min_size=1, max_size=8, unique=True)

HOLD = """
import sys
from autograder.engine.gpu import NoDevice, lease
try:
    with lease(sys.argv[2:], int(sys.argv[1])) as slot:
        print(slot.device, flush=True)
        sys.stdin.read()
except NoDevice as reason:
    print(reason, flush=True)
"""
"""Takes a slot, says of which device, and keeps it until its input ends."""

CONTEND = """
import os, sys
from contextlib import suppress
from autograder.engine.gpu import NoDevice, lease
place, shares, *devices = sys.argv[1:]
held = refused = 0
for _ in range(200):
    with suppress(NoDevice), lease(devices, int(shares)) as slot:
        for number in range(int(shares)):
            with suppress(FileExistsError):
                seat = os.open(f"{place}/{slot.device}-{number}", os.O_CREAT | os.O_EXCL)
                break
        else:
            sys.exit(f"{slot.device} has more than {shares} holders")
        os.unlink(f"{place}/{slot.device}-{number}")
        os.close(seat)
        held += 1
print(held)
"""
"""Takes and gives back slots; who holds one takes one of as many seats, and says where there is none left."""


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([gpu_line(0, GPUS[0]), gpu_line(1, GPUS[1])], list(GPUS)),
        ([gpu_line(0, GPUS[0]), *map(part_line, (0, 1), PARTS), gpu_line(1, GPUS[1])], [*PARTS, GPUS[1]]),
        ([gpu_line(0, GPUS[0]), part_line(0, f"MIG-{GPUS[0]}/1/0")], [f"MIG-{GPUS[0]}/1/0"]),  # as older drivers do
        (["Warning: infoROM is corrupted at gpu 0000:00:1E.0", gpu_line(0, GPUS[0]), ""], [GPUS[0]]),
    ],
)
def test_a_part_of_a_gpu_takes_its_place(
    lines: list[str], found: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path / "bin", *lines)
    assert devices() == found


@pytest.mark.parametrize(
    ("lines", "code", "reason"),
    [
        ([], 0, "nvidia-smi lists no GPU"),
        (["No devices found."], 0, "nvidia-smi lists no GPU: No devices found"),
        (["NVIDIA-SMI has failed: no driver.", "Is it installed?"], 9, "no GPU: NVIDIA-SMI has failed: no driver. Is"),
        ([gpu_line(0, GPUS[0])], 15, "nvidia-smi lists no GPU: GPU 0"),
        (["\x00\ud7ff" * 5000], 0, "nvidia-smi lists no GPU: "),
    ],
)
def test_a_driver_without_a_gpu_says_why(
    lines: list[str], code: int, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path / "bin", *lines, code=code)
    with pytest.raises(NoDevice, match=reason) as caught:
        devices()
    assert len(str(caught.value)) < 300


def test_a_driver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path / "bin", gpu_line(0, GPUS[0]), hangs=True)
    monkeypatch.setattr(gpu, "LISTING_SECONDS", 0.2)
    with pytest.raises(NoDevice, match=r"did not list the GPUs within 0\.2 seconds"):
        devices()


def test_a_machine_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoDevice, match="nvidia-smi, which lists the GPUs, cannot be run: No such file"):
        listing()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("1", [GPUS[1]]),
        ("0", list(PARTS)),
        ("1,0", [GPUS[1], *PARTS]),
        (f"{PARTS[1]}", [PARTS[1]]),
        (f"{GPUS[1]}, 1", [GPUS[1]]),
        (GPUS[0], list(PARTS)),
        ("1,-1,0", [GPUS[1]]),  # CUDA ignores what comes after a name that it does not know
        ("1,7,0", [GPUS[1]]),
        ("GPU-,0", []),  # two begin so
    ],
)
def test_what_cuda_may_not_see_is_no_device(
    wanted: str, found: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = gpu_line(0, GPUS[0]), *map(part_line, (0, 1), PARTS), gpu_line(1, GPUS[1])
    install(monkeypatch, tmp_path / "bin", *lines)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", wanted)
    if found:
        assert devices() == found
    else:
        with pytest.raises(NoDevice, match=f"CUDA_VISIBLE_DEVICES is '{wanted}', and names none of GPU-"):
            devices()


@given(st.text())
def test_rubbish_lists_nothing_and_breaks_nothing(text: str) -> None:
    assert isinstance(parts_of_gpus(text.splitlines()), dict)
    assert visible({"GPU-a": ["GPU-a"]}, text) in ([], ["GPU-a"])


@given(st.lists(uuids, min_size=1, max_size=4), st.lists(st.text(alphabet="GPUMIG:( )-0a", max_size=30)), st.data())
def test_every_device_is_found_among_rubbish(gpus: list[list[object]], rubbish: list[str], data: st.DataObject) -> None:
    """The first of each list is a GPU, the others its parts."""
    lines, expected = [], {}
    for number, (own, *parts) in enumerate(gpus):
        lines += [gpu_line(number, f"GPU-{own}-{number}")]
        lines += [part_line(place, f"MIG-{part}-{number}") for place, part in enumerate(parts)]
        expected[f"GPU-{own}-{number}"] = [f"MIG-{part}-{number}" for part in parts] or [f"GPU-{own}-{number}"]
    for line in rubbish:
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    assert parts_of_gpus(lines) == expected
    numbers = data.draw(st.lists(st.sampled_from(range(len(gpus))), unique=True))
    seen = [part for number in numbers for part in list(expected.values())[number]]
    assert visible(expected, ",".join(map(str, numbers))) == seen


@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(0, 9), max_size=30))
def test_a_device_has_never_more_holders_than_slots(count: int, shares: int, moves: list[int]) -> None:
    """Each number gives back the lease at that place where there is one, and else takes another."""
    names = [f"MIG-GPU-a/{number}/0" for number in range(count)]
    held: list[tuple[ExitStack, Slot]] = []
    with ExitStack() as all_:
        own = all_.enter_context(tempfile.TemporaryDirectory())
        all_.enter_context(pytest.MonkeyPatch.context()).setattr(tempfile, "tempdir", own)
        for move in moves:
            if move < len(held):
                held.pop(move)[0].close()
                continue
            stack = all_.enter_context(ExitStack())
            taken = [slot.device for _, slot in held]
            try:
                slot = stack.enter_context(lease(names, shares))
            except NoDevice:
                assert len(held) == count * shares
                continue
            assert taken.count(slot.device) < shares
            held.append((stack, slot))


def test_slots_are_shared_out_and_a_killed_holder_gives_its_own_back(own_tmpdir: Path) -> None:
    first = [started(HOLD, 2, "GPU-a", "GPU-b") for _ in range(4)]
    assert sorted(map(said, first)) == ["GPU-a", "GPU-a", "GPU-b", "GPU-b"]
    assert said(started(HOLD, 2, "GPU-a", "GPU-b")) == "all 4 slots of the GPUs were in use"
    first[1].kill()
    first[1].wait()
    heir = started(HOLD, 2, "GPU-a", "GPU-b")
    assert said(heir) in ("GPU-a", "GPU-b")
    assert said(started(HOLD, 2, "GPU-a", "GPU-b")) == "all 4 slots of the GPUs were in use"
    for process in (*first, heir):
        process.communicate()
    assert said(started(HOLD, 1, "GPU-a")) == "GPU-a"
    (place,) = own_tmpdir.iterdir()
    assert (place.stat().st_mode & 0o777, place.stat().st_uid) == (0o700, os.getuid())


def test_those_who_take_and_give_back_all_the_time_never_exceed(own_tmpdir: Path, tmp_path: Path) -> None:
    others = [started(CONTEND, tmp_path, 2, "GPU-a", "GPU-b") for _ in range(6)]
    told = [process.communicate()[0] for process in others]
    assert [process.returncode for process in others] == [0] * 6
    assert all(int(count) > 0 for count in told)


@pytest.mark.parametrize("what", ["link", "open", "file"])
def test_a_directory_that_others_may_have_made_is_not_used(what: str, own_tmpdir: Path, tmp_path: Path) -> None:
    place = own_tmpdir / f"lookback-gpu-{os.getuid()}"
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    if what == "link":
        place.symlink_to(tmp_path / "elsewhere")
    elif what == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.touch()
    with pytest.raises(NoDevice, match="no directory of this user's alone"), lease(["GPU-a"], 1):
        pass
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_slot_says_which_device_and_how_much_of_its_memory() -> None:
    assert Slot("GPU-a", 1).environment == {
        "CUDA_VISIBLE_DEVICES": "GPU-a",
        "PYTORCH_ALLOC_CONF": "per_process_memory_fraction:1.000000",
    }
    shares = [float(Slot("GPU-a", n).environment["PYTORCH_ALLOC_CONF"].partition(":")[2]) for n in range(1, 65)]
    assert all(0.99 < n * share <= 1.001 for n, share in enumerate(shares, start=1))
