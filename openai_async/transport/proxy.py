"""Which proxy a request goes through, if any: the user's, or what the environment says for its host.

An address goes in, a proxy's address or None comes out. Nothing here connects to anything.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from openai_async.errors import OpenAIError

__all__ = ["Proxies"]


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
        """Return the address of the proxy for an address; None: the way there is direct.

        Raises:
            OpenAIError: The environment names something that is no HTTP proxy.
        """
        if self._given is not None:
            return self._given
        key = scheme, f"{host}:{port}"
        if key not in self._found:
            self._found[key] = _from_environment(*key)
        return self._found[key]


def _from_environment(scheme: str, place: str) -> str | None:
    address = getproxies().get(scheme)
    if not address or proxy_bypass(place):
        return None
    # "proxy:3128" without a scheme is common in environments; curl reads it as we do.
    return _checked(address if "://" in address else f"http://{address}", f"{scheme.upper()}_PROXY")


def _checked(address: object, name: str) -> str:
    if not isinstance(address, str):
        raise TypeError(f"{name} must be a string, not {type(address).__name__}")
    try:
        parts = urlsplit(address)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit:
        # Not repeated in the message: it may hold a password.
        raise OpenAIError(
            f"{name} names no HTTP proxy: it must be an address such as http://proxy.example:3128. "
            "Other kinds, SOCKS among them, need an aiohttp session of your own (session=...)."
        )
    return address
