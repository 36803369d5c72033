"""A grammar that writes English and Italian at the same time and remembers which words translate each other.

Each rule of `Writer` is told how many English words to make, so a sentence has exactly the length asked for. A rule
builds its phrase out of smaller ones and puts them in English order and in Italian order: a synchronous context-free
grammar (Chiang, 2007, "Hierarchical Phrase-Based Translation", section 2).

An English sentence has one Italian translation: all that Italian adds, gender and the person that a verb shows, can
be told from the English sentence. For that a relative clause always belongs to the noun before it, and a pronoun,
whose gender English may hide, is never the subject of an adjective.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lookback.data import lexicon
from lookback.data.lexicon import ADJECTIVES, ANY, INTRANSITIVE, NOUNS, PREPOSITIONS, TRANSITIVE, agreeing

LONGEST_CLAUSE, LONGEST_SUBJECT, MOST_ADJECTIVES = 12, 6, 2


@dataclass(eq=False, slots=True)
class Word:
    """One occurrence of an English word."""

    text: str


class Translated(NamedTuple):
    """An Italian word with the English words that it translates."""

    text: str
    of: Sequence[Word]


class Phrase(NamedTuple):
    """The same meaning in English and in Italian."""

    english: Sequence[Word]
    italian: Sequence[Translated]


class Subject(NamedTuple):
    """What a verb agrees with. Italian leaves a pronoun to the ending of its verb: we see, vediamo."""

    kind: str
    gender: str
    person: int
    plural: bool
    pronoun: Sequence[Word] = ()


class Sentence(NamedTuple):
    """Both sides as texts, and the pairs (place in the Italian, place in the English) of words that belong together."""

    english: str
    italian: str
    alignment: list[tuple[int, int]]


NOTHING = Phrase((), ())


def pair(english: str, italian: str) -> Phrase:
    """Return words that translate each other as a whole: "del" is both "of" and "the", "non" both "does" and "not"."""
    words = [Word(text) for text in english.split()]
    return Phrase(words, [Translated(text, words) for text in italian.split()])


def join(english: Iterable[Phrase], italian: Iterable[Phrase]) -> Phrase:
    """Put phrases one after the other, in the order that each language wants."""
    return Phrase(
        [word for phrase in english for word in phrase.english],
        [translated for phrase in italian for translated in phrase.italian],
    )


def chain(*phrases: Phrase) -> Phrase:
    """Put phrases one after the other, in the same order in both languages."""
    return join(phrases, phrases)


def fuse(preposition: Phrase, governed: Phrase) -> Phrase:
    """Put a preposition of one word before a noun phrase; in Italian it fuses with a definite article: of the, del."""
    (before,), (first, *rest) = preposition.italian, governed.italian
    if (before.text, first.text) not in lexicon.ARTICULATED:
        return chain(preposition, governed)
    fused = Translated(lexicon.ARTICULATED[before.text, first.text], [*before.of, *first.of])
    return Phrase([*preposition.english, *governed.english], [fused, *rest])


def spell(phrase: Phrase) -> Sentence:
    """Return a phrase as two texts and the alignment of their words."""
    place = {word: index for index, word in enumerate(phrase.english)}
    return Sentence(
        " ".join(word.text for word in phrase.english),
        " ".join(translated.text for translated in phrase.italian),
        [(index, place[word]) for index, translated in enumerate(phrase.italian) for word in translated.of],
    )


def sentences(n: int, seed: int, min_length: int, max_length: int) -> list[Sentence]:
    """Write n sentences; every number of English words from `min_length` to `max_length` is equally frequent.

    Raises:
        ValueError: the range of lengths is empty or starts below 2 words.
    """
    if not 2 <= min_length <= max_length:
        raise ValueError(f"the length is {min_length} to {max_length}; need 2 <= min_length <= max_length")
    numbers = random.Random(f"{seed} {min_length} {max_length}")
    writer = Writer(numbers)
    return [spell(writer.sentence(numbers.randint(min_length, max_length))) for _ in range(n)]


class Writer:
    """The rules of the grammar, and the random numbers that choose among them.

    Example:
        >>> spell(Writer(random.Random(1)).sentence(7))
    """

    def __init__(self, numbers: random.Random) -> None:
        self.numbers, self.choose = numbers, numbers.choice

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.numbers.random() < probability

    def sentence(self, n: int) -> Phrase:
        """Write clauses with conjunctions between them: n English words, at least 2."""
        if n <= LONGEST_CLAUSE and (n < 7 or self.chance(0.5)):
            return self.clause(n)
        first = self.numbers.randint(3, min(n - 4, LONGEST_CLAUSE))
        return chain(self.clause(first), pair(*self.choose(lexicon.CONJUNCTIONS)), self.sentence(n - first - 1))

    def clause(self, n: int) -> Phrase:
        """Write a subject and what it is or does: n English words, at least 2."""
        if n >= 4 and self.chance(0.2):
            predicate = self.choose([2, 3] if n > 4 else [2])
            phrase, subject = self.noun_phrase(n - predicate, ("thing", "place"))
            return chain(phrase, self.description(predicate, subject))
        if self.chance(0.25):
            phrase, subject = self.pronoun()
            return chain(phrase, self.verb_phrase(n - 1, subject))
        length = self.numbers.randint(1, min(n - 1, LONGEST_SUBJECT))
        phrase, subject = self.noun_phrase(length, ("agent",))
        return chain(phrase, self.verb_phrase(n - length, subject))

    def pronoun(self) -> tuple[Phrase, Subject]:
        """Write a pronoun as subject."""
        english, person, plural = self.choose(lexicon.SUBJECTS)
        words = [Word(english)]
        return Phrase(words, ()), Subject("pronoun", "", person, plural, pronoun=words)

    def noun_phrase(self, n: int, kinds: Sequence[str]) -> tuple[Phrase, Subject]:
        """Write a name (n = 1), or a determiner, adjectives, a noun and what follows it: n English words.

        Italian adjectives follow the noun, the nearest first: the big red house, la casa rossa grande.
        """
        if n == 1:
            name, gender = self.choose(lexicon.NAMES)
            return pair(name, name), Subject("agent", gender, person=3, plural=False)
        kind, plural = self.choose(kinds), self.chance(0.5)
        noun = self.choose(NOUNS[kind])
        subject = Subject(kind, noun.gender, person=3, plural=plural)
        n_adjectives = self.choose([k for k in range(min(n - 2, MOST_ADJECTIVES) + 1) if n - 2 - k != 1])
        adjectives = self.adjectives(n_adjectives, subject)
        english, italian = (noun.english_plural, noun.italian_plural) if plural else (noun.english, noun.italian)
        following = adjectives[0].english[0].text if adjectives else english
        determiner = self.determiner(subject, following, italian)
        named = pair(english, italian)
        tail = self.tail(n - 2 - n_adjectives, subject)
        return join([determiner, *adjectives, named, tail], [determiner, named, *reversed(adjectives), tail]), subject

    def determiner(self, subject: Subject, following: str, noun: str) -> Phrase:
        """Write an article or a quantifier before the English word `following` and the Italian `noun`."""
        english = "the" if self.chance(0.4) else self.choose(lexicon.PLURAL if subject.plural else lexicon.SINGULAR)
        italian = lexicon.italian_determiner(english, noun, subject.gender, subject.plural)
        return pair("an" if english == "a" and following[0] in lexicon.VOWELS else english, italian)

    def adjectives(self, n: int, subject: Subject) -> list[Phrase]:
        """Write n different adjectives that suit a noun and agree with it."""
        return [
            pair(english, agreeing(italian, subject.gender, subject.plural))
            for english, italian in self.numbers.sample(ADJECTIVES[subject.kind], n)
        ]

    def tail(self, n: int, head: Subject) -> Phrase:
        """Write what follows a noun: nothing (n = 0), a relative clause or a prepositional phrase (n of 2 or more)."""
        if n == 0:
            return NOTHING
        if head.kind == "agent" and self.chance(0.5):
            return chain(pair("that", "che"), self.verb_phrase(n - 1, head))
        if head.kind != "agent" and n in (3, 4) and self.chance(0.5):
            return chain(pair("that", "che"), self.description(n - 1, head))
        return self.prepositional_phrase(n, after=head.kind)

    def prepositional_phrase(self, n: int, after: str) -> Phrase:
        """Write a preposition and what it governs: n English words, at least 2."""
        english, italian, governs, _ = self.choose(
            [
                preposition
                for preposition in PREPOSITIONS
                if after in preposition.after
                and n - len(preposition.english.split()) >= (1 if "agent" in preposition.governs else 2)
            ]
        )
        *before, last = [pair(*words) for words in zip(english.split(), italian.split(), strict=True)]
        governed, _ = self.noun_phrase(n - len(before) - 1, governs)
        return chain(*before, fuse(last, governed))

    def description(self, n: int, subject: Subject) -> Phrase:
        """Write "is" and an adjective (n = 2), or "is not" and an adjective (n = 3)."""
        (adjective,) = self.adjectives(1, subject)
        be = pair("are", "sono") if subject.plural else pair("is", "è")
        no = NOTHING if n == 2 else pair("not", "non")
        return join([be, no, adjective], [no, be, adjective])

    def verb_phrase(self, n: int, subject: Subject) -> Phrase:
        """Write what an agent does or is: n English words, at least 1."""
        if n in (2, 3) and subject.kind == "agent" and self.chance(0.2):
            return self.description(n, subject)
        return self.action(n, subject)

    def action(self, n: int, subject: Subject) -> Phrase:
        """Write what an agent does: n English words, at least 1.

        The orders differ: we do not often see him, non lo vediamo spesso.
        """
        negated = n >= 3 and self.chance(0.2)
        has_adverb = n - 2 * negated >= 2 and self.chance(0.15)
        rest = n - 2 * negated - has_adverb - 1
        n_place = self.choose([0, rest, self.numbers.randint(2, rest)]) if rest >= 2 else 0
        negation = self.negation(subject) if negated else NOTHING
        adverb = pair(*self.choose(lexicon.ADVERBS)) if has_adverb else NOTHING
        verb = self.verb(subject, negated, transitive=n_place < rest)
        pronoun, noun = self.object(rest - n_place)
        place = self.prepositional_phrase(n_place, after="action") if n_place else NOTHING
        return join([negation, adverb, verb, pronoun, noun, place], [negation, pronoun, verb, adverb, noun, place])

    def negation(self, subject: Subject) -> Phrase:
        """Write the negation of a verb."""
        return pair("does not" if (subject.person, subject.plural) == (3, False) else "do not", "non")

    def verb(self, subject: Subject, negated: bool, transitive: bool) -> Phrase:
        """Write a verb that agrees with its subject and, in Italian, stands for a pronoun too."""
        verb = self.choose(TRANSITIVE if transitive else INTRANSITIVE)
        english, italian = verb.conjugated(subject.person, subject.plural)
        word = Word(verb.english if negated else english)
        return Phrase([word], [Translated(italian, [*subject.pronoun, word])])

    def object(self, n: int) -> tuple[Phrase, Phrase]:
        """Write an object: a pronoun or a noun phrase, n English words together."""
        if n == 1 and self.chance(0.5):
            return pair(*self.choose(lexicon.OBJECTS)), NOTHING
        if n == 0:
            return NOTHING, NOTHING
        return NOTHING, self.noun_phrase(n, ANY)[0]
