"""The server that a test scripts and asks: `ScriptedServer`.

Replies come in from a test, requests from whatever client it tests; out go answers over a socket and, to the test, what
was asked and how it ended. It runs in a thread of its own and touches nothing else in the process.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import anyio

from openai_async.server.run import serve

from .loopback import Loopback
from .matcher import Matcher
from .playbook import Playbook
from .received import ReceivedRequest
from .rule import Rule

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Unpack

    from openai_async.server.app import AppOptions
    from openai_async.server.desk import Recorded
    from openai_async.server.faults import Fault
    from openai_async.server.replies import Responder
    from openai_async.server.run import Serving

    from .matcher import Criteria

__all__ = ["Connections", "ScriptedServer"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

_ANY_KEY = "sk-testing"


class Connections(NamedTuple):
    """TCP connections to the server.

    Attributes:
        opened: Those that carried a request since the start.
        open: Those that are open now.
    """

    opened: int
    open: int


class ScriptedServer:
    """A server of the Chat Completions API on a free port of 127.0.0.1, for tests.

        with ScriptedServer() as server:
            server.reply(text("Hello"))
            client = OpenAI(base_url=server.url, api_key=server.api_key)

    While nothing is scripted, it answers by itself, the same request always the same. From the first reply on, a request
    without one is refused with status 400, and `assert_played` tells of it; the end of the `with` calls that unless it
    ends by an exception.

    Args:
        responder: Answers while nothing is scripted; None: the embedded server's own.
        **options: Of the embedded server, `openai_async.server.app.AppOptions`: a key to ask for, models, rate limits ….
    """

    def __init__(self, responder: Responder | None = None, **options: Unpack[AppOptions]) -> None:
        if "fault_for" in options:
            raise TypeError("fault_for= is how replies are chosen; say what goes wrong by reply() and when()")
        self._playbook = Playbook(
            responder, ignore_unknown=options.get("ignore_unknown", False), models=options.get("models")
        )
        key = options.get("api_key")
        self._key = key if isinstance(key, str) else next(iter(key or ()), _ANY_KEY)
        # No fault by a header unless it is asked for: such a request would get no scripted reply.
        self._options: AppOptions = {"fault_header": None, **options, "fault_for": self._choose}
        self._loopback: Loopback[Serving] = Loopback(self._serve)
        self._serving: Serving | None = None

    def __repr__(self) -> str:
        return f"<ScriptedServer {self._serving or 'not started'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self.assert_played()

    def start(self) -> None:
        """Start serving; the `with` does.

        Raises:
            ImportError: The extra `testing` is not installed.
            OSError: `store` can't be opened.
            RuntimeError: It runs already.
            TypeError: There is an option that the embedded server does not know, or that is not for tests to set.
        """
        self._serving = self._loopback.start()

    def close(self) -> None:
        """Break off every answer, close every connection, and end the thread; what was seen can still be asked for."""
        self._loopback.stop()

    @property
    def url(self) -> str:
        """The base URL for clients: `http://127.0.0.1:PORT/v1`.

        Raises:
            RuntimeError: It was never started.
        """
        return str(self._started)

    @property
    def api_key(self) -> str:
        """A key that is let in: any is, unless the options name one."""
        return self._key

    # --- Scripting ---------------------------------------------------------------------------------------------

    def reply(self, *parts: Any, times: int | None = 1) -> Self:
        """Answer the next chat completion request so, after the replies that wait already; see `Rule.reply`.

        Returns:
            Itself, for the next reply.
        """
        self._playbook.queue.reply(*parts, times=times)
        return self

    def when(self, **criteria: Unpack[Criteria]) -> Rule:
        """Return a queue of replies for the requests that meet the criteria, which goes before those of `reply`.

        Of several that fit, the one that was made first goes first, as long as it has replies.

        Args:
            **criteria: See `Criteria`.

        Raises:
            TypeError: There is a name that is no criterion.
        """
        rule = Rule(Matcher(**criteria))
        self._playbook.add_rule(rule)
        return rule

    # --- What came ---------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[ReceivedRequest]:
        """All requests so far, oldest first, those for models and those that were refused among them."""
        serving = self._started
        records = self._loopback.call(lambda: serving.requests)
        peers: dict[Any, int] = {}
        connections = [peers.setdefault(record.peer, len(peers) + 1) if record.peer else 0 for record in records]
        return [
            self._received(number, record, connection)
            for number, (record, connection) in enumerate(zip(records, connections, strict=True), 1)
        ]

    @property
    def connections(self) -> Connections:
        """How many connections were opened, and are open: fewer opened than requests means that they were used again."""
        serving = self._started
        if not self._loopback.running:
            return Connections(serving.connections, 0)
        return self._loopback.call(lambda: Connections(serving.connections, serving.open_connections))

    def story(self) -> str:
        """Return all requests and what became of them, one after the other, as text."""
        lines = [f"  {request}" for request in self.requests]
        return "\n".join(["Requests so far:", *lines] if lines else ["No request came."])

    # --- Assertions --------------------------------------------------------------------------------------------

    def assert_called(self, times: int | None = None, **criteria: Unpack[Criteria]) -> list[ReceivedRequest]:
        """Assert that there were chat completion requests that meet the criteria, and return them.

        Args:
            times: How many; None: one or more.
            **criteria: See `Criteria`; none: all chat completion requests count.

        Raises:
            AssertionError: There were not so many.
        """
        matcher = Matcher(**criteria)
        found = [request for request in self.requests if request.is_chat and matcher.fits(request)]
        if len(found) == times or (times is None and found):
            return found
        wanted = "at least one" if times is None else "no" if times == 0 else str(times)
        such = f" with {matcher}" if matcher else ""
        raise AssertionError(
            f"Expected {wanted} chat completion request{'' if times in (None, 1) else 's'}{such}, got {len(found)}.\n{self.story()}"
        )

    def assert_called_once(self, **criteria: Unpack[Criteria]) -> ReceivedRequest:
        """Assert that there was exactly one such request, and return it; see `assert_called`."""
        return self.assert_called(1, **criteria)[0]

    def assert_not_called(self, **criteria: Unpack[Criteria]) -> None:
        """Assert that there was no such request; see `assert_called`."""
        self.assert_called(0, **criteria)

    def assert_played(self) -> None:
        """Assert that every reply was asked for, and every request found one. The fixture does it at the test's end.

        Raises:
            AssertionError: It says which was not.
        """
        problems = self._playbook.problems()
        if problems:
            lines = "\n".join(f"  {problem}" for problem in problems)
            raise AssertionError(f"The script was not played as written:\n{lines}\n{self.story()}")

    def assert_nothing_open(self, timeout: float = 1.0) -> None:
        """Assert that no answer is under way: that every stream was read to its end, or closed.

        Args:
            timeout: Seconds to wait for answers to end; closing is noticed a moment later.

        Raises:
            AssertionError: One is still open.
        """
        self._loopback.wait(self._all_ended, timeout)
        left = [request for request in self.requests if request.outcome == "open"]
        if left:
            lines = "\n".join(f"  {request}" for request in left)
            raise AssertionError(
                f"{len(left)} answers are still open after {timeout:g} s, their clients listening:\n{lines}"
            )

    # --- Inside ------------------------------------------------------------------------------------------------

    @property
    def _started(self) -> Serving:
        if self._serving is None:
            raise RuntimeError("The server was not started: use it in a `with`, or call start().")
        return self._serving

    def _serve(self) -> AbstractAsyncContextManager[Serving]:
        from openai_async.server.app import AppOptions  # noqa: PLC0415 - it imports starlette

        unknown = self._options.keys() - AppOptions.__annotations__.keys()
        if unknown:
            known = ", ".join(sorted(AppOptions.__annotations__.keys() - {"fault_for"}))
            raise TypeError(f"{min(unknown)}= is no option of the server: there are {known}")
        return serve(self._playbook, **self._options)

    def _choose(self, recorded: Recorded) -> Fault | None:
        return self._playbook.choose(self._received(0, recorded, 0), recorded.request_id)

    def _received(self, number: int, recorded: Recorded, connection: int) -> ReceivedRequest:
        return ReceivedRequest(
            number,
            connection=connection,
            recorded=recorded,
            loopback=self._loopback,
            wait_end=self._started.wait_end,
            note=self._playbook.note(recorded.request_id),
        )

    async def _all_ended(self) -> None:
        async with anyio.create_task_group() as group:
            for recorded in self._started.requests:
                group.start_soon(partial(self._started.wait_end, recorded))
