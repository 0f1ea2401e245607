"""Web pages that try to use the server through their visitor's browser, kept out.

A request's head comes in; a `Problem` is raised if it may come from a page. A server on this machine is within reach of
every page that its user looks at. Three rules keep pages out, with no list of friends:

* No answer has a header of CORS, so no page of another site gets to read one, nor leave to send more than simple requests.
* What is no declared JSON is refused (`check_content_type`), and simple requests can't declare JSON.
* A page of a site whose name is made to lead here ("DNS rebinding") is of the same site to its browser, and could do
  everything: so on the loopback interface names that the DNS may know are refused, unless a key is asked for anyway.

Nothing here knows what is asked for.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["check_content_type", "check_host"]


def check_content_type(header: str) -> None:
    """Raise unless a request's `content-type` says JSON; empty: it has none.

    Raises:
        Problem: Status 415.
    """
    kind = header.partition(";")[0].strip().lower()
    if kind != "application/json":
        found = f"Invalid Content-Type header ({kind})" if kind else "Missing Content-Type header"
        raise Problem(415, f"{found}, expected application/json.")


def check_host(server: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Raise if a request came over the loopback interface under a name that is not of this machine alone.

    Args:
        server: Host and port at which the connection was accepted, as ASGI tells them; None: not told.
        headers: The request's, names in lower case.

    Raises:
        Problem: Status 403.
    """
    name = _host_name(headers.get("host", ""))
    if "." not in name or name.endswith(".localhost") or _is_address(name) or not _is_loopback(server):
        return
    raise Problem(
        403,
        f"Requests to {name!r} are not served on this machine's own address without a key, as any web page could send "
        "them. Use localhost, or start the server with a key (api_key=..., --api-key).",
        code="host_not_allowed",
    )


def _host_name(header: str) -> str:
    """The host in a `Host` header, without its port."""
    header = header.strip().lower()
    name = header.partition("]")[0].removeprefix("[") if header.startswith("[") else header.partition(":")[0]
    return name.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(server: Sequence[Any] | None) -> bool:
    """Whether an ASGI server's address is one of the loopback interface; the path of a Unix socket is none."""
    try:
        return ipaddress.ip_address(server[0]).is_loopback if server else False
    except ValueError:
        return False
