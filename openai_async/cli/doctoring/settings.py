"""The first checks of `doctor`: what the command line and the environment say, before anything is sent.

Options come in; out go settings, and findings about them. The key is counted, and never shown.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from openai_async.api.address import check_base_url
from openai_async.api.settings import checked_key, choose_base_url, custom_headers
from openai_async.cli.words import count
from openai_async.errors import OpenAIError
from openai_async.transport.redaction import Secret

from .finding import Finding, fail, okay, warn

__all__ = ["Settings", "check_address", "check_key", "check_variables"]

_KEY, _URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
# What else the client heeds. Values are not shown: headers may hold keys.
_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "OPENAI_MODEL", "OPENAI_LOG")
_OPENAI = "api.openai.com"
_KEYS_PAGE = "Make one at https://platform.openai.com/api-keys."
# How keys of other vendors begin, and where they are good.
_FOREIGN_KEYS = {"sk-ant-": "Anthropic", "sk-or-": "OpenRouter", "gsk_": "Groq", "xai-": "xAI", "hf_": "Hugging Face"}
# What stands in examples in the place of a key.
_PLACEHOLDER = re.compile(r"your|\.\.\.|…|<|>|x{5}|\*{3}", re.IGNORECASE)
_ROUTE = re.compile(r"/(chat/completions|completions|chat|models|responses)/*$")


class Settings(msgspec.Struct, kw_only=True):
    """What the client would use.

    Attributes:
        base_url: The API's address, as it was given.
        url_from: Who gave it, for messages.
        key: The key; None: there is none; "": none is to be sent.
        key_from: Who gave it.
        model: The model's name.
        timeout: Seconds that each check may take.
        variables: Names of further variables of the environment that the client heeds.
    """

    base_url: str
    url_from: str
    key: str | None
    key_from: str
    model: str
    timeout: float
    variables: list[str] = []

    @classmethod
    def of(cls, base_url: str | None, api_key: str | None, model: str, timeout: float) -> Settings:
        """Return the settings: the options, or what the environment says in their place.

        Args:
            base_url: None: the environment's, or OpenAI's own.
            api_key: None: the environment's; "": none is to be sent.
            model: The model's name.
            timeout: Seconds that each check may take.
        """
        key = api_key if api_key is not None else os.environ.get(_KEY) or None
        url_from = "--base-url" if base_url else f"${_URL}" if os.environ.get(_URL) else "the default"
        return cls(
            base_url=choose_base_url(base_url, None),
            url_from=url_from,
            key=None if key is None else Secret(key),
            key_from="--api-key" if api_key is not None else f"${_KEY}",
            model=model,
            timeout=timeout,
            variables=[name for name in _VARIABLES if os.environ.get(name)],
        )

    @property
    def host(self) -> str:
        """The API's host, in lower case; "": the address has none."""
        try:
            return urlsplit(self.base_url.strip()).hostname or ""
        except ValueError:
            return ""


def check_key(settings: Settings) -> Finding:
    """See whether there is a key, and whether it looks like one."""
    key, name = settings.key, "key"
    if key is None:
        return fail(
            name,
            f"There is no API key: ${_KEY} is not set, or empty.",
            f"Set it: export {_KEY}=... {_KEYS_PAGE if settings.host == _OPENAI else ''}".strip(),
            "For a server that wants none, give --api-key ''.",
        )
    if not key:
        return okay(name, "None is sent.", length=0, source=settings.key_from)
    told = f"The key of {settings.key_from}, of {count(len(key), 'character')},"
    again = f"Set {settings.key_from.strip('$-')} again, without that."
    if key != key.strip():
        return fail(name, f"{told} begins or ends with white space.", again)
    try:
        checked_key(key)
    except OpenAIError:
        return fail(name, f"{told} holds a character that no key has.", again)
    if key[0] in "'\"" or key[-1] in "'\"":
        return fail(name, f"{told} has quotation marks around it.", again)
    if key.lower().startswith("bearer "):
        return fail(name, f'{told} begins with "Bearer".', "The client adds that word: give the key alone.")
    if _PLACEHOLDER.search(key):
        return warn(name, f"{told} looks like what stands in examples in a key's place.", _KEYS_PAGE)
    vendor = next((vendor for begin, vendor in _FOREIGN_KEYS.items() if key.startswith(begin)), None)
    if vendor is not None and settings.host == _OPENAI:
        return warn(
            name,
            f"{told} is one of {vendor}'s, and the address is OpenAI's.",
            f"Set {_URL} to {vendor}'s address, or {_KEY} to a key of OpenAI's.",
        )
    return okay(name, f"{told[:-1]}.", length=len(key), source=settings.key_from)


def check_variables(settings: Settings) -> Finding:
    """See which other variables change what the client sends, and whether they can be used."""
    try:
        headers = custom_headers()
    except OpenAIError as error:
        return fail("settings", f"The client can't be made: {error}.", "Set OPENAI_CUSTOM_HEADERS anew, or unset it.")
    said = f"The model is {settings.model}."
    if settings.variables:
        said += f" Also set: {', '.join(settings.variables)}."
    if "authorization" in headers:
        return warn(
            "settings",
            f"{said} OPENAI_CUSTOM_HEADERS has an authorization, which goes in the place of the key.",
            "Leave it out, unless that is what you want.",
        )
    return okay("settings", said, model=settings.model, variables=settings.variables)


def check_address(settings: Settings) -> Finding:
    """See whether the address is one, and whether it has the form of an API's."""
    name = "address"
    try:
        url = check_base_url(settings.base_url, settings.url_from)
    except OpenAIError as error:
        return fail(name, f"{error}.", "An address looks like https://api.openai.com/v1.")
    parts = urlsplit(url)
    shown = url.partition("?")[0]  # some gateways have their key in the query
    told = f"{shown} ({settings.url_from})"
    root = f"{parts.scheme}://{parts.netloc}"
    if (route := _ROUTE.search(parts.path)) is not None:
        better = f"{root}{parts.path[: route.start()]}"
        return fail(name, f"{told} has a route at its end, which the client adds.", f"Set it to {better}.")
    if "//" in parts.path or "/v1/v1" in parts.path:
        better = re.sub(r"(/v1)+", "/v1", re.sub("/+", "/", parts.path))
        return fail(name, f"{told} has a part twice.", f"Set it to {root}{better}.")
    if parts.hostname == _OPENAI and parts.path != "/v1":
        return fail(name, f"{told} is not where OpenAI's API is.", f"Set it to https://{_OPENAI}/v1.")
    if (parts.hostname or "").endswith(".openai.azure.com") and not parts.path.startswith("/openai"):
        return fail(name, f"{told} is not where Azure's API is.", f"Set it to {root}/openai/v1.")
    if parts.scheme == "http" and settings.key and not _is_near(parts.hostname or ""):
        return warn(
            name,
            f"{told} is no https: everybody on the way can read the key.",
            f"Set it to https{shown[4:]}, if it has.",
        )
    if not parts.path:
        return warn(name, f"{told} has no path; most APIs are below /v1.", f"If requests fail, set it to {root}/v1.")
    return okay(name, told, base_url=shown, source=settings.url_from)


def _is_near(host: str) -> bool:
    """Whether a host is this machine, or one of a network of its own."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
