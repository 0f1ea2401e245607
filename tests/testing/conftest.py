"""What the kit's tests share: a scripted server, foreign clients that ask it, and a question."""

from __future__ import annotations

from contextlib import ExitStack

import openai
import pytest

from openai_async.testing import ScriptedServer


def question(text="Why?", **fields):
    """The arguments of a request."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


@pytest.fixture(name="question")
def _question():
    return question


@pytest.fixture
def server():
    """A running server; whether its script was played is the test's business."""
    server = ScriptedServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def official():
    """Make an official client, synchronous, without retries, of what has `url` and `api_key`."""
    with ExitStack() as stack:

        def make(served, **options):
            given = {"base_url": served.url, "api_key": served.api_key, "max_retries": 0, **options}
            return stack.enter_context(openai.OpenAI(**given))

        yield make


@pytest.fixture
def ask(server, official):
    """Ask the server a question through the official client, and return the whole completion."""
    client = official(server)

    def ask(text="Why?", **fields):
        return client.chat.completions.create(**question(text, **fields))

    return ask


@pytest.fixture
def chunks(ask):
    """Ask for a stream, and return the contents of its chunks, the role's and the finish's among them."""

    def chunks(text="Why?", **fields):
        with ask(text, stream=True, **fields) as stream:
            return [chunk.choices[0].delta.content for chunk in stream if chunk.choices]

    return chunks


@pytest.fixture
def run_pytest(pytester, monkeypatch):
    """Write files, run pytest on them in a process of its own, warnings being errors, and return the result."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # Hypothesis and others take seconds, and may warn

    def run(*options, **files):
        pytester.makepyfile(**files)
        plugins = ("-p", "openai_async.testing.plugin", "-p", "anyio.pytest_plugin")
        return pytester.runpytest_subprocess("-W", "error", "--strict-markers", *plugins, *options)

    return run
