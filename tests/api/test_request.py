"""From arguments to a request: addresses, queries, headers, bodies and keys, as tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_async.api.address import build_url, check_base_url, join_url
from openai_async.api.request import KEY_PENDING, Plan, encode_body, header_value, merge_headers, resolve_key
from openai_async.errors import OpenAIError
from openai_async.types.options import Timeout, not_given, omit

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1//", "https://api.openai.com/v1"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("  http://localhost/v1\n", "http://localhost/v1"),
        ("HTTP://localhost/v1", "HTTP://localhost/v1"),
        ("https://gateway.example/openai?tenant=a%20b", "https://gateway.example/openai?tenant=a%20b"),
        ("http://xn--bcher-kva.example/v1", "http://xn--bcher-kva.example/v1"),
    ],
)
def test_base_urls(given: str, used: str) -> None:
    """Slashes at the end and space around an address are no mistake."""
    assert check_base_url(given) == used


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "must be an http:// or https:// address"),
        ("api.openai.com/v1", "must be an http:// or https:// address"),
        ("localhost:8000/v1", "must be an http:// or https:// address"),
        ("ftp://example.com", "must be an http:// or https:// address"),
        ("http://", "must be an http:// or https:// address"),
        ("http:///v1", "must be an http:// or https:// address"),
        ("http://[::1/v1", "is no URL"),
        ("http://host:port/v1", "is no URL"),
        ("http://host:99999/v1", "is no URL"),
        ("http://a..b/v1", "is no URL"),
        (f"http://{'a' * 64}.example/v1", "is no URL"),
        ("http://host/v1\r\nX-Evil: 1", "holds a character that an address can't"),
        ("http://ho\tst/v1", "holds a character that an address can't"),
        ("http://host/v 1", "holds a character that an address can't"),
        ("http://host/v1#part", "holds a character that an address can't"),
        ("http://b\xfccher.example/v1", "punycode"),
    ],
)
def test_addresses_that_are_none(given: str, told: str) -> None:
    """An address that can't be requested is refused with the reason, before anything is sent."""
    with pytest.raises(OpenAIError, match=r"^base_url") as caught:
        check_base_url(given)

    assert told in str(caught.value)


def test_address_with_a_password() -> None:
    """A password in the address is refused, and not repeated."""
    with pytest.raises(OpenAIError, match="user name or password") as caught:
        check_base_url("https://user:hunter2@example.com/v1")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", [5, None, b"http://host"])
def test_address_of_another_type(given: object) -> None:
    """What is no string is named by its type."""
    with pytest.raises(TypeError, match=f"not {type(given).__name__}"):
        check_base_url(given)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, ""),
        ({"limit": 5}, "?limit=5"),
        ({"a": "b c", "d": "e&f=g/\xe4"}, "?a=b%20c&d=e%26f%3Dg%2F%C3%A4"),
        ({"flag": True, "other": False}, "?flag=true&other=false"),
        ({"none": None}, ""),
        ({"gone": omit, "also": not_given}, ""),
        ({"list": [1, "two"]}, "?list[]=1&list[]=two"),
        ({"tuple": (1,)}, "?tuple[]=1"),
        ({"metadata": {"k": "v", "w": "x"}}, "?metadata[k]=v&metadata[w]=x"),
        ({"deep": {"a": [{"b": 1}]}}, "?deep[a][][b]=1"),
        ({"inject": "x\r\nHost: evil"}, "?inject=x%0D%0AHost%3A%20evil"),
    ],
)
def test_queries(query: dict[str, Any], text: str) -> None:
    """Lists are sent as `k[]`, mappings as `k[name]`, and nothing gets out of its place."""
    assert build_url("http://host/v1/chat", query) == f"http://host/v1/chat{text}"


def test_query_of_the_base_url_stays() -> None:
    """A query that the base URL has goes with every request, before the request's own."""
    assert join_url("http://host/v1?a=1", "/chat?c=3") == "http://host/v1/chat?a=1&c=3"
    assert build_url(join_url("http://host/v1?a=1", "/chat"), {"b": 2}) == "http://host/v1/chat?a=1&b=2"


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/models", "https://host/v1/models"),
        ("models", "https://host/v1/models"),
        ("//evil.example/models", "https://host/v1/evil.example/models"),
        ("@evil.example", "https://host/v1/@evil.example"),
        ("/models?after=a%20b", "https://host/v1/models?after=a%20b"),
        ("/a/..b/c.", "https://host/v1/a/..b/c."),
        ("https://host/v2/models", "https://host/v2/models"),
        ("HTTPS://HOST:443/v2", "HTTPS://HOST:443/v2"),
    ],
)
def test_paths(path: str, address: str) -> None:
    """A path is under the base URL, whatever it begins with; an address of the same origin is itself."""
    assert join_url("https://host/v1", path) == address


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/v1/models",
        "http://host/v1/models",
        "https://host:8443/v1/models",
        "https://host@evil.example/v1",
        "https://user@host/v1",
        "https://host:port/v1",
        "https://[::1/v1",
        "file:///etc/passwd",
    ],
)
def test_addresses_of_other_origins(path: str) -> None:
    """An address with another scheme, host or port, or with a user's name, is refused: no key goes there."""
    with pytest.raises(OpenAIError, match="of another origin than base_url"):
        join_url("https://host/v1", path)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/../admin", "climb"),
        ("/a/./b", "climb"),
        ("/%2e%2E/admin", "climb"),
        ("/a b", "percent-encode"),
        ("/a\r\nHost: evil", "percent-encode"),
        ("/a#b", "percent-encode"),
        ("/a\\b", "percent-encode"),
        ("/gr\xfc\xdfe", "percent-encode"),
    ],
)
def test_paths_that_can_not_be(path: str, told: str) -> None:
    """A path that leaves its place, or that no address can hold, is refused before anything is sent."""
    with pytest.raises(OpenAIError, match=told):
        join_url("https://host/v1", path)


@pytest.mark.parametrize("value", ["", "plain", "with\ttab", "gr\xfc\xdfe", "Bearer sk-0"])
def test_header_values(value: str) -> None:
    """Text that a header may hold is left as it is."""
    assert header_value("x-any", value) == value


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\nX-Evil: 1", "a\0b", "a\x7fb", "\u2028", "snow\u2603"])
def test_header_values_that_can_not_be(value: str) -> None:
    """A line break, or what else no header holds, is refused without showing it: it may be a key."""
    with pytest.raises(OpenAIError, match="'x-any' holds a line break or another character") as caught:
        header_value("x-any", value)

    assert value not in str(caught.value)


@pytest.mark.parametrize("value", [5, None, b"bytes", ["list"]])
def test_header_values_of_other_types(value: object) -> None:
    """A header's value is a string."""
    with pytest.raises(TypeError, match="'x-any' must be a string"):
        header_value("x-any", value)


@pytest.mark.parametrize("name", ["", "with space", "colon:", "new\nline", "\xfcmlaut"])
def test_header_names_that_can_not_be(name: str) -> None:
    """A name that is no token is refused."""
    with pytest.raises(OpenAIError, match="can't be the name of a header"):
        header_value(name, "value")


def test_merged_headers() -> None:
    """Later layers win, whatever the case of the names; `omit` removes what was below it."""
    merged = merge_headers({"a": "1", "b": "1", "c": "1"}, {}, {"A": "2", "B": omit}, {"D": "3", "b": "4"})

    assert merged == {"a": "2", "c": "1", "d": "3", "b": "4"}


def plan(headers: dict[str, str]) -> Plan:
    """A plan with these headers."""
    return Plan(method="GET", url="http://h", headers=headers, body=None, timeout=Timeout(), max_retries=0)


@pytest.mark.parametrize(
    ("planned", "credentials", "sent"),
    [
        ({"authorization": KEY_PENDING}, {"authorization": "Bearer k"}, {"authorization": "Bearer k"}),
        ({"authorization": KEY_PENDING}, {}, {}),
        ({"authorization": "Basic mine"}, {"authorization": "Bearer k"}, {"authorization": "Basic mine"}),
        ({}, {"authorization": "Bearer k"}, {}),
        ({"authorization": KEY_PENDING, "api-key": KEY_PENDING}, {"api-key": "k"}, {"api-key": "k"}),
        ({"authorization": "Basic mine", "api-key": KEY_PENDING}, {}, {"authorization": "Basic mine"}),
    ],
    ids=["the key", "no key", "the caller's own", "omitted by the caller", "one of two", "none of two"],
)
def test_key_goes_where_it_is_wanted(
    planned: dict[str, str], credentials: dict[str, str], sent: dict[str, str]
) -> None:
    """The key is put in at the last moment, unless the caller gave another authorization, or omitted it."""
    assert plan(planned).request(credentials).headers == sent


def test_plan_is_not_used_up() -> None:
    """Each attempt has its own key; the plan knows none."""
    one = plan({"authorization": KEY_PENDING})
    one.request({"authorization": "Bearer first"})

    assert one.request({"authorization": "Bearer second"}).headers == {"authorization": "Bearer second"}


@pytest.mark.parametrize(
    ("params", "extra", "sent"),
    [
        ({"a": 1, "b": None}, None, {"a": 1, "b": None}),
        ({"a": omit, "b": not_given}, None, {}),
        ({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}, "e": 4}, {"a": 1, "b": {"d": 3}, "e": 4}),
        ({"a": 1}, {"a": omit}, {}),
        ({"a": 1}, omit, {"a": 1}),
    ],
)
def test_bodies(params: dict[str, Any], extra: object, sent: dict[str, Any]) -> None:
    """`extra_body` wins over the parameters, key by key; what is `omit` is not sent, None is null."""
    assert json.loads(encode_body(params, extra)) == sent


def test_extra_body_of_another_type() -> None:
    """`extra_body` is a mapping."""
    with pytest.raises(TypeError, match="extra_body must be a mapping, not list"):
        encode_body({}, [1])


class TestKeys:
    """Keys, and functions that give them."""

    async def test_string(self) -> None:
        """A key is itself."""
        assert await resolve_key("k") == "k"

    async def test_function(self) -> None:
        """A function gives the key, a coroutine function too."""

        async def later() -> str:
            return "k2"

        assert await resolve_key(lambda: "k1") == "k1"
        assert await resolve_key(later) == "k2"

    @pytest.mark.parametrize("answer", ["", None, 5, b"k"])
    async def test_function_that_gives_none(self, answer: Any) -> None:
        """What a function gives must be a string that is not empty; what it gave is not shown."""
        with pytest.raises(OpenAIError, match=f"it returned a {type(answer).__name__}"):
            await resolve_key(lambda: answer)

    async def test_function_that_fails(self) -> None:
        """A function's own error is behind ours, and its text, which may hold a secret, is not in ours."""

        def fail() -> str:
            raise ValueError("hunter2")

        with pytest.raises(OpenAIError, match=r"^api_key\(\) failed: ValueError$") as caught:
            await resolve_key(fail)

        assert isinstance(caught.value.__cause__, ValueError)

    async def test_function_that_fails_in_our_words(self) -> None:
        """An error of ours is not wrapped in another."""

        def fail() -> str:
            raise OpenAIError("log in first")

        with pytest.raises(OpenAIError, match=r"^log in first$"):
            await resolve_key(fail)
