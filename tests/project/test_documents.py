"""What the documents say exists: commands, options, make targets, files and pictures."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from nbgrader.apps import NbGraderApp
from typer.core import TyperGroup

from autograder.cli import app
from docs.picture import picture

# A path of one person's machine. The pattern is written so that it does not match itself.
MACHINE = re.compile(r"(?<![\w.>}*/])/(?:home/(?!user|some)\w|Users/\w|root/\w|work/\w)|/tmp/ipykernel_[0-9]")
NAMED = re.compile(r"`((?:lectures|assignments|solutions|autograder|tests|docs)/[\w./]*)`")
TEXT = {".py", ".md", ".ipynb", ".toml", ".yml", ".txt", ".cfg", ".json", ".j2", ""}


def code(document: Path) -> Iterator[str]:
    """Each line of code in a document, those that end in a backslash joined."""
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"^```.*?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


@pytest.fixture(scope="module")
def targets(root: Path) -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (root / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return set(phony.split())


def test_every_make_target_is_documented_and_the_other_way_round(documents: list[Path], targets: set[str]) -> None:
    named = {name for path in documents for line in code(path) for name in re.findall(r"^make ([a-z]+)", line)}
    assert named == targets


def test_every_target_does_something(root: Path, targets: set[str]) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for name in targets:
        assert re.search(rf"^{name}:.*\n\t", makefile, flags=re.MULTILINE), name


def test_every_command_and_option_exists(documents: list[Path]) -> None:
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    used = [line for path in documents for line in code(path) if re.match(r"(\.venv/bin/)?autograder ", line)]
    assert used
    for line in used:
        name, *words = line.partition("autograder ")[2].split("#")[0].split()
        if name.startswith("--"):
            continue
        assert name in commands.commands, line
        parameters = commands.commands[name].params
        options = {option for one in parameters for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_every_command_and_option_of_nbgrader_exists(documents: list[Path]) -> None:
    used = [line for path in documents for line in code(path) if re.match(r"nbgrader [a-z]", line)]
    assert used
    for line in used:
        found, words = NbGraderApp(), shlex.split(line.split(" #")[0])[1:]
        while words and words[0] in found.subcommands:
            found = found.subcommands[words.pop(0)][0]()
        assert not isinstance(found, NbGraderApp), line
        known = {*found.aliases, *found.flags}
        asked = {word.partition("=")[0].removeprefix("--") for word in words if word.startswith("--")}
        assert asked <= known, line


def test_every_command_is_documented(documents: list[Path]) -> None:
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents)
    assert not [name for name in commands.commands if f"autograder {name}" not in text]


def test_every_link_and_picture_exists(documents: list[Path]) -> None:
    for path in documents:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_picture_is_the_lectures_own(root: Path) -> None:
    kept = (root / "docs/picture.png").read_bytes()
    assert kept == picture(), "the lecture was run again: run python docs/picture.py"


def test_every_named_file_exists(root: Path, documents: list[Path]) -> None:
    """A path in backticks that starts with one of our folders names something that is there."""
    for path in documents:
        for name in re.findall(
            r"`((?:lectures|assignments|solutions|autograder|tests|docs)/[\w./]*)`", path.read_text()
        ):
            assert (root / name).exists(), f"{path.name}: {name}"


def test_no_path_of_a_machine(files: list[Path], root: Path) -> None:
    found = {
        str(path.relative_to(root)): hit.group()
        for path in files
        if path.suffix in TEXT and (hit := MACHINE.search(path.read_text(encoding="utf-8")))
    }
    assert not found


def test_the_pattern_finds_a_path_of_a_machine() -> None:
    for user in ("/home/", "/Users/", "/root/", "/work/"):
        assert MACHINE.search(f"File '{user}anna/course/x.py'")
    assert not MACHINE.search("/proc/<pid>/root/tmp, https://example.org/work/plan and lectures/work/x")
