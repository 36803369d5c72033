"""Buckets and the ends of a vocabulary: what all kinds of sequences share."""

import itertools

import lookback as lb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st


def sentences(n: int) -> lb.LanguageBatch:
    return lb.batch_language(lb.load_language(n, seed=9))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ROWS = sentences(60)


@given(size=st.integers(1, 60), batch_size=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_buckets_hold_each_row_at_most_once_and_rows_of_similar_length(size: int, batch_size: int, seed: int) -> None:
    tokens = ROWS.tokens[:size].clone()
    tokens[:, 0] = torch.arange(1000, 1000 + size)  # marks that tell the rows apart
    rows = lb.LanguageBatch(tokens=tokens, real=ROWS.real[:size])
    loader = lb.Buckets(rows, batch_size, generator(seed))
    parts = list(loader)
    seen = [row for part in parts for row in part.tokens[:, 0].tolist()]
    assert len(parts) == len(loader) == max(1, size // batch_size)
    assert all(len(part) == min(batch_size, size) for part in parts)
    assert len(seen) == len(set(seen))
    ranges = sorted((int(part.lengths.min()), int(part.lengths.max())) for part in parts)
    assert all(longest <= shortest for (_, longest), (shortest, _) in itertools.pairwise(ranges))


def test_a_bucket_is_as_wide_as_its_longest_row() -> None:
    widths = []
    for part in lb.Buckets(ROWS, 10, generator()):
        widths.append(part.tokens.shape[1])
        assert part.tokens.shape[1] == part.real.shape[1] == part.lengths.max()
    assert min(widths) < max(widths) == ROWS.tokens.shape[1]


def test_buckets_change_their_order_every_time_and_follow_their_generator() -> None:
    first, again = lb.Buckets(ROWS, 10, generator(3)), lb.Buckets(ROWS, 10, generator(3))
    one, two, three = ([part.tokens.tolist() for part in loader] for loader in (first, again, first))
    assert one == two
    assert one != three


def test_a_batch_size_of_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        lb.Buckets(ROWS, 0, generator())


def test_a_vocabulary_has_ends_where_it_was_asked_for_them() -> None:
    plain, ended = lb.Vocabulary(["a", "b"]), lb.Vocabulary(["a", "b"], ends=True)
    assert plain.encode("a b") == [1, 2]
    assert ended.encode("a b") == [3, 4]
    assert (ended.bos_id, ended.eos_id, len(ended)) == (1, 2, 5)
    for name in ("bos_id", "eos_id"):
        with pytest.raises(ValueError, match="ends=True"):
            getattr(plain, name)


def test_decoding_stops_at_the_end_and_leaves_marks_out() -> None:
    vocabulary = lb.Vocabulary(["a", "b"], ends=True)
    assert vocabulary.decode([1, 3, 0, 4, 2, 3, 2]) == "a b"
    assert vocabulary.decode([3, 4]) == "a b"
    assert vocabulary.decode([2]) == ""
