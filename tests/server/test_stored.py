"""Stored completions by HTTP: what is kept, and how it is listed, read, changed and deleted."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from starlette.testclient import TestClient

from openai_async.protocol.sse import EventParser
from openai_async.server import Fault, Script, serve
from openai_async.server.app import create_app

PLACE = "/v1/chat/completions"


@pytest.fixture
def client():
    """A client of an app of its own, which ends with the test."""
    with TestClient(create_app()) as client:
        yield client


@pytest.fixture
def stored(question):
    """A request to be stored."""
    return {**question, "store": True}


def make(client, request, **more):
    """Ask for a completion that is to be stored, and return it."""
    answer = client.post(PLACE, json={**request, **more})
    assert answer.status_code == 200
    return answer.json()


def chunks(text):
    """The chunks of a stream's text."""
    *found, done = [event.data for event in EventParser().feed(text)]
    assert done == b"[DONE]"
    return [json.loads(data) for data in found]


def listed(client, query=""):
    """The ids in a list."""
    return [completion["id"] for completion in client.get(PLACE + query).json()["data"]]


# --- What is kept ----------------------------------------------------------------------------------------------


def test_only_what_asks_for_it_is_kept(client, question, conforms):
    """A completion is kept with its labels when the request says so, and not otherwise."""
    for more in ({}, {"store": False}, {"store": None}):
        assert client.post(PLACE, json={**question, **more}).status_code == 200
    assert listed(client) == []

    made = make(client, question, store=True, metadata={"topic": "geo"})

    found = client.get(f"{PLACE}/{made['id']}").json()
    conforms(found, "CreateChatCompletionResponse")
    assert found == {**made, "metadata": {"topic": "geo"}}


def test_ids_of_stored_completions_differ(client, stored, question):
    """Asked the same again, a stored answer has another id and says the same; what is not stored keeps its one id."""
    made = [make(client, stored, logprobs=True) for _ in range(3)]

    assert len({completion.pop("id") for completion in made}) == 3
    assert made[0] == made[1] == made[2]
    assert make(client, question)["id"] == make(client, question)["id"]


@pytest.mark.parametrize("live", [False, True])
def test_streams_are_kept_under_the_id_that_was_sent(stored, live):
    """What a stream said is kept whole, under the id of its chunks, when it has ended."""

    async def write(request):
        for piece in ("One", " two", " three"):
            yield piece

    with TestClient(create_app(write if live else Script(["One two three"], repeat=True))) as client:
        for _ in range(2):
            request = {**stored, "stream": True, "metadata": {"a": "b"}, "stream_options": {"include_usage": True}}
            found = chunks(client.post(PLACE, json=request).content)
            kept = client.get(f"{PLACE}/{found[0]['id']}").json()

            assert {chunk["id"] for chunk in found} == {kept["id"]}
            assert kept["choices"][0]["message"]["content"] == "One two three"
            assert (kept["metadata"], kept["usage"]) == ({"a": "b"}, found[-1]["usage"])
            assert kept["created"] == found[0]["created"]
        assert len(listed(client)) == 2


def test_a_scripted_completion_is_kept(stored):
    """A whole completion of a responder is kept under its own id, and under another one the second time."""
    whole = {"id": "own", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    with TestClient(create_app(Script([whole], repeat=True))) as client:
        first, second = (make(client, stored) for _ in range(2))

        assert first == whole
        assert second == {**whole, "id": second["id"]}
        assert listed(client) == ["own", second["id"]]
        assert whole["id"] == "own"


@pytest.mark.parametrize("ending", ["failure", "cut", "leaving"])
def test_a_broken_stream_is_not_kept(stored, ending):
    """A stream that fails, is cut off, or whose client leaves, leaves nothing behind."""

    async def write(request):
        yield "One"
        if ending == "leaving":
            await asyncio.Event().wait()
        raise LookupError("no more")

    async def read(url, response):
        if ending == "failure":
            assert b"no more" in await response.read()
        elif ending == "cut":
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        else:
            await response.content.readany()
            response.close()
            await url.wait_aborts()

    async def scenario():
        cut = ending == "cut"
        async with (
            serve(None if cut else write, faults=[Fault(cut_after=2)] if cut else []) as url,
            aiohttp.ClientSession() as session,
        ):
            async with session.post(f"{url}/chat/completions", json={**stored, "stream": True}) as response:
                await read(url, response)
            async with session.get(f"{url}/chat/completions") as response:
                return (await response.json())["data"]

    assert asyncio.run(scenario()) == []


def test_answers_at_once_get_ids_of_their_own(stored):
    """Streams of the same question that run side by side are all kept."""

    async def scenario():
        request = {**stored, "stream": True}
        async with serve() as url, aiohttp.ClientSession() as session:

            async def one():
                async with session.post(f"{url}/chat/completions", json=request) as response:
                    return chunks(await response.read())[0]["id"]

            sent = await asyncio.gather(*(one() for _ in range(20)))
            async with session.get(f"{url}/chat/completions") as response:
                return sent, [completion["id"] for completion in (await response.json())["data"]]

    sent, kept = asyncio.run(scenario())
    assert len(set(sent)) == 20
    assert sorted(sent) == sorted(kept)


def test_a_file_outlives_the_server(stored, tmp_path):
    """With a file, a server that is started again has what the one before had."""

    async def scenario(path, method, end, **body):
        async with (
            serve(store=path) as url,
            aiohttp.ClientSession() as session,
            session.request(method, f"{url}/chat/completions{end}", **body) as response,
        ):
            return await response.json()

    path = tmp_path / "kept"
    made = asyncio.run(scenario(path, "POST", "", json=stored))
    found = asyncio.run(scenario(str(path), "GET", f"/{made['id']}"))
    again = asyncio.run(scenario(path, "POST", "", json=stored))
    assert found == {**made, "metadata": {}}
    assert again["id"] != made["id"]


def test_an_app_is_started_again(stored, tmp_path):
    """An app whose lifespan ended keeps completions when it is started again."""
    app = create_app(store=tmp_path / "kept")
    for count in (1, 2):
        with TestClient(app) as client:
            make(client, stored)
            assert len(listed(client)) == count


def test_a_file_that_is_no_store_is_said_at_once(tmp_path):
    """A server that can't keep anything does not start."""

    async def scenario():
        async with serve(store=tmp_path):
            pytest.fail("it started")

    with pytest.raises(OSError, match="can't be kept"):
        asyncio.run(scenario())


# --- Lists -----------------------------------------------------------------------------------------------------


def test_lists_come_in_pages(client, stored, conforms):
    """A page says its first and last item, and whether more follow; 20 are a page unless the client says otherwise."""
    made = [make(client, stored)["id"] for _ in range(22)]

    page = client.get(PLACE).json()
    conforms(page, "ChatCompletionList")
    assert listed(client) == made[:20]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[0], made[19], True)

    page = client.get(f"{PLACE}?after={made[19]}").json()
    assert [completion["id"] for completion in page["data"]] == made[20:]
    assert page["has_more"] is False
    assert listed(client, f"?order=desc&limit=3&after={made[5]}") == [made[4], made[3], made[2]]
    assert listed(client, "?limit=100") == made


def test_an_empty_list_has_the_lists_form(client, conforms):
    """Where nothing is stored the list is empty."""
    page = client.get(PLACE).json()

    conforms(page, "ChatCompletionList")
    assert page == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


def test_lists_are_narrowed(client, stored):
    """A model and labels narrow a list; a label's name may hold anything."""
    plain = make(client, stored)["id"]
    one = make(client, stored, metadata={"a": "1", "b[c]=&é": "2 3"})["id"]
    other = make(client, stored, model="other", metadata={"a": "1"})["id"]

    def found(**params):
        return [completion["id"] for completion in client.get(PLACE, params=params).json()["data"]]

    assert found(model="m") == [plain, one]
    assert found(model="none") == []
    assert found(**{"metadata[a]": "1"}) == [one, other]
    assert found(**{"metadata[a]": "1", "metadata[b[c]=&é]": "2 3"}) == [one]
    assert found(**{"metadata[a]": "1", "model": "other"}) == [other]
    assert found(**{"metadata[a]": "2"}) == []
    assert found(**{"api-version": "2026-01-01"}) == [plain, one, other]


def test_a_list_goes_on_after_a_deleted_completion(client, stored):
    """The last item of a page may be deleted before the next page is asked for."""
    made = [make(client, stored)["id"] for _ in range(4)]
    client.delete(f"{PLACE}/{made[1]}")

    assert listed(client, f"?after={made[1]}") == made[2:]
    assert listed(client, f"?after={made[1]}&order=desc") == made[:1]


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=-1", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=many", "limit", "invalid_type"),
        ("limit=1.5", "limit", "invalid_type"),
        ("limit=", "limit", "invalid_type"),
        ("limit=" + "9" * 5000, "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
        ("after=chatcmpl-none", "after", "invalid_value"),
    ],
)
def test_bad_pages_are_refused(client, stored, conforms, query, param, code):
    """A limit, an order or a cursor that is none is a 400 that names it, for completions and messages alike."""
    number = make(client, stored)["id"]

    for path in (PLACE, f"{PLACE}/{number}/messages"):
        answer = client.get(f"{path}?{query}")
        conforms(answer.json(), "ErrorResponse")
        assert answer.status_code == 400
        assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)


def test_bad_labels_are_refused(client):
    """A list can't be narrowed to labels that no completion may have."""
    error = client.get(PLACE, params={f"metadata[{'x' * 65}]": "1"}).json()["error"]
    assert (error["param"], error["code"]) == (f"metadata.{'x' * 65}", "string_above_max_length")
    many = client.get(PLACE, params={f"metadata[{number}]": "1" for number in range(17)})
    assert (many.status_code, many.json()["error"]["param"]) == (400, "metadata")


# --- Single ones -----------------------------------------------------------------------------------------------


def test_labels_are_changed(client, stored, conforms):
    """An update replaces all labels, or with null takes them away, and answers with the completion."""
    made = make(client, stored, metadata={"a": "1"})
    path = f"{PLACE}/{made['id']}"

    answer = client.post(path, json={"metadata": {"b": "2"}}).json()
    conforms(answer, "CreateChatCompletionResponse")
    assert answer == {**made, "metadata": {"b": "2"}} == client.get(path).json()
    assert client.post(path, json={"metadata": None}).json() == {**made, "metadata": {}}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "metadata", "missing_required_parameter"),
        ({"metadata": {}, "model": "m"}, "model", "unknown_parameter"),
        ({"metadata": "a"}, "metadata", "invalid_type"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
        ({"metadata": {"x" * 65: "a"}}, "metadata." + "x" * 65, "string_above_max_length"),
        ({"metadata": {str(at): "a" for at in range(17)}}, "metadata", "object_above_max_properties"),
        ([], None, "invalid_type"),
    ],
)
def test_bad_updates_are_refused(client, stored, body, param, code):
    """An update that is none is a 400 that names what is wrong, and changes nothing."""
    path = f"{PLACE}/{make(client, stored, metadata={'a': '1'})['id']}"
    answer = client.post(path, json=body)

    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
    assert client.get(path).json()["metadata"] == {"a": "1"}


def test_the_longest_labels_fit(client, stored):
    """Sixteen labels with names of 64 characters and values of 512 are taken, and found again."""
    labels = {f"{at:064}": "é" * 512 for at in range(16)}
    number = make(client, stored)["id"]

    assert client.post(f"{PLACE}/{number}", json={"metadata": labels}).json()["metadata"] == labels
    assert listed(client, "?metadata[" + "0" * 64 + "]=" + "é" * 512) == [number]


def test_updates_must_say_that_they_are_json(client, stored):
    """As with other bodies, the content type counts."""
    number = make(client, stored)["id"]
    answer = client.post(f"{PLACE}/{number}", content=b'{"metadata":{}}', headers={"content-type": "text/plain"})

    assert answer.status_code == 415
    assert "expected application/json" in answer.json()["error"]["message"]


def test_completions_are_deleted(client, stored, conforms):
    """A deleted completion is gone, and the others stay."""
    made, other = make(client, stored)["id"], make(client, stored)["id"]

    answer = client.delete(f"{PLACE}/{made}").json()
    conforms(answer, "ChatCompletionDeleted")
    assert answer == {"object": "chat.completion.deleted", "id": made, "deleted": True}
    assert listed(client) == [other]


@pytest.mark.parametrize("number", ["chatcmpl-none", "deleted"])
@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/messages")])
def test_unknown_ids_are_not_found(client, stored, conforms, number, method, end):
    """Whatever is done with an id that is not there, or no more, is a 404 that names it."""
    if number == "deleted":
        number = make(client, stored)["id"]
        client.delete(f"{PLACE}/{number}")
    body = {"json": {"metadata": {}}} if method == "POST" else {}
    answer = client.request(method, f"{PLACE}/{number}{end}", **body)

    conforms(answer.json(), "ErrorResponse")
    assert answer.status_code == 404
    assert number in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [("", "PUT", "GET, HEAD, POST"), ("/x", "PATCH", "DELETE, GET, HEAD, POST"), ("/x/messages", "POST", "GET, HEAD")],
)
def test_other_methods_are_refused(client, path, method, allowed):
    """A method that a path does not have is a 405 that lists those it has."""
    answer = client.request(method, PLACE + path)

    assert answer.status_code == 405
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed


@pytest.mark.parametrize("place", ["/openai/v1", "/openai/deployments/gpt"])
def test_all_places_share_one_store(client, stored, place):
    """What was stored at one vendor's place is found at the others', too."""
    number = make(client, stored)["id"]
    path = f"{place}/chat/completions"

    assert client.get(path).json()["data"][0]["id"] == number
    assert client.get(f"{path}/{number}/messages").json()["data"][0]["id"] == f"{number}-0"
    assert client.head(f"{path}/{number}").status_code == 200
    assert client.delete(f"{path}/{number}").json()["deleted"]


def test_keys_are_asked_for(stored):
    """What is stored is not for everybody where a key is asked for."""
    with TestClient(create_app(api_key="right")) as client:
        assert client.get(PLACE).status_code == 401
        assert client.get(PLACE, headers={"authorization": "Bearer right"}).status_code == 200


# --- Messages --------------------------------------------------------------------------------------------------

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
TEXT = {"type": "text", "text": "Look"}
SOUND = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
MESSAGES = [
    {"role": "developer", "content": "Be brief.", "name": "boss"},
    {"role": "user", "content": [TEXT, IMAGE, SOUND]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "Done", "tool_call_id": "call_1"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    {"role": "user", "content": "Again?"},
]


def test_messages_are_shown(client, conforms):
    """The messages of the request have the published form, in their order, each with an id, whatever its role."""
    number = make(client, {"model": "m", "messages": MESSAGES, "store": True})["id"]
    page = client.get(f"{PLACE}/{number}/messages").json()

    plain = {"content_parts": None, "refusal": None}
    assert page["data"] == [
        {**plain, "id": f"{number}-0", "role": "developer", "content": "Be brief.", "name": "boss"},
        {**plain, "id": f"{number}-1", "role": "user", "content": None, "content_parts": [TEXT, IMAGE]},
        {**plain, "id": f"{number}-2", "role": "assistant", "content": None, "tool_calls": [CALL]},
        {**plain, "id": f"{number}-3", "role": "tool", "content": "Done", "tool_call_id": "call_1"},
        {**plain, "id": f"{number}-4", "role": "assistant", "content": None, "content_parts": [], "refusal": "No."},
        {**plain, "id": f"{number}-5", "role": "user", "content": "Again?"},
    ]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (f"{number}-0", f"{number}-5", False)
    # The published schema knows answers' messages only, though prompts have others.
    conforms(
        {**page, "data": [{**message, "role": "assistant"} for message in page["data"]]}, "ChatCompletionMessageList"
    )


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", range(1, 8))
def test_messages_come_in_pages(client, order, limit):
    """Whatever the limit and the order, every message comes once."""
    number = make(client, {"model": "m", "messages": MESSAGES, "store": True})["id"]
    found, after, more = [], "", True
    while more:
        page = client.get(f"{PLACE}/{number}/messages?order={order}&limit={limit}{after}").json()
        found += [message["id"] for message in page["data"]]
        after, more = f"&after={page['last_id']}", page["has_more"]

    expected = [f"{number}-{at}" for at in range(len(MESSAGES))]
    assert found == (expected if order == "asc" else expected[::-1])
