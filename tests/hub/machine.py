"""Set a machine up as docs/operators.md says, in a world of its own, and start the hub: `… -m tests.hub.machine ROOT`.

Only what would need a network is done in another way: the students' environment finds the installed packages by a
path, and neither solutions nor checks.
"""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.hub.world import INSTRUCTORS, STUDENTS, home

HOME = Path("/srv/lookback")
JUPYTER = Path("/usr/local/etc/jupyter")
SINGLE_USER = "#!{python}\nfrom jupyterhub.singleuser import main\nmain()\n"
EXCHANGE = f'c.Exchange.root = "{HOME}/exchange"\n'
SWITCHED_OFF = ("formgrader", "course_list")
"""Extensions that the students' environment does without; `jupyter` would start those of the installed packages."""
EXTENSIONS = ("jupyter_server.extension.serverextension", "disable", "--sys-prefix", "nbgrader.server_extensions.{}")
LAB_EXTENSIONS = ("jupyterlab.labextensions", "disable", "--level=sys_prefix", "@jupyter/nbgrader:{}")


def set_up(root: Path, assignment: str) -> None:
    """Homes, environments, course and exchange, with their owners and modes."""
    members = {group: grp.getgrnam(group).gr_mem for group in (STUDENTS, INSTRUCTORS)}
    for user in [*members[STUDENTS], *members[INSTRUCTORS]]:
        directory(Path(home(user)), 0o700, user)
    directory(HOME, 0o755, "root")
    directory(HOME / "hub", 0o700, "root")
    directory(HOME / "exchange", 0o777, "root")
    JUPYTER.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "hub/nbgrader_config.py", JUPYTER)
    make_course(root, assignment, members[INSTRUCTORS][0])
    make_students_environment(root)


def directory(path: Path, mode: int, owner: str) -> None:
    path.mkdir()
    path.chmod(mode)
    shutil.chown(path, owner, owner)


def make_course(root: Path, assignment: str, instructor: str) -> None:
    course = HOME / "course"
    directory(course, 0o700, instructor)
    configuration = (root / "nbgrader_config.py").read_text(encoding="utf-8")
    (course / "nbgrader_config.py").write_text(configuration + EXCHANGE, encoding="utf-8")
    shutil.copytree(root / "assignments" / assignment, course / "assignments" / assignment)
    (course / ".venv").symlink_to(sys.prefix)
    subprocess.run(["chown", "--recursive", "--no-dereference", f"{instructor}:", str(course)], check=True)


def make_students_environment(root: Path) -> None:
    students = HOME / "students"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(students)], check=True)
    python, packages = students / "bin/python", Path(sysconfig.get_path("purelib", vars={"base": str(students)}))
    shutil.copytree(root / "lectures/lookback", packages / "lookback")
    (packages / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("etc", "share"):
        shutil.copytree(Path(sys.prefix, name), students / name, symlinks=True)
    (students / "bin/jupyterhub-singleuser").write_text(SINGLE_USER.format(python=python))
    (students / "bin/jupyterhub-singleuser").chmod(0o755)
    for name in SWITCHED_OFF:
        for command, extension in ((EXTENSIONS, name), (LAB_EXTENSIONS, name.replace("_", "-"))):
            arguments = [argument.format(extension) for argument in command]
            subprocess.run([str(python), "-m", *arguments], check=True, env=environment(students))


def environment(prefix: Path) -> dict[str, str]:
    """As after `source bin/activate`."""
    return {"PATH": f"{prefix / 'bin'}:{sys.prefix}/bin:{os.environ['PATH']}", "HOME": "/srv"}


if __name__ == "__main__":
    set_up(Path(sys.argv[1]), sys.argv[2])
    os.chdir(HOME / "hub")
    os.execve(Path(sys.prefix, "bin/jupyterhub"), ["jupyterhub", *sys.argv[3:]], environment(Path(sys.prefix)))
