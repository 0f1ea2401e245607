"""What every method takes beside the API's own parameters: headers, time limits, retries.

Values come in from the user and go out unchanged, to whoever sends the request. Nothing here measures time: a
`Timeout` is five numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import float_info
from typing import Any, Final, Self, TypedDict

import msgspec

__all__ = ["NOT_GIVEN", "NotGiven", "Omit", "RequestOptions", "Timeout", "check_seconds", "not_given", "omit"]


class Omit:
    """The type of `omit`, which stands for a value that is not sent.

    None can't say that: it is sent, as null. As the value of a header, `omit` removes that header. There is one
    instance, it is falsy, and copies and pickles of it are itself.
    """

    _instance: Omit | None = None

    def __new__(cls) -> Self:
        """Return the one instance of the class."""
        instance = cls.__dict__.get("_instance")
        if instance is None:
            instance = super().__new__(cls)
            cls._instance = instance
        return instance

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "omit"

    def __reduce__(self) -> str:
        return repr(self)  # the name of a global of this module


class NotGiven(Omit):
    """The type of `not_given`, the official SDK's other word for `omit`; the two mean the same."""

    def __repr__(self) -> str:
        return "not_given"


omit: Final = Omit()
not_given: Final = NotGiven()
NOT_GIVEN: Final = not_given


def check_seconds(limit: object, name: str) -> None:
    """Refuse what is no time limit: 0 means "at once" to some libraries and "never" to others.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0, or more than a float can be.
    """
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise TypeError(f"{name} takes seconds or None, not a {type(limit).__name__}")
    if not limit > 0 or (isinstance(limit, int) and limit > float_info.max):
        raise ValueError(f"{name} takes seconds above 0, or None for no limit")


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """How long a request may take, in seconds; None: without limit.

    Attributes:
        connect: Opening a connection, TLS included.
        first_token: From sending the request to the first event that carries something: keep-alives, and a delta of
            only the role, do not count.
        idle: Between two such events of a stream.
        total: Everything: retries and the waits between them, the body, and the time that its reader takes. It does not
            interrupt the reader; once it has passed, what has arrived is handed out, and then the error is raised.
        pool: Waiting for a free connection.

    Raises:
        TypeError: A limit is no number.
        ValueError: A limit is not above 0. To have none, give None.
    """

    connect: float | None = 5.0
    first_token: float | None = 600.0
    idle: float | None = 120.0
    total: float | None = None
    pool: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        for name in self.__struct_fields__:
            limit: Any = getattr(self, name)
            if limit is None:
                continue
            check_seconds(limit, f"Timeout({name}=...)")

    @classmethod
    def of(cls, value: float | Timeout | None) -> Timeout:
        """Return what a `timeout=` argument means.

        Args:
            value: A `Timeout` as it is; a number of seconds, the total; or None, no limit at all.

        Raises:
            TypeError: `value` is something else.
            ValueError: The number is not above 0.
        """
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(connect=None, first_token=None, idle=None)
        check_seconds(value, "timeout, which is a Timeout or stands for Timeout(total=...),")
        return cls(total=value)


class RequestOptions(TypedDict, total=False):
    """The arguments that every method takes; what is left out is as the client has it."""

    extra_headers: Mapping[str, str | Omit] | None
    """Headers to add, whatever the case of their names; they win over the client's. `omit` removes one."""

    extra_query: Mapping[str, object] | None
    """Query parameters to add; they win over the method's own. A list is sent as `key[]=`, a dict as `key[name]=`."""

    extra_body: object | None
    """Keys to add to the JSON body, for parameters of other vendors; they win over the method's own, unmerged."""

    timeout: float | Timeout | Omit | None
    """A `Timeout`, or the total in seconds; None: no limit."""

    max_retries: int
    """How often to try again after a failure that may pass, 0 or more."""

    idempotency_key: str
    """Sent as the `Idempotency-Key` header with each attempt, so that a server that heeds it answers only once."""
