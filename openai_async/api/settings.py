"""A client's settings: what its arguments and the environment say, checked.

Arguments and variables come in; values that can be used go out. Nothing here connects to anything, and no message
shows a key or a header's value.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from openai_async.errors import OpenAIError
from openai_async.transport.limits import Limiter
from openai_async.types.options import Omit, Timeout

from .arguments import check_text, mapping_of
from .request import ApiKey, header_value

if TYPE_CHECKING:
    from openai_async.hooks.hook import Hook, Hooks

__all__ = [
    "Changes",
    "DataResidency",
    "checked_header",
    "checked_hooks",
    "checked_key",
    "checked_limiter",
    "checked_retries",
    "choose_base_url",
    "custom_headers",
    "lower_names",
    "plain_limits",
    "refuse",
    "regional_url",
    "set_up_logging",
    "setting",
]

DataResidency: TypeAlias = Literal["global", "us", "eu", "ae", "au", "in", "jp"]

_BASE_URL: Final = "https://api.openai.com/v1"
# A Unix socket has no host; HTTP wants one all the same.
_SOCKET_URL: Final = "http://localhost/v1"
_REGIONS: Final[Mapping[str, str]] = {
    region: "https://api.openai.com/v1" if region == "global" else f"https://{region}.api.openai.com/v1"
    for region in ("global", "us", "eu", "ae", "au", "in", "jp")
}
# A plain answer comes when all of it is written: only its total can be limited.
_PLAIN_TOTAL: Final = 600.0

# Whoever sets up no logging reads nothing of ours: Python would else print warnings, without saying whose they are.
logging.getLogger("openai_async").addHandler(logging.NullHandler())

_LEVELS: Final = {"debug", "info", "warning", "error", "critical"}
_LOG_FORMAT: Final = "[%(asctime)s - %(name)s:%(lineno)d - %(levelname)s] %(message)s"

# What the official client takes and this one can't have, or has under another name.
_CONNECTIONS: Final = (
    "belongs to the connections, which a client shares with those made by with_options(): make another"
)
_FOREIGN: Final = {
    "http_client": "is httpx's; give session= (an aiohttp.ClientSession), transport=, proxy= or ssl_context= instead",
    "workload_identity": "is not supported; give api_key= a function that returns the token instead",
    "provider": "is not supported; give base_url= and api_key=, or use AsyncAzureOpenAI, instead",
    "webhook_secret": "is not supported: webhooks are no part of Chat Completions",
    "websocket_base_url": "is not supported: Chat Completions has no WebSockets; base_url= is what it takes",
    "_strict_response_validation": "is not supported; give a call cast_to= a type of your own, which is held to, instead",
}
_SHARED: Final = dict.fromkeys(("proxy", "ssl_context", "limit", "uds", "session", "transport"), _CONNECTIONS)


class Changes(TypedDict, total=False):
    """The settings that `with_options` changes; what is left out, or None where nothing else is said, stays."""

    api_key: ApiKey | None
    """The key, or a function that returns it."""

    admin_api_key: str | None
    """Kept for whoever asks; the Chat Completions API has no use for it."""

    organization: str | None
    """Sent as `openai-organization`."""

    project: str | None
    """Sent as `openai-project`."""

    base_url: str | None
    """Where the API is."""

    data_residency: DataResidency | None
    """OpenAI's address in a region, in the place of `base_url`."""

    timeout: float | Timeout | Omit | None
    """A `Timeout`, or the total in seconds; None: no limit."""

    max_retries: int | None
    """Attempts after the first, 0 or more."""

    default_headers: Mapping[str, str | Omit] | None
    """Headers added to those of the client."""

    set_default_headers: Mapping[str, str | Omit] | None
    """Headers in the place of those that the client was given."""

    default_query: Mapping[str, object] | None
    """Query parameters added to those of the client."""

    set_default_query: Mapping[str, object] | None
    """Query parameters in the place of those that the client was given."""

    limiter: Limiter | Omit | None
    """What lets requests through; None: nothing, from now on."""

    hooks: Iterable[Hook] | Omit | None
    """Functions that are told what happens, in the place of those of the client; None: none, from now on."""


def setting(given: str | None, variable: str) -> str | None:
    """Return an argument, or what the environment says in its place; None: neither, or nothing in it."""
    return given or os.environ.get(variable) or None


def checked_key(key: ApiKey, name: str = "api_key") -> ApiKey:
    """Return a key, or a function that gives one.

    Raises:
        OpenAIError: It can't be sent; the message does not show it.
        TypeError: It is neither a string nor a function.
    """
    if isinstance(key, str):
        return _fit(key, f"{name} holds a line break or another character that no key has; strip it")
    if not callable(key):
        raise TypeError(f"{name} must be a string or a function that returns one, not {type(key).__name__}")
    return key


def checked_header(text: str | None, name: str) -> str | None:
    """Return what is sent as a header, if it is given.

    Raises:
        OpenAIError: It can't be sent; the message does not show it.
        TypeError: It is no string.
    """
    if text is None:
        return None
    check_text(text, name)
    return _fit(text, f"{name} holds a line break or another character that a header can't; strip it")


def _fit(text: str, complaint: str) -> str:
    try:
        return header_value("x", text)
    except OpenAIError:
        raise OpenAIError(complaint) from None


def checked_limiter(limiter: Limiter | None) -> Limiter | None:
    """Return a limiter, if one is given.

    Raises:
        TypeError: It has no `acquire`.
    """
    if limiter is not None and (isinstance(limiter, type) or not callable(getattr(limiter, "acquire", None))):
        raise TypeError(
            f"limiter must have a method acquire(*, tokens), as a Limiter has, which {kind_of(limiter)} has not"
        )
    return limiter


def checked_hooks(hooks: Iterable[Hook] | None) -> Hooks | None:
    """Return hooks, if some are given, and one that logs where `OPENAI_LOG` is "debug"; None: there are none.

    Raises:
        TypeError: They are no list of functions.
    """
    debugs = os.environ.get("OPENAI_LOG", "").lower() == "debug"
    if hooks is None and not debugs:
        return None
    from openai_async.hooks.hook import Hooks  # noqa: PLC0415 - most clients have none
    from openai_async.hooks.lines import LoggingHook  # noqa: PLC0415 - likewise

    return Hooks(() if hooks is None else hooks, *([LoggingHook()] if debugs else [])) or None


def kind_of(value: object) -> str:
    """How errors call a value that they do not show."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def checked_retries(retries: Any) -> int:
    """Return a number of retries.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below 0.
    """
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise TypeError(f"max_retries must be a whole number, not {type(retries).__name__}; 0 turns retries off")
    if retries < 0:
        raise ValueError("max_retries must be 0 or more; 0 turns retries off")
    return retries


def regional_url(residency: object, base_url: str | None) -> str | None:
    """Return `base_url`, or the address of the region in its place.

    Raises:
        ValueError: Both are given, or there is no such region.
    """
    if residency is None:
        return base_url
    if base_url is not None:
        raise ValueError("data_residency and base_url are two ways to say the same; give one of them")
    if not isinstance(residency, str) or residency not in _REGIONS:
        raise ValueError(f"data_residency must be one of {', '.join(map(repr, _REGIONS))}")
    return _REGIONS[residency]


def choose_base_url(given: str | None, residency: object, *, unix: bool = False) -> str:
    """Return the address of the API, a string: as given, of the region, the environment's, or the default.

    Args:
        given: The `base_url`, if any.
        residency: The region, if any.
        unix: Whether requests go to a Unix socket: then the default is no address of OpenAI's.

    Raises:
        TypeError: `base_url` is no string.
        ValueError: As `regional_url`.
    """
    if given is not None:
        check_text(given, "base_url")
    return setting(regional_url(residency, given), "OPENAI_BASE_URL") or (_SOCKET_URL if unix else _BASE_URL)


def custom_headers() -> dict[str, str]:
    """Return the headers that `OPENAI_CUSTOM_HEADERS` names, one a line (`name: value`), names in lower case.

    Raises:
        OpenAIError: A line is none; the message has its number, and does not show it.
    """
    headers: dict[str, str] = {}
    for number, line in enumerate(os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n"), 1):
        if not line.strip():
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        try:
            headers[name.lower()] = header_value(name, value if colon else None)
        except (OpenAIError, TypeError):
            raise OpenAIError(
                f"line {number} of the environment variable OPENAI_CUSTOM_HEADERS is no header of the form 'name: value'"
            ) from None
    return headers


def lower_names(headers: object, argument: str = "headers") -> dict[str, str | Omit]:
    """Return headers, checked, with their names in lower case; of those that differ in case only the last one.

    Args:
        headers: A mapping, or None.
        argument: Where they were given, for errors.

    Raises:
        OpenAIError, TypeError: As `header_value`; or it is no mapping.
    """
    checked: dict[str, str | Omit] = {}
    for name, value in mapping_of(headers, argument).items():
        text = header_value(name, "" if isinstance(value, Omit) else value, argument)
        checked[name.lower()] = value if isinstance(value, Omit) else text
    return checked


@lru_cache
def plain_limits(timeout: Timeout) -> Timeout:
    """Return the limits of a plain call, which has no token to wait for: 600 s in all, unless it says otherwise."""
    total = timeout.total
    if total is None and timeout != Timeout.of(None):
        total = _PLAIN_TOTAL
    return Timeout(connect=timeout.connect, first_token=None, idle=None, total=total, pool=timeout.pool)


def refuse(function: str, arguments: Mapping[str, object], *, known: frozenset[str] = frozenset()) -> None:
    """Refuse the arguments that a client does not take, unless they are left as the official client has them.

    Args:
        function: What the message calls who takes them.
        arguments: Those that are not among the function's own.
        known: Names of its own, of which the closest one is told.

    Raises:
        TypeError: One of them is unknown, or can't be had; the message says what there is instead.
    """
    reasons = {**_SHARED, **_FOREIGN}
    for name, value in arguments.items():
        if name not in reasons:
            from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

            close = get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{function}() has no argument {name!r}{hint}")
        if not (value is None or value is False or isinstance(value, Omit)):
            raise TypeError(f"{function}({name}=...) {reasons[name]}")


def set_up_logging() -> None:
    """Do what `OPENAI_LOG` says (debug, info, warning, error, critical): set the level, and see that it shows.

    A handler is added if there is none, neither the package's nor the application's. Any other value does nothing.
    """
    level = os.environ.get("OPENAI_LOG", "").lower()
    if level not in _LEVELS:
        return
    log = logging.getLogger("openai_async")
    log.setLevel(level.upper())
    if all(isinstance(handler, logging.NullHandler) for logger in (log, log.root) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_LOG_FORMAT, "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
