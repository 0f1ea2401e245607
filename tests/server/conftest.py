"""What the server's tests share: a request to a server of its own, and the API's published schema."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from openai_async.protocol.sse import EventParser
from openai_async.server import serve

SHARED = Path(__file__).resolve().parents[3] / "shared"

# What goes out when a test does not care: a question to any model.
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


@dataclass
class Answer:
    """What a server answered, read to the end."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error in the body."""
        return self.json["error"]

    @property
    def message(self) -> dict[str, Any]:
        """The first choice's message."""
        return self.json["choices"][0]["message"]

    @property
    def data(self) -> list[bytes]:
        """The data of all events of a stream, `[DONE]` included."""
        return [event.data for event in EventParser().feed(self.body)]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The events of a stream, decoded; it must have ended with `[DONE]`."""
        *chunks, done = self.data
        assert done == b"[DONE]"
        return [json.loads(chunk) for chunk in chunks]


@pytest.fixture
def question():
    """A fresh request without anything special."""
    return json.loads(json.dumps(QUESTION))


@pytest.fixture
def ask():
    """Post one request to a server of its own, and return the `Answer`."""

    def ask(body=None, *, responder=None, headers=None, path="/chat/completions", method="POST", **options):
        async def scenario():
            async with serve(responder, **options) as url, aiohttp.ClientSession() as session:
                given = {"data": body} if isinstance(body, bytes) else {"json": body}
                sent = {"content-type": "application/json", **(headers or {})}
                async with session.request(method, url + path, headers=sent, **given) as response:
                    return Answer(
                        response.status,
                        {name.lower(): value for name, value in response.headers.items()},
                        await response.read(),
                    )

        return asyncio.run(scenario())

    return ask


@pytest.fixture
def conforms():
    """Check a value against a definition of the API's published schema; the test is skipped where there is none."""
    path = SHARED / "openapi" / "chat.schema.json"
    if not path.exists():
        pytest.skip("the API's schema is not at hand")
    definitions = json.loads(path.read_text(encoding="utf-8"))["$defs"]

    def conforms(value, name):
        validator = jsonschema.Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{name}"})
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        assert error is None, error

    return conforms


@pytest.fixture
def shared():
    """The folder of background material; the test is skipped where there is none."""
    if not SHARED.exists():
        pytest.skip("the background material is not at hand")
    return SHARED
