"""Fault injectors that others wrote, in front of or in the place of a server: llmock, mitmproxy and nginx.

Faults go in, an address on loopback comes out. None of the three is part of the project: llmock and mitmproxy are
installed from the Python registry into a folder of the caller's, nginx is the system's.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.programs import ProgramError, running
from support.rawserver import free_port

__all__ = ["LLMOCK", "MITMPROXY", "Llmock", "llmock", "mitmproxy", "nginx"]

LLMOCK = "llmock==0.2.2"
MITMPROXY = "mitmproxy>=11"

# What mitmproxy does to the bodies that pass: it calls `stream` with each piece.
_RECUTTING = """
import os

HOW = os.environ["RECUT"]

def again(data):
    if HOW == "bytes":
        return [data[at:at + 1] for at in range(len(data))]
    if HOW == "crlf":
        return data.replace(b"\\n", b"\\r\\n")
    if HOW == "comments":
        return data.replace(b"data: ", b": still here\\ndata: ")
    return data

class Recut:
    def responseheaders(self, flow):
        left = [3]
        def stream(data):
            if HOW == "drop":
                left[0] -= 1
                if left[0] < 0:
                    flow.kill()
                    return b""
            return again(data)
        flow.response.stream = stream

addons = [Recut()]
"""

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {upstream};
            {directives}
        }}
    }}
}}
"""


class Llmock:
    """A running llmock.

    Args:
        root: Its address, without a path.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.url = f"{root}/v1"

    async def script(self, *behaviours: dict[str, Any]) -> None:
        """Forget what was, and queue what the next requests shall meet."""
        await self._ask("POST", "/_llmock/reset", {})
        await self._ask("POST", "/_llmock/scenario", {"behaviors": list(behaviours)})

    async def verdict(self) -> dict[str, Any]:
        """What it thinks of the client: `findings`, each with its `severity` and `code`; `calls`; `attempts`."""
        return await self._ask("GET", "/_llmock/verdict", None)

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.root + path, data, headers, method=method)
        return json.loads(await asyncio.to_thread(_fetch, request))


def _fetch(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=10) as response:
        return bytes(response.read())


@contextmanager
def llmock(commands: Path, folder: Path, *options: str) -> Iterator[Llmock]:
    """Run llmock, which is installed in `commands`, with options of its `serve`."""
    port = free_port()
    with running([str(commands / "llmock"), "serve", "-p", str(port), *options], port, folder / "llmock.log"):
        yield Llmock(f"http://127.0.0.1:{port}")


@contextmanager
def mitmproxy(commands: Path, folder: Path, upstream: str, how: str) -> Iterator[str]:
    """Run mitmproxy, which is installed in `commands`, before a server, and yield the address with its path.

    Args:
        commands: Where its commands are.
        folder: Where it may write to.
        upstream: Address of the server, without a path.
        how: What it does to bodies: "bytes" (one at a time), "crlf", "comments", or "drop" (after three pieces).
    """
    addon, port = folder / "recut.py", free_port()
    addon.write_text(_RECUTTING, encoding="utf-8")
    options = ["--mode", f"reverse:{upstream}", "--listen-host", "127.0.0.1", "-p", str(port), "-s", str(addon)]
    command = ["/usr/bin/env", f"RECUT={how}", str(commands / "mitmdump"), "--set", f"confdir={folder}", *options]
    with running(command, port, folder / f"mitmproxy-{how}.log"):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def nginx(folder: Path, upstream: str, directives: str) -> Iterator[str]:
    """Run the system's nginx before a server, and yield the address with its path.

    Args:
        folder: Where it may write to.
        upstream: Address of the server, without a path.
        directives: Of nginx's configuration, for the location that passes everything on.

    Raises:
        ProgramError: There is no nginx, or it does not start.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise ProgramError("nginx is not installed")
    port = free_port()
    said = _NGINX.format(folder=folder, port=port, upstream=upstream, directives=directives)
    (folder / "nginx.conf").write_text(said, encoding="utf-8")
    with running([program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"], port, folder / "nginx.log"):
        yield f"http://127.0.0.1:{port}/v1"
