"""What `doctor` says of an API's answers, over real sockets."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest
from support.rawserver import RawServer, answer, chunk, completion, event, sse

from openai_async import AsyncOpenAI
from openai_async.cli.doctoring.advice import Asked
from openai_async.cli.doctoring.call import Calls
from openai_async.cli.doctoring.connections import Connections
from openai_async.transport.session import AiohttpTransport

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

KEY = "sk-of-the-doctor"
MODELS = answer({"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]})
USAGE = {"prompt_tokens": 2, "completion_tokens": 10, "total_tokens": 12}
PIECES = [event(chunk(f"{number} ")) for number in range(10)]
END = [event(chunk(finish="stop")), event(chunk(usage=USAGE) | {"choices": []}), b"data: [DONE]\n\n"]


def stream(*events, every=0.0, wait=0.0, kind="text/event-stream", **headers):
    """Answer with events, one every so many seconds, after a wait."""

    async def handle(peer):
        await asyncio.sleep(wait)
        await peer.head(content_type=kind, transfer_encoding="chunked", **headers)
        for part in events:
            await peer.chunk(part)
            await asyncio.sleep(every)
        await peer.chunk(b"")

    return handle


GOOD = stream(*PIECES, *END, every=0.03)


async def examine(*handlers, model="m-1", checks=("models", "request", "stream", "reuse")):
    """The findings about a server that answers so, by the name of their check."""
    async with RawServer(*handlers) as server:
        connections = Connections(AiohttpTransport())
        async with AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0, transport=connections) as client:
            calls = Calls(client, connections, Asked(url=server.url, model=model))
            found = {}
            for check in checks:
                made = getattr(calls, f"check_{check}")()
                found[check] = made if check == "reuse" else await made
    return found


async def test_a_server_that_is_well():
    """Every check of a server that does all as it should is well, and brings its times."""
    found = await examine(MODELS, answer(completion()), GOOD)

    assert {finding.verdict for finding in found.values()} == {"ok"}
    assert found["models"].said == "m-1 is among the 2 models that the server lists."
    assert found["models"].details["models"] == ["m-1", "m-2"]
    assert found["stream"].details["pieces"] == 10
    assert found["request"].seconds > 0


async def test_a_model_that_is_not_listed():
    """A model that the server does not list is a warning, with a name that is near."""
    found = await examine(MODELS, model="m-11", checks=["models"])

    assert found["models"].verdict == "warn"
    assert found["models"].said == "m-11 is not among the 2 models that the server lists."
    assert "m-1" in found["models"].advice[0]


async def test_the_only_model():
    """A server that lists one model has the one that is asked for, or another."""
    one = answer({"object": "list", "data": [{"id": "m-1"}]})

    assert (await examine(one, checks=["models"]))["models"].said == "m-1 is the one model that the server lists."


@pytest.mark.parametrize("handler", [
    answer({"error": {"message": "no"}}, 404),
    answer({"data": []}),
    answer({"data": "none"}),
    answer([]),
    answer(b"<html>", kind="text/html"),
])  # fmt: skip
async def test_a_server_without_a_list(handler):
    """That a server has no list of models says nothing."""
    assert (await examine(handler, checks=["models"]))["models"].verdict == "skip"


@pytest.mark.parametrize(("handler", "said", "advice"), [
    (answer({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401), "401 Incorrect", "another vendor"),
    (answer({"error": {"message": "Country not supported"}}, 403), "403 Country", "country"),
    (answer({"error": {"message": "No such model", "code": "model_not_found"}}, 404), "404 No such", "-m NAME"),
    (answer(b"<html><title>Not here</title>", 404, kind="text/html"), "404 The server sent a web page", "path"),
    (answer({"error": {"message": "No credit", "code": "insufficient_quota"}}, 429), "429 No credit", "billing"),
    (answer({"error": {"message": "Slow down"}}, 429), "429 Slow down", "wait a minute"),
    (answer({"error": {"message": "Bad"}}, 400), "400 Bad", "plain request"),
    (answer({"error": {"message": "Down"}}, 503), "503 Down", "try again later"),
    (answer(b"", 308, {"location": "https://new.example/v1"}), "https://new.example/v1", "base URL"),
    (answer(b"<!doctype html><title>Welcome</title>", kind="text/html"), "a web page titled 'Welcome'", "no API"),
    (sse([], ending="fin"), "in the middle of the body", "connection breaks"),
])  # fmt: skip
async def test_requests_that_fail(handler, said, advice):
    """Each way to fail is told with what the server said, and what to do; the key never is."""
    finding = (await examine(handler, checks=["request"]))["request"]

    assert finding.verdict == "fail"
    assert said in finding.said
    assert advice in " ".join(finding.advice)
    assert KEY not in repr(finding)


async def test_a_connection_that_breaks():
    """A server that hangs up on a request fails."""

    async def handle(peer):
        peer.reset()

    finding = (await examine(handle, checks=["request"]))["request"]

    assert finding.verdict == "fail"
    assert "closed the connection" in finding.said
    assert finding.advice


@pytest.mark.parametrize(("ahead", "verdict"), [(0, "ok"), (3600, "warn"), (-3600, "warn")])
async def test_clocks(ahead, verdict):
    """A clock that is an hour off is a warning: the server's answers carry the time."""
    headers = {"date": formatdate(time.time() - ahead, usegmt=True)}

    finding = (await examine(answer(completion(), headers=headers), checks=["request"]))["request"]

    assert finding.verdict == verdict
    assert ("clock" in finding.said) == (verdict == "warn")


async def test_a_date_that_is_none():
    """What is no date says nothing."""
    finding = (await examine(answer(completion(), headers={"date": "today"}), checks=["request"]))["request"]

    assert finding.verdict == "ok"


async def test_a_stream_that_was_held_back():
    """Pieces that come all at once, late, were held back by a proxy, whose name is told."""
    held = stream(b"".join([*PIECES, *END]), wait=0.3, server="nginx")

    finding = (await examine(held, checks=["stream"]))["stream"]

    assert finding.verdict == "warn"
    assert "All pieces came at once" in finding.advice[0]
    assert "nginx" in finding.advice[0]
    assert finding.said.startswith("10 pieces in 1 read, ")


async def test_a_short_stream_is_not_suspicious():
    """Two pieces that come together say nothing about proxies."""
    finding = (await examine(stream(b"".join([*PIECES[:2], *END]), wait=0.3), checks=["stream"]))["stream"]

    assert finding.verdict == "ok"


@pytest.mark.parametrize(("events", "advice"), [
    ([*PIECES, *END[:2]], "no [DONE]"),
    ([*PIECES, END[0], END[2]], "does not count"),
])  # fmt: skip
async def test_streams_that_lack_something(events, advice):
    """A stream without its end, or without a count of tokens, is a warning."""
    finding = (await examine(stream(*events, every=0.03), checks=["stream"]))["stream"]

    assert finding.verdict == "warn"
    assert advice in " ".join(finding.advice)


async def test_a_whole_answer_in_the_place_of_a_stream():
    """A server that does not stream, and answers all the same, is a warning."""
    finding = (await examine(answer(completion()), checks=["stream"]))["stream"]

    assert finding.verdict == "warn"
    assert "application/json" in finding.advice[0]


async def test_a_server_that_refuses_to_count():
    """A server that refuses `stream_options` is asked again without, and that is a warning."""
    refusal = answer({"error": {"message": "Unknown parameter: stream_options"}}, 400)

    finding = (await examine(refusal, GOOD, checks=["stream"]))["stream"]

    assert finding.verdict == "warn"
    assert "Unknown parameter: stream_options" in finding.advice[0]


async def test_a_server_that_refuses_streams():
    """Where the second attempt fails as well, the first refusal is what is told."""
    first = answer({"error": {"message": "Streaming is off"}}, 400)
    second = answer({"error": {"message": "Still off"}}, 400)

    finding = (await examine(first, second, checks=["stream"]))["stream"]

    assert (finding.verdict, finding.said) == ("fail", "400 Streaming is off")


async def test_a_stream_that_breaks_off():
    """A stream that ends in the middle fails."""
    finding = (await examine(sse([chunk("a")], done=False, ending="reset"), checks=["stream"]))["stream"]

    assert finding.verdict == "fail"
    assert "ended before the answer did" in finding.said


async def test_connections_that_are_closed():
    """A server that closes after each answer is a warning: every request pays for a connection."""
    closing = {"connection": "close"}

    async def once(peer):
        await stream(*PIECES, *END, connection="close")(peer)
        peer.fin()

    found = await examine(answer(completion(), headers=closing), once, checks=["request", "stream", "reuse"])

    assert found["reuse"].verdict == "warn"
