"""What waits for the fleet's process: seals that were heard here, for the other hosts."""

from base64 import b64encode
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

MAX_WAITING = 1000
"""Seals that wait at a time; then the oldest, whose time is over first, gives way."""
AGAIN = 10.0
"""Seconds for which a seal that was sent is kept: a process that ended may not have passed it on,
so the next one gets it again. A seal counts only once, however often it is passed on."""

SEAL, CLAIM, DROPPED, ORDERS = "seal", "claim", "dropped", "orders"

Fields = dict[str, Any]


class Follower(Protocol):
    """The fleet's process, as far as it follows."""

    def isReady(self) -> bool:
        """Return whether it reads what it gets."""

    def send(self, kind: str, fields: Fields) -> None:
        """Send it something."""

    def drop(self) -> None:
        """Have it follow no more."""


class Outbox:
    """
    Keeps seals until somebody follows. There is one follower at a time: a new one takes over.

    @param seconds: a clock that does not jump.
    @ivar onGone: called when nobody follows any more.
    @ivar dropped: how many seals gave way so far.
    """

    _log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._follower: Follower | None = None
        self._waiting: deque[Fields] = deque()
        self._sent: deque[tuple[float, Fields]] = deque(maxlen=MAX_WAITING)
        self.dropped = 0
        self._reported = 0  # drops that the follower and the log know
        self._wantsOrders = False
        self.onGone: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        """Return how many seals wait."""
        return len(self._waiting)

    @property
    def isFollowed(self) -> bool:
        """Whether somebody follows."""
        return self._follower is not None

    def putSeal(self, seal: bytes, source: str, time: float, isBound: bool) -> None:
        """
        Send a seal, now or when somebody reads.

        @param source: the address that the knock came from.
        @param time: the time of day when it was heard.
        @param isBound: whether the seal names that address.
        """
        text = b64encode(seal).decode()
        fields = {"seal": text, "source": source, "time": round(time, 3), "isBound": isBound}
        if not self._waiting and self._follower is not None and self._follower.isReady():
            self._send(fields)
            return
        self._waiting.append(fields)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._noteDropped()

    def ask(self, number: int, name: str, milliseconds: int) -> bool:
        """Send a claim, and return whether somebody reads it. It does not wait behind seals."""
        follower = self._follower
        if follower is None or not follower.isReady():
            return False
        follower.send(CLAIM, {"id": number, "name": name, "milliseconds": milliseconds})
        return True

    def askForOrders(self) -> None:
        """Ask for all orders once more, now or when somebody reads."""
        self._wantsOrders = True
        if self._follower is not None:
            self.proceed(self._follower)

    def follow(self, follower: Follower) -> None:
        """Send everything to a follower from now on, and nothing to an earlier one."""
        earlier, self._follower = self._follower, follower
        if earlier is not None:
            earlier.drop()
            self.onGone()  # what it was asked gets no answer
        since = self._seconds() - AGAIN
        self._waiting.extendleft([fields for time, fields in self._sent if time > since][::-1])
        self._sent.clear()
        self.proceed(follower)

    def leave(self, follower: Follower) -> None:
        """Send nothing more to a follower."""
        if self._follower is follower:
            self._follower = None
            self.onGone()

    def proceed(self, follower: Follower) -> None:
        """Send a follower what waits: it reads again."""
        if follower is not self._follower:
            return
        if self._wantsOrders and follower.isReady():
            self._wantsOrders = False
            follower.send(ORDERS, {})
        while self._waiting and follower.isReady():
            self._send(self._waiting.popleft())
        if not self._waiting and self.dropped > self._reported and follower.isReady():
            lost, self._reported = self.dropped - self._reported, self.dropped
            follower.send(DROPPED, {"count": self.dropped})
            self._log.warn(
                "the fleet's process reads again; {count} seals were dropped meanwhile, which "
                "open nothing on other hosts",
                count=lost,
            )

    def _send(self, fields: Fields) -> None:
        assert self._follower is not None
        self._sent.append((self._seconds(), fields))
        self._follower.send(SEAL, fields)

    def _noteDropped(self) -> None:
        self.dropped += 1
        if self.dropped == self._reported + 1:
            self._log.warn(
                "{count} seals wait for the fleet's process, which does not take them: the oldest "
                "are dropped. See `systemctl status pkdoors-fleet`",
                count=MAX_WAITING,
            )
