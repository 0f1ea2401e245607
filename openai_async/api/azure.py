"""`AsyncAzureOpenAI`: the same API at Azure, where deployments have addresses and keys have another header.

Azure's settings come in beside those of `AsyncOpenAI`; the same methods go out. What differs is the address, the
`api-version` in each query, and how the client says who it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, environ
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict, Unpack
from urllib.parse import quote, unquote, urlsplit

from openai_async.errors import OpenAIError
from openai_async.protocol import codec
from openai_async.transport.limits import Limiter
from openai_async.transport.message import Transport
from openai_async.transport.redaction import Secret
from openai_async.types.options import Omit, Timeout

from .address import check_base_url, join_url
from .arguments import check_text, mapping_of
from .client import AsyncOpenAI
from .request import ApiKey, header_value, resolve_key
from .settings import Changes, checked_key, setting

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai_async.hooks.hook import Hook
    from openai_async.transport.session import ClientSession

__all__ = ["AsyncAzureOpenAI", "AzureChanges", "AzureSettings"]

# What Azure has under each deployment; everything else is beside the deployments.
_OF_DEPLOYMENTS = frozenset(
    {
        "/audio/speech",
        "/audio/transcriptions",
        "/audio/translations",
        "/chat/completions",
        "/completions",
        "/embeddings",
        "/images/edits",
        "/images/generations",
    }
)
_SUB_DELIMITERS = "!$&'()*+,;=:@"  # RFC 3986, section 3.3: a path's segment holds them as they are


class AzureSettings(TypedDict, total=False):
    """What `AsyncAzureOpenAI` takes as `AsyncOpenAI` does; explained there."""

    admin_api_key: str | None
    organization: str | None
    project: str | None
    timeout: float | Timeout | Omit | None
    max_retries: int
    default_headers: Mapping[str, str | Omit] | None
    proxy: str | None
    ssl_context: SSLContext | None
    uds: str | PathLike[str] | None
    limit: int
    session: ClientSession | None
    transport: Transport | None
    limiter: Limiter | None
    hooks: Iterable[Hook] | None


class AzureChanges(Changes, total=False):
    """The settings that `with_options` changes."""

    api_version: str | None
    """Sent as `api-version` in each query."""

    azure_ad_token: str | None
    """A token of Microsoft Entra ID, in the place of key, token and provider."""

    azure_ad_token_provider: ApiKey | None
    """A function that returns one, likewise."""


class AsyncAzureOpenAI(AsyncOpenAI):
    """A client of the Chat Completions API at Azure.

        async with AsyncAzureOpenAI(azure_endpoint="https://mine.openai.azure.com", api_version="2024-10-21") as client:
            completion = await client.chat.completions.create(model="my-deployment", messages=…)

    `model` is the deployment's name, which becomes part of the address. Exactly one credential is used: a key, a token,
    or a provider of tokens; those given as arguments win over the environment's.

    Args:
        azure_endpoint: Address of the resource; None: `AZURE_OPENAI_ENDPOINT`. Either it or `base_url`.
        azure_deployment: One deployment for all completions, whatever `model` says; needs `azure_endpoint`.
        api_version: Sent with each request; None: `OPENAI_API_VERSION`.
        api_key: Sent as `api-key`; a function that returns it is called before each attempt. None:
            `AZURE_OPENAI_API_KEY`.
        azure_ad_token: A token of Microsoft Entra ID, sent as `Authorization: Bearer`; None: `AZURE_OPENAI_AD_TOKEN`.
        azure_ad_token_provider: A function, sync or async, that returns one, called before each attempt; after a 401
            it is asked once more.
        base_url: The whole address under which paths are, with the deployment if there is to be one.
        default_query: Added to every request's query, beside the version.
        settings: As `AsyncOpenAI` takes them.

    Raises:
        OpenAIError: There is no credential, or more than one; or as `AsyncOpenAI`.
        TypeError: As `AsyncOpenAI`.
        ValueError: There is no version, no address, or two; or as `AsyncOpenAI`.
    """

    _key_headers: ClassVar[tuple[str, ...]] = ("api-key", "authorization")
    _no_key: ClassVar[str] = (
        "There are no credentials. Pass api_key=..., azure_ad_token=... or azure_ad_token_provider=..., or set the "
        "environment variable AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN."
    )

    def __init__(
        self,
        *,
        azure_endpoint: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        api_key: ApiKey | None = None,
        azure_ad_token: str | None = None,
        azure_ad_token_provider: ApiKey | None = None,
        base_url: str | None = None,
        default_query: Mapping[str, object] | None = None,
        _enforce_credentials: bool = True,
        **settings: Unpack[AzureSettings],
    ) -> None:
        if "data_residency" in settings:
            raise TypeError("AsyncAzureOpenAI() has no data_residency: the resource is where azure_endpoint says")
        _check_texts(
            azure_endpoint=azure_endpoint,
            azure_deployment=azure_deployment,
            api_version=api_version,
            base_url=base_url,
        )
        credential = _credential(api_key, azure_ad_token, azure_ad_token_provider) or _from_environment()
        if credential is None and _enforce_credentials:
            raise OpenAIError(self._no_key)
        version = api_version or environ.get("OPENAI_API_VERSION")
        if not version:
            raise ValueError(
                "There is no version. Pass api_version=..., or set the environment variable OPENAI_API_VERSION."
            )
        base_url = base_url or None  # else the address would be OpenAI's, and get Azure's key
        endpoint = _endpoint(azure_endpoint, base_url)
        self._endpoint = endpoint if azure_deployment is not None else None
        self._is_token = credential is not None and credential[1]
        if azure_deployment is not None and endpoint is not None:
            base_url = join_url(endpoint, f"/deployments/{_segment(azure_deployment, 'azure_deployment')}")
        others: Any = settings  # it may hold, unseen by a type checker, what the base refuses
        super().__init__(
            api_key="" if credential is None else credential[0],
            base_url=base_url or endpoint,
            default_query={**mapping_of(default_query, "default_query"), "api-version": version},
            **others,
        )
        if credential is None:
            self._key = None

    # The base's keywords are a closed set, to which this one adds; pyright takes them for one value of any name.
    def with_options(  # pyright: ignore[reportIncompatibleMethodOverride] - see above
        self, **changes: Unpack[AzureChanges]
    ) -> Self:
        """Return a client with other settings and the same connections; see `AsyncOpenAI.with_options`.

        A credential takes the place of the one before, of whatever kind.

        Raises:
            OpenAIError, TypeError, ValueError: As when a client is made.
        """
        if changes.get("data_residency") is not None:
            raise TypeError("AsyncAzureOpenAI has no data_residency: the resource is where azure_endpoint says")
        version = changes.pop("api_version", None)
        _check_texts(api_version=version)
        version = version or self._default_query["api-version"]
        token = changes.pop("azure_ad_token", None)
        provider = changes.pop("azure_ad_token_provider", None)
        credential = _credential(changes.pop("api_key", None), token, provider)
        twin = self._twin(changes)
        twin._default_query = {**twin._default_query, "api-version": version}
        if credential is not None:
            twin._key, twin._is_token = credential
        if changes.get("base_url") is not None:
            twin._endpoint = None
        return twin

    copy = with_options

    def _route(self, path: str, model: str | None) -> str:
        """Return the address of a path: under a deployment, if the path belongs there, or beside them."""
        if path in _OF_DEPLOYMENTS:
            if model is not None and "/deployments" not in urlsplit(self.base_url).path:
                return join_url(self.base_url, f"/deployments/{_segment(model, 'model')}{path}")
        elif self._endpoint is not None:
            return join_url(self._endpoint, path)
        return super()._route(path, model)

    async def _renewed_key(self) -> str:
        """The key or token of the function that gives it. Cancelling it cancels that function."""
        assert self._key is not None  # it is a function
        return await resolve_key(self._key, "azure_ad_token_provider" if self._is_token else "api_key")

    def _credentials(self, key: str) -> dict[str, str]:
        """The headers that say who asks; none where the key is ""."""
        if not key:
            return {}
        if self._is_token:
            return {"authorization": header_value("authorization", Secret(f"Bearer {key}"))}
        return {"api-key": header_value("api-key", key)}


def _check_texts(**given: object) -> None:
    """Refuse settings that are given and are no text.

    Raises:
        TypeError, ValueError: One is none; the message has its name.
    """
    for name, text in given.items():
        if text is not None:
            check_text(text, name)
            codec.plain(text, name)


def _credential(key: ApiKey | None, token: str | None, provider: ApiKey | None) -> tuple[ApiKey, bool] | None:
    """Return the one credential that is given and whether it is a token; None: there is none."""
    given = {"api_key": key, "azure_ad_token": token, "azure_ad_token_provider": provider}
    found = [(name, value) for name, value in given.items() if value is not None]
    if not found:
        return None
    if len(found) > 1:
        raise OpenAIError(f"{' and '.join(name for name, _ in found)} exclude each other; give one of them")
    ((name, value),) = found
    if name == "azure_ad_token_provider" and not callable(value):
        raise TypeError(f"azure_ad_token_provider must be a function that returns a token, not {type(value).__name__}")
    return checked_key(value, name), name != "api_key"


def _from_environment() -> tuple[ApiKey, bool] | None:
    if token := setting(None, "AZURE_OPENAI_AD_TOKEN"):
        return checked_key(token, "AZURE_OPENAI_AD_TOKEN"), True
    if key := setting(None, "AZURE_OPENAI_API_KEY"):
        return checked_key(key, "AZURE_OPENAI_API_KEY"), False
    return None


def _endpoint(given: str | None, base_url: str | None) -> str | None:
    """Return where the API is in a resource; None: `base_url` says it all."""
    if base_url is not None:
        if given is not None:
            raise ValueError("azure_endpoint and base_url are two ways to say the same; give one of them")
        return None
    address = setting(given, "AZURE_OPENAI_ENDPOINT")
    if address is None:
        raise ValueError(
            "There is no address. Pass azure_endpoint=... or base_url=..., or set the environment variable "
            "AZURE_OPENAI_ENDPOINT."
        )
    return join_url(check_base_url(address, "azure_endpoint"), "/openai")


def _segment(name: object, argument: str) -> str:
    """Return a deployment's name, or an enum's member that is one, as a segment of a path.

    Raises:
        OpenAIError: It is "." or "..", or empty, which no deployment is called.
        TypeError: It is no string.
        ValueError: It is no text.
    """
    known = codec.plain(name, argument)
    check_text(known, argument)
    if unquote(known) in {"", ".", ".."}:
        raise OpenAIError(f"{argument}={known!r} can't be the name of a deployment")
    return quote(known, safe=_SUB_DELIMITERS)
