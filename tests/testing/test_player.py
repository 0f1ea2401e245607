"""A server that answers from a recording."""

from __future__ import annotations

import asyncio
import math
import time

import msgspec
import openai
import pytest

from openai_async import AsyncOpenAI
from openai_async.testing import Player, Recorder, ScriptedServer, split, text
from openai_async.testing.recording import Answered, Asked, Exchange, RecordingWriter

pytestmark = pytest.mark.sockets


def _started(path, **options):
    player = Player(path, **options)
    player.start()
    return player


@pytest.fixture
def record(tmp_path, official, question):
    """Record the answers to requests, and return the file."""

    def record(*replies, asked=({},)):
        path = tmp_path / "a.jsonl"
        with ScriptedServer() as server:
            for reply in replies:
                server.reply(*reply)
            with Recorder(path, upstream=server.url) as recorder:
                client = official(recorder)
                for fields in asked:
                    answer = client.chat.completions.create(**question(**fields))
                    if fields.get("stream"):
                        list(answer)
        return path

    return record


def test_what_was_recorded_is_played(record, official, question):
    """The official client reads from the player what it read from the server, and the clients' key does not matter."""
    path = record(["Hello"], [text("Hello", chunks=3)], asked=({}, {"stream": True}))
    with Player(path) as player:
        client = official(player, api_key="whatever")
        assert client.chat.completions.create(**question()).choices[0].message.content == "Hello"
        stream = client.chat.completions.create(**question(stream=True))
        assert [part.choices[0].delta.content for part in stream] == ["", "He", "ll", "o", None]
        assert player.left == 0
        assert player.story().startswith("Played 2 of 2 answers of ")


@pytest.mark.anyio
async def test_bytes_are_cut_as_they_were(record, question):
    """Each recorded read is one piece of the body again, here of seven bytes, through multi-byte characters."""
    path = record([text("Grüße"), split(7)], asked=({"stream": True},))
    with Player(path) as player:
        async with (
            AsyncOpenAI(base_url=player.url, api_key=player.api_key) as client,
            client.chat.completions.create(**question(stream=True)) as stream,
        ):
            completion = await stream.final()
    assert completion.choices[0].message.content == "Grüße"


@pytest.fixture
def write(tmp_path, question):
    """Write a recording of one answer to the question, with these reads, and return the file."""

    def write(pieces):
        asked = {"at": 0.0, "method": "POST", "path": "/v1/chat/completions", "headers": {}}
        response = Answered.of(status=200, headers={"content-type": "application/json"}, pieces=pieces, end="complete")
        with RecordingWriter(tmp_path / "a.jsonl", "http://127.0.0.1:1/v1") as writer:
            writer.add(Exchange(Asked.of(**asked, body=msgspec.json.encode(question())), response))
        return tmp_path / "a.jsonl"

    return write


def _raw_chunks(player, body):
    """The sizes of the chunks of the transfer coding in which a player answers."""

    async def scenario():
        host, port = player.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        sizes = []
        while size := int(await reader.readline(), 16):
            sizes.append(size)
            await reader.readexactly(size + 2)
        writer.close()
        await writer.wait_closed()
        return sizes

    return asyncio.run(scenario())


def test_each_read_is_a_write(write, question):
    """On the wire, the reads of the recording are chunks of their own, at once or in time."""
    path = write([(0.0, b"data: "), (0.001, "ü".encode()[:1]), (0.002, "ü".encode()[1:]), (0.002, b"\n\n")])
    for speed in (math.inf, 50.0):
        with Player(path, speed=speed) as player:
            assert _raw_chunks(player, msgspec.json.encode(question())) == [6, 1, 1, 2]


def test_time_is_scaled(write, official, question):
    """With a speed, reads come when they came, so much faster; without, nothing is waited for."""

    def took(path, speed=math.inf):
        with Player(path, speed=speed) as player:
            client = official(player)
            began = time.monotonic()
            client.chat.completions.create(**question())
            return time.monotonic() - began

    slow = write([(0.0, b"{"), (0.4, b"}")])
    assert took(slow, 1) >= 0.4
    assert took(slow, 4) >= 0.1
    took(write([(0.0, b"{"), (31_536_000.0, b"}")]))  # it ends: a year is not waited for


def test_answers_find_their_requests_in_any_order(record, official, question):
    """Requests are told apart by their bodies; the same one twice gets the answers in the order of recording."""
    path = record(["one"], ["two"], ["three"], asked=({"temperature": 1}, {"temperature": 2}, {"temperature": 1}))
    with Player(path) as player:
        client = official(player)
        said = [
            client.chat.completions.create(**question(temperature=value)).choices[0].message.content
            for value in (2, 1, 1)
        ]
    assert said == ["two", "one", "three"]


def test_order_alone_may_count(record, official, question):
    """With match="order" bodies do not matter, methods and paths do."""
    path = record(["one"], ["two"], asked=({"temperature": 1}, {"temperature": 2}))
    player = _started(path, match="order")
    client = official(player)
    try:
        assert client.chat.completions.create(**question("Something else")).choices[0].message.content == "one"
        with pytest.raises(openai.BadRequestError, match="The next one in it is POST /v1/chat/completions"):
            client.models.list()
        assert client.chat.completions.create(**question()).choices[0].message.content == "two"
        with pytest.raises(openai.BadRequestError, match="None of the 0 answers"):
            client.chat.completions.create(**question())
    finally:
        player.close()


def test_a_request_that_was_not_recorded_is_refused_and_told(record, official, question):
    """The client gets a 400 that names the first difference to the nearest answer, and the end of the `with` fails."""
    path = record(["one"], ["two"], asked=({"temperature": 1}, {"top_p": 0.5, "temperature": 2}))
    client = official(served := _started(path))
    with pytest.raises(
        openai.BadRequestError, match=r"differs at messages\[0\]\.content: recorded 'Why\?', asked 'How"
    ):
        client.chat.completions.create(**question("How?", temperature=1))
    with pytest.raises(openai.BadRequestError, match="None of the 2 answers that are left is for it"):
        client.models.list()

    with pytest.raises(AssertionError, match=r"a\.jsonl: POST "):
        served.__exit__(None, None, None)


def test_a_request_too_many_is_told_as_such(record, official, question):
    """Asked once more than was recorded, it is refused, and the error says that this is why."""
    client = official(served := _started(record(["one"])))
    client.chat.completions.create(**question())

    with pytest.raises(openai.BadRequestError, match=r"once more: POST \S+\. All 1 answers that are there"):
        client.chat.completions.create(**question())
    served.close()


@pytest.mark.parametrize("options", [{"speed": 0}, {"speed": -1}, {"speed": float("nan")}, {"match": "anything"}])
def test_options_out_of_range_are_refused(record, options):
    """The error says what would do."""
    with pytest.raises(ValueError, match="must be"):
        Player(record(["one"]), **options)


def test_closing_ends_an_answer_under_way(record, official, question):
    """A player that is closed in the middle of a slow answer breaks it off."""
    path = record([text("abc"), split(40)], asked=({"stream": True},))
    player = _started(path, speed=1e-9)
    with official(player).chat.completions.create(**question(stream=True)) as stream:
        player.close()
        with pytest.raises(openai.APIConnectionError):
            list(stream)
