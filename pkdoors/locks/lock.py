"""
Locks: what a door demands before it opens. Pure.

Time is an argument, in seconds of any clock that does not jump. A lock logs nothing and opens
nothing. Every table in it has a bound.
"""

from dataclasses import dataclass
from typing import Protocol

from pkdoors.knocks.knock import Knock
from pkdoors.locks.tries import Tries
from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal


@dataclass(frozen=True, slots=True)
class Request:
    """
    The request of a satisfied lock, to open or to close.

    @ivar source: the address to open for, as L{Knock} has it, or a network; to close, an address.
    @ivar seconds: the time asked for; 0 for the door's own.
    @ivar most: the most seconds that this principal may have; 0 if only the door limits them.
    @ivar who: the principal that asks.
    @ivar close: whether to end what this principal opened for the source, instead of opening.
    @ivar until: the latest deadline, on the doorkeeper's clock; 0 for none.
    @ivar since: the time of day of a seal's stamp, in seconds since 1970; 0 if unknown.
    @ivar seal: the datagram, if other hosts of a fleet are to judge it, too; empty if not.
    @ivar via: the host of a fleet that heard the knock, if this host did not.
    @ivar claim: the name under which one host of a fleet must claim the knock before it opens,
        because the others could open it, too, for somebody else; empty if it names its address.
    """

    door: Door
    source: str
    seconds: float
    most: float = 0.0
    who: Principal = NOBODY
    close: bool = False
    until: float = 0.0
    since: float = 0.0
    seal: bytes = b""
    via: str = ""
    claim: str = ""

    @property
    def sender(self) -> str:
        """The address that the knock came from."""
        return self.who.address or self.source


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A knock that cost an honest source its progress, or that was ignored as a penalty.

    @ivar reason: half a sentence for the log.
    @ivar who: the key that made the seal, if the seal is good all the same.
    """

    door: Door
    source: str
    reason: str
    who: Principal = NOBODY


@dataclass(frozen=True, slots=True)
class Guessing:
    """
    A sign that somebody knows the ports of a door, and is guessing their order.

    @ivar count: wrong orders since the last report.
    @ivar networks: the number of networks that sent them.
    @ivar seconds: the time since the first of them.
    """

    door: Door
    count: int
    networks: int
    seconds: float


Result = Request | Refusal | Guessing


class Lock(Protocol):
    """
    The lock of a door that only sealed knocks open.

    @ivar tries: what clients have not finished.
    """

    door: Door
    tries: Tries

    def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
        """
        Hear a knock.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: a L{Request} if the door is to open, a L{Refusal} if the operator should know why
            it stays closed, L{None} in all other cases.
        """

    def explain(self, knock: Knock, now: float) -> str:
        """Return what a knock that is about to be heard means. This changes nothing."""

    def __len__(self) -> int:
        """Return how many sources, or datagrams of theirs, take memory."""
