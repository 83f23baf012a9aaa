"""Stream completions side by side with the official OpenAI client: `openai_streams.py PORT`, expectations on stdin.

They are a list of requests with the `answer` and the `finish_reason` of each. Runs in the environment of the official
clients and imports nothing of ours; exits with 0 if all is as expected.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import openai

EXPECTED: list[dict[str, Any]] = json.load(sys.stdin)
BASE_URL = f"http://127.0.0.1:{sys.argv[1]}/v1"


async def check(client: openai.AsyncOpenAI, expected: dict[str, Any]) -> None:
    """Ask one request, and compare what came."""
    text, reason = "", None
    async for chunk in await client.completions.create(**expected["request"], temperature=0, stream=True):
        text += chunk.choices[0].text
        reason = chunk.choices[0].finish_reason
    assert (text, reason) == (expected["answer"], expected["finish_reason"]), (expected, text, reason)


async def main() -> None:
    """Ask all at once."""
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="none", max_retries=0, timeout=20) as client:
        await asyncio.gather(*(check(client, expected) for expected in EXPECTED))


asyncio.run(main())
sys.stdout.write("streams work\n")
