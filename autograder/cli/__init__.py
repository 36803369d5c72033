"""The command line: `autograder COMMAND`. A module for each kind of command adds its own to the app."""

from autograder.cli import material, submissions, grading, results, machine  # isort: skip  # in the order of the help
from autograder.cli.app import app, main

__all__ = ["app", "grading", "machine", "main", "material", "results", "submissions"]
