"""Prism, a mock server that others wrote: made of an OpenAPI document, it refuses each request that breaks its schema.

A document comes in, the address of a server on loopback goes out. Prism is not part of the project: npm installs it
into a folder of the caller's. Run as a program, this module writes the document that Prism understands.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.programs import ProgramError, running
from support.rawserver import free_port
from support.shared import load

__all__ = ["install", "serving", "without_nullable"]

_PACKAGE = "@stoplight/prism-cli@5"
_OLDEST_NODE = 18  # the oldest that Prism 5 runs on
_NODE = "node@22"  # a package of npm's that brings a node of its own


def install(folder: Path) -> list[str]:
    """Install Prism into `folder`, with a newer node where this machine's is too old, and return its command.

    Raises:
        ProgramError: There is no npm, or it failed; the message is its own.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise ProgramError("npm or node is not installed")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    packages = [_PACKAGE]
    if not said.startswith("v") or int(said[1:].split(".")[0]) < _OLDEST_NODE:
        packages.append(_NODE)
        node = str(folder / "node_modules" / "node" / "bin" / "node")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProgramError(f"npm could not install Prism: {done.stderr.strip()[-300:]}")
    return [node, str(folder / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js")]


@contextmanager
def serving(command: list[str], document: dict[str, Any], folder: Path) -> Iterator[str]:
    """Run Prism with a document, and yield its address. Leaving the block ends it.

    Args:
        command: What `install` returned.
        document: An OpenAPI 3.1 document, without the "nullable" of 3.0.
        folder: Where the document and Prism's log are written to.

    Raises:
        ProgramError: It ended at once, or does not listen after a minute; the message has its log.
    """
    file = folder / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    port = free_port()
    arguments = ["mock", "--errors", "--host", "127.0.0.1", "--port", str(port), str(file)]
    with running([*command, *arguments], port, folder / "prism.log"):
        yield f"http://127.0.0.1:{port}"


def without_nullable(node: Any) -> Any:
    """Return a copy of a document that says `{"type": "null"}` where OpenAPI 3.0 said "nullable".

    The published document is of version 3.1, which has no such keyword, and uses it all the same. Prism's validator
    fails to compile a schema with it (ajv: "nullable" without "type"), and then lets every body through, unsaid.
    """
    if isinstance(node, list):
        return [without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    twin = {key: without_nullable(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [twin, {"type": "null"}]} if node.get("nullable") is True else twin


if __name__ == "__main__":
    sys.stdout.write(json.dumps(without_nullable(load("openapi/chat.openapi.json"))))
