"""Lists of stored completions: bodies to pages, and pages to items, until there are no more."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from support.scripted import ScriptedResponse, ScriptedTransport

from openai_async import AsyncOpenAI
from openai_async.errors import OpenAIError
from stress.inputs.seeds import page

from .looping import run
from .target import Target, check_error

__all__ = ["PAGES"]

_MOST = 5  # requests that a list may take here: the server has three answers, and gives the last one for ever


def _check(data: bytes, rng: Random) -> str:
    return run(_list(data.split(b"\n\n\n"), rng))


async def _list(bodies: list[bytes], rng: Random) -> str:
    """Go through a list whose server answers with these bodies, the last of them again and again."""
    answers = [ScriptedResponse(body) for body in [*bodies, *[bodies[-1]] * _MOST][:_MOST]]
    transport = ScriptedTransport(answers)
    client = AsyncOpenAI(api_key="k", base_url="http://test/v1", max_retries=0, transport=transport)
    listed = client.chat.completions.list() if rng.random() < 0.6 else client.chat.completions.messages.list("c")
    items: list[Any] = []
    try:
        async for item in listed:
            items.append(item)  # noqa: PERF401 - those before an error count
    except OpenAIError as error:
        check_error(error)
        label = type(error).__name__
    else:
        label = "to its end"
    assert len(transport.requests) < _MOST, "the list never ends"
    for item in items:
        json.dumps(item.to_dict())
        repr(item)
    return label


def _make(rng: Random) -> bytes:
    return b"\n\n\n".join(page(rng) for _ in range(rng.randrange(1, 4)))


PAGES = Target("pages", 3, _make, _check)
