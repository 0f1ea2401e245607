"""`openai-async completions`, as a user runs it, against a server that keeps completions."""

from __future__ import annotations

import asyncio
import json
import re
import time

import pytest
from support.rawserver import RawServer, answer, completion, in_thread

from openai_async import AsyncOpenAI


def at(url, *words):
    """The words of a command that goes to a server."""
    return ("completions", *words, "--base-url", url, "--api-key", "")


def store(url, *topics):
    """Have a server keep an answer for each topic; returns their ids."""

    async def scenario():
        async with AsyncOpenAI(base_url=url, api_key="") as client:
            return [
                (
                    await client.chat.completions.create(
                        model="m-1" if number % 2 else "m-2",
                        messages=[
                            {"role": "system", "content": "Be brief."},
                            {"role": "user", "content": f"Tell me about {topic}"},
                        ],
                        store=True,
                        metadata={"topic": topic},
                    )
                ).id
                for number, topic in enumerate(topics)
            ]

    return asyncio.run(scenario())


def rows(done):
    """The fields of each line of stdout."""
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


@pytest.fixture
def url(server):
    """The address of an empty server."""
    return server()


# list


def test_lines_for_programs(call, url):
    """In a pipe each completion is a line of five fields: id, time in UTC, model, labels, and the whole answer."""
    ids = store(url, "sea", "lakes")

    done = call(*at(url, "list", "--order", "asc"))

    assert (done.returncode, done.stderr) == (0, b"")
    assert [row[0] for row in rows(done)] == ids
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[1]) for row in rows(done))
    assert [row[2:4] for row in rows(done)] == [["m-2", "topic=sea"], ["m-1", "topic=lakes"]]
    assert all("Tell me about" in row[4] for row in rows(done))


def test_json_has_everything(call, url):
    """With `--json` each completion is a line of JSON, as the server sent it."""
    ids = store(url, "sea")

    done = call(*at(url, "list", "--json"))

    (listed,) = map(json.loads, done.stdout.splitlines())
    assert listed["id"] == ids[0]
    assert listed["metadata"] == {"topic": "sea"}
    assert listed["usage"]["completion_tokens"] > 0


def test_filters(call, url):
    """`--model` and `--metadata`, which may be repeated, list what fits all of them."""
    ids = store(url, "sea", "lakes", "sea")

    by_model = call(*at(url, "list", "--model", "m-1"))
    by_label = call(*at(url, "list", "--metadata", "topic=sea", "--order", "desc"))
    by_both = call(*at(url, "list", "--metadata", "topic=sea", "--metadata", "more=1"))

    assert [row[0] for row in rows(by_model)] == [ids[1]]
    assert [row[0] for row in rows(by_label)] == [ids[2], ids[0]]
    assert by_both.stdout == b""


def test_all_pages(call, url):
    """More completions than a page has are listed to the last; `--limit` ends the list earlier, in whichever page."""
    store(url, *map(str, range(103)))
    before = len(url.requests)

    everything, some = call(*at(url, "list")), call(*at(url, "list", "--limit", "101"))
    asked = [request for request in url.requests[before:] if request.method == "GET"]
    few = call(*at(url, "list", "--limit", "2"))

    assert [len(rows(done)) for done in (everything, some, few)] == [103, 101, 2]
    assert len({row[0] for row in rows(everything)}) == 103
    assert len(asked) == 4


def test_a_table_for_people(terminal, url):
    """On a terminal it is a table as wide as that, ids whole, with a count below."""
    ids = store(url, "sea", "lakes")

    program = terminal(*at(url, "list", "--order", "asc"))

    program.expect(r"ID +CREATED +MODEL +ANSWER +\n")
    for name, model in zip(ids, ("m-2", "m-1"), strict=True):
        line = program.expect(rf"{name}  \d\d \w{{3}} \d\d:\d\d  {model} +\S[^\n]*…\n")[0]
        assert len(line.rstrip("\n")) <= 80
    program.expect("2 stored completions\n")
    assert program.close() == 0


def test_a_wide_table_has_labels(terminal, url):
    """Where there is room, the labels and the year stand there, too."""
    store(url, "sea")

    program = terminal(*at(url, "list"), COLUMNS="120")

    program.expect(r"ID +CREATED +MODEL +LABELS +ANSWER +\n")
    program.expect(r"\d{4}-\d\d-\d\d \d\d:\d\d  m-2 +topic=sea +\S")
    assert program.close() == 0


def test_a_narrow_table_keeps_the_ids(terminal, url):
    """Where there is no room, ids break over two lines and nothing else is lost of them."""
    (name,) = store(url, "sea")

    program = terminal(*at(url, "list"), COLUMNS="40")
    program.close()

    words = "".join(re.findall(r"^[\w-]+", program.text, re.MULTILINE))
    assert name in words


def test_odd_completions(call):
    """Completions that lack nearly everything, or have a time that none is, are listed all the same."""
    data = [{"id": "a"}, {"id": "b", "created": 10**15, "choices": [{"message": {"content": "x\ty\x1b[31m"}}]}]
    with in_thread(RawServer(answer({"data": data, "has_more": False}))) as server:
        done = call(*at(server.url, "list"))

    assert rows(done) == [["a", "", "", "", ""], ["b", "", "", "", "x y␛[31m"]]


# get, messages


def test_get_prints_the_answer(call, url):
    """`get` prints the answer alone, or with `--json` all of the completion."""
    (name,) = store(url, "sea")

    text, whole = call(*at(url, "get", name)), call(*at(url, "get", name, "--json"))

    said = json.loads(whole.stdout)
    assert said["id"] == name
    assert text.stdout.decode() == said["choices"][0]["message"]["content"] + "\n"
    assert text.stderr == b""


def test_get_tells_people_more(terminal, url):
    """On a terminal the id, the model, the labels and the tokens stand above the answer."""
    (name,) = store(url, "sea")

    program = terminal(*at(url, "get", name))

    program.expect(rf"{name} m-2 topic=sea \d+ \+ \d+ tokens\n[^\n]*Tell me about sea")
    assert program.close() == 0


def test_messages(call, url):
    """`messages` prints what was asked, each message below its role; with `--json` a line each."""
    (name,) = store(url, "sea")

    text = call(*at(url, "messages", name, "--order", "asc"))
    lines = call(*at(url, "messages", name, "--order", "asc", "--json", "--limit", "1"))

    assert text.stdout.decode() == "system:\nBe brief.\nuser:\nTell me about sea\n"
    assert [json.loads(line)["content"] for line in lines.stdout.splitlines()] == ["Be brief."]


def test_messages_of_parts(call):
    """A message of several parts shows their text, and that there are images."""
    parts = [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {"url": "http://x"}}]
    data = [{"id": "1", "role": "user", "content_parts": parts}]
    with in_thread(RawServer(answer({"data": data, "has_more": False}))) as server:
        done = call(*at(server.url, "messages", "x"))

    assert done.stdout.decode() == "user:\nWhat is\n(image)\n"


# update


def test_update_replaces_all_labels(call, url):
    """The labels given take the place of the old ones; a value is text, whatever it looks like."""
    (name,) = store(url, "sea")

    done = call(*at(url, "update", name, "--metadata", "size=1", "--metadata", "note=a=b"))
    listed = call(*at(url, "list", "--json"))

    assert rows(done) == [[name, "size=1 note=a=b"]]
    assert json.loads(listed.stdout)["metadata"] == {"size": "1", "note": "a=b"}


def test_update_takes_labels_away(call, url):
    """`--no-metadata` leaves none."""
    (name,) = store(url, "sea")

    done = call(*at(url, "update", name, "--no-metadata", "--json"))

    assert done.returncode == 0
    assert not json.loads(done.stdout)["metadata"]


# delete


def test_delete_tells_each(call, url):
    """`delete --yes` deletes all that is named, a line each."""
    ids = store(url, "sea", "lakes", "rivers")

    done = call(*at(url, "delete", *ids[:2], "--yes"))

    assert (done.returncode, done.stdout.decode()) == (0, f"deleted {ids[0]}\ndeleted {ids[1]}\n")
    assert [row[0] for row in rows(call(*at(url, "list")))] == [ids[2]]


def test_delete_goes_on_behind_what_is_not_there(call, url):
    """An id that does not exist is told on stderr, the others are deleted, and the code is 1."""
    (name,) = store(url, "sea")

    done = call(*at(url, "delete", "nope", name, "--yes", "--json"))

    assert done.returncode == 1
    assert json.loads(done.stdout) == {"id": name, "deleted": True, "object": "chat.completion.deleted"}
    assert json.loads(done.stderr)["error"]["status_code"] == 404


def test_delete_believes_no_lie(call):
    """A server that says that it did not delete is believed."""
    with in_thread(RawServer(answer({"id": "a", "deleted": False}))) as server:
        done = call(*at(server.url, "delete", "a", "--yes"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"a is still there" in done.stderr


def test_delete_asks_people(terminal, url):
    """On a terminal it asks first; "n" deletes nothing, "y" deletes."""
    (name,) = store(url, "sea")

    declining = terminal(*at(url, "delete", name))
    declining.expect(r"Delete 1 stored completion for good\? \[y/N\]: ")
    declining.type("n\n")
    assert declining.close() == 0
    assert not any(request.method == "DELETE" for request in url.requests)

    agreeing = terminal(*at(url, "delete", name))
    agreeing.expect(r"\[y/N\]: ")
    agreeing.type("y\n")
    agreeing.expect(f"deleted {name}\n")
    assert agreeing.close() == 0


def test_nobody_to_ask(call, url):
    """Without a terminal and without `--yes` nothing is deleted."""
    (name,) = store(url, "sea")

    done = call(*at(url, "delete", name))

    assert done.returncode == 2
    assert b"give --yes" in done.stderr
    assert len(rows(call(*at(url, "list")))) == 1


# What goes wrong.


@pytest.mark.parametrize("words", [("get", "nope"), ("messages", "nope"), ("update", "nope", "--no-metadata")])
def test_what_does_not_exist(call, url, words):
    """An id that does not exist ends with code 1, in a sentence or as JSON."""
    done, objects = call(*at(url, *words)), call(*at(url, *words, "--json"))

    assert (done.returncode, done.stdout) == (objects.returncode, objects.stdout) == (1, b"")
    assert re.fullmatch("openai-async: error: 404 [^\n]*\n", done.stderr.decode())
    assert json.loads(objects.stderr)["error"]["kind"] == "NotFoundError"


@pytest.mark.parametrize(("words", "said"), [
    (("update", "a"), "Give --metadata"),
    (("update", "a", "--metadata", "b=c", "--no-metadata"), "Give --metadata"),
    (("list", "--metadata", "b"), "NAME=VALUE"),
    (("list", "--limit", "0"), "--limit"),
    (("get", ""), "can't be sent"),
    (("get", ".."), "can't be sent"),
    (("delete", "--yes"), "Missing argument 'ID...'"),
    (("lsit",), "No such command 'lsit'"),
])  # fmt: skip
def test_mistakes(call, words, said):
    """What can't be asked ends in one line, with code 2."""
    done = call("completions", *words, OPENAI_API_KEY="sk-x", OPENAI_BASE_URL="http://127.0.0.1:1/v1")

    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch("openai-async: error: [^\n]*\n", done.stderr.decode())
    assert said in done.stderr.decode()


def test_without_a_key(call):
    """Without a key nothing is sent, and the line says which variable to set."""
    done = call("completions", "list")

    assert done.returncode == 2
    assert b"OPENAI_API_KEY" in done.stderr


def test_a_reader_that_leaves(start, url):
    """Who reads only the first line ends the list, without a word."""
    store(url, *map(str, range(101)))
    program = start(*at(url, "list"))
    program.expect(b"\n")
    program.leave()

    code, _, err = program.end()

    assert (code in {0, 141}, err) == (True, b"")


def test_ctrl_c(start):
    """Ctrl-C ends it with code 130 and one line."""
    with in_thread(RawServer(silent)) as server:
        program = start(*at(server.url, "delete", "a", "b", "--yes"))
        while not server.requests:
            time.sleep(0.01)
        program.interrupt()
        code, _, err = program.end()

    assert (code, err) == (130, b"openai-async: stopped after 0 deletions of 2\n")


async def silent(peer):
    """Answer nothing until the client goes."""
    await peer.gone()
    peer.fin()


@pytest.mark.parametrize(
    "words", [(), ("--help",), *((name, "-h") for name in ("list", "get", "update", "delete", "messages"))]
)
def test_help_teaches(call, words):
    """Help goes to stdout, fits 80 columns, and has examples that can be copied."""
    done = call("completions", *words)

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert sum(line.startswith("    openai-async ") for line in lines) >= 2
    assert max(map(len, lines)) <= 80


def test_a_completion_in_one_piece(call):
    """Answers that are no plain text are printed as `chat` prints them."""
    calls = [{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
    said = completion(None)
    said["choices"][0]["message"]["tool_calls"] = calls
    with in_thread(RawServer(answer(said))) as server:
        done = call(*at(server.url, "get", "a"))

    assert done.stdout.decode() == "tool call: now({})\n"


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_no_answer_deletes_nothing(terminal, url, key):
    """Ctrl-C and Ctrl-D in place of an answer end it with code 130 and one line."""
    (name,) = store(url, "sea")
    program = terminal(*at(url, "delete", name))
    program.expect(r"\[y/N\]: ")

    program.insist(key, "openai-async: stopped: nothing was deleted\n")

    assert program.close() == 130
    assert not any(request.method == "DELETE" for request in url.requests)
