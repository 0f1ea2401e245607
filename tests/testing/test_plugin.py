"""The plugin, in runs of pytest of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

# A client that takes no seconds to import; the kit is for any.
_ASK = """
import json, pytest, urllib.error, urllib.request
from openai_async.testing import *

def send(served, text="Why?", **fields):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **fields}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer " + served.api_key}
    return urllib.request.urlopen(urllib.request.Request(served.url + "/chat/completions", body, headers))

def ask(served, text="Why?"):
    with send(served, text) as response:
        return json.load(response)["choices"][0]["message"]["content"]
"""


def test_importing_it_is_cheap():
    """It brings neither a server nor a client nor a loop with it: every run of pytest imports it."""
    program = "import pytest, sys; before = set(sys.modules); import openai_async.testing.plugin; print(*(set(sys.modules) - before))"
    imported = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()

    ours = {name for name in imported if name.startswith("openai_async")}
    assert ours == {"openai_async", "openai_async.version", "openai_async.testing", "openai_async.testing.plugin"}
    assert not {name.partition(".")[0] for name in imported} & {
        "starlette", "uvicorn", "sse_starlette", "aiohttp", "anyio", "msgspec", "asyncio"
    }  # fmt: skip


def test_every_name_of_the_kit_loads():
    """What the package lists is there, each from its module, and nothing else is."""
    import openai_async.testing as kit

    assert [getattr(kit, name).__name__ for name in kit.__all__] == kit.__all__
    assert set(kit.__all__) <= set(dir(kit))
    with pytest.raises(AttributeError, match="no attribute 'mock'"):
        _ = kit.mock


def test_tests_of_all_kinds_use_the_server(run_pytest):
    """Plain tests, async ones and classes of unittest pass; the environment leads any client to the server."""
    result = run_pytest(
        test_kinds=_ASK
        + """
import openai, unittest

def test_plain(openai_async_server):
    openai_async_server.reply(text("Hello", chunks=3))
    assert ask(openai_async_server) == "Hello"
    assert openai_async_server.assert_called_once().messages[0]["content"] == "Why?"

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_async(openai_async_server):
    openai_async_server.reply("Hello")
    async with openai.AsyncOpenAI(base_url=openai_async_server.url, api_key=openai_async_server.api_key) as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Why?"}])
    assert answer.choices[0].message.content == "Hello"

def test_env(openai_async_env, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with openai.OpenAI() as client:
        client.models.list()
    assert openai_async_env.requests[0].headers["authorization"] == "Bearer " + openai_async_env.api_key

class TestUnit(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _server(self, openai_async_server):
        self.server = openai_async_server

    def test_it(self):
        self.server.reply("Hello")
        self.assertEqual(ask(self.server), "Hello")

def test_each_has_its_own(openai_async_server):
    assert openai_async_server.requests == []

def test_nothing_is_set_without_env(openai_async_server):
    import os
    assert "OPENAI_BASE_URL" not in os.environ
"""
    )

    result.assert_outcomes(passed=6)


def test_a_script_that_was_not_played_fails_the_test(run_pytest):
    """The test fails, not its teardown, and says what was left or missing, and what came; skipped tests stay skipped."""
    result = run_pytest(
        test_script=_ASK
        + """
def test_unused(openai_async_server):
    openai_async_server.reply("Hello").reply(error(429, retry_after=1))
    ask(openai_async_server)

def test_missing(openai_async_server):
    openai_async_server.reply("Hello")
    ask(openai_async_server)
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        ask(openai_async_server, "Once more?")
    caught.value.close()

def test_wrong(openai_async_server):
    ask(openai_async_server)
    assert openai_async_server.requests[0].headers == {}

def test_wrong_too(openai_async_server):
    assert ask(openai_async_server) == "something else"

def test_late(request):
    server = request.getfixturevalue("openai_async_server")
    server.reply("Hello")

def test_skipped(openai_async_server):
    openai_async_server.reply("Hello")
    pytest.skip("later")
"""
    )

    result.assert_outcomes(failed=5, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*never asked for: reply(error(429, retry_after=1))*",
            "*1. POST /v1/chat/completions model='m' last message='Why[?]' -> 200, complete, reply(text('Hello'))",
            "*no reply was left for a request: POST * last message='Once more[?]'*",
            "*test_wrong*",
            "*openai_async call*",
            "*1. POST /v1/chat/completions*",
        ]
    )
    result.stdout.no_fnmatch_line("*sk-testing*")


def test_mistakes_are_shown_where_they_were_made(run_pytest):
    """A test that uses the kit wrongly fails at its own line; nothing of the kit's inside is shown."""
    result = run_pytest(
        test_mistakes=_ASK
        + """
def test_part(openai_async_server):
    openai_async_server.reply("a", 5)  # HERE

def test_contradiction(openai_async_server):
    openai_async_server.reply(cut(after=1), cut(after=2))  # HERE

def test_argument(openai_async_server):
    openai_async_server.reply(text("a", chunks=0))  # HERE

def test_criterion(openai_async_server):
    openai_async_server.when(modl="m")  # HERE

def test_times(openai_async_server):
    openai_async_server.when(model="m").reply("a", times=0)  # HERE

def test_calls(openai_async_server):
    openai_async_server.assert_called_once(contains="sea")  # HERE

def test_recording(openai_async_recording):
    openai_async_recording("there is none")  # HERE

def test_no_recording(openai_async_recording):
    openai_async_recording("none")  # HERE

@pytest.mark.openai_async_server(modls=["m"])
def test_option(openai_async_server):
    pass
"""
    )

    result.assert_outcomes(failed=8, errors=1)
    shown = result.stdout.str()
    assert shown.count("  # HERE") == 8
    assert "TypeError: modls= is no option of the server: there are api_key, " in shown
    assert not [line for line in shown.splitlines() if "openai_async/testing/" in line.replace("\\", "/")]


def test_markers_give_options(run_pytest):
    """A marker has the embedded server's options, the nearest going first, and a responder."""
    result = run_pytest(
        test_markers=_ASK
        + """
pytestmark = pytest.mark.openai_async_server(models=["n"], api_key="sk-of-the-module")

async def shout(asked):
    return "HELLO"

@pytest.mark.openai_async_server(shout, models=["m"])
def test_marked(openai_async_server):
    assert ask(openai_async_server) == "HELLO"
    assert openai_async_server.assert_called_once(model="m").headers["authorization"] == "Bearer sk-of-the-module"
"""
    )

    result.assert_outcomes(passed=1)


def test_streams_that_are_left_open_fail_where_asked(run_pytest, pytester):
    """With the ini option, or leaks=True in the marker, a test that leaves a stream open has an error; else it passes."""
    files = {
        "test_leaks": _ASK
        + """
@pytest.fixture
def leave():
    left = []

    def leave(server):
        server.reply(text("a", "b"), stall(after=1))
        left.append(send(server, stream=True))

    yield leave
    left[0].close()

@pytest.mark.openai_async_server(leaks=True)
def test_marked(leave, openai_async_server):
    leave(openai_async_server)

def test_not_marked(leave, openai_async_server):
    leave(openai_async_server)
"""
    }
    run_pytest(**files).assert_outcomes(passed=2, errors=1)
    result = run_pytest("-o", "openai_async_leaks=true", **files)
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*1 answers are still open after 1 s*"])


def test_recordings_are_made_and_played(run_pytest, pytester, server, monkeypatch):
    """Without a recording a test fails and says how to make one; recorded once, it passes without the real server."""
    files = {
        "test_recorded": _ASK
        + f"""
def test_it(openai_async_recording):
    assert ask(openai_async_recording("hello", upstream={str(server.url)!r})) == "Hello"
"""
    }
    missing = run_pytest(**files)
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(
        ["*There is no recording *recordings/hello.jsonl.*pytest --openai-async-record *test_it*"]
    )

    server.reply("Hello")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-recording")
    run_pytest("--openai-async-record", **files).assert_outcomes(passed=1)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert server.requests[0].headers["authorization"] == "Bearer sk-of-the-recording"
    server.close()
    run_pytest(**files).assert_outcomes(passed=1)

    written = (pytester.path / "recordings" / "hello.jsonl").read_text()
    assert len(written.splitlines()) == 2
    assert "sk-of-the" not in written
    assert json.loads(written.splitlines()[0])["upstream"] == server.url


def test_recordings_that_do_not_fit_fail_the_test(run_pytest, pytester):
    """A request that was not recorded fails the test that swallows the refusal; odd names, and no key, are refused."""
    (pytester.path / "recordings").mkdir()
    (pytester.path / "recordings" / "empty.jsonl").write_text(
        '{"openai_async_recording": 1, "upstream": "http://x/v1"}\n'
    )
    files = {
        "test_recorded": _ASK
        + """
def test_other(openai_async_recording):
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        ask(openai_async_recording("empty"))
    caught.value.close()

def test_names(openai_async_recording):
    with pytest.raises(ValueError, match="letters, digits"):
        openai_async_recording("../secret")
"""
    }
    result = run_pytest(**files)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*This request is not in the recording *empty.jsonl*", "*Played 0 of 0 answers of *"])

    result = run_pytest("--openai-async-record", "-k", "test_other", **files)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*set OPENAI_API_KEY*"])


def test_a_test_that_is_run_again_begins_anew(run_pytest):
    """What came of the first run is no fault of the second, as plugins that repeat failed tests have it."""
    files = {
        "conftest": """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, nextitem=nextitem, log=False)
    item._initrequest()
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        item.ihook.pytest_runtest_logreport(report=report)
    return True
""",
        "test_again": _ASK
        + """
runs = []

def test_it(openai_async_server):
    runs.append(1)
    openai_async_server.reply("Hello")
    assert len(runs) == 2
    ask(openai_async_server)
""",
    }
    run_pytest(**files).assert_outcomes(passed=1)
