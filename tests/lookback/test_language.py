"""The corpus for language modelling: sentences of the grammar between their marks."""

import lookback as lb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), shortest=st.integers(2, 10), more=st.integers(0, 10))
def test_sentences_keep_to_their_lengths(seed: int, shortest: int, more: int) -> None:
    corpus = lb.load_language(10, seed=seed, min_length=shortest, max_length=shortest + more)
    assert all(shortest <= len(row["sentence"].split()) <= shortest + more for row in corpus)


def test_the_seed_fixes_the_sentences() -> None:
    first, again, other = (list(lb.load_language(20, seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_batch_holds_its_sentences_between_their_marks() -> None:
    corpus, vocabulary = list(lb.load_language(30, seed=3)), lb.language_vocabulary()
    batch = lb.batch_language(corpus)
    for number, row in enumerate(corpus):
        n = len(row["sentence"].split())
        tokens = batch.tokens[number].tolist()
        assert tokens[: n + 2] == [vocabulary.bos_id, *vocabulary.encode(row["sentence"]), vocabulary.eos_id]
        assert vocabulary.decode(tokens) == row["sentence"]
        assert batch.real[number].tolist() == [place < n + 2 for place in range(len(tokens))]
        assert batch.lengths[number] == n + 2
    assert not batch.tokens[~batch.real].any()


def test_impossible_demands_are_errors() -> None:
    with pytest.raises(ValueError, match="1 to 20; need 2"):
        lb.load_language(1, seed=1, min_length=1)
    with pytest.raises(ValueError, match="at least one sentence"):
        lb.batch_language([])
