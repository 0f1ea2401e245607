"""`openai-async bench`, as a user runs it."""

from __future__ import annotations

import json
import re
import time

import pytest
from support.rawserver import RawServer, answer, chunk, free_port, hello, in_thread, sse

from openai_async.cli.benching.figures import Figures, Setting
from openai_async.cli.benching.screen import show_figures
from openai_async.cli.benching.tally import BenchTally
from openai_async.errors import RateLimitError

USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
WHOLE = [*hello(), chunk(usage=USAGE) | {"choices": []}]


def at(url, *words):
    """The words of a command that measures a server."""
    return ("bench", "--base-url", url, "--api-key", "", "-m", "m", *words)


def test_it_can_be_tried_offline(call):
    """`--embedded` needs nothing, and prints a table and two plots that fit 80 columns."""
    done = call("bench", "--embedded", "--requests", "6", "--concurrency", "3", "--max-tokens", "8")

    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.match(r"demo, a server in this process: 6 answers in [\d.]+ s, 3 at once$", lines[0])
    assert re.match(r"[\d.]+ answers/s, [\d.]+ tokens/s \(48 tokens, 1\.00 tokens a chunk\)$", lines[1])
    assert re.match(r" +p50 +p90 +p99 +mean +max$", lines[3])
    for place, name in enumerate(("first token", "between tokens", "whole answer", "tokens/s, each answer"), 4):
        assert re.match(rf"{name} +([\d.,]+( [µm]?s)? *){{5}}$", lines[place])
    assert "Time to the first token" in lines
    assert "Between two tokens" in lines
    assert max(map(len, lines)) <= 80


def test_a_narrow_terminal(call):
    """On 40 columns the table has two figures of five, names and numbers whole."""
    done = call("bench", "--embedded", "--requests", "3", "--max-tokens", "8", COLUMNS="40")

    lines = done.stdout.decode().splitlines()
    assert re.match(r" +p50 +p99$", lines[3])
    for place, name in enumerate(("first token", "between tokens", "whole answer", "tokens/s, each answer"), 4):
        assert re.match(rf"{name} +([\d.,]+( [µm]?s)? *){{2}}$", lines[place])
    assert max(map(len, lines[3:])) <= 40


def test_all_figures_as_json(call, tmp_path):
    """`--json FILE` writes all figures, and the table is printed as ever; a dash prints them in its place."""
    path = tmp_path / "figures.json"
    with in_thread(RawServer(sse(WHOLE))) as server:
        both = call(*at(server.url, "--requests", "4", "--json", path))
        only = call(*at(server.url, "--requests", "4", "--json", "-"))

    written, printed = json.loads(path.read_bytes()), json.loads(only.stdout)
    assert both.stdout.startswith(b"m: 4 answers in ")
    assert written.keys() == printed.keys() == set(Figures.__struct_fields__)
    assert (written["answered"], written["failed"], written["completion_tokens"], written["chunks"]) == (4, 0, 12, 8)
    assert sum(count for _, count in written["first_token"]["buckets"]) == written["first_token"]["count"] == 4
    assert written["setting"]["requests"] == 4


def test_what_is_asked(call):
    """Each request is a stream with a count of tokens; options and `-p` go into its body."""
    with in_thread(RawServer(sse(WHOLE))) as server:
        call(*at(server.url, "--requests", "1", "--prompt", "Hi", "--max-tokens", "5", "-p", "seed=7"))
        call(*at(server.url, "--requests", "1", "--no-usage", "--warmup", "2"))

    assert server.requests[0].json == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 5,
        "seed": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert len(server.requests) == 4  # two of them to warm up
    assert "stream_options" not in server.requests[1].json


def test_a_file_of_prompts(call, tmp_path):
    """`--prompts` asks each prompt of a file in its turn, and whole requests likewise."""
    (tmp_path / "prompts.txt").write_text("One\nTwo\n")
    body = {"messages": [{"role": "user", "content": "Three"}], "model": "other", "stream": False}
    (tmp_path / "requests.jsonl").write_text(json.dumps(body))
    with in_thread(RawServer(sse(WHOLE))) as server:
        call(*at(server.url, "--requests", "3", "--concurrency", "1", "--prompts", tmp_path / "prompts.txt"))
        call(*at(server.url, "--requests", "1", "--prompts", tmp_path / "requests.jsonl"))

    asked = [(request.json["messages"][0]["content"], request.json["model"]) for request in server.requests]
    assert asked == [("One", "m"), ("Two", "m"), ("One", "m"), ("Three", "other")]
    assert all(request.json["stream"] for request in server.requests)


def test_a_server_that_counts_no_tokens(call):
    """Where the server does not tell tokens, chunks are what is counted, and that is said."""
    with in_thread(RawServer(sse(hello()))) as server:
        done = call(*at(server.url, "--requests", "2"))

    assert done.returncode == 0
    assert "chunks/s (the server does not count tokens)" in done.stdout.decode()
    assert "chunks/s, each answer" in done.stdout.decode()


def test_some_that_fail(call):
    """Failures stand below the table by their kind; as long as something was answered the code is 0."""
    refusal = answer({"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}, 429)
    with in_thread(RawServer(sse(WHOLE), refusal, refusal, sse(WHOLE))) as server:
        done = call(*at(server.url, "--requests", "4", "--concurrency", "1"))

    assert done.returncode == 0
    assert done.stdout.decode().endswith(
        "2 requests failed:\n  2  RateLimitError 429 rate_limit_exceeded: Slow down.\n"
    )


def test_nothing_is_answered(call):
    """Where nothing answers it ends after a few attempts, with code 1 and the reason."""
    done = call(*at(f"http://127.0.0.1:{free_port()}/v1", "--requests", "1000"))

    assert done.returncode == 1
    assert done.stdout.startswith(b"m: 0 answers in ")
    assert "APIConnectionError" in done.stdout.decode()
    assert "Connection refused" in done.stdout.decode()


def test_progress_on_a_terminal(terminal):
    """On a terminal a line tells how far it is, and is gone in the end."""
    program = terminal("bench", "--embedded", "--requests", "20", "--concurrency", "2", "--max-tokens", "8")

    program.expect(r"\d+ answers?, \d+ tokens")
    program.expect(r"demo, a server in this process: 20 answers in")
    assert program.close() == 0


def test_ctrl_c_prints_what_there_is(start):
    """Ctrl-C ends the run with code 130, and the figures of what was answered are printed."""
    with in_thread(RawServer(sse(WHOLE), silent)) as server:
        program = start(*at(server.url, "--concurrency", "1"))
        while len(server.requests) < 2:
            time.sleep(0.01)
        program.interrupt()
        code, out, err = program.end()

    assert code == 130
    assert out.startswith(b"m: 1 answer in ")
    assert err == b"openai-async: stopped after 1 answer; those under way do not count\n"


async def silent(peer):
    """Answer nothing until the client goes."""
    await peer.gone()
    peer.fin()


@pytest.mark.parametrize(("words", "said"), [
    (("--embedded", "--base-url", "http://127.0.0.1/v1"), "exclude each other"),
    (("--embedded", "--prompt", "a", "--prompts", __file__), "exclude each other"),
    (("--embedded", "--prompts", "/no/such/file"), "does not exist"),
    (("--embedded", "--concurrency", "1001"), "--concurrency"),
    (("--embedded", "--rate", "0"), "--rate"),
    (("--embedded", "--rate", "nan"), "'nan' is not finite"),
    (("--embedded", "--timeout", "inf"), "'inf' is not finite"),
    (("--embedded", "--json", "/no/such/folder/figures.json"), "there is no folder /no/such/folder"),
    (("--embedded", "-p", "seed"), "NAME=VALUE"),
    ((), "OPENAI_API_KEY"),
    (("--base-url", "http://xn--a.example/v1", "--api-key", ""), "is no address"),
])  # fmt: skip
def test_mistakes(call, words, said):
    """Options that can't be used end with code 2 before anything is sent."""
    done = call("bench", *words)

    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()


@pytest.mark.parametrize(("name", "text", "said"), [
    ("empty.txt", "\n", "There is no prompt in"),
    ("table.csv", "a\nb\n", "no table"),
    ("requests.jsonl", "{]", "line 1"),
])  # fmt: skip
def test_files_without_prompts(call, tmp_path, name, text, said):
    """A file that holds no prompts is told before anything is sent."""
    (tmp_path / name).write_text(text)

    done = call("bench", "--embedded", "--prompts", tmp_path / name)

    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()


# What the screen says of figures.


def shown(capfd, fill, **setting):
    """What is printed of a tally that `fill` filled, of a run of two seconds."""
    tally = BenchTally()
    tally.start()
    tally.stop()
    tally.seconds, tally.cpu, tally.answered = 2.0, 0.1, 1
    fill(tally)
    asked = {"requests": 1, "rate": None, "duration": None, "max_tokens": None, "embedded": False, **setting}
    show_figures(Figures.of(tally, Setting(model="m", prompts=1, concurrency=1, warmup=0, **asked)), tally)
    return " ".join(capfd.readouterr().out.split())


def busy(tally):
    """The client computed all the time."""
    tally.cpu = 1.9


def held_up(tally):
    """The client woke up late."""
    for _ in range(100):
        tally.lag.add(0.5)


def together(tally):
    """Nearly all tokens came with others."""
    for gap in (0.0, 0.0, 0.0, 0.1):
        tally.gaps.add(gap)


def late(tally):
    """Requests began late."""
    tally.late.add(3.0)


def short(tally):
    """The client computed all the time, which was not long."""
    tally.cpu = tally.seconds = 0.5


def failed(tally):
    """The client computed all the time, and nothing was answered."""
    tally.cpu, tally.answered = 1.9, 0


def missed(tally):
    """Some requests never began."""
    tally.missed = 3


def quiet(tally):
    """Nothing is wrong."""
    tally.gaps.add(0.1)


@pytest.mark.parametrize(("fill", "setting", "note"), [
    (quiet, {}, None),
    (busy, {}, "The client was the limit: it was busy 95% of the time (95% of a core)"),
    (short, {}, None),
    (failed, {}, None),
    (missed, {"rate": 2.0, "duration": 2.0}, "3 requests never began"),
    (held_up, {}, "The client woke up 500 ms late one time in a hundred"),
    (together, {}, "75% of the tokens came together with the one before"),
    (late, {"rate": 2.0}, "Requests began late, one in ten by 3.00 s or more"),
    (quiet, {"embedded": True}, "Client and server share this process"),
])  # fmt: skip
def test_what_to_be_careful_about(capfd, fill, setting, note):
    """What makes the figures worth less than they look is said below them, and nothing else is."""
    text = shown(capfd, fill, **setting)

    assert text.count("note: ") == (note is not None)
    assert note is None or f"note: {note}" in text


def test_errors_are_sorted(capfd):
    """The most frequent kind of failure stands first."""

    def fill(tally):
        for code in ("a", "b", "b"):
            tally.fail(RateLimitError("No.", status_code=429, code=code))

    assert "3 requests failed: 2 RateLimitError 429 b: No. 1 RateLimitError 429 a: No." in shown(capfd, fill)
