"""`openai-async bulk`, as its users and their scripts run it."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from support.rawserver import RawServer, answer, free_port, in_thread

from openai_async.server import Fault, Problem
from openai_async.types.completion import ChatCompletion

KEY = "sk-a-key-that-nobody-may-see"


def write(path, *lines):
    """Make a file of lines; what is no text becomes JSON."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def at(url, *words):
    """The arguments that ask a server."""
    return ["bulk", "--base-url", url, "--api-key", KEY, "-m", "m", "-q", *words]


def rows(path):
    """The results by their ids; no id has two."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    by_id = {row["custom_id"]: row for row in found}
    assert len(by_id) == len(found)
    return by_id


def batch(custom_id, **body):
    """A line as the Batch API has it."""
    body = {"model": "theirs", "messages": [{"role": "user", "content": custom_id}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


class Echo:
    """A responder that says what it was asked, or fails where that is in `wrong`.

    Attributes:
        asked: What it was asked, in order.
    """

    def __init__(self, **wrong):
        self.asked = []
        self.wrong = wrong

    async def __call__(self, request):
        """Answer any request."""
        said = request["messages"][-1]["content"]
        self.asked.append(said)
        if said in self.wrong:
            raise self.wrong[said]
        return f"You said: {said}"


# What goes in.


def test_prompts_are_answered(call, tmp_path):
    """Each line of a text file is a prompt; its result has the Batch API's shape and the line's number as its id."""
    prompts = write(tmp_path / "p.txt", "Say 3 words.", "", "Say 4 words.")
    done = call("bulk", "--embedded", prompts, tmp_path / "r.jsonl")

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"2 of 2 done, ")
    found = rows(tmp_path / "r.jsonl")
    assert found.keys() == {"line-1", "line-3"}
    for words, row in zip((3, 4), (found["line-1"], found["line-3"]), strict=True):
        assert row.keys() == {"id", "custom_id", "response", "error"}
        assert row["id"].startswith("batch_req_")
        assert row["error"] is None
        assert row["response"]["status_code"] == 200
        assert row["response"]["request_id"].startswith("req_")
        completion = ChatCompletion.from_dict(row["response"]["body"])
        assert len(completion.choices[0].message.content.split()) == words


def test_requests_go_out_as_they_are(call, tmp_path, server):
    """Lines of the Batch API and bodies are sent as they stand, with the model and the parameters that they lack."""
    url = server()
    requests = write(
        tmp_path / "requests.jsonl",
        batch("a", metadata={"x": "1"}, temperature=0),
        {"messages": [{"role": "user", "content": "b"}], "seed": 7},
    )
    done = call(*at(url, requests, tmp_path / "r.jsonl", "-p", "temperature=0.5", "--limit", 1))

    assert (done.returncode, done.stderr) == (0, b"")
    assert rows(tmp_path / "r.jsonl").keys() == {"a", "line-2"}
    first, second = (request.json for request in url.requests)
    assert first == {
        "model": "theirs",
        "temperature": 0,
        "messages": [{"role": "user", "content": "a"}],
        "metadata": {"x": "1"},
    }
    assert second == {
        "model": "m",
        "temperature": 0.5,
        "messages": [{"role": "user", "content": "b"}],
        "seed": 7,
    }


def test_a_table_s_column_has_the_prompts(call, tmp_path, server):
    """Of a CSV one column is asked, quotes, line feeds and all; a table of one column needs no name."""
    echo = Echo()
    url = server(echo)
    table = tmp_path / "table.csv"
    table.write_bytes('\ufeffid,frage\r\n1,"Wie, bitte?"\r\n\r\n2,"Zwei\nZeilen"\r\n'.encode())
    assert call(*at(url, "--column", "frage", table, tmp_path / "r.jsonl", "-s", "Kurz.")).returncode == 0
    assert rows(tmp_path / "r.jsonl").keys() == {"row-1", "row-2"}
    assert sorted(echo.asked) == ["Wie, bitte?", "Zwei\nZeilen"]
    assert url.requests[0].json["messages"][0] == {"role": "system", "content": "Kurz."}

    single = write(tmp_path / "single.csv", "prompt", "One")
    assert call(*at(url, single, tmp_path / "s.jsonl")).returncode == 0
    assert echo.asked[-1] == "One"


GOOD = batch("a")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([GOOD, "{nonsense"], "line 2: this is no JSON: "),
        ([GOOD, "", "[1]"], "line 3: this is no JSON object."),
        ([GOOD, {"prompt": "x"}], 'line 2: there is neither "body", as the Batch API has it, nor "messages".'),
        ([{"custom_id": 1, "body": {}}], 'line 1: "custom_id" must be text'),
        ([{"custom_id": "a", "body": []}], 'line 1: "body" must be a JSON object.'),
        ([{**GOOD, "url": "/v1/embeddings"}], "line 1: POST /v1/embeddings is not what is done here"),
        ([{**GOOD, "method": "GET"}], "line 1: GET /v1/chat/completions is not what is done here"),
        ([batch("a", messages="Hi")], 'line 1: "messages" must be a list of objects.'),
        ([batch("a", stream=True)], 'line 1: "stream" is not for bulk requests'),
        ([GOOD, batch("b"), GOOD], "line 3: the custom_id 'a' is that of line 1, too."),
    ],
)
def test_a_line_that_is_wrong_is_named(call, tmp_path, lines, said):
    """Every line is looked at before the first is sent: the error has its number, and the exit code is 2."""
    requests = write(tmp_path / "requests.jsonl", *lines)
    done = call("bulk", "--embedded", requests, tmp_path / "r.jsonl")

    assert done.returncode == 2
    assert f"{requests}, {said}" in done.stderr.decode()
    assert not (tmp_path / "r.jsonl").exists() or not (tmp_path / "r.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "words", "said"),
    [
        ("p.txt", b"good\nb\xe4d\n", [], "line 2: this is no UTF-8."),
        ("t.csv", b"a,b\n1,2\n", [], "has the columns a, b: --column must say which one."),
        ("t.csv", b"a,b\n1,2\n", ["--column", "c"], "has the columns a, b: there is no column 'c'."),
        ("t.csv", b"a,b\n1,2\n3\n", ["--column", "b"], "line 3: there is nothing in the column 'b'."),
        ("t.csv", b'a\n"x\n', [], "line 2: this is no CSV: "),
        ("t.csv", b"a\n\xe4\n", [], "this is no UTF-8."),
        ("p.prompts", b"Hello\n", [], "prompts are read from a file whose name ends in .txt, a table from .csv."),
        ("r.jsonl", b"{}\n", ["-s", "Be brief."], "--system goes with prompts"),
        ("p.txt", b"x\n", ["--base-url", "http://x"], "exclude each other"),
    ],
)
def test_other_mistakes_are_named(call, tmp_path, name, data, words, said):
    """What can't be read, or doesn't go together, ends with code 2 and a sentence."""
    (tmp_path / name).write_bytes(data)
    done = call("bulk", "--embedded", *words, tmp_path / name, tmp_path / "results.jsonl")

    assert done.returncode == 2
    assert said in done.stderr.decode()


@pytest.mark.parametrize("pipe", ["REQUESTS", "RESULTS"])
def test_a_pipe_is_no_file(call, tmp_path, pipe):
    """What can't be read twice is refused: the requests of a pipe would be gone when they are to be sent."""
    requests, fifo = write(tmp_path / "a.jsonl", batch("a")), tmp_path / "pipe"
    os.mkfifo(fifo)

    done = call("bulk", "--embedded", *([fifo, tmp_path / "r"] if pipe == "REQUESTS" else [requests, fifo]))

    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{pipe} must be a file" in done.stderr.decode()


def test_a_file_of_something_else_is_left_alone(call, tmp_path):
    """Files in the wrong order, twice the same, or one that holds no results: nothing is written to it."""
    requests = write(tmp_path / "a.jsonl", batch("a"))
    notes = write(tmp_path / "notes.txt", "Remember the milk.", "And")
    before = notes.read_bytes()[:-1]
    notes.write_bytes(before)

    for words in ([notes, requests], [requests, notes], [requests, requests]):
        done = call("bulk", "--embedded", *words)
        assert done.returncode == 2
        assert b"is left alone" in done.stderr or b"the same file" in done.stderr
    assert notes.read_bytes() == before
    assert json.loads(requests.read_text()) == batch("a")


def test_a_dry_run_sends_nothing(call, tmp_path):
    """It needs no key, makes no file, checks the requests, and estimates their tokens."""
    requests = write(tmp_path / "r.jsonl", batch("a" * 400, max_tokens=100, n=2), batch("b"))
    done = call("bulk", "--dry-run", requests, tmp_path / "results.jsonl")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == [
        "2 requests, 2 of them to be sent",
        "about 109 tokens of prompts",
        "at most 200 tokens of answers for the 1 that are limited",
        "1 request without a limit for the answer (max_completion_tokens)",
    ]
    assert not (tmp_path / "results.jsonl").exists()


def test_without_a_key_nothing_begins(call, tmp_path):
    """A missing key is told of before anything is read or made."""
    done = call("bulk", write(tmp_path / "p.txt", "Hi"), tmp_path / "r.jsonl")

    assert done.returncode == 2
    assert b"There is no API key" in done.stderr
    assert not (tmp_path / "r.jsonl").exists()


# What comes out, and going on from it.


def test_errors_are_results(call, tmp_path, server):
    """A refusal is a row with the server's status and body, a lost connection one with an error; the exit code is 1."""
    echo = Echo(bad=Problem(400, "No such thing.", code="nothing"))
    url = server(echo)
    prompts = write(tmp_path / "p.txt", "bad", "good")
    done = call(*at(url, prompts, tmp_path / "r.jsonl", "--max-retries", 0))

    assert done.returncode == 1
    found = rows(tmp_path / "r.jsonl")
    assert found["line-1"]["error"] is None
    assert found["line-1"]["response"]["status_code"] == 400
    assert found["line-1"]["response"]["body"]["error"]["message"] == "No such thing."
    assert found["line-1"]["response"]["body"]["error"]["code"] == "nothing"
    assert found["line-2"]["response"]["status_code"] == 200
    assert KEY not in (tmp_path / "r.jsonl").read_text()

    nobody = f"http://127.0.0.1:{free_port()}/v1"
    done = call(*at(nobody, prompts, tmp_path / "s.jsonl", "--max-retries", 0)[:-2], "--max-retries", 0)
    assert done.returncode == 1
    assert rows(tmp_path / "s.jsonl")["line-1"]["response"] is None
    assert rows(tmp_path / "s.jsonl")["line-1"]["error"]["code"] == "connection_error"


def test_what_is_no_answer_is_an_error(call, tmp_path):
    """A server that is too slow, or answers with a web page or with other JSON, leaves a row that says so."""

    async def silent(peer):
        del peer
        await asyncio.sleep(3600)

    pages = {
        "page": (answer(b"<html><title>Welcome</title></html>", kind="text/html"), "invalid_response"),
        "list": (answer([1]), "invalid_response"),
        "other": (answer({"status": "maintenance"}), "invalid_response"),
        "slow": (silent, "timeout"),
    }
    for name, (page, code) in pages.items():
        with in_thread(RawServer(page)) as server:
            results = tmp_path / f"{name}.jsonl"
            words = ["--max-retries", 0, "--timeout", 0.3 if code == "timeout" else 5]
            done = call(*at(server.url, write(tmp_path / "p.txt", "Hi"), results, *words))
        assert done.returncode == 1
        assert rows(results)["line-1"]["response"] is None
        assert rows(results)["line-1"]["error"]["code"] == code


def test_what_failed_is_sent_again_on_request_only(call, tmp_path, server):
    """A second run sends nothing; with --retry-failed it sends what failed, and the later row counts."""
    echo = Echo(bad=Problem(400, "No."))
    url = server(echo)
    words = at(url, write(tmp_path / "p.txt", "bad", "good"), tmp_path / "r.jsonl")[:-1]
    words = [word for word in words if word != "-q"] + [tmp_path / "r.jsonl"]
    first = call(*words)
    second = call(*words)

    assert sorted(echo.asked) == ["bad", "good"]
    assert first.returncode == second.returncode == 1
    assert "error: 1 request of 2 failed; --retry-failed sends what failed again" in second.stderr.decode()

    echo.wrong.clear()
    third = call(*words, "--retry-failed")
    fourth = call(*words, "--retry-failed")
    assert third.returncode == fourth.returncode == 0
    assert echo.asked.count("bad") == 2
    assert echo.asked.count("good") == 1
    *_, last = (tmp_path / "r.jsonl").read_text().splitlines()
    assert json.loads(last)["response"]["status_code"] == 200


def test_a_torn_last_line_is_cut_at_any_byte(call, tmp_path, server):
    """Cut anywhere in its last line, a file of results goes on: that request is asked again, no other one."""
    echo = Echo()
    url = server(echo)
    prompts, results = write(tmp_path / "p.txt", "one", "two"), tmp_path / "r.jsonl"
    assert call(*at(url, prompts, results, "--limit", 1)).returncode == 0
    data = results.read_bytes()
    start = data.index(b"\n") + 1

    for end in [start + 1, start + 12, *range(start + 20, len(data) - 2, 97), len(data) - 2, len(data) - 1]:
        results.write_bytes(data[:end])
        echo.asked.clear()
        assert call(*at(url, prompts, results)).returncode == 0
        assert echo.asked == ([] if end == len(data) - 1 else ["two"])
        assert rows(results).keys() == {"line-1", "line-2"}
        assert results.read_bytes().startswith(data[:start])


def test_a_damaged_line_is_told_of(call, tmp_path, server):
    """A line in the middle that can't be read is named, and its request is sent again."""
    echo = Echo()
    url = server(echo)
    prompts, results = write(tmp_path / "p.txt", "one", "two", "three"), tmp_path / "r.jsonl"
    words = [word for word in at(url, prompts, results, "--limit", 1) if word != "-q"]
    call(*words)
    lines = results.read_text().splitlines()
    write(results, lines[0], lines[1][:30] + "\0\0", lines[2])
    echo.asked.clear()

    done = call(*words)
    assert echo.asked == ["two"]
    assert f"note: line 2 of {results} can't be read; its request counts as not answered" in done.stderr.decode()


def test_a_changed_request_gets_no_old_answer(call, tmp_path, server):
    """Where a request is not the one that was answered under its id, nothing is sent, and the error names it."""
    echo = Echo()
    url = server(echo)
    results = tmp_path / "r.jsonl"
    call(*at(url, write(tmp_path / "p.txt", "one", "two"), results))
    done = call(*at(url, write(tmp_path / "p.txt", "one", "2", "three"), results))

    assert done.returncode == 2
    assert "has a result for 'line-2', but of another request than line 2 of the input" in done.stderr.decode()
    assert sorted(echo.asked) == ["one", "two"]


def test_what_refuses_everything_ends_the_run(call, tmp_path, server):
    """A wrong key is no result of a thousand requests: the run ends with the server's own words, and code 1."""
    url = server(api_key="another")
    prompts = write(tmp_path / "p.txt", *map(str, range(1000)))
    done = call(*at(url, prompts, tmp_path / "r.jsonl", "--limit", 10))

    assert done.returncode == 1
    assert b"error: 401 " in done.stderr
    assert (tmp_path / "r.jsonl").read_bytes() == b""
    assert len(url.requests) <= 20


@pytest.mark.parametrize(("status", "code"), [(429, "insufficient_quota"), (402, None), (403, "unsupported_country")])
def test_a_quota_that_is_used_up_ends_the_run_and_it_goes_on_later(call, tmp_path, server, status, code):
    """What was answered before is kept, nothing is noted of the refusal, and the same command sends only the rest."""
    echo = Echo()
    url = server(echo)
    kept = 5 if status != 403 else 0  # a key that was good before is not given up for one 403
    url.add_fault(Fault(status=status, code=code, message="No more.", skip=kept, times=0))
    prompts = write(tmp_path / "p.txt", *map(str, range(30)))
    done = call(*at(url, prompts, tmp_path / "r.jsonl", "--limit", 2))

    assert done.returncode == 1
    said = " ".join(done.stderr.decode().split())
    assert f"error: {status} No more. ({kept} of 30 requests are answered;" in said
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == kept

    assert call(*at(server(echo), prompts, tmp_path / "r.jsonl")).returncode == 0
    assert len(rows(tmp_path / "r.jsonl")) == 30
    assert sorted(echo.asked, key=int) == [str(number) for number in range(30)]


def test_too_many_errors_end_the_run(call, tmp_path, server):
    """With --max-errors the run ends when more failed; it goes on from there."""
    echo = Echo(**{str(number): Problem(400, "No.") for number in range(10, 20)})
    url = server(echo)
    prompts = write(tmp_path / "p.txt", *map(str, range(1000)))
    done = call(*at(url, prompts, tmp_path / "r.jsonl", "--limit", 2, "--max-errors", 3))

    assert done.returncode == 1
    assert "failed, more than --max-errors 3; the last: No." in done.stderr.decode()
    assert len(echo.asked) < 40


def test_refusals_are_retried_and_counted(call, tmp_path, server):
    """What the client's retries make good is a result like any other; the line at the end counts the refusals."""
    url = server(Echo())
    for _ in range(3):
        url.add_fault(Fault(status=429, retry_after=0))
    words = [word for word in at(url, write(tmp_path / "p.txt", "a", "b"), tmp_path / "r.jsonl") if word != "-q"]
    done = call(*words)

    assert done.returncode == 0
    assert "3 x 429, 3 retries" in done.stderr.decode()


def test_two_processes_do_not_share_a_file(start, call, tmp_path, drip):
    """While one process writes its results to a file, another one is told so."""
    url, held = drip("Hello")
    prompts = write(tmp_path / "p.txt", "a")
    running = start(*at(url, prompts, tmp_path / "r.jsonl"))
    held.wait_asked()
    done = call(*at(url, prompts, tmp_path / "r.jsonl"))
    held.let()

    assert done.returncode == 2
    assert b"Another process writes its results to" in done.stderr
    assert running.end()[0] == 0


def test_ctrl_c_keeps_what_came(start, call, tmp_path, drip):
    """Ctrl-C ends the run with code 130 and a sentence; the next one goes on from there."""
    url, held = drip("Hello")
    prompts, results = write(tmp_path / "p.txt", "a", "b"), tmp_path / "r.jsonl"
    running = start(*at(url, prompts, results, "--limit", 1))
    held.wait_asked()
    held.let()
    while not results.read_bytes():
        pass
    running.interrupt()
    code, out, err = running.end()

    assert (code, out) == (130, b"")
    assert err.decode() == "openai-async: stopped after 1 of 2 requests; the same command goes on from there\n"
    assert rows(results).keys() == {"line-1"}
    done = call("bulk", "--dry-run", "-m", "m", prompts, results)
    assert b"2 requests, 1 of them to be sent" in done.stdout


def test_a_terminal_shows_a_bar(terminal, tmp_path):
    """On a terminal there is a bar, which ends full."""
    shown = terminal("bulk", "--embedded", write(tmp_path / "p.txt", *map(str, range(50))), tmp_path / "r.jsonl")

    assert shown.close() == 0
    assert "50/50" in shown.text
    assert "tokens/s" in shown.text
