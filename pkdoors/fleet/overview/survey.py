"""
What the engine knows about all hosts of a fleet at one moment.

Whoever has a host, or the engine, can write anything there. So what is read is only shown, and
everything in it has a bound.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pkdoors.errors import AskError, EngineRefusal
from pkdoors.fleet.engine import BEGINNING, Entry, IEngine, clockOf, orderOf
from pkdoors.fleet.presence import PresenceRecord, parsePresence
from pkdoors.fleet.streams import LASTS, Streams
from pkdoors.fleet.together import gather

GRACE = 15.0
"""Seconds that an entry may wait before its reader counts as behind: a host says how far it has
read in its next report."""
MAX_ORDERS = 10_000
"""Orders of one host that are read."""
MAX_LOOKS = 20
"""Streams of one host that are looked at to see how far it is behind: those read least far."""

Position = tuple[int, int]
"""What sorts positions."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    How far one host has read one stream.

    @ivar isRead: whether it reads the stream at all.
    @ivar seconds: how long the oldest entry that it has not read has been there; 0 if it has read
        all of them, as far as that is known.
    """

    isRead: bool
    seconds: float = 0.0

    @property
    def isBehind(self) -> bool:
        """Whether it is slower than it should be."""
        return self.seconds > GRACE


@dataclass(frozen=True, slots=True)
class HostReport:
    """
    One host.

    @ivar presence: what it says about itself; L{None} if it is down, or says nothing readable.
    @ivar trouble: why there is no presence, if something is there; otherwise empty.
    @ivar log: how far it has read the seals of each other host.
    @ivar orders: the same for the orders.
    """

    name: str
    presence: PresenceRecord | None = None
    trouble: str = ""
    log: Mapping[str, Reading] = field(default_factory=dict)
    orders: Mapping[str, Reading] = field(default_factory=dict)

    def clockAhead(self, now: float) -> float:
        """
        Return how many seconds its clock is at least ahead of the engine's; negative if it is
        behind; 0 if it may be right.
        """
        if self.presence is None:
            return 0.0
        ahead = self.presence.time.timestamp() - now
        return ahead if ahead > 0 else min(0.0, ahead + LASTS)

    def worst(self) -> float:
        """Return how many seconds it is behind in the stream in which that is most."""
        readings = [*self.log.values(), *self.orders.values()]
        return max((each.seconds for each in readings if each.isBehind), default=0.0)

    def unread(self) -> list[str]:
        """Return the hosts whose seals it does not read."""
        return [host for host, reading in self.log.items() if not reading.isRead]


@dataclass(frozen=True, slots=True)
class Survey:
    """
    All that was found.

    @ivar time: the time of day by the engine's clock.
    @ivar own: the time of day by this host's clock at the same moment.
    @ivar engine: what the engine says of itself.
    @ivar hosts: in the order of the configuration.
    @ivar entries: the orders, by the host at which they were given.
    """

    time: float
    own: float
    engine: Mapping[str, str]
    hosts: Collection[HostReport]
    entries: Mapping[str, Collection[Entry]]


async def surveyFleet(engine: IEngine, fleet: str, hosts: Collection[str], own: float) -> Survey:
    """
    Ask for everything.

    @param own: the time of day.
    @raise EngineError: the engine is away, or does not let this host read.
    """
    streams = Streams(fleet)
    about = await engine.describe()
    now = clockOf(about, own)
    ends = await gather(_readEnd(engine, streams.log(host)) for host in hosts)
    lists = await gather(readOrders(engine, streams.orders(host)) for host in hosts)
    entries = dict(zip(hosts, lists, strict=True))
    logs = {(streams.log(host), host): orderOf(end) for host, end in zip(hosts, ends, strict=True)}
    last = {host: found[-1].id if found else BEGINNING for host, found in entries.items()}
    orders = {(streams.orders(host), host): orderOf(end) for host, end in last.items()}
    presences = await gather(_readPresence(engine, streams.up(host)) for host in hosts)
    reports = []
    for host, (presence, trouble) in zip(hosts, presences, strict=True):
        report = HostReport(host, presence, trouble)
        if presence is not None:
            read = await _findReadings(engine, presence, {**logs, **orders}, now)
            log = {other: read[streams.log(other)] for other in hosts if other != host}
            given = {other: read[streams.orders(other)] for other in hosts}
            report = HostReport(host, presence, trouble, log, given)
        reports.append(report)
    return Survey(now, own, about, reports, entries)


async def readOrders(engine: IEngine, stream: str) -> list[Entry]:
    """Return the orders in a stream, the oldest first, at most L{MAX_ORDERS}."""
    found: list[Entry] = []
    while len(found) < MAX_ORDERS:
        page = await engine.read(stream, found[-1].id if found else BEGINNING)
        if not page:
            break
        found += page
    return found


async def readPresences(
    engine: IEngine, fleet: str, hosts: Collection[str]
) -> dict[str, PresenceRecord]:
    """Return what the hosts that are up say about themselves."""
    names = [Streams(fleet).up(host) for host in hosts]
    found = await gather(_readPresence(engine, name) for name in names)
    pairs = zip(hosts, found, strict=True)
    return {host: presence for host, (presence, _) in pairs if presence is not None}


async def _readEnd(engine: IEngine, stream: str) -> str:
    last = await engine.readLast(stream)
    return last[0].id if last else BEGINNING


async def _readPresence(engine: IEngine, name: str) -> tuple[PresenceRecord | None, str]:
    try:
        data = await engine.get(name)
    except EngineRefusal as error:
        return None, str(error)
    if data is None:
        return None, ""
    try:
        return parsePresence(data), ""
    except AskError as error:
        return None, str(error)


async def _findReadings(
    engine: IEngine,
    presence: PresenceRecord,
    ends: Mapping[tuple[str, str], Position],
    now: float,
) -> dict[str, Reading]:
    """
    Return how far a host has read some streams.

    @param presence: what it says.
    @param ends: the last entry of each stream, by its name and its host's.
    """
    at = {name: presence.findPosition(*name) for name in ends}
    found = {stream: Reading(at[stream, host] is not None) for stream, host in ends}
    positions = {name: orderOf(end) for name, end in at.items() if end is not None}
    late = sorted((end, name[0]) for name, end in positions.items() if end < ends[name])
    looked = late[:MAX_LOOKS]
    waits = await gather(_findWait(engine, stream, at, now) for at, stream in looked)
    for (_, stream), seconds in zip(looked, waits, strict=True):
        found[stream] = Reading(True, seconds)
    return found


async def _findWait(engine: IEngine, stream: str, position: Position, now: float) -> float:
    """Return the seconds for which the first entry after a position has been there."""
    try:
        unread = await engine.read(stream, "{}-{}".format(*position), 1)
    except EngineRefusal:
        return 0.0  # the host says that it has read what cannot be a position
    return max(0.0, now - unread[0].time) if unread else 0.0
