"""The fixtures for pytest, and what they add to a test's outcome.

    def test_greeting(openai_async_server): ...

Every run of pytest imports this where the package is installed, so it imports nothing: what serves is loaded with the
first fixture that is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from .player import Player
    from .recorder import Recorder
    from .server import ScriptedServer

__all__ = [
    "openai_async_env",
    "openai_async_recording",
    "openai_async_server",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_call",
]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

# What a test's end asserts, and what tells of a test that failed.
_checks = pytest.StashKey["list[_Checked]"]()


class _Checked(Protocol):
    def assert_played(self) -> None: ...
    def story(self) -> str: ...


_MARKER = (
    "openai_async_server(responder=None, **options): options of the embedded server for the fixture of this name "
    "(api_key=, models=, limits=, ignore_unknown= …), and leaks=True: a stream that is left open fails the test"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("openai_async", "testing clients of the Chat Completions API")
    group.addoption(
        "--openai-async-record",
        action="store_true",
        default=False,
        help="Ask the real server where a test uses openai_async_recording, and keep what it answers.",
    )
    parser.addini(
        "openai_async_leaks", "Fail tests that leave streams of openai_async_server open.", type="bool", default=False
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test whose script was not played as written, and show its requests if it fails for whatever reason."""
    try:
        outcome = yield
        for one in _checked(item):
            one.assert_played()
    except BaseException as error:
        for one in _checked(item):
            if (story := one.story()) not in str(error):
                item.add_report_section("call", "openai_async", story)
        raise
    return outcome


def _checked(node: pytest.Item) -> list[_Checked]:
    return node.stash.setdefault(_checks, [])


@pytest.fixture
def openai_async_server(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    """A server of the Chat Completions API on 127.0.0.1, for this test alone.

    Yields:
        The server: `url` and `api_key` for any client, `reply` and `when` to script it, `requests` and assertions.
    """
    from .server import ScriptedServer  # noqa: PLC0415 - not before a test asks for it

    options: dict[str, Any] = {"leaks": request.config.getini("openai_async_leaks")}
    for marker in reversed(list(request.node.iter_markers("openai_async_server"))):
        options.update(marker.kwargs)
        options.update({"responder": marker.args[0]} if marker.args else {})
    leaks = options.pop("leaks")
    server = ScriptedServer(**options)
    server.start()
    _checked(request.node).append(server)
    try:
        yield server
        if leaks:
            server.assert_nothing_open()
    finally:
        _checked(request.node).remove(server)  # a test that is run again has another
        server.close()


@pytest.fixture
def openai_async_env(openai_async_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """The same server, and an environment that leads clients to it: OPENAI_BASE_URL, OPENAI_API_KEY, and no proxy."""
    monkeypatch.setenv("OPENAI_BASE_URL", openai_async_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", openai_async_server.api_key)
    for name in ("NO_PROXY", "no_proxy"):  # programs differ in which one they heed, and a proxy leads nowhere from here
        monkeypatch.setenv(name, "127.0.0.1", prepend=",")
    return openai_async_server


@pytest.fixture
def openai_async_recording(request: pytest.FixtureRequest) -> Iterator[Callable[..., Recorder | Player]]:
    """A function that serves a recording: `openai_async_recording("name", upstream=…, speed=…, match=…)`.

    The file is `recordings/NAME.jsonl` beside the test's. With `--openai-async-record` it is written, from what the real
    server answers (`upstream`, else OPENAI_BASE_URL, else OpenAI's own); without, it is played, and the test fails where
    there is none.

    Yields:
        The function; what it returns has `url` and `api_key` for any client.
    """
    from .cassette import Cassettes  # noqa: PLC0415 - not before a test asks for it

    record = bool(request.config.getoption("--openai-async-record"))
    cassettes = Cassettes(request.path.parent / "recordings", test=request.node.nodeid, record=record)
    _checked(request.node).append(cassettes)
    try:
        yield cassettes.open
    finally:
        _checked(request.node).remove(cassettes)
        cassettes.close()
