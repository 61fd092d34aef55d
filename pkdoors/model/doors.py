"""Doors, and what it is that is open when one is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pkdoors.errors import BadValue
from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange, mergeRanges
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import formatDuration
from pkdoors.util.quoting import shown

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def checkName(name: str) -> str:
    """
    The name of a door, as it is.

    @raise BadValue: it is none.
    """
    if not _NAME.fullmatch(name):
        raise BadValue(
            f"{shown(name)} is no name for a door: small letters, digits, - and _, "
            "at most 32, a letter first"
        )
    return name


@dataclass(frozen=True, slots=True)
class Door:
    """
    A named set of protected ports with a lock and times.

    @ivar openFor: seconds that a knock gets which asks for nothing.
    @ivar maxOpenFor: seconds that a knock can ask for.
    @ivar knockTimeout: seconds in which the whole sequence must be knocked.
    @ivar penalty: seconds for which a network is ignored after a wrong knock; 0 is off.
    @ivar cutSessions: whether live sessions end with the opening; otherwise they live on.
    @ivar udpIdle: seconds of a client's silence after which a UDP session ends whose door has
        closed.
    @ivar udpMax: seconds after its door has closed for which a UDP session goes on at most.
    @ivar udpGrace: seconds for which a UDP port stays open that is protected for the first time,
        so that clients in the midst of something are not cut; 0 is off.
    @ivar authorizedKeys: the file with the SSH keys that knocks must be sealed with; empty where
        plain knocks open the door.
    @ivar clockSkew: seconds that the clocks of a sealed knock's sender and of this host may differ.
    @ivar knockRate: datagrams a second that are heard of one source; 0 for all.
    @ivar knockBurst: datagrams that are heard of it at once.
    @ivar onOpen: the program to run when it opens for somebody, and its arguments; empty for none.
    @ivar onClose: likewise, when it closes.
    @ivar onRefuse: likewise, when a knock is refused.
    """

    name: str
    sequence: Sequence
    ports: tuple[PortRange, ...]
    openFor: float = 30.0
    maxOpenFor: float = 3600.0
    knockTimeout: float = 30.0
    penalty: float = 5.0
    cutSessions: bool = False
    udpIdle: float = 180.0
    udpMax: float = 12 * 3600.0
    udpGrace: float = 30.0
    authorizedKeys: str = ""
    clockSkew: float = 60.0
    knockRate: int = 10_000
    knockBurst: int = 10_000
    onOpen: tuple[str, ...] = ()
    onClose: tuple[str, ...] = ()
    onRefuse: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checkName(self.name)
        if self.openFor > self.maxOpenFor:
            raise BadValue(
                f"{formatDuration(self.openFor)} is longer than the door may be open at most, "
                f"{formatDuration(self.maxOpenFor)}: lower the one or raise the other",
                "openFor",
            )
        for knock in self.sequence.ports:
            if any(PortRange("udp", knock, knock).overlaps(ports) for ports in self.ports):
                raise BadValue(
                    "they have one of the knock ports, which must stay open: "
                    "take another knock port, or do not protect it",
                    "ports",
                )

    def __str__(self) -> str:
        return f"{self.name} ({','.join(map(str, self.ports))})"

    def hooks(self) -> dict[str, tuple[str, ...]]:
        """The programs that it has for what happens, with their arguments, by the key of each."""
        keys = {"on_open": self.onOpen, "on_close": self.onClose, "on_refuse": self.onRefuse}
        return {key: command for key, command in keys.items() if command}

    def hasLockOf(self, other: "Door") -> bool:
        """Whether the same knocks open both: then who is in the midst of them can go on."""
        return (self.name, self.sequence, self.authorizedKeys) == (
            other.name,
            other.sequence,
            other.authorizedKeys,
        )

    def grant(self, asked: float) -> float:
        """The seconds that a knock gets which asks for so many; 0 asks for nothing."""
        return min(asked, self.maxOpenFor) if asked else self.openFor


def listProtectedPorts(doors: Iterable[Door]) -> tuple[PortRange, ...]:
    """The ports of all doors, sorted, without overlap."""
    return mergeRanges(ports for door in doors for ports in door.ports)


def listKnockPorts(doors: Iterable[Door]) -> list[int]:
    """The knock ports of all doors, sorted: their order is the secret."""
    return sorted({port for door in doors for port in door.sequence.ports})


@dataclass(frozen=True, slots=True)
class Opening:
    """
    One door open for one source address until a deadline.

    @ivar deadline: on the clock of who made it, in seconds.
    @ivar who: who earned it.
    """

    door: Door
    source: Address
    deadline: float
    who: Principal = field(default=NOBODY, compare=False)

    @property
    def key(self) -> tuple[str, Address]:
        """Which one it is: there is one for each door and address."""
        return self.door.name, self.source
