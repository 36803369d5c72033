"""A small corpus for language modelling: the English side of the translation grammar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lookback.data.batches import TensorRows, padded
from lookback.data.grammar import sentences
from lookback.data.lexicon import english_words
from lookback.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]


def language_vocabulary() -> Vocabulary:
    """Return the vocabulary of the corpus, with the marks of beginning and end: the English of the translations.

    Example:
        >>> language_vocabulary().bos_id
        1
    """
    return Vocabulary(english_words(), ends=True)


def load_language(n_examples: int, *, seed: int, min_length: int = 3, max_length: int = 20) -> "Dataset":
    """Generate English sentences.

    The column is `sentence` (lower-case words separated by spaces).

    Args:
        n_examples: number of sentences.
        seed: the same seed and arguments give the same sentences.
        min_length, max_length: range of the number of words, both included; every length is equally frequent.

    Raises:
        ValueError: the range of lengths is empty or starts below 2 words.

    Example:
        >>> load_language(1, seed=1)[0]["sentence"]
    """
    from datasets import Dataset, Features, Value

    texts = [sentence.english for sentence in sentences(n_examples, seed, min_length, max_length)]
    return Dataset.from_dict({"sentence": texts}, features=Features(sentence=Value("string")))


@dataclass(frozen=True)
class LanguageBatch(TensorRows):
    """Sentences as word ids: T is the largest number of words with both marks.

    `real` is True on words and marks, False on padding. A model reads `tokens[:, :-1]` and predicts `tokens[:, 1:]`.
    """

    tokens: Tensor  # int64 (B, T), from bos to eos
    real: Tensor  # bool (B, T)

    @property
    def lengths(self) -> Tensor:
        """The number of words and marks of each sentence, int64 (B,)."""
        return self.real.sum(dim=1)

    def cropped(self) -> "LanguageBatch":
        """Return the same sentences without the columns that are padding in every row."""
        T = int(self.lengths.max())
        return LanguageBatch(tokens=self.tokens[:, :T], real=self.real[:, :T])


def batch_language(rows: "Dataset | Sequence[Mapping[str, Any]]", device: torch.device | str = "cpu") -> LanguageBatch:
    """Turn sentences into padded tensors of word ids on `device`, each from bos to eos.

    Raises:
        ValueError: there are no rows, or a word is not in `language_vocabulary()`.

    Example:
        >>> batch_language(load_language(8, seed=1)).tokens.shape  # (B, T)
    """
    texts = [row["sentence"] for row in rows]
    if not texts:
        raise ValueError("a batch needs at least one sentence")
    vocabulary = language_vocabulary()
    tokens = padded([[vocabulary.bos_id, *vocabulary.encode(text), vocabulary.eos_id] for text in texts])
    return LanguageBatch(tokens=tokens, real=tokens != vocabulary.pad_id).to(device)
