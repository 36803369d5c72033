"""JupyterHub for one course on one machine; docs/operators.md says how to set it up.

Students work in an environment that has neither solutions nor checks; instructors in the course's own. Accounts are
those of the machine, and its groups say who is what.
"""

import grp
from pathlib import Path

c = get_config()  # noqa: F821 (JupyterHub provides it)

HOME = Path("/srv/lookback")
STUDENTS, INSTRUCTORS = "lookback-students", "lookback-instructors"

c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # before it stands what terminates TLS
c.JupyterHub.hub_bind_url = "http://127.0.0.1:8081"
c.JupyterHub.db_url = f"sqlite:///{HOME}/hub/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{HOME}/hub/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = f"{HOME}/hub/proxy.pid"

c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {STUDENTS, INSTRUCTORS}
c.PAMAuthenticator.open_sessions = False

c.Spawner.default_url = "/lab"
c.Spawner.http_timeout = 120


def choose_environment(spawner):
    """Students get their environment and their home, instructors the course: nbgrader reads its configuration there."""
    instructor = spawner.user.name in grp.getgrnam(INSTRUCTORS).gr_mem
    environment = HOME / "course/.venv" if instructor else HOME / "students"
    spawner.notebook_dir = str(HOME / "course") if instructor else "~"
    start_in = ["env", f"--chdir={HOME / 'course'}"] if instructor else []
    spawner.cmd = [*start_in, str(environment / "bin/jupyterhub-singleuser")]


c.Spawner.pre_spawn_hook = choose_environment
