"""Stories: every answer follows from the facts, and a seed fixes everything."""

import inspect
from typing import Any

import lookback as lb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 1)


def stories(n: int, **options: Any) -> list[dict[str, Any]]:
    return list(lb.load_question_answering(n, **options))


def simulate(facts: list[str], question: str) -> str:
    """Answer a question by acting the story out, knowing only the sentences."""
    person_at: dict[str, str] = {}
    thing_with: dict[str, str] = {}
    thing_at: dict[str, str] = {}
    for fact in facts:
        who, verb, *_, noun = fact.split()
        match verb:
            case "went":
                person_at[who] = noun
            case "took":
                assert noun not in thing_with, "taken from somebody"
                assert thing_at.get(noun, person_at[who]) == person_at[who], "taken from afar"
                thing_with[noun] = who
            case "dropped":
                assert thing_with.pop(noun) == who, "dropped by somebody else"
                thing_at[noun] = person_at[who]
    asked = question.split()[-2]
    return person_at[thing_with[asked]] if asked in thing_with else {**person_at, **thing_at}[asked]


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, hops=st.sampled_from([1, 2]), drops=st.booleans())
def test_every_answer_follows_from_the_facts(seed: int, hops: int, drops: bool) -> None:
    for story in stories(8, hops=hops, seed=seed, drops=drops):
        assert simulate(story["facts"], story["question"]) == story["answer"]


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, hops=st.sampled_from([1, 2]))
def test_the_supporting_facts_alone_prove_the_answer(seed: int, hops: int) -> None:
    for story in stories(8, hops=hops, seed=seed):
        support = [story["facts"][index] for index in story["supporting"]]
        assert len(support) == hops
        assert story["question"].split()[-2] in support[0].split()
        assert support[0].split()[0] == support[-1].split()[0]  # both are about the same person
        assert support[-1].split()[-1] == story["answer"]


def test_the_second_fact_of_a_dropped_thing_precedes_the_drop() -> None:
    dropped = [story for story in stories(300, hops=2, seed=3) if "dropped" in story["facts"][story["supporting"][0]]]
    assert len(dropped) > 20
    assert all(story["supporting"][1] < story["supporting"][0] for story in dropped)


def test_without_drops_nobody_drops() -> None:
    facts = [fact for story in stories(100, seed=3, drops=False) for fact in story["facts"]]
    assert any("took" in fact for fact in facts)
    assert not any("dropped" in fact for fact in facts)


def test_a_fact_is_its_key_and_its_value() -> None:
    for story in stories(50, seed=3):
        for fact, key, value in zip(story["facts"], story["keys"], story["values"], strict=True):
            assert set(f"{key} {value}".split()) == set(fact.split()) - {"to", "the"}


@pytest.mark.parametrize("hops", [1, 2])
def test_stories_keep_to_the_range_of_lengths_and_use_all_of_it(hops: int) -> None:
    lengths = {len(story["facts"]) for story in stories(200, hops=hops, seed=1, min_facts=3, max_facts=7)}
    assert lengths == {3, 4, 5, 6, 7}


def test_answers_are_balanced() -> None:
    answers = [story["answer"] for story in stories(3000, seed=1)]
    shares = [answers.count(place) / len(answers) for place in set(answers)]
    assert len(shares) == 6
    assert max(shares) < 0.25


def test_the_seed_fixes_the_stories() -> None:
    assert stories(20, seed=5) == stories(20, seed=5)
    assert stories(20, seed=5) != stories(20, seed=6)
    assert stories(5, seed=5) == stories(20, seed=5)[:5]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"hops": 3}, "hops is 3"), ({"min_facts": 9, "max_facts": 8}, "9 and max_facts is 8"), ({"min_facts": 1}, "1")],
)
def test_impossible_demands_are_errors(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lb.load_question_answering(1, seed=1, **options)  # type: ignore[arg-type]


def test_a_batch_holds_the_words_of_its_stories_and_nothing_else() -> None:
    rows = stories(30, seed=2)
    batch, vocabulary = lb.batch_questions(rows), lb.question_vocabulary()
    assert len(batch) == 30
    for number, story in enumerate(rows):
        n = len(story["facts"])
        assert [vocabulary.decode(fact) for fact in batch.facts[number, :n].tolist()] == story["facts"]
        assert [vocabulary.decode(key) for key in batch.keys[number, :n].tolist()] == story["keys"]
        assert [vocabulary.decode(value) for value in batch.values[number, :n].tolist()] == story["values"]
        assert vocabulary.decode(batch.question[number].tolist()) == story["question"]
        assert vocabulary.words[batch.answer[number]] == story["answer"]
        assert batch.allowed[number].tolist() == [True] * n + [False] * (batch.facts.shape[1] - n)
        assert batch.ages[number, :n].tolist() == list(range(n))[::-1]
        assert batch.supporting[number].tolist() == story["supporting"]
        assert not batch.facts[number, n:].any()


def test_selecting_keeps_rows_together() -> None:
    rows = stories(10, seed=2)
    whole, part = lb.batch_questions(rows), lb.batch_questions(rows).select(torch.tensor([7, 2]))
    assert len(part) == 2
    assert torch.equal(part.facts, whole.facts[[7, 2]])
    assert torch.equal(part.answer, whole.answer[[7, 2]])


def test_an_empty_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one story"):
        lb.batch_questions([])


@given(size=st.integers(1, 40), batch_size=st.integers(1, 50), seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_minibatches_hold_each_row_at_most_once(size: int, batch_size: int, seed: int) -> None:
    whole = lb.batch_questions(stories(40, seed=9)).select(torch.arange(size))
    marked = type(whole)(**{**vars(whole), "answer": torch.arange(size)})
    loader = lb.Minibatches(marked, batch_size, torch.Generator().manual_seed(seed))
    parts = [part.answer.tolist() for part in loader]
    seen = [row for part in parts for row in part]
    assert len(parts) == len(loader) == max(1, size // batch_size)
    assert all(len(part) == min(batch_size, size) for part in parts)
    assert len(seen) == len(set(seen))


def test_minibatches_change_their_order_every_time() -> None:
    rows = lb.batch_questions(stories(40, seed=9))
    loader = lb.Minibatches(rows, 40, torch.Generator().manual_seed(0))
    first, second = (next(iter(loader)).facts for _ in range(2))
    assert not torch.equal(first, second)


def test_a_batch_size_of_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        lb.Minibatches(lb.batch_questions(stories(2, seed=1)), 0, torch.Generator())


def test_a_vocabulary_goes_both_ways_and_names_what_it_does_not_know() -> None:
    vocabulary = lb.question_vocabulary()
    assert vocabulary.decode([vocabulary.pad_id, *vocabulary.encode("where is the apple ?")]) == "where is the apple ?"
    with pytest.raises(ValueError, match="'pear' is not one of the 23 words"):
        vocabulary.encode("the pear")
    with pytest.raises(ValueError, match="each word once"):
        lb.Vocabulary(["a", "a"])


def test_every_public_name_is_documented() -> None:
    undocumented = [name for name in lb.__all__ if name != "PALETTE" and not inspect.getdoc(getattr(lb, name))]
    assert undocumented == []
