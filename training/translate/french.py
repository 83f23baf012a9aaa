"""Say a meaning in French: agreement, clitics before the verb, ne … pas, elision and contraction.

Knows French grammar; knows nothing of English or of how meanings are drawn.
"""

from __future__ import annotations

from training.translate.conjugation import Mood, finite, inflect, participle, starts_with_vowel, takes_be
from training.translate.lexicon import BE, GO, HAVE, Verb
from training.translate.meaning import (
    Clause,
    Existence,
    Gap,
    Name,
    Negation,
    NounPhrase,
    Participant,
    Place,
    Pronoun,
    Question,
    Sentence,
    Tense,
)

MOODS: dict[Tense, Mood] = {
    Tense.PRESENT: "present",
    Tense.PROGRESSIVE: "present",
    Tense.IMPERFECT: "imperfect",
    Tense.FUTURE: "future",
    Tense.CONDITIONAL: "conditional",
}
POSSESSIVES = {
    "my": ("mon", "ma", "mes"),
    "your": ("votre", "votre", "vos"),
    "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"),
    "our": ("notre", "notre", "nos"),
    "their": ("leur", "leur", "leurs"),
}
INVARIABLE = {
    "every": ["chaque"],
    "several": ["plusieurs"],
    "many": ["beaucoup", "de"],
    "two": ["deux"],
    "three": ["trois"],
    "ten": ["dix"],
}
SUBJECTS = {(1, False): "je", (1, True): "nous", (2, True): "vous"}
CLITICS = {(1, False): "me", (1, True): "nous", (2, True): "vous"}
STRESSED = {(1, False): "moi", (1, True): "nous", (2, True): "vous"}
ELIDING = frozenset({"je", "me", "te", "se", "le", "la", "ne", "de", "que"})
COMPARATIVES = {"bon": ("meilleur", "meilleure")}


def say(sentence: Sentence) -> str:
    """Return the sentence in French, with its capital and its full stop."""
    if isinstance(sentence, Question):
        opening = [sentence.word.french] if sentence.word else []
        return _write([*opening, "est-ce", "que", *_clause(sentence.clause)], " ?")
    first = sentence.first
    words = _existence(first) if isinstance(first, Existence) else _clause(first)
    if sentence.conjunction and sentence.second:
        conjunction = sentence.conjunction.french.split()
        comma = "," if conjunction == ["mais"] else ""
        words = [*words[:-1], words[-1] + comma, *conjunction, *_clause(sentence.second)]
    return _write(words, ".")


def _write(words: list[str], end: str) -> str:
    text = ""
    for word, following in zip(words, [*words[1:], "."], strict=True):
        elided = word in ELIDING and starts_with_vowel(following)
        text += word[:-1] + "'" if elided else word + " "
    text = text.replace("*", "").strip() + end
    return text[0].upper() + text[1:]


def _clause(clause: Clause) -> list[str]:
    return [*_subject(clause), *_verb_group(clause), *_complements(clause)]


def _subject(clause: Clause) -> list[str]:
    subject = clause.subject
    if isinstance(subject, Gap):
        return ["qui"]
    lead = ["que"] if isinstance(clause.object, Gap) else []
    if isinstance(subject, Pronoun):
        third = ("elle" if subject.feminine else "il") + ("s" if subject.plural else "")
        return [*lead, SUBJECTS.get((subject.person, subject.plural), third)]
    return lead + _phrase(subject)


def _verb_group(clause: Clause) -> list[str]:
    ne = [] if clause.negation is Negation.NONE else ["ne"]
    after = ne and [clause.negation.value]
    after = after + ([clause.frequency.french] if clause.frequency else [])
    clitics = _clitics(clause)
    if clause.modal or clause.tense is Tense.GOING:
        leader = clause.modal or GO
        link = [leader.preposition] if leader.preposition else []
        return [*ne, _finite(clause, leader, "present"), *after, *link, *clitics, clause.verb.french]
    if clause.tense is Tense.PAST:
        helper = BE if takes_be(clause.verb) else HAVE
        return [*ne, *clitics, _finite(clause, helper, "present"), *after, _participle(clause)]
    return [*ne, *clitics, _finite(clause, clause.verb, MOODS[clause.tense]), *after]


def _finite(clause: Clause, verb: Verb, mood: Mood) -> str:
    return finite(verb, mood, clause.subject.person, plural=clause.subject.plural)


def _participle(clause: Clause) -> str:
    """With être it agrees with the subject, with avoir only with an object that comes before."""
    if takes_be(clause.verb):
        return participle(clause.verb, feminine=clause.subject.feminine, plural=clause.subject.plural)
    thing = clause.object
    before = isinstance(thing, Pronoun | Gap)
    return participle(
        clause.verb,
        feminine=before and thing is not None and thing.feminine,
        plural=before and thing is not None and thing.plural,
    )


def _clitics(clause: Clause) -> list[str]:
    """In their order: me te se nous vous, then le la les, then lui leur."""
    subject, clitics = clause.subject, []
    if clause.verb.reflexive:
        clitics.append(CLITICS.get((subject.person, subject.plural), "se"))
    if isinstance(clause.object, Pronoun):
        third = "les" if clause.object.plural else "la" if clause.object.feminine else "le"
        clitics.append(CLITICS.get((clause.object.person, clause.object.plural), third))
    if isinstance(clause.recipient, Pronoun):
        third = "leur" if clause.recipient.plural else "lui"
        clitic = CLITICS.get((clause.recipient.person, clause.recipient.plural), third)
        clitics.insert(len(clitics) if clitic == third else 0, clitic)
    return clitics


def _complements(clause: Clause) -> list[str]:
    negated = clause.negation is not Negation.NONE
    words = _attribute(clause)
    if isinstance(clause.object, NounPhrase | Name):
        words += _phrase(clause.object, negated=negated)
    if clause.recipient and not isinstance(clause.recipient, Pronoun):
        words += _after("à", clause.recipient)
    if clause.manner:
        words += [_manner(clause)]
    if clause.place:
        words += _place(clause.place, clause.verb)
    if clause.time:
        words += [clause.time.french]
    if clause.content:
        words += ["que", *_clause(clause.content)]
    return words


def _attribute(clause: Clause) -> list[str]:
    if not clause.attribute:
        return []
    plural, feminine = clause.subject.plural, clause.subject.feminine
    if not clause.compared_to:
        return [inflect(clause.attribute, feminine=feminine, plural=plural)]
    other = clause.compared_to
    than = _stressed(other) if isinstance(other, Pronoun) else _phrase(other)
    if clause.attribute.french in COMPARATIVES:
        better = COMPARATIVES[clause.attribute.french][feminine] + ("s" if plural else "")
        return [better, "que", *than]
    return ["plus", inflect(clause.attribute, feminine=feminine, plural=plural), "que", *than]


def _stressed(pronoun: Pronoun) -> list[str]:
    masculine, feminine = ("eux", "elles") if pronoun.plural else ("lui", "elle")
    return [STRESSED.get((pronoun.person, pronoun.plural), feminine if pronoun.feminine else masculine)]


def _manner(clause: Clause) -> str:
    assert clause.manner, "called for a clause that has one"
    if clause.manner.note != "agrees":
        return clause.manner.french
    return (
        clause.manner.french
        + ("e" if clause.subject.feminine else "")
        + ("s" if clause.subject.plural else "")
    )


def _place(place: Place, verb: Verb) -> list[str]:
    return _after(place.preposition.french if place.preposition else verb.preposition, place.phrase)


def _existence(existence: Existence) -> list[str]:
    there = finite(HAVE, MOODS[existence.tense], 3, plural=False)
    verb = ["il", "ne", "y", there, "pas"] if existence.negated else ["il", "y", there]
    if existence.negated:
        verb[1:3] = ["n'y"]
    thing = _phrase(existence.thing, negated=existence.negated)
    return [*verb, *thing, *_place(existence.place, HAVE)]


def _after(preposition: str, participant: Participant) -> list[str]:
    """Put a preposition before a phrase: de + le = du, à + les = aux, unless the article is elided."""
    words = _phrase(participant)
    *lead, last = preposition.split()
    if last == "de" and words[0] in {"des", "de"}:
        return [*lead, "de", *words[1:]]  # de + des = de
    definite = isinstance(participant, NounPhrase) and participant.determiner == "the"
    contracted = words[0] == "les" or (words[0] == "le" and not starts_with_vowel(words[1]))
    if definite and contracted and last in {"de", "à"}:
        article = {"dele": "du", "deles": "des", "àle": "au", "àles": "aux"}[last + words[0]]
        return [*lead, article, *words[1:]]
    return [*lead, last, *words]


def _phrase(participant: Participant, *, negated: bool = False) -> list[str]:
    if isinstance(participant, Name):
        return [participant.name]
    assert isinstance(participant, NounPhrase), "pronouns and gaps have their own places"
    noun = participant.noun
    words = [noun.french_plural if participant.plural else noun.french]
    for adjective in participant.adjectives:
        form = inflect(
            adjective,
            feminine=participant.feminine,
            plural=participant.plural,
            following=words[0] if adjective.before else "",
        )
        words = [form, *words] if adjective.before else [*words, form]
    words = _determiner(participant, words[0], negated=negated) + words
    if participant.owner:
        words += _after("de", participant.owner)
    return words + (_clause(participant.relative) if participant.relative else [])


def _determiner(phrase: NounPhrase, following: str, *, negated: bool) -> list[str]:
    if phrase.determiner in INVARIABLE:
        return INVARIABLE[phrase.determiner]
    if phrase.determiner == "a":
        return [_indefinite(phrase, negated=negated)]
    if phrase.determiner == "the":
        return ["les" if phrase.plural else "la" if phrase.feminine else "le"]
    vowel = starts_with_vowel(following)
    if phrase.determiner == "this":
        masculine = "cet" if vowel else "ce"
        return ["ces" if phrase.plural else "cette" if phrase.feminine else masculine]
    masculine, feminine, plural = POSSESSIVES[phrase.determiner]
    return [plural if phrase.plural else feminine if phrase.feminine and not vowel else masculine]


def _indefinite(phrase: NounPhrase, *, negated: bool) -> str:
    """Un, une, des; "de" in the negative, and in the plural before an adjective."""
    if negated or (phrase.plural and any(adjective.before for adjective in phrase.adjectives)):
        return "de"
    return "des" if phrase.plural else "une" if phrase.feminine else "un"
