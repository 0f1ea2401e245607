"""The door: what aiohttp or a socket raises leaves as one of our errors.

Exceptions go in, exceptions come out, to be raised by whoever asked. Nothing that knows the API key is chained to them.
"""

from __future__ import annotations

import os
from ssl import SSLError

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from yarl import URL

from openai_async.errors import APIConnectionError, APIResponseValidationError, OpenAIError

from .message import Request, StaleConnectionError

__all__ = ["address_of", "hide_request", "translate_body_error", "translate_sending_error"]

# Characters of what aiohttp says of a head that it can't read: it repeats all of the line.
_SAID_SIZE = 300

_KNOW_THE_REQUEST = frozenset({"aiohttp.client", "aiohttp.client_reqrep", "aiohttp.connector"})


def address_of(request: Request) -> URL:
    """Return a request's address as aiohttp takes it.

    Raises:
        OpenAIError: Its host can't be one, punycode that means nothing for example. The address is not shown.
    """
    address: URL | None
    try:
        address = URL(request.url, encoded=True)
        _ = address.host  # decoded only now
    except ValueError:
        address = None
    if address is None:
        raise OpenAIError("base_url is no address that a request can go to: its host can't be one")
    return address


def hide_request(error: BaseException) -> None:
    """Take out of a traceback the frames of aiohttp's that know the request, its headers, body and address.

    Crash reporters and debuggers print the local variables of each frame. Our own, in which the error is being handled,
    stays the first.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        if last.tb_next.tb_frame.f_globals.get("__name__") in _KNOW_THE_REQUEST:
            last.tb_next = last.tb_next.tb_next
        else:
            last = last.tb_next


def translate_sending_error(error: Exception, url: str, *, reused: bool) -> OpenAIError:
    """Return our error for what was raised while a request was sent or its response's head awaited.

    Args:
        error: aiohttp's error, or a socket's.
        url: Where the request went.
        reused: Whether its connection was a kept-alive one.
    """
    translated = _translated(error, url, reused=reused)
    if not isinstance(error, aiohttp.ClientResponseError):
        translated.__cause__ = error
    return translated


def _translated(error: Exception, url: str, *, reused: bool) -> OpenAIError:
    # The order matters, as aiohttp's classes inherit from each other.
    where = _origin(url)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return OpenAIError(f"base_url is no address that a request can go to: {url.partition('?')[0]!r:.200}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return APIConnectionError(f"Connection error: the host name {error.host!r} does not resolve.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = error.certificate_error
        return APIConnectionError(f"Connection error: the certificate of {where} is not trusted ({reason}).")
    if isinstance(error, aiohttp.ClientConnectorSSLError | SSLError):
        return APIConnectionError(f"Connection error: no TLS with {where} ({error}).")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return APIConnectionError(f"Connection error: the proxy can't be reached ({_reason(error)}).")
    if isinstance(error, aiohttp.ClientConnectorError):
        return APIConnectionError(f"Connection error: {where} can't be reached ({_reason(error)}).")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        # aiohttp puts a response that has begun in the place of the message.
        begun = isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
        cls = StaleConnectionError if reused and not begun else APIConnectionError
        return cls(f"Connection error: {where} closed the connection without an answer.")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return APIConnectionError(f"Connection error: the proxy refused with status {error.status}.")
    if isinstance(error, aiohttp.ClientResponseError):
        said = " ".join(error.message[:_SAID_SIZE].split())
        if error.__cause__ is not None and isinstance(error.__cause__.__cause__, ContentEncodingError):
            return APIResponseValidationError(f"{where} sent an answer that can't be decompressed: {said}")
        return APIResponseValidationError(f"{where} does not speak HTTP: {said}")
    return APIConnectionError(f"Connection error: {type(error).__name__}: {error}")


def _origin(url: str) -> str:
    parts = URL(url, encoded=True)
    return f"{parts.scheme}://{parts.host}:{parts.port}"


def _reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    # asyncio's own text is "Connect call failed" and an address; the system's says why.
    if number and number > 0:
        return os.strerror(number)
    return str(error.os_error) or "the server closed the connection"


def translate_body_error(error: Exception) -> APIConnectionError:
    """Return our error for a body that failed on its way."""
    if isinstance(error.__cause__, ContentEncodingError):
        return APIConnectionError("Connection error: the body is not compressed as its content-encoding says.")
    if type(error.__cause__) is HttpProcessingError:  # not one of its subclasses: what the parser gave up on
        return APIConnectionError("Connection error: the middle of the body is not HTTP.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return APIConnectionError("Connection error: the server closed the connection in the middle of the body.")
    return APIConnectionError(f"Connection error: the connection broke in the middle of the body ({error!r}).")
