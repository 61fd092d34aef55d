"""What happened, for a report; L{pkdoors.client.core.actions} are what the client does. Pure."""

from typing import NamedTuple

from pkdoors.client.core.actions import Action
from pkdoors.client.core.plan import Plan
from pkdoors.client.core.stun import Server


class Found(NamedTuple):
    """The addresses of a host are known."""

    host: str
    addresses: tuple[str, ...]


class Asked(NamedTuple):
    """
    An SSH agent is asked something.

    @ivar path: of its socket.
    """

    path: str
    question: bytes


class Answered(NamedTuple):
    """
    The agent answered.

    @ivar answer: empty if it did not.
    @ivar reason: why it did not.
    """

    answer: bytes
    reason: str = ""


class Sealing(NamedTuple):
    """
    A key is going to seal a knock.

    @ivar publicKey: its public key blob.
    @ivar isCertified: whether its certificate is sent.
    """

    publicKey: bytes
    isCertified: bool
    statement: str


class Learned(NamedTuple):
    """A STUN server said from which address this host is seen."""

    server: Server
    address: str


class Planned(NamedTuple):
    """A knock is made."""

    address: str
    plan: Plan


class Failed(NamedTuple):
    """An address cannot be knocked on."""

    address: str
    reason: str


class Connected(NamedTuple):
    """A try to connect succeeded."""

    number: int


class Disconnected(NamedTuple):
    """A try to connect failed."""

    number: int
    isRefused: bool


class Greeted(NamedTuple):
    """
    The server's first bytes came.

    @ivar data: nothing, if it closed the connection without any.
    """

    data: bytes


_Making = Asked | Answered | Sealing | Learned | Planned
Event = Found | _Making | Failed | Connected | Disconnected | Greeted
Traced = Action | Event


def ignore(traced: Traced) -> None:
    """Report nothing."""
