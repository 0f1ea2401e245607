"""The server that a test scripts and asks."""

from __future__ import annotations

import asyncio
import threading

import openai
import pytest

from openai_async import AsyncOpenAI
from openai_async.testing import ScriptedServer, cut, delay, stall, text

pytestmark = pytest.mark.sockets


def test_without_a_script_it_answers_by_itself(server, ask):
    """The same question gets the same answer, which is no empty one."""
    first, second = ask(), ask()

    assert first.choices[0].message.content == second.choices[0].message.content != ""


def test_an_own_responder_answers_what_is_not_scripted(official, question):
    """A responder, a coroutine or a generator of text, answers while nothing is scripted."""

    async def whole(asked):
        return f"You asked {asked['model']}."

    async def piecewise(asked):
        yield "You asked "
        yield asked["model"]

    for responder in (whole, piecewise):
        with ScriptedServer(responder) as server:
            answer = official(server).chat.completions.create(**question())
            assert answer.choices[0].message.content.startswith("You asked m")


@pytest.mark.anyio
async def test_async_clients_use_it_from_any_loop(server, question):
    """The official client and ours, in the test's loop, talk to the server in its own; many at once."""
    server.reply("Hello", times=20)
    async with openai.AsyncOpenAI(base_url=server.url, api_key=server.api_key) as official:
        theirs = await asyncio.gather(*(official.chat.completions.create(**question()) for _ in range(10)))
    async with AsyncOpenAI(base_url=server.url, api_key=server.api_key) as ours:
        own = await asyncio.gather(*(ours.chat.completions.create(**question()) for _ in range(10)))

    assert {answer.choices[0].message.content for answer in (*theirs, *own)} == {"Hello"}
    server.assert_played()


def test_rules_go_before_the_queue(server, ask):
    """A request gets the reply of the first rule that fits and has one, else the next of the queue."""
    server.reply("queue", times=None)
    server.when(model="m", contains="sea").reply("sea")
    server.when(contains="sea", where=lambda request: len(request.messages) == 1).reply("second rule", times=None)

    asked = [ask(text).choices[0].message.content for text in ("the moon", "the sea", "the sea", "the moon")]
    assert asked == ["queue", "sea", "second rule", "queue"]


def test_a_request_beyond_the_script_is_refused_and_told(server, ask):
    """It gets a 400, which no client retries, and the assertion names it."""
    server.reply("one")
    ask()
    with pytest.raises(openai.BadRequestError, match="No scripted reply is left for this request: of 1 given"):
        ask("Why again?")

    with pytest.raises(AssertionError, match=r"no reply was left for a request: POST .*last message='Why again\?'"):
        server.assert_played()


def test_replies_that_nobody_asked_for_are_told(server, ask):
    """Each is shown as it was written, with the rule that it is of and how often it was asked for."""
    server.reply(text("a"), cut(after=1)).reply("b", times=3).reply("always", times=None)
    server.when(contains="sea").reply("c")
    with ask(stream=True) as stream, pytest.raises(openai.APIConnectionError):
        list(stream)
    ask()
    with pytest.raises(AssertionError) as caught:
        server.assert_played()

    told = str(caught.value)
    assert "never asked for: when(contains='sea').reply(text('c'))" in told
    assert "never asked for: reply(text('b'), times=3) (asked for 1 of 3 times)" in told
    assert "text('a')" not in told.partition("Requests so far")[0]
    assert "always" not in told


def test_requests_that_are_refused_use_up_no_reply(server, ask, official):
    """An invalid request is refused in the API's words and leaves the script as it is, as lists of models do."""
    server.reply("Hello")
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'colour'"):
        ask(extra_body={"colour": "red"})
    official(server).models.list()

    assert ask().choices[0].message.content == "Hello"
    assert "refused: Unknown parameter: 'colour'" in server.story()
    server.assert_played()


def test_what_the_server_refuses_uses_up_no_reply(official, question):
    """A wrong path, a model that does not exist, a body that is not declared as JSON: the reply waits on."""
    with ScriptedServer(models=["m"]) as server:
        server.reply("Hello")
        client = official(server)
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            official(server, base_url=f"{server.url}/v1").chat.completions.create(**question())
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            client.chat.completions.create(**{**question(), "model": "other"})
        with pytest.raises(openai.APIStatusError, match="text/plain"):
            client.chat.completions.create(**question(), extra_headers={"content-type": "text/plain"})

        assert client.chat.completions.create(**question()).choices[0].message.content == "Hello"


def test_a_predicate_may_script(server, ask):
    """A `where` may add rules, and look at what came, while it is asked."""

    def where(request):
        server.when(contains="later").reply("later", times=None)
        return len(server.requests) == 1

    server.when(where=where).reply("now")

    assert ask(timeout=5).choices[0].message.content == "now"
    assert ask("later").choices[0].message.content == "later"


def test_a_predicate_that_fails_is_told(server, ask):
    """An exception of `where` is an answer of status 400 and a failed assertion, and names the error."""
    server.when(where=lambda request: request.body["nothing"]).reply("never")
    with pytest.raises(openai.BadRequestError, match="KeyError: 'nothing'"):
        ask()

    with pytest.raises(AssertionError, match="could not be asked about a request: KeyError"):
        server.assert_played()


def test_the_end_of_the_with_asserts_the_script():
    """Leaving the `with` in order asserts that the script was played; an exception goes first."""
    with pytest.raises(AssertionError, match="never asked for"), ScriptedServer() as server:
        server.reply("Hello")
    with pytest.raises(ValueError, match="needs something to say"), ScriptedServer() as server:
        server.reply("Hello").reply()


def test_calls_are_counted(server, ask, official):
    """Assertions count chat completions that meet the criteria, and return them; failures list all requests."""
    ask("the sea")
    ask("the moon", stream=True).close()
    official(server).models.list()

    assert server.assert_called_once(contains="moon").stream
    assert [request.number for request in server.assert_called(2, model="m")] == [1, 2]
    server.assert_called(model="m")
    server.assert_not_called(model="other")
    with pytest.raises(AssertionError, match="Expected 1 chat completion request, got 2") as caught:
        server.assert_called_once()
    assert "1. POST /v1/chat/completions model='m' last message='the sea' -> 200, complete" in str(caught.value)
    assert "3. GET /v1/models -> 200" in str(caught.value)
    with pytest.raises(AssertionError, match="Expected at least one chat completion request with model='x', got 0"):
        server.assert_called(model="x")
    with pytest.raises(AssertionError, match="Expected no chat completion requests with model='m', got 2"):
        server.assert_not_called(model="m")


def test_requests_tell_what_was_asked(server, ask):
    """Method, path, headers, body, model and messages are as they were sent; the key does not show itself."""
    ask("the sea", temperature=0.5)
    request = server.requests[0]

    assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", "")
    assert request.body["temperature"] == 0.5
    assert request.messages == [{"role": "user", "content": "the sea"}]
    assert (request.model, request.stream, request.status, request.outcome) == ("m", False, 200, "complete")
    assert request.headers["authorization"] == f"Bearer {server.api_key}"
    assert server.api_key not in repr(request.headers) + repr(request) + repr(server)
    assert request.content.startswith(b"{")


def test_connections_are_counted(server, ask, official, question):
    """A client uses its connection again; another has another; closed ones are not open."""
    ask()
    ask()
    other = official(server)
    other.chat.completions.create(**question())

    assert [request.connection for request in server.requests] == [1, 1, 2]
    assert server.connections == (2, 2)
    server.close()
    assert server.connections == (2, 0)


def test_streams_that_are_left_open_are_told(server, ask):
    """An answer that its client neither reads nor closes fails the assertion, until it is closed."""
    server.reply(text("a", "b"), stall(after=1))
    with (
        ask(stream=True),
        pytest.raises(AssertionError, match=r"1 answers are still open after 0\.05 s.*\n.*200, open"),
    ):
        server.assert_nothing_open(timeout=0.05)

    server.assert_nothing_open()


@pytest.mark.parametrize("part", [stall(), delay(before=60), text("a", delay=60)])
def test_a_plain_answer_is_aborted_when_its_client_gives_up(server, official, question, part):
    """A client whose time is over leaves, whether the answer has begun or not."""
    server.reply(part)
    with pytest.raises(openai.APITimeoutError):
        official(server, timeout=0.2).chat.completions.create(**question())

    assert server.requests[0].ended() == "aborted"


@pytest.mark.anyio
async def test_ends_can_be_awaited(server, question):
    """An async test waits for its client's leaving without blocking its loop; a stream that stays is a failure."""
    server.reply(text("a", "b"), stall(after=1))
    async with openai.AsyncOpenAI(base_url=server.url, api_key=server.api_key) as client:
        stream = await client.chat.completions.create(**question(stream=True))
        with pytest.raises(AssertionError, match=r"still open after 0\.05 s: the client did not leave"):
            await server.requests[0].aended(timeout=0.05)
        with pytest.raises(AssertionError, match=r"Await aended\(\) here"):
            server.requests[0].ended(timeout=0.01)
        await stream.close()
        assert await server.requests[0].aended() == "aborted"
        assert server.requests[0].aborted


def test_options_are_the_embedded_servers(official, question):
    """A key is asked for, and shown as the one to use; models can be listed."""
    with ScriptedServer(api_key="sk-of-the-test", models=["m"]) as server:
        assert official(server).chat.completions.create(**question()).model == "m"
        with pytest.raises(openai.AuthenticationError):
            official(server, default_headers={"authorization": "Bearer wrong"}).models.list()
        assert server.api_key == "sk-of-the-test"


def test_unknown_options_are_refused():
    """A misspelt option is an error that names those there are, and nothing is left running."""
    before = threading.active_count()
    with pytest.raises(TypeError, match=r"modles= is no option of the server: there are api_key, .* models, "):
        ScriptedServer(modles=["m"]).start()
    with pytest.raises(TypeError, match="fault_for= is how replies are chosen"):
        ScriptedServer(fault_for=lambda _: None)
    assert threading.active_count() == before


def test_it_needs_to_be_started_and_can_be_read_when_it_is_closed(ask, server):
    """Before the start there is no address; after the end, what was seen is still there, and no thread is."""
    ask()
    server.close()
    server.close()

    assert server.requests[0].ended() == "complete"
    assert "openai_async.testing" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match="not started"):
        _ = ScriptedServer().url


def test_it_runs_once_at_a_time(server):
    """Starting it twice is refused."""
    with pytest.raises(RuntimeError, match="runs already"):
        server.start()
