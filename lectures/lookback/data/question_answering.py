"""Question answering over facts: people move between places, and take and drop things.

The grammar follows the first two tasks of bAbI (Weston et al., 2015, "Towards AI-Complete Question Answering",
section 3): one supporting fact ("where is mary ?") and two ("where is the apple ?").
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lookback.data.batches import TensorRows, padded
from lookback.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]

PEOPLE = ("mary", "john", "sandra", "daniel")
THINGS = ("apple", "milk", "football", "lamp")
PLACES = ("kitchen", "garden", "office", "bathroom", "bedroom", "hallway")


class Fact(NamedTuple):
    """One sentence of a story: who did what (went, took or dropped) with which place or thing."""

    person: str
    verb: str
    noun: str

    @property
    def text(self) -> str:
        """The fact as a sentence."""
        return (
            f"{self.person} went to the {self.noun}"
            if self.verb == "went"
            else f"{self.person} {self.verb} the {self.noun}"
        )

    @property
    def key(self) -> str:
        """The words by which the fact is found: who went, or which thing was taken or dropped."""
        return f"{self.person} went" if self.verb == "went" else f"{self.noun} {self.verb}"

    @property
    def value(self) -> str:
        """The words that the fact then gives: the place, or who did what."""
        return self.noun if self.verb == "went" else f"{self.person} {self.verb}"


def question_vocabulary() -> Vocabulary:
    """Return the vocabulary of all stories, questions and answers.

    Example:
        >>> len(question_vocabulary())
        24
    """
    return Vocabulary((*PEOPLE, *THINGS, *PLACES, "went", "took", "dropped", "to", "the", "where", "is", "?"))


def load_question_answering(
    n_examples: int, *, hops: int = 2, seed: int, min_facts: int = 6, max_facts: int = 12, drops: bool = True
) -> "Dataset":
    """Generate stories with one question each.

    The columns are `facts` (sentences in the order of time), `keys` and `values` (each fact as a pair, for key-value
    memories), `question`, `answer` (one word, a place) and `supporting` (the places in `facts` of the `hops` facts
    that prove the answer, in the order in which a reader needs them). A thing is where its carrier is, or where the
    last carrier was when dropping it. A person takes a thing only in a place that some fact names.

    Args:
        n_examples: number of stories.
        hops: facts needed for the answer: 1 asks for a person, 2 for a thing.
        seed: the same seed and arguments give the same stories.
        min_facts, max_facts: range of the number of facts of a story, both included.
        drops: whether people drop things again; without, the second fact is always its person's latest move.

    Raises:
        ValueError: `hops` is neither 1 nor 2, or the range of facts is empty or starts below `hops`.

    Example:
        >>> story = load_question_answering(1, hops=2, seed=4)[0]
        >>> story["question"], [story["facts"][index] for index in story["supporting"]]
    """
    from datasets import Dataset, Features, List, Value

    if hops not in (1, 2):
        raise ValueError(f"hops is {hops}; it must be 1 or 2")
    if not hops <= min_facts <= max_facts:
        raise ValueError(
            f"min_facts is {min_facts} and max_facts is {max_facts}; need {hops} <= min_facts <= max_facts"
        )
    numbers = random.Random(f"{seed} {hops} {min_facts} {max_facts} {drops}")
    verbs = {"went": 3} if hops == 1 else {"went": 3, "took": 2, "dropped": 1} if drops else {"went": 3, "took": 2}
    rows = [_example(numbers, verbs, numbers.randint(min_facts, max_facts)) for _ in range(n_examples)]
    words = List(Value("string"))
    features = Features(
        facts=words,
        keys=words,
        values=words,
        question=Value("string"),
        answer=Value("string"),
        supporting=List(Value("int32")),
    )
    return Dataset.from_list(rows, features=features)


class _World:
    """Who is where and who holds what, with the index of the fact that says so."""

    def __init__(self) -> None:
        self.place: dict[str, tuple[str, int]] = {}  # person -> place, fact of the move
        self.held: dict[str, tuple[str, int]] = {}  # thing -> carrier, fact of the taking
        self.lying: dict[str, tuple[str, int, int]] = {}  # thing -> place, fact of the dropping, fact of the move

    def possible(self, verb: str) -> list[Fact]:
        """Return every fact with `verb` that may come next."""
        if verb == "went":
            return [Fact(who, "went", place) for who in PEOPLE for place in PLACES if self.where(who) != place]
        if verb == "dropped":
            return [Fact(who, "dropped", thing) for thing, (who, _) in self.held.items()]
        return [Fact(who, "took", thing) for who in self.place for thing in THINGS if self.may_take(who, thing)]

    def may_take(self, person: str, thing: str) -> bool:
        """Whether nobody holds `thing`, and it lies where `person` is or nobody knows where."""
        return thing not in self.held and (thing not in self.lying or self.lying[thing][0] == self.where(person))

    def where(self, person: str) -> str | None:
        """Return the place of a person, or None before the first move."""
        return self.place[person][0] if person in self.place else None

    def add(self, fact: Fact, index: int) -> None:
        """Let `fact`, the sentence with number `index`, happen."""
        if fact.verb == "went":
            self.place[fact.person] = (fact.noun, index)
        elif fact.verb == "took":
            self.held[fact.noun] = (fact.person, index)
            self.lying.pop(fact.noun, None)
        else:
            del self.held[fact.noun]
            place, move = self.place[fact.person]
            self.lying[fact.noun] = (place, index, move)

    def answers(self, hops: int) -> list[tuple[str, str, list[int]]]:
        """Return every (question, answer, supporting facts) that the story so far allows."""
        if hops == 1:
            return [(f"where is {who} ?", place, [move]) for who, (place, move) in self.place.items()]
        carried = [
            (f"where is the {thing} ?", self.place[who][0], [taking, self.place[who][1]])
            for thing, (who, taking) in self.held.items()
        ]
        dropped = [
            (f"where is the {thing} ?", place, [drop, move]) for thing, (place, drop, move) in self.lying.items()
        ]
        return carried + dropped


def _example(numbers: random.Random, verbs: Mapping[str, int], n_facts: int) -> dict[str, Any]:
    """Draw stories until one of them allows a question, and ask it."""
    while True:
        world, facts = _World(), list[Fact]()
        while len(facts) < n_facts:
            verb = numbers.choices(list(verbs), list(verbs.values()))[0]
            if possible := world.possible(verb):
                facts.append(numbers.choice(possible))
                world.add(facts[-1], len(facts) - 1)
        if asked := world.answers(hops=1 if len(verbs) == 1 else 2):
            question, answer, supporting = numbers.choice(asked)
            return {
                "facts": [fact.text for fact in facts],
                "keys": [fact.key for fact in facts],
                "values": [fact.value for fact in facts],
                "question": question,
                "answer": answer,
                "supporting": supporting,
            }


@dataclass(frozen=True)
class QuestionBatch(TensorRows):
    """Stories as padded tensors of word ids: S is the largest number of facts, W the largest number of words.

    `allowed` is True on real facts, False on padding. `ages` counts facts back from the latest, which has age 0;
    padding has age 0 too.
    """

    facts: Tensor  # int64 (B, S, W)
    keys: Tensor  # int64 (B, S, 2)
    values: Tensor  # int64 (B, S, 2)
    allowed: Tensor  # bool (B, S)
    ages: Tensor  # int64 (B, S)
    question: Tensor  # int64 (B, W)
    answer: Tensor  # int64 (B,)
    supporting: Tensor  # int64 (B, hops)


def batch_questions(rows: "Dataset | Sequence[Mapping[str, Any]]", device: torch.device | str = "cpu") -> QuestionBatch:
    """Turn stories into padded tensors of word ids on `device`.

    Raises:
        ValueError: there are no rows, or a word is not in `question_vocabulary()`.

    Example:
        >>> batch = batch_questions(load_question_answering(8, hops=2, seed=4))
        >>> batch.facts.shape  # (B, S, W)
    """
    stories = list(rows)
    if not stories:
        raise ValueError("a batch needs at least one story")
    encode = question_vocabulary().encode
    n_facts = max(len(story["facts"]) for story in stories)
    facts = [[encode(fact) for fact in story["facts"]] for story in stories]
    keys = [[encode(key) for key in story["keys"]] for story in stories]
    ages = [[len(story["facts"]) - 1 - index for index in range(len(story["facts"]))] for story in stories]
    return QuestionBatch(
        facts=_padded(facts, n_facts, max(len(fact) for story in facts for fact in story)),
        keys=_padded(keys, n_facts, 2),
        values=_padded([[encode(value) for value in story["values"]] for story in stories], n_facts, 2),
        allowed=padded([[1] * len(story["facts"]) for story in stories], n_facts).bool(),
        ages=padded(ages, n_facts),
        question=padded([encode(story["question"]) for story in stories], 5),
        answer=torch.tensor([encode(story["answer"])[0] for story in stories]),
        supporting=torch.tensor([story["supporting"] for story in stories]),
    ).to(device)


def _padded(stories: Sequence[Sequence[Sequence[int]]], n_facts: int, n_words: int) -> Tensor:
    """Return stories of sentences as an int64 tensor (B, n_facts, n_words), padded with zeros."""
    empty: list[list[int]] = [[]]
    return torch.stack([padded([*story, *empty * (n_facts - len(story))], n_words) for story in stories])
