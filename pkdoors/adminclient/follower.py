"""Follows a daemon with two threads, which block."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from pkdoors.admin.records import EventRecord, StatusRecord
from pkdoors.adminclient.client import AdminClient
from pkdoors.adminclient.responses import readRecord
from pkdoors.errors import AskError, NoDaemon

POLL_INTERVAL = 1.0
"""Seconds between two requests for the status, and between two tries to follow the events."""

SHOWN = 500
"""Openings that are asked for, those that end first: more than a terminal has lines."""

MANY = 1000
"""With more openings than this, from an older daemon that cannot show a part of them, the status
costs both ends a while: a fifth of a second of a processor for four times as many."""

LONG_INTERVAL = 5.0
"""Seconds between two requests for such a status."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """
    Whether events arrive.

    @ivar trouble: why they do not; empty if they do.
    """

    trouble: str = ""


News = StatusRecord | EventRecord | Hearing | AskError


class Follower:
    """
    Asks a daemon again and again for its status, and listens to its events. It goes on when the
    daemon ends and another one starts.

    @ivar report: called with all news, in one of the follower's threads; an error is that of a
        request for the status.
    """

    def __init__(self, client: AdminClient, report: Callable[[News], None]) -> None:
        self._client = client
        self.report = report
        self._ended = Event()

    def start(self) -> None:
        """Start the threads. They do not keep the process alive."""
        for work in (self._poll, self._listen):
            Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Send no more requests."""
        self._ended.set()

    def _poll(self) -> None:
        pause = POLL_INTERVAL
        while not self._ended.wait(pause):
            try:
                status = readRecord(StatusRecord, self._client.status(limit=SHOWN))
            except AskError as error:
                pause = POLL_INTERVAL
                self.report(error)
            else:
                pause = choosePause(status)
                self.report(status)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                for answer in self._client.events(lambda: self.report(Hearing())):
                    self.report(readRecord(EventRecord, answer))
            except NoDaemon:  # the other thread reports it
                pass
            except AskError as error:
                self.report(Hearing(str(error)))
            self._ended.wait(POLL_INTERVAL)


def choosePause(status: StatusRecord) -> float:
    """Return the seconds until the next request for the status."""
    return LONG_INTERVAL if len(status.openings) > MANY else POLL_INTERVAL
