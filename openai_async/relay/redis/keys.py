"""The keys of a stream in Redis."""

from __future__ import annotations

__all__ = ["check_prefix", "keys"]


def check_prefix(prefix: str) -> None:
    """Refuse a prefix with a brace.

    Raises:
        ValueError: It has one.
    """
    if "{" in prefix or "}" in prefix:
        raise ValueError(f"prefix: braces tell Redis Cluster where a key belongs, and are set by us: {prefix!r}")


def keys(prefix: str, stream_id: str) -> tuple[str, str, str]:
    """Return the keys of its log, its lease and its record, all in one slot of a cluster."""
    tag = "{" + stream_id.replace("%", "%25").replace("}", "%7D") + "}"
    return f"{prefix}s:{tag}", f"{prefix}l:{tag}", f"{prefix}r:{tag}"
