"""All targets, by their names."""

from __future__ import annotations

from .bodies import BODIES
from .chunks import CHUNKS, FOLD
from .events import EVENTS
from .headers import HEADERS
from .pages import PAGES
from .streams import STREAMS
from .target import Target
from .texts import TEXTS

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target for target in (EVENTS, CHUNKS, FOLD, STREAMS, BODIES, PAGES, TEXTS, HEADERS)
}
