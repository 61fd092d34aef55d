"""What is exported, and what a format may not be able to express. Pure."""

from math import ceil
from typing import NamedTuple

from pkdoors.client.profiles import DEFAULT_DOOR, Profile
from pkdoors.errors import BadValue
from pkdoors.model.knockports import KnockPort, TcpPort
from pkdoors.model.names import checkHost


def toAscii(host: str) -> str:
    """
    Return the name or the address of a host in ASCII, as the network has it: then nobody can take
    letters of other scripts for those of a name that they know.

    @raise BadValue: it is not one.
    """
    checkHost(host)
    try:
        return host if host.isascii() else checkHost(host.encode("idna").decode("ascii"))
    except UnicodeError:
        raise BadValue("this is not the name of a host in any network") from None


class Subject(NamedTuple):
    """
    A profile on its way to another client.

    @ivar name: the profile's name.
    @ivar program: how to start C{pkdoors} on the client.
    @ivar file: the path of the file that the export goes to; empty for standard output.
    """

    name: str
    profile: Profile
    program: str = "pkdoors"
    file: str = ""

    @property
    def address(self) -> str:
        """
        The host's name or address, in ASCII: without a letter that means something to a shell.

        @raise BadValue: the profile has something else there.
        """
        return toAscii(self.profile.address)

    @property
    def ports(self) -> tuple[KnockPort, ...]:
        """
        The ports of the sequence.

        @raise BadValue: the profile has none.
        """
        if self.profile.sequence is None:
            raise BadValue("it has no sequence: add it to the profile")
        return self.profile.sequence.ports

    @property
    def seconds(self) -> int:
        """
        The time to ask for, 0 for the door's own.

        @raise BadValue: its last knock is on a TCP port, and cannot ask for a time.
        """
        seconds = ceil(self.profile.openFor or 0)
        if seconds and isinstance(self.ports[-1], TcpPort):
            raise BadValue(
                "a knock on a TCP port cannot ask for a time: remove open_for from the profile"
            )
        return seconds

    def intervalOr(self, seconds: float) -> float:
        """
        Return the seconds between two datagrams of a plain knock.

        @param seconds: what suits the other client, if the profile says nothing.
        """
        return seconds if self.profile.interval is None else self.profile.interval

    @property
    def door(self) -> str:
        """The door of a sealed knock."""
        return self.profile.door or DEFAULT_DOOR


def checkSealed(subject: Subject) -> None:
    """
    Check that a sealed knock can be made.

    @raise BadValue: a port of the sequence takes no datagrams.
    """
    if any(isinstance(port, TcpPort) for port in subject.ports):
        raise BadValue("its sequence has a TCP port, but a sealed knock is a datagram")


def refuseSealed(subject: Subject, what: str, instead: str) -> None:
    """
    Refuse a sealed door.

    @param what: the client that cannot seal.
    @param instead: a format that can.
    @raise BadValue: knocks on the door are sealed.
    """
    if subject.profile.isSealed:
        raise BadValue(f"{what} cannot seal a knock: use --format {instead}")
