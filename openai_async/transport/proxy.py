"""Which proxy a request goes through, if any: the user's, or what the environment says for its host.

An address goes in, a proxy's address or None comes out. Nothing here connects to anything.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from openai_async.errors import OpenAIError

from .redaction import Secret

__all__ = ["Proxies", "parted"]


class Proxies:
    """The proxies of one client.

    Args:
        given: Address of the proxy for every request; None: what the environment says (`HTTPS_PROXY`, `HTTP_PROXY`,
            `NO_PROXY`, in either case), looked up once a host.

    Raises:
        OpenAIError: `given` is no address of an HTTP proxy.
    """

    def __init__(self, given: str | None = None) -> None:
        self._given = None if given is None else _checked(given, "proxy")
        # aiohttp's trust_env asks netrc and the environment in a thread, at every request.
        self._found: dict[tuple[str, str], str | None] = {}

    def choose(self, scheme: str, host: str, port: int | None) -> str | None:
        """Return the address of the proxy for an address, credentials included; None: the way there is direct.

        Raises:
            OpenAIError: The environment names something that is no HTTP proxy.
        """
        if self._given is not None:
            return self._given
        key = scheme, f"{host}:{port}"
        if key not in self._found:
            self._found[key] = _from_environment(*key)
        return self._found[key]


def parted(address: str) -> tuple[str, str | None]:
    """Part a proxy's address from the credentials in it, which aiohttp would show in its errors and warnings.

    Returns:
        The address without them, and the value of the header `Proxy-Authorization`; None: it has none.
    """
    parts = urlsplit(address)
    user, at, place = parts.netloc.rpartition("@")
    if not at:
        return address, None
    name, _, password = user.partition(":")
    credentials = b64encode(f"{unquote(name)}:{unquote(password)}".encode("latin-1")).decode()
    return parts._replace(netloc=place).geturl(), f"Basic {credentials}"


def _from_environment(scheme: str, place: str) -> str | None:
    address = Secret(getproxies().get(scheme, ""))
    if not address or proxy_bypass(place):
        return None
    # "proxy:3128" without a scheme is common in environments; curl reads it as we do.
    return _checked(address if "://" in address else Secret(f"http://{address}"), f"{scheme.upper()}_PROXY")


def _checked(address: object, name: str) -> str:
    if not isinstance(address, str):
        raise TypeError(f"{name} must be a string, not {type(address).__name__}")
    address = Secret(address)
    if not _is_proxy(address):
        # Not repeated in the message: it may hold a password.
        raise OpenAIError(
            f"{name} names no HTTP proxy: it must be an address such as http://proxy.example:3128. "
            "Other kinds, SOCKS among them, need an aiohttp session of your own (session=...)."
        )
    return address


def _is_proxy(address: str) -> bool:
    try:
        parts = urlsplit(address)
        unquote(f"{parts.username}{parts.password}").encode("latin-1")  # as Basic authentication has them
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return fit and address.isprintable() and " " not in address
