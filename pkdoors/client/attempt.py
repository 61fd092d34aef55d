"""C{pkdoors knock}: from a host's name to its open door."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pkdoors.client._knocker import Knocker, resolve
from pkdoors.client._portwatch import PortWatch, Take, hangUp
from pkdoors.client.methods import PlainMethod, SealedMethod
from pkdoors.errors import KnockError
from pkdoors.util.durations import formatDuration

FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    An attempt to get through the door of a host.

    @ivar method: how to knock.
    @ivar family: 4 or 6 for only that; L{None} for both.
    @ivar port: TCP port to wait for; L{None} to wait for none.
    @ivar timeout: seconds to wait for it after each knock.
    @ivar tries: knocks in all.
    """

    host: str
    method: PlainMethod | SealedMethod
    family: int | None
    port: int | None
    timeout: float
    tries: int

    @property
    def canClose(self) -> bool:
        """Whether L{askToClose} has an effect: a plain knock can only open a door."""
        return isinstance(self.method, SealedMethod)

    async def askToClose(self, reactor: Any) -> None:
        """
        Ask the host to close the door, if the method can ask for that.

        @raise KnockError: the knock could not be sent.
        """
        if isinstance(self.method, SealedMethod):
            closing = replace(self.method, close=True, seconds=0)
            planner = await closing.prepare(reactor, lambda line: None)
            await Knocker(reactor, planner).knock(await self.resolveHost(reactor))

    async def resolveHost(self, reactor: Any) -> list[str]:
        """
        Return the addresses of the host.

        @raise KnockError: it has none.
        """
        return await resolve(reactor, self.host, FAMILIES[self.family])

    async def run(self, reactor: Any, say: Callable[[str], None], take: Take = hangUp) -> str:
        """
        Knock, and wait for the port if there is one.

        @param say: called with lines for the user about the progress.
        @param take: called with the connection with which the port answered.
        @return: the result, for the user.
        @raise KnockError: the knock could not be sent, or the port did not open.
        """
        addresses = await self.resolveHost(reactor)
        knocker = Knocker(reactor, await self.method.prepare(reactor, say))
        refused = False
        for left in reversed(range(self.tries)):
            knocked = await knocker.knock(addresses)
            if self.port is None:
                return f"{self.method.describe(self.host)} ({', '.join(knocked)})"
            began = reactor.seconds()
            watch = PortWatch(reactor, knocked, self.port, take)
            answered = await watch.start(self.timeout)
            if answered:
                after = reactor.seconds() - began
                return f"{self.port}/tcp of {self.host} is open ({answered}, after {after:.2f} s)"
            refused = watch.refused
            if left:
                reason = "connection refused" if refused else "no answer yet"
                say(f"{reason}, knocking again ({left} left)")
        raise KnockError(self._describeFailure(refused))

    def _describeFailure(self, refused: bool) -> str:
        if refused:
            return (
                f"{self.host} refuses connections to {self.port}/tcp: "
                "the door is probably open, but nothing listens on that port"
            )
        times = "once" if self.tries == 1 else f"{self.tries} times"
        return (
            f"{self.port}/tcp of {self.host} did not answer within "
            f"{formatDuration(self.timeout)} (knocked {times}): check that "
            f"{self.method.hintOnFailure}, that the knocks reach the host, and that its daemon "
            "protects that port; see the daemon's log"
        )
