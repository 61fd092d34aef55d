"""What the core asks of a driver. Pure."""

from typing import NamedTuple

from pkdoors.model.knockports import KnockPort


class Seal(NamedTuple):
    """
    Make the knock for an address, and give its plan to L{Visit.sealed}.

    @ivar isFirst: whether it is the first one for this address.
    """

    address: str
    isFirst: bool = False


class Send(NamedTuple):
    """
    Send a datagram, or a SYN to a TCP port.

    @ivar place: which of the knock's datagrams it is, from 1 on; a report says this, not the port.
    """

    address: str
    port: KnockPort
    datagram: bytes
    place: int


class Connect(NamedTuple):
    """
    Try to connect to the port that the user waits for.

    @ivar number: of the try.
    """

    number: int
    address: str
    port: int


class Abandon(NamedTuple):
    """Give up a try to connect, or its connection."""

    number: int


class Listen(NamedTuple):
    """Read the first bytes that come from a connection, and give them to L{Visit.greeted}."""

    number: int


class Say(NamedTuple):
    """Tell the user something about the progress."""

    line: str


Action = Seal | Send | Connect | Abandon | Listen | Say
