"""The hooks that wait for others to end."""

from collections import deque
from collections.abc import Iterator

from pkdoors.daemon.hooks.hook import Hook

MAX_WAITING = 256
"""Hooks of one door that wait, and as many for its refusals; more would report what is over."""


class WaitingHooks:
    """
    Keeps hooks in order. Each door has its turn, so many events at one door keep back no other, and
    refusals come last.
    """

    def __init__(self) -> None:
        # By door, and whether they are for refusals; none of these is empty.
        self._queues: dict[tuple[bool, str], deque[Hook]] = {}

    def __iter__(self) -> Iterator[Hook]:
        """Iterate over all of them."""
        return (hook for queue in self._queues.values() for hook in queue)

    def add(self, hook: Hook) -> bool:
        """Add a hook. Return whether there was room."""
        queue = self._queues.setdefault((hook.isRefusal, hook.door), deque())
        if len(queue) >= MAX_WAITING:
            return False
        queue.append(hook)
        return True

    def has(self, refusals: bool = True) -> bool:
        """Return whether any waits, perhaps except for refusals."""
        return any(refusals or not isRefusal for isRefusal, _ in self._queues)

    def take(self) -> Hook:
        """Take the next one; there must be one."""
        key = min(self._queues, key=lambda key: key[0])  # the first of those
        queue = self._queues.pop(key)
        hook = queue.popleft()
        if queue:
            self._queues[key] = queue  # now the last
        return hook
