"""Which tries to connect are under way, and when the next ones are due. Pure."""

from collections import deque
from collections.abc import Iterable

from pkdoors.client.core.actions import Abandon, Action, Connect

FIRST_PACE = 0.005
"""Seconds between the first two tries to connect: a door opens within milliseconds, but TCP would
repeat a packet that came too early only after a second."""
LAST_PACE = 0.5
"""The longest time between two tries to connect, in seconds."""
MOST = 32
"""The most tries under way for one address. Within seconds none of them is old enough to matter."""


class Tries:
    """
    Tries to connect to a port at several addresses.

    @ivar isRefused: whether the last answer of any address was that it refuses.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._count = 0
        self._pending: dict[int, tuple[str, float]] = {}  # number -> address, time
        self._numbers: dict[str, deque[int]] = {}
        self._due: dict[str, tuple[float, float]] = {}  # address -> time, pace
        self.isRefused = False

    @property
    def isPending(self) -> bool:
        """Whether tries are under way."""
        return bool(self._pending)

    def nextTime(self) -> float:
        """Return when the next tries are due."""
        return min((at for at, _ in self._due.values()), default=float("inf"))

    def once(self, addresses: Iterable[str], now: float) -> list[Action]:
        """Try each address once."""
        return [each for address in addresses for each in self._try(address, now)]

    def repeat(self, address: str, now: float) -> list[Action]:
        """Try an address, and again and again until L{pause}."""
        self._due[address] = now + FIRST_PACE, FIRST_PACE
        return self._try(address, now)

    def tick(self, now: float) -> list[Action]:
        """Make the tries that are due."""
        done: list[Action] = []
        for address, (at, pace) in list(self._due.items()):
            if at <= now:
                slower = min(2 * pace, LAST_PACE)
                self._due[address] = now + slower, slower
                done += self._try(address, now)
        return done

    def pause(self) -> list[Action]:
        """Begin no more tries, and give up those that are under way."""
        self._due.clear()
        self.isRefused = False
        return self._abandon(self._pending)

    def take(self, number: int) -> tuple[str, float] | None:
        """Return the address and the time of a try; L{None} if it was given up."""
        return self._pending.get(number)

    def abandonOthers(self, number: int) -> list[Action]:
        """Begin no more tries, and give up all but one of those that are under way."""
        self._due.clear()
        return self._abandon(each for each in self._pending if each != number)

    def fail(self, number: int, isRefused: bool) -> None:
        """A try failed."""
        if self._pending.pop(number, None):
            self.isRefused = isRefused or self.isRefused

    def _try(self, address: str, now: float) -> list[Action]:
        self._count += 1
        self._pending[self._count] = address, now
        numbers = self._numbers.setdefault(address, deque())
        numbers.append(self._count)
        old = [numbers.popleft()] if len(numbers) > MOST else []
        return [*self._abandon(old), Connect(self._count, address, self._port)]

    def _abandon(self, numbers: Iterable[int]) -> list[Action]:
        return [Abandon(each) for each in list(numbers) if self._pending.pop(each, None)]
