"""The door: what aiohttp or a socket raises leaves as one of our errors.

Exceptions go in, exceptions come out, to be raised by whoever asked. Nothing that knows the API key is chained to them.
"""

from __future__ import annotations

import os
from ssl import SSLError

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from openai_async.errors import APIConnectionError, APIResponseValidationError, OpenAIError

from .message import StaleConnectionError

__all__ = ["translate_body_error", "translate_sending_error"]


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
        return OpenAIError(f"base_url is no address that a request can go to: {url!r}")
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
        return APIResponseValidationError(f"{where} does not speak HTTP: {' '.join(error.message.split())}")
    return APIConnectionError(f"Connection error: {type(error).__name__}: {error}")


def _origin(url: str) -> str:
    parts = URL(url, encoded=True)
    return f"{parts.scheme}://{parts.host}:{parts.port}"


def _reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    # asyncio's own text is "Connect call failed" and an address; the system's says why.
    return os.strerror(number) if number else str(error.os_error)


def translate_body_error(error: Exception) -> APIConnectionError:
    """Return our error for a body that failed on its way."""
    if isinstance(error.__cause__, ContentEncodingError):
        return APIConnectionError("Connection error: the body is not compressed as its content-encoding says.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return APIConnectionError("Connection error: the server closed the connection in the middle of the body.")
    return APIConnectionError(f"Connection error: the connection broke in the middle of the body ({error!r}).")
