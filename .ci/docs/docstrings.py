# ruff: noqa: INP001 - MkDocs loads this file by its path
"""How docstrings become reference pages: fields as one table a class, indented examples as highlighted code.

A Griffe extension; once the package is read, it rewrites what it read for the site.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

from griffe import Attribute, Class, Docstring, Extension, Function, Module, Object, Parameters

__all__ = ["Docstrings"]

_SECTION = re.compile(r"^Attributes:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
_ITEM = re.compile(r"^ {4}(?P<names>\w+(?:, \w+)*): *(?P<text>.*(?:\n {5,}.*)*)", re.MULTILINE)
_RESULT = re.compile(r"^(?P<section>Returns|Yields):\n {4}(?P<text>.*:)", re.MULTILINE)
_ITERATED = re.compile(r"(?:Async)?(?:Iterator|Generator|Iterable)\[(.+?)(?:, None)*\]")
_CODE = re.compile(r"(?:\A|(?<=\n\n)) {4}.*\n?(?:(?: {4}.*)?\n?)*")

# Special methods with a contract that a reader needs; the others are Python's affair.
_SPECIAL = frozenset({"__anext__", "__aiter__", "__call__"})


class Docstrings(Extension):
    """Rewrites the package's docstrings and drops what is private from its signatures."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Rewrite every object: all fields are known before the first class loses its own to a table."""
        objects = list(_objects(pkg))
        classes = [one for one in objects if isinstance(one, Class)]
        tables = [(one, _fields(one)) for one in classes]
        for one in objects:
            if one.docstring is not None:
                one.docstring.value = _fenced(one.docstring.value)
            if isinstance(one, Function):
                one.parameters = Parameters(*(each for each in one.parameters if not each.name.startswith("_")))
                _type_result(one)
        for one, fields in tables:
            _tell(one, fields)
            if not one.name.startswith("_"):
                one.bases = [base for base in one.bases if not str(base).startswith(("_", "Generic["))]


def _objects(parent: Object) -> Iterator[Object]:
    for member in parent.members.values():
        if isinstance(member, Object):
            yield member
            yield from _objects(member)


def _fields(cls: Class) -> dict[str, Attribute]:
    """Public annotated names of a class and of its private bases, which have no entry of their own."""
    fields: dict[str, Attribute] = {}
    for base in cls.resolved_bases:
        if isinstance(base, Class) and base.name.startswith("_"):
            fields |= _fields(base)
    for name, member in cls.members.items():
        if isinstance(member, Attribute) and not name.startswith("_") and "property" not in member.labels:
            fields[name] = member
    return fields


def _tell(cls: Class, fields: dict[str, Attribute]) -> None:
    """Have the section "Attributes" tell every field, and nothing else do; leave out special methods that nobody calls."""
    text = cls.docstring.value if cls.docstring is not None else ""
    said = _described(text)
    for name in list(cls.members):
        silent = name.startswith("__") and (name not in _SPECIAL or cls.members[name].docstring is None)
        if name in fields or (silent and name != "__init__"):
            cls.del_member(name)
    given = {each.name: each.annotation for each in cls.parameters}
    rows = []
    for name in {**fields, **said}:
        field = fields.get(name)
        told = " ".join(said.get(name, _own_text(field)).split())
        kind = (field.annotation if field is not None else None) or given.get(name) or ""
        if told or name not in given:  # else it stands among the parameters, and says all there
            rows.append(f"    {name} ({kind}): {told}")
    if rows:
        value = "\n".join([_SECTION.sub("", text).rstrip(), "", "Attributes:", *rows])
        cls.docstring = Docstring(value, lineno=cls.lineno, parent=cls)


def _own_text(field: Attribute | None) -> str:
    """Return what stands below a field; of a constant of the class, its value."""
    if field is None:
        return ""
    if field.docstring is not None:
        return field.docstring.value
    constant = "class-attribute" in field.labels and (
        field.annotation is None or "instance-attribute" not in field.labels
    )
    return f"`{field.value}`" if constant and field.value is not None else ""


def _type_result(function: Function) -> None:
    """Put the type before a result whose text has a colon of its own, which would be taken for the type's end."""
    if function.docstring is None or function.returns is None:
        return

    def typed(match: re.Match[str]) -> str:
        told = str(function.returns)
        item = _ITERATED.fullmatch(told) if match["section"] == "Yields" else None
        return f"{match['section']}:\n    {item[1] if item else told}: {match['text']}"

    function.docstring.value = _RESULT.sub(typed, function.docstring.value)


def _described(text: str) -> dict[str, str]:
    """Name to description, of each field that a docstring's section "Attributes" has."""
    section = _SECTION.search(text)
    items = _ITEM.finditer(section[1]) if section is not None else ()
    return {name: item["text"] for item in items for name in item["names"].split(", ")}


def _fenced(text: str) -> str:
    """Put fences around indented code, so that it is highlighted where it is Python."""

    def fence(match: re.Match[str]) -> str:
        code = dedent(match[0]).strip().replace("…", "...")
        try:
            ast.parse(code)
        except SyntaxError:
            return f"```text\n{code}\n```\n\n"
        return f"```python\n{code}\n```\n\n"

    return _CODE.sub(fence, text)
