"""The words of the grammar, English beside French, read from the tables in `words/`.

Knows spellings, genders and which words go together; knows nothing of sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

TABLES = Path(__file__).parent / "words"

VerbKind = Literal["transitive", "indirect", "giving", "intransitive", "motion", "opinion", "modal", "copula"]


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun in both languages; `category` says what may be done with it."""

    english: str
    english_plural: str
    french: str
    french_plural: str
    feminine: bool
    category: str


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective; `before` if it stands before a French noun, `categories` of nouns that it may describe."""

    english: str
    comparative: str
    french: str
    feminine: str
    plural: str
    before: bool
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: English with its particle ("look for"), French with its preposition ("obéir" + "à")."""

    english: str
    particle: str
    past: str
    progressive: str
    french: str
    preposition: str
    reflexive: bool
    kind: VerbKind
    subjects: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    stative: bool = False
    always_to: bool = False

    @property
    def key(self) -> str:
        """The verb as a dictionary lists it."""
        return f"{self.english} {self.particle}".strip()


@dataclass(frozen=True, slots=True)
class Phrase:
    """A fixed expression; `note` says where it fits: a tense, a gender, a category."""

    english: str
    french: str
    note: str


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All words, in the order of their tables."""

    nouns: tuple[Noun, ...]
    adjectives: tuple[Adjective, ...]
    verbs: tuple[Verb, ...]
    modals: tuple[Verb, ...]
    phrases: dict[str, tuple[Phrase, ...]]

    @property
    def size(self) -> int:
        """How many words and fixed expressions there are."""
        words = len(self.nouns) + len(self.adjectives) + len(self.verbs) + len(self.modals)
        return words + sum(map(len, self.phrases.values()))


def rows(table: str) -> Iterator[list[str]]:
    """Yield the fields of each line of a table, without comments; "_" becomes a space."""
    for line in (TABLES / f"{table}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield [field.replace("_", " ") for field in line.split()]


@cache
def load() -> Lexicon:
    """Return the lexicon."""
    phrases: dict[str, list[Phrase]] = {}
    for section, english, french, note in rows("phrases"):
        phrases.setdefault(section, []).append(Phrase(english, french, note))
    modals = phrases.pop("modal")
    return Lexicon(
        nouns=tuple(_noun(*fields) for fields in rows("nouns")),
        adjectives=tuple(_adjective(*fields) for fields in rows("adjectives")),
        verbs=tuple(_verb(fields) for fields in rows("verbs")),
        modals=tuple(_verb([phrase.english, phrase.french, "modal", "-", "-", "-"]) for phrase in modals),
        phrases={section: tuple(found) for section, found in phrases.items()},
    )


def _noun(english: str, french: str, gender: str, category: str) -> Noun:
    one, _, many = english.partition(":")
    un, _, des = french.partition(":")
    return Noun(one, many or plural_of(one), un, des or un + "s", gender == "f", category)


def _adjective(english: str, french: str, position: str, categories: str) -> Adjective:
    plain, _, comparative = english.partition(":")
    masculine, feminine, plural = (*french.split(":"), "", "")[:3]
    return Adjective(
        english=plain,
        comparative=comparative or f"more {plain}",
        french=masculine,
        feminine=feminine or (masculine if masculine.endswith("e") else masculine + "e"),
        plural=plural or (masculine if masculine[-1] in "sx" else masculine + "s"),
        before=position == "before",
        categories=frozenset(categories.split(",")),
    )


def _verb(fields: list[str]) -> Verb:
    english, french, kind, subjects, objects, flag = fields
    infinitive, past, progressive = (*english.split(":"), "", "")[:3]
    base, _, particle = infinitive.partition(" ")
    reflexive = french.startswith("se ")
    stem, _, preposition = french.removeprefix("se ").partition(" ")
    return Verb(
        english=base,
        particle=particle,
        past=past or _regular_past(base),
        progressive=progressive or (base if base.endswith("ee") else base.removesuffix("e")) + "ing",
        french=stem,
        preposition=preposition,
        reflexive=reflexive,
        kind=kind,  # type: ignore[arg-type]  # a test reads every row and compares
        subjects=_categories(subjects),
        objects=_categories(objects),
        stative=flag == "state",
        always_to=flag == "to",
    )


def plural_of(word: str) -> str:
    """Return a regular English plural, which is also the third person of a verb."""
    if word.endswith(("s", "sh", "ch", "x")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _regular_past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + "ed"


def _categories(text: str) -> frozenset[str]:
    return frozenset() if text == "-" else frozenset(text.split(","))


BE = Verb("be", "", "was", "being", "être", "", reflexive=False, kind="copula")
GO = Verb("go", "", "went", "going", "aller", "", reflexive=False, kind="motion")
HAVE = Verb("have", "", "had", "having", "avoir", "", reflexive=False, kind="transitive")
