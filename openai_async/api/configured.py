"""What settings make of a call: the headers, the address and the limits that its attempts share.

A client's settings come in, checked and kept; plans of requests go out, and copies with other settings. Nothing here
sends anything.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from openai_async.errors import OpenAIError
from openai_async.protocol import codec
from openai_async.transport.limits import Limiter
from openai_async.types.options import Omit, RequestOptions, Timeout, not_given, omit
from openai_async.version import __version__

from .address import build_url, check_base_url, join_url
from .arguments import check_text, mapping_of
from .request import KEY_PENDING, ApiKey, Plan, merge_headers
from .settings import (
    Changes,
    checked_header,
    checked_hooks,
    checked_key,
    checked_limiter,
    checked_retries,
    custom_headers,
    lower_names,
    plain_limits,
    refuse,
    regional_url,
    setting,
)

if TYPE_CHECKING:
    from openai_async.hooks.hook import Hooks

__all__ = ["Configured"]

_NO_KEY = (
    "There is no API key. Pass api_key=..., or set the environment variable OPENAI_API_KEY; "
    'for a server that wants none, pass api_key="".'
)

_USER_AGENT = f"openai-async-sdk/{__version__} Python/{sys.version_info[0]}.{sys.version_info[1]}"
_STREAM_HEADERS = {"accept": "text/event-stream, application/json", "accept-encoding": "identity"}
_PLAIN_HEADERS = {"accept": "application/json", "accept-encoding": "gzip, deflate"}
_CHANGES = frozenset(Changes.__annotations__)


class Configured:
    """Settings, which do not change, and the plans that they make.

    Args:
        api_key, admin_api_key, organization, project, timeout, max_retries, default_headers, default_query: As
            `AsyncOpenAI` takes them; None is what the environment says.
        base_url: Chosen already.
        enforce_credentials: Whether it is an error to have no key.

    Raises:
        OpenAIError, TypeError, ValueError: As `AsyncOpenAI`.
    """

    # Those of the headers in which a key may go; all of them pending, there has to be one.
    _key_headers: ClassVar[tuple[str, ...]] = ("authorization",)

    _no_key: ClassVar[str] = _NO_KEY
    _limiter: Limiter | None = None
    _hooks: Hooks | None = None

    def __init__(
        self,
        *,
        api_key: ApiKey | None,
        admin_api_key: str | None,
        organization: str | None,
        project: str | None,
        base_url: str,
        timeout: float | Timeout | Omit | None,
        max_retries: int,
        default_headers: Mapping[str, str | Omit] | None,
        default_query: Mapping[str, object] | None,
        enforce_credentials: bool,
    ) -> None:
        self._admin_api_key = setting(_text(admin_api_key, "admin_api_key"), "OPENAI_ADMIN_KEY")
        key = api_key if api_key is not None else setting(None, "OPENAI_API_KEY")
        if key is None and self._admin_api_key is None and enforce_credentials:
            raise OpenAIError(self._no_key)
        self._key = None if key is None else checked_key(key)
        self._asks: dict[str, str] | None = None
        self._organization = checked_header(
            setting(_text(organization, "organization"), "OPENAI_ORG_ID"), "organization"
        )
        self._project = checked_header(setting(_text(project, "project"), "OPENAI_PROJECT_ID"), "project")
        self._base_url = check_base_url(base_url)
        self._timeout = Timeout() if isinstance(timeout, Omit) else Timeout.of(timeout)
        self._max_retries = checked_retries(max_retries)
        self._custom_headers = custom_headers()
        self._default_headers = lower_names(default_headers, "default_headers")
        self._default_query = _query(default_query, "default_query")
        self._headers = self._make_headers()

    # What the client was made with; `with_options` makes one with other settings.

    @property
    def api_key(self) -> str:
        """The key; "" where there is none, or a function gives it."""
        return self._key if isinstance(self._key, str) else ""

    @property
    def admin_api_key(self) -> str | None:
        """The key for administration, which no method uses; None: none."""
        return self._admin_api_key

    @property
    def organization(self) -> str | None:
        """Sent as `openai-organization`; None: not sent."""
        return self._organization

    @property
    def project(self) -> str | None:
        """Sent as `openai-project`; None: not sent."""
        return self._project

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at its end."""
        return self._base_url

    @property
    def timeout(self) -> Timeout:
        """The limits of a call, in seconds."""
        return self._timeout

    @property
    def max_retries(self) -> int:
        """Attempts after the first."""
        return self._max_retries

    def _make_headers(self) -> tuple[dict[str, str], dict[str, str]]:
        """The headers of plain calls and of streams."""
        own: dict[str, str | None] = {
            **dict.fromkeys(self._key_headers, KEY_PENDING),
            "user-agent": _USER_AGENT,
            "content-type": "application/json",
            "openai-organization": self.organization,
            "openai-project": self.project,
        }
        sent = {name: value for name, value in own.items() if value is not None}
        given = {**self._custom_headers, **self._default_headers}
        plain, stream = ({**accept, **sent} for accept in (_PLAIN_HEADERS, _STREAM_HEADERS))
        return merge_headers({}, plain, given), merge_headers({}, stream, given)

    def with_options(self, **changes: Unpack[Changes]) -> Self:
        """Return a client with other settings and the same connections; arguments left out stay as they are.

        `default_headers` and `default_query` are added to this client's, `set_default_headers` and
        `set_default_query` take their place. Closing either of the two closes the connections of both.

        Raises:
            OpenAIError, TypeError, ValueError: As when a client is made; and of two ways to set the same both are given.
        """
        return self._twin(changes)

    copy = with_options

    def _twin(self, changes: Mapping[str, Any]) -> Self:
        """Return a client with these of `Changes`."""
        refuse("with_options", {name: changes[name] for name in changes if name not in _CHANGES}, known=_CHANGES)
        given = changes.get
        for name in ("default_headers", "default_query"):
            if given(name) is not None and given(f"set_{name}") is not None:
                raise ValueError(f"{name} adds and set_{name} replaces; give one of them")
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._key = self._key if given("api_key") is None else checked_key(changes["api_key"])
        twin._asks = None
        twin._admin_api_key = _text(given("admin_api_key"), "admin_api_key") or self.admin_api_key
        twin._organization = checked_header(given("organization"), "organization") or self.organization
        twin._project = checked_header(given("project"), "project") or self.project
        base_url = regional_url(given("data_residency"), given("base_url"))
        twin._base_url = self.base_url if base_url is None else check_base_url(base_url)
        timeout = given("timeout", not_given)
        twin._timeout = self.timeout if isinstance(timeout, Omit) else Timeout.of(timeout)
        retries = given("max_retries")
        twin._max_retries = self.max_retries if retries is None else checked_retries(retries)
        headers, query = given("set_default_headers"), given("set_default_query")
        twin._default_headers = {
            **(self._default_headers if headers is None else lower_names(headers, "set_default_headers")),
            **lower_names(given("default_headers"), "default_headers"),
        }
        twin._default_query = {
            **(self._default_query if query is None else _query(query, "set_default_query")),
            **_query(given("default_query"), "default_query"),
        }
        limiter = given("limiter", not_given)
        twin._limiter = self._limiter if isinstance(limiter, Omit) else checked_limiter(limiter)
        hooks = given("hooks", not_given)
        twin._hooks = self._hooks if isinstance(hooks, Omit) else checked_hooks(hooks)
        twin._headers = twin._make_headers()
        return twin

    def _plan(
        self,
        method: str,
        path: str,
        body: bytes | None,
        options: RequestOptions,
        *,
        stream: bool,
        model: str | None = None,
    ) -> Plan:
        """Work out everything about a call that its attempts share.

        Args:
            method: In capitals.
            path: Under `base_url`.
            body: As it is sent.
            options: The caller's.
            stream: Whether the answer may be a stream.
            model: What the body asks for; it is part of the address of some services.
        """
        retries = options.get("max_retries")
        asked: Any = options.get("idempotency_key")
        idempotency_key = None if isinstance(asked, Omit) else checked_header(asked, "idempotency_key")
        changes: dict[str, Any] = {}
        if body is None:
            changes["content-type"] = omit
        if idempotency_key is not None:
            changes["idempotency-key"] = idempotency_key
        if options.get("extra_headers") is not None:
            changes |= lower_names(options.get("extra_headers"), "extra_headers")
        headers, query = self._headers[stream], self._default_query
        if changes:
            headers = merge_headers(headers, changes)
        if options.get("extra_query") is not None:
            query = {**query, **_query(options.get("extra_query"), "extra_query")}
        given = options.get("timeout", not_given)
        timeout = self.timeout if isinstance(given, Omit) else Timeout.of(given)
        return Plan(
            method=method,
            url=build_url(self._route(path, model), query),
            headers=headers,
            body=body,
            timeout=timeout if stream else plain_limits(timeout),
            max_retries=self.max_retries if retries is None else checked_retries(retries),
        )

    def _route(self, path: str, model: str | None) -> str:  # noqa: ARG002 - for services that want it
        """Return the address of a path, without the query of settings and options."""
        return join_url(self.base_url, path)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"a client's settings don't change; make another with client.with_options({name}=...)")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        # Without its query, where some gateways have their key.
        return f"<{type(self).__name__} base_url={self.base_url.partition('?')[0]!r}>"


def _text(value: str | None, name: str) -> str | None:
    """A setting that is a string, if it is given."""
    if value is not None:
        check_text(value, name)
    return value


def _query(given: object, name: str) -> dict[str, Any]:
    """What is to stand in a query, as plain data of our own: changing what was given changes nothing."""
    query: dict[str, Any] = codec.plain(mapping_of(given, name), name)
    return query
