"""An exercise, as its bank module specifies it, and the grading of one program against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from autograder.checks.compare import CheckFailed
from autograder.checks.diagnosis import Rival, Transcript, Witness, diagnose
from autograder.checks.draw import Draw
from autograder.checks.request import Answer, Request, Value
from autograder.checks.subject import Answerer, ProgramGone, Subject
from autograder.result import CheckResult, ExerciseResult

CheckFunction = Callable[[Subject, Draw], None]
Typical = Callable[[Subject, Draw], tuple[Subject, Sequence[Value]]]
"""A function ready to be called, or a module built, and typical arguments for it."""


@dataclass(frozen=True)
class Check:
    """One check: what it shows, what it is worth, and what a student who fails it should suspect and try.

    It is tried only when the check named `after` has passed. Which requests it makes must not depend on the answers.
    """

    name: str
    points: float
    suspect: str
    experiment: str
    run: CheckFunction
    after: str | None = None


@dataclass
class Exercise:
    """An exercise and its checks, in the order in which they localise a mistake.

    Example:
        exercise = Exercise("scaled_dot_product_attention", points=6, paper="Vaswani et al. 2017, section 3.2.1")

        @exercise.check("a lone key: every output is its value", points=1, suspect="…", experiment="…")
        def lone_key(student, draw): ...
    """

    name: str
    points: float
    paper: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, *, points: float, suspect: str, experiment: str, after: str | None = None
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Add the decorated function as a check. It fails by raising CheckFailed, as every method of Subject does."""

        def add(run: CheckFunction) -> CheckFunction:
            self.checks.append(Check(name, points, suspect, experiment, run, after))
            return run

        return add

    def good_manners(self, typical: Typical, *, after: str, points: float = 0.5, floating: bool = True) -> None:
        """Add the three checks that every numerical exercise shares, on `typical` arguments, `points` each.

        floating: False where only integers come out; the check of float32 is then left out.
        """

        def single(student: Subject, draw: Draw) -> None:
            subject, arguments = typical(student, draw)
            subject.agrees_in_float32(*arguments)

        if floating:
            self.check(
                "float32 in, float32 out",
                points=points,
                after=after,
                suspect="a tensor made with a fixed type, or a number that overflows",
                experiment="call it with .float() arguments and print the dtype of every intermediate result",
            )(single)

        @self.check(
            "the caller's tensors stay as they were",
            points=points,
            after=after,
            suspect="an operation in place (a trailing underscore, /= or +=) on an argument",
            experiment="clone the arguments before the call and compare them with torch.equal after it",
        )
        def untouched(student: Subject, draw: Draw) -> None:
            subject, arguments = typical(student, draw)
            subject.leaves_arguments_alone(*arguments)

        @self.check(
            "it runs on the device of its inputs",
            points=points,
            after=after,
            suspect="a tensor made without device=, such as torch.arange(n) or torch.zeros(n)",
            experiment="make new tensors from the inputs: x.new_zeros(n), torch.arange(n, device=x.device)",
        )
        def device(student: Subject, draw: Draw) -> None:
            subject, arguments = typical(student, draw)
            subject.runs_elsewhere(*arguments)

    def grade(self, student: Answerer, reference: Witness, seed: int, rivals: Sequence[Rival] = ()) -> ExerciseResult:
        """Run every check on fresh inputs from `seed`. `rivals` are the misconceptions to name the mistake by."""
        results: list[CheckResult] = []
        transcripts: dict[str, Transcript] = {}
        gone = ""
        for check in self.checks:
            transcript = transcripts[check.name] = Transcript(check.name)
            if blocked := gone or self._blocked(check, results):
                untried = self._result(check, CheckFailed(f"that {check.name}", blocked))
                results.append(replace(untried, tried=False))
                continue
            try:
                results.append(self._result(check, self._run(check, student, reference, seed, transcript)))
            except ProgramGone as error:
                gone = f"not tried, because {error}"
                results.append(self._result(check, CheckFailed("an answer", str(error))))
        named = diagnose(results, transcripts, rivals, seed)
        results = [replace(r, misconception=named.get(r.name)) for r in results]
        return ExerciseResult(self.name, sum(r.points for r in results), self.points, results)

    def _run(
        self, check: Check, student: Answerer, reference: Witness, seed: int, transcript: Transcript
    ) -> CheckFailed | None:
        def record(request: Request, answer: Answer) -> None:
            transcript.entries.append((request, answer))

        draw = Draw(seed, self.name, check.name)
        try:
            check.run(Subject(Request(self.name), student, reference.during(seed, check.name), draw, record), draw)
        except CheckFailed as failed:
            return failed
        return None

    def _blocked(self, check: Check, results: Sequence[CheckResult]) -> str:
        """Why a check is not tried, if it is not; along a chain of checks the reason is its first failure."""
        before = next((result for result in results if result.name == check.after and not result.passed), None)
        if before is None:
            return ""
        return f"not tried, because “{before.name}” failed" if before.tried else before.came

    def _result(self, check: Check, failed: CheckFailed | None) -> CheckResult:
        if failed is None:
            return CheckResult(check.name, True, check.points, check.points)
        return CheckResult(
            check.name, False, 0.0, check.points, failed.expected, failed.came, check.suspect, check.experiment
        )
