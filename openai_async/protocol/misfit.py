"""Why a text makes no object of a type: a reason, and the place in the text.

An error of msgspec, of pydantic, of `json` or of a type's own code comes in with the text; two short strings go out.
Nothing here raises, whatever the error does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from openai_async.types.json import is_array, is_object

from . import codec

__all__ = ["explain"]

_LONGEST = 300  # characters

_MISFIT_PLACE = re.compile(r" - at `(?:key in )?\$?(.*)`$")
_BROKEN_PLACE = re.compile(r" \(byte (\d+)\)$")
_LINE_PLACE = re.compile(r" at line (\d+) column (\d+)$")


def explain(error: Exception, text: str, *, inside: str = "") -> tuple[str, str]:
    """Return what an error says, and where.

    Args:
        error: What parsing the text raised.
        text: All of it.
        inside: The property of the root whose value was parsed; "": the whole was.

    Returns:
        The reason in one line, and the place: a JSON path, `byte N` for broken JSON, or "" for all of the text (also
        where it only ends too early). Both are bounded: they repeat keys and values, which may be of any length.
    """
    root = f"$.{inside}" if inside else "$"
    try:
        reason, place = _explained(error, text, root)
    except Exception:  # noqa: BLE001 - the error's own code: its __str__, its errors()
        reason, place = type(error).__name__, ""
    return _shortened(reason), "" if place == "$" else _shortened(place)


def _shortened(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _explained(error: Exception, text: str, root: str) -> tuple[str, str]:
    if isinstance(error, msgspec.ValidationError):
        said = str(error)
        found = _MISFIT_PLACE.search(said)
        return (said[: found.start()], root + found[1]) if found else (said, root)
    if isinstance(error, msgspec.DecodeError):
        said = str(error)
        found = _BROKEN_PLACE.search(said)
        if found is None:
            return said, ""
        late = "trailing" in said  # these are counted from 1
        return said[: found.start()], f"byte {int(found[1]) - late}"
    if isinstance(error, json.JSONDecodeError):
        marks = "\ufeff" if text.startswith("\ufeff") else ""  # which was not counted
        ended = error.msg.startswith("Unterminated")  # it names where the string began
        return error.msg, "" if ended else _byte(text, len(marks) + error.pos)
    listed: Any = getattr(error, "errors", None)
    if callable(listed):
        first: Any = cast("Any", listed)(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            return _broken(first["msg"], text)
        return first["msg"], root + _path(first, text, root)
    return str(error) or type(error).__name__, ""


def _broken(said: str, text: str) -> tuple[str, str]:
    """Of pydantic's broken JSON: it counts lines, and bytes in them, from 1."""
    found = _LINE_PLACE.search(said)
    if found is None:
        return said, ""
    lines = text.encode("utf-8", "surrogatepass").split(b"\n")[: int(found[1]) - 1]
    place = sum(len(line) + 1 for line in lines) + int(found[2]) - 1
    return said[: found.start()], "" if "EOF" in said else f"byte {place}"


def _byte(text: str, position: int) -> str:
    """The place of a character, from 0; "" if nothing stands there."""
    before = text[:position].encode("utf-8", "surrogatepass")
    return f"byte {len(before)}" if text[position:].strip() else ""


def _path(first: Any, text: str, root: str) -> str:
    """Pydantic's location as a path: without the names of union members and validators, which are no part of the JSON."""
    steps: Sequence[str | int] = first["loc"]
    try:
        value: Any = codec.loads(text.encode("utf-8", "surrogatepass"))
    except ValueError:  # pydantic takes a little more
        return ""
    if root != "$":
        value = value[root.removeprefix("$.")]
    path = ""
    for place, step in enumerate(steps):
        if is_array(value) and isinstance(step, int) and step < len(value):
            path, value = f"{path}[{step}]", value[step]
        elif is_object(value) and str(step) in value:
            path, value = f"{path}.{step}", value[str(step)]
        elif first["type"] == "missing" and place == len(steps) - 1:
            path = f"{path}.{step}"
    return path
