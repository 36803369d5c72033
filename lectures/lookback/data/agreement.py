"""Number agreement at a distance: "the chef who helped the waiters … was", or were?

After Linzen, Dupoux and Goldberg (2016), "Assessing the Ability of LSTMs to Learn Syntax-Sensitive Dependencies",
section 2: a reader must keep the number of the subject past nouns of the other number, the attractors.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lookback.data.batches import TensorRows, padded
from lookback.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]

NOUNS = "chef waiter doctor singer nurse farmer guest painter driver pilot lawyer teacher".split()  # plural in -s
TRANSITIVE = "helped thanked visited invited called followed painted warned".split()
INTRANSITIVE = "waited smiled danced talked worked rested cooked laughed".split()
PREPOSITIONS = "near behind beside with".split()
ADVERBS = "upstairs downstairs outside inside".split()
VERBS = {"singular": "was", "plural": "were"}


def agreement_vocabulary() -> Vocabulary:
    """Return the vocabulary of all sentences, with the two verbs and without marks of beginning and end.

    Example:
        >>> agreement_vocabulary().encode("the chef was")
    """
    plurals = [noun + "s" for noun in NOUNS]
    return Vocabulary(
        ["the", "who", "and", *VERBS.values(), *NOUNS, *plurals, *TRANSITIVE, *INTRANSITIVE, *PREPOSITIONS, *ADVERBS]
    )


def load_agreement(
    n_examples: int, *, distance: int | tuple[int, int], seed: int, attractors: bool = True
) -> "Dataset":
    """Generate beginnings of sentences, each with the verb that agrees with its subject.

    The columns are `sentence` (the words up to the verb; the first two are "the" and the subject), `verb` ("was" or
    "were"), `number` ("singular" or "plural", of the subject), `distance` (words between subject and verb, so a
    sentence has `distance` + 2 words) and `attractors` (nouns between them that have the other number).

    Half of the subjects are plural. No word between subject and verb tells the number of the subject: verbs there are
    in the past tense, and each noun there is singular or plural by the throw of a coin. (Were it always the other
    number, the last noun alone would give the answer away.)

    Args:
        n_examples: number of sentences.
        distance: a number of words, or the range to draw it from for each sentence, both ends included.
        seed: the same seed and arguments give the same sentences.
        attractors: whether nouns stand between subject and verb: at least one from distance 3 on, none below;
            without, only verbs and adverbs do.

    Raises:
        ValueError: the distance is negative, or its range is empty.

    Example:
        >>> load_agreement(1, distance=7, seed=1)[0]
    """
    from datasets import Dataset, Features, Value

    low, high = (distance, distance) if isinstance(distance, int) else distance
    if not 0 <= low <= high:
        raise ValueError(f"the distance is {low} to {high}; need 0 <= lowest <= highest")
    numbers = random.Random(f"{seed} {low} {high} {attractors}")
    rows = [_example(numbers, numbers.randint(low, high), attractors) for _ in range(n_examples)]
    text, count = Value("string"), Value("int32")
    features = Features(sentence=text, verb=text, number=text, distance=count, attractors=count)
    return Dataset.from_list(rows, features=features)


def _example(numbers: random.Random, distance: int, attractors: bool) -> dict[str, Any]:
    """Draw one beginning of a sentence with its verb, phrase by phrase until `distance` words are there."""
    subject, number = _noun(numbers)
    between, other_numbers = list[str](), 0
    while (rest := distance - len(between)) > 0:
        sizes = (2,) if not attractors else (3, 4) if not between else (2, 3, 4)
        size = numbers.choice([size for size in sizes if size <= rest] or [min(rest, 2)])
        link = "and" if between and between[-1] in INTRANSITIVE else "who"
        if size == 1:
            between += [numbers.choice(ADVERBS)]
        elif size == 2:
            between += [link, numbers.choice(INTRANSITIVE)]
        else:
            noun, its_number = _noun(numbers)
            other_numbers += its_number != number
            between += [numbers.choice(PREPOSITIONS)] if size == 3 else [link, numbers.choice(TRANSITIVE)]
            between += ["the", noun]
    return {
        "sentence": " ".join(["the", subject, *between]),
        "verb": VERBS[number],
        "number": number,
        "distance": distance,
        "attractors": other_numbers,
    }


def _noun(numbers: random.Random) -> tuple[str, str]:
    """Draw a noun and its number."""
    noun, number = numbers.choice(NOUNS), numbers.choice(list(VERBS))
    return noun + "s" * (number == "plural"), number


@dataclass(frozen=True)
class AgreementBatch(TensorRows):
    """Beginnings of sentences as word ids: T is the largest number of words, the same for all at a fixed distance.

    `real` is True on words, False on padding; `label` is 0 for "was" and 1 for "were".
    """

    tokens: Tensor  # int64 (B, T)
    real: Tensor  # bool (B, T)
    label: Tensor  # int64 (B,)

    @property
    def lengths(self) -> Tensor:
        """The number of words of each row, int64 (B,)."""
        return self.real.sum(dim=1)

    def cropped(self) -> "AgreementBatch":
        """Return the same sentences without the columns that are padding in every row."""
        T = int(self.lengths.max())
        return AgreementBatch(tokens=self.tokens[:, :T], real=self.real[:, :T], label=self.label)


def batch_agreement(
    rows: "Dataset | Sequence[Mapping[str, Any]]", device: torch.device | str = "cpu"
) -> AgreementBatch:
    """Turn beginnings of sentences into padded tensors of word ids on `device`.

    Raises:
        ValueError: there are no rows, or a word is not in `agreement_vocabulary()`.

    Example:
        >>> batch = batch_agreement(load_agreement(8, distance=7, seed=1))
        >>> batch.tokens.shape
        torch.Size([8, 9])
    """
    beginnings = list(rows)
    if not beginnings:
        raise ValueError("a batch needs at least one sentence")
    vocabulary = agreement_vocabulary()
    tokens = padded([vocabulary.encode(row["sentence"]) for row in beginnings])
    return AgreementBatch(
        tokens=tokens,
        real=tokens != vocabulary.pad_id,
        label=torch.tensor([list(VERBS.values()).index(row["verb"]) for row in beginnings]),
    ).to(device)
