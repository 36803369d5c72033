"""Jupyter: the kernel that notebooks ask for, and nbgrader's parts of JupyterLab."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.course.doctor.finding import Finding

EXTENSIONS = {"Formgrader": "formgrader", "Validate": "validate_assignment"}
LAB = "@jupyter/nbgrader"
PLUGINS = {"Formgrader": f"{LAB}:formgrader", "Validate": f"{LAB}:validate-assignment"}


def examine() -> Iterator[Finding]:
    """All that is looked at here."""
    yield _kernel()
    yield from (_extension(name) for name in EXTENSIONS)


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager

    remedy = f"{sys.executable} -m ipykernel install --sys-prefix"
    manager = KernelSpecManager()
    kernels = manager.find_kernel_specs()
    if "python3" not in kernels:
        return Finding("kernel", "problem", "no kernel python3", remedy)
    program = manager.get_kernel_spec("python3").argv[0]
    if program != "python" and not shutil.which(program):
        found = f"the kernel python3 of {kernels['python3']} starts {program}, which does not exist"
        return Finding("kernel", "problem", found, f"jupyter kernelspec remove python3, then {remedy}")
    if program != "python" and Path(program).parent.resolve() != Path(sys.executable).parent.resolve():
        found = f"the kernel python3 of {kernels['python3']} starts another Python, {program}"
        return Finding("kernel", "note", found, f"jupyter kernelspec remove python3, then {remedy}")
    return Finding("kernel", "ok", ", ".join(sorted(kernels)))


def _extension(name: str) -> Finding:
    """A part of nbgrader in JupyterLab: one half is the server's, the other one the page's."""
    from jupyter_core.paths import jupyter_config_path, jupyter_path
    from jupyter_server.extension.config import ExtensionConfigManager
    from jupyterlab_server.config import get_page_config

    subject, module = f"jupyterlab: {name}", f"nbgrader.server_extensions.{EXTENSIONS[name]}"
    manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
    if not manager.enabled(module):  # type: ignore[no-untyped-call]
        remedy = f"jupyter server extension enable --sys-prefix {module}"
        return Finding(subject, "note", "the server's half is disabled", remedy)
    page = get_page_config(jupyter_path("labextensions"))
    if LAB not in {extension["name"] for extension in page["federated_extensions"]}:
        return Finding(subject, "note", "the page's half is not installed", "pip install --force-reinstall nbgrader")
    if disabled := {LAB, PLUGINS[name]} & set(page["disabledExtensions"]):
        return Finding(subject, "note", "the page's half is disabled", f"jupyter labextension enable {disabled.pop()}")
    return Finding(subject, "ok", "enabled")
