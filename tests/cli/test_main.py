"""The entry point, `openai_async.__main__`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(code):
    """Run Python code in a process that finds the package."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, cwd=ROOT, timeout=20, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    ("missing", "named"), [(["click"], "click"), (["rich"], "rich"), (["click", "rich"], "click and rich")]
)
def test_what_is_missing_is_named(missing, named):
    """Without click or rich, one line says how to get them."""
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in missing)

    done = start(f"import sys; {hidden}from openai_async.__main__ import main; main()")

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"openai-async: error: the command line needs {named}: run pip install '.[cli]' in the project's folder\n"
    )


def test_ctrl_c_is_no_traceback_even_while_it_starts():
    """Ctrl-C while modules are being imported ends with code 130, without a word."""
    done = start(
        "import builtins, openai_async.__main__ as m\n"
        "real = builtins.__import__\n"
        "def stop(name, *args):\n"
        "    if name == 'openai_async.cli.program': raise KeyboardInterrupt\n"
        "    return real(name, *args)\n"
        "builtins.__import__ = stop\n"
        "m.main()\n"
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
