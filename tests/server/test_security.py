"""What the server promises about who may use it, and what one client can do to the others: see docs/security.md."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import socket
import stat
import time

import aiohttp
import pytest
from starlette.testclient import TestClient
from support.rawserver import RawServer, answer

from openai_async.cli import serve as command
from openai_async.cli.forward import Forward
from openai_async.server import Fault, Problem, front, serve
from openai_async.server.app import create_app
from openai_async.transport.session import AiohttpTransport

pytestmark = pytest.mark.sockets

PLACE = "/v1/chat/completions"
KEY = "sk-of-the-server-0123456789"


def port_of(url):
    """The port in a server's address."""
    return int(url.removesuffix("/v1").rpartition(":")[2])


async def said(url, data, *, host="127.0.0.1"):
    """Send bytes, and return what comes back before the server closes, or all that comes in half a second."""
    reader, writer = await asyncio.open_connection(host, port_of(url))
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        writer.write(data)
        async with asyncio.timeout(0.5):
            while piece := await reader.read(65536):
                received += piece
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return received


def request(body=b"", *, method="POST", path=PLACE, close=True, **headers):
    """A request's bytes."""
    lines = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    if close:
        lines["connection"] = "close"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


# --- Who may use it --------------------------------------------------------------------------------------------


def test_it_listens_on_this_machine_only():
    """Unless told otherwise it is bound to the loopback address, and to no other."""

    async def scenario():
        async with serve() as url:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.2", port_of(url))
        async with serve(host="0.0.0.0") as url:
            _, writer = await asyncio.open_connection("127.0.0.2", port_of(url))
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("host", "key", "words"),
    [
        ("127.0.0.1", None, None),
        ("::1", None, None),
        ("0.0.0.0", None, "no key is asked for: give --api-key"),
        ("::", None, "no key is asked for: give --api-key"),
        ("0.0.0.0", KEY, "other machines can reach it"),
    ],
)
def test_the_command_says_who_can_reach_it(host, key, words, capsys):
    """Where other machines can reach it, it says so, and that it asks for no key; the key itself is not shown."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        command._announce(listener, "m", {"host": host, "api_key": key})
    told = capsys.readouterr()

    assert (told.err == "") == (words is None)
    assert (words or "") in told.err
    assert ("no key" in told.err) == (words is not None and key is None)
    assert KEY not in told.out + told.err


def test_keys_are_compared_in_constant_time(monkeypatch):
    """Whatever is sent as a key is compared by `hmac.compare_digest`, with the whole of each key."""
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return real(one, other)

    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    statuses = []
    with TestClient(create_app(api_key=[KEY, "other"])) as client:
        for key in (KEY, KEY[:-1], "x", "other", f"{KEY}x"):
            headers = {"authorization": f"Bearer {key}"}
            statuses.append(client.get("/v1/models", headers=headers).status_code)

    assert statuses == [200, 401, 401, 200, 401]
    assert (KEY[:-1].encode(), KEY.encode()) in compared
    assert {other for _, other in compared} == {KEY.encode(), b"other"}


SIMPLE = [
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    None,
    "",
]
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "store": True}


@pytest.mark.parametrize("kind", [*SIMPLE, "text/plain; application/json", "application/jsonp"])
def test_pages_of_other_sites_can_post_nothing(kind):
    """What a browser sends for any page without asking first, is refused with 415: no answer is made, nothing is changed."""

    async def scenario():
        async with serve() as url, aiohttp.ClientSession() as session:
            async with session.post(f"{url}/chat/completions", json=ASKED) as response:
                number = (await response.json())["id"]
            for path, body in ((PLACE, ASKED), (f"{PLACE}/{number}", {"metadata": {"a": "b"}})):
                origin = {"origin": "http://evil.example", "sec_fetch_site": "cross-site"}
                got = await said(url, request(json.dumps(body).encode(), path=path, content_type=kind, **origin))
                assert got.startswith(b"HTTP/1.1 415 ")
                assert b"access-control" not in got.lower()
            async with session.get(f"{url}/chat/completions") as response:
                stored = (await response.json())["data"]
            assert [one["metadata"] for one in stored] == [{}]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", PLACE),
        ("OPTIONS", f"{PLACE}/chatcmpl-1"),
        ("GET", PLACE),
        ("GET", "/v1/models"),
        ("POST", PLACE),
        ("DELETE", f"{PLACE}/chatcmpl-1"),
        ("GET", "/nowhere"),
    ],
)
def test_pages_of_other_sites_get_no_leave(method, path):
    """No answer has a header of CORS: a browser that asks first gets no leave, and shows no page an answer."""

    async def scenario():
        asks = {"origin": "http://evil.example", "access_control_request_method": "POST"}
        asks["access_control_request_headers"] = "content-type,authorization"
        async with serve() as url:
            return await said(url, request(json.dumps(ASKED).encode(), method=method, path=path, **asks))

    got = asyncio.run(scenario())

    assert b"access-control" not in got.lower()
    assert got.startswith(b"HTTP/1.1 405 ") == (method == "OPTIONS")
    assert b"\r\nserver:" not in got.lower()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:8080", 403),
        ("evil.example.", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("LOCALHOST", 200),
        ("localhost:8080", 200),
        ("api.localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8080", 200),
        ("192.168.0.7", 200),
        ("llm", 200),
        (None, 200),
    ],
)
def test_names_that_lead_here_by_dns_are_not_served(host, status):
    """A page whose host's name was made to mean this machine is refused, stored completions included; a key lets it in."""

    async def scenario(**options):
        async with serve(**options) as url:
            head = request(method="GET", path="/v1/models", host=host, authorization=f"Bearer {KEY}")
            return await said(url, head.replace(b"HTTP/1.1", b"HTTP/1.0") if host is None else head)

    got = asyncio.run(scenario())
    assert got.split()[1] == str(status).encode()
    assert (b"api_key" in got) == (status == 403)
    assert asyncio.run(scenario(api_key=KEY)).split()[1] == b"200"


def test_names_are_free_where_other_machines_come_from():
    """Over the network, and in tests without a socket, any name will do: only this machine's own users are misled by it."""

    async def scenario(server):
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "query_string": b"", "server": server}
        scope |= {"headers": [(b"host", b"llm.example")], "client": None}
        sent = []

        async def receive():
            return {"type": "http.request", "body": b""}

        async def send(message):
            sent.append(message)

        await create_app()(scope, receive, send)
        return sent[0]["status"]

    statuses = [
        asyncio.run(scenario(server)) for server in (("10.0.0.7", 80), ("testserver", 80), ("/run/s", None), None)
    ]
    assert statuses == [200] * 4
    assert asyncio.run(scenario(("127.0.0.1", 80))) == asyncio.run(scenario(("::1", 80))) == 403


class Front:
    """What `serve --local` puts in front of a server that lets every page in, and what of it got through."""

    def __init__(self, behind, **options):
        self.behind = behind
        self.transport = AiohttpTransport()
        self.app = Forward(f"http://127.0.0.1:{behind.port}", self.transport, **options)

    async def ask(self, body=b"{}", *, method="POST", host=b"127.0.0.1:1", kind=b"application/json", **more):
        """Send one request, and return status and headers."""
        headers = [(b"host", host), (b"content-type", kind), (b"origin", b"http://evil.example")]
        scope = {"type": "http", "method": method, "raw_path": b"/v1/models", "query_string": b"", "headers": headers}
        scope["server"] = ("127.0.0.1", 80)
        parts = [{"type": "http.request", "body": body, **more}]
        sent = []

        async def receive():
            if not parts:
                await asyncio.sleep(3600)
            return parts.pop()

        async def send(message):
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])


def test_a_real_model_is_not_open_to_pages_either():
    """llama.cpp lets every page in; the command in front of it does not: no leave, no simple POST, no name by DNS."""

    async def scenario():
        open_to_all = {"access-control-allow-origin": "http://evil.example", "Access-Control-Allow-Headers": "*"}
        async with RawServer(answer({}, headers=open_to_all)) as behind:
            shut, keyed = Front(behind), Front(behind, keyed=True)
            assert (await shut.ask())[0] == 200
            assert (await keyed.ask(host=b"llm.example"))[0] == 200
            for one in (await shut.ask(method="GET", kind=b""), await shut.ask()):
                assert one[0] == 200
                assert not [name for name in one[1] if name.startswith(b"access-control")]
            passed = len(behind.requests)
            for kind in SIMPLE:
                assert (await shut.ask(kind=(kind or "").encode()))[0] == 415
            assert (await shut.ask(method="OPTIONS"))[0] == 405
            assert (await shut.ask(host=b"evil.example"))[0] == 403
            assert len(behind.requests) == passed
            await shut.transport.aclose()
            await keyed.transport.aclose()

    asyncio.run(scenario())


# --- Patience and size -----------------------------------------------------------------------------------------


HEAD = request(b"x" * 100, close=False).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", None), (b"GET /v1/mod", None), (HEAD[:-2], None), (HEAD, b"408"), (HEAD + b"{" * 9, b"408")],
    ids=["silence", "line", "head", "no body", "body"],
)
def test_slow_clients_are_cut_off(data, status):
    """A head or a body that does not arrive within the limit ends the connection, whatever trickles in meanwhile."""

    async def scenario():
        async with serve(read_timeout=0.3) as url:
            fast, slow = (data[:-4], data[-4:]) if status is None else (data, b"")
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
            began = time.monotonic()
            writer.write(fast)
            trickling = asyncio.create_task(drip(writer, slow if status is None else b"x" * 50))
            async with asyncio.timeout(3):
                received = await reader.read()
            took = time.monotonic() - began
            trickling.cancel()
            await asyncio.gather(trickling, return_exceptions=True)
            writer.close()
            return received, took

    received, took = asyncio.run(scenario())

    assert 0.25 < took < 1.5
    assert received.split()[1:2] == ([] if status is None else [status])
    assert status is None or b"connection: close" in received.lower()


async def drip(writer, data):
    """Send bytes one by one."""
    for start in range(len(data)):
        await asyncio.sleep(0.05)
        writer.write(data[start : start + 1])


def test_slow_second_requests_are_cut_off():
    """A connection that was served once is given no more patience for its next head."""

    async def scenario():
        async with serve(read_timeout=0.3) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
            writer.write(request(method="GET", path="/v1/models", close=False))
            await reader.readuntil(b'"list"')
            began = time.monotonic()
            writer.write(b"GET /v1/mod")
            async with asyncio.timeout(3):
                await reader.read()
            writer.close()
            return time.monotonic() - began

    assert 0.25 < asyncio.run(scenario()) < 1.5


def test_slow_answers_and_idle_connections_are_not_cut_off():
    """The limit is for what the client sends: an answer may take its time, and a connection may wait for its next request."""

    async def scenario():
        async with serve(read_timeout=0.15, faults=[Fault(delay=0.4)]) as url, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.post(f"{url}/chat/completions", json=ASKED) as response:
                    assert response.status == 200
                    await response.read()
                await asyncio.sleep(0.3)
            return url.connections

    assert asyncio.run(scenario()) == 1


def test_heads_are_bounded():
    """A head that never ends is refused before it fills the memory."""

    async def scenario():
        async with serve() as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
            sent = 0
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET /v1/models HTTP/1.1\r\n")
                while not reader.at_eof() and sent < 64 * 2**20:
                    writer.write(b"x-more: " + b"x" * 65536 + b"\r\n")
                    sent += 65536
                    await writer.drain()
                    await asyncio.sleep(0)
            writer.close()
            async with aiohttp.ClientSession() as session, session.get(f"{url}/models") as response:
                assert response.status == 200
            return sent

    assert asyncio.run(scenario()) < 16 * 2**20  # what the sockets' buffers take, not all there is


def test_heads_are_bounded_whatever_the_parser():
    """Where the parser has no limit of its own, as httptools has none, the connection is broken off."""

    class Endless(asyncio.Protocol):
        """A parser that takes everything, and never sees a request in it."""

        cycle = None

        def connection_made(self, transport):
            self.transport = transport

    class Broken(asyncio.Transport):
        """A connection that only breaks."""

        aborted = False

        def abort(self):
            self.aborted = True

    protocol = type("Protocol", (front._Patience, Endless), {"seconds": None})()
    transport = Broken()
    protocol.connection_made(transport)
    for _ in range(16):
        assert not transport.aborted
        protocol.data_received(b"x" * 8192)
    protocol.data_received(b"x")

    assert transport.aborted


def test_connections_are_bounded(monkeypatch):
    """Connections beyond the limit are told so with 503, and those before it go on."""
    monkeypatch.setattr(front, "_CONNECTIONS", 3)

    async def scenario():
        async with serve() as url:
            kept = [await asyncio.open_connection("127.0.0.1", port_of(url)) for _ in range(2)]
            refused = await said(url, request(method="GET", path="/v1/models"))
            kept[1][1].close()
            await kept[1][1].wait_closed()
            served = await said(url, request(method="GET", path="/v1/models"))
            kept[0][1].close()
            return refused.split()[1], served.split()[1]

    assert asyncio.run(scenario()) == (b"503", b"200")


def test_large_bodies_end_the_connection():
    """A body over the limit is a 413 even where its rest is still to come, and the connection is not used again."""

    async def scenario():
        async with serve(max_body=1000) as url:
            whole = await said(url, request(b"x" * 1001, close=False) + request(method="GET", path="/v1/models"))
            head = request(close=False, content_length="100000").removesuffix(b"\r\n\r\n")
            endless = await said(url, head + b"\r\n\r\n" + b"x" * 50_000)
            return whole, endless

    whole, endless = asyncio.run(scenario())

    assert whole.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 200 " in whole  # it was read to its end: what follows is a request
    assert endless.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in endless.lower()


def schema(**node):
    """A request whose answer has to fit a schema."""
    return {**ASKED, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": node}}}


def doubling(levels):
    """A schema whose smallest value has ten times as many parts with each level."""
    properties = {name: {"$ref": "#/$defs/{}"} for name in "abcdefghij"}
    definitions = {
        f"l{level}": {
            "type": "object",
            "required": list(properties),
            "properties": {name: {"$ref": f"#/$defs/l{level + 1}"} for name in properties},
        }
        for level in range(levels)
    }
    return {"$defs": {**definitions, f"l{levels}": {"type": "string"}}, "$ref": "#/$defs/l0"}


BOMBS = {
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep list": b'{"model": "m", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep schema": b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema",'
    b'"json_schema":{"name":"x","schema":'
    + b'{"type":"array","minItems":1,"items":' * 900
    + b"{}"
    + b"}" * 900
    + b"}}}",
    "items": schema(type="array", minItems=10**9),
    "different items": schema(type="array", minItems=20_000, uniqueItems=True),
    "characters": schema(type="string", minLength=10**9),
    "pattern": schema(type="string", pattern="((a{1000}){1000}){1000}"),
    "pattern of nothing": schema(type="string", pattern="((){1000}){1000}"),
    "groups": schema(type="string", pattern="(" * 5000 + ")" * 5000),
    "parts": schema(**doubling(12)),
    "circle": schema(**{"$defs": {"n": {"$ref": "#/$defs/n"}}, "$ref": "#/$defs/n"}),
    "grammar": {
        **ASKED,
        "tool_choice": "required",
        "tools": [
            {
                "type": "custom",
                "custom": {
                    "name": "t",
                    "format": {
                        "type": "grammar",
                        "grammar": {"syntax": "regex", "definition": "((a{1000}){1000}){1000}"},
                    },
                },
            }
        ],
    },
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_requests_for_giants_are_refused(ask, name):
    """A few bytes that ask for a giant's work, or go deeper than the stack, are a 400, and soon."""
    began = time.monotonic()
    answered = ask(BOMBS[name])

    assert answered.status == 400
    assert answered.error["type"] == "invalid_request_error"
    assert time.monotonic() - began < 10  # they took hours, and all memory


# --- What it keeps, and what it says -----------------------------------------------------------------------------


HOSTILE = [
    "' OR '1'='1",
    "x'; DROP TABLE completions; --",
    '" OR 1=1 --',
    "%",
    "_%",
    "*",
    "\\",
    "a\0b",
    "💣",
    "a'||(SELECT 1)||'",
]


def test_stored_completions_are_not_to_be_injected_into():
    """Ids, cursors, models and labels of any text are compared as they are: they find nothing else, and change nothing."""
    with TestClient(create_app()) as client:
        numbers = []
        for text in HOSTILE:
            asked = {**ASKED, "model": text, "metadata": {text[:64]: text}}
            numbers.append(client.post(PLACE, json=asked).json()["id"])
        for text, number in zip(HOSTILE, numbers, strict=True):
            for params in ({"model": text}, {f"metadata[{text}]": text}):
                assert [one["id"] for one in client.get(PLACE, params=params).json()["data"]] == [number]
            assert client.get(PLACE, params={"after": text}).status_code == 400
            assert client.get(PLACE, params={"order": text}).status_code == 400
            assert client.get(PLACE, params={"limit": text}).status_code == 400
            assert client.get(PLACE, params={f"metadata[{text}' OR 1=1 --]": "x"}).json()["data"] == []
            path = "".join(f"%{byte:02x}" for byte in text.encode())
            for method in ("get", "delete"):
                assert getattr(client, method)(f"{PLACE}/{path}").status_code == 404
            assert client.post(f"{PLACE}/{path}", json={"metadata": {}}).status_code == 404
        assert [one["id"] for one in client.get(PLACE).json()["data"]] == numbers


def test_what_is_stored_is_the_owners(tmp_path):
    """The file of stored completions, which hold prompts, can be read by its owner only; no request names a file."""
    folder = tmp_path / "kept"
    folder.mkdir()
    with TestClient(create_app(store=folder / "store.db")) as client:
        for number in ("../../outside", "..%2f..%2foutside", "/etc/passwd", "%2fetc%2fpasswd", "file:outside?mode=rwc"):
            for path in (f"{PLACE}/{number}", f"/v1/models/{number}", f"/{number}"):
                assert client.get(path).status_code in (200, 404)
                assert b"root:" not in client.get(path).content
        client.post(PLACE, json={**ASKED, "metadata": {"store": "../outside"}, "model": "../outside"})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert modes
    assert set(modes.values()) == {0o600}
    assert {name.partition("-")[0] for name in modes} == {"store.db"}
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_store_of_the_users_keeps_its_mode(tmp_path):
    """A file that was there keeps the rights that its owner gave it."""
    path = tmp_path / "store.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    with TestClient(create_app(store=path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["openai_organization", "x_request_id", "x_fault", "origin", "content_type"])
def test_headers_that_are_repeated_add_none(name):
    """What the server repeats of a request, adds no header to the answer and does not replace its own id."""
    values = ["a\rX-Evil: 1", "a\n X-Evil: 1", "a\0b", "a\x0bX-Evil: 1", "a\x85X-Evil: 1", "caf\xe9"]

    async def scenario():
        async with serve() as url:
            return [await said(url, request(b"{}", **{name: value})) for value in values]

    for got in asyncio.run(scenario()):
        head = got.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith((b"http/1.1 4", b"http/1.0 4"))
        assert not any(line.startswith(b"x-evil") for line in head.splitlines())
        assert not any(char in head for char in (b"\0", b"\x0b"))
        assert head.count(b"\nx-request-id: req_") == head.count(b"\nx-request-id:")


def test_failures_show_no_traceback(ask, question):
    """An answer of status 500 says what failed and not where: no file, no line, no code; streamed or not."""

    def fail(_request):
        raise LookupError("nothing there")

    async def fail_late(_request):
        yield "some"
        raise LookupError("nothing there")

    plain, streamed = ask(question, responder=fail), ask({**question, "stream": True}, responder=fail_late)

    assert plain.status == 500
    for body in (plain.body, streamed.body):
        assert b"nothing there" in body
        assert not any(word in body for word in (b"Traceback", b"test_security", b".py", b"raise ", b"line "))


def test_problems_are_no_html():
    """Whatever a page could put into an error is JSON, and declared as such."""
    script = "<script>alert(1)</script>"
    with TestClient(create_app(lambda _: Problem(400, script))) as client:
        answers = [
            client.get(f"/{script}"),
            client.get(f"{PLACE}/{script}"),
            client.get(PLACE, params={"after": script}),
        ]
        answers.append(client.post(PLACE, json={**ASKED, "nothing": script}))

    assert {answered.headers["content-type"] for answered in answers} == {"application/json"}
