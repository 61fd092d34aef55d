"""The life of one opening: open, wait, close."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.backoff import BackOff
from pkdoors.doors import Opening
from pkdoors.durations import formatDuration
from pkdoors.errors import FirewallError
from pkdoors.walls import Walls

FIRST_RETRY = 1.0
"""Seconds after which what the firewall refused is tried again; doubled each time."""
LAST_RETRY = 60.0
"""The longest time between two tries, in seconds."""


class Life:
    """
    Makes the firewall agree with what is wanted of one opening, until nothing is.

    @ivar opening: what is wanted; its deadline moves.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        walls: Walls,
        opening: Opening,
        wallClock: Callable[[], float],
    ) -> None:
        self.opening = opening
        self._clock = clock
        self._walls = walls
        self._wallClock = wallClock
        self._granted = 0.0  # the deadline that the firewall has; 0 where it has none
        self._toClose = False  # whether the firewall may have it, in whatever state
        self._isOpening = False
        self._told = False  # whether the log says that it is open
        self._ender = ""  # who asked to close
        self._trouble = ""  # what the log says that the firewall refuses
        self._backOff = BackOff(FIRST_RETRY, LAST_RETRY)
        self._left = False
        self._alarm: Deferred[None] | None = None

    def takeOver(self) -> None:
        """Begin with an opening that the firewall has already."""
        self._granted, self._toClose = self.opening.deadline, True
        self._announce("took over", self.opening)

    def extend(self, deadline: float, who: str = "") -> None:
        """Stay open until then; an earlier time than now changes nothing."""
        if deadline > self.opening.deadline:
            self.opening = replace(self.opening, deadline=deadline, who=who)
            self._wake()
        else:
            self.healed()  # perhaps it is

    def end(self, who: str) -> None:
        """Close now, because who knocked says so."""
        self.opening = replace(self.opening, deadline=self._clock.seconds())
        self._ender = who
        self._wake()
        if self._isOpening:  # it may hang
            Deferred.fromCoroutine(self._shut())

    async def _shut(self) -> None:
        try:
            await self._walls.shut(self.opening)
        except Exception as error:  # it is closed again when the opening is done
            self._complain("cannot close", error)

    def granted(self) -> list[Opening]:
        """What the firewall has said to be open: one opening, or none."""
        opening = replace(self.opening, deadline=self._granted)
        return [opening] if opening.deadline > self._clock.seconds() else []

    def wanted(self) -> list[Opening]:
        """What ought to be open: one opening, or none."""
        return [self.opening] if self.opening.deadline > self._clock.seconds() else []

    def leave(self) -> None:
        """End here, and leave the opening to the firewall's own timer."""
        self._left = True
        self._wake()

    def healed(self) -> None:
        """The firewall is there again: try at once what it refused."""
        if self._trouble:
            self._wake()

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
        wanted, verb = self.opening, "extended" if self.granted() else "opened"
        self._toClose = self._isOpening = True
        try:
            await self._walls.open(wanted)
        except Exception as error:
            self._complain("cannot open", error)
            left = wanted.deadline - self._clock.seconds()
            if self.opening is wanted and left > 0:  # nobody knocked anew meanwhile
                await self._sleep(min(self._backOff.next(), left))
            return
        finally:
            self._isOpening = False
        self._granted = wanted.deadline
        self._calm()
        self._announce(verb, wanted)

    async def _close(self) -> None:
        """Close; where that fails, wait before the next try. Never forgotten."""
        self._granted = 0.0
        try:
            await self._walls.close(self.opening)
        except Exception as error:
            self._complain("cannot close", error)
            if self.opening.deadline <= self._clock.seconds():  # nobody knocked anew meanwhile
                await self._sleep(self._backOff.next())
            return
        self._toClose = False
        self._calm()
        self._log.info(
            "closed door {door} for {source}{by}"
            if self._told
            else "door {door} never opened for {source}, and its time is over",
            door=self.opening.door,
            source=self.opening.source,
            by=self._ender and f", asked to by {self._ender}",
        )
        self._ender = ""
        self._told = False

    async def _sleep(self, seconds: float) -> None:
        self._alarm = alarm = Deferred[None]()
        call = self._clock.callLater(seconds, self._wake)
        try:
            await alarm
        finally:
            if call.active():
                call.cancel()

    def _wake(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.callback(None)

    def _announce(self, verb: str, opening: Opening) -> None:
        self._told = True
        left = opening.deadline - self._clock.seconds()
        until = datetime.fromtimestamp(round(self._wallClock() + left))
        self._log.info(
            "{verb} door {door} for {source} until {until} ({seconds}){who}",
            verb=verb,
            door=opening.door,
            source=opening.source,
            who=f", by {opening.who}" if opening.who else "",
            until=until,
            seconds=formatDuration(max(0, round(left))),
        )

    def _complain(self, what: str, error: Exception) -> None:
        """Say it once, however often it is tried again."""
        trouble = f"{what}: {error}"
        if trouble == self._trouble:
            return
        self._trouble = trouble
        self._log.error(
            "{what} door {door} for {source}, and keeps trying: {error}",
            what=what,
            door=self.opening.door,
            source=self.opening.source,
            error=error,
        )
        if not isinstance(error, FirewallError):  # a mistake of ours must not lose a door
            self._log.failure("that was unexpected", Failure(error))

    def _calm(self) -> None:
        self._trouble = ""
        self._backOff.reset()
