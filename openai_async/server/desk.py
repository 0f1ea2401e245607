"""What a running server knows of its visitors.

Requests come in as ASGI scopes; out go a `Visit` for each, the fault that it is to suffer, and, for tests, the record
of all that came. One desk serves one app; it holds no socket, and answers nothing itself.
"""

from __future__ import annotations

import asyncio
import hmac
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .faults import Fault
from .limits import RateLimits
from .pages import check_host
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import anyio
    from starlette.types import Receive, Scope

__all__ = ["Desk", "Recorded", "Visit", "check_model"]


class Recorded(msgspec.Struct):
    """A request as it came.

    Attributes:
        method: GET, POST, ….
        path: The path, without the query.
        query: What follows the question mark.
        headers: Name in lower case to value; of a repeated header, the last.
        body: The bytes of the body; empty while it is still on its way.
        request_id: The `x-request-id` of the answer.
        peer: Address and port of the client; None: the ASGI server does not tell.
        status: Of the answer; 0: none has begun.
        outcome: Of the answer: "open" until it is sent to its end ("complete"), its client left ("aborted"), or this
            server broke it off ("cut").
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    request_id: str = ""
    peer: tuple[str, int] | None = None
    status: int = 0
    outcome: Literal["open", "complete", "aborted", "cut"] = "open"

    @property
    def json(self) -> Any:
        """The body, decoded.

        Raises:
            msgspec.DecodeError: It is no JSON.
        """
        return msgspec.json.decode(self.body)


class Visit(msgspec.Struct, kw_only=True):
    """One request while it is being answered.

    Attributes:
        recorded: What was asked.
        fault: What is to go wrong; None: nothing.
        transport: The connection, to close it early; None: the ASGI server does not show it.
        began: When it came, in seconds of the monotonic clock.
        answered: Whether the answer's head has been sent.
        server: Host and port at which the connection was accepted; None: not told.
    """

    recorded: Recorded
    fault: Fault | None
    transport: Any
    began: float
    answered: bool = False
    server: Sequence[Any] | None = None


class Desk:
    """The state of one app.

    Args:
        api_keys: The keys that are let in; empty: no key is asked for.
        models: Names of the models that exist; None: every name is a model.
        faults: What goes wrong, in this order.
        fault_header: The request header that may order a fault; None: none may.
        limits: The rate limits to report.
        clock: Seconds since 1970, to date answers with; None: each is dated by its request alone.
        keep: How many of the latest requests are kept in `requests`.
        fault_for: Says what goes wrong with a request; None, also when it returns that: what `faults` say.

    Attributes:
        requests: The latest requests, oldest first.
        aborts: Requests whose client left before the answer was complete.
        peers: Address and port of every client that sent a request: one for each connection.
        open: The scopes to cancel when the server closes: one for each answer under way.
    """

    def __init__(
        self,
        *,
        api_keys: Collection[str] = (),
        models: Collection[str] | None = None,
        faults: Iterable[Fault] = (),
        fault_header: str | None = "x-fault",
        limits: RateLimits | None = None,
        clock: Callable[[], float] | None = None,
        keep: int = 10_000,
        fault_for: Callable[[Recorded], Fault | None] | None = None,
    ) -> None:
        self.api_keys: list[bytes] = [key.encode() for key in api_keys]
        self.models = models
        self.limits: RateLimits = limits or RateLimits()
        self.requests: deque[Recorded] = deque(maxlen=keep)
        self.aborts: int = 0
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.peers: set[tuple[str, int]] = set()
        self.open: set[anyio.CancelScope] = set()
        self._clock = clock
        self._fault_header = fault_header
        self._fault_for = fault_for
        self._faults: list[_Pending] = []
        for fault in faults:
            self.add_fault(fault)

    def arrive(self, scope: Scope, receive: Receive) -> Visit:
        """Take in a request."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        recorded = Recorded(scope["method"], scope["path"], query, headers, request_id=f"req_{uuid.uuid4().hex}")
        self.requests.append(recorded)
        if scope.get("client"):
            recorded.peer = tuple(scope["client"])
            self.peers.add(recorded.peer)
        # uvicorn's `receive` is a method of its request cycle, which knows the transport. There is no other way to it.
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        began, server = time.monotonic(), scope.get("server")
        return Visit(recorded=recorded, fault=None, transport=transport, began=began, server=server)

    def admit(self, visit: Visit) -> None:
        """Check a visitor's key and rate, and settle what goes wrong with the request.

        Raises:
            Problem: The key is missing or wrong (401), there is none and it may be a web page (403), a rate limit is
                exceeded (429), or the fault's header can't be read (400). Or whatever `fault_for` raises.
        """
        if self.api_keys:
            self._check_key(visit.recorded.headers)
        else:
            check_host(visit.server, visit.recorded.headers)
        self.limits.check(now=visit.began)
        ordered = visit.recorded.headers.get(self._fault_header) if self._fault_header else None
        if ordered is not None:
            visit.fault = Fault.from_header(ordered)
        else:
            chosen = self._fault_for(visit.recorded) if self._fault_for is not None else None
            visit.fault = chosen if chosen is not None else self._next_fault()

    def add_fault(self, fault: Fault) -> None:
        """Let a fault happen when the ones before it are used up."""
        self._faults.append(_Pending(fault, fault.skip, fault.times))

    def check_model(self, name: str) -> None:
        """Raise unless the model exists; see `check_model`."""
        check_model(name, self.models)

    def created(self) -> int | None:
        """Return the time to date an answer with, Unix seconds; None: let it depend on the request."""
        return None if self._clock is None else int(self._clock())

    def headers(self, visit: Visit) -> dict[str, str]:
        """Return the headers that every answer carries."""
        now = time.monotonic()
        return {
            "x-request-id": visit.recorded.request_id,
            "openai-version": "2020-10-01",
            "openai-organization": visit.recorded.headers.get("openai-organization", "embedded"),
            "openai-processing-ms": str(round((now - visit.began) * 1000)),
            **self.limits.headers(now=now),
        }

    def note_abort(self, recorded: Recorded | None = None) -> None:
        """Count a client that left before its answer was complete.

        Args:
            recorded: Its request; None: not known.
        """
        self.aborts += 1
        if recorded is not None:
            recorded.outcome = "aborted"
        self._tell()

    def note_end(self, recorded: Recorded, *, whole: bool) -> None:
        """Note that an answer is over, to its end or not; what is over already stays as it ended."""
        if recorded.outcome == "open":
            recorded.outcome = "complete" if whole else "cut"
            self._tell()

    async def wait_aborts(self, least: int) -> None:
        """Wait until `aborts` is at least so many; cancelling it loses nothing."""
        await self._wait(lambda: self.aborts >= least)

    async def wait_end(self, recorded: Recorded) -> None:
        """Wait until an answer is over, however it ends; cancelling it loses nothing."""
        await self._wait(lambda: recorded.outcome != "open")

    def _tell(self) -> None:
        for reached, waiter in self._waiting:
            if reached() and not waiter.done():
                waiter.set_result(None)

    async def _wait(self, reached: Callable[[], bool]) -> None:
        if not reached():
            entry = (reached, asyncio.get_running_loop().create_future())
            self._waiting.append(entry)
            try:
                await entry[1]
            finally:
                self._waiting.remove(entry)

    def close(self) -> None:
        """Break off every answer under way."""
        for scope in list(self.open):
            scope.cancel()

    def _next_fault(self) -> Fault | None:
        while self._faults:
            pending = self._faults[0]
            if pending.skip > 0:
                pending.skip -= 1
                return None
            if pending.fault.times == 0:
                return pending.fault
            if pending.left > 0:
                pending.left -= 1
                return pending.fault
            self._faults.pop(0)
        return None

    def _check_key(self, headers: dict[str, str]) -> None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else headers.get("api-key", "")
        if not key:
            text = (
                "You didn't provide an API key. Send it in an Authorization header: 'Authorization: Bearer YOUR_KEY'."
            )
            raise Problem(401, text)
        if not any(hmac.compare_digest(key.encode(), known) for known in self.api_keys):
            raise Problem(401, f"Incorrect API key provided: {_masked(key)}.")


def check_model(name: str, models: Collection[str] | None) -> None:
    """Raise unless a model exists.

    Args:
        name: The model's name.
        models: Those that exist; None: all do.

    Raises:
        Problem: Status 404.
    """
    if models is not None and name not in models:
        text = f"The model `{name}` does not exist or you do not have access to it."
        raise Problem(404, text, code="model_not_found")


class _Pending(msgspec.Struct):
    """A fault that waits for its turn, and how many requests it still spares and takes."""

    fault: Fault
    skip: int
    left: int


def _masked(key: str) -> str:
    return f"{key[:3]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
