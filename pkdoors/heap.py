"""The memory of the process."""

import ctypes
import gc
from collections.abc import Callable

from pkdoors.parts import Part

_libc = ctypes.CDLL(None)


class Heap(Part):
    """
    When the daemon is ready, what only the start needed is given back, 1.5 MB; C{malloc_trim(3)}.

    And what is loaded by then, Python's collector of garbage looks at no more: 50,000 objects,
    which take it 20 ms and more each time, and the reactor with it. That met the first of many
    knockers who came at once.
    """

    def __init__(self, freeze: Callable[[], None] = gc.freeze) -> None:
        self._freeze = freeze

    def ready(self) -> None:
        """See L{Part.ready}."""
        self._freeze()
        if hasattr(_libc, "malloc_trim"):  # it is the GNU C library's own
            _libc.malloc_trim(0)
