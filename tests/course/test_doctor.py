"""The doctor: each planted fault has its finding, with a remedy, and a healthy course has none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jupyter_core.paths
import pytest
import torch
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.doctor import machine
from autograder.engine.sandbox import LAYERS

Findings = dict[str, list[dict[str, str]]]
Plant = Callable[["Patient"], None]


class Patient:
    """A course that something can be done to."""

    def __init__(self, directory: Path, settings: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory, self.settings, self.patch = directory, settings, patch
        self.config = directory / "nbgrader_config.py"
        self.gradebook = directory / "gradebook.db"

    def add(self, *lines: str) -> None:
        """Lines at the end of the course's configuration."""
        self.config.write_text("\n".join([self.config.read_text(), *lines, ""]))

    def take_out(self, word: str) -> None:
        lines = self.config.read_text().splitlines()
        self.config.write_text("\n".join(line for line in lines if word not in line))

    def elsewhere(self, name: str, text: str) -> Path:
        """A file in the user's Jupyter settings."""
        path = self.settings / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def change_gradebook(self, statement: str) -> None:
        engine = create_engine(f"sqlite:///{self.gradebook}")
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def program(self, name: str, *output: str) -> None:
        """A program of this name, first on the path, that prints these lines."""
        path = self.settings / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in output))
        path.chmod(0o755)
        self.patch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    def package(self, name: str, version: str) -> None:
        """Another version of a package, which Python finds first."""
        path = self.settings / "packages" / f"{name}-{version}.dist-info"
        path.mkdir(parents=True)
        (path / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        self.patch.syspath_prepend(path.parent)


@pytest.fixture
def patient(
    recorded_course: Course, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Patient:
    """A healthy course, an exchange, and Jupyter settings of its own; this machine's are out of the way."""
    settings = tmp_path_factory.mktemp("patient")
    monkeypatch.setattr(jupyter_core.paths, "SYSTEM_CONFIG_PATH", [])
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(settings))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "no")
    patient = Patient(recorded_course.directory, settings, monkeypatch)
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o777)
    patient.add(f"c.Exchange.root = {str(tmp_path / 'exchange')!r}")
    return patient


def findings(patient: Patient, *arguments: str) -> tuple[int, Findings]:
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments, "--course", str(patient.directory)])
    found: Findings = {}
    for finding in json.loads(result.stdout):
        found.setdefault(finding["subject"], []).append(finding)
    return result.exit_code, found


def test_a_healthy_course(patient: Patient) -> None:
    code, found = findings(patient)
    walls = {f"sandbox: {layer}" for layer in LAYERS}
    here = {"python", "packages", "versions", "nbgrader", "gpu", "sandbox", "kernel", *walls}
    course = {"configuration", "course", "course id", "gradebook", "nbgrader autograde", "exchange"}
    disks = {subject for subject in found if subject.startswith("disk: ")}
    assert found.keys() - disks == here | course | {"jupyterlab: Formgrader", "jupyterlab: Validate"}
    assert disks
    well = [one["level"] for subject in course | {"nbgrader", "kernel"} for one in found[subject]]
    assert well == ["ok"] * len(well)
    assert all(set(one) == {"subject", "level", "found", "remedy"} for some in found.values() for one in some)
    assert code == any(one["level"] == "problem" for some in found.values() for one in some)


NAMES, GRADEBOOK = "configuration", "gradebook"
OLD_TABLES = "UPDATE alembic_version SET version_num = '167914646830'"
FAULTS: dict[str, tuple[Plant, str, str, str, str]] = {
    "a name that does not exist": (
        lambda it: it.add('c.CourseDirectory.sorce_directory = "x"'),
        *(NAMES, "problem", "CourseDirectory.sorce_directory, which does not exist", "'source_directory'"),
    ),
    "a section that does not exist": (
        lambda it: it.add('c.CourseDirectry.db_url = "x"'),
        *(NAMES, "problem", "nbgrader has no CourseDirectry", "'CourseDirectory'"),
    ),
    "a name that was moved": (
        lambda it: it.add('c.NbGrader.course_id = "x"'),
        *(NAMES, "problem", "NbGrader.course_id, which does not exist", "CourseDirectory.course_id exists"),
    ),
    "a value of the wrong type": (
        lambda it: it.add("c.Exchange.path_includes_course = 'yes'"),
        *(NAMES, "problem", "path_includes_course to 'yes'", "boolean"),
    ),
    "a file that does not load": (
        lambda it: it.add("c.CourseDirectory."),
        *(NAMES, "problem", "does not load (SyntaxError", "mend"),
    ),
    "another file that sets more": (
        lambda it: it.elsewhere("nbgrader_config.py", "get_config().CourseDirectory.db_url = 'sqlite:///x.db'"),
        *(NAMES, "problem", "'sqlite:///x.db', the course's nbgrader_config.py leaves it alone", "take it out of"),
    ),
    "another file that says otherwise": (
        lambda it: it.elsewhere("jupyter_config.py", "get_config().CourseDirectory.course_id = 'mine'"),
        *(NAMES, "problem", "to 'mine', the course's nbgrader_config.py to 'lookback'", "take it out of"),
    ),
    "a JSON file that wins over its neighbour": (
        lambda it: (it.directory / "nbgrader_config.json").write_text('{"CourseDirectory": {"course_id": "b"}}'),
        *(NAMES, "problem", "nbgrader_config.json sets CourseDirectory.course_id to 'b'", "take it out of"),
    ),
    "no configuration, but one above": (
        lambda it: it.config.rename(it.directory.parent / "nbgrader_config.py"),
        *(NAMES, "problem", "nbgrader would go by its defaults", "there is one in"),
    ),
    "no configuration, but one below": (
        lambda it: it.config.rename(it.directory / "assignments" / "nbgrader_config.py"),
        *(NAMES, "problem", "nbgrader would go by its defaults", "assignments: run in that directory"),
    ),
    "no assignments": (
        lambda it: (it.directory / "assignments").rename(it.directory / "source"),
        *("course", "problem", "assignments does not exist", "mend that first"),
    ),
    "a course that nbgrader cannot make": (
        lambda it: it.add("c.CourseDirectory.course_id = 5"),
        *("course", "problem", "course_id", "mend that first"),
    ),
    "no course id": (
        lambda it: it.take_out("course_id"),
        *("course id", "note", "default_course", "c.CourseDirectory.course_id"),
    ),
    "a gradebook that is none": (
        lambda it: it.gradebook.write_text("no database\n" * 100),
        *(GRADEBOOK, "problem", "file is not a database", "journal/"),
    ),
    "another program's database": (
        lambda it: it.change_gradebook("DROP TABLE submitted_assignment"),
        *(GRADEBOOK, "problem", "is no gradebook of nbgrader's", "db_url"),
    ),
    "a gradebook with old tables": (
        lambda it: it.change_gradebook(OLD_TABLES),
        *(GRADEBOOK, "problem", "has tables of version 167914646830", "nbgrader db upgrade"),
    ),
    "a gradebook from the future": (
        lambda it: it.change_gradebook("UPDATE alembic_version SET version_num = 'f00'"),
        *(GRADEBOOK, "problem", "which this nbgrader does not know", "newer"),
    ),
    "a gradebook that was broken off": (
        lambda it: it.change_gradebook("DELETE FROM alembic_version"),
        *(GRADEBOOK, "problem", "tables without a version", "nbgrader db upgrade"),
    ),
    "an address of nowhere": (
        lambda it: it.add('c.CourseDirectory.db_url = "gradebook.db"'),
        *("course", "problem", "db_url 'gradebook.db' is no address of a database", "mend that first"),
    ),
    "no alembic": (
        lambda it: it.patch.setattr(shutil, "which", lambda name, **_: None),
        *(GRADEBOOK, "problem", "cannot find alembic", "pip install alembic"),
    ),
    "no exchange": (
        lambda it: (it.directory.parent / "exchange").rmdir(),
        *("exchange", "problem", "does not exist", "mkdir -p"),
    ),
    "an exchange for its owner only": (
        lambda it: (it.directory.parent / "exchange").chmod(0o755),
        *("exchange", "problem", "not open to everybody", "chmod ugo+rwx"),
    ),
    "neither of the seam's lines": (
        lambda it: it.take_out("c.Autograde."),
        *(
            "nbgrader autograde",
            "note",
            "without a sandbox",
            "autograde_preprocessors = ['autograder.course.seam.Engine']",
        ),
    ),
    "one of the seam's lines": (
        lambda it: it.take_out("c.Autograde.sanitize"),
        *("nbgrader autograde", "problem", "only c.Autograde.autograde_preprocessors", "add c.Autograde.sanitize_pre"),
    ),
    "the server's half of Formgrader": (
        lambda it: it.elsewhere(
            "jupyter_server_config.json",
            '{"ServerApp": {"jpserver_extensions": {"nbgrader.server_extensions.formgrader": false}}}',
        ),
        *("jupyterlab: Formgrader", "note", "the server's half is disabled", "jupyter server extension enable"),
    ),
    "the page's half of Validate": (
        lambda it: it.elsewhere(
            "labconfig/page_config.json", '{"disabledExtensions": {"@jupyter/nbgrader:validate-assignment": true}}'
        ),
        *(
            "jupyterlab: Validate",
            "note",
            "the page's half is disabled",
            "jupyter labextension enable @jupyter/nbgrader:",
        ),
    ),
    "an older nbgrader": (
        lambda it: it.package("nbgrader", "0.8.1"),
        *("nbgrader", "note", "0.8.1 is older than", "constraints.txt"),
    ),
    "a newer package": (
        lambda it: it.package("numpy", "99.0"),
        *("versions", "note", "numpy 99.0, not", "constraints.txt"),
    ),
    "a kernel whose Python is gone": (
        lambda it: kernel(it, "/nowhere/bin/python"),
        *("kernel", "problem", "starts /nowhere/bin/python, which does not exist", "ipykernel install"),
    ),
    "a kernel of another Python": (
        lambda it: kernel(it, shutil.which("true") or "/bin/true"),
        *("kernel", "note", "starts another Python", "ipykernel install"),
    ),
    "a GPU that this PyTorch is not built for": (
        lambda it: gpu(it, None),
        *("gpu", "note", "H100, but PyTorch", "CUDA build"),
    ),
    "a GPU with too old a driver": (
        lambda it: gpu(it, "13.0"),
        *("gpu", "note", "PyTorch for CUDA 13.0 cannot use it", "renew the driver"),
    ),
    "a full disk": (
        lambda it: it.patch.setattr(machine, "LEAST_FREE_DISK", 2**80),
        *("disk", "problem", "MiB free", "free a GiB or more"),
    ),
    "no inodes": (
        lambda it: it.patch.setattr(machine, "LEAST_FREE_FILES", 2**80),
        *("disk", "problem", "more files (inodes)", "df -i"),
    ),
}


def kernel(patient: Patient, program: str) -> None:
    folder = patient.settings / "data" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": [program], "display_name": "x", "language": "python"}))
    patient.patch.setenv("JUPYTER_PATH", str(patient.settings / "data"))


def gpu(patient: Patient, built_for: str | None) -> None:
    patient.program("nvidia-smi", "GPU 0: NVIDIA H100 (UUID: GPU-1)", "  MIG 1g.10gb Device 0: (UUID: MIG-1)")
    patient.patch.setattr(torch.version, "cuda", built_for)
    patient.patch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, patient: Patient) -> None:
    plant, subject, level, words, remedy = FAULTS[fault]
    plant(patient)
    code, found = findings(patient)
    told = [one for name, some in found.items() if name.split(":")[0] == subject or name == subject for one in some]
    (finding,) = [one for one in told if words in one["found"]] or [{"found": str(told)}]
    assert words in finding["found"]
    assert (finding["level"], remedy in finding["remedy"]) == (level, True), finding
    assert code == 1 or level == "note"


def test_the_slices_of_a_gpu_are_counted(patient: Patient) -> None:
    gpu(patient, "13.0")
    patient.patch.setattr(torch.cuda, "is_available", lambda: True)
    patient.patch.setattr(torch.cuda, "device_count", lambda: 1)
    patient.patch.setattr(torch.cuda, "get_device_name", lambda _: "H100 MIG 1g.10gb")
    (found,) = findings(patient)[1]["gpu"]
    assert (found["level"], found["found"]) == (
        "ok",
        "H100 MIG 1g.10gb; CUDA 13.0; 1 MIG slices, of which a process sees one",
    )


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "absent.py",
            None,
            "absent.py is no configuration file: nbgrader would only warn, and grade with its defaults",
        ),
        ("settings.conf", "", "settings.conf is no configuration file"),
        ("other.py", "get_config().CourseDirectory.db_url = 'sqlite:///other.db'", "to 'sqlite:///other.db'"),
        ("typo.py", "get_config().CourseDirectory.rot = 'x'", "CourseDirectory.rot, which does not exist"),
        ("broken.py", "1 / 0", "does not load (ZeroDivisionError"),
    ],
)
def test_a_wrong_config_is_an_error(name: str, text: str | None, words: str, patient: Patient) -> None:
    if text is not None:
        (patient.settings / name).write_text(text)
    code, found = findings(patient, "--config", str(patient.settings / name))
    assert code == 1
    assert any(words in one["found"] and one["level"] == "problem" for one in found["configuration"]), found


def test_the_courses_own_config_is_no_error(patient: Patient) -> None:
    _, found = findings(patient, "--config", str(patient.config))
    assert [one["level"] for one in found["configuration"]] == ["ok"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes root's rights away")
def test_a_gradebook_that_cannot_be_written_is_found(patient: Patient) -> None:
    patient.gradebook.chmod(0o400)
    command: list[Any] = [Path(sys.executable).with_name("autograder"), "doctor", "--course", patient.directory]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert f"✗ gradebook: {patient.gradebook} cannot be written\n    remedy: chown or chmod" in result.stdout
