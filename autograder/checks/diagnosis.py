"""Name the mistake: compare what the student answered with what each misconception answers to the same requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from autograder.checks.compare import same_answer
from autograder.checks.request import Answer, Request
from autograder.checks.subject import Answerer
from autograder.result import CheckResult, Diagnosis


@dataclass
class Transcript:
    """What was asked and answered during one check."""

    check: str
    entries: list[tuple[Request, Answer]] = field(default_factory=list)


class Witness:
    """A program of our own whose answers are kept, since a class shares its seed and so its requests."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._seed: int | None = None
        self._kept: dict[tuple[str, int], Answer] = {}

    def during(self, seed: int, check: str) -> Answerer:
        """An answerer to the requests of one check, in their order."""
        if seed != self._seed:
            self._seed, self._kept = seed, {}
        places = count()

        def answer(request: Request) -> Answer:
            key = check, next(places)
            if key not in self._kept:
                self._kept[key] = self._answerer(request)
            return self._kept[key]

        return answer


@dataclass(frozen=True)
class Rival:
    """A misconception that may explain the answers."""

    diagnosis: Diagnosis
    witness: Witness

    def agrees(self, seed: int, transcript: Transcript) -> bool:
        """Whether it answers every request of this check as the student did."""
        answer = self.witness.during(seed, transcript.check)
        return all(same_answer(came, answer(request)) for request, came in transcript.entries)


def diagnose(
    results: Sequence[CheckResult], transcripts: Mapping[str, Transcript], rivals: Sequence[Rival], seed: int
) -> dict[str, Diagnosis]:
    """The misconception behind each failed check, where there is exactly one; rather none than a wrong one.

    One misconception that explains every answer to the whole exercise names all its failed checks. Where none does,
    since a program may hold two mistakes, a failed check is named by the only one that explains its answers.
    """
    failed = [result for result in results if not result.passed]
    asked = [transcripts[result.name] for result in sorted(results, key=lambda result: result.passed)]
    asked = [transcript for transcript in asked if transcript.entries]  # those first on which most rivals differ
    if not failed or not asked:
        return {}
    everywhere = [rival for rival in rivals if all(rival.agrees(seed, transcript) for transcript in asked)]
    if everywhere:
        return {result.name: everywhere[0].diagnosis for result in failed} if len(everywhere) == 1 else {}
    named = {}
    for result in failed:
        transcript = transcripts[result.name]
        here = [rival for rival in rivals if transcript.entries and rival.agrees(seed, transcript)]
        if len(here) == 1:
            named[result.name] = here[0].diagnosis
    return named
