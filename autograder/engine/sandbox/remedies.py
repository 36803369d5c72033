"""What would help where a wall does not hold: settings of the machine that forbid it, by name."""

from __future__ import annotations

from pathlib import Path

SETTINGS = {
    "kernel/unprivileged_userns_clone": ("0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give Python, or bubblewrap, an AppArmor"
        " profile with userns",
    ),
    "user/max_user_namespaces": ("0", "sudo sysctl -w user.max_user_namespaces=10000"),
}
"""Under /proc/sys: the value that forbids user namespaces, and how to change it."""
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
IN_A_CONTAINER = (
    "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    " --security-opt systempaths=unconfined, or go without: landlock and seccomp are enough"
)
REMEDIES = {
    "user": "only root can give each student a user; grade as an ordinary user, or make the libraries readable for all",
    "rlimits": "grade on Linux",
    "capabilities": "grade on Linux, as an ordinary user",
    "landlock": "Linux 5.13 or newer, with landlock in its boot parameter lsm=",
    "seccomp": "Linux with CONFIG_SECCOMP_FILTER, on x86-64 or AArch64",
}


def remedy(layer: str, reason: str) -> str:
    """What to do about a layer that does not hold for this reason; nothing where it does.

    Example: `remedy("landlock", "Function not implemented")`
    """
    if not reason or layer != "namespaces":
        return REMEDIES[layer] if reason else ""
    for name, (forbids, change) in SETTINGS.items():
        setting = Path("/proc/sys", name)
        if setting.exists() and setting.read_text().strip() == forbids:
            return change
    if any(Path(mark).exists() for mark in CONTAINER_MARKS):
        return IN_A_CONTAINER
    return "Linux 5.12 or newer, with user namespaces"
