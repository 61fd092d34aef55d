"""The life of one opening: open, wait, close."""

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred

from pkdoors.doorkeeper.openings._work import OpeningWork
from pkdoors.doorkeeper.openings.claims import addClaim, dropClaims, moveClaims
from pkdoors.doorkeeper.openings.state import OpeningStatus
from pkdoors.events.event import CLOSE_FAILED, SHORTENED, TAKEN_OVER, TIME_OVER
from pkdoors.model.doors import Door, Opening


class OpeningLife(OpeningWork):
    """
    An opening from the first request to the last closing.

    Its methods change what is wanted, and wake the work that follows from it.
    """

    __slots__ = ()

    def takeOver(self) -> None:
        """Begin with an opening that the firewall has already."""
        self._granted, self._mayBeOpen = self.opening.deadline, True
        self._grant = self.opening.grant
        self._report.noteOpen()
        if not self.isOpen():  # the time of a door without ports may be over
            self.begin()

    def publishTakenOver(self, opening: Opening) -> None:
        """Publish that it was there already, unless something else has become of it since."""
        if self.opening is opening and self._report.isOpen:
            self._report.publishOpen(TAKEN_OVER, opening)

    def extend(self, wanted: Opening) -> bool:
        """
        Stay open until the deadline of another opening for the same source. One that is earlier
        than the present one changes nothing, unless each is for one connection: then it is a grant
        of its own, because the present one may have been used in this very moment.

        @return: whether that changes what is wanted.
        """
        if self.isShut() or self._isShutting:  # nobody has heard of that yet
            self._report.publishClosed(self.opening, self._reason)
            self.reopen()
            self._wantNothing(self._reason)  # what was closed counts no more
        self._claims = addClaim(self._claims, self.opening, wanted, self._clock.seconds())
        if wanted.door.once and not self.isUsed and wanted.deadline <= self.opening.deadline:
            wanted = replace(self.opening, grant=wanted.grant)
        if wanted.door.once or wanted.deadline > self.opening.deadline:
            self._want(wanted)
            self._setUsed(False)
            self._reason = TIME_OVER
            self._report.noteRequest()
            self._proceed()
            return True
        self.retry()  # perhaps the firewall works again
        return False

    def isShared(self) -> bool:
        """Return whether somebody has earned a part of it beside the one who earned the longest."""
        return bool(self._claims)

    def endMatching(self, matches: Callable[[Opening], bool], reason: str) -> None:
        """
        End what a function returns true for. What others earned goes on.

        @param reason: see L{end}.
        """
        self._claims = dropClaims(self._claims, matches)
        if not matches(self.opening):
            return
        *others, left = self._claims or (self.opening,)
        if left is self.opening or left.deadline <= self._clock.seconds() or not self.isWanted():
            self.end(reason)
            return
        self._want(left)
        self._claims = tuple(others)
        self._grant = -1  # a longer deadline may be on its way to the firewall
        if self._report.isOpen:
            self._report.publishOpen(SHORTENED, left, reason=reason)
        self._proceed()

    def move(self, door: Door, deadline: float) -> None:
        """Be an opening of this door from now on; the firewall already has it so."""
        isShorter = deadline < self.opening.deadline
        self._want(replace(self.opening, door=door, deadline=deadline))
        self._granted = min(self._granted, deadline)
        self._claims = moveClaims(self._claims, door, deadline)
        if isShorter and self._report.isOpen:
            self._report.publishOpen(SHORTENED, self.opening, reason="by the new configuration")
        self._settle()
        if self._isRunning or not self.isOpen():
            self._wake()

    def end(self, reason: str) -> None:
        """
        Close now.

        @param reason: why, as half a sentence.
        """
        # It was wanted again while the firewalls were closing it: a healing, or a reload, may have
        # opened it in the innermost meanwhile. The closing that they are busy with may hang.
        mustShut = self._isClosing and self.isWanted()
        self._wantNothing(reason)
        self._proceed()
        if mustShut:
            Deferred.fromCoroutine(self._closeInnermost())

    def beginShutting(self, reason: str) -> None:
        """
        Want nothing any more, of an opening that is at rest, because the guard is about to close it
        with many others. L{shut} follows; L{reopen}, if the guard refuses.

        @param reason: see L{end}.
        """
        self._isShutting, self._granted = True, 0.0
        self._reason, self._claims = reason, ()

    def shut(self, reason: str) -> None:
        """
        Want nothing any more, of an opening that is at rest, because the guard has closed it. The
        rest follows when its turn comes.

        @param reason: see L{end}.
        """
        self._isShutting = False
        self._wantNothing(reason)
        self._granted, self._shut = 0.0, self.opening

    def reopen(self) -> None:
        """Take back what L{beginShutting} or L{shut} said of the guard."""
        self._shut, self._isShutting = None, False
        self._keeper.onReopened(self)

    def isShutting(self) -> bool:
        """Return whether the guard is about to close it, and nothing has happened since."""
        return self._isShutting

    def isShut(self) -> bool:
        """Return whether the guard has closed it, and nothing has happened since."""
        return self._shut is self.opening

    def isAtRest(self) -> bool:
        """Return whether it waits for nothing but its deadline."""
        return not (self._isRunning or self.isUsed or self._isShutting)

    def _wantNothing(self, reason: str) -> None:
        if self.isUsed or self.isWanted():
            self._want(replace(self.opening, deadline=self._clock.seconds()))
        self._reason, self._claims = reason, ()

    async def _closeInnermost(self) -> None:
        try:
            await self._stack.closeInnermost(self.opening)
        except Exception as error:  # it is closed again when the firewalls have answered
            self._report.publishFailure(CLOSE_FAILED, self.opening, error)

    def status(self) -> OpeningStatus:
        """Return how things stand with it."""
        return OpeningStatus(self.opening, self._granted, self._report.trouble.text, self.isUsed)

    def noteUsed(self) -> None:
        """Note that a connection has used it up."""
        self._granted = 0.0
        self._setUsed(True)
        self._report.publishUsed(self.opening)
        self._proceed()

    def leave(self) -> None:
        """Stop here, and leave the opening to the firewall's own timer."""
        self._isLeft, self._granted = True, 0.0
        if self._isRunning:
            self._proceed()

    def onDeadline(self) -> None:
        """See L{pkdoors.doorkeeper.openings._deadlines.Timed}."""
        if not self._isRunning:
            self._wake()
