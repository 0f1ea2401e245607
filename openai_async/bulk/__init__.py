"""Many requests, one budget: bulk runs that pace themselves and survive being killed."""

from .calling import Outcomes
from .entry import Damage, Entry
from .journal import Journal
from .limiter import PacedLimiter
from .linefile import JournalError
from .map import BulkRun, amap
from .progress import Progress
from .result import BulkStats, Result, TokenUsage

__all__ = [
    "BulkRun",
    "BulkStats",
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
