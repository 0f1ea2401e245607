"""Many requests, one budget: bulk runs that pace themselves and survive being killed."""

from .calling import Outcomes
from .concurrency import AdaptiveConcurrency
from .entry import Damage, Entry
from .journal import Journal
from .limiter import PacedLimiter
from .linefile import JournalError
from .map import BulkRun, amap
from .progress import Progress
from .result import BulkStats, Result, TokenUsage
from .stopped import BulkStoppedError

__all__ = [
    "AdaptiveConcurrency",
    "BulkRun",
    "BulkStats",
    "BulkStoppedError",
    "Damage",
    "Entry",
    "Journal",
    "JournalError",
    "Outcomes",
    "PacedLimiter",
    "Progress",
    "Result",
    "TokenUsage",
    "amap",
]
