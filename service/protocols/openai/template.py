"""The plain template that makes a prompt of a conversation, for generators that know nothing of chat.

Pure text. Each message is a line with its role and a colon, and its text below; then comes the line
`assistant:`, and what the model continues with is the answer, up to the next line with a role:

    system:
    You are kind.
    user:
    Hello
    assistant:
"""

from __future__ import annotations

from collections.abc import Iterable

ROLES = ("developer", "system", "user", "assistant")
STOPS = tuple(f"\n{role}:\n" for role in ROLES)
"""Where an answer ends: the model goes on with somebody's next message."""


def prompt_of(messages: Iterable[tuple[str, str]]) -> str:
    """Return the prompt for messages of role and text."""
    return "".join(f"{role}:\n{text}\n" for role, text in (*messages, ("assistant", "")))[:-1]
