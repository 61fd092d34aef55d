"""Writes what this host has into the engine: the seals that it heard, and its events."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from pkdoors.config.fleet import FleetConfig
from pkdoors.errors import EngineRefusal
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.relay._backlog import Backlog
from pkdoors.fleet.relay._troubles import Troubles
from pkdoors.fleet.streams import EVENT, MAX_EVENTS, SEAL, SOURCE, TIME, Streams
from pkdoors.util.backoff import BackOff
from pkdoors.util.turns import WakeableSleep

T = TypeVar("T")

BATCH = 50
"""Entries on their way to the engine at a time, so a slow one does not slow each of them down."""
LONG = 3600.0
"""Seconds of a sleep that ends when there is something to do."""
FIRST_PAUSE, LAST_PAUSE = 0.5, 5.0
"""Seconds until something is tried again that the engine refused."""
TAKES_AGAIN = "the engine takes in again what this host writes"


class HeardSeal(NamedTuple):
    """
    A seal that this host has heard.

    @ivar time: the time of day.
    """

    seal: bytes
    source: str
    time: float


class Queue(Generic[T]):
    """
    What waits for the engine, and a bell for who writes it.

    @ivar backlog: the items.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.backlog: Backlog[T] = Backlog()
        self._sleep = WakeableSleep(clock)

    def add(self, item: T) -> bool:
        """Add an item. Return whether an older one gave way."""
        isFull = self.backlog.add(item)
        self._sleep.wake()
        return isFull

    async def sleep(self) -> None:
        """Sleep until there is an item."""
        if not self.backlog:
            await self._sleep.sleep(LONG)


class Writer(Generic[T]):
    """
    Appends items to a stream in their order. An item stays in the queue until the engine has it; so
    if the connection breaks in between, an entry may be written twice, which is harmless.

    @param about: what is written, for L{Troubles}.
    @param append: appends one item.
    @param pause: seconds between two full batches.
    """

    def __init__(
        self,
        clock: IReactorTime,
        queue: Queue[T],
        troubles: Troubles,
        about: str,
        append: Callable[[T], Any],
        pause: float = 0.0,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._troubles = troubles
        self._about = about
        self._append = append
        self._pause = pause

    async def run(self) -> None:
        """Write until the engine is away."""
        backOff, rest = BackOff(FIRST_PAUSE, LAST_PAUSE), WakeableSleep(self._clock)
        while True:
            await self._queue.sleep()
            number, items = self._queue.backlog.first(BATCH)
            done, error = await self._write(items)
            self._queue.backlog.remove(number, done)
            if isinstance(error, EngineRefusal):
                self._troubles.begin(self._about, str(error))
                await rest.sleep(backOff.next())
            elif error is not None:
                raise error
            elif items:
                backOff.reset()
                self._troubles.end(self._about, TAKES_AGAIN)
                if self._pause and len(items) == BATCH:
                    await rest.sleep(self._pause)

    async def _write(self, items: Sequence[T]) -> tuple[int, BaseException | None]:
        """Return how many of the first items the engine has, and why not more."""
        working = [Deferred.fromCoroutine(self._append(item)) for item in items]
        for done, (isGood, result) in enumerate(await DeferredList(working, consumeErrors=True)):
            if not isGood:
                return done, result.value
        return len(items), None


def makeSealWriter(
    clock: IReactorTime,
    fleet: FleetConfig,
    engine: IEngine,
    queue: Queue[HeardSeal],
    troubles: Troubles,
    kept: Callable[[], float],
) -> Writer[HeardSeal]:
    """
    Return what publishes the seals that this host has heard.

    @param kept: returns the time of day since which others may need what is in the log.
    """
    stream = Streams(fleet.name).log(fleet.host)

    async def append(heard: HeardSeal) -> None:
        fields = {
            SEAL: heard.seal,
            SOURCE: heard.source.encode(),
            TIME: f"{heard.time:.3f}".encode(),
        }
        await engine.append(stream, fields, oldest=kept())

    return Writer(clock, queue, troubles, "seals", append)


def makeEventWriter(
    clock: IReactorTime,
    fleet: FleetConfig,
    engine: IEngine,
    queue: Queue[Mapping[str, Any]],
    troubles: Troubles,
) -> Writer[Mapping[str, Any]]:
    """Return what publishes the events of this host, a hundred in a second at most."""
    stream = Streams(fleet.name).events(fleet.host)

    async def append(event: Mapping[str, Any]) -> None:
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        await engine.append(stream, {EVENT: data}, most=MAX_EVENTS)

    return Writer(clock, queue, troubles, "events", append, pause=0.5)
