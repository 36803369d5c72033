"""A file system of its own for a student's process: what the view shows, read-only, and little private disks."""

from __future__ import annotations

import os
from pathlib import Path

from autograder.engine.sandbox import system
from autograder.engine.sandbox.policy import Place, Policy
from autograder.engine.sandbox.view import View

DIRECTORY, HOME, TEMPORARY, SHARED = Path("/kernel"), Path("/student"), Path("/tmp"), Path("/dev/shm")
WRITABLE = (DIRECTORY, HOME, TEMPORARY, SHARED)
DEVICES = ("null", "zero", "full", "random", "urandom")
PRIVATE = system.MS_NOSUID | system.MS_NODEV
READ_ONLY = system.MOUNT_ATTR_RDONLY | system.MOUNT_ATTR_NOSUID
SKELETON_BYTES, SKELETON_FILES = 2**20, 4096
SOCKET_BYTES, SOCKET_FILES = 2**20, 128
BYTES_PER_FILE = 4096
"""One file for each block of a disk: an empty file takes memory as well."""


def build(policy: Policy, view: View, root: Path, user: int, group: int) -> Place:
    """Build the file system on `root`, an empty directory, and make it all that this process can reach.

    Needs a mount namespace and a process namespace of its own. The four writable directories belong to `user`.
    """
    outside = Path("/proc", os.readlink("/proc/self"), "root")  # the /proc of the process that looks in, still
    system.mount("none", Path("/"), "", system.MS_REC | system.MS_PRIVATE)
    _disk(root, SKELETON_BYTES, SKELETON_FILES, "mode=755")
    _storage(policy, root, f"uid={user},gid={group}")
    _libraries(view, root)  # afterwards, because Python may be installed under /tmp or /home
    _accounts(root, user, group)
    _devices(policy, root)
    _under(root, Path("/proc")).mkdir()
    system.mount("proc", _under(root, Path("/proc")), "proc", PRIVATE | system.MS_NOEXEC | system.MS_RDONLY)
    system.pivot_root(root)
    system.mount_setattr(Path("/"), READ_ONLY, recursive=False)
    return Place(DIRECTORY, HOME, TEMPORARY, outside / DIRECTORY.relative_to("/"))


def _libraries(view: View, root: Path) -> None:
    hidden = []
    for path, shown in view.entries():
        target = _under(root, path)
        if not shown:
            _disk(target, SKELETON_BYTES, SKELETON_FILES, "mode=755")
            hidden.append(target)
        elif path.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.readlink(path))
        else:
            _bind(path, target, READ_ONLY | system.MOUNT_ATTR_NODEV)
    for target in hidden:
        system.mount_setattr(target, READ_ONLY, recursive=False)


def _accounts(root: Path, user: int, group: int) -> None:
    """Names for the only user and group there are, so that asking for one's own does not fail."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(f"student:x:{user}:{group}::{HOME}:/bin/sh\n")
    (root / "etc/group").write_text(f"student:x:{group}:\n")


def _devices(policy: Policy, root: Path) -> None:
    devices = [Path("/dev", name) for name in DEVICES] + (gpu_devices() if policy.gpu else [])
    for device in devices:
        _bind(device, _under(root, device), system.MOUNT_ATTR_NOSUID)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / name).symlink_to(f"/proc/self/{target}")


def gpu_devices() -> list[Path]:
    """NVIDIA's devices on this machine; those of MIG and of graphics are in directories, which are made anew."""
    found = (path for pattern in ("nvidia*", "nvidia-caps/*", "dri/*") for path in Path("/dev").glob(pattern))
    return sorted(path for path in found if not path.is_dir())


def _storage(policy: Policy, root: Path, owner: str) -> None:
    """One disk for all files of the student's, and one for the kernel's sockets, which the first cannot fill."""
    pool = root / "pool"
    _disk(pool, policy.limits.disk_bytes, policy.limits.disk_bytes // BYTES_PER_FILE, f"mode=755,{owner}")
    for place in (HOME, TEMPORARY, SHARED):
        part = pool / place.name
        part.mkdir()
        owned = pool.stat()
        os.chown(part, owned.st_uid, owned.st_gid)
        part.chmod(0o700)
        _under(root, place).mkdir(parents=True)
        system.mount(part, _under(root, place), "", system.MS_BIND)
    system.umount(pool)
    pool.rmdir()
    _disk(_under(root, DIRECTORY), SOCKET_BYTES, SOCKET_FILES, f"mode=700,{owner}")


def _disk(target: Path, size: int, files: int, options: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    system.mount("tmpfs", target, "tmpfs", PRIVATE, f"size={size},nr_inodes={files},{options}")


def _bind(source: Path, target: Path, attributes: int) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    system.mount(source, target, "", system.MS_BIND | system.MS_REC)
    system.mount_setattr(target, attributes, recursive=True)


def _under(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
