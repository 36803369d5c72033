"""How to check: what a bank module needs to say what an exercise demands."""

from autograder.checks.compare import CheckFailed
from autograder.checks.draw import Draw
from autograder.checks.exercise import Exercise
from autograder.checks.expect import expect, expect_values
from autograder.checks.subject import Subject

__all__ = ["CheckFailed", "Draw", "Exercise", "Subject", "expect", "expect_values"]
