"""What an attempt to get through a door is for, and how it can end. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from pkdoors.client.core.methods import PENALTY, Method
from pkdoors.client.core.plan import RoundTrip, intervalFor
from pkdoors.util.durations import formatDuration

LOOK = 0.1
"""Seconds in which an open port has time to answer before the client knocks, on a path of which
nothing is known. Most paths are shorter. On a longer one the client sends a knock that was not
needed, and whichever connection answers first is used; a client that waits longer makes everybody
wait whose door is closed."""
LONGEST_LOOK = 0.15
_PENALTY = b"Not allowed at this time"
"""What sshd says instead of its version to addresses that it penalizes (PerSourcePenalties)."""
SLACK = 0.01
"""Seconds beyond the round trip, for a server and a network that are busy."""


def lookFor(roundTrip: RoundTrip | None) -> float:
    """
    Return the seconds in which an open port has time to answer.

    @param roundTrip: to the host; L{None} if unknown.
    """
    return LOOK if roundTrip is None else min(roundTrip.most + SLACK, LONGEST_LOOK)


class Attempt(NamedTuple):
    """
    An attempt to get through the door of a host.

    @ivar host: the name or the address of the host.
    @ivar method: how to knock.
    @ivar family: 4 or 6 for only that; L{None} for both.
    @ivar port: the TCP port to wait for; L{None} to wait for none.
    @ivar timeout: seconds to wait for it after each knock.
    @ivar tries: knocks in all.
    @ivar look: seconds in which the port has time to answer before the first knock; 0 to knock at
        once; L{None} for a time that suits the path.
    @ivar path: the round trip to the host; L{None} if the driver has to find it out.
    @ivar isRace: whether the connection is what the user wants: then an open port needs no knock.
        Otherwise the client knocks in any case, and waits only to see that the port is open.
    """

    host: str
    method: Method
    family: int | None = None
    port: int | None = None
    timeout: float = 5.0
    tries: int = 3
    look: float | None = None
    isRace: bool = False
    path: RoundTrip | None = None

    def suit(self, paths: Iterable[RoundTrip | None]) -> "Attempt":
        """
        Return an attempt that suits the path to the host.

        The first knock is faster only if another one can follow that the host does not ignore: if
        its datagrams overtake each other, that is a wrong order.

        @param paths: the round trip to each address; L{None} for those that are unknown.
        """
        if self.port is None:
            return self
        paths = [*paths] if self.path is None else [self.path]
        known = [path for path in paths if path]
        longest = max(known, key=lambda path: path.most, default=None)
        slowest = max(known, default=None) if len(known) == len(paths) else None
        canRepeat = self.timeout * (self.tries - 1) > PENALTY
        return self._replace(
            look=lookFor(longest) if self.look is None else self.look,
            method=self.method.hurried(intervalFor(slowest)) if canRepeat else self.method,
        )

    def explainGreeting(self, data: bytes) -> str:
        """Return what the first bytes of a server mean for the user; nothing if all is well."""
        if not data.startswith(_PENALTY):
            return ""
        return (
            f"sshd of {self.host} refuses this address for a while, because of too "
            "many connections without a login (PerSourcePenalties): wait a minute or two"
        )

    def describeFailure(self, refused: bool) -> str:
        """
        Return why the port did not open.

        @param refused: whether the host refused a connection, which a closed door does not do.
        """
        if refused:
            return (
                f"{self.host} refuses connections to {self.port}/tcp: "
                "the door is probably open, but nothing listens on that port"
            )
        times = "once" if self.tries == 1 else f"{self.tries} times"
        return (
            f"{self.port}/tcp of {self.host} did not answer within "
            f"{formatDuration(self.timeout)} (knocked {times}): check that "
            f"{self.method.hint}, that the knocks reach the host, and that its daemon protects "
            "that port; see the daemon's log"
        )


class Outcome(NamedTuple):
    """
    How an attempt ended that did not fail. C{str()} is a sentence for the user.

    @ivar knocked: the addresses that were knocked on; none if the port was open.
    @ivar answered: the address from which the port answered; L{None} without a port.
    @ivar seconds: from the knock to the answer; L{None} if the port was open before the knock.
    @ivar note: something about the server that the user should know; empty for nothing.
    """

    attempt: Attempt
    knocked: tuple[str, ...]
    answered: str | None = None
    seconds: float | None = None
    note: str = ""

    @property
    def wasOpen(self) -> bool:
        """Whether the port was open before the knock."""
        return self.answered is not None and self.seconds is None

    def __str__(self) -> str:
        host, port = self.attempt.host, self.attempt.port
        if self.answered is None:
            return f"{self.attempt.method.describe(host)} ({', '.join(self.knocked)})"
        if self.seconds is None:
            return f"{port}/tcp of {host} was open already ({self.answered})"
        length = formatDuration(self.seconds)
        return f"{port}/tcp of {host} opened {length} after the knock ({self.answered})"
