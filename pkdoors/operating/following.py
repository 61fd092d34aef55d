"""Follows a daemon with two threads, which block."""

from collections.abc import Callable
from threading import Event, Thread

from pkdoors.errors import AskError
from pkdoors.operating.adminclient import AdminClient
from pkdoors.operating.answers import Happening, Status, happeningOf, statusOf

News = Status | Happening | AskError

INTERVAL = 1.0
"""Seconds between two questions how things stand, and between two tries to follow the events."""

LEAST = 0.2
"""Seconds between two questions when much happens."""


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
        self._happened = Event()
        self._ended = Event()

    def start(self) -> None:
        """Begin. The threads do not keep the process from ending."""
        for work in (self._ask, self._listen):
            Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Ask nothing more."""
        self._ended.set()
        self._happened.set()

    def _ask(self) -> None:
        while not self._ended.wait(LEAST):
            self._happened.wait(INTERVAL - LEAST)
            self._happened.clear()
            try:
                self.tell(statusOf(self._client.status()))
            except AskError as error:
                self.tell(error)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                for each in self._client.events():
                    self.tell(happeningOf(each))
                    self._happened.set()
            except AskError:  # whoever asks how things stand has the same trouble, and tells it
                pass
            self._ended.wait(INTERVAL)
