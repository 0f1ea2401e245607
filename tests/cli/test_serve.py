"""`openai-async serve`, as a program that others talk to."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from openai_async import APIError, AsyncOpenAI

CURL = rb"  curl -N (\S+)/chat/completions[^\n]*\n"


def ask(url, *, key="", model="m", **params):
    """Ask a server one question, and return the answer's text."""

    async def scenario():
        async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            messages = [{"role": "user", "content": "Hello"}]
            async with client.chat.completions.create(model=model, messages=messages, stream=True, **params) as stream:
                return (await stream.final()).choices[0].message.content

    return asyncio.run(scenario())


@pytest.fixture
def serving(start):
    """Start the program on a free port; returns it and its address."""

    def serving(*words):
        program = start("serve", "--port", 0, *words)
        program.expect(b"}'\n")
        return program, re.search(CURL, program.came)[1].decode()

    return serving


def test_it_serves_until_it_is_stopped(serving):
    """It prints its address and examples, then a line for each request; Ctrl-C is its proper end."""
    program, url = serving()
    text = ask(url)
    with pytest.raises(APIError, match="404"):
        ask(f"{url}/no%0Aplace")

    program.interrupt()
    code, out, err = program.end()

    assert text
    assert code == 0
    assert out.decode().startswith(f"Serving at {url} (Ctrl-C stops it).")
    assert f"openai-async chat --base-url {url} --api-key '' -m demo Hello\n" in out.decode()
    assert re.fullmatch(
        rb"POST /v1/chat/completions 200 \d+ ms\nPOST /v1/no%0Aplace/chat/completions 404 \d+ ms\nstopped\n", err
    )


def test_the_key_is_asked_for_and_not_shown(serving):
    """With `--api-key` requests without it are refused, and the examples leave a place for it."""
    program, url = serving("--api-key", "sk-of-the-server", "--models", "a, b", "-q")

    assert ask(url, key="sk-of-the-server", model="b")
    with pytest.raises(APIError, match="401"):
        ask(url)
    with pytest.raises(APIError, match="does not exist"):
        ask(url, key="sk-of-the-server", model="c")

    program.interrupt()
    code, out, err = program.end()
    assert (code, err) == (0, b"stopped\n")
    assert b"sk-of-the-server" not in out
    assert b'--api-key "$KEY" -m a' in out
    assert b'-H "Authorization: Bearer $KEY"' in out


def test_stopping_breaks_off_what_is_being_said(serving):
    """A stream under way does not keep the server from stopping; its line says that it was cut off."""
    program, url = serving("--delay", "3600")

    async def scenario():
        async with AsyncOpenAI(base_url=url, api_key="", max_retries=0) as client:
            # The role comes at once, the first word in an hour.
            call = asyncio.ensure_future(
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":")[-1].removesuffix("/v1")))
            body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await reader.readuntil(b'"role"')
            program.interrupt()
            with pytest.raises(APIError):
                await call
            writer.close()

    asyncio.run(scenario())

    code, _, err = program.end()
    assert code == 0
    assert err.count(b"POST /v1/chat/completions 200 ") == err.count(b" ms (cut off)\n") == 2


def test_a_taken_port_is_said(run):
    """A port that is in use gives one line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", port)

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(rf"openai-async: error: [^\n]*{port}[^\n]*taken[^\n]*--port 0[^\n]*\n", done.stderr.decode())


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--host", "999.0.0.1"], 1, "Can't listen on port 0 of 999.0.0.1"),
    (["--models", " , "], 2, "--models takes one name or more"),
    (["--local", "--models", "a"], 2, "do not go with --local"),
    (["--local", "/no/such/model.gguf"], 2, "There is no model file /no/such/model.gguf"),
    (["--port", "65536"], 2, "--port"),
    (["--store", "/"], 2, "is a directory"),
    (["--local", "--store", "x"], 2, "do not go with --local"),
])  # fmt: skip
def test_what_can_not_be_served(call, words, code, said):
    """Settings that can't be served end in one line before anything is announced."""
    done = call("serve", "--port", "0", *words)

    assert (done.returncode, done.stdout) == (code, b"")
    assert re.fullmatch("openai-async: error: [^\n]*\n", done.stderr.decode())
    assert said in done.stderr.decode()
