"""Secrets and strangers: keys, prompts and cookies go where they belong, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

from support.rawserver import Handler, Peer, answer, completion, hello, sse

from promises.case import Case
from promises.checks import asked, ended, fails, noted, says, unlogged
from promises.sdk import KEY
from promises.seen import Seen
from promises.user import User, plain

__all__ = ["CASES"]

PRIVATE = "a private question"
CLIENT = "tests/api/test_client.py"
SHOWN = f"{CLIENT}::test_keys_are_not_shown"


# Cookies and redirects.


async def _by_name(user: User) -> None:
    """Ask twice, by the host's name: for a bare address cookies are seldom kept."""
    user.client(url=f"http://localhost:{user.server.port}/v1")
    await plain(user)
    await plain(user)


def _no_cookies(seen: Seen) -> str | None:
    return "cookie sent" if any("cookie" in one.headers for one in seen.requests) else None


async def _sends_away(peer: Peer) -> None:
    """Redirect to the same server under another name, which is another origin; there, answer."""
    host = peer.request.headers["host"]
    if host.startswith("localhost"):
        await answer(completion())(peer)
    else:
        away = f"http://localhost:{host.partition(':')[2]}/v1/elsewhere"
        await answer(b"", 307, {"location": away})(peer)


def _stays(seen: Seen) -> str | None:
    """Nothing of the request went to the other origin."""
    away = [one for one in seen.requests if one.headers["host"].startswith("localhost")]
    if not away:
        return None
    told = ["the key"] * (KEY in str(away[0].headers)) + ["the prompt"] * (b"messages" in away[0].body)
    return f"{' and '.join(told) or 'a request'} sent elsewhere"


# Keys and prompts.


async def _private(user: User) -> None:
    user.keep(await user.create(messages=[{"role": "user", "content": PRIVATE}]))


async def _printed(user: User) -> None:
    """Print a client, and what is in it."""
    client = user.client()
    shown = [repr(client), str(client), repr(client.chat.completions)]
    user.seen.notes["printed"] = KEY in "\n".join(shown)


def _hides(seen: Seen) -> str | None:
    return "the error shows the key" if KEY in seen.shown else None


def _hidden(id: str, promise: str, handler: Handler, *proofs: str, **more: Any) -> Case:
    """A case of a failure that knows the key."""
    return Case(
        id=id, topic="keys in errors", needs=[47], promise=promise, server=[handler], checks=[fails(), _hides, unlogged(KEY)],
        proofs=[*proofs, SHOWN], **more,
    )  # fmt: skip


async def _gone(peer: Peer) -> None:
    peer.fin()


async def _echo(peer: Peer) -> None:
    """Answer with the key, in bytes that are no HTTP."""
    await peer.send(peer.request.headers["authorization"].encode() + b"\r\n\r\n")
    peer.fin()


REPEATED = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}

KEYS = [
    _hidden("key-repeated", "A server that repeats the key in its refusal does not make the error show it.",
            answer(REPEATED, 401), user=plain),
    _hidden("key-repeated-stream", "Nor does one that repeats it in a stream.",
            sse([*hello()[:2], REPEATED], done=False), f"{CLIENT}::test_keys_are_not_shown_in_the_middle_of_a_stream"),
    _hidden("key-no-http", "Nor does one that answers with the key, and no HTTP.", _echo,
            "tests/transport/test_translation.py::test_nothing_that_is_raised_knows_the_key", user=plain),
    _hidden("key-gone", "A lost connection shows no key.", _gone,
            "tests/transport/test_translation.py::test_nothing_that_is_raised_knows_the_key", user=plain),
    Case(
        id="key-repr", topic="keys in print", needs=[47], promise="What is printed of a client does not hold its key.",
        server=[answer(completion())], user=_printed, checks=[ended, noted("printed", False, wrong="key printed")],
        proofs=[f"{CLIENT}::test_repr_shows_no_key"],
    ),
    Case(
        id="key-logged", topic="logs", needs=[47], promise="At DEBUG no log has the key.",
        server=[answer(completion())], user=plain, checks=[says(), unlogged(KEY)],
        proofs=[f"{CLIENT}::test_log_of_a_good_call_says_nothing"],
    ),
    Case(
        id="prompt-logged", topic="logs", needs=[47], promise="At DEBUG no log has the prompt or the answer.",
        server=[answer(completion("a private answer"))], user=_private, checks=[says("a private answer"), unlogged(PRIVATE, "a private answer")],
        proofs=[f"{CLIENT}::test_log_of_a_good_call_says_nothing"],
    ),
]  # fmt: skip


# Lists that go on for ever.


async def _listed(user: User) -> None:
    """Go through a list of stored completions."""
    count = 0
    async for _ in user.only.chat.completions.list(limit=1):
        count += 1
        user.seen.notes["items"] = count


PAGE = json.dumps(
    {
        "object": "list",
        "data": [{**completion(), "id": "chatcmpl-1"}],
        "first_id": "chatcmpl-1",
        "last_id": "chatcmpl-1",
        "has_more": True,
    }
)

CASES = [
    Case(
        id="cookies", topic="cookies", needs=[46], promise="What cookies an answer sets, no later request brings: users don't mix.",
        server=[answer(completion(), headers={"set-cookie": "who=somebody; Path=/"})], user=_by_name, checks=[says(), asked(2), _no_cookies],
        proofs=["tests/transport/test_session.py::test_cookies_are_never_sent_back"],
    ),
    Case(
        id="redirect", topic="redirects", needs=[46], promise="A redirect is an error: neither key nor prompt goes to where it points.",
        server=[_sends_away], user=plain, checks=[_stays, fails("APIStatusError"), asked(1)],
        proofs=["tests/transport/test_session.py::test_redirects_are_not_followed", "tests/functional/test_messages.py::test_redirect"],
    ),
    *KEYS,
    Case(
        id="same-page", topic="endless lists", needs=[54], promise="A server that gives the same page for ever is found out.",
        server=[answer(PAGE.encode())], user=_listed, checks=[fails(), asked(2)],
        proofs=["tests/api/test_pages.py::test_same_page_for_ever", "tests/data/test_pagination_cases.py::test_same_page_for_ever", "tests/reliability/test_growth.py::test_page_again"],
        limit=1.0,
    ),
]  # fmt: skip
