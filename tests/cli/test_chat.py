"""`openai-async chat`, as its users and their scripts run it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.rawserver import RawServer, answer, chunk, free_port, in_thread, sse

from openai_async import ChatCompletionAccumulator
from openai_async.server import Fault
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk

KEY = "sk-a-key-that-nobody-may-see"


def at(url, *words):
    """The arguments that ask a server whatever is in `words`."""
    return ["chat", "--base-url", url, "--api-key", KEY, "-m", "m", *words]


def joined(lines):
    """The completion that lines of JSON add up to."""
    accumulator = ChatCompletionAccumulator()
    for line in lines.splitlines():
        accumulator.add(ChatCompletionChunk.from_dict(json.loads(line)))
    return accumulator.completion()


# Answers.


def test_the_embedded_server_needs_nothing(run):
    """Without key, network or model there is an answer, alone on stdout, with a line feed at its end."""
    done = run("chat", "--embedded", "Say", "6 words.")

    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"\S[^\n]*\n", done.stdout)


def test_a_proxy_does_not_get_between_us_and_our_own_server(run):
    """`--embedded` works where the environment names a proxy, even one that does not exist."""
    done = run("chat", "--embedded", "Hello", http_proxy=f"http://127.0.0.1:{free_port()}")

    assert (done.returncode, done.stderr) == (0, b"")


def test_json_is_the_same_answer(run, call):
    """The lines of `--json` are chunks that add up to what is printed without it, and to `--no-stream`'s completion."""
    text = call("chat", "--embedded", "--seed", 7, "Tell me about rivers").stdout
    lines = run("chat", "--embedded", "--seed", 7, "Tell me about rivers", "--json", "--usage")
    whole = call("chat", "--embedded", "--seed", 7, "Tell me about rivers", "--json", "--no-stream")

    streamed, plain = joined(lines.stdout), ChatCompletion.from_dict(json.loads(whole.stdout))
    assert len(lines.stdout.splitlines()) > 5
    for completion in (streamed, plain):
        assert completion.choices[0].message.content.encode() + b"\n" == text
        assert completion.choices[0].finish_reason == "stop"
    assert streamed.usage == plain.usage
    assert streamed.id == plain.id
    assert re.fullmatch(rb"\d+ \+ \d+ tokens in [^\n]*\n", lines.stderr)
    assert whole.stdout.count(b"\n") == 1


def test_json_loses_nothing(call):
    """What a vendor adds to its chunks is in the lines of `--json`."""
    payloads = [chunk("a", timings={"ms": 1}), chunk("b", delta={"x": [1]}), chunk(finish="stop")]
    with in_thread(RawServer(sse(payloads))) as server:
        done = call(*at(server.url, "--json", "Hi"))

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("timings") for line in lines] == [{"ms": 1}, None, None]
    assert lines[1]["choices"][0]["delta"] == {"content": "b", "x": [1]}


@pytest.mark.parametrize("words", [(), ("--no-stream",)])
def test_what_is_no_text_is_printed_readably(call, tmp_path, server, words):
    """Calls of tools stand on lines of their own, after the text."""
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("now", "here")]
    (tmp_path / "tools.json").write_text(json.dumps(tools))
    said = {"content": "Wait.", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}},
        {"id": "2", "type": "custom", "custom": {"name": "here", "input": "a\nb"}},
    ]}  # fmt: skip
    url = server(Always(said))

    done = call(*at(url, "-p", f"tools=@{tmp_path / 'tools.json'}", "What time is it?", *words))

    assert url.requests[0].json["tools"] == tools
    assert done.stdout.decode() == 'Wait.\ntool call: now({"zone": "UTC"})\ntool call: here(\'a\\nb\')\n'


class Always:
    """A responder that says one thing."""

    def __init__(self, reply):
        self.reply = reply

    async def __call__(self, request):
        """Answer any request."""
        del request
        return self.reply


@pytest.mark.parametrize("words", [(), ("--no-stream",)])
def test_several_answers_stand_one_after_the_other(call, words):
    """With `--n` the first answer is printed as it comes, the others below it, each under a line that says so."""
    done = call("chat", "--embedded", "--n", 3, "Say 4 words.", *words)

    first, second, third = re.split(r"\n\n--- answer [23] of 3 ---\n", done.stdout.decode())
    assert len(first.split()) == 4
    assert len({first, second, third.rstrip("\n")}) == 3


def test_a_refusal_is_an_answer(call):
    """A refusal is printed as the answer that it is."""
    done = call("chat", "--embedded", "Please refuse this.")

    assert done.returncode == 0
    assert "help with that" in done.stdout.decode()


@pytest.mark.parametrize(("words", "said"), [
    (["--max-tokens", "3", "Tell me more"], "cut off by the token limit"),
    (["Something with content_filter in it"], "content filter"),
])  # fmt: skip
def test_a_short_answer_says_why(call, words, said):
    """A cut or filtered answer is followed by a note on stderr, unless the user wants quiet."""
    done = call("chat", "--embedded", *words)
    quiet = call("chat", "--embedded", "-q", *words)

    assert done.returncode == quiet.returncode == 0
    assert re.fullmatch(f"openai-async: note: [^\n]*{said}[^\n]*\n", done.stderr.decode())
    assert (quiet.stdout, quiet.stderr) == (done.stdout, b"")


# What is asked.


def test_options_become_parameters(call, server):
    """Every option that stands for a parameter is sent as it, and no other parameter is."""
    url = server()

    done = call(
        *at(
            url, "-s", "Be brief.", "--temperature", 0.5, "--max-tokens", 50, "--seed", 3, "--stop", "x", "--stop", "y"
        ),
        *("--n", 2, "-p", "user=me", "-p", "top_p=0.5", "--usage", "Hello"),
    )

    assert done.returncode == 0
    assert url.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert url.requests[0].json == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "max_completion_tokens": 50,
        "seed": 3,
        "stop": ["x", "y"],
        "n": 2,
        "user": "me",
        "top_p": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(("words", "stdin", "content"), [
    (["one", "two"], b"", "one two"),
    ([], b"piped\n", "piped"),
    (["-"], "\ufeffpip\u00e9d".encode(), "pip\u00e9d"),
    (["Sum this up:"], b"a\n\nb\n", "Sum this up:\n\na\n\nb"),
    (["Sum", "-", "up:"], b"a", "Sum up:\n\na"),
    (["--", "--json"], b"", "--json"),
    (["--local-is-no-option", "Hi"], b"", None),
])  # fmt: skip
def test_a_prompt_is_what_is_said_and_what_is_piped_in(call, server, words, stdin, content):
    """PROMPT comes first, piped text after an empty line; either is enough."""
    url = server()

    done = call(*at(url), *words, stdin=stdin)

    assert done.returncode == (2 if content is None else 0)
    assert [message["content"] for seen in url.requests for message in seen.json["messages"]] == (
        [] if content is None else [content]
    )


def test_the_environment_says_where_and_who(call, server):
    """Address, key and model come from the environment where no option gives them."""
    url = server(api_key="sk-env", models=["named"])

    done = call("chat", "Hello", OPENAI_BASE_URL=url, OPENAI_API_KEY="sk-env", OPENAI_MODEL="named")

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_failure_that_passes_is_not_seen(call, server):
    """A request that is refused for the moment is sent again; a script sees nothing of it."""
    url = server(faults=[Fault(status=503, retry_after=0.01)])

    done = call(*at(url, "Hello"))

    assert (done.returncode, done.stderr, len(url.requests)) == (0, b"", 2)


# What goes wrong.


def line(text):
    """One line of stderr, the program's name in front."""
    return rf"openai-async: error: {text}\n"


def test_without_a_key_nothing_is_sent(run):
    """Without a key the error says how to give one, and how to do without."""
    done = run("chat", "Hello")

    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(line("There is no API key: [^\n]*OPENAI_API_KEY[^\n]*--embedded[^\n]*"), done.stderr.decode())


def test_a_wrong_key_is_not_shown(run, server):
    """A refused key ends with code 1 and the server's words, which never contain the key."""
    done = run(*at(server(api_key="another"), "Hello"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(line(r"401 Incorrect API key provided[^\n]* \(request id: req_\w+\)"), done.stderr.decode())
    assert KEY.encode() not in done.stderr


def test_an_unknown_model_is_the_servers_to_refuse(run):
    """The server's 404 is one line with its message and the request's id."""
    done = run("chat", "--embedded", "--model", "nope", "Hello")

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(
        line(r"404 The model `nope` does not exist[^\n]* \(request id: req_\w+\)"), done.stderr.decode()
    )


def test_nobody_there(run):
    """A refused connection names the address, and how often it was tried."""
    port = free_port()

    done = run(*at(f"http://127.0.0.1:{port}/v1", "--max-retries", 1, "Hello"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(
        line(rf"[^\n]*127\.0\.0\.1:{port}[^\n]*refused[^\n]* \(after 2 attempts\)"), done.stderr.decode()
    )


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org/v1", "http://[::1", "http://x:port/v1"])
def test_an_address_that_is_none(call, url):
    """A base URL that no request can go to is a mistake in the settings."""
    done = call(*at(url, "Hello"))

    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(line("base_url [^\n]*"), done.stderr.decode())


def test_a_web_page_is_no_answer(run):
    """A proxy's page gives one line, whatever line breaks the page has."""
    page = b"<html>\r\n<head><title>502 Bad\r\nGateway</title></head>\r\n<body>\r\n" + b"<p>nginx</p>\r\n" * 200
    with in_thread(RawServer(answer(page, kind="text/html"))) as server:
        done = run(*at(server.url, "Hello"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(line("[^\n]*(text/html)[^\n]*"), done.stderr.decode())


@pytest.mark.parametrize(("fault", "code", "said"), [
    (Fault(cut_after=4), 3, "[^\n]*ended before the answer did[^\n]*"),
    (Fault(cut_after=4, reset=True), 3, "[^\n]*ended before the answer did[^\n]*"),
    (Fault(error_after=4), 3, "500 [^\n]*"),
    (Fault(bad_json_after=4), 3, "[^\n]*"),
    (Fault(stall_after=4), 4, "[^\n]*0.5 s[^\n]*"),
], ids=["cut", "reset", "error", "bad JSON", "stall"])  # fmt: skip
def test_what_was_received_stays(call, server, fault, code, said):
    """An answer that breaks off leaves its beginning on stdout, on a line of its own; the exit code says that it did."""
    url = server()
    whole = call(*at(url, "Tell me about lakes")).stdout
    url.add_fault(fault)

    done = call(*at(url, "--timeout", 0.5, "Tell me about lakes"))

    assert done.returncode == code
    assert whole.startswith(done.stdout.rstrip(b"\n"))
    assert done.stdout.endswith(b"\n")
    assert 1 < len(done.stdout) < len(whole)
    assert re.fullmatch(line(rf"{said} \(request id: req_\w+\)"), done.stderr.decode())


def test_errors_as_json(run, server):
    """With `--json` an error is one JSON object on stderr, with all that is known."""
    url = server(faults=[Fault(status=404, code="gone")])

    done = run(*at(url, "--json", "Hello"))

    error = json.loads(done.stderr)["error"]
    assert (done.returncode, done.stdout) == (1, b"")
    assert error.pop("request_id").startswith("req_")
    assert error.pop("message")
    assert error == {
        "kind": "NotFoundError",
        "status_code": 404,
        "code": "gone",
        "type": "invalid_request_error",
        "param": None,
        "exit_code": 1,
    }


@pytest.mark.parametrize(("words", "said"), [
    (["--bse-url", "x"], "No such option[^\n]*--base-url[^\n]*"),
    (["--embedded", "--local", "Hi"], "--embedded and --local exclude each other[^\n]*"),
    (["--delay", "1", "Hi"], "--delay goes with --embedded[^\n]*"),
    (["--embedded", "-p", "n", "Hi"], "[^\n]*'n' is not of the form NAME=VALUE[^\n]*"),
    (["--embedded", "-p", "tools=@/no/such/file", "Hi"], "[^\n]*/no/such/file[^\n]*"),
    (["--embedded", "-p", "stream=true", "Hi"], "[^\n]*use --no-stream[^\n]*"),
    (["--embedded", "--temperature", "nan", "Hi"], "The request can't be sent[^\n]*"),
    (["--embedded", "--timeout", "0", "Hi"], "[^\n]*--timeout[^\n]*"),
    (["--embedded"], "There is no prompt[^\n]*"),
    (["--embedded", "-"], "There is no prompt[^\n]*"),
    (["--embedded", "  "], "There is no prompt[^\n]*"),
    (["--local", "/no/such/model.gguf", "Hi"], "There is no model file /no/such/model.gguf[^\n]*"),
])  # fmt: skip
def test_a_mistake_of_ones_own(call, words, said):
    """A command line that can't be meant is refused in one line, which names the option."""
    done = call("chat", *words)

    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(line(said), done.stderr.decode())


def test_what_is_no_text_is_no_prompt(call):
    """Bytes that are no UTF-8 are refused, not sent as something else."""
    done = call("chat", "--embedded", stdin=b"ab\xff")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no text in UTF-8: byte 2" in done.stderr


# Ends.


def test_who_has_read_enough_may_leave(start, drip):
    """When the reader of stdout leaves, the program ends in silence, as with SIGPIPE, and aborts the request."""
    url, tap = drip("one\n", "two\n", "three\n")
    tap.let()
    program = start(*at(url, "Hi"))
    program.expect(b"one\n")

    program.leave()
    tap.let()

    assert program.end() == (141, b"one\n", b"")
    tap.wait_closed()
    assert url.aborts == 1


def test_a_full_disk_is_an_error(run):
    """What can't be written is said in one line."""
    with Path("/dev/full").open("wb") as full:
        done = run("chat", "--embedded", "Hi", stdout=full)

    assert (done.returncode, done.stderr) == (1, b"openai-async: error: No space left on device\n")


def test_closed_pipes_are_none_of_our_business(run):
    """With stdin and stdout closed by the shell, there is nothing to read, and nobody to tell."""
    done = run("chat", "--embedded", "Hi", shell=["sh", "-c", '"$@" <&- >&-', "-"])

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_poor_encoding_costs_letters_only(run):
    """A terminal that has no letter for something gets a question mark, and the rest of the answer."""
    with in_thread(RawServer(sse([chunk("caf\u00e9 \u2603!", finish="stop")]))) as server:
        plain = run(*at(server.url, "Hi"), PYTHONIOENCODING="ascii")
        lines = run(*at(server.url, "Hi", "--json"), PYTHONIOENCODING="ascii")

    assert (plain.returncode, plain.stdout) == (0, b"caf? ?!\n")
    assert json.loads(lines.stdout)["choices"][0]["delta"]["content"] == "caf\u00e9 \u2603!"


def test_interrupted_between_pipes(start, drip):
    """SIGINT aborts the request at once; stdout keeps what came, stderr says what was cut, as JSON if asked for."""
    for words, said in (
        ((), rb"openai-async: (.*)\n"),
        (("--json",), rb'{"error":{"kind":"StoppedError","message":"(.*?)".*\n'),
    ):
        url, tap = drip("one ", "two ", "three ")
        tap.let()
        tap.let()
        program = start(*at(url, "Hi", *words))
        program.expect(b"two")

        program.interrupt()
        code, out, err = program.end()

        assert code == 130
        assert out.endswith(b"one two \n") or words
        message = re.fullmatch(said, err)[1]
        assert re.fullmatch(rb"stopped after 2 tokens, \d+\.\d s; the answer is incomplete", message)
        tap.wait_closed()
        assert url.aborts == 1


def test_interrupted_before_the_first_word(start, drip):
    """SIGINT while waiting says that nothing came."""
    url, tap = drip("never")
    program = start(*at(url, "Hi"))
    tap.wait_asked()

    program.interrupt()
    code, out, err = program.end()

    assert (code, out) == (130, b"")
    assert re.fullmatch(rb"openai-async: stopped after \d+\.\d s; no answer was received\n", err)


# On a terminal.


def test_words_appear_as_they_come(terminal, drip):
    """Each word is on the screen before the next one is sent; Ctrl-C stops at once, and says what it cut off."""
    url, tap = drip("one ", "two ", "three ", "four ")
    screen = terminal(*at(url, "Count."))
    for word in ("one ", "two ", "three "):
        tap.let()
        screen.expect(word)
        assert screen.text.strip() == ""

    screen.type("\x03")

    screen.expect(r"\nopenai-async: stopped after 3 tokens, \d+\.\d s; the answer is incomplete\n")
    assert screen.close() == 130
    tap.wait_closed()
    assert url.aborts == 1


def test_figures_are_for_people(terminal, server):
    """On a terminal the answer is followed by its time, unless the user wants quiet."""
    url = server(delay=0.05)
    screen = terminal(*at(url, "Say 5 words."))
    screen.expect(r"\n5 tokens in \d+\.\d\d s, the first after \d+\.\d\d s, then \d+ tokens/s\n")
    assert screen.close() == 0

    screen = terminal(*at(url, "-q", "Say 5 words."))
    assert screen.close() == 0
    assert len(screen.text.split()) == 5


def test_retries_are_told(terminal, server):
    """On a terminal a person reads why it takes longer."""
    screen = terminal(*at(server(faults=[Fault(status=429, retry_after=0.01)]), "Hi"))

    screen.expect(r"retrying in 0\.01 s \(retry 1 of 2\): [^\n]*429")
    screen.expect(r"\d tokens in")
    assert screen.close() == 0


def test_reasoning_is_dimmed_on_a_terminal(terminal, call):
    """Reasoning goes before the answer, dimmed; a pipe gets the answer alone."""
    payloads = [chunk(delta={"reasoning_content": "Hm, "}), chunk(delta={"reasoning_content": "hm."}), chunk("So."),
                chunk(finish="stop")]  # fmt: skip
    with in_thread(RawServer(sse(payloads))) as server:
        screen = terminal(*at(server.url, "-q", "Hi"))
        assert screen.close() == 0
        dumb = terminal(*at(server.url, "-q", "Hi"), TERM="dumb")
        assert dumb.close() == 0
        piped = call(*at(server.url, "Hi"))

    assert screen.raw == b"\x1b[2mHm, \x1b[0m\x1b[2mhm.\x1b[0m\r\n\r\nSo.\r\n"
    assert dumb.raw == b"So.\r\n"
    assert piped.stdout == b"So.\n"


def test_thoughts_that_are_content_are_shown_once(terminal, call):
    """Gemini marks pieces of the content as thoughts: dimmed on a terminal, and no part of what a pipe gets."""
    thought = {"content": "<thought>Hm.", "extra_content": {"google": {"thought": True}}}
    payloads = [chunk(delta=thought), chunk("So."), chunk(finish="stop")]
    with in_thread(RawServer(sse(payloads))) as server:
        screen = terminal(*at(server.url, "-q", "Hi"))
        assert screen.close() == 0
        piped = call(*at(server.url, "Hi"))

    assert screen.raw == b"\x1b[2mHm.\x1b[0m\r\n\r\nSo.\r\n"
    assert piped.stdout == b"So.\n"


def test_a_server_can_not_steer_the_terminal(terminal, call):
    """Escape sequences in an answer or an error are shown, not obeyed; a pipe gets the answer as it is."""
    payloads = [chunk("\x1b]0;title\x07\x9b2Jred\r\tx", finish="stop")]
    refusal = answer({"error": {"message": "\x1b[2Jno"}}, 400)
    with in_thread(RawServer(sse(payloads), sse(payloads), refusal)) as server:
        screen = terminal(*at(server.url, "-q", "Hi"))
        assert screen.close() == 0
        piped = call(*at(server.url, "Hi"))
        refused = terminal(*at(server.url, "-q", "Hi"))
        assert refused.close() == 1

    assert screen.raw.decode() == "\u241b]0;title\u2407\ufffd2Jred\tx\r\n"
    assert piped.stdout.decode() == "\x1b]0;title\x07\x9b2Jred\r\tx\n"
    assert b"\x1b[2J" not in refused.raw
