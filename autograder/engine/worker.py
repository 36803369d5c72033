"""What a worker process does: grade submissions, one after the other, in forks of its own warm parent."""

from __future__ import annotations

import signal
import traceback
from dataclasses import replace

import torch

from autograder.bank import UnknownUnit
from autograder.engine.grading import WrongSource, grade_submission
from autograder.engine.job import Graded, Job, failed
from autograder.engine.limits import OVERTIME_SECONDS, WrongLimit
from autograder.engine.placement import placed
from autograder.engine.warm import ParentGone, WarmParent

_parent: WarmParent | None = None


def grade_with_parent(job: Job) -> Graded:
    """Grade in this process, with its warm parent; with a new one where that has died.

    A submission that takes much longer than it may ends the process.
    """
    global _parent
    torch.set_num_threads(1)
    signal.alarm(int(job.limits.submission_seconds) + OVERTIME_SECONDS)  # unless it is turned off, it ends the worker
    try:
        for _ in range(2):
            _parent = _parent or WarmParent()
            try:
                return _graded_in_place(job, _parent)
            except ParentGone as error:
                reason = str(error)
                _parent.close()
                _parent = None
        return failed(job, reason)
    except (WrongSource, WrongLimit, UnknownUnit) as error:
        return failed(job, str(error))
    except Exception:  # whatever it is, the class goes on, and the verdict says it
        return failed(job, traceback.format_exc(limit=-3))
    finally:
        signal.alarm(0)


def _graded_in_place(job: Job, parent: WarmParent) -> Graded:
    """Grade where there is room. On the CPU instead of a GPU, the verdict says so and why."""
    with placed(job, parent) as place:
        graded = grade_submission(replace(job, device=place.device), parent, place.environment)
    if not place.reason:
        return graded
    verdict = replace(graded.verdict, notes=[*graded.verdict.notes, place.reason])
    return replace(graded, verdict=verdict, log=[*graded.log, place.reason])
