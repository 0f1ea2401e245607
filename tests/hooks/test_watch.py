"""What a request asks for: its operation by the route, its parameters without texts."""

from __future__ import annotations

import msgspec
import pytest

from openai_async.api.watch import operation_of, parameters_of


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/chat/completions", "chat.completions.create"),
        ("POST", "/v1/chat/completions/", "chat.completions.create"),
        ("POST", "/openai/deployments/d/chat/completions", "chat.completions.create"),
        ("GET", "/v1/chat/completions", "chat.completions.list"),
        ("GET", "/v1/chat/completions/chatcmpl-1", "chat.completions.retrieve"),
        ("POST", "/v1/chat/completions/chatcmpl-1", "chat.completions.update"),
        ("DELETE", "/v1/chat/completions/chatcmpl-1", "chat.completions.delete"),
        ("GET", "/v1/chat/completions/chatcmpl-1/messages", "chat.completions.messages.list"),
        ("GET", "/v1/chat/completions/chatcmpl-1/other", "get"),
        ("PUT", "/v1/chat/completions", "put"),
        ("GET", "/v1/models", "get"),
        ("POST", "/v1/completions", "post"),
        ("GET", "/", "get"),
    ],
)
def test_operations(method: str, path: str, operation: str) -> None:
    """The route names the operation; of routes without a method of their own the HTTP method does."""
    assert operation_of(method, path) == operation


def test_parameters() -> None:
    """What is no text and names nobody is told, by the API's names; of a response format its type."""
    body = {
        "model": "m",
        "stream": True,
        "temperature": 0.5,
        "stop": ["a"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "private"}},
        "messages": [{"role": "user", "content": "private"}],
        "tools": [{"type": "function"}],
        "user": "private",
        "metadata": {"name": "private"},
        "prompt_cache_key": "private",
        "safety_identifier": "private",
        "unheard_of": "private",
    }

    assert parameters_of(msgspec.json.encode(body)) == {
        "model": "m",
        "stream": True,
        "temperature": 0.5,
        "stop": ["a"],
        "response_format": "json_schema",
    }


@pytest.mark.parametrize("body", [None, b"", b"[]", b"nonsense", b'{"model"', b"\xff", b'"text"', b'{"n": 1e999}'])
def test_bodies_that_ask_for_nothing(body: bytes | None) -> None:
    """What is no object of JSON has no parameters."""
    assert parameters_of(body) == {}
