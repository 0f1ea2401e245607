"""A proxy that writes down what a real server answers."""

from __future__ import annotations

import errno
import json

import openai
import pytest
from support.faults import pack, packed
from support.rawserver import RawServer, answer, chunk, completion, event, free_port, in_thread, sse

from openai_async.testing import Player, Recorder, Recording, ScriptedServer, delay, error, stall, text
from openai_async.testing.recording import RecordingError, RecordingWriter

pytestmark = pytest.mark.sockets

_KEY = "sk-of-the-test-0123456789"


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where to record, with the key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", _KEY)
    return tmp_path / "a.jsonl"


def _stream(client, question):
    with client.chat.completions.create(**question(stream=True)) as stream:
        return [part.choices[0].delta.content for part in stream if part.choices]


def test_answers_pass_through_and_are_written_down(path, server, official, question):
    """The client gets what the server answers, errors included, and the file has it read by read, with times."""
    server.reply(text("Hello", chunks=3), delay(between=0.01)).reply(error(429, retry_after=7)).reply("Hi")
    with Recorder(path, upstream=server.url) as recorder:
        client = official(recorder)
        assert _stream(client, question) == ["", "He", "ll", "o", None]
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**question())
        assert caught.value.response.headers["retry-after"] == "7"
        assert client.chat.completions.create(**question()).choices[0].message.content == "Hi"
    first, second, third = Recording.load(path).exchanges

    assert recorder.count == 3
    assert first.request.body == question(stream=True)
    assert len(first.response.reads) >= 5
    times = [at for at, _ in first.response.reads]
    assert times == sorted(times)
    assert b"".join(piece for _, piece in first.response.pieces).endswith(b"data: [DONE]\n\n")
    assert (second.response.status, second.response.headers["retry-after"]) == (429, "7")
    assert third.response.headers["content-type"] == "application/json"


def test_no_secret_is_written_down(path, official, question):
    """Keys, cookies, organizations and what a server repeats of them are in no byte of the file; the client sees all."""
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {_KEY}, of org-AbCdEfGhIjKlMnOpQrStUvWx."}})
    headers = {"set_cookie": "session=abcdefgh", "openai_organization": "my-company", "x_echo": _KEY}
    with (
        in_thread(RawServer(answer(body.encode(), 401, headers))) as upstream,
        Recorder(path, upstream=upstream.url) as recorder,
    ):
        client = official(
            recorder,
            organization="my-company",
            default_headers={"cookie": "session=ijklmnop"},
            default_query={"sig": "qrstuvwx"},
        )
        with pytest.raises(openai.AuthenticationError, match=_KEY):
            client.chat.completions.create(**question())
        sent = upstream.requests[0].headers
    written = path.read_text()

    assert (sent["authorization"], sent["openai-organization"]) == (f"Bearer {_KEY}", "my-company")
    for secret in (_KEY, _KEY[:12], "abcdefgh", "ijklmnop", "qrstuvwx", "my-company", "AbCdEfGhIj"):
        assert secret not in written
    assert recorder.api_key not in repr(recorder) + recorder.story()


def test_a_secret_across_two_reads_is_masked(path, official, question):
    """The key may be cut in two by the server's writes: both halves are masked, and the cut stays."""
    whole = event({"error": {"message": f"No such key: {_KEY}"}})
    half = whole.index(_KEY.encode()) + 9
    with (
        in_thread(RawServer(sse([whole[:half], whole[half:]]))) as upstream,
        Recorder(path, upstream=upstream.url) as recorder,
        pytest.raises(openai.APIError),
    ):
        _stream(official(recorder), question)
    pieces = [piece for _, piece in Recording.load(path).exchanges[0].response.pieces]

    assert b"".join(pieces).startswith(whole.replace(_KEY.encode(), b"*" * len(_KEY)))
    assert _KEY[:9] not in path.read_text()


@pytest.mark.parametrize("ending", ["fin", "reset"])
def test_a_cut_is_passed_on_and_played(path, official, question, ending):
    """Where the server breaks off, the client's connection breaks off, now and when it is played."""
    handler = sse([chunk("Hel")], done=False, ending=ending)
    with in_thread(RawServer(handler)) as upstream, Recorder(path, upstream=upstream.url) as recorder:
        with pytest.raises(openai.APIConnectionError):
            _stream(official(recorder), question)
        recorder.assert_played()
    assert Recording.load(path).exchanges[0].response.end == "cut"

    with Player(path) as player, pytest.raises(openai.APIConnectionError):
        _stream(official(player), question)


def test_a_client_that_leaves_ends_the_request(path, server, official, question):
    """The real server sees it go, and what was read until then is recorded as left."""
    server.reply(text("Hel", "lo"), stall(after=1))
    with Recorder(path, upstream=server.url) as recorder:
        with official(recorder).chat.completions.create(**question(stream=True)) as stream:
            assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
        assert server.requests[0].ended() == "aborted"
    (exchange,) = Recording.load(path).exchanges

    assert exchange.response.end == "left"
    assert b"Hel" in b"".join(piece for _, piece in exchange.response.pieces)


def test_what_is_packed_is_unpacked(path, official, question):
    """Where a server compresses unasked, the client and the file get what it means, and no word of the coding."""
    body = json.dumps(completion("Hello")).encode()
    with (
        in_thread(RawServer(packed(*pack([body], "gzip"), whole=True, kind="application/json"))) as upstream,
        Recorder(path, upstream=upstream.url) as recorder,
    ):
        answer = official(recorder).chat.completions.create(**question())
        assert "accept-encoding" not in upstream.requests[0].headers
    (exchange,) = Recording.load(path).exchanges

    assert answer.choices[0].message.content == "Hello"
    assert b"".join(piece for _, piece in exchange.response.pieces) == body
    assert "content-encoding" not in exchange.response.headers


def test_a_server_that_does_not_answer_is_told(path, official, question):
    """The client gets a 502 with the reason, the file stays as it was, and the assertion fails."""
    path.write_text("old")
    with Recorder(path, upstream=f"http://127.0.0.1:{free_port()}/v1") as recorder:
        with pytest.raises(openai.InternalServerError, match="did not answer: Connection error"):
            official(recorder).chat.completions.create(**question())
        with pytest.raises(AssertionError, match=r"127\.0\.0\.1:\d+/v1 did not answer"):
            recorder.assert_played()
    assert path.read_text() == "old"


def test_nothing_recorded_is_told(path, server):
    """A recorder that nobody asked has nothing to show for it."""
    with Recorder(path, upstream=server.url) as recorder, pytest.raises(AssertionError, match="Nothing was recorded"):
        recorder.assert_played()
    assert not path.exists()


def test_the_real_servers_path_is_kept(path, server, official, question):
    """The address has the path of the real one, and any path below its host is passed on."""
    with Recorder(path, upstream=server.url.replace("/v1", "/openai/v1")) as recorder:
        assert recorder.url.endswith("/openai/v1")
        official(recorder).chat.completions.create(**question())

    assert server.requests[0].path == "/openai/v1/chat/completions"
    assert Player(path)._prefix == "/openai/v1"


def test_the_environment_names_the_server(path, monkeypatch):
    """Without upstream=, it is OPENAI_BASE_URL's server, else OpenAI's own; without a key, it is "none"."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert "http://127.0.0.1:1/v1" in repr(Recorder(path))
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert "https://api.openai.com/v1" in repr(Recorder(path))
    monkeypatch.delenv("OPENAI_API_KEY")
    assert Recorder(path).api_key == "none"


@pytest.mark.parametrize(
    "upstream",
    [
        "ftp://x/v1",
        "api.openai.com/v1",
        "https://",
        "https://me:secret@x/v1",
        "https://x/v1?key=secret",
        "http://[::1",
        "http://x:port/v1",
    ],
)
def test_addresses_that_are_no_base_url_are_refused(path, upstream):
    """The error says what would do, and does not repeat what may be a password."""
    with pytest.raises(RecordingError, match="upstream must be a base URL") as caught:
        Recorder(path, upstream=upstream)
    assert "secret" not in str(caught.value)


def test_web_pages_are_kept_out(path, official, question):
    """A request under a name that the DNS may know is refused, and passed on to nobody."""
    with ScriptedServer() as server, Recorder(path, upstream=server.url) as recorder:
        client = official(recorder, default_headers={"host": "pages.example"})
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(**question())
        assert server.requests == []


def test_closing_breaks_off_what_is_under_way(path, server, official, question):
    """An answer that is still coming when the recorder is closed is recorded as left, as far as it came."""
    server.reply(text("Hel", "lo"), stall(after=1))
    recorder = Recorder(path, upstream=server.url)
    recorder.start()
    with official(recorder).chat.completions.create(**question(stream=True)) as stream:
        assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
        recorder.close()
        with pytest.raises(openai.APIConnectionError):
            next(stream)

    assert server.requests[0].ended() == "aborted"
    assert Recording.load(path).exchanges[0].response.end == "left"


def test_a_full_disk_is_told(path, server, official, question, monkeypatch):
    """What can't be written fails the assertion; the client has its answer all the same."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RecordingWriter, "add", full)
    with Recorder(path, upstream=server.url) as recorder:
        assert official(recorder).chat.completions.create(**question()).choices
        with pytest.raises(AssertionError, match=r"a\.jsonl can't be written: No space left on device"):
            recorder.assert_played()


def test_a_packed_request_goes_on_as_it_came(path, official):
    """A body in a content coding keeps the header that says so."""
    body = b"".join(pack([b"{}"], "gzip"))
    with (
        in_thread(RawServer(answer({"ok": True}))) as upstream,
        Recorder(path, upstream=upstream.url) as recorder,
    ):
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        official(recorder).post("/x", cast_to=object, content=body, options={"headers": headers})

    assert upstream.requests[0].headers["content-encoding"] == "gzip"
    assert upstream.requests[0].body == body
