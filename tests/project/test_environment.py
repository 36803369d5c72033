"""One list of dependencies: pip, make and conda install the same things, in the versions of constraints.txt."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

INSTALLED_BY_US = ("instructor", "site", "dev")
CUDA = re.compile("nvidia-|cuda-|triton")  # torch pins them itself


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Requirement]:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


def test_constraints_are_exact_and_public(pins: dict[str, Requirement]) -> None:
    for pin in pins.values():
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert Version(specifier.version).local is None, f"{pin}: a local version exists on one machine only"
        assert pin.url is None
        assert pin.marker is None


def test_every_dependency_is_pinned(manifest: dict[str, Any], pins: dict[str, Requirement]) -> None:
    project = manifest["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in INSTALLED_BY_US)]
    names = {canonicalize_name(Requirement(line).name) for lines in lists for line in lines}
    assert names - {project["name"]} <= pins.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="constraints.txt is made on Linux")
def test_what_is_installed_is_what_the_constraints_say(manifest: dict[str, Any], pins: dict[str, Requirement]) -> None:
    """Everything that this project needs, and what that needs in turn."""
    waiting = [Requirement(f"{manifest['project']['name']}[{','.join(INSTALLED_BY_US)}]")]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if CUDA.match(name):
            continue
        if name != manifest["project"]["name"]:
            assert name in pins, f"{wanted} is installed but not pinned"
            assert pins[name].specifier.contains(Version(metadata.version(name)).public, prereleases=True), name
        for extra in {"", *wanted.extras} - {extra for key, extra in seen if key == name}:
            seen.add((name, extra))
            needs = [Requirement(line) for line in metadata.requires(name) or []]
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]


def test_every_pinned_version_runs_on_the_oldest_python(manifest: dict[str, Any], pins: dict[str, Requirement]) -> None:
    """Debian 12 has Python 3.11.2: one package that asks for 3.11.5 keeps everything from being installed."""
    (oldest,) = SpecifierSet(manifest["project"]["requires-python"])
    asks = {dist.name: str(dist.metadata.json.get("requires_python", "")) for dist in metadata.distributions()}
    wrong = {name: needs for name, needs in asks.items() if not SpecifierSet(needs).contains(f"{oldest.version}.0")}
    assert not {canonicalize_name(name) for name in wrong} & pins.keys(), wrong


def test_conda_installs_what_make_installs(root: Path, manifest: dict[str, Any]) -> None:
    python, pip, by_pip = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert pip == "pip"
    assert SpecifierSet(manifest["project"]["requires-python"]).contains(python.removeprefix("python="))
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"pip install (.*)", makefile)
    assert " ".join(by_pip["pip"]) == arguments.replace("'", "").replace("$*", "instructor")


def test_the_environment_for_cuda_differs_in_pytorch_only(root: Path, pins: dict[str, Requirement]) -> None:
    """It cannot be installed where there is no GPU: that it names the tested version is all that is known here."""
    files = (root / name for name in ("environment.yml", "environment-cuda.yml"))
    plain, cuda = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in files)
    assert cuda.pop("channels") == ["conda-forge", "nodefaults"]
    (version,) = pins["torch"].specifier
    assert cuda["dependencies"].pop(1) == f"pytorch-gpu={version.version}"
    assert cuda == plain


@pytest.mark.slow
def test_the_built_package_holds_all_of_it(root: Path, files: list[Path], tmp_path: Path) -> None:
    """Every module, template and schema is in the wheel, which is built without a network, and nothing else."""
    names = [path.relative_to(root).as_posix() for path in files]
    ours = [name for name in names if name.startswith(("lectures/lookback/", "solutions/", "autograder/"))]
    for name in ["pyproject.toml", "README.md", "LICENSE", *ours]:
        copy = tmp_path / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((root / name).read_bytes())
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(tmp_path / "source")]
    built = run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == {name.removeprefix("lectures/") for name in ours}


def test_versions_of_python_agree(root: Path, manifest: dict[str, Any]) -> None:
    workflow = yaml.safe_load((root / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    tried = workflow["jobs"]["everything"]["strategy"]["matrix"]["python"]
    assert tried == ["3.11", "3.12", "3.13"]
    assert manifest["project"]["requires-python"] == f">={tried[0]}"
    assert {"run": "bash .ci/run"} in workflow["jobs"]["everything"]["steps"]


GROUPED = """
import os
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test_nothing(number):
    open(os.environ["PYTEST_XDIST_WORKER"], "a").close()
"""


@pytest.mark.slow
def test_the_tests_of_one_group_run_in_one_worker(tmp_path: Path) -> None:
    """A browser, a hub and a graded class are made once for their tests; where groups are not kept, twice."""
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    own = os.environ | {"TMPDIR": str(tmp_path)}  # another test's may be in force, which must stay empty
    done = run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert len(list(tmp_path.glob("gw*"))) == 1
