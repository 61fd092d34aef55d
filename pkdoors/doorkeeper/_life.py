"""The life of one opening: open, wait, close."""

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from pkdoors.doorkeeper._claims import Claims, addClaim, dropClaims, moveClaims
from pkdoors.doorkeeper._report import OpeningReport
from pkdoors.doorkeeper.state import OpeningStatus
from pkdoors.errors import DeadlinePassed
from pkdoors.events.event import (
    CLOSE_FAILED,
    EXTENDED,
    OPEN_FAILED,
    OPENED,
    SHORTENED,
    TAKEN_OVER,
    TIME_OVER,
)
from pkdoors.firewall.stack import FirewallStack
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import Principal
from pkdoors.util.backoff import BackOff
from pkdoors.util.turns import Turns, WakeableSleep

FIRST_RETRY = 1.0
"""Seconds after which we try again what the firewall refused; doubled each time."""
LAST_RETRY = 60.0
"""The longest time between two tries, in seconds."""


class OpeningLife:
    """
    Makes the firewall agree with the wanted opening, until none is wanted.

    One coroutine, L{run}, is the only one that asks the firewall to open, and to close; so it never
    has two answers to wait for. The other methods change what is wanted, and wake it. While it
    waits for an answer, they cancel the request to open: a knock, or a command to close, must not
    wait for a firewall that hangs. A request to close is never cancelled.

    @param onSettled: called when the firewalls have done what is wanted, or refused to open; with
        whether they have closed.
    @ivar opening: the wanted opening; its deadline moves.
    @ivar isUsed: whether the one connection that it was for has used it up. Then it is closed, and
        shown until its deadline.
    """

    # Memory: there may be thousands.
    __slots__ = (
        "_asked",
        "_backOff",
        "_claims",
        "_clock",
        "_grant",
        "_granted",
        "_isClosing",
        "_isLeft",
        "_mayBeOpen",
        "_onSettled",
        "_pending",
        "_reason",
        "_report",
        "_sleep",
        "_stack",
        "_turns",
        "isUsed",
        "opening",
    )

    def __init__(
        self,
        clock: IReactorTime,
        stack: FirewallStack,
        opening: Opening,
        report: OpeningReport,
        turns: Turns,
        onSettled: Callable[["OpeningLife", bool], None],
    ) -> None:
        self.opening = opening
        self._clock = clock
        self._stack = stack
        self._report = report
        self._turns = turns
        self._onSettled = onSettled
        self._claims: Claims = ()  # what others earned here
        self._granted = 0.0  # the deadline that the firewall has; 0 if it has none
        self._grant = 0  # the request that the firewall has granted, see L{Opening}
        self.isUsed = False
        self._asked: Deferred[None] | None = None  # the first request to open
        self._mayBeOpen = False  # in some firewall at least, so it must be closed
        self._isClosing = False  # the firewalls have not answered that yet
        self._pending: Deferred[None] | None = None  # the request to open
        self._reason = TIME_OVER  # why it closes
        self._backOff = BackOff(FIRST_RETRY, LAST_RETRY)
        self._isLeft = False
        self._sleep = WakeableSleep(clock)

    def begin(self, asked: Deferred[None]) -> None:
        """Begin with a request to open that the firewalls have got already."""
        self._asked = asked

    def takeOver(self) -> None:
        """Begin with an opening that the firewall has already."""
        self._granted, self._mayBeOpen = self.opening.deadline, True
        self._grant = self.opening.grant
        self._report.publishOpen(TAKEN_OVER, self.opening)

    def extend(self, wanted: Opening) -> None:
        """
        Stay open until the deadline of another opening for the same source. One that is earlier
        than the present one changes nothing, unless each is for one connection: then it is a grant
        of its own, because the present one may have been used in this very moment.
        """
        self._claims = addClaim(self._claims, self.opening, wanted, self._clock.seconds())
        if wanted.door.once and not self.isUsed and wanted.deadline <= self.opening.deadline:
            wanted = replace(self.opening, grant=wanted.grant)
        if wanted.door.once or wanted.deadline > self.opening.deadline:
            self.opening, self.isUsed = wanted, False
            self._reason = TIME_OVER
            self._report.noteRequest()
            self._proceed()
        else:
            self.retry()  # perhaps the firewall works again

    def forgetClaims(self, who: Principal) -> None:
        """Forget what a principal earned, if another one's opening lasts longer."""
        self._claims = dropClaims(self._claims, who)

    def endOwn(self, who: Principal, reason: str) -> None:
        """
        End what a principal earned. What others earned goes on.

        @param reason: see L{end}.
        """
        self.forgetClaims(who)
        if self.opening.who.isOther(who):
            return
        *others, left = self._claims or (self.opening,)
        if left is self.opening or left.deadline <= self._clock.seconds() or not self.isWanted():
            self.end(reason)
            return
        self.opening, self._claims = left, tuple(others)
        self._grant = -1  # a longer deadline may be on its way to the firewall
        if self._report.isOpen:
            self._report.publishOpen(SHORTENED, left, reason=reason)
        self._proceed()

    def move(self, door: Door, deadline: float) -> None:
        """Be an opening of this door from now on; the firewall already has it so."""
        isShorter = deadline < self.opening.deadline
        self.opening = replace(self.opening, door=door, deadline=deadline)
        self._granted = min(self._granted, deadline)
        self._claims = moveClaims(self._claims, door, deadline)
        if isShorter and self._report.isOpen:
            self._report.publishOpen(SHORTENED, self.opening, reason="by the new configuration")
        self._settle()
        self._sleep.wake()

    def end(self, reason: str) -> None:
        """
        Close now.

        @param reason: why, as half a sentence.
        """
        # It was wanted again while the firewalls were closing it: a healing, or a reload, may have
        # opened it in the innermost meanwhile. The closing that they are busy with may hang.
        mustShut = self._isClosing and self.isWanted()
        if self.isUsed or self.isWanted():
            self.opening = replace(self.opening, deadline=self._clock.seconds())
        self._reason, self._claims = reason, ()
        self._proceed()
        if mustShut:
            Deferred.fromCoroutine(self._closeInnermost())

    async def _closeInnermost(self) -> None:
        try:
            await self._stack.closeInnermost(self.opening)
        except Exception as error:  # it is closed again when the firewalls have answered
            self._report.publishFailure(CLOSE_FAILED, self.opening, error)

    def isWanted(self) -> bool:
        """Return whether it should be open."""
        return self.opening.deadline > self._clock.seconds() and not self.isUsed

    def isGranted(self) -> bool:
        """Return whether the firewall has said that it is open."""
        return self._granted > self._clock.seconds()

    def isOpen(self) -> bool:
        """Return whether the firewall has opened it for as long as wanted."""
        isSame = (self._granted, self._grant) == (self.opening.deadline, self.opening.grant)
        return isSame and self.isWanted()

    def status(self) -> OpeningStatus:
        """Return how things stand with it."""
        return OpeningStatus(self.opening, self._granted, self._report.trouble.text, self.isUsed)

    def noteUsed(self) -> None:
        """Note that a connection has used it up."""
        self.isUsed, self._granted = True, 0.0
        self._report.publishUsed(self.opening)
        self._proceed()

    def leave(self) -> None:
        """Stop here, and leave the opening to the firewall's own timer."""
        self._isLeft = True
        self._proceed()

    def retry(self) -> None:
        """Try now what the firewall refused."""
        if self._report.trouble:
            self._sleep.wake()

    async def run(self) -> None:
        """Live, from the first request to open to the last to close."""
        while not self._isLeft:
            left = self.opening.deadline - self._clock.seconds()
            if self.isOpen():
                await self._sleepFor(left)
            elif self.isWanted():
                await self._open()
            elif self._mayBeOpen:
                await self._close()
            elif self.isUsed and left > 0:
                await self._sleepFor(left)
            else:
                if self.isUsed:
                    self._onSettled(self, True)
                return

    async def _open(self) -> None:
        """Ask the firewall for the wanted deadline; if it refuses, wait before the next try."""
        wanted, kind = self.opening, EXTENDED if self.isGranted() else OPENED
        isShorter = wanted.deadline <= self._granted and not wanted.door.once  # published already
        self._mayBeOpen = True
        asked, self._asked = self._asked, None
        self._pending = self._stack.open(wanted) if asked is None else asked
        try:
            await self._pending
        except Exception as error:
            self._pending = None
            await self._handleRefusal(error, wanted)
            return
        self._pending = None
        self._granted, self._grant = wanted.deadline, wanted.grant
        self._calm()
        isStill = self.isWanted() or self._reason == TIME_OVER  # nobody has closed it meanwhile
        if isStill and not isShorter:
            self._report.publishOpen(kind, wanted, isAnswer=True)
        self._settle()

    async def _handleRefusal(self, error: Exception, wanted: Opening) -> None:
        """Wait before the next try to open."""
        if isinstance(error, CancelledError | DeadlinePassed):  # something else is wanted now
            await self._turns.next()
            return
        self._report.publishFailure(OPEN_FAILED, self.opening, error)
        self._onSettled(self, False)
        left = wanted.deadline - self._clock.seconds()
        if self.opening is wanted and left > 0:  # nobody has knocked again meanwhile
            await self._sleepFor(min(self._backOff.next(), left))

    async def _close(self) -> None:
        """Close; if that fails, wait before the next try. An opening is never forgotten."""
        self._granted = 0.0
        self._isClosing = True
        closing, reason, wasUsed = self.opening, self._reason, self.isUsed
        try:
            await self._stack.close(closing)
        except Exception as error:
            self._isClosing = False
            self._report.publishFailure(CLOSE_FAILED, self.opening, error)
            if not self.isWanted():  # nobody has knocked again meanwhile
                await self._sleepFor(self._backOff.next())
            return
        self._isClosing = False
        # If it was wanted again meanwhile, a healing, or a reload, may have opened it.
        self._mayBeOpen = self.opening is not closing
        self._calm()
        if not wasUsed:  # otherwise that was published
            self._report.publishClosed(closing, reason)
        self._onSettled(self, True)

    def _proceed(self) -> None:
        """Go on with what is wanted now, even if the firewalls are still busy opening."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        else:
            self._sleep.wake()

    async def _sleepFor(self, seconds: float) -> None:
        await self._sleep.sleep(seconds)
        if not self._isLeft:
            await self._turns.next()  # very many may wake at once

    def _settle(self) -> None:
        if self.isOpen():
            self._onSettled(self, False)

    def _calm(self) -> None:
        self._report.trouble.end()
        self._backOff.reset()
