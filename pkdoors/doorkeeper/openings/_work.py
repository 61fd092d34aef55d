"""Makes the firewalls agree with what is wanted of one opening."""

from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.doorkeeper.openings.claims import Claims
from pkdoors.doorkeeper.openings.report import OpeningReport
from pkdoors.doorkeeper.openings.state import Cursor
from pkdoors.errors import DeadlinePassed
from pkdoors.events.event import CLOSE_FAILED, EXTENDED, OPEN_FAILED, OPENED, TIME_OVER
from pkdoors.firewall.stack import FirewallStack
from pkdoors.model.doors import Opening
from pkdoors.util.backoff import BackOff
from pkdoors.util.turns import Turns, WakeableSleep

FIRST_RETRY = 1.0
"""Seconds after which we try again what the firewall refused; doubled each time."""
LAST_RETRY = 60.0
"""The longest time between two tries, in seconds."""


class Keeper(Protocol):
    """Keeps the lives of all openings, see L{pkdoors.doorkeeper.openings.lives.Lives}."""

    def onMoved(self, life: "OpeningWork") -> None:
        """Take note that the opening has another deadline, or another door."""

    def onUsed(self, life: "OpeningWork") -> None:
        """Take note that L{OpeningWork.isUsed} has changed."""

    def onReopened(self, life: "OpeningWork") -> None:
        """Take note that it may be open again, though the guard had closed it."""

    def onSettled(self, life: "OpeningWork", isClosed: bool) -> None:
        """Take note that the firewalls have done what is wanted, or refused to open."""

    def onOver(self, life: "OpeningWork") -> None:
        """Take note that nothing is left of it in any firewall."""


class OpeningWork:
    """
    Makes the firewall agree with the wanted opening, until none is wanted.

    One coroutine is the only one that asks the firewall to open, and to close; so it never has two
    answers to wait for. While it waits for one, a change of what is wanted cancels the request to
    open: a knock, or a command to close, must not wait for a firewall that hangs. A request to
    close is never cancelled.

    While the firewall has what is wanted, the life is at rest: there is no coroutine, which would
    take 4 kB of memory. L{onDeadline} wakes it.

    @param keeper: hears what becomes of it.
    @ivar opening: the wanted opening; its deadline moves.
    @ivar owner: who is answerable for how many there are; see
        L{pkdoors.doorkeeper.admission.findOwner}.
    @ivar place: where it stands among all openings by deadline, see L{Cursor}.
    @ivar isUsed: whether the one connection that it was for has used it up. Then it is closed, and
        shown until its deadline.
    """

    _log = Logger()
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
        "_isRunning",
        "_isShutting",
        "_keeper",
        "_mayBeOpen",
        "_pending",
        "_reason",
        "_report",
        "_shut",
        "_sleep",
        "_stack",
        "_turns",
        "isUsed",
        "opening",
        "owner",
        "place",
    )

    def __init__(
        self,
        clock: IReactorTime,
        stack: FirewallStack,
        opening: Opening,
        report: OpeningReport,
        turns: Turns,
        keeper: Keeper,
    ) -> None:
        self.opening = opening
        self.owner = ""
        self.place: Cursor
        self._clock = clock
        self._stack = stack
        self._report = report
        self._turns = turns
        self._keeper = keeper
        self._claims: Claims = ()  # what others earned here
        self._granted = 0.0  # the deadline that the firewall has; 0 if it has none
        self._grant = 0  # the request that the firewall has granted, see L{Opening}
        self.isUsed = False
        self._asked: Deferred[None] | None = None  # the first request to open
        self._mayBeOpen = False  # in some firewall at least, so it must be closed
        self._isClosing = False  # the firewalls have not answered that yet
        self._pending: Deferred[None] | None = None  # the request to open
        self._reason = TIME_OVER  # why it closes
        # Most openings never have to wait before another try.
        self._backOff: BackOff | None = None
        self._sleep: WakeableSleep | None = None
        self._isRunning = False
        self._isLeft = False
        self._shut: Opening | None = None  # what the guard has closed already
        self._isShutting = False  # the guard is about to close it, with others

    def begin(self, asked: Deferred[None] | None = None) -> None:
        """
        Begin to live.

        @param asked: a request to open that the firewalls have got already.
        """
        self._asked, self._isRunning = asked, True
        Deferred.fromCoroutine(self._live(isNew=True)).addErrback(self._onMistake)

    def isWanted(self) -> bool:
        """Return whether it should be open."""
        isOver = self.isUsed or self._isShutting
        return not isOver and self.opening.deadline > self._clock.seconds()

    def isGranted(self) -> bool:
        """Return whether the firewall has said that it is open."""
        return self._granted > self._clock.seconds()

    def isOpen(self) -> bool:
        """Return whether the firewall has opened it for as long as wanted."""
        isSame = (self._granted, self._grant) == (self.opening.deadline, self.opening.grant)
        return isSame and self.isWanted()

    def retry(self) -> None:
        """Try now what the firewall refused."""
        if self._report.trouble:
            self._wake()

    async def _live(self, isNew: bool) -> None:
        """Live until all is as it is wanted, or over."""
        isOver = True  # a mistake of ours ends it, too
        try:
            if not isNew:
                await self._turns.next()  # very many may wake at once
            isOver = await self._run()
        finally:
            self._isRunning = isOver  # nothing wakes it again after its end
            if isOver:
                self._keeper.onOver(self)

    async def _run(self) -> bool:
        """Make the firewalls agree with what is wanted. Return whether the life is over then."""
        while not self._isLeft:
            if self.isOpen():
                return False
            if self.isWanted():
                await self._open()
            elif self._mayBeOpen:
                await self._close()
            elif self.isUsed and self.opening.deadline > self._clock.seconds():
                return False
            else:
                if self.isUsed:
                    self._keeper.onSettled(self, True)
                return True
        return True

    def _onMistake(self, failure: Failure) -> None:
        self._log.failure("the opening of a door went wrong", failure)

    def _want(self, opening: Opening) -> None:
        self.opening = opening
        self._keeper.onMoved(self)

    def _setUsed(self, isUsed: bool) -> None:
        if isUsed != self.isUsed:
            self.isUsed = isUsed
            self._keeper.onUsed(self)

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
        if isStill:
            self._report.noteOpen()
        self._settle()  # before the log: in a fleet other hosts wait for the seal
        if isStill and not isShorter:
            self._report.publishOpen(kind, wanted, isAnswer=True)

    async def _handleRefusal(self, error: Exception, wanted: Opening) -> None:
        """Wait before the next try to open."""
        if isinstance(error, CancelledError | DeadlinePassed):  # something else is wanted now
            await self._turns.next()
            return
        self._report.publishFailure(OPEN_FAILED, self.opening, error)
        self._keeper.onSettled(self, False)
        left = wanted.deadline - self._clock.seconds()
        if self.opening is wanted and left > 0:  # nobody has knocked again meanwhile
            await self._sleepFor(min(self._nextWait(), left))

    async def _close(self) -> None:
        """Close; if that fails, wait before the next try. An opening is never forgotten."""
        self._granted = 0.0
        self._isClosing = True
        closing, reason, wasUsed = self.opening, self._reason, self.isUsed
        try:
            await self._stack.close(closing, isInnermostClosed=self._shut is closing)
        except Exception as error:
            self._isClosing = False
            self._report.publishFailure(CLOSE_FAILED, self.opening, error)
            if not self.isWanted():  # nobody has knocked again meanwhile
                await self._sleepFor(self._nextWait())
            return
        self._isClosing = False
        # If it was wanted again meanwhile, a healing, or a reload, may have opened it.
        self._mayBeOpen = self.opening is not closing
        self._calm()
        if not wasUsed:  # otherwise that was published
            self._report.publishClosed(closing, reason)
        self._keeper.onSettled(self, True)

    def _proceed(self) -> None:
        """Go on with what is wanted now, even if the firewalls are still busy opening."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        else:
            self._wake()

    def _wake(self) -> None:
        """Go on, from rest or from sleep."""
        if self._sleep is not None:
            self._sleep.wake()
        elif not self._isRunning:
            self._isRunning = True
            Deferred.fromCoroutine(self._live(isNew=False)).addErrback(self._onMistake)

    async def _sleepFor(self, seconds: float) -> None:
        self._sleep = WakeableSleep(self._clock)
        try:
            await self._sleep.sleep(seconds)
        finally:
            self._sleep = None
        if not self._isLeft:
            await self._turns.next()  # very many may wake at once

    def _nextWait(self) -> float:
        """Return the seconds until the next try."""
        if self._backOff is None:
            self._backOff = BackOff(FIRST_RETRY, LAST_RETRY)
        return self._backOff.next()

    def _settle(self) -> None:
        if self.isOpen():
            self._keeper.onSettled(self, False)

    def _calm(self) -> None:
        self._report.trouble.end()
        self._backOff = None
