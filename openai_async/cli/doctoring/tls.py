"""The TLS of a connection: whether it comes about, and if not, whose fault it is.

A route comes in; out goes a finding. Certificates are judged as the client judges them, by the system's authorities.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from typing import Any

from openai_async.cli.words import count, one_line

from .finding import Finding, fail, okay, skip, warn
from .route import Route, TunnelError

__all__ = ["check_tls"]

# Days before its end at which a certificate should be renewed.
_SOON = 7
_DAY = 86_400

# What OpenSSL's codes for a certificate mean (X509_V_ERR_...), and what to do.
_CODES: dict[int, tuple[str, str]] = {
    9: ("is not valid yet", "Look at this machine's clock: it says {now}."),
    10: (
        "has expired",
        "Look at this machine's clock, which says {now}; if that is right, the server needs a new one.",
    ),
    18: (
        "is signed by itself",
        "If the server is yours, have the client trust the certificate: export SSL_CERT_FILE=/path/to/certificate.pem.",
    ),
    19: (
        "comes from an authority that this machine does not know",
        "Usually a company's proxy reads along: ask for its authority's certificate, and export SSL_CERT_FILE=that.pem.",
    ),
    20: (
        "comes from an authority that this machine does not know",
        (
            "A company's proxy may read along (ask for its authority's certificate, and export SSL_CERT_FILE=that.pem), or "
            "this machine has no list of authorities (install ca-certificates), or the server leaves a part out."
        ),
    ),
    62: ("is for another name", "Is the host in the address right? A certificate is good for the names it lists only."),
    64: ("is for another name", "It lists no such IP address: use the host's name, if it has one."),
}
_UNKNOWN = ("is not trusted", "Have the client trust its authority: export SSL_CERT_FILE=/path/to/authority.pem.")


async def check_tls(route: Route, timeout: float) -> Finding:
    """See whether TLS comes about, and the certificate is one to trust.

    Args:
        route: The way to the API.
        timeout: Seconds that it may take.
    """
    name = "TLS"
    if not route.secure:
        return skip(name, "The address is of http://, which has none.")
    if route.proxy is not None and route.proxy.startswith("https:"):
        return skip(name, "There is a TLS with the proxy already; the request will show whether this one works.")
    try:
        async with asyncio.timeout(timeout):
            return await _shake_hands(route)
    except TimeoutError:
        return fail(
            name, "The server did not answer in time.", "Something on the way drops what TLS sends: a firewall?"
        )
    except ssl.SSLCertVerificationError as error:
        return _distrusted(error)
    except ssl.SSLError as error:
        return _no_tls(error)
    except (OSError, TunnelError, EOFError) as error:
        advice = "A firewall that knows the host's name, or a server that wants a certificate of yours, does so."
        return fail(name, f"The connection was closed while TLS began ({_told(error)}).", advice)


async def _shake_hands(route: Route) -> Finding:
    _, writer = await route.connect()
    began = time.perf_counter()
    try:
        await writer.start_tls(ssl.create_default_context(), server_hostname=route.host)
        seconds = time.perf_counter() - began
        spoken: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
    finally:
        writer.transport.abort()  # a farewell would wait for the server's
    version = spoken.version() or "TLS"
    ends = ssl.cert_time_to_seconds(certificate["notAfter"]) if "notAfter" in certificate else None
    if ends is None:
        return okay("TLS", f"{version}.", seconds=seconds, version=version)
    day = datetime.fromtimestamp(ends, UTC).date().isoformat()
    issuer = _issuer(certificate)
    told = f"{version}, a certificate by {issuer}, good until {day}."
    if ends - time.time() < _SOON * _DAY:
        left = count(max(int((ends - time.time()) // _DAY), 0), "day")
        return warn("TLS", told, f"It ends in {left}: have it renewed.", seconds=seconds, version=version, until=day)
    return okay("TLS", told, seconds=seconds, version=version, until=day, issuer=issuer)


def _issuer(certificate: dict[str, Any]) -> str:
    """Who signed a certificate, by the most telling of its names."""
    names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    return one_line(str(names.get("organizationName") or names.get("commonName") or "nobody"))


def _distrusted(error: ssl.SSLCertVerificationError) -> Finding:
    told, advice = _CODES.get(error.verify_code, _UNKNOWN)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    reason = one_line(error.verify_message)
    return fail("TLS", f"The certificate {told} ({reason}).", advice.format(now=now), verify_code=error.verify_code)


def _no_tls(error: ssl.SSLError) -> Finding:
    reason = (error.reason or "").replace("_", " ").lower() or one_line(str(error))
    if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}:
        return fail("TLS", f"What answers speaks no TLS ({reason}).", "Does the address have to begin with http://?")
    return fail(
        "TLS", f"There is no TLS ({reason}).", "The server's TLS may be too old, or want a certificate of yours."
    )


def _told(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__
