"""The way to the API: through which proxy, to which addresses, over which connection.

An address comes in; out go findings, and connections for the checks that follow. Nothing is asked of the API, and the
key is not known here.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from ipaddress import ip_address
from ssl import SSLError
from urllib.parse import urlsplit

from openai_async.cli.words import one_line
from openai_async.errors import OpenAIError
from openai_async.transport.proxy import Proxies, parted

from .finding import Finding, fail, okay, skip, warn

__all__ = ["Route", "TunnelError"]

# Addresses of one name that are tried.
_TRIED = 4
# Bytes that a proxy's answer may have.
_HEAD = 65536


class TunnelError(Exception):
    """A proxy does not let a connection through.

    Args:
        said: What it did instead, in a sentence.
        advice: What to do, in a sentence.
    """

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(said, advice)
        self.said = said
        self.advice = advice


class Route:
    """The way to an address.

    Args:
        url: A checked address.
        timeout: Seconds that each check may take.

    Attributes:
        secure: Whether TLS is spoken at its end.
        host, port: Of the API.
        proxy: Address of the proxy on the way, credentials included; None: there is none, or none that can be used.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self.secure: bool = parts.scheme == "https"
        self.host: str = parts.hostname or ""
        self.port: int = parts.port or (443 if self.secure else 80)
        self.proxy: str | None = None
        self._timeout = timeout

    # Checks.

    async def check_proxy(self) -> Finding:
        """See which proxy the environment names for the address, and whether it lets connections through."""
        name = "proxy"
        scheme = "https" if self.secure else "http"
        variable = next((one for one in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY") if os.environ.get(one)), None)
        try:
            self.proxy = Proxies().choose(scheme, self.host, self.port)
        except OpenAIError as error:
            return fail(name, f"{error}", f"Set ${variable} to such an address, or unset it.")
        if self.proxy is None:
            if variable is not None:
                return skip(name, f"The way is direct: $NO_PROXY takes {self.host} out of ${variable}.")
            return skip(name, "The way is direct: the environment names no proxy.")
        told = f"{parted(self.proxy)[0]} (${variable})"
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                _, writer = await self.connect()
        except TunnelError as error:
            return fail(name, f"{told} {error.said}.", error.advice, proxy=parted(self.proxy)[0])
        except OSError as error:
            advice = f"Is ${variable} right? Unset it, or put {self.host} into $NO_PROXY, to go without a proxy."
            return fail(name, f"{told} can't be reached: {_reason(error)}.", advice, proxy=parted(self.proxy)[0])
        writer.transport.abort()
        return okay(
            name, f"{told} lets connections through.", seconds=time.perf_counter() - began, proxy=parted(self.proxy)[0]
        )

    async def check_name(self) -> Finding:
        """See whether the API's host has addresses."""
        name = "name"
        if self.proxy is not None:
            return skip(name, "The proxy looks the name up.")
        with suppress(ValueError):
            ip_address(self.host)
            return skip(name, f"{self.host} is an address already.")
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._addresses()
        except OSError as error:
            return fail(
                name,
                f"The name {self.host} has no address: {_reason(error)}.",
                "Is it spelt right? Do other names work (a network, a VPN, the DNS server)?",
            )
        seconds = time.perf_counter() - began
        shown = ", ".join(found[:_TRIED]) + (f" and {len(found) - _TRIED} more" if len(found) > _TRIED else "")
        return okay(name, f"{self.host} is {shown}.", seconds=seconds, addresses=found)

    async def check_connection(self) -> Finding:
        """See whether the API's addresses take connections."""
        name = "connection"
        if self.proxy is not None:
            return skip(name, "The proxy makes it.")
        try:
            found = (await self._addresses())[:_TRIED]
        except OSError:
            return skip(name, "There is no address.")
        tried = await asyncio.gather(*map(self._try, found))
        worked = {address: took for address, took in zip(found, tried, strict=True) if isinstance(took, float)}
        failed = {address: took for address, took in zip(found, tried, strict=True) if isinstance(took, str)}
        reasons = "; ".join(f"{address}: {reason}" for address, reason in failed.items())
        if not worked:
            advice = "Does the server run, and is the port right? Else a firewall is in the way, or a proxy is needed."
            return fail(name, f"Port {self.port} of {self.host} takes no connection: {reasons}.", advice)
        best = min(worked.values())
        if failed:
            advice = "Each new connection may lose time with the others: IPv6 without a way out is the usual reason."
            return warn(name, f"Some addresses take no connection: {reasons}.", advice, seconds=best)
        return okay(name, f"Port {self.port} takes connections.", seconds=best)

    # Connections.

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection that leads to the API's port, through the proxy if there is one. Cancelling it closes it.

        Raises:
            TunnelError: The proxy does not let it through.
            OSError: There is no connection.
        """
        if self.proxy is None:
            return await asyncio.open_connection(self.host, self.port)
        address, credentials = parted(self.proxy)
        parts = urlsplit(address)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None, limit=_HEAD)
        try:
            if self.secure:  # for plain HTTP a proxy is spoken to as a server is
                await self._tunnel(reader, writer, credentials)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, credentials: str | None
    ) -> None:
        """Have a proxy let what follows through (RFC 9110, section 9.3.6)."""
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if credentials is not None:
            lines.append(f"Proxy-Authorization: {credentials}")
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise TunnelError("does not answer as a proxy does", "Is its address right, and its port?") from error
        first = one_line(head.partition(b"\r\n")[0].decode("latin-1"))
        version, _, status = first.partition(" ")
        if not version.startswith("HTTP/"):
            raise TunnelError("does not answer as a proxy does", "Is its address right, and its port?")
        if status.startswith("407"):
            given = "those given are refused" if credentials is not None else "there are none"
            advice = "They go into its address: http://name:password@proxy.example:3128."
            raise TunnelError(f"wants a name and a password, and {given}", advice)
        if not status.startswith("2"):
            advice = "Ask who runs it, or put the host into $NO_PROXY, if there is a way without it."
            raise TunnelError(f"lets nothing through to {place}: {status}", advice)

    async def _addresses(self) -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def _try(self, address: str) -> float | str:
        """How many seconds a connection takes to open, or why it does not."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                _, writer = await asyncio.open_connection(address, self.port)
        except OSError as error:
            return _reason(error)
        writer.transport.abort()
        return time.perf_counter() - began


def _reason(error: OSError) -> str:
    """Why there is no connection, in a few words."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer in time"
    if isinstance(error, socket.gaierror | SSLError):
        return one_line(error.strerror or str(error))
    # asyncio's own text is "Connect call failed" and an address; the system's says why.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else one_line(str(error))
