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
    @ivar method: how to knock.
    @ivar family: 4 or 6 for only that; L{None} for both.
    @ivar port: TCP port to wait for; L{None} for not waiting.
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
        """Whether L{askToClose} closes the door: a plain knock can only open one."""
        return isinstance(self.method, SealedMethod)

    async def askToClose(self, reactor: Any) -> None:
        """
        Have the door closed, where that can be asked for.

        @raise KnockError: it could not be asked for.
        """
        if isinstance(self.method, SealedMethod):
            closing = replace(self.method, close=True, seconds=0)
            planner = await closing.prepare(reactor, lambda line: None)
            await Knocker(reactor, planner).knock(await self.resolveHost(reactor))

    async def resolveHost(self, reactor: Any) -> list[str]:
        """
        Those of the host.

        @raise KnockError: it has none.
        """
        return await resolve(reactor, self.host, FAMILIES[self.family])

    async def run(self, reactor: Any, say: Callable[[str], None], take: Take = hangUp) -> str:
        """
        Knock, and wait where that was asked for.

        @param say: told how it goes, meanwhile.
        @param take: called with the connection that the port answered with.
        @return: what to tell the user.
        @raise KnockError: it could not knock, or the port did not open.
        """
        resolveHost = await self.resolveHost(reactor)
        knocker = Knocker(reactor, await self.method.prepare(reactor, say))
        refused = False
        for left in reversed(range(self.tries)):
            knocked = await knocker.knock(resolveHost)
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
                "the door may be open, but nothing listens behind it"
            )
        times = "once" if self.tries == 1 else f"{self.tries} times"
        return (
            f"{self.port}/tcp of {self.host} did not answer within "
            f"{formatDuration(self.timeout)} (knocked {times}): {self.method.hintOnFailure}, do "
            "the knocks reach the host, and does its daemon protect that port? "
            "The daemon's log tells"
        )
