"""Streams on many machines: a relay's logs in Redis, written, read and stopped by any process."""

from .backend import RedisBackend, RedisDownError, RedisRefusedError

__all__ = ["RedisBackend", "RedisDownError", "RedisRefusedError"]
