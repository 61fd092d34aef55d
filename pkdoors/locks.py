"""
Locks: what a door demands before it opens.

A lock is pure. Time is an argument, in seconds of any clock that does not jump; nothing is logged
and nothing is opened here. Every table has a bound.
"""

from dataclasses import dataclass
from math import inf
from typing import Protocol

from pkdoors.doors import Door
from pkdoors.knock import Knock, secondsAsked
from pkdoors.stages import Stages
from pkdoors.who import NOBODY, Who

MAX_KNOCKERS = 32_768
"""Sources that one lock remembers, about 10 MB. At 100,000 spoofed first knocks a second an honest
source is then forgotten 0.3 s after its first knock, by when its second one is in."""

_PENALISED = 0
"""The stage of the sources that are ignored. Others are at the number of their right knocks."""
_NOWHERE = (_PENALISED, -inf, 0)
"""The place of who has none."""


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
    who: Who = NOBODY
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

    def fits(self, knock: Knock, now: float) -> bool:
        """Whether a knock would bring its source further, or is a copy of the one that did."""

    def forgo(self, source: str) -> None:
        """Forget how far a source is: it knocks on another door, with ports that both have."""

    def __len__(self) -> int:
        """How many sources, or their datagrams, take memory."""


class SequenceLock:
    """
    Opens to who knocks plainly on the ports of the door's sequence, in order.

    - The port just accepted, seen again, is the network's duplicate, unless the sequence has it
      twice there.
    - The first port always starts over. Any other wrong port loses the progress, and the source is
      ignored for the door's C{penalty}, from then on: more knocks do not prolong it, so nobody can
      lock out an address by spoofing it again and again.
    - The progress dies C{knockTimeout} after the first knock.
    - Only sources with a right knock take memory. Where the table is full, the fullest stage gives
      way: a flood on the first port pushes out nobody who is further, nor one that knows more ports
      those who begin.
    """

    def __init__(self, door: Door, maxKnockers: int = MAX_KNOCKERS) -> None:
        self.door = door
        self._sequence = door.sequence.ports
        self._stages: Stages[str] = Stages(len(self._sequence), maxKnockers)

    def __len__(self) -> int:
        """How many sources take memory."""
        return len(self._stages)

    def knock(self, knock: Knock, now: float, today: float = 0.0) -> Request | Refusal | None:
        """See L{Lock.knock}."""
        source, port, datagram, _ = knock
        seconds = secondsAsked(datagram)
        if seconds is None:
            return None
        place = self._stages.get(source)
        if place is None:
            if port == self._sequence[0]:
                self._begin(source, now)
            return None
        stage, ends, _ = place
        if now >= ends:
            return self._late(source, stage, port, now)
        if stage == _PENALISED:
            return self._refuse(source, f"ignored for another {ends - now:.1f} s")
        if port == self._sequence[stage]:
            return self._advance(source, stage, ends, seconds)
        if stage > 1 and port == self._sequence[stage - 1]:
            return None
        if port == self._sequence[0]:
            self._begin(source, now)
            return None
        return self._wrong(source, stage, now)

    def fits(self, knock: Knock, now: float) -> bool:
        """See L{Lock.fits}."""
        if secondsAsked(knock.datagram) is None:
            return False
        stage, ends, _ = self._stages.get(knock.source) or _NOWHERE
        if now >= ends:
            return knock.port == self._sequence[0]
        if stage == _PENALISED:
            return False
        return knock.port in (*self._sequence[stage - 1 : stage + 1], self._sequence[0])

    def forgo(self, source: str) -> None:
        """See L{Lock.forgo}. A penalty stays."""
        stage, _, _ = self._stages.get(source) or _NOWHERE
        if stage != _PENALISED:
            self._stages.forget(source)

    def _begin(self, source: str, now: float) -> None:
        self._stages.sweep(now)
        self._stages.put(source, 1, now + self.door.knockTimeout)

    def _late(self, source: str, stage: int, port: int, now: float) -> Refusal | None:
        self._stages.forget(source)
        if port == self._sequence[0]:
            self._begin(source, now)
            return None
        if stage == _PENALISED:
            return None
        return self._refuse(
            source,
            f"too slow: {stage} of {len(self._sequence)} knocks in {self.door.knockTimeout:g} s",
        )

    def _advance(self, source: str, stage: int, ends: float, seconds: int) -> Request | None:
        if stage + 1 == len(self._sequence):
            self._stages.forget(source)
            return Request(self.door, source, seconds)
        self._stages.put(source, stage + 1, ends)
        return None

    def _wrong(self, source: str, stage: int, now: float) -> Refusal:
        self._stages.forget(source)
        reason = f"wrong port after {stage} of {len(self._sequence)} knocks"
        if self.door.penalty:
            self._stages.put(source, _PENALISED, now + self.door.penalty)
            reason += f", ignored for {self.door.penalty:g} s"
        return self._refuse(source, reason)

    def _refuse(self, source: str, reason: str) -> Refusal:
        return Refusal(self.door, source, reason)
