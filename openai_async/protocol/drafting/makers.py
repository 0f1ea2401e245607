"""Objects made field by field, without running their class's code.

A class comes in; out goes what makes an object of it from the values of some of its fields. Fields without a value are
None, whatever their default. No constructor, validator or `__post_init__` runs, and nothing is checked; the type of what
is made is the class itself.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

__all__ = ["Maker", "dataclass_maker", "model_maker", "named_tuple_maker", "struct_maker"]

Maker = Callable[[dict[str, Any]], Any]

_set: Final = object.__setattr__  # a frozen class has another one
_PLAIN: Final = (list, dict, set)
_set_struct: Final = msgspec.structs.force_setattr


def struct_maker(cls: Any) -> Maker:
    """Return what makes a `msgspec.Struct`."""
    names: tuple[str, ...] = cls.__struct_fields__
    if not hasattr(cls, "__post_init__"):
        blank: dict[str, Any] = dict.fromkeys(names)
        return lambda found: cls(**(blank | found))
    template = _struct_template(cls)
    copied: Callable[[Any], Any] = cast("Any", msgspec.Struct).__copy__  # the stubs leave it out

    def make(found: dict[str, Any]) -> Any:
        made = copied(template)
        for name in names:
            _set_struct(made, name, found.get(name))
        return made

    return make


class _Shield(msgspec.Struct):
    """Stands before a struct class in one derived from both, so that nothing of it runs, not even for deriving."""

    def __init_subclass__(cls, **options: Any) -> None:
        pass

    def __post_init__(self) -> None:
        pass


def _struct_template(cls: Any) -> Any:
    """Return an object of a struct class with a `__post_init__`, to be copied.

    Structs refuse `object.__new__`, and all else that makes one runs `__post_init__`, but copying. So the first is made
    as one of a derived class, which has the same layout, and then told that it is none; Python checks that.
    """
    derived: Any = type(cls)(cls.__name__, (_Shield, cls), {"__module__": cls.__module__})
    # Lists, for the garbage collector's sake: copies of a struct that it does not track are never tracked.
    template = derived(**{name: [] for name in cls.__struct_fields__})
    _set_struct(template, "__class__", cls)
    return template


def dataclass_maker(cls: Any) -> Maker:
    """Return what makes an object of a dataclass. Fields that are no parameters have their default, if it is plain."""
    names = [field.name for field in dataclasses.fields(cls)]
    apart = {field.name: (field.default, field.default_factory) for field in dataclasses.fields(cls) if not field.init}

    def make(found: dict[str, Any]) -> Any:
        made = object.__new__(cls)
        values = found | _initial(apart)
        for name in names:
            _set(made, name, values.get(name))
        return made

    return make


def named_tuple_maker(cls: Any) -> Maker:
    """Return what makes a named tuple."""
    names: tuple[str, ...] = cls._fields
    new: Callable[[Any, list[Any]], Any] = cast("Any", tuple).__new__
    return lambda found: new(cls, [found.get(name) for name in names])


def model_maker(cls: Any) -> Maker:
    """Return what makes a pydantic model, as its `model_construct` would, but without `model_post_init`.

    Names that are no fields are extras. Private attributes have their default, if it is plain.
    """
    names = list(cls.__pydantic_fields__)
    keeps_extras = cls.model_config.get("extra") == "allow"
    private = {name: (field.default, field.default_factory) for name, field in cls.__private_attributes__.items()}

    def make(found: dict[str, Any]) -> Any:
        made = object.__new__(cls)
        _set(made, "__dict__", {name: found.get(name) for name in names})
        _set(made, "__pydantic_fields_set__", set(found))
        extras = {name: value for name, value in found.items() if name not in cls.__pydantic_fields__}
        _set(made, "__pydantic_extra__", extras if keeps_extras else None)
        _set(made, "__pydantic_private__", _initial(private) if private else None)
        return made

    return make


def _initial(defaults: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return the defaults that can be had without running anything, of pairs of a default and its factory."""
    values: dict[str, Any] = {
        name: factory() if factory in _PLAIN else default for name, (default, factory) in defaults.items()
    }
    return {
        name: copy.deepcopy(value) if type(value) in _PLAIN else value
        for name, value in values.items()
        if value is not dataclasses.MISSING and type(value).__name__ != "PydanticUndefinedType"
    }
