"""The words of the English–Italian grammar, and the forms that Italian gives them."""

from typing import NamedTuple

VOWELS = "aeiou"
ANY = ("agent", "thing", "place")  # an agent acts; things and places only are something: the house is new


class Noun(NamedTuple):
    """A noun with its plurals and its Italian gender, "m" or "f"."""

    english: str
    english_plural: str
    italian: str
    italian_plural: str
    gender: str


class Verb(NamedTuple):
    """A regular verb: the English infinitive, whose third person adds an s, and the Italian one."""

    english: str
    italian: str

    def conjugated(self, person: int, plural: bool) -> tuple[str, str]:
        """Return the present tense in English and Italian for the first or the third person."""
        stem, first_conjugation = self.italian[:-3], self.italian.endswith("are")
        if person == 1:
            return self.english, stem + ("iamo" if plural else "o")
        if plural:
            return self.english, stem + ("ano" if first_conjugation else "ono")
        return self.english + "s", stem + ("a" if first_conjugation else "e")


class Preposition(NamedTuple):
    """A preposition, the kinds of noun that it governs, and what it stands after: a kind of noun, or an action."""

    english: str
    italian: str
    governs: tuple[str, ...]
    after: tuple[str, ...]


NOUNS = {
    kind: tuple(Noun(*line.split()) for line in table.strip().splitlines())
    for kind, table in {
        "agent": """
            friend friends amico amici m
            nurse nurses infermiere infermieri m
            student students studente studenti m
            uncle uncles zio zii m
            boy boys ragazzo ragazzi m
            chef chefs cuoco cuochi m
            child children bambino bambini m
            dog dogs cane cani m
            aunt aunts zia zie f
            doctor doctors dottoressa dottoresse f
            actress actresses attrice attrici f
            teacher teachers maestra maestre f
            girl girls ragazza ragazze f
            woman women donna donne f
            eagle eagles aquila aquile f
            zebra zebras zebra zebre f
        """,
        "thing": """
            book books libro libri m
            mirror mirrors specchio specchi m
            backpack backpacks zaino zaini m
            umbrella umbrellas ombrello ombrelli m
            clock clocks orologio orologi m
            letter letters lettera lettere f
            chair chairs sedia sedie f
            lamp lamps lampada lampade f
            key keys chiave chiavi f
            box boxes scatola scatole f
        """,
        "place": """
            park parks parco parchi m
            market markets mercato mercati m
            stadium stadiums stadio stadi m
            hotel hotels albergo alberghi m
            garden gardens giardino giardini m
            station stations stazione stazioni f
            school schools scuola scuole f
            house houses casa case f
            classroom classrooms aula aule f
            city cities città città f
        """,
    }.items()
}
NAMES = (("maria", "f"), ("sara", "f"), ("paolo", "m"), ("luca", "m"))  # agents, the same in both languages
SIZES = (("small", "piccolo"), ("big", "grande"))
QUALITIES = (("new", "nuovo"), ("red", "rosso"), ("green", "verde"), ("clean", "pulito"), ("modern", "moderno"))
ADJECTIVES = {
    "agent": (
        *SIZES,
        ("young", "giovane"),
        ("tall", "alto"),
        ("kind", "gentile"),
        ("happy", "felice"),
        ("lazy", "pigro"),
        ("shy", "timido"),
        ("generous", "generoso"),
    ),
    "thing": SIZES + QUALITIES,
    "place": SIZES + QUALITIES,
}
TRANSITIVE = (
    Verb("see", "vedere"),
    Verb("love", "amare"),
    Verb("admire", "ammirare"),
    Verb("draw", "disegnare"),
    Verb("paint", "dipingere"),
    Verb("describe", "descrivere"),
    Verb("remember", "ricordare"),
    Verb("find", "trovare"),
    Verb("protect", "proteggere"),
    Verb("observe", "osservare"),
    Verb("defend", "difendere"),
    Verb("know", "conoscere"),
)
INTRANSITIVE = (
    Verb("rest", "riposare"),
    Verb("run", "correre"),
    Verb("laugh", "ridere"),
    Verb("smile", "sorridere"),
    Verb("work", "lavorare"),
    Verb("sing", "cantare"),
    Verb("dance", "ballare"),
    Verb("swim", "nuotare"),
    Verb("walk", "camminare"),
    Verb("wait", "aspettare"),
)
PREPOSITIONS = (
    Preposition("of", "di", ("agent",), ("thing", "place")),
    Preposition("from", "da", ("place",), ("agent", "thing")),
    Preposition("with", "con", ("agent",), ("agent", "action")),
    Preposition("in", "in", ("place",), ("agent", "thing", "action")),
    Preposition("on", "su", ("thing",), ("agent", "thing", "action")),
    Preposition("under", "sotto", ("thing",), ("agent", "thing", "action")),
    Preposition("behind", "dietro", ANY, (*ANY, "action")),
    Preposition("close to", "vicino a", ANY, (*ANY, "action")),
)
ADVERBS = (("often", "spesso"), ("always", "sempre"), ("really", "davvero"))
CONJUNCTIONS = (("and", "e"), ("but", "ma"), ("because", "perché"), ("while", "mentre"), ("when", "quando"))
SUBJECTS = (("i", 1, False), ("we", 1, True), ("he", 3, False), ("she", 3, False), ("they", 3, True))  # person, plural
OBJECTS = (("him", "lo"), ("her", "la"), ("them", "li"))
SINGULAR, PLURAL = ("the", "a", "every", "this"), ("the", "these", "many", "two", "three")
ARTICULATED = {  # di + la = della, and so on: prepositions by what is left of them before an article
    (preposition, article): start + end
    for preposition, start in {"di": "de", "a": "a", "da": "da", "in": "ne", "su": "su"}.items()
    for article, end in {"il": "l", "lo": "llo", "la": "lla", "l'": "ll'", "i": "i", "gli": "gli", "le": "lle"}.items()
}


def italian_determiner(english: str, noun: str, gender: str, plural: bool) -> str:
    """Return the Italian for a determiner (one of `SINGULAR` or `PLURAL`) that stands before an Italian noun.

    Example:
        >>> [italian_determiner("the", noun, "m", False) for noun in ("cane", "zio", "studente", "amico")]
        ['il', 'lo', 'lo', "l'"]
    """
    vowel = noun[0] in VOWELS
    impure = noun[0] == "z" or (noun[0] == "s" and noun[1] not in VOWELS)  # a studente, a zio; no gn, ps, x, y here
    match english, gender, plural:
        case "the", "m", False:
            return "l'" if vowel else "lo" if impure else "il"
        case "the", "m", True:
            return "gli" if vowel or impure else "i"
        case "the", "f", False:
            return "l'" if vowel else "la"
        case "the", "f", True:
            return "le"
        case "a", "m", _:
            return "uno" if impure else "un"
        case "a", "f", _:
            return "un'" if vowel else "una"
        case "this" | "these", _, _:
            return agreeing("questo", gender, plural)
        case "many", _, _:
            return agreeing("molto", gender, plural)
    return {"every": "ogni", "two": "due", "three": "tre"}[english]


def agreeing(adjective: str, gender: str, plural: bool) -> str:
    """Return an Italian adjective as it agrees with a noun: alto, alta, alti, alte, but gentile and gentili."""
    endings = {"m": "oi", "f": "ae"}[gender] if adjective.endswith("o") else "ei"
    return adjective[:-1] + endings[plural]


def english_words() -> list[str]:
    """Return every English word of the grammar once, sorted."""
    words = {*"an that do does is are not".split(), *SINGULAR, *PLURAL}
    words |= {english for english, _, _ in SUBJECTS}
    tables = (*ADJECTIVES.values(), NAMES, ADVERBS, CONJUNCTIONS, OBJECTS)
    words |= {english for table in tables for english, _ in table}
    words |= {word for preposition in PREPOSITIONS for word in preposition.english.split()}
    words |= {form for nouns in NOUNS.values() for noun in nouns for form in (noun.english, noun.english_plural)}
    words |= {verb.conjugated(3, plural)[0] for verb in TRANSITIVE + INTRANSITIVE for plural in (False, True)}
    return sorted(words)


def italian_words() -> list[str]:
    """Return every Italian word of the grammar once, sorted."""
    all_nouns = [noun for nouns in NOUNS.values() for noun in nouns]
    numbers = (False, True)
    words = {*"che non è sono".split(), *ARTICULATED.values()}
    words |= {name for name, _ in NAMES}
    words |= {italian for table in (ADVERBS, CONJUNCTIONS, OBJECTS) for _, italian in table}
    words |= {word for preposition in PREPOSITIONS for word in preposition.italian.split()}
    words |= {form for noun in all_nouns for form in (noun.italian, noun.italian_plural)}
    words |= {
        agreeing(italian, gender, plural)
        for adjectives in ADJECTIVES.values()
        for _, italian in adjectives
        for gender in "mf"
        for plural in numbers
    }
    words |= {
        verb.conjugated(person, plural)[1]
        for verb in TRANSITIVE + INTRANSITIVE
        for person in (1, 3)
        for plural in numbers
    }
    words |= {
        italian_determiner(english, noun.italian, noun.gender, plural)
        for noun in all_nouns
        for plural, determiners in zip(numbers, (SINGULAR, PLURAL), strict=True)
        for english in determiners
    }
    return sorted(words)
