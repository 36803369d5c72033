"""The names of files that an LMS makes up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.course.schemes import CANVAS, MOODLE, recognised

name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(student=name, user=st.integers(1, 10**9), attempt=st.integers(1, 10**9), file=name, late=st.booleans())
def test_what_canvas_and_moodle_write_is_read(student: str, user: int, attempt: int, file: str, late: bool) -> None:
    clean = "".join(char for char in student.lower() if char.isalpha()) or "x"
    canvas = f"{clean}_{'LATE_' if late else ''}{user}_{attempt}_{file}.ipynb"
    found = CANVAS.search(canvas)
    assert found is not None
    assert found.group("student", "lms_user_id", "attempt", "file") == (clean, str(user), str(attempt), f"{file}.ipynb")
    assert bool(found["late"]) == late
    for between in ("_file_/", "_file/", "_file_/sub/", "_file_"):
        moodle = f"{student.replace('_', ' ')}_{user}_assignsubmission{between}{file}.ipynb"
        match = MOODLE.search(moodle)
        assert match is not None
        assert match.group("student", "lms_user_id", "file") == (student.replace("_", " "), str(user), f"{file}.ipynb")
        assert recognised([moodle, "x.ipynb", moodle]) == "moodle"
