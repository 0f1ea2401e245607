"""What a docstring tells of a function and of its parameters.

Text in one of the three usual styles comes in (Google, NumPy, reST); a description and one text for each parameter go
out. What is none of these is all description.
"""

from __future__ import annotations

import inspect
import re

__all__ = ["read_docstring"]

_GOOGLE = re.compile(r"^(Args|Arguments|Parameters|Other Parameters|Keyword Args|Keyword Arguments):\s*$")
_NUMPY = re.compile(r"^(Parameters|Other Parameters)\s*$")
_REST = re.compile(r"^:(?:param|parameter|arg|argument|key)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
# What ends a list of parameters, and what of a docstring is no description.
_SECTION = re.compile(
    r"^(Args|Arguments|Keyword Args|Keyword Arguments|Parameters|Other Parameters|Returns?|Yields?|Raises|Examples?|"
    r"Notes?|Attributes|See Also|References|Warnings?|Warns|Todo):?\s*$"
)
_REST_FIELD = re.compile(r"^:\w+[^:]*:")
_GOOGLE_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY_ENTRY = re.compile(r"^\*{0,2}(\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Return what a docstring says.

    Args:
        text: The docstring as Python has it; None: there is none.

    Returns:
        The description (all before the first section), possibly empty, and the text of each parameter, by name.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    parameters: dict[str, str] = {}
    end = len(lines)
    for place, line in enumerate(lines):
        underlined = place + 1 < len(lines) and set(lines[place + 1].strip()) == {"-"}
        if _GOOGLE.match(line) and not underlined:
            parameters |= _google(lines[place + 1 :])
        elif _NUMPY.match(line) and underlined:
            parameters |= _numpy(lines[place + 2 :])
        elif _REST.match(line):
            parameters |= _rest(lines[place:])
        elif not (_SECTION.match(line) and (underlined or line.rstrip().endswith(":"))) and not _REST_FIELD.match(line):
            continue
        end = min(end, place)
    return "\n".join(lines[:end]).strip(), parameters


def _google(lines: list[str]) -> dict[str, str]:
    """`name (type): text`, indented, continued by lines that are indented further."""
    block: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith((" ", "\t")):
            break
        block.append(line)
    return _entries(block, _GOOGLE_ENTRY)


def _entries(block: list[str], pattern: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name, depth = "", -1
    for line in block:
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        entry = pattern.match(line.strip())
        if entry and (depth < 0 or indent <= depth):
            name, depth = entry[1], indent
            found[name] = entry[2].strip()
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _numpy(lines: list[str]) -> dict[str, str]:
    """`name : type` on a line of its own, the text indented below it."""
    found: dict[str, str] = {}
    names: list[str] = []
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        if line.startswith((" ", "\t")):
            for name in names:
                found[name] = f"{found[name]} {line.strip()}".strip()
            continue
        if place + 1 < len(lines) and set(lines[place + 1].strip()) == {"-"}:
            break
        entry = _NUMPY_ENTRY.match(line)
        names = [name.strip(" *") for name in entry[1].split(",")] if entry else []
        found.update(dict.fromkeys(names, ""))
    return found


def _rest(lines: list[str]) -> dict[str, str]:
    """`:param type name: text`, continued by indented lines."""
    entry = _REST.match(lines[0])
    if entry is None:
        return {}
    text = [entry[2].strip()]
    for line in lines[1:]:
        if line.strip() and not line.startswith((" ", "\t")):
            break
        text.append(line.strip())
    return {entry[1]: " ".join(part for part in text if part)}
