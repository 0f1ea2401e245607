"""Settings: what arguments and the environment say, checked, as tables."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.scripted import ScriptedTransport

from openai_async import AsyncOpenAI, errors
from openai_async.api.settings import (
    checked_key,
    checked_retries,
    choose_base_url,
    custom_headers,
    lower_names,
    plain_limits,
    refuse,
    regional_url,
    set_up_logging,
    setting,
)
from openai_async.types.options import Timeout, not_given, omit

KEY = "sk-secret-0123456789"


@pytest.mark.parametrize("region", ["us", "eu", "ae", "au", "in", "jp"])
def test_regions(region: str) -> None:
    """Each region has its own address, and "global" is the usual one."""
    assert regional_url(region, None) == f"https://{region}.api.openai.com/v1"
    assert regional_url("global", None) == "https://api.openai.com/v1"
    assert regional_url(None, "http://mine/v1") == "http://mine/v1"


def test_regions_are_the_official_ones() -> None:
    """The official client knows the same regions, and sends to the same addresses."""
    official = pytest.importorskip("openai._data_residency")  # the oracle, of the extra `dev`

    for region, address in official._DATA_RESIDENCY_BASE_URLS.items():
        assert regional_url(region, None) == address


@pytest.mark.parametrize("region", ["moon", "", 5, ["eu"]])
def test_regions_that_are_none(region: object) -> None:
    """An unknown region is refused, with those that there are."""
    with pytest.raises(ValueError, match="one of 'global', 'us', 'eu'"):
        regional_url(region, None)


def test_region_and_address() -> None:
    """A region and an address of one's own are one too many."""
    with pytest.raises(ValueError, match="give one of them"):
        AsyncOpenAI(api_key=KEY, base_url="http://mine/v1", data_residency="eu")
    with pytest.raises(ValueError, match="give one of them"):
        AsyncOpenAI(api_key=KEY).with_options(base_url="http://mine/v1", data_residency="eu")


def test_address_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument wins over the region's address, that over the environment's, and that over the default."""
    assert choose_base_url(None, None) == "https://api.openai.com/v1"
    assert choose_base_url(None, None, unix=True) == "http://localhost/v1"

    monkeypatch.setenv("OPENAI_BASE_URL", "http://environment/v1")
    assert choose_base_url(None, None) == "http://environment/v1"
    assert choose_base_url(None, "eu") == "https://eu.api.openai.com/v1"
    assert choose_base_url("http://mine/v1", None) == "http://mine/v1"


def test_environment_in_the_place_of_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is asked where there is no argument; an empty one says nothing."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "")

    assert setting(None, "OPENAI_ORG_ID") == "org"
    assert setting("mine", "OPENAI_ORG_ID") == "mine"
    assert setting(None, "OPENAI_PROJECT_ID") is None


def test_custom_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is a header; blank ones, and space around names and values, mean nothing."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-One: 1\n\n  x-two :  a: b  \r\nX-Empty:\n")

    assert custom_headers() == {"x-one": "1", "x-two": "a: b", "x-empty": ""}


def test_no_custom_headers() -> None:
    """Without the variable there are none."""
    assert custom_headers() == {}


@pytest.mark.parametrize("line", ["Bearer sk-hidden", "x y: sk-hidden", ": sk-hidden", "x-a: sk-hidden\0", "x: \u2603"])
def test_custom_headers_that_can_not_be(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """A line that is no header is refused by its number, and nothing of it is shown."""
    if "\0" in line:
        line = line.replace("\0", "\x7f")  # an environment holds no NUL
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"x-good: 1\n{line}")

    with pytest.raises(errors.OpenAIError, match="line 2 of the environment variable OPENAI_CUSTOM_HEADERS") as caught:
        AsyncOpenAI(api_key=KEY)

    assert "hidden" not in "".join(traceback.format_exception(caught.value))


def test_lower_names() -> None:
    """Of names that differ in case the last one stays."""
    assert lower_names({"X-A": "1", "x-a": "2", "B": omit}) == {"x-a": "2", "b": omit}
    assert lower_names(None) == {}


@pytest.mark.parametrize("key", ["k\n", "k\r\nx: y", "\u2603"])
def test_keys_that_can_not_be_sent(key: str) -> None:
    """A key that no header holds is refused by the name of its argument."""
    with pytest.raises(errors.OpenAIError, match="azure_ad_token holds"):
        checked_key(key, "azure_ad_token")


def test_keys() -> None:
    """A string and a function are themselves; anything else is neither."""

    def give() -> str:
        return "k"

    wrong: Any = 5
    assert checked_key("k") == "k"
    assert checked_key(give) is give
    with pytest.raises(TypeError, match="not int"):
        checked_key(wrong)


def test_retries() -> None:
    """0 and above are numbers of retries."""
    assert [checked_retries(number) for number in (0, 1, 100)] == [0, 1, 100]


def test_limits_of_plain_calls() -> None:
    """A plain call has a total, unless all limits are off, and waits for no token."""
    assert plain_limits(Timeout()) == Timeout(first_token=None, idle=None, total=600)
    assert plain_limits(Timeout(total=3, pool=1)) == Timeout(first_token=None, idle=None, total=3, pool=1)
    assert plain_limits(Timeout.of(None)) == Timeout.of(None)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("http_client", r"session= .*transport=, proxy= or ssl_context="),
        ("workload_identity", "api_key= a function"),
        ("provider", "AsyncAzureOpenAI"),
        ("webhook_secret", "no part of Chat Completions"),
        ("websocket_base_url", "base_url="),
        ("_strict_response_validation", "cast_to="),
    ],
)
def test_arguments_of_the_official_client(name: str, instead: str) -> None:
    """What can't be had here is refused with what there is instead, and taken where it asks for nothing."""
    given: Any = {name: "something"}
    nothing: Any = {name: None}
    client = AsyncOpenAI(api_key=KEY, transport=ScriptedTransport([]), **nothing)

    with pytest.raises(TypeError, match=rf"^AsyncOpenAI\({name}=...\) .*{instead}"):
        AsyncOpenAI(api_key=KEY, **given)
    with pytest.raises(TypeError, match=rf"^with_options\({name}=...\) .*{instead}"):
        client.with_options(**given)


def test_defaults_of_the_official_client_are_taken() -> None:
    """What the official client has as its default asks for nothing."""
    refuse("f", {"_strict_response_validation": False, "provider": not_given, "http_client": None})


@pytest.mark.parametrize("name", ["proxy", "ssl_context", "uds", "limit", "session", "transport"])
def test_connections_can_not_change(name: str) -> None:
    """What belongs to the connections is no business of `with_options`, which shares them."""
    given: Any = {name: "x"}
    with pytest.raises(TypeError, match=rf"{name}=...\) belongs to the connections"):
        AsyncOpenAI(api_key=KEY).with_options(**given)


def test_unknown_arguments() -> None:
    """An argument that nobody has is refused, with the closest one that there is."""
    wrong: Any = {"apikey": "x"}
    with pytest.raises(TypeError, match=r"AsyncOpenAI\(\) has no argument 'apikey'; did you mean 'api_key'\?"):
        AsyncOpenAI(**wrong)
    with pytest.raises(TypeError, match=r"with_options\(\) has no argument 'apikey'; did you mean 'api_key'\?"):
        AsyncOpenAI(api_key=KEY).with_options(**wrong)
    with pytest.raises(TypeError, match=r"has no argument 'zzz'$"):
        refuse("f", {"zzz": 1})


@contextmanager
def bare_logging() -> Iterator[logging.Logger]:
    """Loggers as they are in an application that set up nothing; pytest's own handlers come back."""
    log, root = logging.getLogger("openai_async"), logging.getLogger()
    kept = log.handlers[:], root.handlers[:], log.level
    log.handlers[:], root.handlers[:] = [], []
    try:
        yield log
    finally:
        log.handlers[:], root.handlers[:] = kept[:2]
        log.setLevel(kept[2])


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "DEBUG"])
def test_log_level(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """`OPENAI_LOG` sets the level and adds a handler, once, however many clients are made."""
    monkeypatch.setenv("OPENAI_LOG", level)
    with bare_logging() as log:
        for _ in range(3):
            AsyncOpenAI(api_key=KEY)

        assert log.level == getattr(logging, level.upper())
        assert [type(handler) for handler in log.handlers] == [logging.StreamHandler]


@pytest.mark.parametrize("level", ["", "loud", "10"])
def test_log_levels_that_are_none(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """Another value changes nothing."""
    monkeypatch.setenv("OPENAI_LOG", level)
    with bare_logging() as log:
        before = log.level
        set_up_logging()

        assert (log.level, log.handlers) == (before, [])


def test_log_of_an_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the application shows its log, no second handler repeats every line."""
    monkeypatch.setenv("OPENAI_LOG", "debug")
    with bare_logging() as log:
        logging.getLogger().addHandler(logging.StreamHandler())
        set_up_logging()

        assert log.level == logging.DEBUG
        assert log.handlers == []
