"""The Italian that the grammar writes, against tables that a person who knows Italian wrote by hand."""

import itertools

import lookback as lb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookback.data.grammar import Sentence, sentences
from lookback.data.lexicon import ADJECTIVES, INTRANSITIVE, NOUNS, TRANSITIVE

# singular with both articles, plural with its article
NOUN_TABLE = """
    l' un amico gli amici m
    l' un infermiere gli infermieri m
    lo uno studente gli studenti m
    lo uno zio gli zii m
    il un ragazzo i ragazzi m
    il un cuoco i cuochi m
    il un bambino i bambini m
    il un cane i cani m
    la una zia le zie f
    la una dottoressa le dottoresse f
    l' un' attrice le attrici f
    la una maestra le maestre f
    la una ragazza le ragazze f
    la una donna le donne f
    l' un' aquila le aquile f
    la una zebra le zebre f
    il un libro i libri m
    lo uno specchio gli specchi m
    lo uno zaino gli zaini m
    l' un ombrello gli ombrelli m
    l' un orologio gli orologi m
    la una lettera le lettere f
    la una sedia le sedie f
    la una lampada le lampade f
    la una chiave le chiavi f
    la una scatola le scatole f
    il un parco i parchi m
    il un mercato i mercati m
    lo uno stadio gli stadi m
    l' un albergo gli alberghi m
    il un giardino i giardini m
    la una stazione le stazioni f
    la una scuola le scuole f
    la una casa le case f
    l' un' aula le aule f
    la una città le città f
"""
# singular and plural, masculine before feminine
ADJECTIVE_TABLE = """
    piccolo piccola piccoli piccole
    grande grande grandi grandi
    giovane giovane giovani giovani
    alto alta alti alte
    gentile gentile gentili gentili
    felice felice felici felici
    pigro pigra pigri pigre
    timido timida timidi timide
    generoso generosa generosi generose
    nuovo nuova nuovi nuove
    rosso rossa rossi rosse
    verde verde verdi verdi
    pulito pulita puliti pulite
    moderno moderna moderni moderne
"""
# I, we, she, they
VERB_TABLE = """
    see sees vedo vediamo vede vedono
    love loves amo amiamo ama amano
    admire admires ammiro ammiriamo ammira ammirano
    draw draws disegno disegniamo disegna disegnano
    paint paints dipingo dipingiamo dipinge dipingono
    describe describes descrivo descriviamo descrive descrivono
    remember remembers ricordo ricordiamo ricorda ricordano
    find finds trovo troviamo trova trovano
    protect protects proteggo proteggiamo protegge proteggono
    observe observes osservo osserviamo osserva osservano
    defend defends difendo difendiamo difende difendono
    know knows conosco conosciamo conosce conoscono
    rest rests riposo riposiamo riposa riposano
    run runs corro corriamo corre corrono
    laugh laughs rido ridiamo ride ridono
    smile smiles sorrido sorridiamo sorride sorridono
    work works lavoro lavoriamo lavora lavorano
    sing sings canto cantiamo canta cantano
    dance dances ballo balliamo balla ballano
    swim swims nuoto nuotiamo nuota nuotano
    walk walks cammino camminiamo cammina camminano
    wait waits aspetto aspettiamo aspetta aspettano
"""
ARTICULATED_TABLE = """
    di del dello della dell' dei degli delle
    a al allo alla all' ai agli alle
    da dal dallo dalla dall' dai dagli dalle
    in nel nello nella nell' nei negli nelle
    su sul sullo sulla sull' sui sugli sulle
"""

SINGULARS: dict[str, str] = {}  # noun -> gender
PLURALS: dict[str, str] = {}
DEFINITE: dict[tuple[str, bool], str] = {}  # noun and whether it is plural -> article
INDEFINITE: dict[str, str] = {}
for definite, indefinite, singular, definite_plural, plural, gender in map(str.split, NOUN_TABLE.strip().splitlines()):
    SINGULARS[singular], PLURALS[plural] = gender, gender
    INDEFINITE[singular] = indefinite
    DEFINITE[singular, False], DEFINITE[plural, True] = definite, definite_plural

FORMS: dict[str, set[tuple[str, bool]]] = {}  # adjective -> genders and numbers that it may have
for line in ADJECTIVE_TABLE.strip().splitlines():
    for form, which in zip(line.split(), itertools.product((False, True), "mf"), strict=True):
        FORMS.setdefault(form, set()).add((which[1], which[0]))

VERBS = [line.split() for line in VERB_TABLE.strip().splitlines()]
ARTICULATED = {  # fused word -> preposition and article
    fused: (preposition, article)
    for preposition, *row in map(str.split, ARTICULATED_TABLE.strip().splitlines())
    for article, fused in zip("il lo la l' i gli le".split(), row, strict=True)
}
PREPOSITIONS = {"di": "of", "a": "to", "da": "from", "in": "in", "su": "on"}
ENGLISH_PLURALS = {noun.english_plural for table in NOUNS.values() for noun in table}
ADJECTIVE_WORDS = {english for table in ADJECTIVES.values() for english, _ in table}
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def corpus() -> list[Sentence]:
    return sentences(6000, seed=11, min_length=3, max_length=40)


def links(sentence: Sentence) -> list[tuple[str, list[str]]]:
    """Each Italian word with the English words that it translates."""
    english = sentence.english.split()
    return [
        (word, [english[j] for i, j in sentence.alignment if i == place])
        for place, word in enumerate(sentence.italian.split())
    ]


@settings(max_examples=50)
@given(seed=SEEDS, n=st.integers(2, 60))
def test_a_sentence_has_the_length_asked_for_and_every_word_is_aligned(seed: int, n: int) -> None:
    (sentence,) = sentences(1, seed, n, n)
    italian, english = sentence.italian.split(), sentence.english.split()
    assert len(english) == n
    assert {i for i, _ in sentence.alignment} == set(range(len(italian)))
    assert {j for _, j in sentence.alignment} == set(range(len(english)))
    assert sentence.alignment == sorted(set(sentence.alignment))


def test_the_tables_and_the_lexicon_hold_the_same_words() -> None:
    nouns = [noun for table in NOUNS.values() for noun in table]
    assert {noun.italian for noun in nouns} == set(SINGULARS)
    assert {noun.italian_plural for noun in nouns} == set(PLURALS)
    assert {verb.english for verb in TRANSITIVE + INTRANSITIVE} == {row[0] for row in VERBS}
    assert {italian for table in ADJECTIVES.values() for _, italian in table} <= set(FORMS)


def test_every_word_of_the_vocabularies_is_used_and_no_other(corpus: list[Sentence]) -> None:
    english, italian = lb.translation_vocabularies()
    assert {word for sentence in corpus for word in sentence.english.split()} == set(english.words[3:])
    assert {word for sentence in corpus for word in sentence.italian.split()} == set(italian.words[3:])


def test_articles_are_those_of_the_noun_that_follows(corpus: list[Sentence]) -> None:
    seen = set()
    for sentence in corpus:
        for (word, of), (noun, named) in itertools.pairwise(links(sentence)):
            if of[-1:] == ["the"]:
                preposition, article = ARTICULATED.get(word, ("", word))
                assert article == DEFINITE[noun, named[0] in ENGLISH_PLURALS]
                assert of == ([PREPOSITIONS[preposition], "the"] if preposition else ["the"])
                seen.add((noun, article))
            elif of in (["a"], ["an"]):
                assert word == INDEFINITE[noun]
                seen.add((noun, word))
    assert len(seen) == 3 * len(SINGULARS)


def test_a_preposition_and_an_article_that_fuse_never_stand_apart(corpus: list[Sentence]) -> None:
    articles = {article for _, article in ARTICULATED.values()}
    for sentence in corpus:
        for (word, _), (_, of) in itertools.pairwise(links(sentence)):
            assert not (word in PREPOSITIONS and of == ["the"])
    assert articles == set(DEFINITE.values())


def test_an_is_the_article_before_a_vowel(corpus: list[Sentence]) -> None:
    for sentence in corpus:
        for word, following in itertools.pairwise(sentence.english.split()):
            assert (word == "an") == (following[0] in "aeiou" and word in ("a", "an"))


def test_adjectives_agree_with_the_noun_before_them(corpus: list[Sentence]) -> None:
    agreed = 0
    for sentence in corpus:
        noun = None
        for word in sentence.italian.split():
            if word in SINGULARS or word in PLURALS:
                noun = word
            elif word in FORMS and noun is not None:
                allowed = {(SINGULARS[noun], False)} if noun in SINGULARS else set()
                allowed |= {(PLURALS[noun], True)} if noun in PLURALS else set()
                assert FORMS[word] & allowed
                agreed += 1
            else:
                noun = None
    assert agreed > 5000


def test_determiners_agree_with_the_noun_after_them(corpus: list[Sentence]) -> None:
    endings = {
        word: form
        for start in ("quest", "molt")
        for word, form in zip((start + end for end in "oaie"), itertools.product((False, True), "mf"), strict=True)
    }
    for sentence in corpus:
        for word, noun in itertools.pairwise(sentence.italian.split()):
            if word in endings:
                plural, gender = endings[word]
                assert (PLURALS if plural else SINGULARS)[noun] == gender
            elif word in ("due", "tre"):
                assert noun in PLURALS
            elif word == "ogni":
                assert noun in SINGULARS


def test_an_adjective_after_is_agrees_with_the_subject_across_what_stands_between(corpus: list[Sentence]) -> None:
    distant = 0
    genders = {"maria": "f", "sara": "f", "paolo": "m", "luca": "m"} | PLURALS | SINGULARS
    for sentence in corpus:
        words = sentence.italian.split()
        copula = [place for place, word in enumerate(words) if word in ("è", "sono")]
        if len(copula) == 1 and not {"che", "e", "ma", "perché", "mentre", "quando"} & set(words):
            subject = next(word for word in words if word in genders)
            assert (genders[subject], words[copula[0]] == "sono") in FORMS[words[-1]]
            distant += copula[0] - words.index(subject) > 2
    assert distant > 30


def test_verbs_agree_in_person_and_number_and_stand_for_their_pronouns(corpus: list[Sentence]) -> None:
    singular = {row[1]: row for row in VERBS}
    plain = {row[0]: row for row in VERBS}
    seen = set()
    for sentence in corpus:
        negated: list[str] = []
        for word, of in links(sentence):
            if word == "non":
                negated = of
            elif of[-1] in singular or of[-1] in plain:
                *pronoun, verb = of
                _, third, i, we, she, they = plain.get(verb) or singular[verb]
                assert pronoun in ([], ["i"], ["we"], ["he"], ["she"], ["they"])
                is_third_singular = "does" in negated or verb == third
                person = {"i": i, "we": we}.get(*pronoun or [""]) or (she if is_third_singular else they)
                assert word == person
                seen.add(word)
                negated = []
    assert seen == {form for row in VERBS for form in row[2:]}


def test_italian_adjectives_stand_in_reverse_order_after_their_noun(corpus: list[Sentence]) -> None:
    crossings = 0
    for sentence in corpus:
        english = sentence.english.split()
        place = {j: i for i, j in sentence.alignment}  # an adjective is aligned with one word
        for j, (word, following) in enumerate(itertools.pairwise(english)):
            modifies = word in ADJECTIVE_WORDS and (j == 0 or english[j - 1] not in ("is", "are", "not"))
            if modifies:
                assert following in ADJECTIVE_WORDS or place[j + 1] < place[j]
                assert following not in ADJECTIVE_WORDS or place[j + 1] == place[j] - 1
                crossings += 1
    assert crossings > 5000


def test_an_object_pronoun_stands_before_its_verb(corpus: list[Sentence]) -> None:
    forms = {form for row in VERBS for form in row[2:]}
    clitics = {"him": "lo", "her": "la", "them": "li"}
    seen = set()
    for sentence in corpus:
        for (word, of), (following, _) in itertools.pairwise(links(sentence)):
            if of[0] in clitics:
                assert word == clitics[of[0]]
                assert following in forms
                seen.add(word)
    assert seen == set(clitics.values())


def test_an_english_sentence_has_one_translation() -> None:
    known: dict[str, Sentence] = {}
    repeated = 0
    for seed in (1, 2):
        for sentence in sentences(5000, seed, min_length=2, max_length=5):
            repeated += sentence.english in known
            assert known.setdefault(sentence.english, sentence) == sentence
    assert repeated > 500
