"""English sentences with their Italian translations and the true alignment of their words."""

import random
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lookback.data.batches import TensorRows, padded
from lookback.data.grammar import Sentence, sentences
from lookback.data.lexicon import english_words, italian_words
from lookback.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]


def translation_vocabularies() -> tuple[Vocabulary, Vocabulary]:
    """Return the vocabularies of the grammar's English and Italian, both with the marks of beginning and end.

    Example:
        >>> english, italian = translation_vocabularies()
        >>> italian.words[:3]
        ('<pad>', '<bos>', '<eos>')
    """
    return Vocabulary(english_words(), ends=True), Vocabulary(italian_words(), ends=True)


def load_translation(
    n_examples: int,
    *,
    seed: int,
    min_length: int = 3,
    max_length: int = 40,
    source: str = "grammar",
    files: str | Sequence[str] | None = None,
) -> "Dataset":
    """Return English sentences with their Italian translations.

    The columns are `english` and `italian` (lower-case words separated by spaces; an elided article such as `l'` is a
    word of its own) and `alignment` (pairs of an Italian and an English word that translate each other, as places
    from 0: `[italian, english]`, sorted).

    The source `grammar` is made from the seed: every length from `min_length` to `max_length` is equally frequent,
    the same English sentence always has the same Italian, and the alignment is true and covers every word. The source
    `opus_books` is the English–Italian part of OPUS Books (Tiedemann, 2012, "Parallel Data, Tools and Interfaces in
    OPUS"), taken from the network; nobody has aligned its words, so `alignment` is empty. Its card gives the licence
    as "other": read the card's terms before you use it.

    Args:
        n_examples: number of sentences.
        seed: the same seed and arguments give the same sentences.
        min_length, max_length: range of the number of English words, both included.
        source: `grammar` or `opus_books`.
        files: for `opus_books`, files of the same format (parquet or JSON lines) to read in place of the network.

    Raises:
        ValueError: `source` is unknown or reads no files, the range of lengths is empty or starts below 2 words, or
            the source has too few sentences of these lengths.
        ConnectionError: a remote source is neither on this machine nor can it be reached.

    Example:
        >>> load_translation(1, seed=2)[0]
    """
    import pyarrow  # type: ignore[import-untyped]
    from datasets import Dataset, Features, List, Value

    if source == "grammar" and files is not None:
        raise ValueError("the source 'grammar' reads no files; use source='opus_books'")
    if source == "grammar":
        rows = sentences(n_examples, seed, min_length, max_length)
    elif source == "opus_books":
        rows = _books(n_examples, seed, min_length, max_length, files)
    else:
        raise ValueError(f"the source is {source!r}; it must be 'grammar' or 'opus_books'")
    features = Features(english=Value("string"), italian=Value("string"), alignment=List(List(Value("int32"))))
    # Dataset.from_list would look at every aligned pair in Python, which takes as long as making the sentences.
    return Dataset(pyarrow.Table.from_pylist([row._asdict() for row in rows], schema=features.arrow_schema))


@dataclass(frozen=True)
class TranslationBatch(TensorRows):
    """Sentences as padded tensors of word ids: S is the largest number of English words, T of Italian ones with eos.

    `english_real` and `italian_real` are True on words (the end mark counts as one), False on padding. `alignment` is
    True where an Italian word translates an English one; the row of the end mark is all False.
    """

    english: Tensor  # int64 (B, S), no marks
    italian: Tensor  # int64 (B, T), ended by eos; no bos
    english_real: Tensor  # bool (B, S)
    italian_real: Tensor  # bool (B, T)
    alignment: Tensor  # bool (B, T, S)

    @property
    def lengths(self) -> Tensor:
        """The number of English words of each sentence, int64 (B,)."""
        return self.english_real.sum(dim=1)

    def cropped(self) -> "TranslationBatch":
        """Return the same sentences without the columns that are padding in every row."""
        S, T = int(self.lengths.max()), int(self.italian_real.sum(dim=1).max())
        return TranslationBatch(
            english=self.english[:, :S],
            italian=self.italian[:, :T],
            english_real=self.english_real[:, :S],
            italian_real=self.italian_real[:, :T],
            alignment=self.alignment[:, :T, :S],
        )


def batch_translations(
    rows: "Dataset | Sequence[Mapping[str, Any]]",
    device: torch.device | str = "cpu",
    vocabularies: tuple[Vocabulary, Vocabulary] | None = None,
) -> TranslationBatch:
    """Turn translations into padded tensors of word ids on `device`.

    Args:
        rows: as `load_translation` returns them.
        device: of all tensors.
        vocabularies: English and Italian, both with ends; by default those of the grammar.

    Raises:
        ValueError: there are no rows, or a word is not in its vocabulary.

    Example:
        >>> batch = batch_translations(load_translation(8, seed=2))
        >>> batch.alignment.shape  # (B, T, S)
    """
    pairs = list(rows)
    if not pairs:
        raise ValueError("a batch needs at least one sentence")
    english, italian = vocabularies or translation_vocabularies()
    sources = [english.encode(row["english"]) for row in pairs]
    targets = [[*italian.encode(row["italian"]), italian.eos_id] for row in pairs]
    source_ids, target_ids = padded(sources), padded(targets)
    alignment = torch.zeros(*target_ids.shape, source_ids.shape[1], dtype=torch.bool)
    links = [(number, *link) for number, row in enumerate(pairs) for link in row["alignment"]]
    alignment[tuple(torch.tensor(links, dtype=torch.int64).reshape(-1, 3).T)] = True
    return TranslationBatch(
        english=source_ids,
        italian=target_ids,
        english_real=source_ids != english.pad_id,
        italian_real=target_ids != italian.pad_id,
        alignment=alignment,
    ).to(device)


def _books(
    n_examples: int, seed: int, min_length: int, max_length: int, files: str | Sequence[str] | None
) -> list[Sentence]:
    """Return sentences of OPUS Books without alignment, drawn from all that have the right number of English words."""
    texts = [(_words(pair["en"], "en"), _words(pair["it"], "it")) for pair in _read_books(files)["translation"]]
    fitting = [
        Sentence(" ".join(english), " ".join(italian), [])
        for english, italian in texts
        if min_length <= len(english) <= max_length and italian
    ]
    if len(fitting) < n_examples:
        raise ValueError(
            f"{n_examples} sentences are wanted, but only {len(fitting)} have {min_length} to {max_length} words"
        )
    return random.Random(seed).sample(fitting, n_examples)


def _words(text: str, language: str) -> list[str]:
    """Return the words and punctuation marks of a text in lower case.

    An elided Italian word keeps its apostrophe (l', dell'); an English apostrophe stays inside its word.
    """
    word = r"\w+(?:'\w+)*" if language == "en" else r"\w+'?"
    return re.findall(rf"{word}|[^\w\s]", text.lower().replace("\u2019", "'"))


def _read_books(files: str | Sequence[str] | None) -> "Dataset":
    """Return OPUS Books as it is: `translation` holds the texts `en` and `it`."""
    import datasets

    if files is not None:
        names = [files] if isinstance(files, str) else list(files)
        kind = "parquet" if names[0].endswith(".parquet") else "json"
        return datasets.load_dataset(kind, data_files=names, split="train")
    try:
        if not datasets.config.HF_HUB_OFFLINE:  # without this request, load_dataset would try again for half a minute
            urllib.request.urlopen(datasets.config.HF_ENDPOINT, timeout=10).close()
        return datasets.load_dataset("Helsinki-NLP/opus_books", "en-it", split="train")
    except (ConnectionError, urllib.error.URLError, TimeoutError) as error:
        raise ConnectionError(
            "opus_books has to come from the network, which cannot be reached (if it is on this machine already, set "
            "HF_HUB_OFFLINE=1); load_translation(source='grammar') needs no network"
        ) from error
