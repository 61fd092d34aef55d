"""Follows a daemon with two threads, which block."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from pkdoors.adminclient.client import AdminClient
from pkdoors.adminclient.responses import Happening, Status, happeningOf, statusOf
from pkdoors.errors import AskError, NoDaemon

INTERVAL = 1.0
"""Seconds between two questions how things stand, and between two tries to follow the events."""

MANY = 1000
"""With more openings than this the answer is long, and takes both ends a while: a fifth of a second
of a processor with four times as many."""

LONG_INTERVAL = 5.0
"""Seconds between two questions then."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """
    Whether the events come.

    @ivar trouble: why they do not; empty where they do.
    """

    trouble: str = ""


News = Status | Happening | Hearing | AskError


class Follower:
    """
    Asks a daemon again and again how things stand, and listens to what happens, also when it ends
    and another one begins.

    @ivar tell: is told all of it, in one of the follower's threads; an error is that of a question
        which was not answered.
    """

    def __init__(self, client: AdminClient, tell: Callable[[News], None]) -> None:
        self._client = client
        self.tell = tell
        self._ended = Event()

    def start(self) -> None:
        """Begin. The threads do not keep the process from ending."""
        for work in (self._ask, self._listen):
            Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Ask nothing more."""
        self._ended.set()

    def _ask(self) -> None:
        pause = INTERVAL
        while not self._ended.wait(pause):
            try:
                status = statusOf(self._client.status())
            except AskError as error:
                pause = INTERVAL
                self.tell(error)
            else:
                pause = pauseAfter(status)
                self.tell(status)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                for each in self._client.events(lambda: self.tell(Hearing())):
                    self.tell(happeningOf(each))
            except NoDaemon:  # whoever asks how things stand tells it
                pass
            except AskError as error:
                self.tell(Hearing(str(error)))
            self._ended.wait(INTERVAL)


def pauseAfter(status: Status) -> float:
    """Seconds until it is asked again how things stand."""
    return LONG_INTERVAL if len(status.openings) > MANY else INTERVAL
