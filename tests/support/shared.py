"""The background material beside the checkout: real recordings and captures, which are no part of the project.

Names of files go in, what they hold comes out. Where the folder is missing, the tests that read it are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

__all__ = ["SHARED", "load", "needs", "stems"]

SHARED = Path(__file__).resolve().parents[3] / "shared"


def needs(folder: str) -> pytest.MarkDecorator:
    """Return the mark for tests that read `folder`: they are skipped where it is missing."""
    return pytest.mark.skipif(not (SHARED / folder).is_dir(), reason=f"../shared/{folder} is not at hand")


def stems(folder: str, ending: str) -> list[str]:
    """Return the files of `folder` that end in `ending`, sorted, as paths inside it without the ending."""
    root = SHARED / folder
    return sorted(str(path.relative_to(root))[: -len(ending)] for path in root.glob(f"**/*{ending}"))


def load(path: str) -> Any:
    """Return the JSON in a file; an empty list where there is no such file."""
    file = SHARED / path
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
