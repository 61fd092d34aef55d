"""The life of one opening: open, wait, close."""

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.doorkeeper.state import OpeningStatus
from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.events.event import (
    CLOSE_FAILED,
    CLOSED,
    EXTENDED,
    OPEN_FAILED,
    OPENED,
    SHORTENED,
    TAKEN_OVER,
    TIME_OVER,
    UNOPENED,
)
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.util.backoff import BackOff
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.turns import Turns, WakeableSleep

FIRST_RETRY = 1.0
"""Seconds after which what the firewall refused is tried again; doubled each time."""
LAST_RETRY = 60.0
"""The longest time between two tries, in seconds."""


class OpeningLife:
    """
    Makes the firewall agree with what is wanted of one opening, until nothing is.

    @param limit: says how often the log may tell of what a firewall refuses: where it hangs, it
        refuses the same to all lives.
    @ivar opening: what is wanted; its deadline moves.
    """

    _log = Logger()
    __slots__ = (  # there may be thousands
        *("_asked", "_backOff", "_call", "_clock", "_granted", "_publisher", "_isClosing", "_left"),
        *("_limit", "_nap", "_openSince", "_reason", "_toClose", "_told", "_trouble", "_turns"),
        *("_stack", "opening"),
    )

    def __init__(
        self,
        clock: IReactorTime,
        stack: FirewallStack,
        opening: Opening,
        publisher: EventPublisher,
        turns: Turns,
        limit: LineLimit,
    ) -> None:
        self.opening = opening
        self._clock = clock
        self._stack = stack
        self._publisher = publisher
        self._turns = turns
        self._limit = limit
        self._asked = clock.seconds()  # when it was last asked for
        self._openSince = 0.0
        self._granted = 0.0  # the deadline that the firewall has; 0 where it has none
        self._toClose = False  # whether the firewall may have it, in whatever state
        self._isClosing = False  # whether the firewalls have not answered that yet
        self._call: Deferred[None] | None = None  # by which they are asked to open
        self._told = False  # whether the log says that it is open
        self._reason = TIME_OVER  # why it closes
        self._trouble = ""  # what the log says that the firewall refuses
        self._backOff = BackOff(FIRST_RETRY, LAST_RETRY)
        self._left = False
        self._nap = WakeableSleep(clock)

    def takeOver(self) -> None:
        """Begin with an opening that the firewall has already."""
        self._granted, self._toClose = self.opening.deadline, True
        self._announce(TAKEN_OVER, self.opening)

    def extend(self, door: Door, deadline: float, who: Principal = NOBODY) -> None:
        """
        Stay open until then; an earlier time than now changes nothing.

        @param door: as it is now: one that is still closing may have had other ports.
        """
        if deadline > self.opening.deadline:
            self.opening = replace(self.opening, door=door, deadline=deadline, who=who)
            self._reason = TIME_OVER
            self._asked = self._clock.seconds()
            self._turn()
        else:
            self.onHealed()  # perhaps it is

    def move(self, door: Door, deadline: float) -> None:
        """Be an opening of this door from now on, as the firewall has it already."""
        isShorter = deadline < self.opening.deadline
        self.opening = replace(self.opening, door=door, deadline=deadline)
        self._granted = min(self._granted, deadline)
        if isShorter and self._told:
            self._announce(SHORTENED, self.opening)
        self._nap.wake()

    def end(self, reason: str) -> None:
        """
        Close now.

        @param reason: why, as half a sentence.
        """
        toShut = self._isClosing and self.wanted()
        if self.wanted():
            self.opening = replace(self.opening, deadline=self._clock.seconds())
        self._reason = reason
        self._turn()
        if toShut:  # the closing that the firewalls are busy with may hang
            Deferred.fromCoroutine(self._shut())

    async def _shut(self) -> None:
        try:
            await self._stack.closeInnermost(self.opening)
        except Exception as error:  # it is closed again when the firewalls are done
            self._complain(CLOSE_FAILED, error)

    def granted(self) -> list[Opening]:
        """What the firewall has said to be open: one opening, or none."""
        opening = replace(self.opening, deadline=self._granted)
        return [opening] if opening.deadline > self._clock.seconds() else []

    def wanted(self) -> list[Opening]:
        """What ought to be open: one opening, or none."""
        return [self.opening] if self.opening.deadline > self._clock.seconds() else []

    def standing(self) -> OpeningStatus:
        """How things stand with it."""
        return OpeningStatus(self.opening, self._granted, self._trouble)

    def leave(self) -> None:
        """End here, and leave the opening to the firewall's own timer."""
        self._left = True
        self._turn()

    def onHealed(self) -> None:
        """The firewall is there again: try at once what it refused."""
        if self._trouble:
            self._nap.wake()

    async def run(self) -> None:
        """The whole life, from the first open to the last close."""
        while not self._left:
            left = self.opening.deadline - self._clock.seconds()
            if left > 0 and self._granted == self.opening.deadline:
                await self._sleep(left)
            elif left > 0:
                await self._open()
            elif self._toClose:
                await self._close()
            else:
                return

    async def _open(self) -> None:
        """Tell the firewall the deadline that is wanted; where it fails, wait before the next."""
        wanted, kind = self.opening, EXTENDED if self.granted() else OPENED
        self._toClose = True
        self._call = Deferred.fromCoroutine(self._stack.open(wanted))
        try:
            await self._call
        except Exception as error:
            self._call = None
            await self._hear(error, wanted)
            return
        self._call = None
        self._granted = wanted.deadline
        self._calm()
        if self.wanted() or self._reason == TIME_OVER:  # and nobody has had it closed meanwhile
            self._announce(kind, wanted, self._clock.seconds() - self._asked)

    async def _hear(self, error: Exception, wanted: Opening) -> None:
        """It is not open: wait before the next try."""
        if isinstance(error, CancelledError | DeadlinePassed):  # something else is wanted now
            await self._turns.next()
            return
        self._complain(OPEN_FAILED, error)
        left = wanted.deadline - self._clock.seconds()
        if self.opening is wanted and left > 0:  # nobody knocked anew meanwhile
            await self._sleep(min(self._backOff.next(), left))

    async def _close(self) -> None:
        """Close; where that fails, wait before the next try. Never forgotten."""
        self._granted = 0.0
        self._isClosing = True
        closing, reason = self.opening, self._reason
        try:
            await self._stack.close(closing)
        except Exception as error:
            self._isClosing = False
            self._complain(CLOSE_FAILED, error)
            if self.opening.deadline <= self._clock.seconds():  # nobody knocked anew meanwhile
                await self._sleep(self._backOff.next())
            return
        self._isClosing = False
        # Who knocked anew meanwhile may have been let in by a healing, or a reload.
        self._toClose = self.opening is not closing
        self._calm()
        openFor = self._clock.seconds() - self._openSince if self._told else 0.0
        self._tell(CLOSED if self._told else UNOPENED, closing, reason=reason, seconds=openFor)
        self._told = False

    def _turn(self) -> None:
        """Go on with what is wanted now, though the firewalls are still busy opening."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        else:
            self._nap.wake()

    async def _sleep(self, seconds: float) -> None:
        await self._nap.sleep(seconds)
        if not self._left:
            await self._turns.next()  # very many may be woken at once

    def _announce(self, kind: str, opening: Opening, took: float = 0.0) -> None:
        now = self._clock.seconds()
        if not self._told:
            self._told, self._openSince = True, now
        self._tell(kind, opening, seconds=opening.deadline - now, took=took)

    def _tell(self, kind: str, about: Opening, **details: Any) -> None:
        of = {"door": about.door, "source": str(about.source), "who": about.who}
        self._publisher.publish(kind, **of, **details)

    def _complain(self, kind: str, error: Exception) -> None:
        """Say it once, however often it is tried again, and for however many."""
        what = {OPEN_FAILED: "cannot open", CLOSE_FAILED: "cannot close"}[kind]
        trouble = f"{what}: {error}"
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if self._limit.admit(trouble, self._clock.seconds()):
            more = self._limit.newSuppressed()
            self._tell(kind, self.opening, reason=str(error), leftOut=more)
        if not isinstance(error, FirewallError):  # a mistake of ours must not lose a door
            self._log.failure("that was unexpected", Failure(error))

    def _calm(self) -> None:
        self._trouble = ""
        self._backOff.reset()
