"""The endurance run in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.endurance import check, run
from tests.bench.grading import made_course


@pytest.mark.slow
def test_an_honest_class_gets_its_points_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    course = made_course(tmp_path, students=12)
    check(run(course, temporary, students=12), course, temporary)
