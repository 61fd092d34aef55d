"""An engine in memory, for as many hosts as one likes."""

from collections.abc import Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from pkdoors.errors import EngineError, EngineHungUp, EngineNoStream, EngineRefusal, EngineTooMuch
from pkdoors.fleet.engine import BEGINNING, PAGE, Entry, orderOf

WAIT = 5.0
"""Seconds after which following hosts have an answer without entries."""
MAX_ANSWER = 1 << 20
"""Bytes of an answer."""


class FakeStore:
    """
    What the engine keeps.

    @ivar streams: the entries by stream.
    @ivar now: the engine's time of day at zero seconds of the clock.
    @ivar refusal: what the engine says to all writing; empty if it writes.
    @ivar spoilt: the names of what is not a stream.
    @ivar delay: seconds until it says what it is, or which entry of a stream is the last.
    @ivar isAway: whether nobody can reach it. L{stop} also breaks the connections that there are.
    """

    def __init__(self, clock: IReactorTime, now: float = 1_800_000_000.0) -> None:
        self.clock = clock
        self.now = now
        self.streams: dict[str, list[Entry]] = {}
        self.values: dict[str, tuple[bytes, float]] = {}
        self.refusal = ""
        self.spoilt: set[str] = set()
        self.delay = 0.0
        self.isAway = False
        self.engines: list[FakeEngine] = []

    def connect(self) -> "FakeEngine":
        """Return a new connection."""
        if self.isAway:
            raise EngineError("the engine is away")
        self.engines.append(FakeEngine(self))
        return self.engines[-1]

    def stop(self) -> None:
        """Break all connections, and accept none until L{isAway} is C{False} again."""
        self.isAway = True
        for engine in tuple(self.engines):
            engine.break_("the engine went away")
        self.engines.clear()

    def add(self, stream: str, fields: Mapping[str, bytes]) -> str:
        """Add an entry, and wake those that follow the stream."""
        entries = self.streams.setdefault(stream, [])
        now = int((self.now + self.clock.seconds()) * 1000)
        last, number = orderOf(entries[-1].id) if entries else (0, 0)
        position = f"{now}-0" if now > last else f"{last}-{number + 1}"
        entries.append(Entry(position, dict(fields)))
        for engine in tuple(self.engines):
            engine.wake()
        return position

    def after(self, stream: str, position: str, most: int) -> list[Entry]:
        """Return the entries of a stream after a position."""
        self.check(stream)
        found = self.streams.get(stream, ())
        return [one for one in found if orderOf(one.id) > orderOf(position)][:most]

    def check(self, stream: str) -> None:
        """Refuse what is not a stream."""
        if stream in self.spoilt:
            raise EngineNoStream("the wrong kind of value")


class FakeEngine:
    """
    A connection. It implements L{pkdoors.fleet.engine.IEngine}.
    """

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._following: Deferred[None] | None = None
        self._broken = ""

    def break_(self, reason: str) -> None:
        """Break the connection."""
        self._broken = reason
        self.wake()

    def wake(self) -> None:
        """Answer a call of L{follow}."""
        following, self._following = self._following, None
        if following is not None:
            following.callback(None)

    async def _dawdle(self) -> None:
        if self._store.delay:
            slow: Deferred[None] = deferLater(self._store.clock, self._store.delay)
            await slow

    def _check(self, isWriting: bool = False) -> FakeStore:
        if self._broken:
            raise EngineHungUp(self._broken)
        if isWriting and self._store.refusal:
            raise EngineRefusal(self._store.refusal)
        return self._store

    async def append(
        self, stream: str, fields: Mapping[str, bytes], *, oldest: float = 0, most: int = 0
    ) -> str:
        """See L{IEngine.append}. It trims exactly."""
        store = self._check(isWriting=True)
        store.check(stream)
        position = store.add(stream, fields)
        entries = store.streams[stream]
        entries[:] = [one for one in entries if one.time >= oldest][-most:]
        return position

    async def follow(self, positions: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        """See L{IEngine.follow}."""
        assert self._following is None, "somebody else follows"
        found = self._find(positions)
        if not found:
            self._following = Deferred()
            call = self._store.clock.callLater(WAIT, self.wake)
            await self._following
            if call.active():
                call.cancel()
            found = self._find(positions)
        return found

    def _find(self, positions: Mapping[str, str]) -> dict[str, Sequence[Entry]]:
        store = self._check()
        found = {name: store.after(name, after, PAGE) for name, after in positions.items()}
        self._refuseTooMuch(entry for entries in found.values() for entry in entries)
        return {name: entries for name, entries in found.items() if entries}

    def _refuseTooMuch(self, entries: Iterable[Entry]) -> None:
        """Break the connection if an answer is too long."""
        if sum(len(value) for entry in entries for value in entry.fields.values()) > MAX_ANSWER:
            self.break_("an answer is too long")
            raise EngineTooMuch(self._broken)

    async def read(self, stream: str, after: str = BEGINNING, most: int = PAGE) -> Sequence[Entry]:
        """See L{IEngine.read}."""
        found = self._check().after(stream, after, most)
        self._refuseTooMuch(found)
        return found

    async def readLast(self, stream: str, most: int = 1) -> Sequence[Entry]:
        """See L{IEngine.readLast}."""
        store = self._check()
        await self._dawdle()
        store.check(stream)
        return store.streams.get(stream, [])[-most:][::-1]

    async def claim(self, name: str, owner: str, milliseconds: int) -> bool:
        """See L{IEngine.claim}."""
        if await self.get(name) is not None:
            return False
        await self._set(name, owner.encode(), milliseconds / 1000)
        return True

    async def put(self, name: str, value: bytes, seconds: int) -> None:
        """See L{IEngine.put}."""
        await self._set(name, value, seconds)

    async def _set(self, name: str, value: bytes, seconds: float) -> None:
        store = self._check(isWriting=True)
        store.values[name] = value, store.clock.seconds() + seconds

    async def get(self, name: str) -> bytes | None:
        """See L{IEngine.get}."""
        value, end = self._check().values.get(name, (None, 0.0))
        return value if end > self._store.clock.seconds() else None

    async def describe(self) -> Mapping[str, str]:
        """See L{IEngine.describe}."""
        self._check()
        await self._dawdle()
        return {"redis_version": "7.0.15", "aof_enabled": "1", "aof_last_write_status": "ok"}

    async def close(self) -> None:
        """See L{IEngine.close}."""
        if self in self._store.engines:
            self._store.engines.remove(self)
        self.break_("the connection was closed")
