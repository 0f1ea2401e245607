"""All that a test scripted, and what came of it: who gets which reply.

Requests come in on the server's thread, replies and questions on the test's; each request gets the reply of the first
rule that fits, else the next of the queue. It also is the server's responder, for the words of the reply.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from openai_async.server.desk import check_model
from openai_async.server.pages import check_content_type
from openai_async.server.problems import Problem
from openai_async.server.replies import StandIn
from openai_async.server.requests import read_request

from .matcher import Matcher
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Collection

    from openai_async.server.faults import Fault
    from openai_async.server.replies import Reply, Responder

    from .received import ReceivedRequest
    from .reply import ScriptedReply

__all__ = ["Playbook"]

__tracebackhide__ = True  # pytest shows the test's own line, not this module's

# The reply of the request that this task answers: it is chosen before the request is let in, and given after.
_current: ContextVar[ScriptedReply | None] = ContextVar("openai_async_reply", default=None)


class Playbook:
    """The script.

    Args:
        responder: Answers while nothing is scripted; None: the embedded server's own, always the same for a request.
        ignore_unknown: Whether requests may have parameters that the API does not know.
        models: Names of the models that exist; None: every name is a model.
    """

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        ignore_unknown: bool = False,
        models: Collection[str] | None = None,
    ) -> None:
        self._responder: Responder = responder or StandIn()
        self._ignore_unknown = ignore_unknown
        self._models = models
        self._lock = threading.RLock()  # a `where` may script further replies
        self._queue = Rule(Matcher())
        self._rules: list[Rule] = []
        self._notes: dict[str, str] = {}
        self._misses: list[str] = []

    @property
    def queue(self) -> Rule:
        """The replies for whatever request no rule is for."""
        return self._queue

    @property
    def scripted(self) -> bool:
        """Whether there is any reply, used or not."""
        return any(rule.replies for rule in (*self._rules, self._queue))

    def add_rule(self, rule: Rule) -> None:
        """Add a rule; earlier ones go first."""
        with self._lock:
            self._rules.append(rule)

    def note(self, request_id: str) -> str:
        """Return what became of a request: its reply, or why there was none; empty: nothing to say."""
        return self._notes.get(request_id, "")

    def problems(self) -> list[str]:
        """Return a line for each reply that nobody asked for, and for each request that found none."""
        with self._lock:
            lines = list(self._misses)
            for rule in (*self._rules, self._queue):
                for reply in rule.replies:
                    if reply.unused:
                        more = "" if reply.used == 0 else f" (asked for {reply.used} of {reply.times} times)"
                        place = "" if rule is self._queue else f"{rule!r}."
                        lines.append(f"never asked for: {place}{reply!r}{more}")
            return lines

    def choose(self, request: ReceivedRequest, request_id: str) -> Fault | None:
        """Choose the reply for a request, and return what goes wrong with it; None: nothing, or nothing is scripted.

        Args:
            request: The request. One that is no chat completion, or that the server would refuse, uses up no reply.
            request_id: Its id.

        Raises:
            Problem: Status 400, which no client retries: there is no reply for it, or a `where` of the test's failed. Or
                what the server would refuse it with.
        """
        _current.set(None)
        if not request.is_chat or not self.scripted:
            return None
        try:
            check_content_type(request.headers.get("content-type", ""))
            check_model(read_request(request.content, ignore_unknown=self._ignore_unknown)["model"], self._models)
        except Problem as problem:
            self._notes[request_id] = f"refused: {problem.message}"
            raise
        with self._lock:
            reply = self._find(request)
            if reply is None:
                raise self._missed(request, request_id)
        self._notes[request_id] = repr(reply)
        _current.set(reply)
        return reply.fault

    async def __call__(self, asked: dict[str, Any], /) -> Reply:
        """Answer as a responder; cancelling it loses nothing."""
        reply = _current.get()
        if reply is not None:
            return await reply.answer(asked)
        answer: Any = self._responder(asked)
        said: Reply = answer if hasattr(answer, "__anext__") else await answer
        return said

    def _find(self, request: ReceivedRequest) -> ScriptedReply | None:
        for rule in self._rules:
            try:
                fits = rule.matcher.fits(request)
            except Exception as error:
                text = f"{rule!r} could not be asked about a request: {type(error).__name__}: {error}"
                self._misses.append(text)
                raise Problem(400, text, code="script_failed") from error
            if fits and (reply := rule.take()) is not None:
                return reply
        return self._queue.take()

    def _missed(self, request: ReceivedRequest, request_id: str) -> Problem:
        count = sum(len(rule.replies) for rule in (*self._rules, self._queue))
        why = "they were all handed out, or are for others" if self._rules else "they were all handed out"
        self._notes[request_id] = "no scripted reply was left"
        self._misses.append(f"no reply was left for a request: {request.described}")
        text = f"No scripted reply is left for this request: of {count} given, {why}."
        return Problem(400, text, code="script_exhausted")
