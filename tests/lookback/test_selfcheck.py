"""Self-checks: what a student reads, and what a grader is spared."""

from __future__ import annotations

import lookback as lb
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from lookback.cells import SelfCheck


def check(compute: object, expected: object) -> None:
    lb.self_check("name", compute, expected, suspect="the factor", experiment="print it")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.0, 2.0), (torch.tensor(2.0), 2.00001), (torch.ones(2, 3), torch.ones(2, 3)), (3, 3)],
)
def test_what_is_near_passes(value: object, expected: object, capsys: pytest.CaptureFixture[str]) -> None:
    check(lambda: value, expected)
    assert capsys.readouterr().out == "✓ name\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.0, 2.1),
        (torch.ones(2), torch.ones(3)),
        (torch.ones(1, 2), torch.ones(2, 2)),
        (torch.tensor([1.0, float("nan")]), torch.ones(2)),
        (None, 1.0),
        ("1.0", 1.0),
        (1.0, ValueError),
    ],
)
def test_anything_else_fails_with_suspect_and_experiment(value: object, expected: object) -> None:
    with pytest.raises(lb.NotYet) as caught:
        check(lambda: value, expected)
    assert "suspect     the factor" in str(caught.value)
    assert "experiment  print it" in str(caught.value)


def test_an_expected_error_passes_and_another_one_does_not() -> None:
    def refuse() -> None:
        raise ValueError("no")

    check(refuse, ValueError)
    with pytest.raises(lb.NotYet, match="ValueError: no"):
        check(refuse, TypeError)


def test_a_crash_in_the_students_code_keeps_its_traceback() -> None:
    def crash() -> float:
        return 1 / 0

    with pytest.raises(lb.NotYet, match="division by zero") as caught:
        check(crash, 1.0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_notebook_shows_the_message_and_the_crash_in_the_students_code_and_nothing_else() -> None:
    def crash() -> float:
        return 1 / 0

    shell = InteractiveShell()
    shell.user_ns |= {"check": check, "crash": crash}
    with capture_output() as shown:
        shell.run_cell("check(lambda: 1.0, 2.0)")
    assert shown.stdout.startswith("✗ name\n")
    assert "self_check" not in shown.stdout
    with capture_output() as shown:
        shell.run_cell("check(crash, 2.0)")
    assert "return 1 / 0" in shown.stdout
    assert "ZeroDivisionError: division by zero" in shown.stdout


def stub() -> None:
    raise NotImplementedError


def test_a_stub_is_named_without_a_traceback() -> None:
    shell = InteractiveShell()
    shell.user_ns |= {"check": check, "stub": stub}
    with capture_output() as shown:
        shell.run_cell("check(lambda: stub(), 1.0)")
    assert "nothing yet: stub still raises NotImplementedError" in shown.stdout
    assert "Traceback" not in shown.stdout


def test_a_traceback_begins_in_the_students_cell() -> None:
    shell = InteractiveShell()
    shell.user_ns |= {"check": check}
    with capture_output() as shown:
        shell.run_cell("def crash():\n    return {}['key']\n\n\ncheck(lambda: crash(), 1.0)")
    assert "return {}['key']" in shown.stdout
    assert "selfcheck.py" not in shown.stdout


def test_numbers_are_short() -> None:
    with pytest.raises(lb.NotYet) as caught:
        check(lambda: torch.tensor([[1 / 3]]), 2 / 3)
    assert "expected    0.666667\n  came        [[0.333333]]\n" in str(caught.value)


@given(st.text(st.sampled_from("ab (-"), min_size=1).filter(str.strip))
def test_a_long_message_is_wrapped_and_loses_no_word(words: str) -> None:
    told = str(SelfCheck("name", False, words, words, words, words))
    assert all(len(line) <= 80 or " " not in line.strip() for line in told.splitlines()[1:] if line[2] == " ")
    _, _, suspect = told.partition("suspect")
    assert suspect.partition("  experiment")[0].split() == words.split()


def test_a_grader_is_not_kept_from_what_follows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    check(lambda: 1.0, 2.0)
    assert capsys.readouterr().out.startswith("✗ name\n")
