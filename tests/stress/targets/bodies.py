"""Bodies of plain answers: JSON to objects, refusals to errors, pages to items."""

from __future__ import annotations

import copy
import json
import pickle
import re
from contextlib import suppress
from random import Random
from typing import Any, TypedDict

import msgspec

from openai_async.api.answers import caster_of, read_completion, read_model
from openai_async.api.response import ResponseInfo
from openai_async.errors import APIError, APIStatusError
from openai_async.protocol import codec, failures
from openai_async.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionDeleted
from openai_async.types.json import is_deep, is_object
from stress.inputs.seeds import body

from .chunks import check_completion
from .target import Target, check_error, finite, same

__all__ = ["BODIES"]


class _Mine(ChatCompletion):
    """A type derived from the package's."""


class _Head(msgspec.Struct):
    """A type of one's own."""

    id: str
    created: int | None = None


class _Loose(TypedDict, total=False):
    """Another one."""

    id: str
    choices: list[dict[str, Any]]


_STATUSES = [400, 401, 403, 404, 408, 409, 413, 418, 422, 429, 500, 502, 503, 529, 599, 301, 307, 100, 199, 304]
_CASTS = [
    bytes,
    str,
    dict,
    list,
    object,
    Any,
    _Mine,
    ChatCompletionChunk,
    _Head,
    _Loose,
    list[_Head],
    int,
    dict[str, Any],
]
_HEADERS = [
    {},
    {"x-request-id": "r-1", "content-type": "text/html"},
    {"location": "http://elsewhere/" * 100, "retry-after": "1"},
]


def _check(data: bytes, rng: Random) -> str:
    value = _check_loads(data)
    _check_decode(data)
    headers = rng.choice(_HEADERS)
    _check_failures(data, value, rng.choice(_STATUSES), headers)
    info = ResponseInfo(200, headers)
    label = "no completion"
    with suppress(APIError):
        check_completion(_checked(read_completion, data, info))
        label = "a completion"
    with suppress(APIError):
        deleted = _checked(read_model, ChatCompletionDeleted, data, info)
        assert same(ChatCompletionDeleted.from_dict(deleted.to_dict()).to_dict(), deleted.to_dict())
    with suppress(APIError):
        repr(_checked(caster_of(rng.choice(_CASTS)), data, info))
    return label


def _checked(read: Any, *arguments: Any) -> Any:
    """Call `read`; hold what it raises against what is said of errors."""
    try:
        return read(*arguments)
    except APIError as error:
        check_error(error)
        raise


def _check_loads(data: bytes) -> Any:
    """What Python reads, we read, and to the same value, unless it is too deep; else it is a `ValueError`."""
    value, read = None, False
    with suppress(ValueError):
        value, read = codec.loads(data), True
    assert not is_deep(value), "it is deeper than it may be"
    with suppress(ValueError, RecursionError):
        said = json.loads(data.decode())
        assert same(value, _printable(said)) if read else is_deep(said), "Python reads another value"
    return value


def _printable(value: Any) -> Any:
    """The value with U+FFFD for each half of a character."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if is_object(value):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [*map(_printable, value)] if isinstance(value, list) else value


def _check_decode(data: bytes) -> None:
    try:
        completion = codec.decode(data, ChatCompletion)
    except ValueError:
        return
    check_completion(completion)
    assert same(pickle.loads(pickle.dumps(completion)), completion), "pickled it is another"
    assert same(completion.model_copy(deep=True), completion), "its copy is another"
    for choice in completion.choices:
        message = choice.message
        param = message.to_param()
        assert param["role"] == "assistant"
        if finite(param):
            codec.dumps(param)
            assert same(codec.plain(param), codec.plain(message)), "sent as it is it is another"
        assert message.content is None or isinstance(message.content, str)
    before = copy.deepcopy(completion)
    completion.to_json()
    assert same(before, completion), "looking at it changed it"


def _check_failures(data: bytes, value: Any, status: int, headers: dict[str, str]) -> None:
    error = failures.from_response(status, headers, data)
    check_error(error)
    assert isinstance(error, APIStatusError)
    assert error.status_code == status
    assert error.message
    assert error.partial is None
    wanted = error.default_status
    assert wanted is None or wanted == status or (wanted == 500 and status > 500), "a class of another status"
    if is_object(value):
        for name in (None, "error", "ping"):
            found = failures.stream_error(value, name)
            if found is not None:
                check_error(failures.from_event(found, headers=headers))
    else:
        check_error(failures.from_event(value, headers=headers))


BODIES = Target("bodies", 13, body, _check)
