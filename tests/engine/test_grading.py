"""One submission from file to verdict, in real kernels: whatever happens costs its own points and is said."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import psutil
import pytest

from autograder.bank import load_bank
from autograder.engine.grading import WrongSource, grade_submission
from autograder.engine.job import Graded, Job
from autograder.engine.limits import WrongLimit
from autograder.engine.verdict import Verdict, schema
from autograder.engine.warm import WarmParent
from autograder.result import ExerciseResult
from solutions.programs import programs
from tests.engine.conftest import LIMITS, WAIT, Grade, meanwhile
from tests.engine.notebooks import (
    FIRST,
    FIRST_POINTS,
    SECOND,
    SECOND_POINTS,
    STUB,
    answer,
    code,
    source_notebook,
    submitted,
    written,
)

RIGHT = answer(FIRST)["source"]


def points(graded: Graded) -> tuple[float, ...]:
    assert graded.verdict.status == "graded", graded.verdict.notes
    return tuple(exercise.points for exercise in graded.verdict.exercises)


def first(graded: Graded) -> ExerciseResult:
    return graded.verdict.exercises[0]


def notes(graded: Graded) -> str:
    return "\n".join(graded.verdict.notes)


def valid(verdict: Verdict) -> bool:
    """Whether it keeps to its schema and survives JSON."""
    data = json.loads(json.dumps(verdict.to_json()))
    jsonschema.validate(data, schema(), jsonschema.Draft202012Validator)
    return Verdict.from_json(data) == verdict


def test_a_kernel_that_the_student_chose_does_not_matter(parent: WarmParent, source: Path, tmp_path: Path) -> None:
    chosen = {"name": "lookback", "display_name": "Lookback", "language": "python"}
    submission = written(tmp_path / "submission.ipynb", submitted(), kernelspec=chosen)
    graded = grade_submission(Job("04_attention", "ada", source, submission, seed=7, limits=LIMITS), parent)
    assert points(graded) == (FIRST_POINTS, SECOND_POINTS)
    assert graded.notebook
    assert graded.notebook["metadata"] == {}, "as in the assignment"


def test_an_honest_submission_gets_every_point(grade: Grade) -> None:
    graded = grade(submitted())
    assert points(graded) == (FIRST_POINTS, SECOND_POINTS)
    assert all(check.passed for exercise in graded.verdict.exercises for check in exercise.checks)
    assert graded.verdict.notes == []
    assert graded.verdict.cpu_seconds > 0 < graded.verdict.wall_seconds
    assert valid(graded.verdict)


def test_the_seed_decides_the_verdict(grade: Grade) -> None:
    wrong = submitted(
        second=next(p.source for p in programs("attention") if p.exercise == SECOND and p.kind != "variant")
    )
    one, again = (grade(wrong).verdict.exercises for _ in range(2))
    assert one == again
    assert one[1].points < SECOND_POINTS


@pytest.mark.parametrize("kind", ["variant", "misconception"])
def test_the_banks_own_programs_are_graded_as_in_this_process(kind: str, grade: Grade) -> None:
    bank = load_bank("04_attention")
    for program in [p for p in bank.programs if p.exercise == FIRST and p.kind == kind]:
        graded = grade(submitted(first=program.source), exercises=(FIRST,))
        assert graded.verdict.exercises == [bank.grade(FIRST, bank.answerer(program), 7)], program.name


def test_an_unchanged_stub_gets_nothing_and_is_told_why(grade: Grade) -> None:
    graded = grade(submitted(first=STUB.format(FIRST)))
    assert points(graded) == (0, SECOND_POINTS)
    assert first(graded).checks[0].came == "nothing yet: the stub still raises NotImplementedError"


LOST = {
    "import os; os._exit(0)": "ended the process",
    "exit()": "ended the process",
    "import ctypes; ctypes.string_at(0)": "ended the process",
    "while True: pass": "did not end within 3 seconds",
    "import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass": "did not end within 3 seconds",
}


@pytest.mark.parametrize("ending", LOST)
def test_an_answer_cell_that_loses_the_process_costs_its_own_points(ending: str, grade: Grade) -> None:
    graded = grade(submitted(first=f"{RIGHT}\n{ending}"))
    assert points(graded) == (0, SECOND_POINTS)
    assert first(graded).message.startswith(f"It was not checked: its cell {LOST[ending]}")
    assert f"Cell 3 ({FIRST}) {LOST[ending]}" in notes(graded)
    assert valid(graded.verdict)


@pytest.mark.parametrize("ending", ["import os; os._exit(0)", "while True: pass", "raise ValueError('mine')"])
def test_an_own_cell_that_fails_costs_nothing(ending: str, grade: Grade) -> None:
    cells = submitted()
    cells.insert(3, code(ending))
    graded = grade(cells)
    assert points(graded) == (FIRST_POINTS, SECOND_POINTS)
    assert "Cell 4 " in notes(graded)


@pytest.mark.parametrize(
    "ending",
    [
        "raise ValueError('after')",
        "import sys; sys.exit(1)",
        "import sys; sys.stderr.write('W')",
        "import numpy; numpy.zeros(10**13)",
        "x = bytearray(64 * 2**30)",
    ],
)
def test_what_is_defined_before_an_error_counts(ending: str, grade: Grade) -> None:
    assert points(grade(submitted(first=f"{RIGHT}\n{ending}"))) == (FIRST_POINTS, SECOND_POINTS)


def test_an_answer_that_does_not_parse_says_so(grade: Grade) -> None:
    graded = grade(submitted(first="def soft_lookup(:\n    pass"))
    assert points(graded) == (0, SECOND_POINTS)
    assert first(graded).message.startswith("Its cell does not define it, for it raised SyntaxError")


CHECKED_BADLY = {
    "import os\ndef soft_lookup(*a): os._exit(0)": "the program ended the process",
    "def soft_lookup(*a):\n    while True: pass": "the program did not end within 3 seconds",
    "def soft_lookup(*a): exit()": "the program ended the process",
    "def soft_lookup(*a): raise KeyboardInterrupt": "KeyboardInterrupt",
}


@pytest.mark.parametrize("program", CHECKED_BADLY)
def test_a_program_that_fails_while_it_is_checked_costs_its_own_points(program: str, grade: Grade) -> None:
    graded = grade(submitted(first=program))
    assert points(graded) == (0, SECOND_POINTS)
    assert CHECKED_BADLY[program] in first(graded).checks[0].came
    assert valid(graded.verdict)


@pytest.mark.slow
def test_an_answer_cell_that_floods_costs_its_own_points(grade: Grade) -> None:
    program = f"{RIGHT}\nwhile True: print('x' * 100_000)"
    graded = grade(submitted(first=program), limits=LIMITS.changed({"cell_seconds": 60}))
    assert points(graded) == (0, SECOND_POINTS)
    assert first(graded).message.startswith("It was not checked: its cell put out more than can be read")


@pytest.mark.slow
def test_a_program_that_floods_while_it_is_checked_costs_its_own_points(grade: Grade) -> None:
    program = "def soft_lookup(*a):\n    while True: print('x' * 100_000)"
    graded = grade(submitted(first=program), limits=LIMITS.changed({"check_seconds": 60}))
    assert points(graded) == (0, SECOND_POINTS)
    assert "the program put out more than can be read" in first(graded).checks[0].came


def test_a_death_that_comes_late_does_not_hit_the_next_exercise(grade: Grade) -> None:
    program = "import os, threading\ndef soft_lookup(*a): threading.Timer(0.05, os._exit, (0,)).start()"
    assert points(grade(submitted(first=program))) == (0, SECOND_POINTS)


def test_replayed_cells_leave_the_state_that_the_offender_had_not_touched(grade: Grade) -> None:
    cells = submitted(second=f"factor = counted\n{answer(SECOND)['source']}")
    cells.insert(2, code("counted = globals().get('counted', 0) + 1"))
    cells.insert(4, code("counted = 'spoilt'\nimport os; os._exit(0)"))
    graded = grade(cells)
    assert points(graded) == (FIRST_POINTS, SECOND_POINTS)
    assert notes(graded).count("Cell") == 1


def test_a_later_cell_that_uses_the_name_again_does_not_matter(grade: Grade) -> None:
    cells = submitted()
    cells.insert(4, code("soft_lookup = torch.zeros(3)"))
    assert points(grade(cells)) == (FIRST_POINTS, SECOND_POINTS)


def test_a_deleted_answer_costs_its_own_points(grade: Grade) -> None:
    cells = submitted()
    del cells[2]
    graded = grade(cells)
    assert points(graded) == (0, SECOND_POINTS)
    assert first(graded).message == "No cell defines it: its cell was deleted or renamed."


def test_one_exercise_alone_can_be_graded(grade: Grade) -> None:
    graded = grade(submitted(), exercises=(SECOND,))
    assert [exercise.name for exercise in graded.verdict.exercises] == [SECOND]
    assert points(graded) == (SECOND_POINTS,)


def test_time_for_the_whole_submission_is_limited(grade: Grade) -> None:
    cells = submitted(first=f"import time; time.sleep(1.5)\n{RIGHT}")
    cells.insert(3, code("time.sleep(9)"))
    graded = grade(cells, limits=LIMITS.changed({"submission_seconds": 2}))
    assert graded.verdict.wall_seconds < 8
    assert points(graded) == (0, 0)
    assert "the submission had used its 2 seconds" in notes(graded)


def test_lost_processes_are_limited(grade: Grade) -> None:
    cells = submitted()
    for _ in range(6):
        cells.insert(2, code("import os; os._exit(0)"))
    graded = grade(cells, limits=LIMITS.changed({"restarts": 3}))
    assert points(graded) == (0, 0)
    assert "its process was lost 4 times" in notes(graded)


def test_the_source_may_change_limits_for_one_cell(grade: Grade, source: Path) -> None:
    cells = source_notebook()
    cells[2]["metadata"]["lookback"] = {"limits": {"cell_seconds": 30}}
    written(source, cells, lookback={"limits": {"cell_seconds": 0.5}})
    slow = "import time; time.sleep(1)\n"
    graded = grade(submitted(slow + RIGHT, slow + answer(SECOND)["source"]))
    assert points(graded) == (FIRST_POINTS, 0)


def test_nothing_handed_in(parent: WarmParent, source: Path) -> None:
    graded = grade_submission(Job("04_attention", "ada", source, None, seed=7), parent)
    assert (graded.verdict.status, graded.verdict.points, graded.verdict.max) == ("missing", 0, 9)
    assert graded.notebook is None
    assert valid(graded.verdict)


def test_a_file_that_is_no_notebook(parent: WarmParent, source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.ipynb").write_text("")
    graded = grade_submission(Job("04_attention", "ada", source, tmp_path / "bad.ipynb", seed=7), parent)
    assert (graded.verdict.status, graded.verdict.points, graded.verdict.max) == ("rejected", 0, 9)
    assert graded.verdict.notes == ["Rejected: the file is not a notebook: it is empty."]
    assert valid(graded.verdict)


def test_a_wrong_source_is_the_instructors_error(parent: WarmParent, source: Path, tmp_path: Path) -> None:
    job = Job("04_attention", "ada", source, None, seed=7, exercises=("soft_lookups",))
    with pytest.raises(WrongSource, match="no check for soft_lookups; there are soft_lookup, scaled"):
        grade_submission(job, parent)
    right = source.read_text()
    source.write_text(right.replace('"points": 3.0', '"points": 4'))
    with pytest.raises(
        WrongSource, match="check_soft_lookup is worth 4 points, but the checks of its bank are worth 3:"
    ):
        grade_submission(Job("04_attention", "ada", source, None, seed=7), parent)
    source.write_text(right.replace("check_soft_lookup", "check_hard_lookup"))
    with pytest.raises(WrongSource, match="the bank has no checks for hard_lookup"):
        grade_submission(Job("04_attention", "ada", source, None, seed=7), parent)
    written(source, [code("", lookback={"limits": {"cell_hours": 1}})])
    with pytest.raises(WrongLimit, match="there is no limit 'cell_hours'"):
        grade_submission(Job("04_attention", "ada", source, None, seed=7), parent)
    source.write_text("{}")
    with pytest.raises(WrongSource, match="not a notebook"):
        grade_submission(Job("04_attention", "ada", source, None, seed=7), parent)


def test_the_executed_notebook_shows_what_ran_and_hides_the_tests(grade: Grade) -> None:
    import nbformat

    cells = submitted(first=f"{RIGHT}\nprint('hello')\n6 * 7")
    cells.insert(3, code("1 / 0"))
    found = grade(cells).notebook
    assert found is not None
    nbformat.validate(nbformat.from_dict(found))  # type: ignore[no-untyped-call]
    assert "HIDDEN" not in json.dumps(found)
    executed = {cell["id"]: cell for cell in found["cells"]}
    assert [output.get("text") for output in executed["cell-2"]["outputs"]] == ["hello\n", None]
    assert executed["own-4"]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert executed["cell-4"]["outputs"] == []
    assert executed["cell-2"]["metadata"]["nbgrader"]["grade_id"] == FIRST


def test_text_from_the_student_can_be_written_anywhere(grade: Grade) -> None:
    program = "def soft_lookup(*a): raise type('\\ud800\\x1b[31m<script>', (Exception,), {})('\\udfff\\0</script>')"
    graded = grade(submitted(first=f"print('\\ud800')\n{program}"))
    json.dumps([graded.verdict.to_json(), graded.notebook], ensure_ascii=False).encode()
    assert points(graded) == (0, SECOND_POINTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "first", [f"{WAIT}\n{RIGHT}", f"{RIGHT}\ndef soft_lookup(*a, f=soft_lookup):\n    {WAIT}; return f(*a)"]
)
def test_a_process_that_the_machine_kills_costs_nothing(first: str, grade: Grade) -> None:
    with meanwhile(psutil.Process.kill):
        graded = grade(submitted(first), limits=LIMITS.changed({"check_seconds": 60}))
    assert points(graded) == (FIRST_POINTS, SECOND_POINTS)
    assert "the machine may have killed it" in "\n".join(graded.log)
