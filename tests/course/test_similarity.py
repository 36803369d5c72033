"""Pairs to look at: renamed copies come first, and what right answers share by nature does not count."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course import similarity
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from autograder.course.similarity import LONGEST_ANSWER, read_answers, similar_pairs, tokens
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, bank, source_of

OWN = """
def scaled_dot_product_attention(query, key, value, mask=None):
    found = []
    for place in range(query.shape[-2]):
        row = (key * query[..., place : place + 1, :]).sum(-1).div(query.shape[-1] ** 0.5)
        if mask is not None:
            row = torch.where(mask[..., place, :], row, torch.full_like(row, -float("inf")))
        found.append(torch.exp(row - row.amax(-1, keepdim=True)))
    weights = torch.stack(found, -2)
    weights = weights / weights.sum(-1, keepdim=True)
    return (weights.unsqueeze(-1) * value.unsqueeze(-3)).sum(-2), weights
"""
ANOTHER = """
def scaled_dot_product_attention(query, key, value, mask=None):
    logits = torch.tensordot(query, key.mT, dims=1) if query.dim() == 2 else torch.bmm(query, key.mT)
    logits /= math.sqrt(key.size(2))
    allowed = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask.bool()
    shifted = logits - logits.masked_fill(~allowed, float("-inf")).max(dim=2, keepdim=True)[0]
    powers = allowed * shifted.exp()
    normal = torch.einsum("bts->bt", powers)[..., None].reciprocal()
    return torch.bmm(powers * normal, value), powers * normal
"""
NAMES = {"found": "ws", "place": "t", "row": "z", "weights": "out", "query": "q", "key": "k", "value": "v", "mask": "m"}


def renamed(source: str, names: Mapping[str, str]) -> str:
    """The same program with other names, comments of its own and another layout."""
    text = re.sub(r"\b\w+\b", lambda word: names.get(word[0], word[0]), source)
    return "# my own work!\n" + text.replace(" = ", "=").replace("\n    return", "\n\n    # done\n    return")


def hand_in(course: Course, answers: Mapping[str, Mapping[str, str]]) -> None:
    version = students_version(course, ASSIGNMENT)
    for student, sources in answers.items():
        write(fill(version, sources), course.submitted(ASSIGNMENT, student))


def run(course: Course, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["similar", ASSIGNMENT, *arguments, "--course", str(course.directory)])


def right_programs() -> Iterator[dict[str, str]]:
    """Every combination of references and variants."""
    written = {
        name: [source_of(name), *(p.source for p in bank().programs if p.exercise == name and p.kind == "variant")]
        for name in EXERCISES
    }
    return (dict(zip(EXERCISES, sources, strict=True)) for sources in product(*(written[name] for name in EXERCISES)))


def test_a_renamed_copy_is_found_and_right_answers_are_not(course: Course) -> None:
    honest = {f"honest-{number}": sources for number, sources in enumerate(right_programs())}
    copied = {"gita": {ATTENTION: OWN}, "hugo": {ATTENTION: renamed(OWN, NAMES)}, "ines": {ATTENTION: ANOTHER}}
    hand_in(course, {**honest, **copied, "kofi": {}, "lena": {}})
    shown = run(course, "--json")
    assert shown.exit_code == 0, shown.output
    (pair,) = json.loads(shown.stdout)
    assert (pair["students"], pair["similarity"], list(pair["shared"])) == (["gita", "hugo"], 1.0, [ATTENTION])
    assert pair["shared"][ATTENTION] > 100
    assert run(course).stdout == f"100 %  gita and hugo  ({ATTENTION})\n"


def test_a_copy_comes_first_where_no_bank_knows_the_right_answers(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "has_checks", lambda *_: False)
    written = [list(dict.fromkeys(sources[name] for sources in right_programs())) for name in EXERCISES]
    answers = {
        f"honest-{number}": dict(zip(EXERCISES, sources, strict=True))
        for number, sources in enumerate(zip(*written, strict=False))
    }
    assert len(answers) >= 3
    answers |= {"gita": {**answers["honest-0"], ATTENTION: OWN}, "hugo": {ATTENTION: renamed(OWN, NAMES)}}
    first, *others = similar_pairs(course, ASSIGNMENT, answers)
    assert first.students == ("gita", "hugo")
    assert first.similarity > 0.8
    assert {pair.students for pair in others if pair.similarity > 0.5} <= {("gita", "honest-0")}


def test_a_large_class_is_compared_in_blocks(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*OWN.splitlines(), *ANOTHER.splitlines()]
    answers = {f"student-{n}": {ATTENTION: "\n".join(texts[n : n + 9])} for n in range(len(texts) - 9)}
    at_once = similar_pairs(course, ASSIGNMENT, answers, 999)
    assert len(at_once) > 2 * len(answers)
    assert at_once == sorted(at_once, key=lambda one: (-one.similarity, -sum(one.shared.values())))
    monkeypatch.setattr(similarity, "BLOCK", 3)
    assert similar_pairs(course, ASSIGNMENT, answers, 999) == at_once
    assert similar_pairs(course, ASSIGNMENT, answers, 7) == at_once[:7]


@given(st.dictionaries(st.sampled_from(sorted(NAMES)), st.from_regex("[a-z][a-z0-9_]{2,8}_", fullmatch=True)))
def test_names_comments_and_layout_make_no_difference(names: dict[str, str]) -> None:
    assert list(tokens(renamed(OWN, names))) == list(tokens(OWN))


def test_what_is_called_and_computed_makes_a_difference() -> None:
    assert list(tokens("total = self.sum(x)  # all")) == ["name", "=", "self", ".", "name", "(", "name", ")"]
    for one, other in (("x.sum()", "x.mean()"), ("len(x)", "sum(x)"), ("a + b", "a - b"), ("2", "3"), ("'ij'", "'ji'")):
        assert list(tokens(one)) != list(tokens(other))


def test_what_cannot_be_read_is_said_and_stops_nobody(course: Course) -> None:
    deep = "(" * 4 * LONGEST_ANSWER
    hand_in(course, {"gita": {ATTENTION: OWN}, "hugo": {ATTENTION: OWN}, "deep": {HOP: f"def {HOP}(): pass\n{deep}"}})
    secret = course.directory / "secret.ipynb"
    course.submitted(ASSIGNMENT, "hugo").rename(secret)
    course.submitted(ASSIGNMENT, "hugo").symlink_to(secret)
    course.submitted(ASSIGNMENT, "pipe").parent.mkdir(parents=True)
    os.mkfifo(course.submitted(ASSIGNMENT, "pipe"))
    shown = run(course)
    assert (shown.exit_code, shown.stdout) == (0, "no two submissions share more than the exercises ask for\n")
    assert "hugo: not compared: the file cannot be read: it is a symbolic link" in shown.stderr
    assert "pipe: not compared: the file is not a regular file" in shown.stderr
    answers, rejected = read_answers(course, ASSIGNMENT)
    assert (sorted(answers), sorted(rejected)) == (["deep", "gita"], ["hugo", "pipe"])


def test_answers_are_written_for_other_tools_and_nothing_is_overwritten(course: Course, tmp_path: Path) -> None:
    hand_in(course, {"gita": {ATTENTION: OWN}, "hugo": {ATTENTION: ANOTHER}})
    to = tmp_path / "answers"
    assert run(course, "--to", str(to)).stdout == f"{to}\n"
    assert sorted(str(path.relative_to(to)) for path in to.rglob("*.py")) == ["base/release.py", "gita.py", "hugo.py"]
    written = (to / "gita.py").read_text()
    assert OWN.strip() in written
    assert "check(" not in written
    assert "assert callable" not in written
    for path in to.rglob("*.py"):
        compile(path.read_text(), path, "exec")
    assert "raise NotImplementedError" in (to / "base" / "release.py").read_text()
    refused = run(course, "--to", str(to))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"{to} is not empty: give a new folder with --to" in refused.stderr
