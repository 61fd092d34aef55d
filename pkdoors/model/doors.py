"""Doors, and their openings."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pkdoors.errors import BadValue
from pkdoors.model.addresses import Address
from pkdoors.model.knockports import KnockPort, TcpPort, asRange
from pkdoors.model.names import checkName
from pkdoors.model.ports import PortRange, mergeRanges
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.model.sequence import Sequence
from pkdoors.model.sources import WHOLE, Source, widen
from pkdoors.model.trusted import Trusted
from pkdoors.util.durations import formatDuration

MAX_OPENINGS = 65_536
"""Openings of all doors at a time, unless the configuration has another number; 80 MB."""
MAX_OF_DOOR = 16_384
"""The same for one door, so that no door needs all."""
MAX_SKEW = 3600.0
"""The most seconds of a clock_skew: so long the nonces of sealed knocks are remembered. Clocks are
set nowadays."""


@dataclass(frozen=True, slots=True)
class Door:
    """
    A named set of protected ports with a lock and times. A door without ports only runs a program.

    @ivar openFor: how long a knock opens the door if it does not ask for a time, in seconds.
    @ivar maxOpenFor: the longest time that a knock can ask for, in seconds.
    @ivar knockTimeout: the time for knocking the whole sequence, in seconds.
    @ivar penalty: how long a network is ignored after a wrong knock, in seconds; 0 for never.
    @ivar cutSessions: whether live sessions end with the opening; otherwise they continue.
    @ivar once: whether an opening is for one TCP connection, which uses it up; otherwise for any
        number.
    @ivar udpIdle: after the door has closed, a UDP session ends when its client has been silent for
        so many seconds.
    @ivar udpMax: after the door has closed, a UDP session ends after at most so many seconds.
    @ivar udpGrace: a UDP port that is protected for the first time stays open for so many seconds,
        so that clients' live sessions are not cut; 0 for none.
    @ivar trusted: the networks and interfaces from which clients need no knock.
    @ivar authorizedKeys: the files of the SSH keys that can seal knocks, and folders of such files;
        empty if plain knocks open the door.
    @ivar revokedKeys: the file of the keys and certificates that cannot; empty for none.
    @ivar clockSkew: by how many seconds the clocks of a sealed knock's sender and of this host may
        differ.
    @ivar hearsAny: whether any datagram is a knock, whatever its payload.
    @ivar grant4: the length of the IPv4 network that a sealed knock opens for, if its key has
        C{prefix}; 32 for the address alone.
    @ivar grant6: the same over IPv6; 128 for the address alone.
    @ivar knockRate: how many datagrams a second the daemon accepts from one source; 0 for all.
    @ivar knockBurst: how many datagrams it accepts from one source at once.
    @ivar mostOpenings: how many openings the door may have at a time.
    @ivar fleet: whether the door is one of the fleet, so seals that other hosts heard open it, too.
    @ivar listens: whether the host hears knocks for the door itself; otherwise only other hosts of
        the fleet do.
    @ivar onOpen: the program to run when the door opens for somebody, and its arguments; empty for
        none.
    @ivar onClose: the same for a door that closes.
    @ivar onRefuse: the same for a knock that is refused.
    """

    name: str
    sequence: Sequence
    ports: tuple[PortRange, ...]
    openFor: float = 30.0
    maxOpenFor: float = 3600.0
    knockTimeout: float = 30.0
    penalty: float = 5.0
    cutSessions: bool = False
    once: bool = False
    udpIdle: float = 180.0
    udpMax: float = 12 * 3600.0
    udpGrace: float = 30.0
    trusted: tuple[Trusted, ...] = ()
    authorizedKeys: tuple[str, ...] = ()
    revokedKeys: str = ""
    clockSkew: float = 60.0
    hearsAny: bool = False
    grant4: int = WHOLE[4]
    grant6: int = WHOLE[6]
    knockRate: int = 10_000
    knockBurst: int = 10_000
    mostOpenings: int = MAX_OF_DOOR
    fleet: bool = False
    listens: bool = True
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
        if self.grants() and not self.authorizedKeys:
            raise BadValue(
                "only a sealed knock opens for a network, as its key's line must allow it: give "
                "the door a file of authorized keys, or remove this",
                next(iter(self.grants())),
            )
        if self.revokedKeys and not self.authorizedKeys:
            raise BadValue(
                "only sealed knocks have keys: give the door a file of authorized keys, or remove "
                "this",
                "revokedKeys",
            )
        if self.once:
            self._checkOnce()
        self._checkFleet()
        for knock in self.knockPorts:
            if any(asRange(knock).overlaps(ports) for ports in self.ports):
                raise BadValue(
                    "the protected ports include a knock port, which must stay open: "
                    "use another knock port, or do not protect it",
                    "ports",
                )
        if self.authorizedKeys:
            self._checkSealed()

    def _checkFleet(self) -> None:
        if self.fleet and not self.authorizedKeys:
            raise BadValue(
                "only sealed knocks can be passed on to other hosts: give the door a file of "
                "authorized keys, or remove this",
                "fleet",
            )
        if not (self.listens or self.fleet):
            raise BadValue(
                "nothing could open the door, because it hears no knocks and is not one of the "
                "fleet: add fleet = true, or remove this",
                "listens",
            )

    def _checkSealed(self) -> None:
        if self.sequence.tcpPorts():
            raise BadValue(
                "it has a TCP port, but a sealed knock is a datagram: use UDP ports only, or "
                "remove authorized_keys",
                "sequence",
            )
        if self.hearsAny:
            raise BadValue(
                'it is "any", but a sealed door hears only sealed knocks: remove it, or remove '
                "authorized_keys",
                "hearsAny",
            )

    def _checkOnce(self) -> None:
        if self.cutSessions:
            raise BadValue(
                "an opening for one connection ends when that begins, so the door cannot cut "
                "sessions when it closes: use sessions = keep, or uses = many",
                "once",
            )
        udp = [str(ports) for ports in self.ports if ports.protocol == "udp"]
        if udp:
            raise BadValue(
                f"{udp[0]} cannot be opened for one connection, because UDP has no connections: "
                "give UDP ports a door of their own",
                "once",
            )

    def __str__(self) -> str:
        return f"{self.name} ({','.join(map(str, self.ports)) or 'no ports'})"

    @property
    def knockPorts(self) -> tuple[KnockPort, ...]:
        """The ports on which this host hears the knocks; none if only other hosts do."""
        return self.sequence.ports if self.listens else ()

    def checkPurpose(self) -> None:
        """
        Check that something happens when the door opens.

        @raise BadValue: nothing does.
        """
        if not self.ports and not self.onOpen:
            raise BadValue(
                "a door without ports opens nothing, so it needs on_open, a program to run: "
                "add that in the file, or name ports",
                "ports",
            )
        if not self.ports and self.trusted:
            raise BadValue(
                "a door without ports has nothing that clients could use without a knock: "
                "remove this, or name ports",
                "trusted",
            )
        if not self.ports and self.once:
            raise BadValue(
                "a door without ports lets no connection in that could use an opening up: "
                "remove this, or name ports",
                "once",
            )

    def hooks(self) -> dict[str, tuple[str, ...]]:
        """Return the programs to run, with their arguments, by their keys in a configuration."""
        keys = {"on_open": self.onOpen, "on_close": self.onClose, "on_refuse": self.onRefuse}
        return {key: command for key, command in keys.items() if command}

    def grants(self) -> dict[str, int]:
        """Return the lengths of networks that knocks can open for, by their keys."""
        lengths = {"grant4": self.grant4, "grant6": self.grant6}
        return {key: length for key, length in lengths.items() if length < WHOLE[int(key[-1])]}

    def widen(self, address: Address) -> Source:
        """Return the network, or the address alone, that a key with C{prefix} opens for."""
        return widen(address, self.grant4 if address.version == 4 else self.grant6)

    def hasLockOf(self, other: "Door") -> bool:
        """Return whether the same knocks open both doors, so knocks that have begun stay valid."""
        return (self.name, self.sequence, self.authorizedKeys, self.revokedKeys) == (
            other.name,
            other.sequence,
            other.authorizedKeys,
            other.revokedKeys,
        )

    def grant(self, asked: float) -> float:
        """Return the seconds for a knock that asks for so many; 0 asks for the door's own time."""
        return min(asked, self.maxOpenFor) if asked else self.openFor


def listProtectedPorts(doors: Iterable[Door]) -> tuple[PortRange, ...]:
    """Return the protected ports of all doors, sorted, without overlap."""
    return mergeRanges(ports for door in doors for ports in door.ports)


def listKnockPorts(doors: Iterable[Door]) -> list[int]:
    """Return the knock ports of all doors over UDP, sorted, as their order is the secret."""
    return sorted({port for port in _knockPorts(doors) if not isinstance(port, TcpPort)})


def listTcpKnockPorts(doors: Iterable[Door]) -> list[int]:
    """Return the numbers of the knock ports of all doors over TCP, sorted."""
    return sorted({port.number for port in _knockPorts(doors) if isinstance(port, TcpPort)})


def _knockPorts(doors: Iterable[Door]) -> Iterator[KnockPort]:
    return (port for door in doors for port in door.knockPorts)


@dataclass(frozen=True, slots=True)
class Opening:
    """
    One door open for one source, an address or a network, until a deadline.

    @ivar deadline: in seconds, on the clock of the code that made the opening.
    @ivar who: the principal that earned it.
    @ivar grant: the number of the request that it answers; it matters if the door opens for one
        connection at a time, because each request earns one.
    @ivar since: the time of day from which it is valid, that of its seal; 0 if unknown.
    @ivar via: the host of a fleet that heard the knock, if this host did not.
    """

    door: Door
    source: Source
    deadline: float
    who: Principal = field(default=NOBODY, compare=False)
    grant: int = field(default=0, compare=False)
    since: float = field(default=0.0, compare=False)
    via: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, Source]:
        """Identify the opening: each door has at most one for each source."""
        return self.door.name, self.source


def carryOver(opening: Opening, door: Door | None, now: float) -> Opening | None:
    """
    Return an opening at the door that has its name in a new configuration; L{None} if it does not
    go on, because it was granted for other ports, or would let in more connections.

    @param now: the time of the change.
    """
    if door is opening.door:  # the longest time counts only for a door that changes
        return opening
    if door is None or door.ports != opening.door.ports:
        return None
    if opening.door.once and not door.once:
        return None
    return replace(opening, door=door, deadline=min(opening.deadline, now + door.maxOpenFor))
