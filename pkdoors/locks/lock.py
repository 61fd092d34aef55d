"""
Locks: what a door demands before it opens.

A lock is pure. Time is an argument, in seconds of any clock that does not jump; nothing is logged
and nothing is opened here. Every table has a bound.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from pkdoors.knocks.knock import Knock
from pkdoors.locks._progress import ProgressTable
from pkdoors.locks.wrongorders import WrongOrders
from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal

MAX_KNOCKERS = 32_768
"""Sources that one lock remembers, about 10 MB. At 100,000 spoofed first knocks a second an honest
source is then forgotten 0.3 s after its first knock, by when its second one is in."""

ECHO_TIME = 0.5
"""Seconds after an opening in which the last port, seen again, is the network's duplicate: it must
not look like the beginning of another door's sequence."""

_OPENED = 0
"""The stage of sources that have just opened the door. Others are at the number of their right
knocks."""
_NUMBERS = 1 << 62
"""More than all numbers of knocks: a run's number and part are one note of L{ProgressTable}."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    What a satisfied lock yields.

    @ivar source: the address to open for, as L{Knock} has it.
    @ivar seconds: the time asked for; 0 for the door's own.
    @ivar most: seconds that who asks may have at most; 0 where only the door says that.
    @ivar who: who asks.
    @ivar close: whether the source's opening is to end now, instead.
    """

    door: Door
    source: str
    seconds: float
    most: float = 0.0
    who: Principal = NOBODY
    close: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A knock that an honest source lost its progress with, or that was ignored as a penalty.

    @ivar reason: half a sentence for the log.
    """

    door: Door
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Guessing:
    """
    Somebody seems to know the ports of a door, and to guess their order.

    @ivar count: wrong orders since the last time that this was said.
    @ivar networks: from how many networks they came.
    @ivar seconds: within which time.
    """

    door: Door
    count: int
    networks: int
    seconds: float


Result = Request | Refusal | Guessing


class Lock(Protocol):
    """What hears knocks for one door."""

    door: Door

    def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
        """
        Hear a knock.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: a L{Request} where the door is to open, a L{Refusal} where the operator should hear
            why it will not, L{None} in all other cases.
        """

    def __len__(self) -> int:
        """How many sources, or their datagrams, take memory."""


class Meaning(Enum):
    """What a plain knock is for one lock."""

    STRAY = "no progress, and not the first port"
    FIRST = "the first port, which always starts over"
    NEXT = "the port that is due"
    COPY = "the port just accepted: the network's duplicate"
    ECHO = "the last port, seen again at once after it opened the door"
    AFTER = "from a source that has opened the door a while ago: a late duplicate"
    LATE = "the time for the progress is over"
    WRONG = "any other port"


class Run(NamedTuple):
    """
    The progress of one source at one lock.

    @ivar right: how many knocks were right; 0 of a source that has just opened the door.
    @ivar ends: when it is over.
    @ivar number: of its first knock, among those of all locks.
    @ivar part: the number of the run, at another lock, that all its knocks are part of; its own if
        there is none.
    """

    right: int
    ends: float
    number: int
    part: int


class SequenceLock:
    """
    The progress of those who knock plainly on the ports of the door's sequence, in order.

    - The port just accepted, seen again, is the network's duplicate, unless the sequence has it
      twice there.
    - The first port always starts over. Any other wrong port loses the progress.
    - The progress dies C{knockTimeout} after the first knock.
    - Only sources with a right knock take memory. Where the table is full, the fullest stage gives
      way: a flood on the first port pushes out nobody who is further, nor one that knows more ports
      those who begin.

    What a wrong port costs is decided by L{pkdoors.locks._plainknocks}, for all locks together.

    @ivar wrongOrders: of this door, from everywhere.
    """

    def __init__(self, door: Door, maxKnockers: int = MAX_KNOCKERS) -> None:
        self.door = door
        self.wrongOrders = WrongOrders()
        self._sequence = door.sequence.ports
        self._progress: ProgressTable[str] = ProgressTable(len(self._sequence), maxKnockers)

    def __len__(self) -> int:
        """How many sources take memory."""
        return len(self._progress)

    def concerns(self, place: str, port: int, now: float) -> bool:
        """Return whether a knock can be more than a L{Meaning.STRAY} that costs nothing."""
        return (
            port == self._sequence[0]
            or self._progress.get(place) is not None
            or self.wrongOrders.isWary(now)
        )

    def run(self, place: str, ignoredUntil: float) -> Run | None:
        """
        Return the progress of a source.

        @param place: see L{pkdoors.model.networks.placeOf}.
        @param ignoredUntil: what began before this counts no more.
        """
        found = self._progress.get(place)
        if found is None:
            return None
        right, ends, note = found
        # A microsecond, for the difference is not exact.
        if ends - self.door.knockTimeout < ignoredUntil - 1e-6:
            self._progress.forget(place)
            return None
        return Run(right, ends, *divmod(note, _NUMBERS))

    def meaning(self, run: Run | None, port: int, now: float) -> Meaning:
        """Return what a knock is for a source with this progress. Nothing changes."""
        if run is not None and now < run.ends:
            if run.right == _OPENED:
                openedAt = run.ends - self.door.knockTimeout
                if port == self._sequence[-1] and now < openedAt + ECHO_TIME:
                    return Meaning.ECHO
                return Meaning.FIRST if port == self._sequence[0] else Meaning.AFTER
            if port == self._sequence[run.right]:
                return Meaning.NEXT
            if run.right > 1 and port == self._sequence[run.right - 1]:
                return Meaning.COPY
        if port == self._sequence[0]:
            return Meaning.FIRST
        if run is None or run.right == _OPENED:
            return Meaning.STRAY
        return Meaning.WRONG if now < run.ends else Meaning.LATE

    def begin(self, place: str, now: float, number: int, whole: Run | None) -> None:
        """
        Note a first knock.

        @param whole: the run, at another lock, that this one is part of.
        """
        ends, part = now + self.door.knockTimeout, number
        if whole is not None:
            ends, part = min(ends, whole.ends), whole.number
        self._progress.sweep(now)
        self._progress.put(place, 1, ends, number * _NUMBERS + part)

    def advance(self, place: str, run: Run, part: int) -> bool:
        """Note the knock that was due. Return whether it was the last one."""
        if run.right + 1 == len(self._sequence):
            self._progress.forget(place)
            return True
        self._progress.put(place, run.right + 1, run.ends, run.number * _NUMBERS + part)
        return False

    def forget(self, place: str) -> None:
        """Forget the progress of a source."""
        self._progress.forget(place)

    def forgetPart(self, place: str, part: int) -> None:
        """Forget the progress of a source if all its knocks were part of a run that has ended."""
        found = self._progress.get(place)
        if found is not None and found[2] % _NUMBERS == part:
            self._progress.forget(place)

    def noteOpened(self, place: str, now: float) -> None:
        """Remember for a while that a source has opened the door: copies of its knocks may come."""
        self._progress.put(place, _OPENED, now + self.door.knockTimeout)

    def refuseTooSlow(self, source: str, run: Run) -> Refusal:
        """Return the refusal of a knock that is L{Meaning.LATE}."""
        timeout = self.door.knockTimeout
        return self.refuse(
            source, f"too slow: {run.right} of {len(self._sequence)} knocks in {timeout:g} s"
        )

    def refuseWrongPort(self, source: str, run: Run | None, seconds: float) -> Refusal:
        """Return the refusal of a wrong knock, which costs so many seconds."""
        right = run.right if run else 0
        reason = f"wrong port after {right} of {len(self._sequence)} knocks"
        if seconds:
            reason += f", ignored for {round(seconds, 1):g} s"
        return self.refuse(source, reason)

    def refuse(self, source: str, reason: str) -> Refusal:
        """Return a refusal."""
        return Refusal(self.door, source, reason)


AnyLock = Lock | SequenceLock
"""A lock that decides for itself, or one that L{pkdoors.locks._plainknocks} decides with."""
