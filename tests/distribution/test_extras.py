"""What a bare install can't do says what to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from argparse import Namespace
from pathlib import Path

import pytest

from distribution.__main__ import _extras
from distribution.extras import GIVES, WITHOUT

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("code", "packages", "extra"), WITHOUT)
def test_what_is_missing_is_named(code: str, packages: tuple[str, ...], extra: str) -> None:
    """Without an optional package, an `ImportError` names the extra that brings it."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({packages!r}))\n"

    done = subprocess.run([sys.executable, "-c", hidden + code], text=True, capture_output=True, check=False)

    assert done.returncode == 1
    assert re.match(rf"ImportError: .*(\[{extra}\]|'{extra}')", done.stderr.strip().splitlines()[-1])


def test_every_extra_is_checked() -> None:
    """`.ci/package --all --large` installs each extra that users may ask for: all but that of the checks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert set(project["optional-dependencies"]) - {"dev"} == set(GIVES)


@pytest.mark.parametrize(("options", "extras"), [
    ((), set()),
    (("large",), {"local", "ray"}),
    (("all",), GIVES.keys() - {"server", "local", "ray"}),
    (("all", "large"), GIVES.keys() - {"server"}),
])  # fmt: skip
def test_extras_that_are_asked_for(options: tuple[str, ...], extras: set[str]) -> None:
    """Each option brings extras of its own, beside `server`, which is always installed."""
    asked = Namespace(all="all" in options, large="large" in options)

    assert _extras(asked) == extras
