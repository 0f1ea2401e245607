"""Drafts: objects of a type while what they say is still being written.

A type and a value of the monotonic reading (`PartialJSON.value(monotonic=True)`) come in; out goes an object of the type,
with what has come so far. None of the type's own code runs, and nothing is checked: whoever has the whole text parses it.
"""

from __future__ import annotations

import dataclasses
import typing
from collections import abc, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, Literal, TypeVar, overload
from uuid import UUID

import msgspec

from .drafting.hints import field_types, members_of
from .drafting.makers import dataclass_maker, model_maker, named_tuple_maker, struct_maker
from .drafting.plans import (
    MISSING,
    Anything,
    Constants,
    Converted,
    Entries,
    Integer,
    Items,
    Memory,
    Plan,
    Positions,
    Real,
    Scalar,
    Text,
)
from .drafting.records import Choice, Field, Record, Reference, Wrapped

__all__ = ["Memory", "draft"]

T = TypeVar("T")


@overload
def draft(type: type[T], value: Any, memory: Memory | None = None) -> T | None: ...
@overload
def draft(type: Any, value: Any, memory: Memory | None = None) -> Any: ...
def draft(type: Any, value: Any, memory: Memory | None = None) -> Any:
    """Return the unfinished object of a type that a value says.

    While a text grows that will fit the type, drafts only gain: what is None gets a value, once; strings and lists grow
    at their end, dicts by new keys; all else stays. So a field that has not come is None, whatever its type and default
    (in a TypedDict its key is absent), and a value shows only when it can't become another: an enum member, a Literal, a
    date when its string is whole; a member of a union when the object says which it is, by a tag, a Literal or its keys.
    A value that does not fit is None. No draft is ever changed, but they share plain data that is whole: don't change it.

    Args:
        type: Structs of msgspec, dataclasses, TypedDicts, named tuples, pydantic models and dataclasses, what can be made
            of them with list, tuple, set, dict and unions, and Any. What is of another type is None.
        value: Plain data, in which what is unfinished is marked.
        memory: What was drawn of the same text before, of the same type: parts that are whole are then drawn once, and
            shared between drafts. None: nothing was.

    Returns:
        The object; None: nothing has come, or nothing that fits.
    """
    try:
        plan = _plan(type)
    except TypeError:  # it can't be hashed: there is an `Annotated` in it, with something that can't
        plan = _Planner().plan(type)
    try:
        drawn = plan.draw(value, memory)
    except RecursionError:  # whoever called us left no room for 128 levels
        return None
    return None if drawn is MISSING else drawn


@lru_cache(maxsize=512)  # which confuses unions that differ in their order only, as `typing` itself does
def _plan(type: Any) -> Plan:
    return _Planner().plan(type)


_anything: Final = Anything()

_PLANS: Final[dict[Any, Plan]] = {
    str: Text(),
    int: Integer(),
    float: Real(),
    bool: Scalar(bool),
    None: Scalar(NoneType),
    NoneType: Scalar(NoneType),
    Any: _anything,
    object: _anything,
    Decimal: Converted(Decimal, (str, int, float)),
    **{cls: Converted(cls) for cls in (date, datetime, time, timedelta, UUID)},
}

_ARRAYS: Final[dict[Any, Callable[[Any], Any]]] = {
    list: list,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    deque: deque,
    set: set,
    abc.Set: set,
    abc.MutableSet: set,
    frozenset: frozenset,
}

_UNORDERED: Final = (set, abc.Set, abc.MutableSet, frozenset)
_OBJECTS: Final = (dict, abc.Mapping, abc.MutableMapping)

# The keys of JSON are strings. What they stand for is read from them.
_KEYS: Final[dict[type[Plan], Plan]] = {
    Anything: Text(),
    Integer: Converted(int, strict=False),
    Real: Converted(float, strict=False),
}


class _Planner:
    """Makes the plan of one type, and of all that it is made of once."""

    def __init__(self) -> None:
        self._made: dict[Any, Plan] = {}

    def plan(self, annotation: Any) -> Plan:
        """Return the plan of a type; inside of itself it is a `Reference`."""
        try:
            known = self._made.get(annotation)
        except TypeError:
            return self._make(annotation)
        if known is None:
            reference = self._made[annotation] = Reference()
            known = self._made[annotation] = reference.target = self._make(annotation)
        return known

    def _make(self, annotation: Any) -> Plan:
        try:
            return self._planned(members_of(annotation))
        except Exception:  # noqa: BLE001 - annotations, metaclasses: code of the type's author
            return Plan()

    def _planned(self, members: list[Any]) -> Plan:
        if len(members) > 1:
            return Choice([self.plan(member) for member in members])
        alone = members[0]
        origin: Any = typing.get_origin(alone) or alone
        arguments = typing.get_args(alone)
        if origin is Literal:
            return Constants((value.value if isinstance(value, Enum) else value, value) for value in arguments)
        if origin in _OBJECTS:
            key, value = map(self.plan, arguments or (str, Any))
            return Entries(_KEYS.get(type(key), key), value)
        if origin is tuple:
            return self._tuple(alone, arguments)
        if origin in _ARRAYS:
            item = self.plan(arguments[0]) if arguments else _anything
            return Items(item, _ARRAYS[origin], ordered=origin not in _UNORDERED)
        if origin in _PLANS:
            return _PLANS[origin]
        return self._class(origin, arguments) if isinstance(origin, type) else Plan()

    def _tuple(self, annotation: Any, arguments: tuple[Any, ...]) -> Plan:
        if annotation is tuple:
            return Items(_anything, tuple)
        if arguments[1:] == (...,):
            return Items(self.plan(arguments[0]), tuple)
        return Positions([self.plan(argument) for argument in arguments])

    def _class(self, cls: Any, arguments: tuple[Any, ...]) -> Plan:
        if issubclass(cls, Enum):
            return Constants(((member.value, member) for member in cls), cls)
        if hasattr(cls, "__pydantic_fields__"):
            return self._pydantic(cls)
        types = field_types(cls, arguments)
        if issubclass(cls, msgspec.Struct):
            return self._struct(cls, types)
        if dataclasses.is_dataclass(cls):
            return self._dataclass(cls, types)
        if hasattr(cls, "__required_keys__"):  # of typing_extensions too, which `typing.is_typeddict` does not know
            fields = {name: Field(name, self.plan(type), name in cls.__required_keys__) for name, type in types.items()}
            return Record(fields, dict)
        if tuple in cls.__mro__ and hasattr(cls, "_fields"):
            return self._named_tuple(cls, types)
        return Plan()

    def _struct(self, cls: Any, types: Mapping[str, Any]) -> Plan:
        names, keys, defaults = cls.__struct_fields__, cls.__struct_encode_fields__, cls.__struct_defaults__
        config = cls.__struct_config__
        defaults = (msgspec.NODEFAULT,) * (len(names) - len(defaults)) + defaults
        fields = {
            key: Field(name, self.plan(types[name]), default is msgspec.NODEFAULT)
            for name, key, default in zip(names, keys, defaults, strict=True)
        }
        tags = {} if config.tag is None else {config.tag_field: Constants([(config.tag, config.tag)])}
        if config.array_like:
            return Record(fields, struct_maker(cls), constants=tags, positions=(*tags, *keys), kinds=(list,))
        return Record(fields, struct_maker(cls), constants=tags)

    def _dataclass(self, cls: Any, types: Mapping[str, Any]) -> Plan:
        fields = {
            field.name: Field(field.name, self.plan(types[field.name]), _has_no_default(field))
            for field in dataclasses.fields(cls)
            if field.init
        }
        return Record(fields, dataclass_maker(cls))

    def _named_tuple(self, cls: Any, types: Mapping[str, Any]) -> Plan:
        fields = {
            name: Field(name, self.plan(types.get(name, Any)), name not in cls._field_defaults) for name in cls._fields
        }
        return Record(fields, named_tuple_maker(cls), positions=cls._fields, kinds=(dict, list))

    def _pydantic(self, cls: Any) -> Plan:
        config: Mapping[str, Any] = (
            getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
        )
        if not getattr(cls, "__pydantic_complete__", True) and hasattr(cls, "model_rebuild"):
            cls.model_rebuild(raise_errors=False)
        infos: Mapping[str, Any] = cls.__pydantic_fields__
        if getattr(cls, "__pydantic_root_model__", False):
            make = model_maker(cls)
            return Wrapped(self.plan(infos["root"].annotation), lambda root: make({"root": root}))
        by_name = bool(config.get("populate_by_name") or config.get("validate_by_name"))
        fields: dict[str, Field] = {}
        for name, info in infos.items():
            if info.init is not False and not info.init_var:
                field = Field(name, self.plan(info.annotation), info.is_required())
                fields |= dict.fromkeys(_pydantic_keys(name, info, by_name=by_name), field)
        if dataclasses.is_dataclass(cls):
            return Record(fields, dataclass_maker(cls))
        return Record(fields, model_maker(cls), extras=config.get("extra") == "allow")


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _pydantic_keys(name: str, info: Any, *, by_name: bool) -> list[str]:
    """Return the names that a field has in JSON; a path into another member (pydantic's AliasPath) is none."""
    alias: Any = info.validation_alias if info.validation_alias is not None else info.alias
    choices: list[Any] = getattr(alias, "choices", [alias])
    keys = [choice for choice in choices if isinstance(choice, str)]
    return [*keys, name] if by_name or not keys else keys
