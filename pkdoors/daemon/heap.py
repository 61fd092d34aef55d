"""The memory of the process."""

import ctypes
import gc
from collections.abc import Callable

from pkdoors.daemon.component import Component

FULL_EVERY = 50
"""Collections of the second generation, 7,000 new objects each, for one that looks at all objects;
Python has 10. An opening that waits for firewalld is 80 objects, and 1,000 of them take the
collector 20 ms and more each time, and the reactor with it."""

_libc = ctypes.CDLL(None)


class MemoryTrim(Component):
    """
    When the daemon is ready, what only the start needed is given back, 1.5 MB; C{malloc_trim(3)}.

    And what is loaded by then, Python's collector of garbage looks at no more: 50,000 objects. That
    met the first of many knockers who came at once.
    """

    def __init__(
        self,
        freeze: Callable[[], None] = gc.freeze,
        setThreshold: Callable[[int, int, int], None] = gc.set_threshold,
    ) -> None:
        self._freeze = freeze
        self._setThreshold = setThreshold

    def ready(self) -> None:
        """See L{Component.ready}."""
        self._freeze()
        self._setThreshold(700, 10, FULL_EVERY)  # the first two are Python's own
        if hasattr(_libc, "malloc_trim"):  # it is the GNU C library's own
            _libc.malloc_trim(0)
