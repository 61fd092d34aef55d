"""What the log, and all who subscribe to events, hear of one opening."""

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import FirewallError
from pkdoors.events.event import CLOSE_FAILED, CLOSED, OPEN_FAILED, UNOPENED, USED
from pkdoors.events.publisher import EventPublisher
from pkdoors.model.doors import Opening
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.trouble import Trouble

_FAILED = {OPEN_FAILED: "cannot open", CLOSE_FAILED: "cannot close"}


class OpeningReport:
    """
    Publishes the events of one opening, each trouble only once, however often it is tried again.

    @param requested: when the opening was requested.
    @param limit: limits the lines about what a firewall refuses: a firewall that hangs refuses the
        same to all openings.
    @ivar trouble: what the firewall refuses at present.
    @ivar isOpen: whether the opening is open, as far as others have heard.
    """

    _log = Logger()
    __slots__ = ("_clock", "_limit", "_openSince", "_publisher", "_requested", "isOpen", "trouble")

    def __init__(
        self, clock: IReactorTime, publisher: EventPublisher, limit: LineLimit, requested: float
    ) -> None:
        self._clock = clock
        self._publisher = publisher
        self._limit = limit
        self._requested = requested
        self._openSince = 0.0
        self.isOpen = False
        self.trouble = Trouble()

    def noteRequest(self) -> None:
        """Measure the time to open from now on."""
        self._requested = self._clock.seconds()

    def noteOpen(self) -> None:
        """Note that the opening is open from now on, if that is new."""
        if not self.isOpen:
            self.isOpen, self._openSince = True, self._clock.seconds()

    def publishOpen(
        self, kind: str, opening: Opening, isAnswer: bool = False, reason: str = ""
    ) -> None:
        """
        Publish that an opening is open until its deadline.

        @param isAnswer: whether the firewall did what was requested last.
        """
        self.noteOpen()
        now = self._clock.seconds()
        took = now - self._requested if isAnswer else 0.0
        self._publish(kind, opening, seconds=opening.deadline - now, took=took, reason=reason)

    def publishClosed(self, opening: Opening, reason: str) -> None:
        """Publish that an opening is closed, or never was open."""
        openFor = self._clock.seconds() - self._openSince if self.isOpen else 0.0
        kind = CLOSED if self.isOpen else UNOPENED
        self._publish(kind, opening, reason=reason, seconds=openFor)
        self.isOpen = False

    def publishUsed(self, opening: Opening) -> None:
        """Publish that a connection has used an opening up."""
        self._publish(USED, opening, seconds=self._clock.seconds() - self._openSince)
        self.isOpen = False

    def publishFailure(self, kind: str, opening: Opening, error: Exception) -> None:
        """
        Publish what the firewall refuses, unless that is known, or many are refused the same.

        @param kind: L{OPEN_FAILED} or L{CLOSE_FAILED}.
        """
        text = f"{_FAILED[kind]}: {error}"
        if not self.trouble.begin(text):
            return
        if self._limit.admit(text, self._clock.seconds()):
            leftOut = self._limit.newSuppressed()
            self._publish(kind, opening, reason=str(error), leftOut=leftOut)
        if not isinstance(error, FirewallError):  # a mistake of ours must not lose a door
            self._log.failure("that was unexpected", Failure(error))

    def _publish(self, kind: str, opening: Opening, **details: Any) -> None:
        self._publisher.publish(
            kind,
            door=opening.door,
            source=str(opening.source),
            who=opening.who,
            via=opening.via,
            **details,
        )
