"""Keeps Python's collector of garbage from looking at what is none."""

import gc
from collections.abc import Callable

from pkdoors.parts import Part


class Garbage(Part):
    """
    From when the daemon is ready, what it has loaded by then is looked at no more: 50,000 objects,
    which take the collector 20 ms and more each time, and the reactor with it. That met the first
    of many knockers who came at once.
    """

    def __init__(self, freeze: Callable[[], None] = gc.freeze) -> None:
        self._freeze = freeze

    def ready(self) -> None:
        """See L{Part.ready}."""
        self._freeze()
