"""`client.get`, `client.post` and the like: routes of the API that have no method of their own.

A path, a body and options come in; a `Call` goes out, as from every method. Credentials go to the client's own origin
and to no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, TypedDict, TypeVar, Unpack, cast, overload

from openai_async.protocol import codec
from openai_async.types.chunk import ChatCompletionChunk
from openai_async.types.options import Omit, RequestOptions, Timeout

from .answers import caster_of
from .arguments import check_flag, check_names, check_text, mapping_of
from .call import Call
from .request import Sender, encode_body
from .sending import PlainSending, StreamSending
from .stream import ChatStream, cast_stream

__all__ = ["OfficialOptions", "VerbParams", "Verbs"]

T = TypeVar("T")

_METHOD = re.compile(r"[A-Za-z]+")


class OfficialOptions(TypedDict, total=False):
    """The options of a request as the official SDK's `options=` names them."""

    headers: Mapping[str, str | Omit]
    """The same as `extra_headers`."""

    params: Mapping[str, object]
    """The same as `extra_query`."""

    extra_json: Mapping[str, object]
    """The same as `extra_body`."""

    timeout: float | Timeout | Omit | None
    """The same as `timeout`."""

    max_retries: int
    """The same as `max_retries`."""

    idempotency_key: str
    """The same as `idempotency_key`."""


class VerbParams(RequestOptions, total=False):
    """What `get`, `post` and the like take beside the path and `cast_to`."""

    body: object
    """Sent as JSON; `bytes` as they are; None: no body."""

    options: OfficialOptions
    """The official SDK's way to give options; those given as arguments win over it."""


_NAMES = frozenset(VerbParams.__annotations__)
_OPTIONS = frozenset(RequestOptions.__annotations__)
_OFFICIAL = {
    "headers": "extra_headers",
    "params": "extra_query",
    "extra_json": "extra_body",
    "timeout": "timeout",
    "max_retries": "max_retries",
    "idempotency_key": "idempotency_key",
}


class Verbs(Sender):
    """The methods of a client for routes without a method of their own.

    All of them take:

    Args:
        path: Under `base_url`, as in `client.get("/models")`, perhaps with a query; or an address of the same origin.
        cast_to: What the answer becomes: a struct, a dataclass, a TypedDict, a pydantic model, a type of this package,
            `dict`, `str`, `bytes` …; None: plain JSON data.
        stream: Whether the answer is a stream of completion chunks; the body has to ask for it.
        params: The body, and the options of `RequestOptions`; or `options=`, a dict, as the official SDK has it.

    Returns:
        A call to await, or to enter with `async with`. It gives the answer, or with `stream=True` a `ChatStream`; its
        `raw()` gives the response with its head.

    Raises:
        TypeError: An argument is unknown, or can't be sent.
        ValueError: A number or a text can't be sent.
        OpenAIError: The path is none, or an address of another origin. From the call: whatever goes wrong.
    """

    @overload
    def request(
        self, method: str, path: str, *, cast_to: type[T], stream: Literal[False] = False, **params: Unpack[VerbParams]
    ) -> Call[T]: ...
    @overload
    def request(
        self, method: str, path: str, *, stream: Literal[True], **params: Unpack[VerbParams]
    ) -> Call[ChatStream[ChatCompletionChunk]]: ...
    @overload
    def request(
        self, method: str, path: str, *, cast_to: type[T], stream: Literal[True], **params: Unpack[VerbParams]
    ) -> Call[ChatStream[T]]: ...
    @overload
    def request(
        self, method: str, path: str, *, cast_to: None = None, stream: bool = False, **params: Unpack[VerbParams]
    ) -> Call[Any]: ...
    def request(self, method: str, path: str, *, cast_to: Any = None, stream: bool = False, **params: Any) -> Call[Any]:
        """Send a request of any method; see `Verbs`."""
        check_text(method, "method")
        if not _METHOD.fullmatch(method):
            raise TypeError("the method of a request is a word such as 'GET'")
        return _call(self, method.upper(), path, cast_to, params, stream=stream, name="request")

    @overload
    def get(
        self, path: str, *, cast_to: type[T], stream: Literal[False] = False, **params: Unpack[VerbParams]
    ) -> Call[T]: ...
    @overload
    def get(
        self, path: str, *, stream: Literal[True], **params: Unpack[VerbParams]
    ) -> Call[ChatStream[ChatCompletionChunk]]: ...
    @overload
    def get(
        self, path: str, *, cast_to: type[T], stream: Literal[True], **params: Unpack[VerbParams]
    ) -> Call[ChatStream[T]]: ...
    @overload
    def get(
        self, path: str, *, cast_to: None = None, stream: bool = False, **params: Unpack[VerbParams]
    ) -> Call[Any]: ...
    def get(self, path: str, *, cast_to: Any = None, stream: bool = False, **params: Any) -> Call[Any]:
        """Send a GET; see `Verbs`."""
        return _call(self, "GET", path, cast_to, params, stream=stream, name="get")

    @overload
    def post(
        self, path: str, *, cast_to: type[T], stream: Literal[False] = False, **params: Unpack[VerbParams]
    ) -> Call[T]: ...
    @overload
    def post(
        self, path: str, *, stream: Literal[True], **params: Unpack[VerbParams]
    ) -> Call[ChatStream[ChatCompletionChunk]]: ...
    @overload
    def post(
        self, path: str, *, cast_to: type[T], stream: Literal[True], **params: Unpack[VerbParams]
    ) -> Call[ChatStream[T]]: ...
    @overload
    def post(
        self, path: str, *, cast_to: None = None, stream: bool = False, **params: Unpack[VerbParams]
    ) -> Call[Any]: ...
    def post(self, path: str, *, cast_to: Any = None, stream: bool = False, **params: Any) -> Call[Any]:
        """Send a POST; see `Verbs`."""
        return _call(self, "POST", path, cast_to, params, stream=stream, name="post")

    @overload
    def put(self, path: str, *, cast_to: type[T], **params: Unpack[VerbParams]) -> Call[T]: ...
    @overload
    def put(self, path: str, *, cast_to: None = None, **params: Unpack[VerbParams]) -> Call[Any]: ...
    def put(self, path: str, *, cast_to: Any = None, **params: Any) -> Call[Any]:
        """Send a PUT; see `Verbs`."""
        return _call(self, "PUT", path, cast_to, params, stream=False, name="put")

    @overload
    def patch(self, path: str, *, cast_to: type[T], **params: Unpack[VerbParams]) -> Call[T]: ...
    @overload
    def patch(self, path: str, *, cast_to: None = None, **params: Unpack[VerbParams]) -> Call[Any]: ...
    def patch(self, path: str, *, cast_to: Any = None, **params: Any) -> Call[Any]:
        """Send a PATCH; see `Verbs`."""
        return _call(self, "PATCH", path, cast_to, params, stream=False, name="patch")

    @overload
    def delete(self, path: str, *, cast_to: type[T], **params: Unpack[VerbParams]) -> Call[T]: ...
    @overload
    def delete(self, path: str, *, cast_to: None = None, **params: Unpack[VerbParams]) -> Call[Any]: ...
    def delete(self, path: str, *, cast_to: Any = None, **params: Any) -> Call[Any]:
        """Send a DELETE; see `Verbs`."""
        return _call(self, "DELETE", path, cast_to, params, stream=False, name="delete")


def _call(
    client: Sender, method: str, path: str, cast_to: Any, params: dict[str, Any], *, stream: bool, name: str
) -> Call[Any]:
    check_names(name, params, _NAMES)
    check_flag(stream, f"{name}(stream=...)")
    options = _options(name, params)
    body: object = params.get("body")
    model, choices = _asked(body)
    plan = client._plan(method, path, _encode(body, options.get("extra_body")), options, stream=stream, model=model)
    sending: Any
    if stream:
        wrap: Any = ChatStream[Any] if cast_to is None else partial(cast_stream, caster_of(cast_to))
        sending = StreamSending(client, plan, wrap, choices=choices, keep_data=cast_to is not None)
    else:
        sending = PlainSending(client, plan, caster_of(cast_to))
    return Call[Any].of(sending, name=name)


def _options(name: str, params: Mapping[str, Any]) -> RequestOptions:
    """Return the options, given in either way, by our names."""
    official = mapping_of(params.get("options"), f"{name}(options=...)")
    check_names(f"{name}(options=...)", official, frozenset(_OFFICIAL))
    options = {_OFFICIAL[option]: value for option, value in official.items()}
    options |= {option: value for option, value in params.items() if option in _OPTIONS}
    return cast("RequestOptions", options)


def _asked(body: object) -> tuple[str | None, int]:
    """Return the model that a body asks for, if it names one, and how many answers it wants."""
    if not isinstance(body, Mapping):
        return None, 1
    asked = cast("Mapping[str, Any]", body)
    model, choices = asked.get("model"), asked.get("n")
    return model if isinstance(model, str) else None, choices if isinstance(choices, int) else 1


def _encode(body: object, extra: object) -> bytes | None:
    more = mapping_of(extra, "extra_body")
    if body is None or isinstance(body, Omit):
        return encode_body({}, more) if more else None
    if more and not isinstance(body, Mapping):
        raise TypeError(f"extra_body goes into a body that is a mapping, not into a {type(body).__name__}")
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if more:
        return encode_body(cast("Mapping[str, Any]", body), more)
    return codec.dumps(body, "body")
