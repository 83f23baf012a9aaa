"""What small talk is about: for each topic its wordings, and how a question and its reply are drawn.

Knows words and facts, nothing of conversations. A wording's `{slots}` are filled by what `draw` returns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from training.generate import facts


@dataclass(frozen=True, slots=True)
class Memory:
    """What was said before: the user's name, and the subject of the last question with its place."""

    name: str = ""
    subject: str = ""
    place: str = ""


Slots = Mapping[str, str]
Drawn = tuple[Slots, str, Memory]
Draw = Callable[[random.Random, Memory], Drawn]


@dataclass(frozen=True, slots=True)
class Topic:
    """Something to talk about; one that `needs` a subject only follows a question about it.

    `opening` chooses among `OPENINGS` and `CLOSINGS`; `weight` is how often it comes up.
    """

    name: str
    wordings: tuple[str, ...]
    draw: Draw
    needs: str = ""
    opening: str = "question"
    mark: str = "?"
    weight: float = 1.0


OPENINGS = {
    "question": (
        "please tell me", "tell me", "can you tell me", "could you tell me", "do you know", "i would like to know",
        "i want to know", "say", "hey", "so", "well", "excuse me", "one question", "i wonder",
    ),
    "statement": ("well", "hey", "oh", "so", "listen", "by the way", "you know"),
    "follow": ("ok", "good", "well", "so", "thanks", "i see"),
}  # fmt: skip
CLOSINGS = {
    "question": ("please", "my friend", "if you can", "if you know it", "then"),
    "statement": ("my friend", "my dear", "by the way", "then", "you know"),
    "follow": ("please", "then", "my friend"),
}


def _greeting(rng: random.Random, memory: Memory) -> Drawn:
    said = rng.choice(facts.GREETINGS)
    answer = said if said.startswith("good") else "hello"
    whom = f", {memory.name}" if memory.name else ""
    return {"it": said}, f"{answer.capitalize()}{whom}! How can I help you?", replace(memory, subject="")


def _fixed(reply: str, subject: str = "") -> Draw:
    return lambda _, memory: ({}, reply, replace(memory, subject=subject))


def _told_name(rng: random.Random, memory: Memory) -> Drawn:
    name = rng.choice(facts.NAMES)
    return {"it": name}, f"Nice to meet you, {name}!", replace(memory, name=name, subject="")


def _own_name(_: random.Random, memory: Memory) -> Drawn:
    known = f"Your name is {memory.name}." if memory.name else "You have not told me your name yet."
    return {}, known, replace(memory, subject="")


def _bye(rng: random.Random, memory: Memory) -> Drawn:
    whom = f", {memory.name}" if memory.name else ""
    return {"it": rng.choice(facts.BYES)}, f"Goodbye{whom}! Have a nice day.", replace(memory, subject="")


def _weather(rng: random.Random, memory: Memory) -> Drawn:
    place = rng.choice(tuple(facts.CLIMATES))
    return _weather_at(rng, replace(memory, subject="weather", place=place))


def _weather_at(rng: random.Random, memory: Memory) -> Drawn:
    season = rng.choice(facts.SEASONS)
    weather = facts.CLIMATES[memory.place][facts.SEASONS.index(season)]
    slots = {"place": memory.place, "season": season}
    return slots, f"In {season} it is {weather} in {memory.place}.", memory


def _sum(kind: str, sign: str, count: Callable[[int, int], int]) -> Draw:
    def draw(rng: random.Random, memory: Memory) -> Drawn:
        first, second = rng.randint(0, 10), rng.randint(0, 10)
        if kind == "minus":
            first, second = max(first, second), min(first, second)
        a, b, result = (facts.number(value) for value in (first, second, count(first, second)))
        reply = f"{a.capitalize()} {sign} {b} is {result}."
        return {"a": a, "b": b}, reply, replace(memory, subject="")

    return draw


def _fact(subject: str, known: Mapping[str, str], reply: str) -> Draw:
    def draw(rng: random.Random, memory: Memory) -> Drawn:
        it = rng.choice(tuple(known))
        told = reply.format(it=it, answer=known[it])
        return {"it": it}, told[0].upper() + told[1:], replace(memory, subject=subject)

    return draw


_COLOUR = _fact("colour", facts.COLOURS, "{it} is {answer}.")
_OPPOSITE = _fact("opposite", facts.OPPOSITES, "the opposite of {it} is {answer}.")
_CAPITAL = _fact("capital", facts.CAPITALS, "the capital of {it} is {answer}.")
_AFTER = _fact("after", facts.AFTER, "{answer} comes after {it}.")
_LATER = _fact("", facts.AN_HOUR_LATER, "it is {answer} o'clock.")
_LENGTH = _fact("", facts.LENGTHS, "there are {answer}.")

TOPICS = (
    Topic(
        "greeting",
        ("{it}", "{it} there", "{it} to you", "{it} sluice", "{it} nice to see you", "{it} are you there"),
        _greeting, opening="statement", mark="!",
    ),
    Topic(
        "how are you",
        (
            "how are you", "how are you doing", "how are you today", "how do you feel", "how is it going",
            "are you well", "how do you do", "how have you been",
        ),
        _fixed("I am fine, thank you. And you?", "mood"), opening="statement",
    ),
    Topic(
        "fine",
        ("i am fine", "i am fine too", "i am well", "very well", "i am happy", "i feel good", "all is good"),
        _fixed("I am glad to hear that."), needs="mood", opening="follow", mark=".", weight=2,
    ),
    Topic(
        "sad",
        ("i am sad", "not so well", "i am tired", "i feel bad", "i am ill", "not good", "i am not happy"),
        _fixed("I am sorry to hear that."), needs="mood", opening="follow", mark=".", weight=2,
    ),
    Topic(
        "telling a name",
        (
            "my name is {it}", "i am {it}", "i am called {it}", "call me {it}", "people call me {it}", "this is {it}",
            "you can call me {it}", "my friends call me {it}", "the name is {it}",
        ),
        _told_name, opening="statement", mark=".", weight=2,
    ),
    Topic(
        "asking one's name",
        (
            "what is my name", "what am i called", "who am i", "do you remember my name", "what did i say my name was",
            "do you still know my name", "what is the name that i told you",
        ),
        _own_name, weight=2,
    ),
    Topic(
        "the model's name",
        (
            "what is your name", "who are you", "what are you called", "what do people call you",
            "what should i call you", "do you have a name",
        ),
        _fixed("I am Sluice, a small chat model."),
    ),
    Topic(
        "help",
        (
            "what can you do", "what can i ask you", "how can you help me", "what do you know", "can you help me",
            "what can we talk about", "what are you good at",
        ),
        _fixed("I can add numbers, name colours, capitals and opposites, and talk about the weather."),
    ),
    Topic(
        "weather",
        (
            "what is the weather like in {place} in {season}", "how is the weather in {place} in {season}",
            "how is {season} in {place}", "what is {season} like in {place}", "is it warm in {place} in {season}",
            "is it cold in {place} in {season}", "what weather do they have in {place} in {season}",
            "what is the {season} weather in {place}",
        ),
        _weather, weight=3,
    ),
    Topic(
        "weather, followed up",
        ("and in {season}", "what about {season}", "how about {season}", "and how is it in {season}", "and {season}"),
        _weather_at, needs="weather", opening="follow", weight=8,
    ),
    Topic(
        "plus",
        (
            "what is {a} plus {b}", "how much is {a} plus {b}", "{a} plus {b}", "what is {a} and {b}", "add {a} and {b}",
            "the sum of {a} and {b}", "what do you get when you add {a} and {b}", "how much is {a} and {b}",
        ),
        _sum("plus", "plus", lambda a, b: a + b), weight=3,
    ),
    Topic(
        "minus",
        (
            "what is {a} minus {b}", "how much is {a} minus {b}", "{a} minus {b}", "take {b} from {a}", "{a} less {b}",
            "what is left when you take {b} from {a}", "the difference of {a} and {b}",
        ),
        _sum("minus", "minus", lambda a, b: a - b), weight=3,
    ),
    Topic(
        "times",
        (
            "what is {a} times {b}", "how much is {a} times {b}", "{a} times {b}", "multiply {a} by {b}",
            "the product of {a} and {b}", "what do you get when you multiply {a} by {b}",
        ),
        _sum("times", "times", lambda a, b: a * b), weight=3,
    ),
    Topic(
        "colour",
        (
            "what colour is {it}", "which colour is {it}", "what is the colour of {it}", "the colour of {it}",
            "which colour does {it} have", "what colour has {it}", "in which colour would you paint {it}",
        ),
        _COLOUR, weight=2,
    ),
    Topic(
        "colour, followed up",
        ("and {it}", "what about {it}", "how about {it}", "and what colour is {it}", "now {it}"),
        _COLOUR, needs="colour", opening="follow", weight=5,
    ),
    Topic(
        "opposite",
        (
            "what is the opposite of {it}", "which word is the opposite of {it}", "the opposite of {it}",
            "what is the contrary of {it}", "what is not {it} but the opposite", "give me the opposite of {it}",
        ),
        _OPPOSITE, weight=2,
    ),
    Topic(
        "opposite, followed up",
        ("and of {it}", "and {it}", "what about {it}", "and the opposite of {it}", "now {it}"),
        _OPPOSITE, needs="opposite", opening="follow", weight=5,
    ),
    Topic(
        "capital",
        (
            "what is the capital of {it}", "which city is the capital of {it}", "the capital of {it}",
            "what is the capital city of {it}", "where does the government of {it} sit", "name the capital of {it}",
        ),
        _CAPITAL, weight=2,
    ),
    Topic(
        "capital, followed up",
        ("and of {it}", "and {it}", "what about {it}", "and the capital of {it}", "now {it}"),
        _CAPITAL, needs="capital", opening="follow", weight=5,
    ),
    Topic(
        "what comes after",
        (
            "what comes after {it}", "what follows {it}", "what is next after {it}", "what do we have after {it}",
            "when {it} is over what comes",
        ),
        _AFTER, weight=2,
    ),
    Topic(
        "an hour later",
        (
            "it is {it} o'clock and what time is it in an hour", "what time is it one hour after {it}",
            "what time is it an hour after {it} o'clock", "which hour comes after {it} o'clock",
        ),
        _LATER,
    ),
    Topic(
        "how long",
        ("how many {it}", "what is the number of {it}", "how many are there of the {it}", "can you count the {it}"),
        _LENGTH,
    ),
    Topic(
        "the time",
        ("what time is it", "what is the time", "what does the clock say", "how late is it", "do you have the time"),
        _fixed("I have no clock, but it is always a good time to talk."),
    ),
    Topic(
        "thanks",
        (
            "thanks", "thank you", "thank you very much", "thanks a lot", "many thanks", "that was kind of you",
            "thank you for your help", "that helped me a lot",
        ),
        _fixed("You are welcome!"), opening="statement", mark="!",
    ),
    Topic(
        "goodbye",
        ("{it}", "{it} sluice", "{it} for now", "{it} until tomorrow", "i must go {it}", "it is late {it}"),
        _bye, opening="statement", mark="!",
    ),
    Topic(
        "something else",
        (
            "what do you think of {it}", "tell me about {it}", "what is {it}", "explain {it} to me", "how does {it} work",
            "do you like {it}", "where can i buy {it}", "who invented {it}", "let us talk about {it}",
        ),
        lambda rng, memory: ({"it": rng.choice(facts.UNKNOWN)}, "I am sorry, I do not know that.", memory),
        weight=2,
    ),
)  # fmt: skip
