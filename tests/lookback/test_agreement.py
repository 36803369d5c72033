"""Agreement at a distance: the distance is exact, the verb is right, and only the subject tells which it is."""

import itertools
from typing import Any

import lookback as lb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lookback.data.agreement import ADVERBS, INTRANSITIVE, NOUNS

SEEDS = st.integers(0, 2**32 - 1)


def rows(n: int, **options: Any) -> list[dict[str, Any]]:
    return list(lb.load_agreement(n, **options))


def numbers(sentence: str) -> list[str]:
    """The number of every noun of a sentence, in order."""
    words = [word for word in sentence.split() if word in NOUNS or word.removesuffix("s") in NOUNS]
    return ["singular" if word in NOUNS else "plural" for word in words]


@settings(max_examples=40)
@given(seed=SEEDS, distance=st.integers(0, 80), attractors=st.booleans())
def test_the_distance_is_exact_and_the_verb_agrees_with_the_first_noun(
    seed: int, distance: int, attractors: bool
) -> None:
    for row in rows(5, distance=distance, seed=seed, attractors=attractors):
        subject, *between = numbers(row["sentence"])
        assert row["distance"] == distance == len(row["sentence"].split()) - 2
        assert numbers(" ".join(row["sentence"].split()[:2])) == [subject]
        assert (row["number"], row["verb"]) == (subject, {"singular": "was", "plural": "were"}[subject])
        assert row["attractors"] == sum(number != subject for number in between)
        assert bool(between) == (attractors and distance >= 3)


@settings(max_examples=20)
@given(seed=SEEDS, low=st.integers(0, 10), more=st.integers(0, 10))
def test_a_range_of_distances_is_kept(seed: int, low: int, more: int) -> None:
    assert all(low <= row["distance"] <= low + more for row in rows(20, distance=(low, low + more), seed=seed))


def test_all_distances_of_a_range_occur() -> None:
    assert {row["distance"] for row in rows(300, distance=(0, 9), seed=1)} == set(range(10))


@pytest.mark.parametrize("distance", [3, 10, 30])
def test_neither_the_verb_nor_any_other_noun_gives_the_answer_away(distance: int) -> None:
    drawn = rows(2000, distance=distance, seed=7)
    plural = sum(row["number"] == "plural" for row in drawn) / len(drawn)
    last_agrees = sum(numbers(row["sentence"])[-1] == row["number"] for row in drawn) / len(drawn)
    assert abs(plural - 0.5) < 0.05
    assert abs(last_agrees - 0.5) < 0.05


def test_a_phrase_begins_only_where_english_lets_it() -> None:
    for row in rows(500, distance=(1, 30), seed=2):
        words = row["sentence"].split()
        for before, word in itertools.pairwise(words):
            if word == "who":
                assert before.removesuffix("s") in NOUNS
            if word == "and":
                assert before in INTRANSITIVE
        assert not set(words[:-1]) & set(ADVERBS)


def test_the_seed_fixes_the_sentences() -> None:
    assert rows(20, distance=8, seed=5) == rows(20, distance=8, seed=5)
    assert rows(20, distance=8, seed=5) != rows(20, distance=8, seed=6)


@pytest.mark.parametrize(("distance", "message"), [(-1, "-1 to -1"), ((5, 4), "5 to 4")])
def test_impossible_distances_are_errors(distance: int | tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lb.load_agreement(1, distance=distance, seed=1)


def test_a_batch_holds_its_sentences_and_labels() -> None:
    drawn = rows(30, distance=(0, 12), seed=3)
    batch, vocabulary = lb.batch_agreement(drawn), lb.agreement_vocabulary()
    for number, row in enumerate(drawn):
        assert vocabulary.decode(batch.tokens[number].tolist()) == row["sentence"]
        assert batch.label[number] == ["was", "were"].index(row["verb"])
        assert batch.lengths[number] == batch.real[number].sum() == row["distance"] + 2
    assert not batch.tokens[~batch.real].any()
    assert batch.label.dtype == torch.int64
    assert len(vocabulary.encode("was were")) == 2


def test_a_batch_of_one_distance_has_no_padding() -> None:
    batch = lb.batch_agreement(rows(30, distance=7, seed=3))
    assert batch.tokens.shape == (30, 9)
    assert batch.real.all()


def test_an_empty_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one sentence"):
        lb.batch_agreement([])
