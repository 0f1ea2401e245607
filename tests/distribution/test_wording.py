"""What the project's texts tell people to install."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (".ci", "benchmarks", "docs", "openai_async", "tests")
# An unrelated project has the name of our command; ours ends in -sdk.
NAME = "openai-async"
WRONG = re.compile(rf"\b(pip|pipx|uv|poetry|pdm)\b[^\n`&;|]*\b(install|add)\b[^\n`&;|]*[\s'\"]{NAME}(?![\w-])")


def texts() -> list[Path]:
    """Return every file of the project that a person may read."""
    folders = [ROOT / part for part in PARTS if (ROOT / part).is_dir()]  # an sdist has fewer
    below = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in below if not {"__pycache__", ".mypy_cache", "node_modules"} & set(path.parts)]
    return [*kept, ROOT / "README.md", ROOT / "pyproject.toml"]


def test_nobody_is_sent_to_the_wrong_project() -> None:
    """No text says to install the unrelated distribution that has the name of the command."""
    found = [path.relative_to(ROOT) for path in texts() if WRONG.search(path.read_bytes().decode(errors="replace"))]

    assert found == []


def test_the_search_tells_them_apart() -> None:
    """What it looks for is the name alone, with or without extras, and not the command, the path, or our distribution."""
    assert WRONG.search(f"pip install {NAME}")
    assert WRONG.search(f"uv pip install -U '{NAME}[cli]>=1'")
    assert not WRONG.search(f"pip install '{NAME}-sdk[cli]'")
    assert not WRONG.search(f"pip install -q '.[cli]' && .venv/bin/{NAME} chat")
    assert not WRONG.search(f"pip install '.[cli]' && {NAME} chat")
