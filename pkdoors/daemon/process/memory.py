"""Keeps Python's garbage collector from holding the reactor."""

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.daemon.component import Component

OLD_EVERY = 0
"""Collections of Python's second generation, 7,000 new objects each, that may pass without one of
the third. Each takes some milliseconds; of the objects of three it was 20."""
FEW = 100_000
"""Objects that the collector may look at in one go, which holds the reactor for 10 to 15 ms."""
SELDOM = 3600.0
"""Seconds between two collections that look at all objects."""

_libc = ctypes.CDLL(None)


class Memory(Component):
    """
    Keeps Python's garbage collector from holding the reactor, and returns the memory that only the
    start needed, 1.5 MB, when the daemon is ready; C{malloc_trim(3)}.

    A collection of the third generation looks at all objects that the collector knows: with 65,000
    openings that takes 0.2 s. So the collector forgets what is there as soon as it has looked at
    it once: C{gc.freeze()}. References are counted as before, so what is forgotten is freed, unless
    objects refer to each other in a circle. Openings leave none. For whatever does, the collector
    looks at all objects again, once an hour, if they are not too many, or twice as many as after
    the last time: then much may be left in circles.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, collector: Any = gc) -> None:
        self._clock = clock
        self._collector = collector
        self._nextWhole = 0.0  # when all objects may be looked at again
        self._isWhole = False  # whether that happens now
        self._left = 0  # how many objects there were after the last time

    def ready(self) -> None:
        """See L{Component.ready}."""
        self._collector.freeze()
        self._collector.set_threshold(700, 10, OLD_EVERY)  # the first two are Python's own
        self._left = self._collector.get_freeze_count()
        self._nextWhole = self._clock() + SELDOM
        self._collector.callbacks.append(self._onCollection)
        if hasattr(_libc, "malloc_trim"):  # only the GNU C library has it
            _libc.malloc_trim(0)

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        if self._onCollection in self._collector.callbacks:
            self._collector.callbacks.remove(self._onCollection)
        return super().stop()

    def _onCollection(self, phase: str, info: Mapping[str, int]) -> None:
        """Hear of a collection: it is about to begin, or has just ended."""
        if info["generation"] < 2:
            return
        if phase == "stop":
            self._collector.freeze()
            if self._isWhole:
                self._isWhole, self._left = False, self._collector.get_freeze_count()
        elif (now := self._clock()) >= self._nextWhole:
            self._nextWhole = now + SELDOM
            count = self._collector.get_freeze_count()
            if count <= FEW or count >= 2 * self._left:
                self._isWhole = True
                self._collector.unfreeze()
