"""`openai-async doctor`, as a user runs it."""

from __future__ import annotations

import json
import re
import ssl

import pytest
import trustme
from support.rawserver import RawServer, answer, completion, free_port, in_thread

HTML = b"<!DOCTYPE html><html><head><title>It works!</title></head></html>"
KEY = "sk-of-the-doctors-test"


def verdicts(done):
    """The verdict of each check, by its name, of what `--json` printed."""
    return {finding["check"]: finding["verdict"] for finding in json.loads(done.stdout)["findings"]}


def finding(done, check):
    """One finding of what `--json` printed."""
    return next(one for one in json.loads(done.stdout)["findings"] if one["check"] == check)


def test_the_embedded_server_is_well(call):
    """`--embedded` needs nothing, and every check is ok or does not apply."""
    done = call("doctor", "--embedded", "--json")

    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["ok"]
    assert verdicts(done) == {
        **dict.fromkeys(("key", "settings", "address", "connection", "models", "request", "streaming"), "ok"),
        **dict.fromkeys(("proxy", "name", "TLS"), "skip"),
        "keep-alive": "ok",
    }


def test_people_get_lines(call):
    """Without `--json` each check is a row of 80 columns at most, and the last line counts what failed."""
    done = call("doctor", "--embedded")

    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert max(map(len, lines)) <= 80
    assert re.match(r"ok +connection +Port \d+ takes connections\. +[\d.]+ [µm]s", lines[5])
    assert lines[-1] == "Nothing failed."


def test_a_narrow_terminal(call):
    """On 40 columns nothing is cut off: what is too long goes on in the next line."""
    lines = call("doctor", "--embedded", COLUMNS="40").stdout.decode().splitlines()

    begun = next(place for place, line in enumerate(lines) if line.startswith("ok    address"))
    address = "".join(line[18:].strip() for line in lines[begun : begun + 3])
    assert re.match(r"http://127\.0\.0\.1:\d+/v1\(--embedded\)", address)
    assert max(map(len, lines)) <= 40


def test_a_terminal_gets_the_same(terminal):
    """On a terminal the rows come one by one, with a spinner that is gone in the end."""
    program = terminal("doctor", "--embedded")

    program.expect(r"ok +key")
    program.expect(r"ok +keep-alive")
    program.expect(r"Nothing failed\.\n")
    assert program.close() == 0


def test_nothing_is_set(call):
    """Without a key that is what fails, and nothing is asked of the API; the way to it is looked at all the same."""
    done = call("doctor", "--base-url", f"http://127.0.0.1:{free_port()}/v1", "--json")

    found = verdicts(done)
    assert done.returncode == 1
    assert (found["key"], found["connection"], found["request"]) == ("fail", "fail", "skip")
    assert "OPENAI_API_KEY" in finding(done, "key")["advice"][0]


def test_a_closed_port(call):
    """Where nobody listens, the connection fails, with what to do below it."""
    done = call("doctor", "--base-url", f"http://127.0.0.1:{free_port()}/v1", "--api-key", "")

    assert done.returncode == 1
    assert re.search(r"fail +connection +Port \d+ of 127\.0\.0\.1 takes no connection", done.stdout.decode())
    assert "> Does the server run, and is the port right?" in done.stdout.decode()
    assert done.stdout.decode().endswith("\n1 failed.\n")


def test_a_name_that_does_not_resolve(call):
    """A host without an address is told by its name; all that needs it is left out."""
    done = call("doctor", "--base-url", "https://no-such-host.invalid/v1", "--api-key", KEY, "--json")

    found = verdicts(done)
    assert done.returncode == 1
    assert found["name"] == "fail"
    assert {found[check] for check in ("connection", "TLS", "models", "request", "streaming", "keep-alive")} == {"skip"}


@pytest.mark.parametrize(
    "url", ["api.openai.com/v1", "http://a:99999/v1", "http://[::1/v1", "http://", "é", "https://x/v1/chat"]
)
def test_no_address(call, url):
    """What is no address is told, and nothing is looked at on the way there."""
    done = call("doctor", "--base-url", url, "--api-key", KEY, "--json")

    found = verdicts(done)
    assert done.returncode == 1
    assert found["address"] == "fail"
    assert {found[check] for check in ("proxy", "name", "connection", "TLS", "request")} == {"skip"}


def test_a_refused_key_is_not_shown(call):
    """Status 401 is about the key, which is printed nowhere, not even where the server repeats it."""
    refusal = answer({"error": {"message": f"Incorrect API key provided: {KEY}."}}, 401)
    with in_thread(RawServer(refusal)) as server:
        lines = call("doctor", "--base-url", server.url, OPENAI_API_KEY=KEY)
        objects = call("doctor", "--base-url", server.url, "--json", OPENAI_API_KEY=KEY)

    assert (lines.returncode, objects.returncode) == (1, 1)
    assert finding(objects, "request")["details"]["status_code"] == 401
    assert KEY not in f"{lines}{objects}"
    assert "provided: ***" in lines.stdout.decode()


def test_a_key_in_good_answers_is_not_shown(call):
    """A server may repeat the key where nothing is wrong: in names of models, in headers, in answers."""
    headers = {"server": KEY, "x_request_id": KEY}
    models = answer({"data": [{"id": KEY}]}, headers=headers)
    plain = answer({**completion("Hi"), "model": KEY}, headers=headers)
    with in_thread(RawServer(models, plain)) as server:
        objects = call("doctor", "--base-url", server.url, "--json", OPENAI_API_KEY=KEY)

    assert finding(objects, "request")["details"]["model"] == "***"
    assert KEY not in f"{objects}"


def test_a_web_page(call):
    """A server of web pages is no API, and the path that is missing is what to try."""
    with in_thread(RawServer(answer(HTML, kind="text/html"))) as server:
        done = call("doctor", "--base-url", server.url.removesuffix("/v1"), "--api-key", "", "--json")

    assert done.returncode == 1
    assert "a web page titled 'It works!'" in finding(done, "request")["said"]
    assert f"{server.url}." in finding(done, "request")["advice"][-1]


def test_a_model_that_does_not_exist(call, server):
    """A model that the server lacks fails, and those that it has are named."""
    url = server(models=["small", "large"])

    done = call("doctor", "--base-url", url, "--api-key", "", "-m", "smal", "--json")

    assert done.returncode == 1
    assert (verdicts(done)["models"], verdicts(done)["request"]) == ("warn", "fail")
    assert "small" in finding(done, "request")["advice"][0]


def test_a_dead_proxy(call):
    """A proxy of the environment that takes no connection is what fails; nothing goes past it."""
    proxy = f"http://me:hush-hush@127.0.0.1:{free_port()}"

    done = call("doctor", "--base-url", "https://llm.example/v1", "--api-key", KEY, "--json", https_proxy=proxy)

    found = verdicts(done)
    assert done.returncode == 1
    assert (found["proxy"], found["name"], found["request"]) == ("fail", "skip", "skip")
    assert b"hush" not in done.stdout


def test_a_certificate_that_nobody_knows(run, tmp_path):
    """A certificate of an unknown authority fails; with `SSL_CERT_FILE`, as advised, all is well, in the client too."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    models = answer({"data": [{"id": "gpt-5.4-mini"}]})
    with in_thread(RawServer(models, context=context)) as server:
        done = run("doctor", "--base-url", server.url, "--api-key", "", "--json")
        trusting = run(
            "doctor", "--base-url", server.url, "--api-key", "", "--json", SSL_CERT_FILE=tmp_path / "authority.pem"
        )

    assert verdicts(done)["TLS"] == "fail"
    assert "SSL_CERT_FILE" in finding(done, "TLS")["advice"][0]
    assert (verdicts(trusting)["TLS"], verdicts(trusting)["models"]) == ("ok", "ok")


@pytest.mark.parametrize("words", [("--embedded", "--base-url", "http://127.0.0.1/v1"), ("--timeout", "0"), ("more",)])
def test_mistakes(call, words):
    """Options that don't fit end in one line, with code 2."""
    done = call("doctor", *words)

    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch("openai-async: error: [^\n]*\n", done.stderr.decode())


def test_ctrl_c(terminal):
    """Ctrl-C ends it with code 130."""
    with in_thread(RawServer(silent)) as server:
        program = terminal("doctor", "--base-url", server.url, "--api-key", "")
        program.expect(r"ok +connection")
        program.insist("\x03", "stopped")
        assert program.close() == 130


async def silent(peer):
    """Answer nothing until the client goes."""
    await peer.gone()
    peer.fin()
