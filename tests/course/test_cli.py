"""The command line: one line for what is wrong, exit codes, clean output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from tests.course.small import ASSIGNMENT, ATTENTION, small_cells, stub, write_course, write_notebook

COMMANDS = (
    "release",
    "bundle",
    "solve",
    "class",
    "validate",
    "new-exercise",
    "collect",
    "grade",
    "watch",
    "feedback",
    "report",
    "similar",
    "export",
    "doctor",
    "demo",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: autograder {command}" in result.output
    assert "--course" in result.output


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    code = """
import sys
from typer.testing import CliRunner
from autograder.cli import app
print(CliRunner().invoke(app, ["--help"]).output)
print([name for name in ("torch", "nbgrader", "nbformat", "jinja2") if name in sys.modules])
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"  {command} " in shown for command in COMMANDS)
    assert shown.strip().endswith("[]")


def test_what_starts_a_class_and_records_it_does_without_torch() -> None:
    """Each worker loads it once, and a second run that finds everything in the journal never does."""
    code = """
import sys
from autograder import console
from autograder.course import feedback, grade, report
print("torch" in sys.modules)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "False"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "Missing command. The commands are release, bundle, solve, class,"),
        ("grad x", "No such command 'grad'. Did you mean 'grade'? Try autograder --help."),
        ("frobnicate", "No such command 'frobnicate'. The commands are release, bundle, solve, class, validate, new-"),
        ("grade", "Missing argument 'NAME'. Try autograder grade --help."),
        ("grade x --worker 2", "No such option: --worker (Possible options: --course, --workers)."),
        ("grade x --workers 0", "Invalid value for '--workers'"),
        ("grade x --workers two", "Invalid value for '--workers'"),
        ("grade x --device tpu", "Invalid value for '--device'"),
        ("grade x --seed -1", "Invalid value for '--seed'"),
        ("solve x", "Missing option '--to'. Try autograder solve --help."),
        ("class x --students 0", "Invalid value for '--students'"),
        ("grade x --stream --json", "--stream prints a line for each verdict, --json one list: choose one"),
        ("grade x y", "Got unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_gets_one_line_that_says_what_would_be_right(arguments: str, message: str) -> None:
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("bundle", "new-exercise", "doctor", "demo")])
def test_a_wrong_course_or_assignment_gets_one_line(command: str, course: Course, tmp_path: Path) -> None:
    more = ["--to", str(tmp_path / "solved")] if command == "solve" else []
    for arguments, message in (
        (["04_atention", "--course", str(course.directory)], "did you mean '04_attention'?"),
        ([ASSIGNMENT, "--course", str(tmp_path)], "nbgrader_config.py does not exist: give a course directory"),
        ([ASSIGNMENT, "--course", str(tmp_path / "nowhere")], "nowhere is not a directory"),
    ):
        result = run(command, *arguments, *more)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
        assert result.stderr.rstrip().count("\n") == 0


@pytest.mark.parametrize("command", ["grade", "feedback", "report", "similar"])
def test_before_anybody_has_handed_in(command: str, course: Course) -> None:
    result = run(command, ASSIGNMENT, "--course", str(course.directory))
    assert result.exit_code == 2
    assert (
        "nobody has handed in" if command in ("grade", "similar") else "nothing has been graded yet"
    ) in result.stderr
    assert not (course.directory / "gradebook.db").exists()


def test_an_unknown_student_or_exercise_changes_nothing(course: Course) -> None:
    course.submitted(ASSIGNMENT, "ada").parent.mkdir(parents=True)
    here = ("--course", str(course.directory))
    result = run("grade", ASSIGNMENT, "--student", "adda", *here)
    assert (result.exit_code, "did you mean 'ada'?" in result.stderr) == (2, True)
    result = run("grade", ASSIGNMENT, "--exercise", "memory_hopp", *here)
    assert (result.exit_code, "did you mean 'memory_hop'?" in result.stderr) == (2, True)
    assert {path.name for path in course.directory.iterdir()} == {"assignments", "nbgrader_config.py", "submitted"}


def test_an_assignment_without_a_bank_is_wrong_material(course: Course) -> None:
    write_notebook(course.directory / "assignments" / "77_unknown" / "77_unknown.ipynb", small_cells())
    result = run("solve", "77_unknown", "--to", str(course.directory / "solved"), "--course", str(course.directory))
    assert result.exit_code == 1
    assert result.stderr == "no bank of checks for '77_unknown': autograder/bank/unknown.py does not exist\n"


def test_wrong_material_is_one_line_and_exit_code_one(tmp_path: Path) -> None:
    broken = small_cells({ATTENTION: stub(ATTENTION).replace("### END SOLUTION", "")})
    directory = write_course(tmp_path / "course", broken)
    result = run("release", ASSIGNMENT, "--course", str(directory))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("RuntimeError: no end solution statement found\n")
    assert not (directory / "release").exists()


def test_the_doctor_names_what_is_wrong_and_the_remedy(tmp_path: Path) -> None:
    ill = run("doctor", "--course", str(tmp_path / "nowhere"))
    assert ill.exit_code == 1
    assert "✗ course: " in ill.stdout
    assert "nowhere is not a directory" in ill.stdout
    assert "    remedy: " in ill.stdout


def test_nothing_is_graded_where_the_sandbox_does_not_hold(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    write_notebook(course.submitted(ASSIGNMENT, "ada"), small_cells())
    monkeypatch.setenv("LOOKBACK_LAYERS", "rlimits")
    refused = run("grade", ASSIGNMENT, "--course", str(course.directory))
    assert refused.exit_code == 2
    assert "the sandbox here is only “rlimits”" in refused.stderr
    assert refused.stderr.count("\n") == 1
    allowed = run("grade", ASSIGNMENT, "--unsafe", "--json", "--course", str(course.directory))
    assert [verdict["tier"] for verdict in json.loads(allowed.stdout)] == ["rlimits"]


def test_the_demonstration_replaces_nothing_but_an_earlier_one(course: Course, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for directory in (tmp_path / "mine", course.directory):
        result = run("demo", "--to", str(directory), "--course", str(course.directory))
        assert (result.exit_code, "holds something else than a demonstration" in result.stderr) == (2, True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert course.source(ASSIGNMENT).exists()
