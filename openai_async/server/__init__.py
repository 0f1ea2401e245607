"""The other end to talk to: an embedded server of the Chat Completions API, for tests and for working offline.

`serve` runs it inside of an event loop, `run_server` as a program; `app.create_app` is the ASGI app. Replies come from
a responder, misbehaviour from a `Fault`. Nothing here imports starlette or uvicorn before a server is started.
"""

from .completions import Draft
from .faults import Fault
from .limits import RateLimits
from .problems import Problem
from .replies import Call, Responder, Script, StandIn
from .run import Serving, run_server, serve, serve_forever

__all__ = [
    "Call",
    "Draft",
    "Fault",
    "Problem",
    "RateLimits",
    "Responder",
    "Script",
    "Serving",
    "StandIn",
    "run_server",
    "serve",
    "serve_forever",
]
