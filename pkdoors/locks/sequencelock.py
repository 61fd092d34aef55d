"""The lock of a door that opens to plain knocks on its ports, in order. Pure."""

from enum import Enum
from typing import NamedTuple

from pkdoors.locks._progress import ProgressTable
from pkdoors.locks.lock import Refusal
from pkdoors.locks.wrongorders import WrongOrders
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort
from pkdoors.util.durations import formatDuration, formatWait

MAX_KNOCKERS = 32_768
"""Sources that one lock remembers, about 10 MB. At 100,000 spoofed first knocks a second, a lock
forgets an honest source 0.3 s after its first knock, when its second one has arrived already."""

ECHO_TIME = 0.5
"""Seconds after an opening in which a repetition of the last port is the network's duplicate: it
must not look like the beginning of another door's sequence."""

_OPENED = 0
"""The stage of sources that have just opened the door. The stage of the others is the number of
their right knocks."""
_NUMBERS = 1 << 62
"""More than the number of any knock: a run's number and part share one note of L{ProgressTable}."""


class Meaning(Enum):
    """What a plain knock means for one lock."""

    STRAY = "no progress, and not the first port"
    FIRST = "the first port, which always starts over"
    NEXT = "the port that is due"
    COPY = "the port just accepted: the network's duplicate"
    ECHO = "the last port, seen again at once after it opened the door"
    AFTER = "a late duplicate from a source that opened the door a while ago"
    LATE = "a knock after the time for the progress was over"
    WRONG = "any other port"


class Run(NamedTuple):
    """
    The progress of one source at one lock.

    @ivar right: the number of right knocks; 0 if the source has just opened the door.
    @ivar ends: when it expires.
    @ivar number: the number of its first knock, counted over all locks.
    @ivar part: the number of the run, at another lock, that includes all its knocks; its own number
        if there is none.
    """

    right: int
    ends: float
    number: int
    part: int


class SequenceLock:
    """
    The progress of the sources that knock on the ports of a door's sequence.

    - A repetition of the port just accepted is the network's duplicate, unless the sequence repeats
      the port there.
    - The first port always starts over. Any other wrong port ends the progress.
    - The progress expires C{knockTimeout} after the first knock.
    - Only sources with a right knock take memory. If the table is full, the fullest stage gives
      way. So a flood on the first port pushes out no source that is further, and a flood by
      somebody who knows more ports pushes out no source that begins.

    L{pkdoors.locks._plainknocks} decides for all locks together what a wrong port costs.

    @ivar length: the number of knocks.
    @ivar wrongOrders: the wrong orders at this door, from everywhere.
    """

    def __init__(self, door: Door, maxKnockers: int = MAX_KNOCKERS) -> None:
        self.door = door
        self.wrongOrders = WrongOrders()
        self._sequence = door.sequence.ports
        self.length = len(self._sequence)
        self._progress: ProgressTable[str] = ProgressTable(len(self._sequence), maxKnockers)

    def __len__(self) -> int:
        """Return how many sources take memory."""
        return len(self._progress)

    def concerns(self, place: str, port: KnockPort, now: float) -> bool:
        """Return whether a knock may be more than a L{Meaning.STRAY} that costs nothing."""
        return (
            port == self._sequence[0]
            or self._progress.get(place) is not None
            or self.wrongOrders.isWary(now)
        )

    def findRun(self, place: str, ignoredUntil: float) -> Run | None:
        """
        Return the progress of a source.

        @param place: see L{pkdoors.model.networks.placeOf}.
        @param ignoredUntil: the end of the source's penalty. Earlier progress does not count.
        """
        run = self._peekRun(place, ignoredUntil)
        if run is None:
            self._progress.forget(place)
        return run

    def _peekRun(self, place: str, ignoredUntil: float) -> Run | None:
        """Do the same as L{findRun}, and change nothing."""
        found = self._progress.get(place)
        if found is None:
            return None
        right, ends, note = found
        # Minus a microsecond, because the difference is not exact.
        if ends - self.door.knockTimeout < ignoredUntil - 1e-6:
            return None
        return Run(right, ends, *divmod(note, _NUMBERS))

    def interpret(self, run: Run | None, port: KnockPort, now: float) -> Meaning:
        """Return what a knock means for a source with this progress. This changes nothing."""
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

    def explain(self, place: str, port: KnockPort, now: float, ignoredUntil: float) -> str:
        """Return what a knock means for a source, without naming a port. This changes nothing."""
        run = self._peekRun(place, ignoredUntil)
        meaning = self.interpret(run, port, now)
        right = run.right if run else 0
        if meaning in (Meaning.FIRST, Meaning.NEXT):
            due = 1 if meaning is Meaning.FIRST else right + 1
            return f"knock {due} of {self.length}"
        if meaning is Meaning.COPY:
            return f"knock {right} of {self.length} again"
        if meaning in (Meaning.STRAY, Meaning.WRONG):
            places = [str(at) for at, each in enumerate(self._sequence, 1) if each == port]
            due = right + 1 if meaning is Meaning.WRONG else 1
            return f"out of order: knock {' or '.join(places)} came, knock {due} was due"
        return str(meaning.value)

    def begin(self, place: str, now: float, number: int, whole: Run | None) -> None:
        """
        Note the first knock of a source.

        @param whole: the run, at another lock, that includes this one.
        """
        ends, part = now + self.door.knockTimeout, number
        if whole is not None:
            ends, part = min(ends, whole.ends), whole.number
        self._progress.sweep(now)
        self._progress.put(place, 1, ends, number * _NUMBERS + part)

    def advance(self, place: str, run: Run, part: int) -> bool:
        """Note the port that was due. Return whether it was the last one."""
        if run.right + 1 == len(self._sequence):
            self._progress.forget(place)
            return True
        self._progress.put(place, run.right + 1, run.ends, run.number * _NUMBERS + part)
        return False

    def forget(self, place: str) -> None:
        """Forget the progress of a source."""
        self._progress.forget(place)

    def forgetPart(self, place: str, part: int) -> None:
        """Forget the progress of a source if a run that has ended included all its knocks."""
        found = self._progress.get(place)
        if found is not None and found[2] % _NUMBERS == part:
            self._progress.forget(place)

    def noteOpened(self, place: str, now: float) -> None:
        """Remember for a while that a source has opened the door, for copies of its knocks."""
        self._progress.put(place, _OPENED, now + self.door.knockTimeout)

    def refuseTooSlow(self, source: str, run: Run) -> Refusal:
        """Return the refusal of a knock that is L{Meaning.LATE}."""
        timeout = formatDuration(self.door.knockTimeout)
        return self.refuse(
            source, f"too slow: {run.right} of {len(self._sequence)} knocks in {timeout}"
        )

    def refuseWrongPort(self, source: str, run: Run | None, seconds: float) -> Refusal:
        """Return the refusal of a wrong port, which costs so many seconds."""
        right = run.right if run else 0
        reason = f"wrong port after {right} of {len(self._sequence)} knocks"
        if seconds:
            reason += f", ignored for {formatWait(seconds)}"
        return self.refuse(source, reason)

    def refuse(self, source: str, reason: str) -> Refusal:
        """Return a refusal."""
        return Refusal(self.door, source, reason)
