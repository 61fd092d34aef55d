"""Reads what all hosts write, and hands it to the daemon, which judges it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from pkdoors.config.fleet import FleetConfig
from pkdoors.errors import AskError, EngineHungUp, EngineNoStream, EngineTooMuch
from pkdoors.fleet.engine import (
    BEGINNING,
    PAGE,
    Entry,
    IEngine,
    clockOf,
    orderOf,
    positionAt,
)
from pkdoors.fleet.relay._lines import HANDED, Heard, Lines
from pkdoors.fleet.relay.daemonlink import MAX_BODY, MAX_LINES, DaemonLink, DaemonRefusal
from pkdoors.fleet.streams import Streams
from pkdoors.fleet.together import gather
from pkdoors.util.durations import formatDuration

T = TypeVar("T")

SLACK = 60.0
"""Seconds from before the longest opening that are read, too."""
AGAIN = 0.5
"""Seconds until lines that the daemon did not take are handed in again."""
MAX_REFUSALS = 20
"""Refusals, one every L{AGAIN} seconds, after which lines are left out: the next ones may do."""
LEFT_OUT = 600
"""Seconds for which a stream is not read that its host, or the engine, has spoilt."""
CALM = 15.0
"""Seconds from before a question that must have brought no entry of a stream, so that the report of
this host does not name it: this host knows the engine's clock only about."""
ORDER_PAGES = 100
"""Pages of orders of one host that are read before its seals are."""


class Reader:
    """
    Hands everything on in the order of its stream, orders first. It reads no more while the daemon
    works, so the bound for what waits is one answer of the engine.

    @param heard: the seals that the daemon has judged already.
    @param wallClock: returns the time of day.
    @param longest: returns the seconds of the longest opening of this host's doors.
    @param leftOut: the streams that are left out: until when, on the clock, and where to go on.
    @ivar positions: how far each stream is read.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        fleet: FleetConfig,
        engine: IEngine,
        link: DaemonLink,
        counts: Counter[str],
        heard: Heard,
        wallClock: Callable[[], float],
        longest: Callable[[], float],
        leftOut: dict[str, tuple[float, str]],
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._link = link
        self._counts = counts
        self._lines = Lines(fleet, counts, heard)
        self._wallClock = wallClock
        self._longest = longest
        self._leftOut = leftOut
        self._ahead = 0.0  # seconds that the engine's clock is ahead of ours
        self._since = 0.0  # the engine's time of day when our steady clock was at 0
        self._rewinds = 0
        self._isOver = False
        streams = Streams(fleet.name)
        self._logs = [streams.log(host) for host in fleet.hosts]
        self._orders = [streams.orders(host) for host in fleet.hosts]
        self._calm: set[str] = set()  # streams that had no entry left at the last question
        self._asked = 0.0  # when that was, by the engine's clock
        self.positions: dict[str, str] = {}

    def report(self) -> tuple[str, dict[str, str]]:
        """
        Return how far this host has read: a position, and the streams for which another one counts.
        A fleet has many streams, and few are in use.
        """
        common = positionAt(self._asked - CALM)
        rest = {
            name: position
            for name, position in self.positions.items()
            if name not in self._calm or orderOf(position) > orderOf(common)
        }
        return common, rest

    async def begin(self, positions: Mapping[str, str], isCareful: bool = False) -> None:
        """
        Decide where to begin: after what was read before, but not in the middle of a log that
        somebody has begun again, with earlier times.

        @param positions: what an earlier connection has read.
        @param isCareful: whether to find out which stream is spoilt.
        @raise EngineTooMuch: one has an entry that is too long. The connection is lost.
        @raise EngineNoStream: one is not a stream.
        """
        own = self._wallClock()
        self._ahead = clockOf(await self._engine.describe(), own) - own
        self._since = own + self._ahead - self._clock.seconds()
        self.rewind()
        names = [name for name in self.positions if name not in self._leftOut]
        if isCareful:
            ends = [await self._careful(name, self._readEnd) for name in names]
        else:
            ends = await gather(map(self._readEnd, names))
        for name, end in zip(names, ends, strict=True):
            wasRead = name in positions and orderOf(positions[name]) <= orderOf(end)
            if wasRead and self._rewinds == 1:  # else the daemon wants it again
                self.positions[name] = positions[name]
        if isCareful:
            for name in names:
                await self._careful(name, self._readToEnd)

    async def _readEnd(self, name: str) -> str:
        entries = await self._engine.readLast(name)
        return entries[0].id if entries else BEGINNING

    async def _readToEnd(self, name: str) -> None:
        """Read entry by entry, so that only an entry that is too long itself is refused."""
        while await self._take(partial(self._readPage, name, 1)):
            pass

    async def _careful(self, name: str, read: Callable[[str], Awaitable[T]]) -> T:
        """
        Read a stream. If it has an entry that is too long, or is not a stream, no honest host has
        made it so, and all others could not be read with it: leave it out for a while.
        """
        try:
            return await read(name)
        except (EngineTooMuch, EngineNoStream) as error:
            position = positionAt(self._wallClock() + self._ahead)
            self._leftOut[name] = self._clock.seconds() + LEFT_OUT, position
            self._log.warn(
                "{fault}: this host does not read that for {length}. Was the password of "
                "its host stolen?",
                fault=f"{name} in the engine is not a stream"
                if isinstance(error, EngineNoStream)
                else f"an entry in {name} is longer than any that a host writes",
                length=formatDuration(LEFT_OUT),
            )
            raise

    def rewind(self) -> None:
        """
        Read everything again that could still count. To hand it in twice changes nothing, and a
        daemon that starts may not know all of it.
        """
        start = positionAt(self._wallClock() + self._ahead - self._longest() - SLACK)
        self.positions.update({name: BEGINNING for name in self._orders})
        self.positions.update({name: start for name in self._logs})
        self.positions.update({name: position for name, (_, position) in self._leftOut.items()})
        self._noteRewind()

    def _noteRewind(self) -> None:
        self._rewinds += 1
        self._calm.clear()

    def rewindOrders(self) -> None:
        """Read all orders again."""
        again = {name for name in self._orders if name not in self._leftOut}
        self.positions.update(dict.fromkeys(again, BEGINNING))
        self._noteRewind()

    def stop(self) -> None:
        """Read and hand in nothing more."""
        self._isOver = True

    async def run(self) -> None:
        """Read until the engine is away."""
        rewinds = -1
        while True:
            if rewinds != self._rewinds:
                rewinds = self._rewinds
                await self._readOrders()
            await self._take(self._follow)

    async def _follow(self) -> Mapping[str, Sequence[Entry]]:
        now = self._clock.seconds()
        for name in [name for name, (until, _) in self._leftOut.items() if until <= now]:
            del self._leftOut[name]
        wanted = {n: end for n, end in self.positions.items() if n not in self._leftOut}
        rewinds, asked = self._rewinds, self._since + now
        found = await self._engine.follow(wanted)
        if rewinds == self._rewinds:
            self._asked, self._calm = asked, {name for name in wanted if not found.get(name)}
        return found

    async def _readOrders(self) -> None:
        """Hand in the orders that there are: closing beats opening."""
        for name in [name for name in self._orders if name not in self._leftOut]:
            for _ in range(ORDER_PAGES):
                if not await self._take(partial(self._readPage, name)):
                    break

    async def _readPage(self, name: str, most: int = PAGE) -> Mapping[str, Sequence[Entry]]:
        return {name: await self._engine.read(name, self.positions[name], most)}

    async def _take(self, read: Callable[[], Awaitable[Mapping[str, Sequence[Entry]]]]) -> bool:
        """Read entries, hand them in, and go on behind them. Return whether there were any."""
        rewinds = self._rewinds
        found = await read()
        await self._hand(self._lines.make(found))
        if rewinds == self._rewinds:
            ends = {name: entries[-1].id for name, entries in found.items() if entries}
            self.positions.update({n: end for n, end in ends.items() if n in self.positions})
        return any(found.values())

    async def _hand(self, lines: Sequence[bytes]) -> None:
        for part in _split(lines):
            self._counts[HANDED] += len(part)
            self._counts.update(answer.get("result", "") for answer in await self._post(part))

    async def _post(self, lines: Sequence[bytes]) -> list[dict[str, Any]]:
        """Post lines until the daemon has taken them. If it refuses them, it will always do so."""
        refusals = 0
        while not self._isOver:
            try:
                return await self._link.post(lines)
            except DaemonRefusal as error:
                refusals += 1
                if refusals == MAX_REFUSALS:
                    self._log.error(
                        "{count} seals and orders of the fleet are left out: {error}",
                        count=len(lines),
                        error=str(error),
                    )
                    return []
            except AskError:  # whoever follows the daemon's events reports it
                refusals = 0
            pause: Deferred[None] = deferLater(self._clock, AGAIN)
            await pause
        raise EngineHungUp("the connection was closed")


def _split(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        if len(part) >= MAX_LINES or (part and size + len(line) > MAX_BODY):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part
