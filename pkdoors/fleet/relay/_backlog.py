"""What waits for the engine. Pure."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 1000
"""Seals, or events, that wait."""


class Backlog(Generic[T]):
    """
    A queue with a bound. If it is full the oldest item gives way: a seal that has waited longest
    has the least time left.

    @ivar dropped: how many items gave way so far.
    """

    def __init__(self, most: int = MOST) -> None:
        self._items: deque[T] = deque()
        self._most = most
        self._gone = 0  # items that are not in the queue any more
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._items)

    def add(self, item: T) -> bool:
        """Add an item. Return whether an older one gave way."""
        self._items.append(item)
        isFull = len(self._items) > self._most
        if isFull:
            self._items.popleft()
            self._gone += 1
            self.dropped += 1
        return isFull

    def first(self, most: int) -> tuple[int, list[T]]:
        """Return the first items, which stay, and a number that L{remove} takes."""
        return self._gone, [self._items[index] for index in range(min(most, len(self._items)))]

    def remove(self, number: int, count: int) -> None:
        """Remove the first items that L{first} returned, but for those that gave way since."""
        for _ in range(number + count - self._gone):
            self._items.popleft()
            self._gone += 1
