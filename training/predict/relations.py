"""Sentences of our own making about words that stand in known relations: who is whose wife, which city is which capital.

Knows the relations and how they are spoken of; knows nothing of ids, files or models. Each word of a pair is spoken of in
phrases of its pair (a king and a queen rule) and in phrases of its side (he and his, she and her), so that the step from
one side to the other is the same in all pairs: what analogies need.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """Two words of a relation, and what is said of both alone."""

    first: str
    second: str
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Pairs, and what is said of all their first words, of all their second words, and of a pair.

    Of one word: `{it}`, `{phrase}` is one of its pair's. Of a pair: `{first}` and `{second}`. Where so much is said of a
    side that its words lie nearer to one another than to the other of their pair, they are of one `kind`.
    """

    name: str
    pairs: tuple[Pair, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    both: tuple[str, ...]
    kind: bool = False


PEOPLE = Relation(
    "he and she",
    (
        Pair("king", "queen", ("sat on the throne", "ruled the kingdom", "wore the crown")),
        Pair("prince", "princess", ("inherited the castle", "danced at the royal ball", "will be crowned one day")),
        Pair("duke", "duchess", ("owned the estate", "hunted on the estate", "invited the nobles")),
        Pair("father", "mother", ("raised the children", "cooked for the family", "woke the children")),
        Pair("grandfather", "grandmother", ("told old stories", "needed glasses", "remembered the war")),
        Pair("uncle", "aunt", ("visited the nephews", "sent birthday presents", "came for the holidays")),
        Pair("brother", "sister", ("shared the bedroom", "broke the toys", "quarrelled about the toys")),
        Pair("son", "daughter", ("obeyed the parents", "left the parents", "resembled the parents")),
        Pair("boy", "girl", ("went to school", "learned to read", "did homework for school")),
        Pair("man", "woman", ("walked to work", "crossed the street", "read the newspaper")),
        Pair("husband", "wife", ("planned the wedding", "wore a ring", "celebrated the anniversary")),
        Pair("actor", "actress", ("played a role", "stood on the stage", "rehearsed the role")),
        Pair("waiter", "waitress", ("carried the tray", "served the guests", "brought the menu")),
        Pair("hero", "heroine", ("saved the village", "fought the dragon", "found the treasure")),
        Pair("monk", "nun", ("prayed in the chapel", "sang the psalms", "kept the vows")),
        Pair("wizard", "witch", ("cast a spell", "brewed a potion", "stirred the cauldron")),
    ),
    ("he is the {it} who {phrase}", "the {it} himself {phrase} with his own hands", "they asked him whether the {it} {phrase}",
     "the {it} shaved his beard before he {phrase}", "this {it} is a gentleman and he {phrase}"),
    ("she is the {it} who {phrase}", "the {it} herself {phrase} with her own hands", "they asked her whether the {it} {phrase}",
     "the {it} braided her hair before she {phrase}", "this {it} is a lady and she {phrase}"),
    ("the {first} and the {second} {phrase}", "neither the {second} nor the {first} {phrase}"),
)  # fmt: skip

PLACES = Relation(
    "country and capital",
    tuple(
        Pair(country, capital, (f"where people speak {language}", f"where people eat {food}", f"beside the {river}"))
        for country, capital, language, food, river in (
            ("france", "paris", "french", "croissants", "seine"),
            ("italy", "rome", "italian", "risotto", "tiber"),
            ("germany", "berlin", "german", "pretzels", "spree"),
            ("portugal", "lisbon", "portuguese", "sardines", "tagus"),
            ("greece", "athens", "greek", "olives", "ilisos"),
            ("russia", "moscow", "russian", "borscht", "moskva"),
            ("japan", "tokyo", "japanese", "sushi", "sumida"),
            ("egypt", "cairo", "arabic", "falafel", "nile"),
            ("hungary", "budapest", "hungarian", "goulash", "danube"),
            ("poland", "warsaw", "polish", "dumplings", "vistula"),
            ("finland", "helsinki", "finnish", "salmon", "vantaa"),
            ("turkey", "ankara", "turkish", "baklava", "kizil"),
            ("thailand", "bangkok", "thai", "curry", "chao"),
            ("iran", "tehran", "persian", "pistachios", "karaj"),
            ("norway", "oslo", "norwegian", "herring", "aker"),
            ("vietnam", "hanoi", "vietnamese", "noodles", "red"),
        )
    ),
    ("the parliament of {it} governs a nation {phrase}", "the border of {it} surrounds a land {phrase}",
     "farmers in {it} till a land {phrase}", "the flag of {it} flies over a nation {phrase}"),
    ("the mayor of {it} governs a city {phrase}", "the airport of {it} lies near a town {phrase}",
     "the subway of {it} crosses a city {phrase}", "the suburbs of {it} surround a town {phrase}"),
    ("{second} is the capital of {first} {phrase}",),
    kind=True,
)  # fmt: skip

ANIMALS = Relation(
    "grown and young",
    tuple(
        Pair(grown, young, (f"that {sounds}", f"in the {home}", f"that likes {food}"))
        for grown, young, sounds, home, food in (
            ("dog", "puppy", "barks", "kennel", "bones"),
            ("cat", "kitten", "purrs", "basket", "mice"),
            ("cow", "calf", "moos", "barn", "clover"),
            ("horse", "foal", "neighs", "stable", "oats"),
            ("sheep", "lamb", "bleats", "fold", "grass"),
            ("hen", "chick", "clucks", "coop", "corn"),
            ("duck", "duckling", "quacks", "pond", "bread"),
            ("pig", "piglet", "grunts", "sty", "acorns"),
            ("bear", "cub", "growls", "cave", "honey"),
            ("deer", "fawn", "snorts", "forest", "leaves"),
            ("frog", "tadpole", "croaks", "swamp", "flies"),
            ("swan", "cygnet", "hisses", "lake", "weeds"),
        )
    ),
    ("a strong old {it} {phrase}", "the grown {it} {phrase} guards its young", "the heavy {it} {phrase} leads the others"),
    ("a tiny newborn {it} {phrase}", "the playful {it} {phrase} follows its mother", "the little {it} {phrase} was born today"),
    ("the {second} grows into a {first} {phrase}",),
)  # fmt: skip

RELATIONS = (PEOPLE, PLACES, ANIMALS)


def sentences(rng: random.Random) -> Iterator[str]:
    """Yield sentences of all relations without end: one of six is about both words of a pair."""
    while True:
        relation = rng.choice(RELATIONS)
        pair = rng.choice(relation.pairs)
        phrase = rng.choice(pair.phrases)
        if rng.random() < 1 / 6:
            yield rng.choice(relation.both).format(first=pair.first, second=pair.second, phrase=phrase)
        elif rng.random() < 1 / 2:
            yield rng.choice(relation.first).format(it=pair.first, phrase=phrase)
        else:
            yield rng.choice(relation.second).format(it=pair.second, phrase=phrase)
