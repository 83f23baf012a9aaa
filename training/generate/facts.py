"""The words that small talk fills in, and the facts that its replies tell.

Plain data; knows nothing of questions or replies.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GREETINGS = ("hello", "hi", "hey", "good morning", "good afternoon", "good evening")
BYES = ("goodbye", "bye", "bye bye", "see you", "see you later", "good night", "farewell")
NAMES = _words(
    "Anna Ben Carla David Emma Felix Grace Hugo Ida Jack Kate Leo Maria Noah Olga Paul Rosa Sam Tina Victor "
    "Alice Bob Clara Daniel Eva Frank Hannah Ivan Julia Karl Laura Max Nina Oscar Peter Ruth Simon Thomas Vera Zoe"
)
SEASONS = ("spring", "summer", "autumn", "winter")
CLIMATES = {
    "Rome": ("mild", "hot and dry", "warm", "cool and rainy"),
    "London": ("cool and rainy", "mild", "foggy", "cold and rainy"),
    "Oslo": ("cool", "mild", "cold and windy", "very cold"),
    "Cairo": ("hot and dry", "very hot", "hot", "mild"),
    "Moscow": ("cold", "warm", "cold and windy", "very cold"),
    "Lisbon": ("mild", "hot", "warm", "mild"),
    "Paris": ("mild", "warm", "cool and rainy", "cold"),
    "Tokyo": ("mild", "hot and rainy", "mild", "cold"),
}
COLOURS = {
    "the sky": "blue", "the sea": "blue", "grass": "green", "a leaf": "green", "snow": "white", "milk": "white",
    "blood": "red", "a tomato": "red", "a strawberry": "red", "the sun": "yellow", "a lemon": "yellow",
    "a banana": "yellow", "the night": "black", "coal": "black", "chocolate": "brown", "a bear": "brown",
    "an elephant": "grey", "a mouse": "grey", "a flamingo": "pink", "a carrot": "orange", "a swan": "white",
    "a frog": "green", "a raven": "black", "wood": "brown", "a cucumber": "green",
}  # fmt: skip
_PAIRS = (
    "hot cold", "big small", "good bad", "fast slow", "young old", "light dark", "high low", "early late", "wet dry",
    "full empty", "hard soft", "rich poor", "open closed", "happy sad", "strong weak", "long short", "loud quiet",
    "near far", "clean dirty", "easy difficult", "first last", "always never", "up down", "left right", "day night",
    "true false", "thick thin", "heavy weightless", "cheap expensive", "brave fearful",
)  # fmt: skip
_LEFT, _RIGHT = zip(*(pair.split() for pair in _PAIRS), strict=True)
OPPOSITES = dict(zip(_LEFT + _RIGHT, _RIGHT + _LEFT, strict=True))
CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin", "England": "London", "Norway": "Oslo",
    "Sweden": "Stockholm", "Finland": "Helsinki", "Poland": "Warsaw", "Austria": "Vienna", "Greece": "Athens",
    "Portugal": "Lisbon", "Egypt": "Cairo", "Japan": "Tokyo", "China": "Beijing", "Russia": "Moscow", "Cuba": "Havana",
    "Kenya": "Nairobi", "Peru": "Lima", "Canada": "Ottawa",
}  # fmt: skip


def _successors(*rings: str) -> dict[str, str]:
    after = dict[str, str]()
    for ring in rings:
        names = ring.split()
        after |= dict(zip(names, [*names[1:], names[0]], strict=True))
    return after


AFTER = _successors(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
    "spring summer autumn winter",
)
_UNITS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
AN_HOUR_LATER = _successors(" ".join(_UNITS[1:13]))
LENGTHS = {
    "minutes in an hour": "sixty minutes in an hour", "seconds in a minute": "sixty seconds in a minute",
    "hours in a day": "twenty four hours in a day", "days in a week": "seven days in a week",
    "months in a year": "twelve months in a year", "seasons in a year": "four seasons in a year",
    "weeks in a year": "fifty two weeks in a year", "years in a century": "one hundred years in a century",
}  # fmt: skip
UNKNOWN = (
    "quantum physics", "the stock market", "football", "politics", "my neighbour", "bicycles", "history", "poetry",
    "computers", "the moon landing", "philosophy", "cooking", "gardening", "chess", "jazz music", "space travel",
    "electric cars", "the theatre", "mountain climbing", "the internet",
)  # fmt: skip


def number(value: int) -> str:
    """Return a number from 0 to 100 in words."""
    if value < 20:
        return _UNITS[value]
    if value == 100:
        return "one hundred"
    tens, units = divmod(value, 10)
    return _TENS[tens - 2] + (f" {_UNITS[units]}" if units else "")
