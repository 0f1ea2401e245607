"""Each extra: what it makes usable, and what says its name where it is missing."""

from __future__ import annotations

__all__ = ["GIVES", "LARGE", "WITHOUT"]

# Extra to modules that can be imported with it and nothing else.
GIVES = {
    "server": ("openai_async.server.app", "openai_async.relay.starlette"),
    "cli": ("openai_async.cli.program", "openai_async.server.app", "openai_async.relay.starlette"),
    "redis": ("openai_async.relay.redis",),
    "streaq": ("openai_async.relay.streaq", "openai_async.relay.redis"),
    "otel": ("openai_async.hooks.otel",),
    "testing": ("openai_async.testing.plugin", "openai_async.testing.server", "openai_async.server.app"),
    "speedups": ("uvloop", "aiodns"),
    "docs": ("mkdocs", "material", "mkdocstrings_handlers.python"),
    "local": ("xllamacpp",),
    "ray": ("ray.data", "openai_async.bulk.ray"),
}

# Hundreds of megabytes: installed when asked for.
LARGE = frozenset({"local", "ray"})

_SERVE = """
import asyncio
from openai_async.server import serve
async def main():
    async with serve():
        pass
asyncio.run(main())
"""

# What a bare install can't do, the packages that it needs, and the extra that its error names.
WITHOUT = [
    (_SERVE, ("starlette", "sse_starlette", "uvicorn"), "server"),
    ("import openai_async.server.app", ("starlette",), "server"),
    ("import openai_async.relay.starlette", ("starlette",), "server"),
    ("import openai_async.relay.starlette", ("sse_starlette",), "server"),
    ("import openai_async.relay.redis", ("redis",), "redis"),
    ("import openai_async.relay.streaq", ("streaq",), "streaq"),
    ("import openai_async.hooks.otel", ("opentelemetry",), "otel"),
    ("from openai_async.testing import ScriptedServer; ScriptedServer().start()", ("starlette",), "server"),
    ("from openai_async.bulk.progress import RichProgress; RichProgress()", ("rich",), "cli"),
]
