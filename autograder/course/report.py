"""The class report: one page for the instructor, made from the verdicts of one assignment."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from autograder.course.course import Course
from autograder.course.pages import render
from autograder.course.statistics import class_statistics, reason
from autograder.engine.verdict import Verdict


def render_report(assignment: str, verdicts: Iterable[Verdict], pages: Mapping[str, str] | None = None) -> str:
    """The report on one assignment, self-contained. `pages` are addresses of the students' feedback, by student.

    Example: `Path("report.html").write_text(render_report("04_attention", verdicts), encoding="utf-8")`
    """
    everyone = sorted(verdicts, key=lambda verdict: verdict.student)
    return render(
        "report.html.j2",
        class_=class_statistics(assignment, everyone),
        everyone=everyone,
        rows=[(v, {e.name: e for e in v.exercises} if v.status == "graded" else {}) for v in everyone],
        numbers={verdict.student: number for number, verdict in enumerate(everyone, 1)},
        reason=reason,
        facts=_facts(everyone),
        pages=pages or {},
    )


def _facts(verdicts: Sequence[Verdict]) -> list[tuple[str, Counter[str]]]:
    """What the grading depended on, and how many verdicts each value holds for."""
    ran = [verdict for verdict in verdicts if verdict.status != "missing"]
    return [
        ("Seed", Counter(str(verdict.seed) for verdict in ran)),
        ("Sandbox", Counter(verdict.tier for verdict in ran)),
        ("Device", Counter(verdict.device for verdict in ran)),
        ("Versions", Counter(", ".join(f"{k} {v}" for k, v in sorted(one.versions.items())) for one in ran)),
    ]


def write_report(course: Course, assignment: str, verdicts: Sequence[Verdict]) -> Path:
    """Write the report of an assignment into `report/` of the course, with links to the feedback that is there."""
    path = Path(course.nbgrader.root) / "report" / f"{assignment}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {verdict.student: course.feedback(assignment, verdict.student) for verdict in verdicts}
    pages = {
        student: quote(Path(os.path.relpath(page, path.parent)).as_posix())
        for student, page in found.items()
        if page.is_file()
    }
    path.write_text(render_report(assignment, verdicts, pages), encoding="utf-8")
    return path
