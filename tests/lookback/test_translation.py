"""Translations: their columns and tensors, and a remote set behind the same function."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import lookback as lb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

BUCKETS = ((3, 5), (6, 10), (11, 15), (16, 20), (21, 25), (26, 30), (31, 40))


def rows(n: int, **options: Any) -> list[dict[str, Any]]:
    return list(lb.load_translation(n, **options))


def test_the_columns_are_named_and_typed() -> None:
    features = lb.load_translation(2, seed=1).features
    text, number = datasets.Value("string"), datasets.Value("int32")
    assert features == datasets.Features(english=text, italian=text, alignment=datasets.List(datasets.List(number)))


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), shortest=st.integers(2, 20), more=st.integers(0, 20))
def test_lengths_stay_in_their_range_and_alignments_in_the_sentence(seed: int, shortest: int, more: int) -> None:
    for row in rows(10, seed=seed, min_length=shortest, max_length=shortest + more):
        english, italian = row["english"].split(), row["italian"].split()
        assert shortest <= len(english) <= shortest + more
        assert all(0 <= i < len(italian) and 0 <= j < len(english) for i, j in row["alignment"])


def test_every_length_has_its_share() -> None:
    lengths = Counter(len(row["english"].split()) for row in rows(3800, seed=5))
    assert set(lengths) == set(range(3, 41))
    assert all(60 < count < 140 for count in lengths.values())


def test_the_seed_fixes_the_sentences() -> None:
    assert rows(20, seed=5) == rows(20, seed=5)
    assert rows(20, seed=5) != rows(20, seed=6)
    assert rows(5, seed=5) == rows(20, seed=5)[:5]


def test_both_vocabularies_have_ends_and_a_size_that_trains_fast() -> None:
    for vocabulary in lb.translation_vocabularies():
        assert (vocabulary.pad_id, vocabulary.bos_id, vocabulary.eos_id) == (0, 1, 2)
        assert 150 <= len(vocabulary) <= 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "europarl"}, "'europarl'; it must be 'grammar' or 'opus_books'"),
        ({"files": "books.json"}, "'grammar' reads no files"),
        ({"min_length": 1}, "1 to 40; need 2"),
        ({"min_length": 9, "max_length": 8}, "9 to 8"),
    ],
)
def test_impossible_demands_are_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lb.load_translation(1, seed=1, **options)


def test_a_batch_holds_its_sentences_and_their_alignment_and_nothing_else() -> None:
    pairs = rows(40, seed=3)
    batch, (english, italian) = lb.batch_translations(pairs), lb.translation_vocabularies()
    assert len(batch) == 40
    for number, row in enumerate(pairs):
        S, T = len(row["english"].split()), len(row["italian"].split())
        assert english.decode(batch.english[number].tolist()) == row["english"]
        assert italian.decode(batch.italian[number].tolist()) == row["italian"]
        assert batch.italian[number, T] == italian.eos_id
        assert batch.english_real[number].tolist() == [j < S for j in range(batch.english.shape[1])]
        assert batch.italian_real[number].tolist() == [i < T + 1 for i in range(batch.italian.shape[1])]
        assert batch.alignment[number].nonzero().tolist() == row["alignment"]
    assert not batch.english[~batch.english_real].any()
    assert not batch.italian[~batch.italian_real].any()
    assert batch.lengths.tolist() == [len(row["english"].split()) for row in pairs]


def test_selecting_cropping_and_moving_keep_what_is_real() -> None:
    pairs = rows(30, seed=3)
    whole = lb.batch_translations(pairs)
    short = whole.lengths.argsort()[:5]
    part = whole.select(short).cropped()
    again = lb.batch_translations([pairs[number] for number in short.tolist()])
    for name, tensor in vars(again).items():
        assert torch.equal(getattr(part, name), tensor)
        assert getattr(part.to("meta"), name).device.type == "meta"


def test_other_vocabularies_may_be_given() -> None:
    pair = {"english": "good day", "italian": "buon giorno", "alignment": []}
    english, italian = lb.Vocabulary(["day", "good"], ends=True), lb.Vocabulary(["buon", "giorno"], ends=True)
    batch = lb.batch_translations([pair], vocabularies=(english, italian))
    assert batch.english.tolist() == [[4, 3]]
    assert batch.italian.tolist() == [[3, 4, 2]]
    assert not batch.alignment.any()


def test_no_sentences_and_unknown_words_are_errors() -> None:
    with pytest.raises(ValueError, match="at least one sentence"):
        lb.batch_translations([])
    with pytest.raises(ValueError, match="'good' is not one of"):
        lb.batch_translations([{"english": "good day", "italian": "buon giorno", "alignment": []}])


BOOKS = [
    ("He didn't see the tree.", "Non vide l\u2019albero."),
    ("Yes!", "Sì!"),
    ("The Door of the house was open; nobody came.", "La porta dell'amico era aperta; nessuno venne."),
    ("Good morning, Jane.", ""),
]


@pytest.fixture(params=["parquet", "json"])
def books(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small file in the format of OPUS Books."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    records = [{"id": str(number), "translation": {"en": en, "it": it}} for number, (en, it) in enumerate(BOOKS)]
    path = tmp_path / f"books.{request.param}"
    if request.param == "parquet":
        datasets.Dataset.from_list(records).to_parquet(path)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_books_have_the_same_columns_without_alignment(books: str) -> None:
    read = lb.load_translation(2, seed=1, source="opus_books", files=books)
    assert read.features == lb.load_translation(1, seed=1).features
    assert sorted(map(tuple, (row.values() for row in read))) == [
        ("he didn't see the tree .", "non vide l' albero .", []),
        (
            "the door of the house was open ; nobody came .",
            "la porta dell' amico era aperta ; nessuno venne .",
            [],
        ),
    ]


def test_books_keep_to_the_lengths_and_to_what_there_is(books: str) -> None:
    (row,) = lb.load_translation(1, seed=1, source="opus_books", files=[books], min_length=2, max_length=3)
    assert row["english"] == "yes !"
    with pytest.raises(ValueError, match="3 sentences are wanted, but only 2 have 3 to 40 words"):
        lb.load_translation(3, seed=1, source="opus_books", files=books)


@pytest.mark.parametrize("offline", [True, False])
def test_a_remote_set_out_of_reach_is_an_error_that_names_the_offline_one(
    offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(ConnectionError, match="source='grammar'"):
        lb.load_translation(1, seed=1, source="opus_books")
